//! Who in this isolate refreshes what, and what is left alone for a while because its refresh failed.

use crate::policy::key::{KeyName, NameMap};
use crate::semantics::freshness::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long one refresh keeps others of its key away: what a Worker's `waitUntil` lasts. It lapses by itself, because the work
/// behind a response can be cut off there without a word.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// How long a key is left alone after its refresh failed: this long at first, twice as long each time, a minute at most. Stale
/// answers go on meanwhile.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// How long a key is left alone that another isolate of the data centre refreshes.
const YIELDED: Duration = Duration::from_secs(2);

/// How long the failures of a key are remembered once it may be tried again.
const MEMORY: Duration = Duration::from_secs(120);

/// How many keys are remembered before those whose time is over are swept out.
const MANY: usize = 512;

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
    /// It was left to another isolate.
    Yielded,
}

/// The leases of one isolate.
#[derive(Default)]
pub(super) struct Leases(Mutex<Held>);

#[derive(Default)]
struct Held {
    leases: NameMap<Lease>,
    last: u64,
}

struct Lease {
    until: Timestamp,
    token: u64,
    failures: u32,
}

impl Leases {
    /// Takes the right to refresh `key`, unless somebody has it or it is left alone. The token is what it is given back with.
    pub(super) fn begin(&self, key: KeyName, now: Timestamp) -> Option<u64> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.leases.len() >= MANY {
            held.leases.retain(|_, lease| lease.until.plus(MEMORY) > now);
        }
        let token = held.last + 1;
        let failures = match held.leases.get(&key) {
            Some(lease) if lease.until > now => return None,
            Some(lease) if lease.until.plus(MEMORY) > now => lease.failures,
            _ => 0,
        };
        held.last = token;
        held.leases.insert(key, Lease { until: now.plus(LEASE), token, failures });
        Some(token)
    }

    /// Gives the right back; one that has lapsed and gone to somebody else stays with him. Comes back with how long the key is
    /// left alone.
    pub(super) fn end(&self, key: KeyName, token: u64, now: Timestamp, ended: Ended) -> Duration {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lease) = held.leases.get_mut(&key).filter(|lease| lease.token == token) else {
            return Duration::ZERO;
        };
        let pause = match ended {
            Ended::Well => {
                held.leases.remove(&key);
                return Duration::ZERO;
            }
            Ended::Yielded => YIELDED,
            Ended::Badly => {
                let (first, longest) = PAUSES;
                let pause = first.saturating_mul(1 << lease.failures.min(10)).min(longest);
                lease.failures += 1;
                pause
            }
        };
        lease.until = now.plus(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyName = [1; 20];

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1000 + secs)
    }

    #[test]
    fn one_refresh_per_key_until_its_lease_lapses() {
        let leases = Leases::default();
        let first = leases.begin(KEY, at(0)).unwrap();
        assert!(leases.begin(KEY, at(29)).is_none());
        assert!(leases.begin([2; 20], at(29)).is_some());
        let second = leases.begin(KEY, at(30)).unwrap();
        // The first has lapsed: it does not take the second's away.
        leases.end(KEY, first, at(31), Ended::Well);
        assert!(leases.begin(KEY, at(31)).is_none());
        leases.end(KEY, second, at(32), Ended::Well);
        assert!(leases.begin(KEY, at(32)).is_some());
    }

    #[test]
    fn a_failing_key_is_left_alone_for_longer_each_time() {
        let leases = Leases::default();
        let mut now = 0;
        for pause in [2, 4, 8, 16, 32, 60, 60] {
            let token = leases.begin(KEY, at(now)).unwrap();
            assert_eq!(leases.end(KEY, token, at(now), Ended::Badly), Duration::from_secs(pause));
            assert!(leases.begin(KEY, at(now + pause - 1)).is_none());
            now += pause;
        }
        let token = leases.begin(KEY, at(now)).unwrap();
        leases.end(KEY, token, at(now), Ended::Well);
        let token = leases.begin(KEY, at(now)).unwrap();
        assert_eq!(leases.end(KEY, token, at(now), Ended::Badly), Duration::from_secs(2), "forgiven");
        let token = leases.begin(KEY, at(now + 200)).unwrap();
        assert_eq!(leases.end(KEY, token, at(now + 200), Ended::Badly), Duration::from_secs(2), "forgotten");
    }

    #[test]
    fn memory_is_bounded_by_what_goes_on() {
        let leases = Leases::default();
        for n in 0..10_000_u32 {
            let mut key = KEY;
            key[..4].copy_from_slice(&n.to_be_bytes());
            let token = leases.begin(key, at(u64::from(n))).unwrap();
            leases.end(key, token, at(u64::from(n)), Ended::Badly);
        }
        assert!(leases.0.lock().unwrap().leases.len() <= MANY);
    }
}
