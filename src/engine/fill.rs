//! The origin's answer goes out; what may be stored is stored behind it.

use super::ask::is_failure;
use super::plan::{Plan, Question};
use super::resilience::Landing;
use super::store::{belongs_in_l2, outlasts};
use super::variants::Slot;
use super::{Answer, Cache};
use crate::body::Body;
use crate::entry::{Declared, Head, StoredResponse};
use crate::message::{HeaderFields, Response};
use crate::policy::Level;
use crate::semantics::cache_control::TARGETS;
use crate::semantics::freshness::{Freshness, Timestamp};
use crate::semantics::status::CacheStatus;
use crate::semantics::storage::{NotStored, RequestFacts, Storable, storable};
use crate::semantics::{Fields, date, decimal, list_members, validation::weaken};
use crate::stats::Event;
use std::sync::Arc;

/// An answer, and how it was come by.
pub(super) struct Fetched {
    pub(super) response: Response,
    pub(super) request_time: Timestamp,
    /// A whole answer was asked, so that it has yet to be suited to what the client asked.
    pub(super) whole: bool,
    /// What is said of it so far.
    pub(super) status: CacheStatus,
    pub(super) event: Event,
    /// The head of the entry that it renews.
    pub(super) renews: Option<Arc<Head>>,
    /// The part stored so far, which it may add to.
    pub(super) part: Option<StoredResponse>,
    /// Others wait for it.
    pub(super) landing: Option<Landing>,
}

impl Fetched {
    pub(super) fn new(response: Response, request_time: Timestamp, whole: bool, status: CacheStatus) -> Self {
        Self { response, request_time, whole, status, event: Event::Miss, renews: None, part: None, landing: None }
    }
}

/// An entry made of a response.
pub(super) struct Made {
    /// Still without its body.
    pub(super) entry: StoredResponse,
    /// The body, taken out of the response.
    pub(super) body: Body,
    /// L2's copy of the one that it renews will do.
    pub(super) l2_keeps: bool,
}

impl Cache {
    /// Sends an answer out and stores it if it may be stored.
    pub(super) fn fill(&self, plan: &Plan, question: &Arc<Question>, fetched: Fetched) -> Answer {
        let Fetched { mut response, request_time, whole, mut status, event, renews, part, landing } = fetched;
        let measure = Measure::of(&response);
        let mut length = measure.length;
        match self.admit(plan, question, whole, &response, measure, request_time) {
            Err(why) => {
                self.protect(plan, &mut response, why.is_personal() || question.personal);
                if why == NotStored::Variants {
                    say_what_it_varies_on(plan, &mut response);
                }
                status.detail = Some(why.as_str());
                let now = self.now();
                match landing {
                    Some(landing) if is_failure(response.status) => landing.failed(now),
                    // An error of the moment says nothing of the next answer.
                    Some(landing) if response.status >= 500 || why.is_of_the_moment() => landing.release(now),
                    Some(landing) => landing.apart(now),
                    None => {}
                }
                // The visitor's own wish is no word on what others may get.
                if renews.is_some() && !question.no_store {
                    self.forget_behind(plan, question);
                }
            }
            Ok((storable, slot)) => {
                let newcomer = slot.newcomer;
                let key = slot.key.clone();
                let freshness = storable.freshness;
                let made = self.entry(plan, storable, slot, renews.as_deref(), &mut response, measure);
                let Made { mut entry, body, l2_keeps } = made;
                status.ttl = Some(freshness.ttl(self.now()));
                // Who needs no body leaves all of it to the tiers.
                let split = if whole && (plan.head || self.not_modified(question, &response)) {
                    Ok((Body::empty(), body))
                } else {
                    if body.stops_short() {
                        // Cut, it would never reach the end that its copy waits for.
                        length = None;
                    }
                    body.announced(entry.head.length).tee(plan.policy.terms.store.max_body)
                };
                match split {
                    Ok((body, copy)) => {
                        entry.body = copy;
                        response.body = body;
                        let landing = landing.and_then(|landing| landing.offer(self, &entry, request_time));
                        if let Some(mut store) = self.store_in_place(plan, question, &key, &entry, l2_keeps) {
                            status.stored = store.is_taken();
                            (store.landing, store.newcomer) = (landing, newcomer);
                            self.run_behind(plan, question, store, entry, part);
                        }
                    }
                    Err(body) => {
                        if let Some(landing) = landing {
                            landing.apart(self.now());
                        }
                        self.config.record(plan.route, Event::StoreFailed);
                        response.body = body;
                    }
                }
            }
        }
        if whole {
            self.suit(plan, question, &mut response, length);
        }
        Answer { response, status, event, age: None, now: self.now() }
    }

