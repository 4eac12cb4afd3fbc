//! Which tiers may be asked without a timer.
//!
//! A timer that is set and cleared costs about as much CPU on Workers as everything else the cache does on an L1 hit. A tier
//! that may earn trust ([`Tier::earns_trust`](crate::tier::Tier::earns_trust)) is asked with one until it has answered in good time
//! [`EARNED`] times in a row, and again as soon as an answer fails, is slow, or is overdue: requests see each other's
//! look-ups, so an outage is noticed after one time limit at the latest, by whoever comes then.

use crate::policy::Level;
use crate::semantics::freshness::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Good answers in a row that earn trust.
const EARNED: u32 = 16;

/// What the isolate has seen of each tier.
#[derive(Default)]
pub(super) struct Trust(Mutex<[Seen; 3]>);

#[derive(Default)]
struct Seen {
    streak: u32,
    /// When the look-ups still under way began.
    under_way: Vec<Timestamp>,
}

impl Trust {
    /// A look-up begins; whether it needs a timer. When others are overdue `overdue` is called.
    pub(super) fn begin(&self, level: Level, now: Timestamp, limit: Duration, overdue: impl FnOnce()) -> bool {
        let (armed, late) = self.with(level, |seen| {
            let waited = |since: &Timestamp| now.since(*since);
            let late = seen.under_way.iter().any(|since| waited(since) >= limit);
            if late {
                seen.streak = 0;
            }
            // What is this late belongs to a request that is gone: on Workers it may vanish without a word.
            seen.under_way.retain(|since| waited(since) < 10 * limit);
            seen.under_way.push(now);
            (seen.streak < EARNED, late)
        });
        if late {
            overdue();
        }
        armed
    }

    /// The look-up that began at `since` has ended, with an answer or without.
    pub(super) fn end(&self, level: Level, since: Timestamp, now: Timestamp, limit: Duration, answered: bool) {
        self.with(level, |seen| {
            if let Some(place) = seen.under_way.iter().position(|other| *other == since) {
                seen.under_way.swap_remove(place);
            }
            let good = answered && now.since(since) < limit / 4;
            seen.streak = if good { seen.streak.saturating_add(1) } else { 0 };
        });
    }

    fn with<T>(&self, level: Level, act: impl FnOnce(&mut Seen) -> T) -> T {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [hot, l1, l2] = &mut *seen;
        act(match level {
            Level::Hot => hot,
            Level::L1 => l1,
            Level::L2 => l2,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    fn trusted(trust: &Trust) -> bool {
        for i in 0..u64::from(EARNED) {
            assert!(trust.begin(Level::L1, at(i), LIMIT, || {}), "look-up {i} has a timer");
            trust.end(Level::L1, at(i), at(i + 1), LIMIT, true);
        }
        let armed = trust.begin(Level::L1, at(100), LIMIT, || {});
        trust.end(Level::L1, at(100), at(101), LIMIT, true);
        !armed
    }

    #[test]
    fn trust_is_earned_and_lost() {
        for (since, ended, answered) in [(200, 210, false), (200, 450, true)] {
            let trust = Trust::default();
            assert!(trusted(&trust));
            trust.begin(Level::L1, at(since), LIMIT, || {});
            trust.end(Level::L1, at(since), at(ended), LIMIT, answered);
            assert!(trust.begin(Level::L1, at(500), LIMIT, || {}), "{since} to {ended}");
        }
    }

    #[test]
    fn an_overdue_look_up_is_noticed_by_the_next() {
        let trust = Trust::default();
        assert!(trusted(&trust));
        assert!(!trust.begin(Level::L1, at(200), LIMIT, || {}));
        let ended = std::cell::Cell::new(0);
        let end = || ended.set(ended.get() + 1);
        assert!(!trust.begin(Level::L1, at(1199), LIMIT, end));
        assert_eq!(ended.get(), 0);
        assert!(trust.begin(Level::L1, at(1200), LIMIT, end));
        assert_eq!(ended.get(), 1);
    }

    #[test]
    fn a_look_up_whose_request_vanished_is_forgotten() {
        let trust = Trust::default();
        assert!(trusted(&trust));
        trust.begin(Level::L1, at(200), LIMIT, || {});
        for i in 0..=u64::from(EARNED) {
            trust.begin(Level::L1, at(20_000 + i), LIMIT, || {});
            trust.end(Level::L1, at(20_000 + i), at(20_000 + i), LIMIT, true);
        }
        assert!(!trust.begin(Level::L1, at(21_000), LIMIT, || {}));
    }
}
