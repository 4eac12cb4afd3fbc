//! The order of the writes of each key, and the time between them.
//!
//! Only plain data is shared: nothing here wakes anybody. Whoever has to wait looks again by a timer of its own, and what a
//! request holds runs out by itself, for a request may vanish without a word.

use crate::policy::key::{KeyName, NameMap};
use crate::semantics::freshness::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many keys are kept in order at a time.
const MANY: usize = 4096;

/// With so many keys those that are over are looked for at first.
const SOME: usize = 64;

/// How often one looks whether another's write has ended.
const LOOKS: Duration = Duration::from_millis(100);

/// Keeps the writes of one isolate to one store in order: for each key one at a time, and a second (or another interval) from
/// the beginning of one to that of the next.
///
/// While a write waits for its turn, a later one of the same key supersedes it: the earlier one ends with success and is not made.
/// A deletion lets a later deletion go first, and is superseded by a later operation only once that one has succeeded. A write that
/// has been superseded is not made up for when the later request vanishes before its turn.
///
/// One for each store, shared by all requests of the isolate; a key is forgotten once its interval is over and nobody waits for
/// it. At most 4,096 keys are kept at a time; with as many, a write of yet another is refused as
/// [throttled](super::TierError::Throttled).
///
/// ```
/// use layercake::tier::Pace;
/// use std::sync::Arc;
///
/// let kv = Arc::new(Pace::new());
/// # let _ = kv;
/// ```
pub struct Pace {
    interval: Duration,
    lanes: Mutex<Lanes>,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

impl Pace {
    /// One write a second for each key, which is what Workers KV takes.
    #[must_use]
    pub fn new() -> Self {
        Self { interval: Duration::from_secs(1), lanes: Mutex::default() }
    }

    /// The time from the beginning of one write to that of the next. Default: 1 s.
    #[must_use]
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How many keys are kept in order now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes().by_key.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Queues a write of `key` that is given up by `until`; nothing when there are too many keys.
    pub(super) fn enter(
        self: &Arc<Self>,
        key: KeyName,
        deletes: bool,
        now: Timestamp,
        until: Timestamp,
    ) -> Option<Turn> {
        let mut lanes = self.lanes();
        lanes.sweep(now);
        if lanes.by_key.len() >= MANY && !lanes.by_key.contains_key(&key) {
            return None;
        }
        lanes.tickets += 1;
        let ticket = lanes.tickets;
        let queue = &mut lanes.by_key.entry(key).or_default().queue;
        queue.retain(|queued| queued.until > now);
        queue.push(Queued { ticket, deletes, until });
        Some(Turn { pace: Arc::clone(self), key, ticket, deletes })
    }

    /// A panic elsewhere leaves the lanes as they were between two whole operations.
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Lanes {
    by_key: NameMap<Lane>,
    tickets: u64,
    /// With how many keys to look next for those that are over.
    sweeps_at: usize,
}

/// The writes of one key.
#[derive(Default)]
struct Lane {
    /// When the next one may begin.
    free_at: Timestamp,
    /// The one under way, and when it is taken for gone.
    running: Option<(u64, Timestamp)>,
    /// The latest that has succeeded.
    done: u64,
    queue: Vec<Queued>,
}

/// One that waits, is under way, or is to be tried again.
struct Queued {
    ticket: u64,
    deletes: bool,
    /// When it is taken for gone.
    until: Timestamp,
}

impl Lanes {
    /// Forgets the keys that are over, now and then.
    fn sweep(&mut self, now: Timestamp) {
        if self.by_key.len() >= self.sweeps_at.max(SOME) {
            self.by_key.retain(|_, lane| !lane.is_over(now));
            self.sweeps_at = (2 * self.by_key.len()).min(MANY);
        }
    }
}

impl Lane {
    fn is_over(&self, now: Timestamp) -> bool {
        self.free_at <= now && self.busy_until(now).is_none() && self.queue.iter().all(|queued| queued.until <= now)
    }