    /// Whether and where a response is stored.
    pub(super) fn admit(
        &self,
        plan: &Plan,
        question: &Question,
        whole: bool,
        response: &Response,
        measure: Measure,
        request_time: Timestamp,
    ) -> Result<(Storable, Slot), NotStored> {
        // RFC 9111 section 4.4: what was asked for before a change is not stored after it.
        if self.config.0.living.voids.overtook(&question.names(), question.begun) {
            return Err(NotStored::Invalidated);
        }
        let request = RequestFacts {
            get: !plan.head || whole,
            authorization: question.authorization,
            no_store: question.no_store,
            request_time,
        };
        let length = measure.length;
        if request.get && measure.contradicts_itself {
            return Err(NotStored::Incomplete);
        }
        let now = self.now();
        let mut storable =
            storable(&plan.policy.terms.store, request, response.status, &response.headers, length, now)?;
        self.shorten(plan, &mut storable.freshness);
        if question.leads_back(plan, response) {
            return Err(NotStored::Loop);
        }
        if storable.part.is_some_and(|part| !storable.varies.is_empty() || length.is_some_and(|l| l != part.len())) {
            return Err(NotStored::Status);
        }
        let slot = question.slot_for(plan, &self.config, &storable.varies, now)?;
        // They are counted in the nearer tiers.
        let uncounted = || self.allowed(plan.policy.terms.tiers).all(|(_, tier)| tier.level() == Level::L2);
        if slot.newcomer.is_some() && uncounted() {
            return Err(NotStored::Variants);
        }
        Ok((storable, slot))
    }

    /// The entry for `response`.
    pub(super) fn entry(
        &self,
        plan: &Plan,
        storable: Storable,
        slot: Slot,
        renews: Option<&Head>,
        response: &mut Response,
        measure: Measure,
    ) -> Made {
        let Storable { freshness, shared, withheld, part, varies } = storable;
        let now = self.now();
        // RFC 9110 section 6.6.1. Elsewhere the host writes it, for the handler has no clock of its own.
        if plan.policy.terms.store.to_the_letter && !response.headers.has("date") {
            response.headers.set("date", &date::format(now));
        }
        let mut declared =
            if plan.is_for_a_client() { self.declare(plan, &freshness, response) } else { Declared::default() };
        if !varies.is_empty() {
            say_what_it_varies_on(plan, response);
        }
        let mut headers = response.headers.boxed_clone();
        let length = measure.length.or(part.map(|part| part.len()));
        remove_hop_by_hop(headers.as_mut());
        // RFC 9111 sections 5.2.2.4 and 5.2.2.7
        let mut stripped = false;
        for name in withheld {
            stripped |= headers.has(&name);
            headers.remove(&name);
        }
        declared.weakness = renews.is_some_and(|old| old.declared.weakness);
        if measure.lacks_coding {
            decode_fields(headers.as_mut());
            declared.weakness = true;
        }
        let mut head = Head {
            key_check: slot.key.check(),
            status: response.status,
            freshness,
            received: now,
            shared,
            length,
            selecting: slot.selecting,
            family: slot.family,
            part,
            declared,
            #[cfg(feature = "data")]
            tags: plan.tags_of(response),
            ..Head::default()
        };
        let l2_keeps = !stripped && renews.is_some_and(|old| outlasts(old, &head));
        head.l2_until = match renews {
            Some(old) if l2_keeps => old.l2_until,
            _ if belongs_in_l2(&head) && plan.policy.terms.tiers.contains(Level::L2) => {
                now.plus(freshness.retention_left(now))
            }
            _ => Timestamp::default(),
        };
        let body = std::mem::take(&mut response.body);
        Made { entry: StoredResponse { head: Arc::new(head), headers, body: Body::empty() }, body, l2_keeps }
    }

