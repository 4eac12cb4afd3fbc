//! Values that no request stands behind, on the same walk: a key, a policy, and a loader in the place of the handler.

use super::fill::Measure;
use super::invalidate::Void;
use super::lookup::{Found, SMALL_BODY};
use super::plan::{Plan, Question};
use super::{Answer, Cache, Origin, is_l2};
use crate::body::Body;
use crate::entry::StoredResponse;
use crate::message::{Ask, Hide, Lines, Response};
use crate::policy::{CacheKey, DataKey, Level, Policy, RouteId, Tiers};
use crate::runtime::within;
use crate::semantics::Fields;
use crate::semantics::storage::NotStored;
use crate::semantics::validation::Conditions;
use crate::stats::{Event, Trouble};
use crate::tier::Takes;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// How long KV may take to show a write (Workers KV, "How KV works").
const PROPAGATION: Duration = Duration::from_secs(60);

/// Reads what a tier has for a value, and says no to what it cannot read: that is then missing.
pub(crate) trait Reader: Send + Sync {
    /// The entry with its value read.
    fn read(&self, entry: StoredResponse) -> BoxFuture<'static, Result<StoredResponse, String>>;
}

/// What is asked of the cache: the value under a key.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) key: CacheKey,
    pub(crate) policy: Arc<Policy>,
    pub(crate) tags: Arc<[Box<str>]>,
    /// None: the value's bytes are not looked into.
    pub(crate) reader: Option<Arc<dyn Reader>>,
}

/// How a plan for a value differs from that for a request.
#[derive(Clone)]
pub(super) struct Value {
    reader: Option<Arc<dyn Reader>>,
    tags: Arc<[Box<str>]>,
}

/// Why a value was not put where it is to be.
#[derive(Debug)]
pub(crate) enum Unkept {
    /// It may not be stored.
    Refused(NotStored),
    /// Its bytes did not come.
    Broken(String),
    /// No tier took it.
    Nowhere,
    /// This tier did not take it, and may go on with its predecessor.
    Tier(&'static str, Trouble),
}

/// How long the bytes of a value that is touched may take to come.
const BODY_LIMIT: Duration = Duration::from_secs(10);

impl Cache {
    /// The key of a value in this cache. `site` is the site under whose URLs the edge cache has it.
    pub(crate) fn key_of_value(&self, site: &str, key: &DataKey) -> CacheKey {
        CacheKey::of_value(&self.config.0.prefix, site, key)
    }

    /// The cache for values: without tiers where there is no table, for then nothing tells the values of two apps apart.
    pub(crate) fn for_values(mut self) -> Self {
        if self.config.0.prefix.app().is_empty() {
            self.tiers = Arc::from([]);
        }
        self
    }

    /// Answers with the value stored, or with what `origin` loads.
    pub(crate) async fn walk_to_value<O: Origin>(&self, wanted: Wanted, origin: O) -> Result<Response, O::Error> {
        let (plan, mut question) = self.put_question(wanted);
        let found = self.lookup(&plan, &mut question).await;
        let (_, answer) = self.use_found(&plan, Arc::from(question), found, origin).await;
        self.leave(&plan, answer.as_ref().map_or(Event::Error, |answer| answer.event));
        answer.map(|Answer { response, .. }| response)
    }

    /// The value stored, if it is fresh.
    pub(crate) async fn find_value(&self, wanted: Wanted) -> Option<StoredResponse> {
        let (plan, mut question) = self.put_question(wanted);
        let hit = match self.lookup(&plan, &mut question).await {
            Found::Fresh(hit) => self.promote(&plan, &question, hit).await,
            _ => None,
        };
        self.leave(&plan, hit.as_ref().map_or(Event::Miss, |hit| Event::hit(hit.level)));
        hit.map(|hit| hit.entry)
    }

    /// Puts a value into all tiers of its policy, in place of what they have.
    pub(crate) async fn put_value(&self, wanted: Wanted, mut response: Response) -> Result<(), Unkept> {
        let (body, limit) = (std::mem::take(&mut response.body), wanted.policy.terms.store.max_body);
        // What streams and turns out to be small is for all tiers.
        let is_small = body.len().is_none_or(|length| length <= SMALL_BODY);
        let body = if is_small { body.gather(SMALL_BODY, limit).await } else { Ok(body) };
        response.body = body.map_err(|why| Unkept::Broken(why.to_string()))?;
        let (plan, mut question) = self.put_question(wanted);
        let measure = Measure::of(&response);
        let now = self.now();
        let (storable, slot) = self.admit(&plan, &question, true, &response, measure, now).map_err(Unkept::Refused)?;
        // What is being loaded now is older, and so is what is stored.
        let voids = &self.config.0.living.voids;
        question.begun = voids.add(question.key.name(), storable.freshness.born);
        let made = self.entry(&plan, storable, slot, None, &mut response, measure);
        let entry = StoredResponse { body: made.body, ..made.entry };
        self.keep(&plan, &question, entry).await
    }

