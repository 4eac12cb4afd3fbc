//! Shadow verification: is a stored answer the one that nobody in particular would get?
//!
//! Of every so many requests of a route ([`Policy::verify_one_in`](crate::Policy::verify_one_in)) one is looked at again behind its
//! response. The handler is asked in the name of nobody: with the fields that the key holds and that select the variant, and
//! no others. If its answer is not what is stored, the handler is asked
//!
//! - in that way once more: answers that differ from call to call prove nothing;
//! - as this visitor would ask: when only that answer differs, the handler answers by something that neither the key nor
//!   `Vary` holds. The route is put into quarantine, here and, by a marker in the tiers, wherever it is looked at next.
//!
//! When the visitor's answer does not differ either, the stored one is merely of another time, or somebody else's: it is
//! forgotten, and the next request of the route is looked at as well.

use super::plan::{Gate, Plan, Question};
use super::{Cache, Origin};
use crate::body::Body;
use crate::entry::{Head, StoredResponse};
use crate::message::{Ask, HeaderFields, Hide, Lines};
use crate::policy::{CacheKey, Level};
use crate::semantics::freshness::Freshness;
use crate::stats::Event;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The largest body that is compared, in bytes.
const LARGEST: u64 = 4 << 20;

/// How many request fields are tried one by one to name the one that the answer depends on.
const TRIALS: usize = 24;

/// How often the store behind a fresh answer is given time to end before the entry is missed, and for how long each time.
const PATIENCE: (u32, Duration) = (5, Duration::from_millis(200));

/// How long a marker tells the other isolates.
const MARKED: Duration = Duration::from_secs(30 * 86_400);

/// What of an answer is compared, beside status and body.
const COMPARED: [&str; 5] = ["content-type", "content-language", "content-disposition", "content-encoding", "location"];

/// What is compared of an answer.
#[derive(PartialEq, Eq)]
struct Rendering {
    status: u16,
    fields: Vec<Option<Vec<u8>>>,
    body: Bytes,
}

impl Rendering {
    async fn of(status: u16, headers: Box<dyn HeaderFields>, body: Body) -> Option<Self> {
        let fields = COMPARED.map(|name| headers.field(name).map(Cow::into_owned)).into();
        Some(Self { status, fields, body: body.into_bytes(LARGEST).await.ok()? })
    }

    /// What differs first.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        let field = || COMPARED.iter().zip(self.fields.iter().zip(&other.fields)).find(|(_, (a, b))| a != b);
        match () {
            () if self.status != other.status => Some("status"),
            () if self.body != other.body => Some("body"),
            () => field().map(|(name, _)| *name),
        }
    }
}

impl Cache {
    /// Another way to the origin, when this request is to be looked at again and the door can go there more than once.
    pub(super) fn shadow<O: Origin>(&self, plan: &Plan, gate: &Gate, origin: &O) -> Option<O> {
        let Gate::Lookup(question) = gate else { return None };
        let one_in = plan.policy.terms.verify?;
        // What may be shared although it was made for a credential is so by the handler's own word.
        let plain = !question.authorization && !question.no_store;
        (plain && self.config.is_sampled(plan.route, one_in)).then(|| origin.again()).flatten()
    }

    /// Looks at the answer to `question` again, behind the response.
    pub(super) fn verify_behind<O: Origin>(&self, plan: &Plan, question: &Arc<Question>, origin: O) {
        let shadow = Shadow {
            cache: self.clone(),
            plan: Plan { head: false, ..plan.clone() },
            question: Arc::clone(question),
            origin: Mutex::new(origin),
        };
        self.runtime.spawn(Box::pin(shadow.verify()));
    }
}

/// One answer that is looked at again.
struct Shadow<O> {
    cache: Cache,
    plan: Plan,
    question: Arc<Question>,
    /// The way to the handler. The lock makes it one that tasks can share.
    origin: Mutex<O>,
}

impl<O: Origin> Shadow<O> {
    async fn verify(self) {
        let marker = self.marker();
        for (_, tier) in self.cache.allowed(self.plan.policy.terms.tiers) {
            if self.cache.get(&self.plan, &marker, tier).await.is_some() {
                self.cache.config.quarantine(self.plan.route);
                return;
            }
        }
        let Some((head, stored)) = self.stored().await else { return };
        let neutral = self.neutral(&head);
        let Some(nobodys) = self.render(neutral.clone()).await else { return };
        if stored.difference(&nobodys).is_none() {
            return self.cache.config.record(self.plan.route, Event::Verified);
        }
        let mine = self.question.conditional(Vec::new());
        let (Some(mine), Some(again)) = (self.render(mine).await, self.render(neutral.clone()).await) else { return };
        if let Some(what) = nobodys.difference(&again) {
            return self.cache.complain(
                self.cache.config.routes().pattern(self.plan.route),
                &format_args!("cannot be verified: {what} differs from one call to the next"),
            );
        }
        if let Some(what) = mine.difference(&nobodys) {
            return self.convict(what, &neutral, &nobodys, &marker).await;
        }
        self.cache.forget_behind(&self.plan, &self.question);
        self.cache.config.sample_next(self.plan.route);
    }