    fn busy_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.running.map(|(_, until)| until).filter(|until| *until > now)
    }
}

/// What a write may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Begin.
    Begin,
    /// Look again then.
    Wait(Timestamp),
    /// Nothing more: a later one has taken its place.
    Superseded,
}

/// A write's place in the order of its key. Dropped, it is given up; what it has begun then counts as under way until its time is
/// over, because nobody knows how it ends.
pub(super) struct Turn {
    pace: Arc<Pace>,
    key: KeyName,
    ticket: u64,
    deletes: bool,
}

impl Turn {
    /// Begins at `now`, if that is possible; what has begun is taken for gone after `claim`.
    pub(super) fn step(&self, now: Timestamp, claim: Duration) -> Step {
        let mut lanes = self.pace.lanes();
        let lane = lanes.by_key.entry(self.key).or_default();
        let later = |queued: &Queued| queued.ticket > self.ticket && queued.until > now;
        if lane.done > self.ticket || (!self.deletes && lane.queue.iter().any(later)) {
            return Step::Superseded;
        }
        if lane.queue.iter().any(|queued| later(queued) && queued.deletes) {
            // Whether it is done the later one will show.
            return Step::Wait(now.plus(LOOKS));
        }
        if let Some(until) = lane.busy_until(now) {
            return Step::Wait(until.min(now.plus(LOOKS)).max(lane.free_at));
        }
        if lane.free_at > now {
            return Step::Wait(lane.free_at);
        }
        lane.running = Some((self.ticket, now.plus(claim)));
        lane.free_at = now.plus(self.pace.interval);
        Step::Begin
    }

