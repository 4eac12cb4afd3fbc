//! Floor 3. The walk of one request: read [`Cache::handle`] and `Cache::walk` first.

pub mod admin;
mod config;
mod fill;
mod invalidate;
mod living;
mod lookup;
#[cfg(feature = "verify")]
mod noting;
mod parts;
mod plan;
#[cfg(feature = "verify")]
mod quarantine;
mod renew;
mod revalidate;
mod serve;
mod store;
mod trust;
mod variants;
#[cfg(feature = "verify")]
mod verify;
mod voids;

pub use config::{CacheConfig, CacheConfigBuilder, ConfigError, HotOptions, UNKEYED_HEADERS};

use crate::message::{Ask, RequestView, Response};
#[cfg(feature = "worker")]
use crate::policy::RouteId;
use crate::policy::{Policy, Tiers};
use crate::runtime::Runtime;
use crate::semantics::freshness::Timestamp;
use crate::semantics::status::{CacheStatus, ForwardReason};
use crate::semantics::validation::Validators;
use crate::stats::Event;
use crate::tier::Tier;
use fill::Fetched;
#[cfg(feature = "worker")]
pub(crate) use lookup::SMALL_BODY;
use lookup::{Found, Hit};
use plan::{Forward, Gate, Plan, Question};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// Where misses go: the handler behind the door, holding the client's request. It is asked at most once, but for [`again`](Self::again).
pub trait Origin: Send + 'static {
    /// The handler's own error; it reaches the caller untouched.
    type Error: Send + 'static;

    /// Another way to the same handler with the same request, for doors that can go there more than once. Default: none.
    fn again(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// Answers the request as `ask` wants it put.
    fn fetch(self, ask: Ask) -> impl Future<Output = Result<Response, Self::Error>> + Send;
}

/// The cache of one request (on Workers) or one service (natively): the isolate's configuration, the tiers nearest
/// first, and what the host lends. Cloning shares all of it.
#[derive(Clone)]
pub struct Cache {
    config: CacheConfig,
    tiers: Arc<[Arc<dyn Tier>]>,
    runtime: Arc<dyn Runtime>,
}

/// A request the cache has read and not answered yet.
#[must_use]
pub struct Prepared {
    cache: Cache,
    plan: Plan,
    gate: Gate,
}

impl Prepared {
    /// Answers it from the tiers or from `origin`.
    ///
    /// # Errors
    ///
    /// As [`Cache::handle`].
    pub async fn handle<O: Origin>(self, origin: O) -> Result<Response, O::Error> {
        self.cache.walk(self.plan, self.gate, origin).await
    }
}

/// What becomes of a request: the answer, what is said of it, and what is counted.
struct Answer {
    response: Response,
    status: CacheStatus,
    event: Event,
    /// When that was.
    now: Timestamp,
}

impl Cache {
    /// A cache over `tiers`, asked in this order. Without any every request goes to the origin.
    #[must_use]
    pub fn new(config: CacheConfig, tiers: impl Into<Arc<[Arc<dyn Tier>]>>, runtime: Arc<dyn Runtime>) -> Self {
        Self { config, tiers: tiers.into(), runtime }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &CacheConfig {
        &self.config
    }

    /// Answers `request` from the tiers or from `origin`.
    ///
    /// # Errors
    ///
    /// The origin's error, when it failed and nothing stored may stand in. The cache adds none of its own.
    pub fn handle<O: Origin>(
        &self,
        request: &dyn RequestView,
        origin: O,
    ) -> impl Future<Output = Result<Response, O::Error>> + Send + 'static + use<O> {
        self.prepare(request).handle(origin)
    }

    /// Reads what there is to know of `request`, for a door whose request moves on into the origin.
    pub fn prepare(&self, request: &dyn RequestView) -> Prepared {
        let (plan, gate) = Plan::of(&self.config, request);
        Prepared { cache: self.clone(), plan, gate }
    }