    /// Lets a value that is stored live for `lifetime` from now. Whether there was one. It keeps its birth time: a change that came
    /// between finds it as old as it is.
    pub(crate) async fn touch_value(&self, wanted: Wanted, lifetime: Duration) -> Result<bool, Unkept> {
        let (plan, question) = self.put_question(wanted);
        let Some(entry) = self.newest(&plan, &question).await? else { return Ok(false) };
        let body = entry.body.buffer(plan.policy.terms.store.max_body);
        let Some(Ok(body)) = within(&*self.runtime, Some(BODY_LIMIT), Box::pin(body)).await else { return Ok(false) };
        let (mut head, now) = (entry.head, self.now());
        let own = super::store::own(&mut head);
        own.freshness.lifetime = own.freshness.age(now).saturating_add(lifetime);
        own.received = now;
        own.l2_until = now.plus(own.freshness.retention_left(now));
        self.keep(&plan, &question, StoredResponse { head, headers: entry.headers, body }).await.map(|()| true)
    }

    /// The value to be changed and put back: the newest that any tier has, if it is fresh.
    pub(crate) async fn newest_value(&self, wanted: Wanted) -> Result<Option<StoredResponse>, Unkept> {
        let (plan, question) = self.put_question(wanted);
        let newest = self.newest(&plan, &question).await;
        let event = if matches!(newest, Ok(Some(_))) { Event::hit(Level::L2) } else { Event::Miss };
        self.leave(&plan, event);
        newest
    }

    /// The newest fresh entry of those that the tiers have. What was changed elsewhere is seen in L2 alone: where that does not say what it has
    /// there is no telling, and where it has nothing, a nearer tier is believed only as long as a write may be on its way.
    async fn newest(&self, plan: &Plan, question: &Question) -> Result<Option<StoredResponse>, Unkept> {
        let (mut newest, mut gone) = (None::<StoredResponse>, false);
        for (_, tier) in self.allowed(plan.policy.terms.tiers) {
            let (level, is_l2) = (tier.level().as_str(), is_l2(tier));
            let entry = match self.look(plan.route, &question.key, tier, &mut self.now()).await {
                Ok(Some(entry)) if self.is_void(question, &entry.head) => continue,
                Ok(Some(entry)) => self.read(plan, entry).await.ok_or(Trouble::Corrupt),
                Ok(None) => {
                    gone |= is_l2;
                    continue;
                }
                Err(trouble) => Err(trouble),
            };
            match entry {
                Ok(entry) if newest.as_ref().is_none_or(|old| old.head.received < entry.head.received) => {
                    newest = Some(entry);
                }
                Err(trouble) if is_l2 => return Err(Unkept::Tier(level, trouble)),
                _ => {}
            }
        }
        let now = self.now();
        let counts = |entry: &StoredResponse| {
            entry.head.freshness.is_fresh(now) && (!gone || now.since(entry.head.received) < PROPAGATION)
        };
        Ok(newest.filter(counts))
    }

    /// Forgets values in all tiers; whether all of them did.
    pub(crate) async fn forget_values(&self, keys: Vec<CacheKey>) -> bool {
        let route = self.config.route_of_values();
        let voids = keys.into_iter().map(|key| Void::surely(route, key, Tiers::ALL)).collect();
        self.forget_now(voids).await
    }

    /// Puts an entry into all tiers that the plan allows; one that does not take it gives up what it has, which is older.
    async fn keep(&self, plan: &Plan, question: &Question, mut entry: StoredResponse) -> Result<(), Unkept> {
        let length = entry.body.len().or(entry.head.length);
        let Some(store) = self.store(plan, question, &question.key, &entry, 0..self.tiers.len()) else {
            return Err(Unkept::Nowhere);
        };
        let (mut kept, mut trouble) = (false, None);
        // A stream goes into one tier, and from there into the others.
        let fields = entry.with_body(Body::empty());
        let streams = if entry.body.try_clone().is_none() { store.streaming() } else { None };
        if let Some(first) = &streams {
            let body = std::mem::take(&mut entry.body);
            kept = store.put(first, fields.with_body(body), None).await.is_ok();
        }
        let allowed = plan.policy.terms.tiers;
        // What is not to have it must not have its predecessor either, where that costs nothing.
        let left_out = self.everywhere(Tiers::ALL).map(|(_, tier)| tier);
        let left_out = left_out.filter(|tier| !allowed.contains(tier.level()) && tier.level() != Level::L2);
        for tier in left_out.chain(self.idle_spares(allowed)) {
            self.delete(plan.route, &question.key, tier, tier.write_timeout()).await;
        }
        for (_, tier) in self.allowed(allowed) {
            let done = match (&streams, entry.try_clone()) {
                _ if tier.takes(length) == Takes::Nothing => Err(Trouble::Refused),
                (Some(first), _) if Arc::ptr_eq(first, tier) => kept.then_some(()).ok_or(Trouble::Failed),
                (Some(first), _) if kept => {
                    store.copy(first, tier, fields.with_body(Body::empty())).await.unwrap_or(Err(Trouble::Failed))
                }
                (None, Some(copy)) => store.put(tier, copy, tier.write_timeout()).await,
                _ => Err(Trouble::Refused),
            };
            kept |= done.is_ok();
            if store.is_overtaken() {
                // A later one is on its way.
                return Ok(());
            }
            if let Err(why) = done
                && !self.delete(plan.route, &question.key, tier, tier.write_timeout()).await
            {
                trouble = Some(Unkept::Tier(tier.level().as_str(), why));
            }
        }
        match trouble {
            Some(trouble) => Err(trouble),
            None if kept => Ok(()),
            None => Err(Unkept::Nowhere),
        }
    }

