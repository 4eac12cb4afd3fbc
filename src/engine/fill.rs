//! The origin's answer goes out; what may be stored is stored behind it.

use super::lookup::SMALL_BODY;
use super::plan::{Plan, Question};
use super::{Answer, Cache};
use crate::body::Body;
use crate::entry::{Head, StoredResponse};
use crate::message::{Ask, HeaderFields, Response};
use crate::policy::{CacheKey, Level, RouteId};
use crate::runtime::within;
use crate::semantics::cache_control::{CacheControl, TARGETS};
use crate::semantics::freshness::{Freshness, Timestamp};
use crate::semantics::status::{CacheStatus, ForwardReason};
use crate::semantics::storage::{NotStored, RequestFacts, is_shared, storable};
use crate::semantics::{Fields, list_members, validation::weaken};
use crate::stats::Event;
use crate::tier::{Takes, Tier, TierError};
use futures::future::BoxFuture;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

impl Cache {
    /// Sends the origin's answer out and stores it if it may be stored.
    pub(super) fn fill(
        &self,
        plan: &Plan,
        question: &Question,
        reason: ForwardReason,
        mut response: Response,
        request_time: Timestamp,
    ) -> Answer {
        let mut status = CacheStatus::forwarded(reason);
        match self.storable(plan, question, question.ask, &response, request_time) {
            Err(why) => {
                self.protect(plan, &mut response, why.is_personal() || question.authorization);
                status.detail = Some(why.as_str());
            }
            Ok(freshness) => {
                let (mut entry, whole) = self.entry(plan, question, freshness, &mut response);
                status.ttl = Some(freshness.ttl(self.runtime.now()));
                // Who needs no body leaves all of it to the tiers.
                let suited = matches!(question.ask, Ask::Whole { .. });
                let split = if suited && (plan.head || self.not_modified(question, &response)) {
                    Ok((Body::empty(), whole))
                } else {
                    whole.announced(entry.head.length).tee(plan.policy.store.max_body)
                };
                match split {
                    Ok((body, copy)) => {
                        entry.body = copy;
                        response.body = body;
                        status.stored = self.store_behind(plan, question, entry, 0..self.tiers.len());
                    }
                    Err(body) => {
                        self.config.record(plan.route, Event::StoreFailed);
                        response.body = body;
                    }
                }
            }
        }
        if matches!(question.ask, Ask::Whole { .. }) {
            self.suit(plan, question, &mut response);
        }
        Answer { response, status, event: Event::Miss, now: self.runtime.now() }
    }

    pub(super) fn storable(
        &self,
        plan: &Plan,
        question: &Question,
        ask: Ask,
        response: &Response,
        request_time: Timestamp,
    ) -> Result<Freshness, NotStored> {
        let request = RequestFacts {
            get: !plan.head || ask != Ask::AsIs,
            authorization: question.authorization,
            no_store: question.no_store,
            request_time,
        };
        let length = body_length(response);
        if !response.body.lacks_coding(&response.headers)
            && announced(response).is_some_and(|announced| length != Some(announced))
        {
            return Err(NotStored::Incomplete);
        }
        storable(&plan.policy.store, request, response.status, &response.headers, length, self.runtime.now())
    }

    /// The entry for `response`, still without its body, and the body taken out of the response.
    pub(super) fn entry(
        &self,
        plan: &Plan,
        question: &Question,
        freshness: Freshness,
        response: &mut Response,
    ) -> (StoredResponse, Body) {
        // What the handler said, before anything is declared in its place.
        let (cc, _) = CacheControl::of_response(&response.headers);
        self.declare(plan, &freshness, response);
        let mut headers = response.headers.boxed_clone();
        let length = body_length(response);
        remove_hop_by_hop(headers.as_mut());
        if response.body.lacks_coding(&response.headers) {
            decode_fields(headers.as_mut());
        }
        let head = Head {
            key_check: question.key.check(),
            status: response.status,
            freshness,
            received: self.runtime.now(),
            shared: is_shared(&cc),
            length,
            epoch: 0,
            tags: Vec::new(),
            selecting: Vec::new(),
        };
        let body = std::mem::take(&mut response.body);
        (StoredResponse { head: Arc::new(head), headers, body: Body::empty() }, body)
    }

