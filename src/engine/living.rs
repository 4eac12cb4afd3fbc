//! What an isolate knows beside its table: it outlives a table that is replaced.

use super::leases::Leases;
use super::resilience::Guard;
use super::trust::Trust;
use super::voids::Voids;
use crate::semantics::freshness::Timestamp;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The shortest time between two faults that are logged in words; the counters hold the rest.
const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Living {
    pub(super) voids: Voids,
    pub(super) trust: Trust,
    complained_at: AtomicU64,
    l1_inert: AtomicBool,
    pub(super) leases: Leases,
    pub(super) guard: Guard,
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
}
