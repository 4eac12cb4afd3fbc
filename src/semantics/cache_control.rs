//! `Cache-Control` (RFC 9111 section 5.2) and its targeted sisters (RFC 9213), parsed once into typed fields.

use super::{Fields, list_members};

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
/// encourages a cache to treat invalid freshness information as stale.
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
    /// `no-cache` (5.2.1.4, 5.2.2.4). The qualified form `no-cache="field"` counts as the plain one.
    pub no_cache: bool,
    /// `private` (5.2.2.7). The qualified form `private="field"` counts as the plain one.
    pub private: bool,
    /// `public` (5.2.2.9).
    pub public: bool,
    /// `must-revalidate` (5.2.2.2).
    pub must_revalidate: bool,
    /// `proxy-revalidate` (5.2.2.8).
    pub proxy_revalidate: bool,
    /// Request `only-if-cached` (5.2.1.7).
    pub only_if_cached: bool,
}

/// The largest delta-seconds kept: RFC 9111 section 1.2.2 lets a cache cap at 2^31.
pub const MAX_DELTA_SECONDS: u32 = 1 << 31;

/// The targeted fields obeyed before `Cache-Control`, in order (RFC 9213 section 2.2).
pub const TARGETS: [&str; 2] = ["cloudflare-cdn-cache-control", "cdn-cache-control"];

impl CacheControl {
    /// Parses the combined field value. Never fails: what cannot be read is ignored, and a lifetime that
    /// cannot be read is zero. The first of duplicate directives wins.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let mut cc = Self::default();
        for member in list_members(value) {
            let (name, argument) = split_directive(member);
            cc.take(name, argument);
        }
        cc
    }

    /// The directives that govern a response in this cache: the first target of [`TARGETS`] that is present
    /// replaces `Cache-Control` altogether (RFC 9213 section 2.2). The flag says whether one did, because then
    /// `Expires` is ignored too.
    #[must_use]
    pub fn of_response(fields: &(impl Fields + ?Sized)) -> (Self, bool) {
        for target in TARGETS {
            if let Some(value) = fields.field(target).filter(|v| !v.trim_ascii().is_empty()) {
                return (Self::parse(&value), true);
            }
        }
        (fields.field("cache-control").map(|v| Self::parse(&v)).unwrap_or_default(), false)
    }

    fn take(&mut self, name: &[u8], argument: Option<&[u8]>) {
        let lifetimes = [
            ("max-age", &mut self.max_age),
            ("s-maxage", &mut self.s_maxage),
            ("stale-while-revalidate", &mut self.stale_while_revalidate),
            ("stale-if-error", &mut self.stale_if_error),
            ("min-fresh", &mut self.min_fresh),
            ("max-stale", &mut self.max_stale),
        ];
        for (directive, slot) in lifetimes {
            if name.eq_ignore_ascii_case(directive.as_bytes()) {
                // Only max-stale means something without a value.
                let bare = if directive == "max-stale" { u32::MAX } else { 0 };
                slot.get_or_insert(argument.map_or(bare, delta_seconds));
            }
        }
        let flags = [
            ("no-store", &mut self.no_store),
            ("no-cache", &mut self.no_cache),
            ("private", &mut self.private),
            ("public", &mut self.public),
            ("must-revalidate", &mut self.must_revalidate),
            ("proxy-revalidate", &mut self.proxy_revalidate),
            ("only-if-cached", &mut self.only_if_cached),
        ];
        for (directive, flag) in flags {
            *flag |= name.eq_ignore_ascii_case(directive.as_bytes());
        }
    }
}

/// `name`, `name=token` or `name="quoted string"`.
fn split_directive(member: &[u8]) -> (&[u8], Option<&[u8]>) {
    match member.iter().position(|&b| b == b'=') {
        Some(at) => (&member[..at], member.get(at + 1..)),
        None => (member, None),
    }
}

/// RFC 9111 section 1.2.2: a non-negative integer, capped; anything else is stale at once. The quoted form is
/// accepted because recipients ought to take both (5.2).
fn delta_seconds(argument: &[u8]) -> u32 {
    let digits = match argument {
        [b'"', inner @ .., b'"'] => inner,
        plain => plain,
    };
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
            ("max-age=", Some(0)),
            ("max-age", Some(0)),
            ("max-age = 60", None),
            ("max-age=99999999999999999999", Some(MAX_DELTA_SECONDS)),
            ("x=\"max-age=60, \", public", None),
            ("", None),
        ] {
            assert_eq!(CacheControl::parse(text.as_bytes()).max_age, max_age, "{text}");
        }
    }

    #[test]
    fn qualified_forms_are_cautious() {
        let cc = CacheControl::parse(br#"private="set-cookie", no-cache="x""#);
        assert!(cc.private && cc.no_cache);
    }

    #[test]
    fn max_stale_without_a_value_accepts_anything() {
        assert_eq!(CacheControl::parse(b"max-stale").max_stale, Some(u32::MAX));
        assert_eq!(CacheControl::parse(b"max-stale=3").max_stale, Some(3));
    }

    #[test]
    fn a_targeted_field_replaces_cache_control() {
        let fields: &[(&str, &str)] = &[("cache-control", "max-age=60"), ("cdn-cache-control", "no-store")];
        let (cc, targeted) = CacheControl::of_response(fields);
        assert!(cc.no_store && targeted && cc.max_age.is_none());
    }
}
