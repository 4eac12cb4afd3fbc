//! The duty of a leader towards those who wait for him.

use super::flight::{Flight, Flights, Outcome};
use super::join::is_for_others;
use crate::engine::Cache;
use crate::engine::lookup::SMALL_BODY;
use crate::entry::StoredResponse;
use crate::policy::key::KeyName;
use crate::semantics::freshness::Timestamp;
use std::sync::Arc;

/// The duty of a leader: whatever becomes of him, those who wait hear of it.
pub(in crate::engine) struct Landing {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    key: KeyName,
    term: u32,
    landed: bool,
}

impl Landing {
    /// Of the leader of this flight whom so many have led before.
    pub(super) fn of(flights: &Arc<Flights>, flight: Arc<Flight>, key: KeyName, term: u32) -> Self {
        Self { flights: Arc::clone(flights), flight, key, term, landed: false }
    }

    /// Shares an entry with those who wait for it, if it will do for them and its body is a buffer. One that is known to be small soon
    /// will be; others they wait for a while.
    pub(in crate::engine) fn offer(
        self,
        cache: &Cache,
        entry: &StoredResponse,
        request_time: Timestamp,
    ) -> Option<Self> {
        let now = cache.now();
        // Where it only came too late, those who wait see so for themselves, and one of them asks anew.
        if !is_for_others(entry, now) && !is_for_others(entry, request_time) {
            self.apart(now);
            return None;
        }
        if let Some(copy) = entry.try_clone() {
            self.share(copy, now);
            return None;
        }
        if entry.body.len().or(entry.head.length).is_none_or(|length| length > SMALL_BODY) {
            self.expect_body(now);
        }
        Some(self)
    }

    /// Shares `entry`, whose body is a buffer.
    pub(in crate::engine) fn share(self, entry: StoredResponse, now: Timestamp) {
        self.land(Outcome::Entry(entry), now);
    }

    /// The answer, too large for a buffer, has come into the tiers.
    pub(in crate::engine) fn stored(self, now: Timestamp) {
        self.land(Outcome::Stored, now);
    }

    /// The answer is not for sharing, and the next one hardly will be.
    pub(in crate::engine) fn apart(self, now: Timestamp) {
        self.land(Outcome::Apart, now);
    }

    /// The origin has failed.
    pub(in crate::engine) fn failed(mut self, now: Timestamp) {
        // Where another has taken over, his answer may still come.
        if self.flight.term() == self.term {
            self.land(Outcome::Failed, now);
        } else {
            self.landed = true;
        }
    }

    /// The answer is not for sharing, which says nothing of the next one, and the origin has not failed.
    pub(in crate::engine) fn release(self, now: Timestamp) {
        self.land(Outcome::Released, now);
    }

    /// The answer has come, its body is still on the way.
    pub(super) fn expect_body(&self, now: Timestamp) {
        self.flight.expect_body(now);
    }

    fn land(mut self, outcome: Outcome, now: Timestamp) {
        self.landed = true;
        self.flights.land(&self.flight, self.key, outcome, now);
    }
}

impl Drop for Landing {
    /// He has vanished. Where another has taken over, those who wait go on waiting for him.
    fn drop(&mut self) {
        if !self.landed && self.flight.term() == self.term {
            self.flights.land(&self.flight, self.key, Outcome::Released, Timestamp::default());
        }
    }
}
