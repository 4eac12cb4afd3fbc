//! Does the client hold this representation already? (RFC 9110 section 13.)

use super::{Fields, date, freshness::Timestamp, list_members};

/// The conditions of a GET or HEAD that a stored response can answer with 304.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    if_none_match: Option<Vec<u8>>,
    if_modified_since: Option<Vec<u8>>,
}

impl Conditions {
    /// Reads them from a request.
    #[must_use]
    pub fn of(request: &(impl Fields + ?Sized)) -> Self {
        let if_none_match = request.field("if-none-match").map(std::borrow::Cow::into_owned);
        // RFC 9110 section 13.1.3: If-Modified-Since is ignored beside If-None-Match.
        let if_modified_since = match if_none_match {
            Some(_) => None,
            None => request.field("if-modified-since").map(std::borrow::Cow::into_owned),
        };
        Self { if_none_match, if_modified_since }
    }

    /// Whether the request is unconditional.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.if_none_match.is_none() && self.if_modified_since.is_none()
    }

    /// Whether a stored 200 with these `fields` is what the client holds, so that a 304 answers it (13.2.2).
    #[must_use]
    pub fn not_modified(&self, fields: &(impl Fields + ?Sized), now: Timestamp) -> bool {
        if let Some(wanted) = &self.if_none_match {
            // 13.1.2: "*" matches any current representation; lists use the weak comparison of 8.8.3.2.
            if wanted.trim_ascii() == b"*" {
                return true;
            }
            let Some(etag) = fields.field("etag") else { return false };
            let etag = opaque_tag(etag.trim_ascii());
            return list_members(wanted).any(|tag| opaque_tag(tag) == etag);
        }
        let Some(since) = self.if_modified_since.as_deref().and_then(|v| date::parse(v.trim_ascii(), now)) else {
            return false;
        };
        fields
            .field("last-modified")
            .and_then(|v| date::parse(v.trim_ascii(), now))
            .is_some_and(|modified| modified <= since)
    }
}

/// The entity tag without its weakness mark.
fn opaque_tag(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The weak form of an entity tag, for a representation that is equivalent but not byte for byte the one tagged
/// (RFC 9110 section 8.8.1).
#[must_use]
pub fn weaken(etag: &str) -> String {
    if etag.starts_with("W/") { etag.to_owned() } else { format!("W/{etag}") }
}

/// The fields that describe a body and leave with it when a 304 is sent (RFC 9110 section 15.4.5).
pub const BODY_FIELDS: [&str; 5] =
    ["content-length", "content-type", "content-encoding", "content-language", "content-range"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let stored: &[(&str, &str)] = &[("etag", "\"v1\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];
        let bare: &[(&str, &str)] = &[];
        for (request, entry, expected) in [
            (&[("if-none-match", "\"v1\"")][..], stored, true),
            (&[("if-none-match", "W/\"v1\"")][..], stored, true),
            (&[("if-none-match", "\"v0\", \"v1\"")][..], stored, true),
            (&[("if-none-match", "*")][..], stored, true),
            (&[("if-none-match", "*")][..], bare, true),
            (&[("if-none-match", "\"v2\"")][..], stored, false),
            (&[("if-none-match", "\"v1\"")][..], bare, false),
            (&[("if-none-match", "\"v2\""), ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")][..], stored, false),
            (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")][..], stored, true),
            (&[("if-modified-since", "Sun Nov  6 08:49:36 1994")][..], stored, false),
            (&[("if-modified-since", "yesterday")][..], stored, false),
            (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")][..], bare, false),
            (&[][..], stored, false),
        ] {
            let got = Conditions::of(request).not_modified(entry, Timestamp::from_secs(784_111_800));
            assert_eq!(got, expected, "{request:?} against {entry:?}");
        }
    }

    #[test]
    fn weakening_is_idempotent() {
        assert_eq!(weaken("\"a\""), "W/\"a\"");
        assert_eq!(weaken("W/\"a\""), "W/\"a\"");
    }
}
