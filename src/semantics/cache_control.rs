//! `Cache-Control` (RFC 9111 section 5.2) and its targeted sisters (RFC 9213), parsed once into typed fields.

use super::structured::{self, Kind};
use super::{Fields, list_members};
use std::fmt;

/// The directives of a request or a response.
///
/// ```
/// use layercake::semantics::cache_control::CacheControl;
/// let cc = CacheControl::parse(b"public, max-age=60, stale-while-revalidate=30");
/// assert!(cc.public);
/// assert_eq!(cc.max_age, Some(60));
/// assert_eq!(cc.stale_while_revalidate, Some(30));
/// ```
///
/// Lifetimes are seconds. One that is not a number of seconds reads as `Some(0)`: RFC 9111 section 4.2.1
/// encourages a cache to treat invalid freshness information as stale. Directives that forbid something count whatever
/// value stands beside them; those that allow something count only without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// `max-age` (5.2.1.1, 5.2.2.1).
    pub max_age: Option<u32>,
    /// `s-maxage` (5.2.2.10).
    pub s_maxage: Option<u32>,
    /// `stale-while-revalidate` (RFC 5861 section 3).
    pub stale_while_revalidate: Option<u32>,
    /// `stale-if-error` (RFC 5861 section 4).
    pub stale_if_error: Option<u32>,
    /// Request `min-fresh` (5.2.1.3).
    pub min_fresh: Option<u32>,
    /// Request `max-stale` (5.2.1.2); without a value any staleness is accepted, here `u32::MAX`.
    pub max_stale: Option<u32>,
    /// `no-store` (5.2.1.5, 5.2.2.5).
    pub no_store: bool,
    /// `no-cache` for the whole response (5.2.1.4, 5.2.2.4).
    pub no_cache: bool,
    /// `private` for the whole response (5.2.2.7).
    pub private: bool,
    /// The fields (lower case) that `private="..."` and `no-cache="..."` name: they are not stored, and the rest is
    /// neither private nor in need of validation (5.2.2.4, 5.2.2.7).
    pub withheld: Vec<Box<str>>,
    /// `public` (5.2.2.9).
    pub public: bool,
    /// `must-revalidate` (5.2.2.2).
    pub must_revalidate: bool,
    /// `proxy-revalidate` (5.2.2.8).
    pub proxy_revalidate: bool,
    /// `must-understand` (5.2.2.3).
    pub must_understand: bool,
    /// Request `only-if-cached` (5.2.1.7).
    pub only_if_cached: bool,
}

/// The largest delta-seconds kept: RFC 9111 section 1.2.2 lets a cache cap at 2^31.
pub const MAX_DELTA_SECONDS: u32 = 1 << 31;

/// The targeted fields obeyed before `Cache-Control` by default, in order (RFC 9213 section 2.2).
pub const TARGETS: [&str; 2] = ["cloudflare-cdn-cache-control", "cdn-cache-control"];

/// What governs a response in this cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Governing {
    /// The directives.
    pub directives: CacheControl,
    /// A targeted field gave them, so that `Expires` is ignored too (RFC 9213 section 2.2).
    pub targeted: bool,
    /// A targeted field that is no dictionary, and therefore ignored, seems to say `no-store` or `private`.
    pub forbidden: bool,
}

/// Which of two directives of one name counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Duplicates {
    /// RFC 9111 section 4.2.1 leaves the choice between the first and treating the response as stale.
    First,
    /// RFC 9651 section 3.2.
    Last,
}