    /// What the tiers have for the question, once the store behind the answer has ended.
    async fn stored(&self) -> Option<(Arc<Head>, Rendering)> {
        let (times, pause) = PATIENCE;
        for _ in 0..times {
            for (_, tier) in self.cache.allowed(self.plan.policy.terms.tiers) {
                let Some(entry) = self.cache.get(&self.plan, self.question.slot(), tier).await else { continue };
                let StoredResponse { head, headers, body } = entry;
                if head.part.is_none() && self.question.selects(&self.plan, &head) {
                    let rendering = Rendering::of(head.status, headers, body).await?;
                    return Some((head, rendering));
                }
            }
            self.cache.runtime.sleep(pause).await;
        }
        None
    }

    async fn render(&self, ask: Ask) -> Option<Rendering> {
        let origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner).again()?;
        let response = origin.fetch(ask).await.ok()?;
        Rendering::of(response.status, response.headers, response.body).await
    }

    /// What nobody in particular asks: the fields that are keyed on, that values are computed from, that select the variant or
    /// choose a content coding.
    fn neutral(&self, head: &Head) -> Ask {
        let mine = &self.question.ask;
        let selecting = head.selecting.iter().map(|(name, _)| &**name);
        let keyed = self.plan.policy.terms.keyer.headers.iter().chain(&self.question.computed_from).map(|name| &**name);
        let mut ask = Ask { whole: true, hide: Hide::Everything, set: Vec::new(), target: mine.target.clone() };
        for name in ["accept-encoding", "cookie"].into_iter().chain(selecting).chain(keyed) {
            let sent = || self.question.fields.field(name).filter(|_| name != "cookie" && !mine.hides(name));
            let put = mine.put(name).map(Into::into);
            let value = put.or_else(|| std::str::from_utf8(&sent()?).ok().map(Into::into));
            if let Some(value) = value.filter(|_| ask.put(name).is_none()) {
                ask.set.push((Cow::Owned(name.to_owned()), value));
            }
        }
        ask
    }

    /// The answer depends on who asks: the route is cached no more.
    async fn convict(&self, what: &str, neutral: &Ask, nobodys: &Rendering, marker: &CacheKey) {
        let Self { cache, plan, question, .. } = self;
        if !cache.config.quarantine(plan.route) {
            return;
        }
        let known = |name: &str| neutral.put(name).is_some() || question.ask.hides(name);
        let mut on = "what is no single request field (request.cf, or several together)".to_owned();
        for name in question.fields.names().into_iter().filter(|name| !known(name)).take(TRIALS) {
            let Some(value) = question.fields.field(&name).and_then(|v| String::from_utf8(v.into_owned()).ok()) else {
                continue;
            };
            let mut ask = neutral.clone();
            ask.set.push((Cow::Owned(name.clone().into()), value.into()));
            if self.render(ask).await.is_some_and(|theirs| theirs.difference(nobodys).is_some()) {
                on = format!("the request field {name}");
                break;
            }
        }
        cache.runtime.log(&format!(
            "layercake: QUARANTINE: {}: the {what} depends on {on}, which neither the key nor Vary holds. The route is not \
             cached until its rule changes: key on it, hide it, or name it in Vary; raise the SchemaVersion so that nothing \
             stored so far is served again",
            cache.config.routes().pattern(plan.route)
        ));
        cache.forget_behind(plan, question);
        self.mark(marker).await;
    }

    /// Tells the other isolates.
    async fn mark(&self, marker: &CacheKey) {
        let now = self.cache.now();
        let freshness = Freshness { born: now, lifetime: MARKED, ..Freshness::default() };
        let head =
            Arc::new(Head { key_check: marker.check(), status: 204, received: now, freshness, ..Head::default() });
        for (_, tier) in self.cache.allowed(self.plan.policy.terms.tiers) {
            let (head, headers) = (Arc::clone(&head), Box::new(Lines::default()));
            if tier.level() != Level::Hot {
                let entry = StoredResponse { head, headers, body: Body::empty() };
                let _ = self.cache.put(self.plan.route, marker, tier, entry, tier.write_timeout()).await;
            }
        }
    }

    /// Where the marker of this rule stands: another rule, another marker.
    fn marker(&self) -> CacheKey {
        let pattern = self.cache.config.routes().pattern(self.plan.route);
        self.question.key.marker(
            &self.cache.config.0.prefix,
            "quarantine",
            &format!("{pattern} {:?}", self.plan.policy),
        )
    }
}
