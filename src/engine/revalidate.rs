//! The refresh behind a stale answer, or behind one that soon will be. One per key goes on in an isolate
//! ([`Leases`](super::leases::Leases)).

use super::ask::is_failure;
use super::leases::Ended;
use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::renew::{may_update, updated};
use super::resilience::Marker;
use super::store::Store;
use super::{Cache, Origin};
use crate::entry::{Head, StoredResponse};
use crate::message::Response;
use crate::semantics::freshness::Timestamp;
use crate::semantics::reuse::{Reuse, reuse};
use crate::semantics::validation::Validators;
use crate::stats::Event;
use std::sync::Arc;

/// The stale entry that was found, but for its body, which is the client's.
#[derive(Default)]
pub(super) struct Stale {
    place: usize,
    pub(super) head: Arc<Head>,
    validators: Validators,
}

impl Stale {
    pub(super) fn of(hit: &Hit) -> Self {
        Self { place: hit.place, head: Arc::clone(&hit.entry.head), validators: hit.entry.validators() }
    }
}

impl Cache {
    /// Refreshes the entry that was found behind the response, unless somebody does so already.
    pub(super) fn refresh_behind<O: Origin>(&self, plan: &Plan, question: &Arc<Question>, hit: &Hit, origin: O) {
        let (name, leases) = (question.slot().name(), &self.config.0.living.leases);
        let Some(token) = leases.begin(name, self.now()) else { return };
        let found = Stale::of(hit);
        if found.head.freshness.is_fresh(self.now()) {
            self.config.record(plan.route, Event::RefreshedEarly);
        }
        let (cache, question) = (self.clone(), Arc::clone(question));
        let plan = Plan { head: false, ..plan.clone() };
        self.runtime.spawn(Box::pin(async move {
            let (ended, marker) = cache.refresh(&plan, &question, &found, origin).await;
            let pause = cache.config.0.living.leases.end(name, token, cache.now(), ended);
            let event = match ended {
                Ended::Well => Event::Revalidated,
                Ended::Badly => Event::RevalidationFailed,
                Ended::Yielded => Event::RevalidationYielded,
            };
            cache.config.record(plan.route, event);
            // One whose lease has gone to somebody else meanwhile leaves his marker alone.
            if let (Ended::Badly, Some(marker), false) = (ended, marker, pause.is_zero()) {
                cache.warn(&plan, &question, &found, marker, pause).await;
            }
        }));
    }

    /// Finds or fetches a fresh entry and stores it. Comes back with the marker that was put up for it.
    async fn refresh<O: Origin>(
        &self,
        plan: &Plan,
        question: &Question,
        found: &Stale,
        origin: O,
    ) -> (Ended, Option<Marker>) {
        let Ok(marker) = self.leads(plan, question, found).await else { return (Ended::Yielded, None) };
        let mut work = self.fresh_in_slower_tier(plan, question, found).await;
        if work.is_none() {
            let request_time = self.now();
            let ask = question.conditional(found.validators.clone().into_conditions());
            if let Some(Ok(said)) = self.in_time(plan, origin.fetch(ask)).await {
                work = self.taken_in(plan, question, found, said, request_time).await;
            }
        }
        let stored = match work {
            Some((store, entry)) => self.run_store(plan, question, store, entry).await,
            None => false,
        };
        (if stored { Ended::Well } else { Ended::Badly }, marker)
    }

    /// The work of storing what the origin `said` to the cache's own question about the entry that was found.
    pub(super) async fn taken_in(
        &self,
        plan: &Plan,
        question: &Question,
        found: &Stale,
        said: Response,
        request_time: Timestamp,
    ) -> Option<(Store, StoredResponse)> {
        match said.status {
            304 if !found.validators.is_empty() => {
                self.renew_from_tier(plan, question, found, said, request_time).await
            }
            // RFC 5861: what answers while the origin fails is not given up for its failure.
            status if is_failure(status) => None,
            _ => self.stored_from(plan, question, said, None, request_time),
        }
    }

    /// The stale entry's own body has gone to the client: the tier that had it has it still.
    async fn renew_from_tier(
        &self,
        plan: &Plan,
        question: &Question,
        found: &Stale,
        said: Response,
        request_time: Timestamp,
    ) -> Option<(Store, StoredResponse)> {
        let entry = self.get(plan, question.slot(), self.tiers.get(found.place)?).await?;
        // Somebody may have put another there meanwhile: what was asked about is the very one that was found.
        let same = entry.head.received == found.head.received
            && entry.head.selecting == found.head.selecting
            && entry.head.family.id == found.head.family.id
            && entry.validators() == found.validators;
        if !same || self.is_void(question, &entry.head) {
            return None;
        }
        if !may_update(plan, question, &said) {
            return None;
        }
        let renewed = if found.validators.confirmed_by(&said.headers) {
            let head = Arc::clone(&entry.head);
            self.stored_from(plan, question, updated(entry, said.headers.as_ref()), Some(&head), request_time)
        } else {
            None
        };
        if renewed.is_none() {
            // It is about another response, or says that this one is no longer to be stored.
            self.forget_behind(plan, question);
        }
        renewed
    }

    /// What another isolate or data centre may have refreshed already.
    async fn fresh_in_slower_tier(
        &self,
        plan: &Plan,
        question: &Question,
        found: &Stale,
    ) -> Option<(Store, StoredResponse)> {
        for (other, tier) in self.allowed(plan.policy.terms.tiers).filter(|(other, _)| *other > found.place) {
            let Some(entry) = self.get(plan, question.slot(), tier).await else { continue };
            #[cfg(feature = "data")]
            let Some(entry) = self.read(plan, entry).await else { continue };
            let void = self.is_void(question, &entry.head);
            if !void
                && entry.head.received > found.head.received
                && question.selects(plan, &entry.head)
                && reuse(&entry.head.freshness, None, self.now()) == Reuse::Fresh
            {
                return Some((self.store(plan, question, question.slot(), &entry, 0..other)?, entry));
            }
        }
        None
    }
}
