//! The primary key: which requests share an answer.
//!
//! A key is the SHA-256 of parts that are each preceded by their length as four bytes, big-endian:
//!
//! 1. the text `layercake key 1`
//! 2. the app, the schema version in decimal, the environment (empty when there is none)
//! 3. the scheme; the authority in lower case without the scheme's default port, or nothing where hosts share; the path as
//!    it counts
//! 4. `?` and the query as it counts, or nothing when there is none
//! 5. for each further thing that the policy keys on, in the order of kind and name: `header:`, `cookie:` or `value:` and the
//!    name; `=` and the value, or nothing when the request has none; then `with:set-cookie` and nothing, where answers are
//!    stored that set cookies
//!
//! Variants of one target have keys derived from its own ([`CacheKey::variant`]).
//!
//! The first 20 bytes name the entry in every tier, the next 12 are repeated inside it ([`KeyCheck`]). The input is
//! frozen by a test: a change would empty every deployed cache, or worse.

use crate::entry::wire::hex;
use crate::entry::{KeyCheck, Selecting};
use crate::message::RequestView;
use crate::policy::named::{self, DataKey};
use crate::semantics::decimal;
use crate::semantics::invalidation::without_default_port;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::Arc;

/// The version of what the app stores. Raise it when a new release must not read what the old one stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaVersion(pub u32);

/// The namespace of an app's keys: two apps, schema versions or environments never see each other's entries, even in
/// one KV namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix {
    app: Box<str>,
    name: Arc<str>,
    /// What the input of all its keys begins with.
    begin: Box<[u8]>,
}

impl KeyPrefix {
    /// The longest app or environment name, in bytes.
    pub const MAX_NAME: usize = 64;

    /// The prefix of a cache that stores nothing.
    pub(crate) fn none() -> Self {
        Self { app: "".into(), name: "".into(), begin: Box::default() }
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
        let mark = if environment.is_empty() { "" } else { ":" };
        let version = decimal(version.0.into());
        let name = ["lc1:", app, ":v", &version, mark, environment].concat();
        let mut begin = KeyInput(Vec::new());
        for part in ["layercake key 1", app, &version, environment] {
            begin.part(part.as_bytes());
        }
        Some(Self { app: app.into(), name: name.into(), begin: begin.0.into() })
    }

    /// The app's name.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }

    /// What the names of values begin with in a key-value store.
    #[cfg(feature = "data")]
    pub(crate) fn of_values(&self) -> String {
        [&*self.name, ":="].concat()
    }
}

/// What of a request enters its key.
#[derive(Clone, Debug)]
pub struct Keyed<'r> {
    /// `http` or `https`.
    pub scheme: &'r str,
    /// Host and port as sent.
    pub authority: &'r str,
    /// Whether the authority counts; where it does not, hosts share their entries.
    pub by_host: bool,
    /// The path as it counts.
    pub path: Cow<'r, str>,
    /// The query as it counts.
    pub query: Option<Cow<'r, str>>,
    /// What else counts, by kind and name.
    pub parts: &'r [KeyPart],
}

impl<'r> Keyed<'r> {
    /// The target as sent, and nothing else.
    pub fn target(request: &'r (impl RequestView + ?Sized)) -> Self {
        Self {
            scheme: request.scheme(),
            authority: request.authority(),
            by_host: true,
            path: request.path().into(),
            query: request.query().map(Cow::Borrowed),
            parts: &[],
        }
    }
}

/// Something beside the target that a policy keys on: its label (`header:`, `cookie:` or `value:` and the name) and what
/// the request has there.
pub type KeyPart = (Box<str>, Option<Box<str>>);

/// The key of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    prefix: Arc<str>,
    /// `scheme://authority`, the site the entry belongs to.
    site: Box<str>,
    digest: [u8; 32],
    /// What stands in the store's name in place of the digest.
    readable: Option<Arc<str>>,
}

/// The bytes that name an entry.
pub type KeyName = [u8; 20];

pub(crate) use super::name_map::NameMap;

impl CacheKey {
    /// The key of what was asked.
    #[must_use]
    pub fn of(prefix: &KeyPrefix, keyed: &Keyed<'_>) -> Self {
        let site = site(keyed.scheme, keyed.authority);
        let mut input = KeyInput::new(prefix);
        input.part(keyed.scheme.as_bytes());
        let authority = site.get(keyed.scheme.len() + 3..).filter(|_| keyed.by_host);
        input.part(authority.unwrap_or_default().as_bytes());
        input.part(keyed.path.as_bytes());
        input.optional(b"?", keyed.query.as_deref());
        for (label, value) in keyed.parts {
            input.part(label.as_bytes());
            input.optional(b"=", value.as_deref());
        }
        Self::made(prefix, site.into_boxed_str(), input)
    }

