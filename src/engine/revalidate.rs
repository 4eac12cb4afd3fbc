//! The refresh behind a stale answer.

use super::fill::Store;
use super::plan::{Gate, Plan, Question};
use super::{Cache, Origin};
use crate::entry::StoredResponse;
use crate::message::Ask;
use crate::semantics::reuse::{Reuse, reuse};
use crate::stats::Event;
use std::time::Duration;

/// How long one refresh keeps others of its key away: what a Worker's `waitUntil` lasts.
const LEASE: Duration = Duration::from_secs(30);

/// How long a key whose refresh failed is left alone; stale answers go on meanwhile.
const PAUSE: Duration = Duration::from_secs(2);

impl Cache {
    /// Refreshes the entry found at `place` behind the response, unless this isolate does so already.
    pub(super) fn refresh_behind<O: Origin>(&self, plan: &Plan, question: &Question, place: usize, origin: O) {
        let name = question.key.name();
        if !self.config.begin_refresh(name, self.runtime.now(), LEASE) {
            return;
        }
        let (cache, plan) = (self.clone(), plan.for_refresh(question));
        self.runtime.spawn(Box::pin(async move {
            let Gate::Lookup(question) = &plan.gate else { return };
            let done = cache.refresh(&plan, question, place, origin).await;
            let pause = (!done).then_some(PAUSE);
            cache.config.end_refresh(name, cache.runtime.now(), pause);
            cache.config.record(plan.route, if done { Event::Revalidated } else { Event::RevalidationFailed });
        }));
    }

    /// Whether a fresh entry was found or fetched, and stored.
    async fn refresh<O: Origin>(&self, plan: &Plan, question: &Question, place: usize, origin: O) -> bool {
        if let Some((store, entry)) = self.fresh_in_slower_tier(plan, question, place).await {
            return store.run(entry).await;
        }
        let request_time = self.runtime.now();
        let ask = Ask::Whole { hide: question.hide };
        let Ok(mut response) = origin.fetch(ask).await else { return false };
        let Ok(freshness) = self.storable(plan, question, ask, &response, request_time) else { return false };
        let (mut entry, body) = self.entry(plan, question, freshness, &mut response);
        entry.body = body;
        match self.store(plan, question, &entry, 0..self.tiers.len()) {
            Some(store) => store.run(entry).await,
            None => false,
        }
    }

    /// What another data centre may have refreshed already.
    async fn fresh_in_slower_tier(
        &self,
        plan: &Plan,
        question: &Question,
        place: usize,
    ) -> Option<(Store, StoredResponse)> {
        for (other, tier) in self.allowed(plan.policy.tiers).filter(|(other, _)| *other > place) {
            let Some(entry) = self.get(plan, question, tier).await else { continue };
            if reuse(&entry.head.freshness, None, self.runtime.now()) == Reuse::Fresh {
                return Some((self.store(plan, question, &entry, 0..other)?, entry));
            }
        }
        None
    }
}