    /// What a plan's reader makes of an entry; of a request's plan the entry itself.
    pub(super) async fn read(&self, plan: &Plan, entry: StoredResponse) -> Option<StoredResponse> {
        let reader = plan.value.as_ref().and_then(|value| value.reader.as_ref());
        let Some(reader) = reader else { return Some(entry) };
        match reader.read(entry).await {
            Ok(entry) => Some(entry),
            Err(why) => {
                self.config.record(plan.route, Event::Corrupt);
                self.complain("a stored value", &why);
                None
            }
        }
    }

    pub(super) fn put_question(&self, Wanted { key, policy, tags, reader }: Wanted) -> (Plan, Box<Question>) {
        let route = self.config.route_of_values();
        let value = Some(Value { reader, tags });
        let plan = Plan { route, policy, head: false, cacheable_method: false, value };
        (plan, Box::new(Question::of_value(&self.config, key)))
    }

    /// The exit of a value's walk: counts and logs.
    fn leave(&self, plan: &Plan, event: Event) {
        self.config.record(plan.route, event);
        self.log_if_due(self.now());
    }
}

impl Plan {
    /// The tags of a value: those of its policy, and those that its loader has sent along.
    pub(super) fn tags_of(&self, response: &Response) -> Vec<Box<str>> {
        let Some(value) = &self.value else { return Vec::new() };
        let own = response.luggage.as_ref().and_then(|luggage| luggage.downcast_ref::<Vec<Box<str>>>());
        let mut tags: Vec<Box<str>> = value.tags.iter().chain(own.into_iter().flatten()).cloned().collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }
}

impl Question {
    /// What is asked of the cache for a value: it depends on nothing but the key.
    fn of_value(config: &super::CacheConfig, key: CacheKey) -> Self {
        let fields: Arc<dyn Fields + Send + Sync> = Arc::new(Lines::default());
        Self::bare(config, key, Conditions::of(&*fields, false), fields, Ask::whole(Hide::Everything))
    }
}

impl super::CacheConfig {
    /// Where values are counted.
    pub(super) fn route_of_values(&self) -> RouteId {
        RouteId(self.routes().patterns().len())
    }
}

/// A body that holds, beside the bytes that are stored, the value that was made of them or that they were made of.
pub(crate) struct Read {
    bytes: Body,
    value: Box<dyn std::any::Any + Send>,
}

impl Read {
    /// The value beside its bytes.
    pub(crate) fn body(bytes: Body, value: Box<dyn std::any::Any + Send>) -> Body {
        Body::host(Self { bytes, value })
    }

    /// The value, where the body has it; else the body's bytes are still to be read.
    pub(crate) fn take(body: Body) -> Result<Box<dyn std::any::Any + Send>, Body> {
        body.into_host::<Self>().map(|read| read.value)
    }
}

impl crate::body::HostBody for Read {
    fn len(&self) -> Option<u64> {
        self.bytes.len()
    }

    fn try_clone(&self) -> Option<Body> {
        self.bytes.try_clone()
    }

    fn tee(self: Box<Self>, limit: u64) -> Result<(Body, Body), Body> {
        self.bytes.tee(limit)
    }

    fn buffer(self: Box<Self>, limit: u64) -> BoxFuture<'static, Result<Body, crate::body::BodyError>> {
        Box::pin(self.bytes.buffer(limit))
    }

    fn gather(self: Box<Self>, within: u64, most: u64) -> BoxFuture<'static, Result<Body, crate::body::BodyError>> {
        Box::pin(self.bytes.gather(within, most))
    }

    fn slice(self: Box<Self>, first: u64, length: u64) -> Body {
        self.bytes.slice(first, length)
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send> {
        self
    }
}
