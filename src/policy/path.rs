//! How the path enters the key, and which paths are not to be trusted.

use std::borrow::Cow;

/// How the path enters the key. What the handler gets to see is the path as it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathKey {
    /// `/A` is `/a`.
    pub(crate) ignore_case: bool,
    /// `/a/` is `/a`.
    pub(crate) ignore_trailing_slash: bool,
    /// Paths that may be read in two ways are cached as well.
    pub(crate) ambiguous: bool,
}

impl PathKey {
    /// The path as it counts.
    pub(crate) fn apply(self, path: &str) -> Cow<'_, str> {
        let path = match path.strip_suffix('/') {
            Some(shorter) if self.ignore_trailing_slash && !shorter.is_empty() => shorter,
            _ => path,
        };
        if self.ignore_case && path.bytes().any(|b| b.is_ascii_uppercase()) {
            return path.to_ascii_lowercase().into();
        }
        path.into()
    }
}

/// Whether routers, origins and caches read `path` in different ways: slashes, backslashes or dots that are
/// percent-encoded (once or twice), encoded control characters, backslashes, parameters behind `;`, empty and dot segments. A route that matches what is written may
/// be another than the one that is meant.
#[must_use]
pub fn is_ambiguous(path: &str) -> bool {
    let mut rest = path.as_bytes();
    while let Some(at) = rest.iter().position(|byte| !PLAIN[usize::from(*byte)]) {
        let (byte, behind) = (rest[at], &rest[at + 1..]);
        let confuses = match byte {
            b'/' => matches!(behind, [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..]),
            b'%' => is_confusing(behind.strip_prefix(b"25").unwrap_or(behind)),
            _ => true,
        };
        if confuses {
            return true;
        }
        rest = behind;
    }
    false
}

/// The bytes that mean the same wherever they stand: what is visible, but for `/`, `%`, `\` and `;`.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        plain[byte as usize] = !matches!(byte, b'/' | b'%' | b'\\' | b';');
        byte += 1;
    }
    plain
};

/// Whether what follows a `%` is the code of a byte that means something in a path, or is no code.
fn is_confusing(code: &[u8]) -> bool {
    match code {
        [b'0' | b'1', ..] | [b'7', b'f' | b'F', ..] => true,
        [b'2', digit, ..] => matches!(digit, b'e' | b'E' | b'f' | b'F'),
        [b'3', digit, ..] => matches!(digit, b'b' | b'B'),
        [b'5', digit, ..] => matches!(digit, b'c' | b'C'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_paths() {
        for path in [
            "/account/%2e%2e/x",
            "/a/..%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a;v=1/b",
            "/a%3bv=1",
            "/a//b",
            "//a",
            "/a/./b",
            "/a/..",
            "/a%252fb",
            "/a%00",
            "/a%0d%0a",
            "/a%7f",
            "/a\u{7f}",
            "/a b",
            "/\u{e9}",
        ] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in
            ["/", "/a", "/a/", "/a.b/c..d/...", "/a%20b", "/100%25", "/%C3%A9", "/a%25x", "/~u/@v/a:b,c=d+e!f$g'(h)*"]
        {
            assert!(!is_ambiguous(path), "{path}");
        }
    }

    #[test]
    fn paths_as_they_count() {
        let exact = PathKey::default();
        let slash = PathKey { ignore_trailing_slash: true, ..exact };
        let case = PathKey { ignore_case: true, ..exact };
        for (by, path, counts) in [
            (exact, "/A/", "/A/"),
            (slash, "/A/", "/A"),
            (slash, "/A", "/A"),
            (slash, "/", "/"),
            (case, "/A/%2C", "/a/%2c"),
            (case, "/a/", "/a/"),
        ] {
            assert_eq!(by.apply(path), counts);
        }
    }
}
