//! What this isolate has made void of late.
//!
//! A store may go on answering with an entry after it was told to forget it (KV does for up to a minute), and an answer that
//! was on its way from the origin when the target changed may arrive after the change. Neither is to come back.

use crate::policy::key::KeyName;
use crate::semantics::freshness::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a void is remembered: what KV takes to show a deletion everywhere.
const MEMORY: Duration = Duration::from_secs(60);

/// How many are remembered, the latest.
const MOST: usize = 256;

/// The latest voids, oldest first.
#[derive(Default)]
pub(super) struct Voids {
    count: AtomicU64,
    latest: Mutex<Vec<Void>>,
}

struct Void {
    key: KeyName,
    /// Its place in the order of all voids of the isolate, from 1.
    number: u64,
    at: Timestamp,
}

impl Voids {
    /// How many there were: what is begun now comes after them.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// What is stored under `key` is void.
    pub(super) fn add(&self, key: KeyName, at: Timestamp) {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|void| void.key != key && at.since(void.at) < MEMORY);
        if latest.len() >= MOST {
            latest.remove(0);
        }
        latest.push(Void { key, number, at });
    }

    /// Whether an answer under one of `keys` is void that was asked for when there were `begun` voids.
    pub(super) fn overtook(&self, keys: &[KeyName], begun: u64) -> bool {
        self.count() > begun && self.any(keys, |void| void.number > begun)
    }

    /// Whether an entry under one of `keys` is void that was born at that time: not later than it was asked for (RFC 9111 section
    /// 4.2.3).
    pub(super) fn covers(&self, keys: &[KeyName], born: Timestamp) -> bool {
        self.count() > 0 && self.any(keys, |void| born < void.at)
    }

    fn any(&self, keys: &[KeyName], is: impl Fn(&Void) -> bool) -> bool {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.iter().any(|void| keys.contains(&void.key) && is(void))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyName = [7; 20];

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1000 + secs)
    }

    #[test]
    fn what_was_under_way_or_stored_before_is_void() {
        let voids = Voids::default();
        let begun = voids.count();
        assert!(!voids.overtook(&[KEY], begun) && !voids.covers(&[KEY], at(0)));
        voids.add(KEY, at(5));
        assert!(voids.overtook(&[KEY], begun) && voids.covers(&[KEY], at(4)));
        assert!(!voids.overtook(&[KEY], voids.count()) && !voids.covers(&[KEY], at(5)));
        assert!(!voids.overtook(&[[8; 20]], begun) && !voids.covers(&[[8; 20]], at(4)));
    }

    #[test]
    fn memory_is_bounded() {
        let voids = Voids::default();
        voids.add(KEY, at(0));
        voids.add([8; 20], at(60));
        assert!(!voids.covers(&[KEY], at(0)), "a minute is over");
        for n in 0..=u8::MAX {
            let mut key = [9; 20];
            key[0] = n;
            voids.add(key, at(61));
        }
        assert_eq!(voids.latest.lock().unwrap().len(), MOST);
        assert!(!voids.covers(&[[8; 20]], at(59)));
    }
}