impl CacheControl {
    /// Parses the combined field value. Never fails: what cannot be read is ignored, and a lifetime that
    /// cannot be read is zero. The first of duplicate directives wins.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let mut cc = Self::default();
        for member in list_members(value) {
            let end = member.iter().position(|&b| !is_token(b)).unwrap_or(member.len());
            let (name, rest) = member.split_at(end);
            // Nothing but "=" belongs behind a name, but what does not belong there must not hide a directive either.
            let rest = rest.trim_ascii_start();
            let argument = (!rest.is_empty()).then(|| rest.strip_prefix(b"=").unwrap_or(UNREADABLE));
            cc.take(name, argument, Duplicates::First);
            let stray = rest.strip_prefix(b"=").map_or(rest, behind_value);
            let words = stray.split(|&b| !is_token(b));
            for word in words.filter(|word| FLAGS.iter().any(|(name, allows)| !allows && is(word, name))) {
                cc.take(word, None, Duplicates::First);
            }
        }
        cc
    }

    /// Parses a targeted field, which is a structured dictionary (RFC 9213 section 2.1). `None` when it is empty or no
    /// dictionary: it is then ignored whole. A value of another type than its directive has reads as one that cannot
    /// be read.
    #[must_use]
    pub fn parse_targeted(value: &[u8]) -> Option<Self> {
        let (mut cc, mut empty) = (Self::default(), true);
        let parsed = structured::dictionary(value, &mut |member| {
            empty = false;
            let argument = match member.kind {
                Kind::Boolean(true) => None,
                Kind::String if !qualifiable(member.key) => Some(UNREADABLE),
                _ => Some(member.raw),
            };
            cc.take(member.key, argument, Duplicates::Last);
        });
        (parsed.is_ok() && !empty).then_some(cc)
    }

    /// The directives that govern a response in this cache: the first of `targets` that is a valid dictionary replaces
    /// `Cache-Control` altogether (RFC 9213 section 2.2).
    #[must_use]
    pub fn of_response<S: AsRef<str>>(fields: &(impl Fields + ?Sized), targets: &[S]) -> Governing {
        let mut forbidden = false;
        for target in targets {
            let Some(value) = fields.field(target.as_ref()) else { continue };
            if let Some(directives) = Self::parse_targeted(&value) {
                return Governing { directives, targeted: true, forbidden };
            }
            let unread = Self::parse(&value);
            forbidden |= unread.no_store || unread.private;
        }
        let directives = fields.field("cache-control").map(|v| Self::parse(&v)).unwrap_or_default();
        Governing { directives, targeted: false, forbidden }
    }

    /// Whether it forbids using the response stale: `must-revalidate`, `proxy-revalidate` and `no-cache` do (4.2.4), and
    /// so does `s-maxage` (5.2.2.10), which the owner of a cache may overrule.
    #[must_use]
    pub const fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.no_cache
    }

    fn take(&mut self, name: &[u8], argument: Option<&[u8]>, duplicates: Duplicates) {
        if let Some(lifetime) = LIFETIMES.iter().position(|directive| is(name, directive)) {
            // Only max-stale means something without a value.
            let bare = if lifetime == MAX_STALE { u32::MAX } else { 0 };
            let slot = self.lifetime(lifetime);
            if slot.is_none() || duplicates == Duplicates::Last {
                *slot = Some(argument.map_or(bare, delta_seconds));
            }
        } else if let Some(flag) = FLAGS.iter().position(|(directive, _)| is(name, directive)) {
            match argument.filter(|_| qualifiable(name)).and_then(field_names) {
                Some(names) => self.withheld.extend(names),
                None => *self.flag(flag) |= !FLAGS[flag].1 || argument.is_none(),
            }
        }
    }

    /// The place of the lifetime with this number in [`LIFETIMES`].
    fn lifetime(&mut self, number: usize) -> &mut Option<u32> {
        match number {
            0 => &mut self.max_age,
            1 => &mut self.s_maxage,
            2 => &mut self.stale_while_revalidate,
            3 => &mut self.stale_if_error,
            4 => &mut self.min_fresh,
            _ => &mut self.max_stale,
        }
    }

    /// The place of the flag with this number in [`FLAGS`].
    fn flag(&mut self, number: usize) -> &mut bool {
        match number {
            0 => &mut self.no_store,
            1 => &mut self.no_cache,
            2 => &mut self.private,
            3 => &mut self.public,
            4 => &mut self.must_revalidate,
            5 => &mut self.proxy_revalidate,
            6 => &mut self.must_understand,
            _ => &mut self.only_if_cached,
        }
    }
}

const LIFETIMES: [&str; 6] =
    ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error", "min-fresh", "max-stale"];
const MAX_STALE: usize = 5;

/// Directives without a value, and whether they allow something.
const FLAGS: [(&str, bool); 8] = [
    ("no-store", false),
    ("no-cache", false),
    ("private", false),
    ("public", true),
    ("must-revalidate", false),
    ("proxy-revalidate", false),
    ("must-understand", true),
    ("only-if-cached", false),
];