    fn made(prefix: &KeyPrefix, site: Box<str>, input: KeyInput) -> Self {
        Self { prefix: Arc::clone(&prefix.name), site, digest: input.finish(), readable: None }
    }

    /// The key of a value that no request stands behind: the SHA-256 of parts 1 and 2, the text `layercake data 1`, and the value's own
    /// key, each preceded by its length. `site` is where a cache keyed by URL has it.
    #[must_use]
    pub fn of_value(prefix: &KeyPrefix, site: &str, key: &DataKey) -> Self {
        let mut input = KeyInput::new(prefix);
        input.part(b"layercake data 1");
        input.part(key.as_str().as_bytes());
        Self { readable: Some(key.shared()), ..Self::made(prefix, site.into(), input) }
    }

    /// The key of the variant with these selecting fields in a family: the SHA-256 of the text `layercake variant 1`, this
    /// key's digest, the family's number in decimal, and for each field its name and either `=` and its value or nothing, each
    /// preceded by its length.
    #[must_use]
    pub fn variant(&self, family: u64, selecting: &Selecting) -> Self {
        let mut input = KeyInput::empty();
        input.part(b"layercake variant 1");
        input.part(&self.digest);
        input.part(decimal(family).as_bytes());
        for (name, value) in selecting {
            input.part(name.as_bytes());
            input.optional(b"=", value.as_deref());
        }
        self.beside(input)
    }

    /// Another key of the same site.
    fn beside(&self, input: KeyInput) -> Self {
        Self { digest: input.finish(), readable: None, ..self.clone() }
    }

    /// The key of the marker that says who refreshes this entry: the SHA-256 of the text `layercake lease 1` and this key's digest,
    /// each preceded by its length.
    #[must_use]
    pub fn lease(&self) -> Self {
        let mut input = KeyInput::empty();
        input.part(b"layercake lease 1");
        input.part(&self.digest);
        self.beside(input)
    }

    /// The key of something the cache keeps for itself, under this key's site: no request's key is made so.
    #[cfg(feature = "verify")]
    pub(crate) fn marker(&self, prefix: &KeyPrefix, kind: &str, name: &str) -> Self {
        let mut input = KeyInput::new(prefix);
        input.part(b"layercake marker 1");
        input.part(kind.as_bytes());
        input.part(name.as_bytes());
        self.beside(input)
    }

