//! May this stored response answer this request? (RFC 9111 sections 4 and 5.2.1, RFC 5861.)

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
    /// Serve it: the client said that it takes stale answers (5.2.1.2).
    Stale,
    /// Ask the origin, conditionally if the entry has a validator (4.3); the entry may still stand in for an error
    /// ([`Freshness::may_serve_on_error`]).
    Validate(ForwardReason),
    /// Answer 504: the origin would have to be asked, and the client said not to (5.2.1.7).
    Unsatisfiable,
}

/// Decides for the entry with this `freshness` at `now`. `directives` are those of the request when the policy obeys
/// them, `None` otherwise.
#[must_use]
pub fn reuse(freshness: &Freshness, directives: Option<&CacheControl>, now: Timestamp) -> Reuse {
    let fresh = freshness.is_fresh(now);
    let Some(cc) = directives else {
        return match fresh {
            true => Reuse::Fresh,
            false if freshness.may_serve_while_revalidating(now) => Reuse::StaleWhileRevalidate,
            false => Reuse::Validate(ForwardReason::Stale),
        };
    };
    let ask = |reason| if cc.only_if_cached { Reuse::Unsatisfiable } else { Reuse::Validate(reason) };
    let age = freshness.age(now);
    // 5.2.1.4
    let refused = cc.no_cache
        // 5.2.1.1: no older than max-age.
        || cc.max_age.is_some_and(|max| age > seconds(max))
        // 5.2.1.3: still fresh for at least min-fresh seconds.
        || cc.min_fresh.is_some_and(|min| freshness.lifetime < age.saturating_add(seconds(min)));
    if refused {
        return ask(if fresh { ForwardReason::Request } else { ForwardReason::Stale });
    }
    if fresh {
        return Reuse::Fresh;
    }
    // 5.2.1.2: stale by at most max-stale. 5.2.1.1: max-age alone wants nothing stale.
    let accepted = match cc.max_stale {
        Some(most) => most == u32::MAX || freshness.staleness(now) <= seconds(most),
        None => cc.max_age.is_none(),
    };
    if accepted && freshness.may_serve_while_revalidating(now) {
        return Reuse::StaleWhileRevalidate;
    }
    if accepted && cc.max_stale.is_some() && !freshness.never_stale {
        return Reuse::Stale;
    }
    ask(ForwardReason::Stale)
}

fn seconds(value: u32) -> Duration {
    Duration::from_secs(u64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKS: Reuse = Reuse::Validate(ForwardReason::Request);
    const TOO_OLD: Reuse = Reuse::Validate(ForwardReason::Stale);

    fn freshness() -> Freshness {
        Freshness {
            born: Timestamp::from_secs(1000),
            lifetime: Duration::from_secs(30),
            stale_while_revalidate: Duration::from_secs(10),
            stale_if_error: Duration::from_secs(100),
            keep: Duration::from_secs(1000),
            never_stale: false,
        }
    }

    #[test]
    fn table() {
        for (age, request, expected) in [
            (0, "", Reuse::Fresh),
            (29, "", Reuse::Fresh),
            (30, "", Reuse::StaleWhileRevalidate),
            (39, "", Reuse::StaleWhileRevalidate),
            (40, "", TOO_OLD),
            (5, "no-cache", ASKS),
            (45, "no-cache", TOO_OLD),
            (5, "max-age=4", ASKS),
            (5, "max-age=5", Reuse::Fresh),
            (5, "max-age=4, max-stale", ASKS),
            (31, "max-age=100", TOO_OLD),
            (31, "max-age=100, max-stale", Reuse::StaleWhileRevalidate),
            (25, "min-fresh=6", ASKS),
            (25, "min-fresh=5", Reuse::Fresh),
            (35, "max-stale=4", TOO_OLD),
            (35, "max-stale=5", Reuse::StaleWhileRevalidate),
            (70, "max-stale=40", Reuse::Stale),
            (71, "max-stale=40", TOO_OLD),
            (900, "max-stale", Reuse::Stale),
            (5, "only-if-cached", Reuse::Fresh),
            (35, "only-if-cached", Reuse::StaleWhileRevalidate),
            (45, "only-if-cached", Reuse::Unsatisfiable),
            (5, "only-if-cached, no-cache", Reuse::Unsatisfiable),
            (45, "only-if-cached, max-stale", Reuse::Stale),
        ] {
            let cc = CacheControl::parse(request.as_bytes());
            let now = Timestamp::from_secs(1000 + age);
            assert_eq!(reuse(&freshness(), Some(&cc), now), expected, "age {age}, {request}");
        }
    }

    #[test]
    fn nobody_gets_stale_what_must_not_be() {
        let strict = Freshness { stale_while_revalidate: Duration::ZERO, never_stale: true, ..freshness() };
        let cc = CacheControl::parse(b"max-stale");
        assert_eq!(reuse(&strict, Some(&cc), Timestamp::from_secs(1031)), TOO_OLD);
    }

    #[test]
    fn a_visitor_cannot_force_origin_traffic_where_directives_are_ignored() {
        assert_eq!(reuse(&freshness(), None, Timestamp::from_secs(1001)), Reuse::Fresh);
    }
}
