//! The primary key: which requests share an answer.
//!
//! A key is the SHA-256 of parts that are each preceded by their length as four bytes, big-endian:
//!
//! 1. the text `layercake key 1`
//! 2. the app, the schema version in decimal, the environment (empty when there is none)
//! 3. the scheme, the authority in lower case without the scheme's default port, the path as sent
//! 4. `?` and the query as the policy keys on it, or nothing when there is none
//!
//! Variants of one target have keys derived from its own ([`CacheKey::variant`]).
//!
//! The first 20 bytes name the entry in every tier, the next 12 are repeated inside it ([`KeyCheck`]). The input is
//! frozen by a test: a change would empty every deployed cache, or worse.

use crate::entry::wire::hex;
use crate::entry::{KeyCheck, Selecting};
use crate::message::RequestView;
use crate::semantics::invalidation::{Target, without_default_port};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The version of what the app stores. Raise it when a new release must not read what the old one stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaVersion(pub u32);

/// The namespace of an app's keys: two apps, schema versions or environments never see each other's entries, even in
/// one KV namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix {
    app: Box<str>,
    version: SchemaVersion,
    environment: Box<str>,
    name: Arc<str>,
}

impl KeyPrefix {
    /// The longest app or environment name, in bytes.
    pub const MAX_NAME: usize = 64;

    /// The prefix of a cache that stores nothing.
    pub(crate) fn none() -> Self {
        Self { app: "".into(), version: SchemaVersion(0), environment: "".into(), name: "".into() }
    }

    /// `None` when `app` is empty, or when either name is longer than [`MAX_NAME`](Self::MAX_NAME) or holds anything
    /// but ASCII letters, digits, `-` and `_`.
    #[must_use]
    pub fn new(app: &str, version: SchemaVersion, environment: &str) -> Option<Self> {
        let plain = |name: &str| {
            name.len() <= Self::MAX_NAME && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if app.is_empty() || !plain(app) || !plain(environment) {
            return None;
        }
        let name = if environment.is_empty() {
            format!("lc1:{app}:v{}", version.0)
        } else {
            format!("lc1:{app}:v{}:{environment}", version.0)
        };
        Some(Self { app: app.into(), version, environment: environment.into(), name: name.into() })
    }

    /// The app's name.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }
}

/// How the query enters the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueryKey {
    /// Byte for byte.
    #[default]
    Whole,
    /// Not at all: every query gets the same answer.
    Ignored,
}

impl QueryKey {
    const fn apply(self, query: Option<&str>) -> Option<&str> {
        match self {
            Self::Whole => query,
            Self::Ignored => None,
        }
    }
}

/// The key of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    prefix: Arc<str>,
    /// `scheme://authority`, the site the entry belongs to.
    site: Box<str>,
    digest: [u8; 32],
}

/// The bytes that name an entry.
pub type KeyName = [u8; 20];

impl CacheKey {
    /// The key of `request`.
    #[must_use]
    pub fn of(prefix: &KeyPrefix, query: QueryKey, request: &(impl RequestView + ?Sized)) -> Self {
        Self::of_parts(prefix, query, request.scheme(), request.authority(), request.path(), request.query())
    }

    /// The key of a request for `target`.
    #[must_use]
    pub fn of_target(prefix: &KeyPrefix, query: QueryKey, target: &Target) -> Self {
        Self::of_parts(prefix, query, &target.scheme, &target.authority, &target.path, target.query.as_deref())
    }

    fn of_parts(
        prefix: &KeyPrefix,
        by: QueryKey,
        scheme: &str,
        authority: &str,
        path: &str,
        query: Option<&str>,
    ) -> Self {
        let site = site(scheme, authority);
        let mut input = KeyInput::new(prefix);
        input.part(scheme.as_bytes());
        input.part(site.get(scheme.len() + 3..).unwrap_or_default().as_bytes());
        input.part(path.as_bytes());
        match by.apply(query) {
            Some(query) => input.parts(&[b"?", query.as_bytes()]),
            None => input.part(b""),
        }
        Self { prefix: Arc::clone(&prefix.name), site: site.into_boxed_str(), digest: input.finish() }
    }

