//! What an isolate knows beside its table: it outlives a table that is replaced.

use super::trust::Trust;
use super::voids::Voids;
use crate::policy::key::KeyName;
use crate::semantics::freshness::Timestamp;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The shortest time between two faults that are logged in words; the counters hold the rest.
const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Living {
    pub(super) voids: Voids,
    pub(super) trust: Trust,
    complained_at: AtomicU64,
    l1_inert: AtomicBool,
    refreshing: Mutex<Vec<(KeyName, Timestamp)>>,
    families: AtomicU64,
}

impl Living {
    /// Whether a fault may be logged in words now.
    pub(super) fn may_complain(&self, now: Timestamp) -> bool {
        let last = Timestamp::from_millis(self.complained_at.load(Ordering::Relaxed));
        let may = last == Timestamp::default() || now.since(last) >= BETWEEN_COMPLAINTS;
        if may {
            self.complained_at.store(now.as_millis(), Ordering::Relaxed);
        }
        may
    }

    /// Whether L1 was seen to take an entry and not to have it afterwards, as on hosts where the Cache API has no effect.
    pub(super) fn l1_is_inert(&self) -> bool {
        self.l1_inert.load(Ordering::Relaxed)
    }

    pub(super) fn note_l1(&self, inert: bool) {
        self.l1_inert.store(inert, Ordering::Relaxed);
    }

    /// A number for a new family of variants, larger than all before it in this isolate, and another than an earlier one's
    /// elsewhere as long as clocks agree to the millisecond.
    pub(super) fn next_family(&self, now: Timestamp) -> u64 {
        let next = |last: u64| Some(now.as_millis().saturating_mul(1024).max(last + 1));
        self.families
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .map_or(0, |last| next(last).unwrap_or(last))
    }

    /// Takes the right to refresh `key`, unless somebody in this isolate has it. It lapses by itself after `lease`, because
    /// on Workers the work behind a response can be cut off without a word.
    pub(super) fn begin_refresh(&self, key: KeyName, now: Timestamp, lease: Duration) -> bool {
        let mut refreshing = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        refreshing.retain(|(_, until)| *until > now);
        let free = !refreshing.iter().any(|(other, _)| *other == key);
        if free {
            refreshing.push((key, now.plus(lease)));
        }
        free
    }

    /// Gives the right back; after a failure only when `pause` is over, so that a failing origin is not asked by every
    /// request.
    pub(super) fn end_refresh(&self, key: KeyName, now: Timestamp, pause: Option<Duration>) {
        let mut refreshing = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        refreshing.retain(|(other, _)| *other != key);
        if let Some(pause) = pause {
            refreshing.push((key, now.plus(pause)));
        }
    }
}
