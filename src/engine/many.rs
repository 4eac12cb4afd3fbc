//! Several values at a time: what stores can do in one operation is done in one.

use super::Cache;
use super::data::Wanted;
use super::leases::Ended;
use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::resilience::is_spare;
use crate::entry::StoredResponse;
use crate::message::Response;
use crate::policy::{CacheKey, Level};
use crate::runtime::within;
use crate::semantics::freshness::Timestamp;
use crate::semantics::reuse::{Reuse, reuse};
use crate::stats::Event;
use crate::tier::{Page, Tier, TierError, several};
use futures::future::{BoxFuture, ready};
use std::sync::Arc;
use std::time::Duration;

/// How long a page of a list may take.
const LIST: Duration = Duration::from_secs(10);

/// One of several values that are looked for.
pub(crate) struct Sought {
    plan: Plan,
    question: Box<Question>,
    hit: Option<Hit>,
    reuse: Option<Reuse>,
}

impl Sought {
    /// Whether what was found will do as it is, at least while it is refreshed.
    pub(crate) fn will_do(&self) -> bool {
        matches!(self.reuse, Some(Reuse::Fresh | Reuse::StaleWhileRevalidate))
    }

    /// Whether what was found is fresh.
    pub(crate) fn is_fresh(&self) -> bool {
        self.reuse == Some(Reuse::Fresh)
    }

    /// The key of the value.
    pub(crate) const fn key(&self) -> &CacheKey {
        &self.question.key
    }
}

impl Cache {
    /// Looks for values, those of one policy, in each tier for those that are not found fresh in the nearer ones.
    pub(crate) async fn look_for_values(&self, wanted: Vec<Wanted>) -> Vec<Sought> {
        let mut all: Vec<Sought> = wanted.into_iter().map(|wanted| self.seek(wanted)).collect();
        let Some(tiers) = all.first().map(|sought| sought.plan.policy.terms.tiers) else { return all };
        for (place, tier) in self.allowed(tiers) {
            let open: Vec<&mut Sought> = all.iter_mut().filter(|sought| !sought.is_fresh()).collect();
            let keys: Vec<CacheKey> = open.iter().map(|sought| sought.question.key.clone()).collect();
            if keys.is_empty() {
                break;
            }
            let got = self.look_many(self.config.route_of_values(), &keys, tier).await;
            for (sought, entry) in open.into_iter().zip(got) {
                if let Some(entry) = entry {
                    self.consider(sought, entry, place, tier.level()).await;
                }
            }
        }
        self.bring_all_nearer(&mut all);
        all
    }

    fn seek(&self, wanted: Wanted) -> Sought {
        let (plan, question) = self.put_question(wanted);
        Sought { plan, question, hit: None, reuse: None }
    }

    /// Takes an entry into account, the most recent of several.
    async fn consider(&self, sought: &mut Sought, entry: StoredResponse, place: usize, level: Level) {
        let Some(entry) = self.read(&sought.plan, entry).await else { return };
        let is_older = |hit: &Hit| hit.entry.head.received > entry.head.received;
        if self.is_void(&sought.question, &entry.head) || sought.hit.as_ref().is_some_and(is_older) {
            return;
        }
        let at = self.now();
        sought.reuse = Some(reuse(&entry.head.freshness, None, at));
        sought.hit = Some(Hit { entry, place, level, at });
    }

    /// Puts what further tiers had into the nearer ones, a few at a time behind the answer.
    fn bring_all_nearer(&self, all: &mut [Sought]) {
        let mut stores = Vec::new();
        for Sought { plan, question, hit, .. } in all.iter().filter(|sought| sought.is_fresh()) {
            let Some(Hit { entry, place, .. }) = hit.as_ref().filter(|hit| hit.place > 0) else { continue };
            let store = self.store(plan, question, &question.key, entry, 0..*place);
            stores.extend(store.zip(entry.try_clone()).map(|(store, entry)| store.run(entry)));
        }
        self.run_all_behind(stores);
    }