/// The directives as a field value that parses to the same.
impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut copy = self.clone();
        let mut separator = "";
        for (number, name) in LIFETIMES.iter().enumerate() {
            match copy.lifetime(number) {
                Some(u32::MAX) if number == MAX_STALE => write!(f, "{separator}{name}")?,
                Some(seconds) => write!(f, "{separator}{name}={seconds}")?,
                None => continue,
            }
            separator = ", ";
        }
        for (number, (name, _)) in FLAGS.iter().enumerate() {
            if *copy.flag(number) {
                write!(f, "{separator}{name}")?;
                separator = ", ";
            }
        }
        if let Some((first, others)) = self.withheld.split_first() {
            write!(f, "{separator}private=\"{first}")?;
            for name in others {
                write!(f, ", {name}")?;
            }
            f.write_str("\"")?;
        }
        Ok(())
    }
}

fn is(name: &[u8], directive: &str) -> bool {
    name.eq_ignore_ascii_case(directive.as_bytes())
}

/// What stands behind a token or quoted string, where nothing belongs.
fn behind_value(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii_start();
    let (mut quoted, mut escaped) = (false, false);
    for (at, &b) in value.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if at == 0 => quoted = true,
            b'"' if quoted => return value.get(at + 1..).unwrap_or_default(),
            b if !quoted && !is_token(b) => return value.get(at..).unwrap_or_default(),
            _ => {}
        }
    }
    &[]
}

/// An argument that is none.
const UNREADABLE: &[u8] = b"\"";

/// The directives that may name fields.
fn qualifiable(name: &[u8]) -> bool {
    is(name, "private") || is(name, "no-cache")
}