    /// The key of the variant with these selecting fields in a family: the SHA-256 of the text `layercake variant 1`, this
    /// key's digest, the family's number in decimal, and for each field its name and either `=` and its value or nothing, each
    /// preceded by its length.
    #[must_use]
    pub fn variant(&self, family: u64, selecting: &Selecting) -> Self {
        let mut input = KeyInput(Sha256::new());
        input.part(b"layercake variant 1");
        input.part(&self.digest);
        input.part(family.to_string().as_bytes());
        for (name, value) in selecting {
            input.part(name.as_bytes());
            match value {
                Some(value) => input.parts(&[b"=", value.as_bytes()]),
                None => input.part(b""),
            }
        }
        Self { prefix: Arc::clone(&self.prefix), site: self.site.clone(), digest: input.finish() }
    }

    /// Four bytes of the digest, to tell the few variants of a family apart.
    #[must_use]
    pub fn mark(&self) -> u32 {
        self.digest.iter().take(4).fold(0, |mark, byte| mark << 8 | u32::from(*byte))
    }

    #[cfg(test)]
    pub(crate) fn for_tests(n: u32) -> Self {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&n.to_be_bytes());
        Self { prefix: "lc1:test:v1".into(), site: "https://test.example".into(), digest }
    }

    /// The bytes that name the entry in memory.
    #[must_use]
    pub fn name(&self) -> KeyName {
        let mut name = [0; 20];
        name.copy_from_slice(&self.digest[..20]);
        name
    }

    /// What the entry repeats.
    #[must_use]
    pub fn check(&self) -> KeyCheck {
        let mut check = [0; 12];
        check.copy_from_slice(&self.digest[20..]);
        check
    }

    /// The entry's name in a key-value store: `lc1:app:v1:` and 40 hex digits.
    #[must_use]
    pub fn store_name(&self) -> String {
        let mut name = String::with_capacity(self.prefix.len() + 41);
        name.push_str(&self.prefix);
        name.push(':');
        name.push_str(&hex(&self.digest[..20]));
        name
    }

    /// The entry's URL in a cache keyed by URL: a path under the request's own host, so that no foreign name is ever
    /// looked up.
    #[must_use]
    pub fn url(&self) -> String {
        let mut url = String::with_capacity(self.site.len() + self.prefix.len() + 56);
        url.push_str(&self.site);
        url.push_str("/.layercake/");
        url.push_str(&self.prefix);
        url.push('/');
        url.push_str(&hex(&self.digest[..20]));
        url
    }
}

/// `scheme://authority` with the authority in lower case and without the scheme's default port (RFC 9110 section
/// 4.2.3).
fn site(scheme: &str, authority: &str) -> String {
    let authority = without_default_port(scheme, authority);
    let mut site = String::with_capacity(scheme.len() + 3 + authority.len());
    site.push_str(scheme);
    site.push_str("://");
    site.extend(authority.chars().map(|c| c.to_ascii_lowercase()));
    site
}

/// The hash input: length-prefixed parts.
struct KeyInput(Sha256);

impl KeyInput {
    fn new(prefix: &KeyPrefix) -> Self {
        let mut input = Self(Sha256::new());
        input.part(b"layercake key 1");
        input.part(prefix.app.as_bytes());
        input.part(prefix.version.0.to_string().as_bytes());
        input.part(prefix.environment.as_bytes());
        input
    }

    fn part(&mut self, bytes: &[u8]) {
        self.parts(&[bytes]);
    }

    /// One part given in pieces.
    fn parts(&mut self, pieces: &[&[u8]]) {
        let length: usize = pieces.iter().map(|p| p.len()).sum();
        // Nothing in a request comes near four gigabytes.
        self.0.update(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        for piece in pieces {
            self.0.update(piece);
        }
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::Fields;
    use std::borrow::Cow;

    struct Target(&'static str, &'static str, &'static str, Option<&'static str>);

    impl Fields for Target {
        fn field(&self, _: &str) -> Option<Cow<'_, [u8]>> {
            None
        }
    }

    impl RequestView for Target {
        fn method(&self) -> &'static str {
            "GET"
        }
        fn scheme(&self) -> &str {
            self.0
        }
        fn authority(&self) -> &str {
            self.1
        }
        fn path(&self) -> &str {
            self.2
        }
        fn query(&self) -> Option<&str> {
            self.3
        }
        fn keep_fields(&self) -> Arc<dyn Fields + Send + Sync> {
            Arc::new(Target("", "", "", None))
        }
    }

    fn prefix(app: &str, version: u32, environment: &str) -> KeyPrefix {
        KeyPrefix::new(app, SchemaVersion(version), environment).unwrap()
    }

    fn key(target: &Target, query: QueryKey) -> String {
        CacheKey::of(&prefix("shop", 1, ""), query, target).store_name()
    }

