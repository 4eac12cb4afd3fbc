//! The names of `resilience` in a build without that feature, and nothing behind them: each request asks the origin for itself and waits
//! until it answers, a tier that fails is asked all the same, and nothing is written twice. What is never made here has no values, so
//! that nothing is left of the code that would deal with it.

#![allow(
    clippy::unused_self,
    clippy::unused_async,
    clippy::needless_pass_by_value,
    reason = "the names of the feature"
)]

use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::revalidate::Stale;
use super::store::Store;
use super::tiers::{Verdict, Way};
use super::{Answer, Cache, Origin};
use crate::entry::StoredResponse;
use crate::policy::{Level, Tiers};
use crate::semantics::freshness::{Freshness, Timestamp};
use crate::semantics::status::ForwardReason;
use crate::stats::Trouble;
use crate::tier::Tier;
use futures::FutureExt as _;
use std::sync::Arc;
use std::time::Duration;

/// What is never made.
enum Never {}

/// Nothing is kept of the tiers' health.
#[derive(Default)]
pub(super) struct Guard {
    pub(super) breakers: Breakers,
}

/// No circuit ever opens.
#[derive(Default)]
pub(super) struct Breakers;

impl Breakers {
    pub(super) const fn lets_through(&self, _: Level, _: Way, _: Timestamp) -> bool {
        true
    }

    pub(super) const fn is_open(&self, _: Level, _: Way) -> bool {
        false
    }

    pub(super) const fn note(&self, _: Level, _: Way, _: Timestamp, _: Timestamp, _: Verdict) {}
}

/// No tier stands in for L2.
pub(super) const fn is_spare(_: &Arc<dyn Tier>) -> bool {
    false
}

/// Nobody waits for another's call of the origin.
pub(super) struct Landing(Never);

impl Landing {
    pub(super) fn offer(self, _: &Cache, _: &StoredResponse, _: Timestamp) -> Option<Self> {
        match self.0 {}
    }

    pub(super) fn share(self, _: StoredResponse, _: Timestamp) {
        match self.0 {}
    }

    pub(super) fn stored(self, _: Timestamp) {
        match self.0 {}
    }

    pub(super) fn apart(self, _: Timestamp) {
        match self.0 {}
    }

    pub(super) fn failed(self, _: Timestamp) {
        match self.0 {}
    }

    pub(super) fn release(self, _: Timestamp) {
        match self.0 {}
    }
}

/// No isolate puts up a marker, and none finds another's.
pub(super) struct Marker(Never);

/// Nothing is left to be written again.
#[derive(Default)]
pub(super) struct Again {}

impl Again {
    pub(super) const fn taken_by(&mut self, _: &Arc<dyn Tier>) {}

    pub(super) const fn refused_by(&mut self, _: &Arc<dyn Tier>, _: Trouble) {}
}

impl Store {
    pub(super) fn write_again(self, _: Again, _: StoredResponse) {}

    pub(super) fn copy_again(self, _: Again, _: StoredResponse) {}
}

impl Cache {
    /// The origin takes as long as it takes.
    pub(super) fn in_time<F: Future>(&self, _: &Plan, call: F) -> impl Future<Output = Option<F::Output>> {
        call.map(Some)
    }

    /// Asks the origin.
    pub(super) fn obtain<O: Origin>(
        &self,
        plan: &Plan,
        question: Arc<Question>,
        reason: ForwardReason,
        stored: Option<Hit>,
        origin: O,
    ) -> impl Future<Output = (Arc<Question>, Result<Answer, O::Error>)> {
        self.ask(plan, question, reason, stored, origin)
    }

    pub(super) const fn wants_refresh(&self, _: &Plan, _: &Question, _: &Hit) -> bool {
        false
    }

    pub(super) const fn shorten(&self, _: &Plan, _: &mut Freshness) {}

    pub(super) fn idle_spares(&self, _: Tiers) -> impl Iterator<Item = &Arc<dyn Tier>> {
        std::iter::empty()
    }

    pub(super) const fn needs_spares(&self) -> bool {
        false
    }

    pub(super) const fn has_rival(&self, _: &Plan, _: &Arc<dyn Tier>, _: usize) -> bool {
        false
    }

    /// Each isolate refreshes for itself.
    pub(super) async fn leads(&self, _: &Plan, _: &Question, _: &Stale) -> Result<Option<Marker>, Marker> {
        Ok(None)
    }

    pub(super) async fn warn(&self, _: &Plan, _: &Question, _: &Stale, marker: Marker, _: Duration) {
        match marker.0 {}
    }
}