    /// What browsers and the platform's cache are told of a stored answer whose handler was silent.
    fn declare(&self, plan: &Plan, freshness: &Freshness, response: &mut Response) -> Declared {
        let mut declared = Declared::default();
        // A cache in front knows the URL and what Vary names, and no more.
        let keyed = plan.policy.terms.keyer.is_beyond_the_target();
        if plan.policy.terms.store.to_the_letter {
            return declared;
        }
        if !response.headers.has("cache-control") && !response.headers.has("expires") {
            response.headers.set("cache-control", &plan.policy.browser_cache_control(keyed));
            declared.cache_control = true;
        }
        if self.config.0.platform_cache && !TARGETS.iter().any(|target| response.headers.has(target)) {
            let (lifetime, window) = (freshness.lifetime.as_secs(), freshness.stale_while_revalidate.as_secs());
            let errors = freshness.stale_if_error.as_secs();
            let lasting = || {
                let (lifetime, window, errors) = (decimal(lifetime), decimal(window), decimal(errors));
                ["max-age=", &lifetime, ", stale-while-revalidate=", &window, ", stale-if-error=", &errors].concat()
            };
            let value = if keyed { "no-store".to_owned() } else { lasting() };
            response.headers.set(TARGETS[0], &value);
            declared.target = true;
        }
        declared
    }

    /// Keeps an answer that is not stored here out of other caches when its handler was silent: a cache in front takes
    /// silence for permission.
    pub(super) fn protect(&self, plan: &Plan, response: &mut Response, personal: bool) {
        let said = |name: &&str| response.headers.has(name);
        let terms = &plan.policy.terms;
        // What is taken off on the way out says nothing to anybody.
        let targeted = !terms.strip_targets && TARGETS.iter().any(said);
        if terms.store.to_the_letter || said(&"cache-control") || said(&"expires") || targeted {
            return;
        }
        if personal {
            response.headers.set("cache-control", "private, no-store");
        } else if self.config.0.platform_cache {
            let name = if terms.strip_targets { "cache-control" } else { TARGETS[0] };
            response.headers.set(name, "no-store");
        }
    }
}

/// What is known of a body before it is read.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    /// The host will apply the content coding that the fields name.
    lacks_coding: bool,
    /// The length the stored body will have, when known: the body's own, or what `Content-Length` announces.
    length: Option<u64>,
    /// The body is not of the length announced.
    contradicts_itself: bool,
}

impl Measure {
    pub(super) fn of(response: &Response) -> Self {
        if response.body.lacks_coding(&response.headers) {
            return Self { lacks_coding: true, length: None, contradicts_itself: false };
        }
        let Ok(announced) = announced(response) else {
            return Self { lacks_coding: false, length: response.body.len(), contradicts_itself: true };
        };
        let length = response.body.len().or(announced);
        Self { lacks_coding: false, length, contradicts_itself: announced.is_some_and(|a| length != Some(a)) }
    }
}

/// The length that the field says; an error when it says none, or several (RFC 9110 section 8.6).
fn announced(response: &Response) -> Result<Option<u64>, ()> {
    let Some(value) = response.headers.field("content-length") else { return Ok(None) };
    let mut lengths = list_members(&value).map(|member| {
        let digits = std::str::from_utf8(member).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|text| text.parse::<u64>().ok()).ok_or(())
    });
    let first = lengths.next().unwrap_or(Err(()))?;
    if lengths.all(|other| other == Ok(first)) { Ok(Some(first)) } else { Err(()) }
}

/// What is about one connection or one proxy.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// RFC 9111 section 3.1: such fields are not stored.
pub(super) fn remove_hop_by_hop(headers: &mut dyn HeaderFields) {
    if let Some(named) = headers.field("connection").map(std::borrow::Cow::into_owned) {
        for name in list_members(&named).filter_map(|name| std::str::from_utf8(name).ok()) {
            headers.remove(&name.to_ascii_lowercase());
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// For the caches in front: an answer to one origin is not for another, whether its `Vary` says so or not.
fn say_what_it_varies_on(plan: &Plan, response: &mut Response) {
    let headers = &mut response.headers;
    let is_origin =
        |value: std::borrow::Cow<'_, [u8]>| list_members(&value).any(|name| name.eq_ignore_ascii_case(b"origin"));
    if !plan.policy.terms.store.to_the_letter
        && headers.has("access-control-allow-origin")
        && !headers.field("vary").is_some_and(is_origin)
    {
        headers.append("vary", "Origin");
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
