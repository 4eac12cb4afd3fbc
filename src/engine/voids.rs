//! What this isolate has made void of late.
//!
//! A store may go on answering with an entry after it was told to forget it (KV does for up to a minute), and an answer that
//! was on its way from the origin when the target changed may arrive after the change. Neither is to come back.

use crate::policy::key::{KeyName, NameMap};
use crate::semantics::freshness::Timestamp;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a void is remembered: what KV takes to show a deletion everywhere.
const MEMORY: Duration = Duration::from_secs(60);

/// How many are remembered, the latest.
const MOST: usize = 1024;

/// The latest voids.
#[derive(Default)]
pub(super) struct Voids {
    count: AtomicU64,
    latest: Mutex<Latest>,
}

#[derive(Default)]
struct Latest {
    voids: NameMap<Void>,
    /// The keys in the order in which they were made void, with the void's number; one that has a later void stands there again.
    line: VecDeque<(u64, KeyName)>,
    /// The number of the last one that is forgotten.
    forgotten: u64,
}

#[derive(Clone, Copy)]
struct Void {
    /// Its place in the order of all voids of the isolate, from 1.
    number: u64,
    at: Timestamp,
}

impl Voids {
    /// How many there were: what is begun now comes after them.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// What is stored under `key` is void. Comes back with how many there are now.
    pub(super) fn add(&self, key: KeyName, at: Timestamp) -> u64 {
        let mut latest = self.latest();
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        latest.voids.insert(key, Void { number, at });
        latest.line.push_back((number, key));
        latest.sweep(at);
        number
    }

    /// Whether an answer under one of `keys` is void that was asked for when there were `begun` voids. Where that is so long ago that
    /// there is no telling, it is.
    pub(super) fn overtook(&self, keys: &[KeyName], begun: u64) -> bool {
        self.count() > begun && {
            let latest = self.latest();
            latest.forgotten > begun || latest.any(keys, |void| void.number > begun)
        }
    }

    /// Whether an entry under one of `keys` is void that was born at that time: not later than it was asked for (RFC 9111 section
    /// 4.2.3).
    pub(super) fn covers(&self, keys: &[KeyName], born: Timestamp) -> bool {
        self.count() > 0 && self.latest().any(keys, |void| born < void.at)
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Latest {
    fn any(&self, keys: &[KeyName], is: impl Fn(&Void) -> bool) -> bool {
        keys.iter().any(|key| self.voids.get(key).is_some_and(&is))
    }

    /// Forgets what is over, and the first of too many.
    fn sweep(&mut self, now: Timestamp) {
        while let Some((number, key)) = self.line.front() {
            let void = self.voids.get(key).filter(|void| void.number == *number);
            if void.is_some_and(|void| now.since(void.at) < MEMORY) && self.line.len() <= MOST {
                return;
            }
            if void.is_some() {
                self.forgotten = *number;
                self.voids.remove(key);
            }
            self.line.pop_front();
        }
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
        let begun = voids.count();
        for n in 0..3000_u32 {
            let mut key = [9; 20];
            key[..4].copy_from_slice(&n.to_be_bytes());
            voids.add(key, at(61));
            voids.add(KEY, at(61));
        }
        assert!(voids.latest().voids.len() <= MOST && voids.latest().line.len() <= MOST);
        assert!(!voids.covers(&[[8; 20]], at(59)) && voids.covers(&[KEY], at(60)));
        assert!(voids.overtook(&[[1; 20]], begun), "there is no telling any more");
        assert!(!voids.overtook(&[[1; 20]], voids.count() - 1));
    }
}
