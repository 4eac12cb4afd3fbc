//! Keys of values that no request stands behind.

use std::fmt::{self, Display};
use std::sync::Arc;

/// The longest name of a key-value store (Workers KV, "Limits"), in bytes.
const LONGEST: usize = 512;

/// The key of a value: a namespace, and what tells the value from others in it. Parts are joined by `:`, and what might be
/// taken for something else in them is escaped as `%XX`, so that no two lists of parts make the same key.
///
/// ```
/// use layercake::DataKey;
///
/// let key = DataKey::of("cache:content:published").with(42);
/// assert_eq!(key.as_str(), "cache:content:published:42");
/// // A value cannot pose as two parts.
/// assert_eq!(DataKey::of("user").with("7:admin").as_str(), "user:7%3Aadmin");
/// assert_ne!(DataKey::of("user").with("7:admin"), DataKey::of("user").with(7).with("admin"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[must_use]
pub struct DataKey(Arc<str>);

impl DataKey {
    /// A namespace, whose colons separate its parts. It is written in the code: what comes from elsewhere goes into
    /// [`with`](Self::with). Anything but visible ASCII is escaped, and so is `%`.
    pub fn of(namespace: &'static str) -> Self {
        let mut text = String::with_capacity(namespace.len() + 24);
        escape(&mut text, namespace.as_bytes(), b"");
        Self(text.into())
    }

    /// The key with one more part: a number, a name, an identifier of any length.
    pub fn with(self, part: impl Display) -> Self {
        self.with_bytes(part.to_string().as_bytes())
    }

    /// The same with a part of any bytes.
    pub fn with_bytes(self, part: &[u8]) -> Self {
        let mut text = String::with_capacity(self.0.len() + 1 + part.len());
        text.push_str(&self.0);
        text.push(':');
        escape(&mut text, part, b":~");
        Self(text.into())
    }

    /// The key as text: visible ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts of the key, those of the namespace first, as they were given.
    ///
    /// ```
    /// use layercake::DataKey;
    ///
    /// let key = DataKey::of("cache:user").with("7:admin");
    /// assert_eq!(key.parts().collect::<Vec<_>>(), [&b"cache"[..], b"user", b"7:admin"]);
    /// ```
    pub fn parts(&self) -> impl Iterator<Item = Vec<u8>> {
        self.0.split(':').map(unescaped)
    }

    /// The key of a value whose name in a store ends so, and whether it is all of it.
    #[cfg(feature = "data")]
    pub(crate) fn listed(text: &str) -> (Self, bool) {
        let is_digest = |digest: &str| digest.len() == 40 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        match text.rsplit_once('~').filter(|(_, digest)| is_digest(digest)) {
            Some((front, _)) => (Self(front.into()), false),
            None => (Self(text.into()), true),
        }
    }

    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl Display for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes `bytes`, those that are no visible ASCII, `%` and those of `special` as `%XX`.
fn escape(out: &mut String, bytes: &[u8], special: &[u8]) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in bytes {
        if byte.is_ascii_graphic() && *byte != b'%' && !special.contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
        }
    }
}

/// The bytes that were escaped so.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let escaped = |rest: &mut std::str::Bytes<'_>| {
            let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            Some(digit(rest.next()?)? << 4 | digit(rest.next()?)?)
        };
        bytes.push(if byte == b'%' { escaped(&mut rest).unwrap_or(byte) } else { byte });
    }
    bytes
}

/// The name in a store, behind its prefix.
pub(super) fn store_name(mut name: String, readable: &str, digest: impl FnOnce() -> String) -> String {
    name.push('=');
    if name.len() + readable.len() <= LONGEST {
        name.push_str(readable);
        return name;
    }
    let fits = LONGEST.saturating_sub(name.len() + 41);
    name.push_str(readable.get(..fits).unwrap_or_default());
    name.push('~');
    name.push_str(&digest());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lists_of_parts_are_one_key() {
        let parts = ["", ":", "a", "a:", ":a", "%3A", "a%", "ä", "~", " ", "a:b"];
        let mut seen = std::collections::HashMap::new();
        for a in parts {
            assert_eq!(seen.insert(DataKey::of("n").with(a), vec![a]), None, "{a:?}");
            for b in parts {
                assert_eq!(seen.insert(DataKey::of("n").with(a).with(b), vec![a, b]), None, "{a:?} {b:?}");
            }
        }
        assert!(seen.keys().all(|key| key.as_str().bytes().all(|b| b.is_ascii_graphic())));
    }

    #[test]
    fn parts_come_back_as_they_were_given() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        let key = DataKey::of("a:b").with_bytes(&all).with("").with_bytes(b"%41");
        assert_eq!(key.parts().collect::<Vec<_>>(), [&b"a"[..], b"b", &all, b"", b"%41"]);
    }

    #[test]
    fn any_bytes_make_a_part() {
        assert_eq!(DataKey::of("a b").with_bytes(&[0, 0xff, b'%']).as_str(), "a%20b:%00%FF%25");
    }

    #[test]
    fn names_fit_the_store() {
        let name = |length: usize| store_name("lc1:a:v1:".to_owned(), &"k".repeat(length), || "d".repeat(40));
        assert_eq!(name(3), "lc1:a:v1:=kkk");
        assert_eq!((name(502).len(), name(502).contains('~')), (512, false));
        assert_eq!((name(503).len(), name(503).ends_with(&("~".to_owned() + &"d".repeat(40)))), (512, true));
        assert_eq!(name(100_000).len(), 512);
    }
}
