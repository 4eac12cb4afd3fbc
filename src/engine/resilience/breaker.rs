//! When a tier is not asked any more, and when it is tried again.
//!
//! After [`TOLERATED`] failures in a row the circuit is open: nothing is asked of the tier for a while, one request then tries
//! it, and its failure doubles the while. Reads and writes have circuits of their own, so that a store which takes no more
//! writes goes on being read.

use crate::engine::tiers::{Verdict, Way};
use crate::policy::Level;
use crate::semantics::freshness::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures in a row that open a circuit.
const TOLERATED: u32 = 5;

/// How long a circuit stays open at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The same for a quota that is used up, which no second brings back.
const LONG_PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15 * 60));

/// The circuits of one isolate.
#[derive(Default)]
pub(in crate::engine) struct Breakers(Mutex<[[Circuit; 2]; 3]>);

#[derive(Default)]
struct Circuit {
    failures: u32,
    open: Option<Open>,
}

#[derive(Clone, Copy)]
struct Open {
    since: Timestamp,
    /// When one request may try.
    until: Timestamp,
    pause: Duration,
}

impl Breakers {
    /// Whether the tier may be asked now. Whoever is let through an open circuit is the only one for the time of a pause.
    pub(in crate::engine) fn lets_through(&self, level: Level, way: Way, now: Timestamp) -> bool {
        self.with(level, way, |circuit| match &mut circuit.open {
            None => true,
            Some(open) if now >= open.until => {
                open.until = now.plus(open.pause);
                true
            }
            Some(_) => false,
        })
    }

    /// Whether the tier is known to fail.
    pub(in crate::engine) fn is_open(&self, level: Level, way: Way) -> bool {
        self.with(level, way, |circuit| circuit.open.is_some())
    }

    /// Notes how it went with what was asked at `since`.
    pub(in crate::engine) fn note(&self, level: Level, way: Way, since: Timestamp, now: Timestamp, verdict: Verdict) {
        self.with(level, way, |circuit| {
            let (first, longest) = if verdict == Verdict::Exhausted { LONG_PAUSES } else { PAUSES };
            circuit.failures = if verdict == Verdict::Well { 0 } else { circuit.failures.saturating_add(1) };
            match (verdict, circuit.open) {
                (Verdict::Well, _) => circuit.open = None,
                // What was under way when the circuit opened says nothing new.
                (_, Some(open)) if since < open.since => {}
                (_, Some(open)) => {
                    let pause = (2 * open.pause).clamp(first, longest);
                    circuit.open = Some(Open { since: now, until: now.plus(pause), pause });
                }
                (Verdict::Badly, None) if circuit.failures < TOLERATED => {}
                (_, None) => circuit.open = Some(Open { since: now, until: now.plus(first), pause: first }),
            }
        });
    }

    fn with<T>(&self, level: Level, way: Way, act: impl FnOnce(&mut Circuit) -> T) -> T {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [hot, l1, l2] = &mut *circuits;
        let [read, write] = match level {
            Level::Hot => hot,
            Level::L1 => l1,
            Level::L2 => l2,
        };
        act(if way == Way::Read { read } else { write })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    fn fail(breakers: &Breakers, times: u32, when: u64) {
        for _ in 0..times {
            breakers.note(Level::L2, Way::Read, at(when), at(when), Verdict::Badly);
        }
    }

    fn may(breakers: &Breakers, when: u64) -> bool {
        breakers.lets_through(Level::L2, Way::Read, at(when))
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_at_a_time_tries() {
        let breakers = Breakers::default();
        fail(&breakers, TOLERATED - 1, 0);
        breakers.note(Level::L2, Way::Read, at(0), at(0), Verdict::Well);
        fail(&breakers, TOLERATED - 1, 0);
        assert!(may(&breakers, 0));
        fail(&breakers, 1, 0);
        assert!(breakers.is_open(Level::L2, Way::Read));
        assert!(!may(&breakers, 999));
        assert!(may(&breakers, 1000) && !may(&breakers, 1001), "one tries");
        assert!(may(&breakers, 2000), "the one that tried may have vanished");
        breakers.note(Level::L2, Way::Read, at(2000), at(2001), Verdict::Well);
        assert!(may(&breakers, 2001) && may(&breakers, 2001));
    }

    #[test]
    fn each_failed_trial_doubles_the_pause_up_to_a_minute() {
        let breakers = Breakers::default();
        fail(&breakers, TOLERATED, 0);
        let mut now = 0;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(!may(&breakers, now + pause * 1000 - 1));
            now += pause * 1000;
            assert!(may(&breakers, now), "after {pause} s");
            fail(&breakers, 1, now);
        }
    }

    #[test]
    fn what_was_under_way_when_it_opened_does_not_lengthen_the_pause() {
        let breakers = Breakers::default();
        fail(&breakers, TOLERATED, 500);
        for _ in 0..50 {
            breakers.note(Level::L2, Way::Read, at(100), at(600), Verdict::Badly);
        }
        assert!(may(&breakers, 1500));
    }

    #[test]
    fn a_quota_that_is_used_up_opens_it_at_once_and_for_long() {
        let breakers = Breakers::default();
        breakers.note(Level::L2, Way::Write, at(0), at(0), Verdict::Exhausted);
        assert!(!breakers.lets_through(Level::L2, Way::Write, at(59_999)));
        assert!(breakers.lets_through(Level::L2, Way::Write, at(60_000)));
        assert!(
            may(&breakers, 0) && breakers.lets_through(Level::L1, Way::Write, at(0)),
            "reads and other tiers go on"
        );
    }
}