    /// As [`prepare`](Self::prepare), under `policy` instead of the table's.
    pub fn prepare_under(&self, policy: Arc<Policy>, request: &dyn RequestView) -> Prepared {
        let (plan, gate) = Plan::under(&self.config, policy, request);
        Prepared { cache: self.clone(), plan, gate }
    }

    async fn walk<O: Origin>(&self, plan: Plan, gate: Gate, origin: O) -> Result<Response, O::Error> {
        #[cfg(feature = "verify")]
        let shadow = self.shadow(&plan, &gate, &origin);
        let answer = match gate {
            Gate::Forward(why) => self.pass(&plan, why, origin).await,
            Gate::Lookup(mut question) => {
                let found = self.lookup(&plan, &mut question).await;
                let question = Arc::from(question);
                let answer = match found {
                    Found::Fresh(hit) => match self.promote(&plan, &question, hit).await {
                        Some(hit) => Ok(self.serve_fresh(&plan, &question, hit)),
                        None => self.ask(&plan, &question, ForwardReason::UriMiss, None, origin).await,
                    },
                    Found::Refresh(hit) => {
                        if !question.no_store {
                            self.refresh_behind(&plan, &question, &hit, origin);
                        }
                        Ok(self.serve_stale(&plan, &question, hit, Event::Stale))
                    }
                    Found::Stale(hit) => Ok(self.serve_stale(&plan, &question, hit, Event::Stale)),
                    Found::Nothing { reason, stored } => self.ask(&plan, &question, reason, stored, origin).await,
                    Found::Unsatisfiable => Ok(self.unsatisfied()),
                };
                #[cfg(feature = "verify")]
                if let Some(origin) = shadow.filter(|_| answer.is_ok()) {
                    self.verify_behind(&plan, &question, origin);
                }
                answer
            }
        };
        self.exit(&plan, answer)
    }

    /// The cache steps aside: the request goes to the origin untouched.
    async fn pass<O: Origin>(&self, plan: &Plan, why: Forward, origin: O) -> Result<Answer, O::Error> {
        let request_time = self.runtime.now();
        let mut response = origin.fetch(Ask::AS_IS).await?;
        let status = CacheStatus { detail: why.detail, ..CacheStatus::forwarded(why.reason) };
        if let Some(mut change) = why.change {
            let voids = self.changed(plan, &change, &response);
            if !voids.is_empty() {
                self.forget_now(voids).await;
            }
            let stored_for = change.stored_for.take();
            if let Some(mut question) =
                stored_for.filter(|_| change.is_answered_by(plan, &response, self.runtime.now()))
            {
                // It is this answer that the change has led to.
                question.begun = self.config.0.living.voids.count();
                let fetched = Fetched::new(response, request_time, false, status);
                return Ok(Answer { event: Event::Bypass, ..self.fill(plan, &Arc::from(question), fetched) });
            }
        }
        if plan.cacheable_method {
            self.protect(plan, &mut response, why.personal);
        }
        Ok(Answer { response, status, event: Event::Bypass, now: self.runtime.now() })
    }

    /// Passes a request of a route whose policy is to bypass, without looking at it: its path has said all there is to know.
    /// The client asked with GET or HEAD, so that caches in front might keep the answer.
    #[cfg(feature = "worker")]
    pub(crate) async fn bypass<O: Origin>(
        &self,
        (route, policy): (RouteId, Arc<Policy>),
        origin: O,
    ) -> Result<Response, O::Error> {
        let plan = Plan { route, policy, head: false, cacheable_method: true };
        let answer = self.pass(&plan, Forward::BY_POLICY, origin).await;
        self.exit(&plan, answer)
    }