    /// What browsers and the platform's cache are told of a stored answer whose handler was silent.
    pub(super) fn declare(&self, plan: &Plan, freshness: &Freshness, response: &mut Response) {
        if plan.policy.store.to_the_letter {
            return;
        }
        if !response.headers.has("cache-control") && !response.headers.has("expires") {
            response.headers.set("cache-control", &plan.policy.browser_cache_control());
        }
        if self.config.0.platform_cache && !TARGETS.iter().any(|target| response.headers.has(target)) {
            let (lifetime, window) = (freshness.lifetime.as_secs(), freshness.stale_while_revalidate.as_secs());
            let errors = freshness.stale_if_error.as_secs();
            let value = format!("max-age={lifetime}, stale-while-revalidate={window}, stale-if-error={errors}");
            response.headers.set(TARGETS[0], &value);
        }
    }

    /// Keeps an answer that is not stored here out of other caches when its handler was silent: a cache in front takes
    /// silence for permission.
    pub(super) fn protect(&self, plan: &Plan, response: &mut Response, personal: bool) {
        let said = |name: &&str| response.headers.has(name);
        if plan.policy.store.to_the_letter || said(&"cache-control") || said(&"expires") || TARGETS.iter().any(said) {
            return;
        }
        if personal {
            response.headers.set("cache-control", "private, no-store");
        } else if self.config.0.platform_cache {
            response.headers.set(TARGETS[0], "no-store");
        }
    }

    /// Stores `entry` in the tiers of `places`, behind the response. Whether any of them takes it.
    pub(super) fn store_behind(
        &self,
        plan: &Plan,
        question: &Question,
        entry: StoredResponse,
        places: Range<usize>,
    ) -> bool {
        let store = self.store(plan, question, &entry, places);
        let Some(store) = store else { return false };
        let taken = !store.takers.is_empty();
        self.runtime.spawn(Box::pin(async move {
            let _ = store.run(entry).await;
        }));
        taken
    }

    /// The work of storing `entry`, when any tier of `places` takes it.
    pub(super) fn store(
        &self,
        plan: &Plan,
        question: &Question,
        entry: &StoredResponse,
        places: Range<usize>,
    ) -> Option<Store> {
        let length = entry.body.len().or(entry.head.length);
        let (takers, leavers): (Vec<_>, Vec<_>) = self
            .allowed(plan.policy.tiers)
            .filter(|(place, _)| places.contains(place))
            .map(|(_, tier)| (tier.takes(length), Arc::clone(tier)))
            .partition(|(takes, _)| *takes != Takes::Nothing);
        let leavers: Vec<_> = leavers.into_iter().map(|(_, tier)| tier).filter(|t| t.level() == Level::Hot).collect();
        (!takers.is_empty() || !leavers.is_empty()).then(|| Store {
            cache: self.clone(),
            route: plan.route,
            key: question.key.clone(),
            limit: plan.policy.store.max_body,
            takers,
            leavers,
        })
    }
}

/// One entry to be stored: who takes it, and how.
pub(super) struct Store {
    cache: Cache,
    route: RouteId,
    key: CacheKey,
    limit: u64,
    takers: Vec<(Takes, Arc<dyn Tier>)>,
    /// Hot tiers that do not take it, and must not go on with its predecessor.
    leavers: Vec<Arc<dyn Tier>>,
}

/// How long a tier may take over a small entry; the other tiers wait for it.
const PUT_LIMIT: Duration = Duration::from_secs(10);