    fn run_all_behind(&self, stores: Vec<BoxFuture<'static, bool>>) {
        if stores.is_empty() {
            return;
        }
        self.runtime.spawn(Box::pin(async move {
            several(Box::new(stores.into_iter())).await;
        }));
    }

    /// What was found of a value, to be served as this event; counted.
    pub(crate) fn serve_value(&self, sought: &mut Sought) -> Option<StoredResponse> {
        let event = match (&sought.hit, &sought.reuse) {
            (Some(hit), Some(Reuse::Fresh)) => Event::hit(hit.level),
            (Some(_), Some(Reuse::StaleWhileRevalidate)) => Event::Stale,
            _ => return None,
        };
        self.config.record(sought.plan.route, event);
        sought.hit.take().map(|hit| hit.entry)
    }

    /// What was found of a value, where it may stand in for a loader that has failed; counted.
    pub(crate) fn stand_in_value(&self, sought: &mut Sought) -> Option<StoredResponse> {
        let now = self.now();
        let may = |hit: &mut Hit| self.may_stand_in(&sought.question, hit, now);
        let hit = sought.hit.take_if(may)?;
        self.config.record(sought.plan.route, Event::StaleIfError);
        Some(hit.entry)
    }

    /// Counts how the look-up of a value has ended that was not found.
    pub(crate) fn count_value(&self, sought: &Sought, event: Event) {
        self.config.record(sought.plan.route, event);
        self.log_if_due(self.now());
    }

    /// The right to refresh a value in this isolate.
    pub(crate) fn begin_refresh(&self, sought: &Sought) -> Option<u64> {
        self.config.0.living.leases.begin(sought.question.key.name(), self.now())
    }

    /// Gives it back.
    pub(crate) fn end_refresh(&self, sought: &Sought, token: u64, done: bool) {
        let (ended, event) =
            if done { (Ended::Well, Event::Revalidated) } else { (Ended::Badly, Event::RevalidationFailed) };
        self.config.0.living.leases.end(sought.question.key.name(), token, self.now(), ended);
        self.config.record(sought.plan.route, event);
    }

    /// Leaves it to whoever comes next.
    pub(crate) fn yield_refresh(&self, sought: &Sought, token: u64) {
        self.config.0.living.leases.end(sought.question.key.name(), token, self.now(), Ended::Well);
    }

    /// Stores a loaded value; whether any tier has it.
    pub(crate) fn keep_loaded(
        &self,
        sought: &Sought,
        said: Response,
        request_time: Timestamp,
    ) -> BoxFuture<'static, bool> {
        match self.stored_from(&sought.plan, &sought.question, said, None, request_time) {
            Some((store, entry)) => store.run(entry),
            None => Box::pin(ready(false)),
        }
    }

    /// Stores loaded values behind the answer, those that may be.
    pub(crate) fn keep_values(&self, loaded: Vec<(Sought, Response)>, request_time: Timestamp) {
        let keep = |(sought, said): (Sought, Response)| self.keep_loaded(&sought, said, request_time);
        self.run_all_behind(loaded.into_iter().map(keep).collect());
    }

    /// What the furthest tier that can list has under names that begin with the prefix of values and `prefix`; an error without words
    /// when there is none.
    pub(crate) async fn list_values(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(String, Page), Option<TierError>> {
        let common = self.config.0.prefix.of_values();
        let whole = [&common, prefix].concat();
        // What is in an isolate's memory for a moment is no list of what is kept.
        let lasting = |tier: &&Arc<dyn Tier>| tier.level() != Level::Hot && !is_spare(tier);
        for tier in self.tiers.iter().rev().filter(lasting) {
            match within(&*self.runtime, Some(LIST), tier.list(&whole, cursor, limit)).await {
                Some(Ok(page)) => return Ok((common, page)),
                Some(Err(TierError::Refused(_))) => {}
                Some(Err(error)) => return Err(Some(error)),
                None => return Err(Some(TierError::Failed("no answer in time".to_owned()))),
            }
        }
        Err(None)
    }
}