    /// What deployed Workers compute: this test never changes.
    #[test]
    fn the_input_is_frozen() {
        let target = Target("https", "shop.example", "/api/products", Some("b=2&a=1"));
        let key = CacheKey::of(&prefix("shop", 1, ""), QueryKey::Whole, &target);
        assert_eq!(key.store_name(), format!("lc1:shop:v1:{}", hex(&key.name())));
        assert_eq!(key.url(), format!("https://shop.example/.layercake/lc1:shop:v1/{}", hex(&key.name())));
        let mut input = Vec::new();
        for part in ["layercake key 1", "shop", "1", "", "https", "shop.example", "/api/products", "?b=2&a=1"] {
            input.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            input.extend(part.as_bytes());
        }
        let digest: [u8; 32] = Sha256::digest(&input).into();
        assert_eq!((&key.name()[..], &key.check()[..]), (&digest[..20], &digest[20..]));
        assert_eq!(hex(&key.name()), "55fcea0db8332fe7cf2802e5cf47d4542ccf2513");
    }

    /// As above.
    #[test]
    fn the_input_of_variants_is_frozen() {
        let base = CacheKey::for_tests(7);
        let selecting = vec![("accept".into(), None), ("accept-language".into(), Some("it".into()))];
        let variant = base.variant(12, &selecting);
        let mut input = Vec::new();
        let parts: [&[u8]; 7] =
            [b"layercake variant 1", &base.digest, b"12", b"accept", b"", b"accept-language", b"=it"];
        for part in parts {
            input.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            input.extend(part);
        }
        let digest: [u8; 32] = Sha256::digest(&input).into();
        assert_eq!(variant.digest, digest);
        assert_eq!(variant.mark().to_be_bytes(), digest[..4]);
        for (family, other) in [
            (13, selecting.clone()),
            (12, vec![("accept".into(), Some("".into())), ("accept-language".into(), Some("it".into()))]),
            (12, vec![("accept-language".into(), Some("it".into()))]),
        ] {
            assert_ne!(base.variant(family, &other).digest, variant.digest, "{family} {other:?}");
        }
    }

    #[test]
    fn what_differs_has_another_key() {
        let of = |t: Target| key(&t, QueryKey::Whole);
        let base = || of(Target("https", "a.example", "/p", None));
        for other in [
            Target("http", "a.example", "/p", None),
            Target("https", "b.example", "/p", None),
            Target("https", "a.example:8443", "/p", None),
            Target("https", "a.example", "/P", None),
            Target("https", "a.example", "/p/", None),
            Target("https", "a.example", "/p", Some("")),
            Target("https", "a.example", "/p", Some("a=1")),
            Target("https", "a.example", "/p?a=1", None),
        ] {
            assert_ne!(of(other), base());
        }
        let target = Target("https", "a.example", "/p", None);
        let names: Vec<_> = [("shop", 1, ""), ("shop", 2, ""), ("shop2", 1, ""), ("shop", 1, "dev")]
            .iter()
            .map(|(a, v, e)| CacheKey::of(&prefix(a, *v, e), QueryKey::Whole, &target).name())
            .collect();
        for (i, a) in names.iter().enumerate() {
            assert!(!names[i + 1..].contains(a));
        }
    }

    #[test]
    fn what_is_the_same_has_the_same_key() {
        for (a, b) in [("A.Example", "a.example"), ("a.example:443", "a.example")] {
            assert_eq!(
                key(&Target("https", a, "/", None), QueryKey::Whole),
                key(&Target("https", b, "/", None), QueryKey::Whole)
            );
        }
    }

    #[test]
    fn queries_by_policy() {
        let of = |q, query| key(&Target("https", "a.example", "/", Some(q)), query);
        assert_ne!(of("b=2&a=1", QueryKey::Whole), of("a=1&b=2", QueryKey::Whole));
        assert_eq!(of("b=2&a=1", QueryKey::Ignored), of("c", QueryKey::Ignored));
    }

    #[test]
    fn prefixes() {
        for (app, environment) in [("", ""), ("a b", ""), ("a:b", ""), ("a", "x/y"), (&*"a".repeat(65), "")] {
            assert!(KeyPrefix::new(app, SchemaVersion(1), environment).is_none(), "{app} {environment}");
        }
        let longest = KeyPrefix::new(&"a".repeat(64), SchemaVersion(u32::MAX), &"e".repeat(64)).unwrap();
        let name = CacheKey::of(&longest, QueryKey::Whole, &Target("https", "a", "/", None)).store_name();
        assert!(name.len() <= 512);
    }
}
