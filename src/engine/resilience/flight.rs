//! Concurrent requests for the same thing: one asks the origin, the others wait for what it brings (RFC 9111 section 4, "collapsing
//! requests").
//!
//! What crosses from one request to another is plain data: an entry with its body in a buffer, the word that a larger one is in the
//! tiers now, or that there is none to share. Each follower waits on a signal of its own beside its own timer ([`Runtime::signal`](crate::runtime::Runtime::signal)), because
//! on Workers nothing else may cross. Nobody waits for ever: a leader has a lease, after which one of those who wait asks as
//! well, and patience ends after twice the time.

use super::landing::Landing;
use crate::entry::StoredResponse;
use crate::policy::key::{KeyName, NameMap};
use crate::semantics::freshness::Timestamp;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long keys are remembered whose answers are not for sharing: requests for them are not held up for one another.
const APART: Duration = Duration::from_secs(30);

/// How long a key whose origin has just failed, or was too slow, is left alone by those who can do without.
const RESTS: Duration = Duration::from_secs(2);

/// How many keys are remembered so before those whose time is over are swept out, or all.
const MANY: usize = 1024;

/// How long what has landed is there for requests that were looking into the tiers when it did.
const LINGERS: Duration = Duration::from_secs(2);

/// How many bytes of bodies may linger so.
const LINGERING: u64 = 2 << 20;

/// How long followers wait for the body once the leader has an answer.
const BODY: Duration = Duration::from_secs(1);

/// What a leader brings.
pub(super) enum Outcome {
    /// An entry whose body is a buffer.
    Entry(StoredResponse),
    /// It is in the tiers, where each finds it for himself.
    Stored,
    /// It is not for sharing: each asks for himself.
    Apart,
    /// The same, this time.
    Released,
    /// The origin failed.
    Failed,
}

/// A call of the origin that others may wait for.
pub(super) struct Flight(Mutex<State>);

struct State {
    /// How many entries the isolate had made void when it began.
    begun: u64,
    /// When another may take over.
    lease_until: Timestamp,
    /// Until when the body is waited for, once the answer has come.
    body_until: Option<Timestamp>,
    /// How many have taken over.
    term: u32,
    waiting: Vec<Box<dyn FnOnce() + Send>>,
    landed: Option<Landed>,
}

/// What came, and its place in the order of all that came.
struct Landed {
    outcome: Outcome,
    number: u64,
}

impl Flight {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many have taken over.
    pub(super) fn term(&self) -> u32 {
        self.state().term
    }

    /// The answer has come, its body is still on the way.
    pub(super) fn expect_body(&self, now: Timestamp) {
        let waiting = {
            let mut state = self.state();
            state.body_until.get_or_insert(now.plus(BODY));
            std::mem::take(&mut state.waiting)
        };
        for wake in waiting {
            wake();
        }
    }
}

/// What the one who waits finds.
pub(super) enum Look {
    Entry(StoredResponse),
    Stored,
    Apart,
    Failed,
    /// Nothing yet; to be looked at again at this time.
    Wait(Timestamp),
    /// The leader's lease is over: the right to lead.
    Overdue(Landing),
}

/// What a request does about the key it wants.
pub(super) enum Seat {
    /// It asks for itself.
    Alone,
    /// It asks, and others wait.
    Leader(Landing),
    /// It waits.
    Follower(Arc<Flight>),
    /// It does without, for the origin has just failed or was too slow.
    Resting,
}

/// The calls of the origin under way in one isolate.
#[derive(Default)]
pub(in crate::engine) struct Flights {
    air: Mutex<Air>,
    landings: AtomicU64,
}

/// What has landed and may still be asked for.
struct Lingering {
    since: Timestamp,
    key: KeyName,
    flight: Arc<Flight>,
    bytes: u64,
}

#[derive(Default)]
struct Air {
    flights: NameMap<Arc<Flight>>,
    /// Oldest first.
    lingering: VecDeque<Lingering>,
    bytes: u64,
    apart: NameMap<Timestamp>,
    resting: NameMap<Timestamp>,
}

/// The key, the time, and what bounds the wait.
#[derive(Clone, Copy)]
pub(super) struct Boarding {
    pub(super) key: KeyName,
    /// How many answers had landed when the request began to look into the tiers.
    pub(super) seen: u64,
    pub(super) now: Timestamp,
    /// How long a leader has before another takes over.
    pub(super) lease: Duration,
    /// How many entries the isolate has made void so far.
    pub(super) begun: u64,
    /// The request can do without the origin for the moment.
    pub(super) can_rest: bool,
}

