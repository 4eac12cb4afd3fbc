//! Age, lifetime and stale windows (RFC 9111 section 4.2, RFC 5861).

use super::cache_control::CacheControl;
use super::{Fields, date, date_of, list_members};
use std::time::Duration;

/// Milliseconds since 1970-01-01 UTC, as the host's clock says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    // Not inlined, like the two below: fifty places call them.
    /// The time from `earlier` to `self`; zero when the clock went backwards.
    #[inline(never)]
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// `self` later by `by`.
    #[inline(never)]
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// `self` earlier by `by`.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }
}

/// Whole milliseconds, saturating.
#[inline(never)]
pub(crate) fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(u64::from(duration.subsec_millis()))
}

/// When a stored response was born and for how long it may be used.
///
/// The time axis of an entry: fresh for `lifetime`, then usable stale in two windows that both begin when
/// freshness ends, then kept for a while to be validated only. [`retention`](Self::retention) is how long a tier has to
/// keep it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// When the origin generated the response: the time of receipt less its age at that moment.
    pub born: Timestamp,
    /// How long it is fresh, counted from `born`.
    pub lifetime: Duration,
    /// RFC 5861 section 3: how long past freshness it may be served while a refresh runs.
    pub stale_while_revalidate: Duration,
    /// RFC 5861 section 4: how long past freshness it may be served instead of an error.
    pub stale_if_error: Duration,
    /// How long past freshness it is kept to be validated (RFC 9111 section 4.3); zero where nothing could validate it.
    pub keep: Duration,
    /// The response forbids using it stale, whoever asks (RFC 9111 section 4.2.4).
    pub never_stale: bool,
}

impl Freshness {
    /// `current_age` (RFC 9111 section 4.2.3).
    #[must_use]
    pub const fn age(&self, now: Timestamp) -> Duration {
        now.since(self.born)
    }

    /// Seconds of freshness left, rounded towards zero; negative when stale (RFC 9211 section 2.4).
    #[must_use]
    pub fn ttl(&self, now: Timestamp) -> i64 {
        let (lifetime, age) = (millis(self.lifetime), millis(self.age(now)));
        if lifetime > age {
            i64::try_from((lifetime - age) / 1000).unwrap_or(i64::MAX)
        } else {
            -i64::try_from((age - lifetime) / 1000).unwrap_or(i64::MAX)
        }
    }

    /// RFC 9111 section 4.2: fresh as long as the lifetime is greater than the age.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.lifetime > self.age(now)
    }

    /// How long past freshness it is at `now`; zero when fresh.
    #[must_use]
    pub fn staleness(&self, now: Timestamp) -> Duration {
        self.age(now).saturating_sub(self.lifetime)
    }

    /// Whether it is stale but inside the stale-while-revalidate window.
    #[must_use]
    pub fn may_serve_while_revalidating(&self, now: Timestamp) -> bool {
        !self.is_fresh(now) && self.staleness(now) < self.stale_while_revalidate
    }

    /// Whether it may stand in for an error at `now`.
    #[must_use]
    pub fn may_serve_on_error(&self, now: Timestamp) -> bool {
        self.is_fresh(now) || self.staleness(now) < self.stale_if_error
    }

    /// Whether it may answer while the origin cannot be reached at all, without any directive that says so (RFC 9111
    /// section 4.2.4).
    #[must_use]
    pub fn may_serve_disconnected(&self, now: Timestamp) -> bool {
        self.is_fresh(now) || !(self.never_stale || self.retention_left(now).is_zero())
    }

    /// How long it can be of use without being validated first, counted from `born`: freshness and the longer stale
    /// window.
    #[must_use]
    pub fn usable(&self) -> Duration {
        self.lifetime.saturating_add(self.stale_while_revalidate.max(self.stale_if_error))
    }

    /// What is left of that at `now`.
    #[must_use]
    pub fn usable_left(&self, now: Timestamp) -> Duration {
        self.usable().saturating_sub(self.age(now))
    }

    /// How long a tier has to keep it, counted from `born`: freshness and the longest window.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.usable().max(self.lifetime.saturating_add(self.keep))
    }

    /// What is left of the retention at `now`.
    #[must_use]
    pub fn retention_left(&self, now: Timestamp) -> Duration {
        self.retention().saturating_sub(self.age(now))
    }
}

/// `corrected_initial_age` (RFC 9111 section 4.2.3): the larger of what the `Date` field and the `Age` field
/// imply, the latter, zero when missing, with the time the request took added.
#[must_use]
pub fn initial_age(fields: &(impl Fields + ?Sized), request_time: Timestamp, response_time: Timestamp) -> Duration {
    let apparent = date_of(fields, "date", response_time).map_or(Duration::ZERO, |date| response_time.since(date));
    // A response made within this very second has an apparent age below one second by truncation only.
    let apparent = if apparent < Duration::from_secs(1) { Duration::ZERO } else { apparent };
    // A missing or unreadable Age counts as zero; the time the request took counts all the same.
    let age = fields.field("age").and_then(|v| age_value(&v)).unwrap_or(Duration::ZERO);
    apparent.max(age.saturating_add(response_time.since(request_time)))
}