    /// Scheme and authority of the site the entry belongs to.
    pub(crate) fn site(&self) -> (&str, &str) {
        let (scheme, rest) = self.site.split_once(':').unwrap_or(("", &self.site));
        (scheme, rest.trim_start_matches('/'))
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
        Self { prefix: "lc1:test:v1".into(), site: "https://test.example".into(), digest, readable: None }
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

    /// The entry's name in a key-value store: `lc1:app:v1:` and 40 hex digits. A value's is `lc1:app:v1:=` and its own key; of one that
    /// would be longer than 512 bytes what fits, `~` and 40 hex digits.
    #[must_use]
    pub fn store_name(&self) -> String {
        let mut name = String::with_capacity(self.prefix.len() + 41);
        name.push_str(&self.prefix);
        name.push(':');
        if let Some(readable) = &self.readable {
            return named::store_name(name, readable, || hex(&self.digest[..20]));
        }
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
    let mut site = [scheme, "://", authority].concat();
    site.make_ascii_lowercase();
    site
}

/// The hash input: length-prefixed parts.
struct KeyInput(Vec<u8>);

impl KeyInput {
    /// Room for most targets.
    fn empty() -> Self {
        Self(Vec::with_capacity(256))
    }

    fn new(prefix: &KeyPrefix) -> Self {
        let mut input = Self::empty();
        input.0.extend_from_slice(&prefix.begin);
        input
    }

    fn part(&mut self, bytes: &[u8]) {
        self.parts(b"", bytes);
    }

    /// What may be missing: `mark` sets an empty value apart from none.
    fn optional(&mut self, mark: &[u8], value: Option<&str>) {
        match value {
            Some(value) => self.parts(mark, value.as_bytes()),
            None => self.part(b""),
        }
    }

    /// One part given in two pieces.
    fn parts(&mut self, first: &[u8], second: &[u8]) {
        let length = first.len() + second.len();
        // Nothing in a request comes near four gigabytes.
        self.0.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend_from_slice(first);
        self.0.extend_from_slice(second);
    }

    fn finish(self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Target = (&'static str, &'static str, &'static str, Option<&'static str>);

    fn keyed(target: Target) -> Keyed<'static> {
        let (scheme, authority, path, query) = target;
        let query = query.map(Cow::Borrowed);
        Keyed { scheme, authority, by_host: true, path: path.into(), query, parts: &[] }
    }

    fn prefix(app: &str, version: u32, environment: &str) -> KeyPrefix {
        KeyPrefix::new(app, SchemaVersion(version), environment).unwrap()
    }

    fn key(keyed: &Keyed<'_>) -> String {
        CacheKey::of(&prefix("shop", 1, ""), keyed).store_name()
    }

    /// What deployed Workers compute: this test never changes.
    #[test]
    fn the_input_is_frozen() {
        let target = keyed(("https", "shop.example", "/api/products", Some("b=2&a=1")));
        let key = CacheKey::of(&prefix("shop", 1, ""), &target);
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
    fn the_input_of_further_parts_is_frozen() {
        let parts: [KeyPart; 3] = [
            ("cookie:theme".into(), None),
            ("header:x-plan".into(), Some("".into())),
            ("value:tenant".into(), Some("a".into())),
        ];
        let target = keyed(("https", "shop.example", "/p", None));
        let key = CacheKey::of(&prefix("shop", 1, ""), &Keyed { by_host: false, parts: &parts, ..target });
        let mut input = Vec::new();
        for part in [
            "layercake key 1",
            "shop",
            "1",
            "",
            "https",
            "",
            "/p",
            "",
            "cookie:theme",
            "",
            "header:x-plan",
            "=",
            "value:tenant",
            "=a",
        ] {
            input.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            input.extend(part.as_bytes());
        }
        let digest: [u8; 32] = Sha256::digest(&input).into();
        assert_eq!((&key.name()[..], &key.check()[..]), (&digest[..20], &digest[20..]));
        assert!(key.url().starts_with("https://shop.example/"));
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
        let of = |target| key(&keyed(target));
        let base = || of(("https", "a.example", "/p", None));
        for other in [
            ("http", "a.example", "/p", None),
            ("https", "b.example", "/p", None),
            ("https", "a.example:8443", "/p", None),
            ("https", "a.example", "/P", None),
            ("https", "a.example", "/p/", None),
            ("https", "a.example", "/p", Some("")),
            ("https", "a.example", "/p", Some("a=1")),
            ("https", "a.example", "/p?a=1", None),
        ] {
            assert_ne!(of(other), base());
        }
        let target = keyed(("https", "a.example", "/p", None));
        let names: Vec<_> = [("shop", 1, ""), ("shop", 2, ""), ("shop2", 1, ""), ("shop", 1, "dev")]
            .iter()
            .map(|(a, v, e)| CacheKey::of(&prefix(a, *v, e), &target).name())
            .collect();
        for (i, a) in names.iter().enumerate() {
            assert!(!names[i + 1..].contains(a));
        }
    }

    #[test]
    fn what_is_the_same_has_the_same_key() {
        for (a, b) in [("A.Example", "a.example"), ("a.example:443", "a.example")] {
            assert_eq!(key(&keyed(("https", a, "/", None))), key(&keyed(("https", b, "/", None))));
        }
    }

    #[test]
    fn hosts_share_where_they_are_told_to() {
        let of = |authority| key(&Keyed { by_host: false, ..keyed(("https", authority, "/", None)) });
        assert_eq!(of("a.example"), of("b.example"));
        assert_ne!(of("a.example"), key(&keyed(("https", "a.example", "/", None))));
    }

    #[test]
    fn further_parts_tell_requests_apart() {
        let part = |label: &str, value: Option<&str>| -> KeyPart { (label.into(), value.map(Into::into)) };
        let lists = [
            vec![],
            vec![part("header:a", None)],
            vec![part("header:a", Some(""))],
            vec![part("header:a", Some("b"))],
            vec![part("cookie:a", Some("b"))],
            vec![part("header:a", Some("b")), part("header:c", None)],
            vec![part("header:a", Some("bheader:c"))],
        ];
        let keys: Vec<_> =
            lists.iter().map(|parts| key(&Keyed { parts, ..keyed(("https", "a.example", "/", None)) })).collect();
        for (i, one) in keys.iter().enumerate() {
            assert!(!keys[i + 1..].contains(one), "{:?}", lists[i]);
        }
    }

    #[test]
    fn prefixes() {
        for (app, environment) in [("", ""), ("a b", ""), ("a:b", ""), ("a", "x/y"), (&*"a".repeat(65), "")] {
            assert!(KeyPrefix::new(app, SchemaVersion(1), environment).is_none(), "{app} {environment}");
        }
        let longest = KeyPrefix::new(&"a".repeat(64), SchemaVersion(u32::MAX), &"e".repeat(64)).unwrap();
        let name = CacheKey::of(&longest, &keyed(("https", "a", "/", None))).store_name();
        assert!(name.len() <= 512);
    }
}