impl Flights {
    /// How many answers have landed so far.
    pub(in crate::engine) fn landings(&self) -> u64 {
        self.landings.load(Ordering::Relaxed)
    }

    /// Joins the call under way for a key, or begins one. `overtook` tells whether an entry of the key was made void since there were so many voids:
    /// what was asked for before is not for those who come after.
    pub(super) fn board(self: &Arc<Self>, boarding: Boarding, overtook: impl Fn(u64) -> bool) -> Seat {
        let Boarding { key, seen, now, lease, begun, can_rest } = boarding;
        let mut air = self.air();
        air.sweep(now);
        // What has landed is swept out above. On Workers a leader may vanish without a word.
        if air.flights.len() >= MANY + air.lingering.len() {
            air.flights.retain(|_, flight| flight.state().lease_until.plus(lease) > now);
        }
        let is_set = |map: &NameMap<Timestamp>| map.get(&key).is_some_and(|until| *until > now);
        if is_set(&air.apart) {
            return Seat::Alone;
        }
        if can_rest && is_set(&air.resting) {
            return Seat::Resting;
        }
        if let Some(flight) = air.flights.get(&key) {
            let state = flight.state();
            let is_for_us = match &state.landed {
                None => true,
                // It came while the request was looking.
                Some(Landed { outcome: Outcome::Entry(_) | Outcome::Stored, number }) => *number > seen,
                Some(_) => false,
            };
            if is_for_us && !overtook(state.begun) {
                drop(state);
                return Seat::Follower(Arc::clone(flight));
            }
        }
        let state =
            State { begun, lease_until: now.plus(lease), body_until: None, term: 0, waiting: Vec::new(), landed: None };
        let flight = Arc::new(Flight(Mutex::new(state)));
        air.flights.insert(key, Arc::clone(&flight));
        Seat::Leader(Landing::of(self, flight, key, 0))
    }

    /// Leaves a key alone whose origin is too slow.
    pub(super) fn rest(&self, key: KeyName, now: Timestamp) {
        remember(&mut self.air().resting, key, now, RESTS);
    }

    /// What there is for one who waits; when there is nothing yet, `wake` is called once there is, or once the time to look again has
    /// changed.
    pub(super) fn look(
        self: &Arc<Self>,
        flight: &Arc<Flight>,
        Boarding { key, now, lease, .. }: Boarding,
        wake: Option<Box<dyn FnOnce() + Send>>,
    ) -> Look {
        let mut state = flight.state();
        match state.landed.as_ref().map(|landed| &landed.outcome) {
            Some(Outcome::Entry(entry)) => return entry.try_clone().map_or(Look::Apart, Look::Entry),
            Some(Outcome::Stored) => return Look::Stored,
            Some(Outcome::Apart | Outcome::Released) => return Look::Apart,
            Some(Outcome::Failed) => return Look::Failed,
            None => {}
        }
        if state.lease_until <= now {
            state.lease_until = now.plus(lease);
            state.body_until = None;
            state.term += 1;
            let term = state.term;
            return Look::Overdue(Landing::of(self, Arc::clone(flight), key, term));
        }
        if state.body_until.is_some_and(|until| until <= now) {
            drop(state);
            self.land(flight, key, Outcome::Apart, now);
            return Look::Apart;
        }
        state.waiting.extend(wake);
        Look::Wait(state.body_until.map_or(state.lease_until, |until| until.min(state.lease_until)))
    }

    /// The first outcome counts.
    pub(super) fn land(&self, flight: &Arc<Flight>, key: KeyName, outcome: Outcome, now: Timestamp) {
        let bytes = match &outcome {
            Outcome::Entry(entry) => Some(entry.body.len().unwrap_or(0)),
            Outcome::Stored => Some(0),
            Outcome::Apart | Outcome::Released | Outcome::Failed => None,
        };
        let (apart, failed) = (matches!(outcome, Outcome::Apart), matches!(outcome, Outcome::Failed));
        let waiting = {
            let mut state = flight.state();
            if state.landed.is_some() {
                return;
            }
            state.landed = Some(Landed { outcome, number: self.landings.fetch_add(1, Ordering::Relaxed) + 1 });
            std::mem::take(&mut state.waiting)
        };
        {
            let mut air = self.air();
            let is_there = air.flights.get(&key).is_some_and(|other| Arc::ptr_eq(other, flight));
            match bytes {
                Some(bytes) if is_there => {
                    air.lingering.push_back(Lingering { since: now, key, flight: Arc::clone(flight), bytes });
                    air.bytes += bytes;
                    air.sweep(now);
                }
                None if is_there => drop(air.flights.remove(&key)),
                _ => {}
            }
            if apart {
                remember(&mut air.apart, key, now, APART);
            }
            if failed {
                remember(&mut air.resting, key, now, RESTS);
            }
        }
        for wake in waiting {
            wake();
        }
    }

