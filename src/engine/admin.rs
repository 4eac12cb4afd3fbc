//! Who may ask the cache about itself.

use sha2::{Digest, Sha256};

/// Whether an `Authorization` field carries `token` as a bearer token (RFC 6750 section 2.1). How long the comparison takes says nothing of
/// either. An empty token opens nothing.
///
/// ```
/// use layercake::engine::admin::carries_token;
///
/// assert!(carries_token(Some(b"Bearer s3cret"), "s3cret"));
/// assert!(!carries_token(Some(b"Bearer s3cre"), "s3cret"));
/// assert!(!carries_token(None, ""));
/// ```
#[must_use]
pub fn carries_token(authorization: Option<&[u8]>, token: &str) -> bool {
    let given = authorization.and_then(|field| {
        let (scheme, given) = field.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| given.trim_ascii())
    });
    let digests = [Sha256::digest(given.unwrap_or_default()), Sha256::digest(token)];
    let differing = digests[0].iter().zip(digests[1]).fold(0, |all, (a, b)| all | (a ^ b));
    differing == 0 && given.is_some() && !token.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (field, token, expected) in [
            (Some("Bearer abc"), "abc", true),
            (Some("bearer  abc "), "abc", true),
            (Some("Bearer abc"), "abcd", false),
            (Some("Bearer abcd"), "abc", false),
            (Some("Bearer ABC"), "abc", false),
            (Some("Basic abc"), "abc", false),
            (Some("abc"), "abc", false),
            (Some("Bearer"), "", false),
            (Some("Bearer "), "", false),
            (None, "abc", false),
            (None, "", false),
        ] {
            assert_eq!(carries_token(field.map(str::as_bytes), token), expected, "{field:?} {token}");
        }
    }
}