    /// Nothing stored will do as it is: asks the origin, conditionally when what is `stored` can be validated (RFC 9111
    /// section 4.3); fills the tiers behind the response; lets the stored one answer when the origin fails (RFC 5861
    /// section 4).
    async fn ask<O: Origin>(
        &self,
        plan: &Plan,
        question: &Arc<Question>,
        reason: ForwardReason,
        stored: Option<Hit>,
        origin: O,
    ) -> Result<Answer, O::Error> {
        let request_time = self.runtime.now();
        let (part, stored) = match stored {
            Some(hit) if hit.entry.head.part.is_some() => (Some(hit.entry), None),
            stored => (None, stored),
        };
        // A HEAD that goes on as it is says what it has to say in full.
        let validators = match &stored {
            Some(hit) if question.ask.whole || !plan.head => hit.entry.validators(),
            _ => Validators::default(),
        };
        let conditional = !validators.is_empty();
        let ask = if conditional { question.conditional(validators.into_conditions()) } else { question.ask.clone() };
        let whole = ask.whole;
        let fetched = origin.fetch(ask).await;
        let now = self.runtime.now();
        let letter = plan.policy.terms.store.to_the_letter;
        let status = CacheStatus::forwarded(reason);
        match (fetched, stored) {
            // RFC 9111 section 4.2.4: disconnected.
            (Err(error), Some(hit)) => {
                let freshness = hit.entry.head.freshness;
                if freshness.may_serve_on_error(now) || (letter && freshness.may_serve_disconnected(now)) {
                    Ok(self.serve_stale(plan, question, hit, Event::StaleIfError))
                } else {
                    Err(error)
                }
            }
            (Err(error), None) => Err(error),
            (Ok(failed), Some(hit))
                if matches!(failed.status, 500 | 502 | 503 | 504)
                    && hit.entry.head.freshness.may_serve_on_error(now) =>
            {
                let mut answer = self.serve_stale(plan, question, hit, Event::StaleIfError);
                answer.status.forward_status = Some(failed.status);
                Ok(answer)
            }
            (Ok(said), Some(hit)) if said.status == 304 && conditional => {
                Ok(self.confirmed(plan, question, hit.entry, &said, request_time, status))
            }
            (Ok(response), stored) => {
                if let Some(hit) = stored.filter(|_| plan.head && !whole) {
                    self.head_says(plan, question, hit, &response, request_time);
                }
                let fetched = Fetched { part, ..Fetched::new(response, request_time, whole, status) };
                Ok(self.fill(plan, question, fetched))
            }
        }
    }

    /// The one exit: counts, stamps and logs.
    fn exit<E>(&self, plan: &Plan, answer: Result<Answer, E>) -> Result<Response, E> {
        let event = answer.as_ref().map_or(Event::Error, |answer| answer.event);
        self.config.record(plan.route, event);
        let now = answer.as_ref().map_or_else(|_| self.runtime.now(), |answer| answer.now);
        if let Some(line) = self.config.due_log_line(now) {
            self.runtime.log(&line);
        }
        answer.map(|Answer { mut response, status, .. }| {
            if plan.policy.terms.strip_targets {
                for target in &plan.policy.terms.store.targets {
                    response.headers.remove(target);
                }
            }
            // RFC 9211 section 2: members of caches nearer to the origin stay in front.
            if let Some(status) = status.told(self.config.0.status_form) {
                response.headers.append("cache-status", &status.to_field());
            }
            response
        })
    }

    /// The tiers the policy allows, with their places, nearest first.
    fn allowed(&self, tiers: Tiers) -> impl DoubleEndedIterator<Item = (usize, &Arc<dyn Tier>)> {
        self.tiers.iter().enumerate().filter(move |(_, tier)| tiers.contains(tier.level()))
    }

    fn complain(&self, what: &str, why: &dyn fmt::Display) {
        if self.config.0.living.may_complain(self.runtime.now()) {
            self.runtime.log(&format!("layercake: {what}: {why}"));
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels: Vec<_> = self.tiers.iter().map(|tier| tier.level()).collect();
        f.debug_struct("Cache").field("config", &self.config).field("tiers", &levels).finish_non_exhaustive()
    }
}