    fn air(&self) -> MutexGuard<'_, Air> {
        self.air.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Air {
    /// Forgets what has lingered long enough, or is more than may.
    fn sweep(&mut self, now: Timestamp) {
        while let Some(Lingering { since, bytes, .. }) = self.lingering.front() {
            if now.since(*since) < LINGERS && self.bytes <= LINGERING {
                return;
            }
            self.bytes -= bytes;
            let Some(Lingering { key, flight, .. }) = self.lingering.pop_front() else { return };
            // Another flight of the key may be in the air by now.
            if self.flights.get(&key).is_some_and(|other| Arc::ptr_eq(other, &flight)) {
                self.flights.remove(&key);
            }
        }
    }
}

/// Remembers a key for so long. Too many are swept out, or forgotten altogether.
fn remember(keys: &mut NameMap<Timestamp>, key: KeyName, now: Timestamp, how_long: Duration) {
    if keys.len() >= MANY {
        keys.retain(|_, until| *until > now);
        if keys.len() >= MANY {
            keys.clear();
        }
    }
    keys.insert(key, now.plus(how_long));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Head;
    use std::sync::atomic::AtomicU32;

    const KEY: KeyName = [3; 20];
    const LEASE: Duration = Duration::from_secs(5);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    fn boarding(now: u64) -> Boarding {
        Boarding { key: KEY, seen: 0, now: at(now), lease: LEASE, begun: 0, can_rest: false }
    }

    fn board(flights: &Arc<Flights>, now: u64) -> Seat {
        flights.board(boarding(now), |_| false)
    }

    fn lead(flights: &Arc<Flights>, now: u64) -> Landing {
        let Seat::Leader(landing) = board(flights, now) else { panic!("somebody leads") };
        landing
    }

    fn follow(flights: &Arc<Flights>, now: u64) -> Arc<Flight> {
        let Seat::Follower(flight) = board(flights, now) else { panic!("nobody leads") };
        flight
    }

    fn entry() -> StoredResponse {
        let headers = Box::new(http::HeaderMap::new());
        StoredResponse { head: Arc::new(Head::default()), headers, body: "hello".into() }
    }

    #[test]
    fn all_who_wait_are_woken_and_get_the_entry() {
        let flights = Arc::<Flights>::default();
        let landing = lead(&flights, 0);
        let woken = Arc::new(AtomicU32::new(0));
        let followers: Vec<_> = (0..9).map(|_| follow(&flights, 1)).collect();
        for flight in &followers {
            let woken = Arc::clone(&woken);
            let wake = move || {
                woken.fetch_add(1, Ordering::Relaxed);
            };
            let looked = flights.look(flight, boarding(1), Some(Box::new(wake)));
            assert!(matches!(looked, Look::Wait(until) if until == at(5000)));
        }
        landing.share(entry(), at(10));
        assert_eq!(woken.load(Ordering::Relaxed), 9);
        for flight in &followers {
            assert!(matches!(flights.look(flight, boarding(10), None), Look::Entry(_)));
        }
    }

    #[test]
    fn what_has_landed_is_for_those_who_were_under_way() {
        let flights = Arc::<Flights>::default();
        lead(&flights, 0).share(entry(), at(10));
        let late = Boarding { now: at(1000), ..boarding(10) };
        let later = Boarding { seen: flights.landings(), ..late };
        assert!(matches!(flights.board(late, |_| false), Seat::Follower(_)));
        assert!(matches!(flights.board(later, |_| false), Seat::Leader(_)), "it began behind it");
        lead(&flights, 1000).share(entry(), at(1010));
        assert!(matches!(flights.board(late, |_| true), Seat::Leader(_)), "made void meanwhile");
    }

    #[test]
    fn what_lingers_is_bounded_in_time_and_bytes() {
        let flights = Arc::<Flights>::default();
        lead(&flights, 0).share(entry(), at(10));
        assert_eq!(flights.air().flights.len(), 1);
        flights.air().sweep(at(2010));
        assert_eq!(flights.air().flights.len(), 0);
        assert_eq!(flights.air().bytes, 0);
        for n in 0..100 {
            let boarding = Boarding { key: [n; 20], ..boarding(3000) };
            let Seat::Leader(landing) = flights.board(boarding, |_| false) else { panic!() };
            let body = vec![0; 256 << 10].into();
            landing.share(StoredResponse { body, ..entry() }, at(3000));
        }
        assert!(flights.air().bytes <= LINGERING);
        assert!(flights.air().flights.len() <= 8);
    }

    #[test]
    fn a_leader_that_vanishes_releases_the_others() {
        let flights = Arc::<Flights>::default();
        let landing = lead(&flights, 0);
        let flight = follow(&flights, 0);
        drop(landing);
        assert!(matches!(flights.look(&flight, boarding(1), None), Look::Apart));
        assert!(matches!(board(&flights, 2), Seat::Leader(_)), "the next one tries");
    }

    #[test]
    fn a_key_whose_origin_has_failed_rests_for_a_moment() {
        let flights = Arc::<Flights>::default();
        lead(&flights, 0).failed(at(100));
        let content = |now| Boarding { can_rest: true, ..boarding(now) };
        assert!(matches!(flights.board(content(2099), |_| false), Seat::Resting));
        assert!(matches!(board(&flights, 2099), Seat::Leader(_)), "it cannot do without");
        assert!(matches!(flights.board(content(2100), |_| false), Seat::Leader(_)));
    }

    #[test]
    fn a_leader_that_is_overdue_is_replaced_by_one() {
        let flights = Arc::<Flights>::default();
        let first = lead(&flights, 0);
        let (one, other) = (follow(&flights, 1), follow(&flights, 1));
        let Look::Overdue(second) = flights.look(&one, boarding(5000), None) else { panic!("it is overdue") };
        assert!(matches!(flights.look(&other, boarding(5000), None), Look::Wait(until) if until == at(10_000)));
        // The first one's failure is no longer what counts; its answer would be.
        drop(first);
        assert!(matches!(flights.look(&other, boarding(5001), None), Look::Wait(_)));
        second.share(entry(), at(5002));
        assert!(matches!(flights.look(&other, boarding(5002), None), Look::Entry(_)));
    }

    #[test]
    fn what_is_not_for_sharing_is_remembered() {
        let flights = Arc::<Flights>::default();
        lead(&flights, 0).apart(at(0));
        assert!(matches!(board(&flights, 29_999), Seat::Alone));
        assert!(matches!(board(&flights, 30_000), Seat::Leader(_)));
        for n in 0..3000_u32 {
            let mut key = KEY;
            key[..4].copy_from_slice(&n.to_be_bytes());
            remember(&mut flights.air().apart, key, at(u64::from(n)), APART);
        }
        assert!(flights.air().apart.len() <= MANY);
    }

    #[test]
    fn a_release_is_neither_remembered_nor_a_failure() {
        let flights = Arc::<Flights>::default();
        let landing = lead(&flights, 0);
        let flight = follow(&flights, 0);
        landing.release(at(1));
        assert!(matches!(flights.look(&flight, boarding(1), None), Look::Apart));
        assert!(matches!(board(&flights, 2), Seat::Leader(_)));
    }

    #[test]
    fn what_is_too_large_to_share_is_found_in_the_tiers() {
        let flights = Arc::<Flights>::default();
        let landing = lead(&flights, 0);
        let flight = follow(&flights, 0);
        landing.expect_body(at(100));
        landing.stored(at(300));
        assert!(matches!(flights.look(&flight, boarding(300), None), Look::Stored));
        assert!(matches!(board(&flights, 301), Seat::Follower(_)), "it was looking");
    }

    #[test]
    fn a_slow_body_is_waited_for_a_second() {
        let flights = Arc::<Flights>::default();
        let landing = lead(&flights, 0);
        let flight = follow(&flights, 0);
        landing.expect_body(at(100));
        assert!(matches!(flights.look(&flight, boarding(100), None), Look::Wait(until) if until == at(1100)));
        assert!(matches!(flights.look(&flight, boarding(1100), None), Look::Apart));
        landing.share(entry(), at(1200));
        assert!(matches!(board(&flights, 1300), Seat::Alone));
    }

    #[test]
    fn a_leader_that_vanished_with_a_body_on_the_way_is_replaced() {
        let flights = Arc::<Flights>::default();
        let landing = lead(&flights, 0);
        landing.expect_body(at(100));
        std::mem::forget(landing);
        let flight = follow(&flights, 40_000);
        assert!(matches!(flights.look(&flight, boarding(40_000), None), Look::Overdue(_)));
    }
}