/// The field names of a qualified form, in lower case; `None` when it names none or holds anything else, so that the
/// directive counts for the whole response.
fn field_names(argument: &[u8]) -> Option<Vec<Box<str>>> {
    let list = unquoted(argument)?;
    let mut names = Vec::new();
    for name in list_members(list) {
        let name = std::str::from_utf8(name).ok().filter(|name| name.bytes().all(is_token))?;
        names.push(name.to_ascii_lowercase().into_boxed_str());
    }
    (!names.is_empty()).then_some(names)
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// The token form as it is, the quoted form without its quotes (RFC 9111 section 5.2: recipients ought to accept both).
fn unquoted(argument: &[u8]) -> Option<&[u8]> {
    match argument {
        [b'"', inner @ .., b'"'] => Some(inner),
        plain if plain.contains(&b'"') => None,
        plain => Some(plain),
    }
}

/// RFC 9111 section 1.2.2: a non-negative integer, capped; anything else is stale at once.
fn delta_seconds(argument: &[u8]) -> u32 {
    let digits = unquoted(argument).unwrap_or_default();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    digits.iter().fold(0u32, |n, d| n.saturating_mul(10).saturating_add(u32::from(d - b'0')).min(MAX_DELTA_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        for (text, max_age) in [
            ("max-age=60", Some(60)),
            ("MAX-AGE=60", Some(60)),
            ("max-age=\"60\"", Some(60)),
            ("max-age=007", Some(7)),
            ("max-age=60, max-age=10", Some(60)),
            ("max-age=-1", Some(0)),
            ("max-age=1.5", Some(0)),
            ("max-age=\"6 0\"", Some(0)),
            ("max-age='60'", Some(0)),
            ("max-age=", Some(0)),
            ("max-age", Some(0)),
            ("max-age = 60", Some(0)),
            ("max-age=60s", Some(0)),
            ("max-age=60; public", Some(0)),
            ("max-age=2147483648", Some(MAX_DELTA_SECONDS)),
            ("max-age=99999999999999999999", Some(MAX_DELTA_SECONDS)),
            ("x=\"max-age=60, \", public", None),
            ("x-max-age=60", None),
            ("", None),
            (",,, ,max-age=1", Some(1)),
        ] {
            assert_eq!(CacheControl::parse(text.as_bytes()).max_age, max_age, "{text}");
        }
    }

    #[test]
    fn what_forbids_counts_with_any_value_what_allows_only_without() {
        let cc = CacheControl::parse(b"No-Store=x, must-revalidate=0, public=1, must-understand=\"\"");
        assert!(cc.no_store && cc.must_revalidate && !cc.public && !cc.must_understand);
        let cc = CacheControl::parse(b"private=\"x, no-store");
        assert!(cc.private && cc.no_store, "an open quote hides nothing: {cc:?}");
        let cc = CacheControl::parse(b"private; max-age=60, public; x");
        assert!(cc.private && !cc.public && cc.max_age.is_none(), "a semicolon hides nothing: {cc:?}");
        for text in ["public private", "public no-store", "x=\"a\" no-store", "max-age=60 private", "x=y; private"] {
            let cc = CacheControl::parse(text.as_bytes());
            assert!(cc.private || cc.no_store, "what stands behind a directive counts if it forbids: {text}");
        }
        for text in ["x=private", "x=\"private\"", "x=\"a\\\" no-store\"", "x-no-store", "no-storex"] {
            assert_eq!(CacheControl::parse(text.as_bytes()), CacheControl::default(), "{text}");
        }
    }

    #[test]
    fn qualified_forms_name_fields() {
        for (text, private, withheld) in [
            ("private=\"X-User, set-cookie\"", false, &["x-user", "set-cookie"][..]),
            ("private=x-user", false, &["x-user"]),
            ("private=\"\"", true, &[]),
            ("private=", true, &[]),
            ("private=\"a b\"", true, &[]),
            ("private =\"x\"", false, &["x"]),
            ("private= x\"", true, &[]),
            ("private, private=\"x\"", true, &["x"]),
        ] {
            let cc = CacheControl::parse(text.as_bytes());
            let names: Vec<&str> = cc.withheld.iter().map(|name| &**name).collect();
            assert_eq!((cc.private, names), (private, withheld.to_vec()), "{text}");
        }
        let cc = CacheControl::parse(b"no-cache=\"etag\", max-age=5");
        assert!(!cc.no_cache && cc.withheld == ["etag".into()]);
    }

    #[test]
    fn max_stale_without_a_value_accepts_anything() {
        assert_eq!(CacheControl::parse(b"max-stale").max_stale, Some(u32::MAX));
        assert_eq!(CacheControl::parse(b"max-stale=3").max_stale, Some(3));
    }

    #[test]
    fn targeted_fields_are_dictionaries() {
        for (text, max_age, no_store) in [
            ("max-age=60", Some(Some(60)), false),
            ("max-age=60, max-age=10", Some(Some(10)), false),
            ("max-age=60;x=1, no-store", Some(Some(60)), true),
            ("no-store=?0", Some(None), true),
            ("max-age=\"60\"", Some(Some(0)), false),
            ("max-age=1.5", Some(Some(0)), false),
            ("max-age=-1", Some(Some(0)), false),
            ("Max-Age=60", None, false),
            ("max-age=60,", None, false),
            ("max-age=60, &&", None, false),
            ("", None, false),
            (" ", None, false),
        ] {
            let cc = CacheControl::parse_targeted(text.as_bytes());
            assert_eq!(cc.as_ref().map(|cc| cc.max_age), max_age, "{text}");
            assert_eq!(cc.is_some_and(|cc| cc.no_store), no_store, "{text}");
        }
        let cc = CacheControl::parse_targeted(b"private=\"x-user\", max-age=9").unwrap();
        assert!(!cc.private && cc.withheld == ["x-user".into()]);
    }

    #[test]
    fn the_first_valid_target_replaces_cache_control() {
        for (fields, max_age, targeted) in [
            (&[("cache-control", "max-age=60"), ("cdn-cache-control", "no-store")][..], None, true),
            (&[("cdn-cache-control", "max-age=1"), ("cloudflare-cdn-cache-control", "max-age=2")][..], Some(2), true),
            (&[("cdn-cache-control", "max-age=1"), ("cloudflare-cdn-cache-control", "&")][..], Some(1), true),
            (&[("cache-control", "max-age=60"), ("cdn-cache-control", "")][..], Some(60), false),
        ] {
            let found = CacheControl::of_response(fields, &TARGETS);
            assert_eq!((found.directives.max_age, found.targeted), (max_age, targeted), "{fields:?}");
            assert!(!found.forbidden);
        }
        let fields: &[(&str, &str)] = &[("cdn-cache-control", "Private")];
        let found = CacheControl::of_response(fields, &TARGETS);
        assert!(found.forbidden && !found.targeted && !found.directives.private);
    }

    #[test]
    fn a_round_trip() {
        for text in ["", "max-stale, no-cache", "max-age=0, public, must-understand", "private, private=\"a, b\""] {
            let cc = CacheControl::parse(text.as_bytes());
            assert_eq!(CacheControl::parse(cc.to_string().as_bytes()), cc, "{text}");
        }
    }
}