/// RFC 9111 section 5.1: the first member of a list counts; anything but digits is ignored.
fn age_value(value: &[u8]) -> Option<Duration> {
    let first = list_members(value).next()?;
    if !first.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let secs = first.iter().fold(0u64, |n, d| (n * 10 + u64::from(d - b'0')).min(1 << 31));
    Some(Duration::from_secs(secs))
}

/// The explicit lifetime the response gives itself (RFC 9111 section 4.2.1): `s-maxage`, then `max-age`, then
/// `Expires` less `Date`. `None` when it says nothing.
#[must_use]
pub fn explicit_lifetime(
    cc: &CacheControl,
    targeted: bool,
    fields: &(impl Fields + ?Sized),
    response_time: Timestamp,
) -> Option<Duration> {
    if let Some(secs) = cc.s_maxage.or(cc.max_age) {
        return Some(Duration::from_secs(u64::from(secs)));
    }
    if targeted {
        return None;
    }
    let expires = fields.field("expires")?;
    // 5.3: an invalid date, "0" in particular, is a time in the past.
    let Some(expires) = date::parse(expires.trim_ascii(), response_time) else {
        return Some(Duration::ZERO);
    };
    let date = date_of(fields, "date", response_time).unwrap_or(response_time);
    Some(expires.since(date))
}

/// A heuristic lifetime (RFC 9111 section 4.2.2): a tenth of the time since `Last-Modified`, at most `cap`.
#[must_use]
pub fn heuristic_lifetime(
    fields: &(impl Fields + ?Sized),
    response_time: Timestamp,
    cap: Duration,
) -> Option<Duration> {
    let modified = date_of(fields, "last-modified", response_time)?;
    let date = date_of(fields, "date", response_time).unwrap_or(response_time);
    Some((date.since(modified) / 10).min(cap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::cache_control::TARGETS;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    fn entry() -> Freshness {
        Freshness {
            born: at(0),
            lifetime: Duration::from_secs(30),
            stale_while_revalidate: Duration::from_secs(60),
            stale_if_error: Duration::from_secs(300),
            ..Freshness::default()
        }
    }

    #[test]
    fn the_time_axis() {
        let f = entry();
        assert!(f.is_fresh(at(29)) && !f.is_fresh(at(30)));
        assert!(!f.may_serve_while_revalidating(at(29)));
        assert!(f.may_serve_while_revalidating(at(30)) && f.may_serve_while_revalidating(at(89)));
        assert!(!f.may_serve_while_revalidating(at(90)));
        assert!(f.may_serve_on_error(at(329)) && !f.may_serve_on_error(at(330)));
        assert_eq!(f.ttl(at(10)), 20);
        assert_eq!(f.ttl(at(35)), -5);
        assert_eq!(f.retention(), Duration::from_secs(330));
        assert_eq!(f.retention_left(at(400)), Duration::ZERO);
        let kept = Freshness { keep: Duration::from_secs(1000), ..f };
        assert_eq!((kept.usable(), kept.retention()), (f.retention(), Duration::from_secs(1030)));
        assert!(kept.may_serve_disconnected(at(1029)) && !kept.may_serve_disconnected(at(1030)));
        let strict = Freshness { never_stale: true, ..kept };
        assert!(strict.may_serve_disconnected(at(29)) && !strict.may_serve_disconnected(at(30)));
    }

    #[test]
    fn a_clock_that_goes_back_makes_nothing_older() {
        assert_eq!(entry().age(Timestamp::from_secs(5)), Duration::ZERO);
    }

    #[test]
    fn ages() {
        let now = Timestamp::from_secs(784_111_777);
        for (fields, age) in [
            (&[("age", "7")][..], 9),
            (&[("age", "7, 100")][..], 9),
            (&[("age", "-7")][..], 2),
            (&[("age", "7.5")][..], 2),
            (&[("date", "Sun, 06 Nov 1994 08:49:27 GMT"), ("age", "3")][..], 10),
            (&[("date", "garbage")][..], 2),
            (&[][..], 2),
        ] {
            let got = initial_age(fields, now.minus(Duration::from_secs(2)), now);
            assert_eq!(got, Duration::from_secs(age), "{fields:?}");
        }
    }

    #[test]
    fn lifetimes_in_order_of_precedence() {
        let now = Timestamp::from_secs(784_111_777);
        for (fields, expected) in [
            (&[("cache-control", "max-age=10, s-maxage=20"), ("expires", "0")][..], Some(20)),
            (&[("cache-control", "max-age=10"), ("expires", "Sun, 06 Nov 1994 09:49:37 GMT")][..], Some(10)),
            (&[("expires", "Sun, 06 Nov 1994 09:49:37 GMT")][..], Some(3600)),
            (&[("expires", "Sun, 06 Nov 1994 09:49:37 GMT"), ("date", "Sun, 06 Nov 1994 09:48:37 GMT")][..], Some(60)),
            (&[("expires", "0")][..], Some(0)),
            (&[("expires", "-1")][..], Some(0)),
            (&[("cdn-cache-control", "public"), ("expires", "Sun, 06 Nov 1994 09:49:37 GMT")][..], None),
            (&[][..], None),
        ] {
            let found = CacheControl::of_response(fields, &TARGETS);
            let got = explicit_lifetime(&found.directives, found.targeted, fields, now);
            assert_eq!(got, expected.map(Duration::from_secs), "{fields:?}");
        }
    }
}
