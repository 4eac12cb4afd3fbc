//! May this stored response answer this request? (RFC 9111 section 4, RFC 5861.)

use super::cache_control::CacheControl;
use super::freshness::{Freshness, Timestamp};
use super::status::ForwardReason;
use std::time::Duration;

/// What to do with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Serve it.
    Fresh,
    /// Serve it at once and refresh it behind the response (RFC 5861 section 3).
    StaleWhileRevalidate,
    /// Ask the origin; the entry may still stand in for an error ([`Freshness::may_serve_on_error`]).
    Forward(ForwardReason),
}

/// Decides for the entry with this `freshness` at `now`. `directives` are those of the request when the policy obeys
/// them, `None` otherwise.
#[must_use]
pub fn reuse(freshness: &Freshness, directives: Option<&CacheControl>, now: Timestamp) -> Reuse {
    if let Some(cc) = directives {
        let age = freshness.age(now);
        // 5.2.1.4
        if cc.no_cache {
            return Reuse::Forward(ForwardReason::Request);
        }
        // 5.2.1.1: no older than max-age.
        if cc.max_age.is_some_and(|max| age > seconds(max)) {
            return Reuse::Forward(ForwardReason::Request);
        }
        // 5.2.1.3: still fresh for at least min-fresh seconds.
        if cc.min_fresh.is_some_and(|min| freshness.lifetime < age.saturating_add(seconds(min))) {
            return Reuse::Forward(ForwardReason::Request);
        }
    }
    if freshness.is_fresh(now) {
        Reuse::Fresh
    } else if freshness.may_serve_while_revalidating(now) {
        Reuse::StaleWhileRevalidate
    } else {
        Reuse::Forward(ForwardReason::Stale)
    }
}

fn seconds(value: u32) -> Duration {
    Duration::from_secs(u64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let f = Freshness {
            born: Timestamp::from_secs(1000),
            lifetime: Duration::from_secs(30),
            stale_while_revalidate: Duration::from_secs(10),
            stale_if_error: Duration::from_secs(100),
        };
        let asks = Reuse::Forward(ForwardReason::Request);
        for (age, request, expected) in [
            (0, "", Reuse::Fresh),
            (29, "", Reuse::Fresh),
            (30, "", Reuse::StaleWhileRevalidate),
            (39, "", Reuse::StaleWhileRevalidate),
            (40, "", Reuse::Forward(ForwardReason::Stale)),
            (5, "no-cache", asks),
            (5, "max-age=4", asks),
            (5, "max-age=5", Reuse::Fresh),
            (5, "max-age=4, max-stale", asks),
            (25, "min-fresh=6", asks),
            (25, "min-fresh=5", Reuse::Fresh),
        ] {
            let cc = CacheControl::parse(request.as_bytes());
            let now = Timestamp::from_secs(1000 + age);
            assert_eq!(reuse(&f, Some(&cc), now), expected, "age {age}, {request}");
        }
    }

    #[test]
    fn a_visitor_cannot_force_origin_traffic_where_directives_are_ignored() {
        let f = Freshness {
            born: Timestamp::from_secs(0),
            lifetime: Duration::from_secs(30),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
        };
        assert_eq!(reuse(&f, None, Timestamp::from_secs(1)), Reuse::Fresh);
    }
}
