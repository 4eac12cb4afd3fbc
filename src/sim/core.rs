//! What all parts of a world share.

use crate::policy::Level;
use crate::runtime::Runtime as _;
use crate::semantics::freshness::Timestamp;
use crate::sim::{Faults, History, Random, SimRuntime, TierFaults, TierTally};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The clock, the book of what happens, and the seed's numbers for each purpose.
pub(super) struct Core {
    pub(super) runtime: SimRuntime,
    pub(super) faults: Faults,
    history: Mutex<History>,
    numbers: Mutex<Numbers>,
    upcoming: Mutex<Vec<(Timestamp, Upcoming)>>,
}

/// Random numbers of their own for each part, so that one part's draws do not move another's.
pub(super) struct Numbers {
    pub(super) faults: Random,
    pub(super) latency: Random,
    pub(super) origin: Random,
    pub(super) kv: Random,
    pub(super) eviction: Random,
    pub(super) host: Random,
}

/// What has turned out to have to happen later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upcoming {
    /// The work behind the response to this request has had its time.
    CutOff { request: u64 },
}

impl Core {
    pub(super) fn new(runtime: SimRuntime, faults: Faults, random: &mut Random) -> Self {
        let numbers = Numbers {
            faults: random.split(),
            latency: random.split(),
            origin: random.split(),
            kv: random.split(),
            eviction: random.split(),
            host: random.split(),
        };
        let (history, upcoming) = (Mutex::default(), Mutex::default());
        Self { runtime, faults, history, numbers: Mutex::new(numbers), upcoming }
    }

    /// The time since the world began.
    pub(super) fn now(&self) -> Duration {
        self.runtime.now().since(SimRuntime::START)
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    pub(super) fn numbers(&self) -> MutexGuard<'_, Numbers> {
        lock(&self.numbers)
    }

    pub(super) fn tally(&self, place: (usize, Level), note: impl FnOnce(&mut TierTally)) {
        note(self.history().tiers.entry(place).or_default());
    }

    /// The faults of the tiers at `level` now.
    pub(super) fn tier_faults(&self, level: Level) -> &TierFaults {
        self.faults.of_tier(self.now(), level)
    }

    pub(super) fn later(&self, wait: Duration, what: Upcoming) {
        lock(&self.upcoming).push((self.runtime.now().plus(wait), what));
    }

    /// What has turned out since the last call.
    pub(super) fn take_upcoming(&self) -> Vec<(Timestamp, Upcoming)> {
        std::mem::take(&mut *lock(&self.upcoming))
    }
}

/// A panic elsewhere leaves what is kept here as it was between two whole steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
