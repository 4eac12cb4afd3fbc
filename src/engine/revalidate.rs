//! The refresh behind a stale answer.

use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::renew::{may_update, updated};
use super::store::Store;
use super::{Cache, Origin};
use crate::entry::{Head, StoredResponse};
use crate::message::Response;
use crate::semantics::freshness::Timestamp;
use crate::semantics::reuse::{Reuse, reuse};
use crate::semantics::validation::Validators;
use crate::stats::Event;
use std::sync::Arc;
use std::time::Duration;

/// How long one refresh keeps others of its key away: what a Worker's `waitUntil` lasts.
const LEASE: Duration = Duration::from_secs(30);

/// How long a key whose refresh failed is left alone; stale answers go on meanwhile.
const PAUSE: Duration = Duration::from_secs(2);

/// The stale entry that was found, but for its body, which is the client's.
struct Stale {
    place: usize,
    head: Arc<Head>,
    validators: Validators,
}

impl Cache {
    /// Refreshes the entry that was found behind the response, unless this isolate does so
    /// already.
    pub(super) fn refresh_behind<O: Origin>(&self, plan: &Plan, question: &Arc<Question>, hit: &Hit, origin: O) {
        let name = question.slot().name();
        if !self.config.0.living.begin_refresh(name, self.runtime.now(), LEASE) {
            return;
        }
        let found = Stale { place: hit.place, head: Arc::clone(&hit.entry.head), validators: hit.entry.validators() };
        let (cache, question) = (self.clone(), Arc::clone(question));
        let plan = Plan { head: false, ..plan.clone() };
        self.runtime.spawn(Box::pin(async move {
            let done = cache.refresh(&plan, &question, found, origin).await;
            let pause = (!done).then_some(PAUSE);
            cache.config.0.living.end_refresh(name, cache.runtime.now(), pause);
            cache.config.record(plan.route, if done { Event::Revalidated } else { Event::RevalidationFailed });
        }));
    }

    /// Whether a fresh entry was found or fetched, and stored.
    async fn refresh<O: Origin>(&self, plan: &Plan, question: &Question, found: Stale, origin: O) -> bool {
        if let Some((store, entry)) = self.fresh_in_slower_tier(plan, question, found.place).await {
            return store.run(entry).await;
        }
        let request_time = self.runtime.now();
        let ask = question.conditional(found.validators.clone().into_conditions());
        let Ok(response) = origin.fetch(ask).await else { return false };
        let work = match response.status {
            304 if !found.validators.is_empty() => {
                self.renew_from_tier(plan, question, &found, response, request_time).await
            }
            // RFC 5861: what answers while the origin fails is not given up for its failure.
            500 | 502 | 503 | 504 => None,
            _ => self.stored_from(plan, question, response, None, request_time),
        };
        match work {
            Some((store, entry)) => store.run(entry).await,
            None => false,
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
        if !same || self.is_void(question, entry.head.received) {
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

    /// What another data centre may have refreshed already.
    async fn fresh_in_slower_tier(
        &self,
        plan: &Plan,
        question: &Question,
        place: usize,
    ) -> Option<(Store, StoredResponse)> {
        for (other, tier) in self.allowed(plan.policy.terms.tiers).filter(|(other, _)| *other > place) {
            let Some(entry) = self.get(plan, question.slot(), tier).await else { continue };
            let void = self.is_void(question, entry.head.received);
            if !void
                && question.selects(plan, &entry.head)
                && reuse(&entry.head.freshness, None, self.runtime.now()) == Reuse::Fresh
            {
                return Some((self.store(plan, question, question.slot(), &entry, 0..other)?, entry));
            }
        }
        None
    }
}