impl Store {
    /// A small or shareable body is read once and shared; another streams into the nearest tier that takes streams, and
    /// the rest is filled from what was committed there, so that an incomplete body reaches none.
    pub(super) fn run(self, entry: StoredResponse) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            for tier in &self.leavers {
                let _ = tier.delete(&self.key).await;
            }
            if self.takers.is_empty() {
                return true;
            }
            let length = entry.body.len().or(entry.head.length);
            let shared = entry.body.try_clone().is_some() || length.is_some_and(|length| length <= SMALL_BODY);
            match self.source().filter(|_| !shared) {
                Some(source) => self.stream(entry, source).await,
                None => self.share(entry).await,
            }
        })
    }

    /// The place of the tier that a stream goes into. An L1 seen to be without effect is passed over when another
    /// can take the stream.
    fn source(&self) -> Option<usize> {
        let streams = |skip_l1: bool| {
            self.takers
                .iter()
                .position(|(takes, tier)| *takes == Takes::Stream && !(skip_l1 && tier.level() == Level::L1))
        };
        streams(self.cache.config.l1_is_inert()).or_else(|| streams(false))
    }

    async fn share(&self, entry: StoredResponse) -> bool {
        let StoredResponse { head, headers, body } = entry;
        let body = match body.buffer(self.limit).await {
            Ok(body) if head.length.is_none_or(|length| body.len() == Some(length)) => body,
            Ok(_) => return self.failed("storing", &"the body is not of the length announced"),
            Err(error) => return self.failed("storing", &error),
        };
        let entry = StoredResponse { head: with_length(head, body.len()), headers, body };
        let mut stored = false;
        for (_, tier) in &self.takers {
            if let Some(copy) = entry.try_clone() {
                let put = Box::pin(self.put(tier, copy));
                stored |= match within(&*self.cache.runtime, Some(PUT_LIMIT), put).await {
                    Some(stored) => stored,
                    None => self.failed(tier.level().as_str(), &"no answer in time"),
                };
            }
        }
        stored
    }

    async fn stream(&self, entry: StoredResponse, source: usize) -> bool {
        let Some((_, first)) = self.takers.get(source) else { return false };
        let fields = entry.with_body(Body::empty());
        if !self.put(first, entry).await {
            return false;
        }
        for (_, (takes, tier)) in self.takers.iter().enumerate().filter(|(place, _)| *place != source) {
            let committed = match first.get(&self.key, self.cache.runtime.now()).await {
                Ok(committed) => committed,
                Err(error) => return self.failed(first.level().as_str(), &error),
            };
            if first.level() == Level::L1 {
                self.cache.config.note_l1(committed.is_none());
            }
            let Some(committed) = committed else {
                return self.failed(first.level().as_str(), &"the entry just stored is not there");
            };
            let body = match takes {
                Takes::Buffer => committed.body.buffer(self.limit).await,
                _ => Ok(committed.body),
            };
            match body {
                Ok(body) => {
                    let head = with_length(Arc::clone(&fields.head), body.len());
                    self.put(tier, StoredResponse { head, ..fields.with_body(body) }).await
                }
                Err(error) => return self.failed(tier.level().as_str(), &error),
            };
        }
        true
    }

    async fn put(&self, tier: &Arc<dyn Tier>, entry: StoredResponse) -> bool {
        let result = tier.put(&self.key, entry, self.cache.runtime.now()).await;
        match &result {
            Ok(()) => self.cache.config.record(self.route, Event::Stored),
            Err(error) => drop(self.failed(tier.level().as_str(), error as &TierError)),
        }
        result.is_ok()
    }

    fn failed(&self, what: &str, why: &dyn std::fmt::Display) -> bool {
        self.cache.config.record(self.route, Event::StoreFailed);
        self.cache.complain(what, why);
        false
    }
}

/// The head of an entry whose length has become known.
fn with_length(mut head: Arc<Head>, length: Option<u64>) -> Arc<Head> {
    if head.length.is_none() && length.is_some() {
        Arc::make_mut(&mut head).length = length;
    }
    head
}

/// The length the stored body will have, when known: the body's own, or what `Content-Length` announces.
fn body_length(response: &Response) -> Option<u64> {
    if response.body.lacks_coding(&response.headers) {
        return None;
    }
    response.body.len().or_else(|| announced(response))
}

fn announced(response: &Response) -> Option<u64> {
    let value = response.headers.field("content-length")?;
    std::str::from_utf8(&value).ok()?.trim().parse().ok()
}

/// RFC 9111 section 3.1: fields that are about one connection are not stored.
fn remove_hop_by_hop(headers: &mut dyn HeaderFields) {
    if let Some(named) = headers.field("connection").map(std::borrow::Cow::into_owned) {
        for name in list_members(&named).filter_map(|name| std::str::from_utf8(name).ok()) {
            headers.remove(&name.to_ascii_lowercase());
        }
    }
    for name in ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"] {
        headers.remove(name);
    }
}

/// The fields of a representation stored without its content coding: it is equivalent to the one that was tagged, not
/// the same (RFC 9110 section 8.8.1).
fn decode_fields(headers: &mut dyn HeaderFields) {
    headers.remove("content-encoding");
    headers.remove("content-length");
    let etag = headers.field("etag").and_then(|tag| String::from_utf8(tag.into_owned()).ok());
    if let Some(etag) = etag {
        headers.set("etag", &weaken(&etag));
    }
}