    /// What has begun has ended; a store that wants fewer writes is left alone for another interval.
    pub(super) fn end(&self, now: Timestamp, succeeded: bool, throttled: bool) {
        let mut lanes = self.pace.lanes();
        let Some(lane) = lanes.by_key.get_mut(&self.key) else { return };
        if lane.running.is_some_and(|(ticket, _)| ticket == self.ticket) {
            lane.running = None;
        }
        if succeeded {
            lane.done = lane.done.max(self.ticket);
        }
        if throttled {
            lane.free_at = lane.free_at.max(now.plus(self.pace.interval));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lane) = self.pace.lanes().by_key.get_mut(&self.key) {
            lane.queue.retain(|queued| queued.ticket != self.ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyName = [3; 20];
    const CLAIM: Duration = Duration::from_secs(5);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    fn enter(pace: &Arc<Pace>, deletes: bool, now: u64) -> Turn {
        pace.enter(KEY, deletes, at(now), at(now + 10_000)).unwrap()
    }

    fn step(turn: &Turn, now: u64) -> Step {
        turn.step(at(now), CLAIM)
    }

    #[test]
    fn the_next_begins_a_second_after_the_last_and_not_before_its_end() {
        let pace = Arc::new(Pace::new());
        let first = enter(&pace, false, 0);
        assert_eq!(step(&first, 0), Step::Begin);
        let second = enter(&pace, false, 10);
        assert_eq!(step(&second, 10), Step::Wait(at(1000)));
        assert_eq!(step(&second, 1000), Step::Wait(at(1100)), "the first is under way");
        first.end(at(1050), true, false);
        assert_eq!(step(&second, 1100), Step::Begin);
        second.end(at(1200), false, true);
        assert_eq!(step(&second, 2100), Step::Wait(at(2200)), "a second from the store's refusal");
    }

    #[test]
    fn a_later_write_supersedes_those_that_wait_or_would_try_again() {
        let pace = Arc::new(Pace::new());
        let (first, second) = (enter(&pace, false, 0), enter(&pace, false, 0));
        assert_eq!((step(&first, 0), step(&second, 0)), (Step::Superseded, Step::Begin));
        second.end(at(100), false, false);
        let third = enter(&pace, true, 200);
        assert_eq!(step(&second, 1000), Step::Superseded);
        assert_eq!(step(&third, 1000), Step::Begin);
    }

    #[test]
    fn a_later_write_that_gives_up_supersedes_nobody() {
        let pace = Arc::new(Pace::new());
        let first = enter(&pace, false, 0);
        assert_eq!(step(&first, 0), Step::Begin);
        first.end(at(10), false, false);
        drop(enter(&pace, false, 20));
        assert_eq!(step(&first, 1000), Step::Begin);
    }

    #[test]
    fn a_deletion_gives_way_to_a_write_that_has_succeeded_only() {
        let pace = Arc::new(Pace::new());
        let (deletion, write) = (enter(&pace, true, 0), enter(&pace, false, 0));
        assert_eq!(step(&write, 0), Step::Begin);
        assert_eq!(step(&deletion, 0), Step::Wait(at(1000)));
        write.end(at(100), false, false);
        assert_eq!(step(&deletion, 1000), Step::Begin, "the write has failed");
        deletion.end(at(1100), false, false);
        assert_eq!(step(&write, 2000), Step::Begin);
        write.end(at(2100), true, false);
        assert_eq!(step(&deletion, 3000), Step::Superseded);
    }

    #[test]
    fn a_deletion_counts_as_done_once_a_later_one_is() {
        let pace = Arc::new(Pace::new());
        let (first, second) = (enter(&pace, true, 0), enter(&pace, true, 0));
        assert_eq!(step(&first, 0), Step::Wait(at(100)));
        assert_eq!(step(&second, 0), Step::Begin);
        assert!(matches!(step(&first, 100), Step::Wait(_)));
        second.end(at(150), false, false);
        drop(second);
        assert_eq!(step(&first, 1000), Step::Begin, "the later one has given up");
        first.end(at(1100), false, false);
        let third = enter(&pace, true, 1200);
        assert_eq!(step(&third, 2000), Step::Begin);
        third.end(at(2100), true, false);
        assert_eq!(step(&first, 2100), Step::Superseded);
    }

    #[test]
    fn what_vanishes_blocks_nobody_for_ever() {
        let pace = Arc::new(Pace::new());
        let first = enter(&pace, false, 0);
        assert_eq!(step(&first, 0), Step::Begin);
        let waits = enter(&pace, false, 1);
        std::mem::forget(first);
        assert!(matches!(step(&waits, 4999), Step::Wait(_)));
        assert_eq!(step(&waits, 5000), Step::Begin);
        // One that has vanished while it waited stands behind nobody after its time.
        waits.end(at(5100), false, false);
        std::mem::forget(enter(&pace, false, 5100));
        assert_eq!(step(&waits, 15_100), Step::Begin);
    }

    #[test]
    fn keys_are_forgotten_and_bounded() {
        let pace = Arc::new(Pace::new());
        let key = |n: u32| {
            let mut key = KEY;
            key[..4].copy_from_slice(&n.to_be_bytes());
            key
        };
        for n in 0..10_000 {
            let now = at(u64::from(n) * 100);
            let turn = pace.enter(key(n), false, now, now.plus(CLAIM)).unwrap();
            assert_eq!(turn.step(now, CLAIM), Step::Begin);
            turn.end(now, true, false);
        }
        assert!(pace.len() <= 2 * SOME, "{}", pace.len());
        let late = at(2_000_000);
        let many: Vec<_> = (0..10_000).filter_map(|n| pace.enter(key(n), false, late, late.plus(CLAIM))).collect();
        assert_eq!((many.len(), pace.len()), (MANY, MANY));
        many.into_iter().for_each(std::mem::forget);
        let later = late.plus(CLAIM);
        assert!(pace.enter(KEY, false, later, later.plus(CLAIM)).is_some());
        assert_eq!(pace.len(), 1);
    }
}
