//! Floor 3. The walk of one request: read [`Cache::handle`] and `Cache::walk` first.
//!
//! | where | what |
//! | --- | --- |
//! | `plan` | what is read of a request before anything is awaited |
//! | `lookup`, `tiers`, `trust` | the tiers in order; asking one of them, with its limits and what is known of its health |
//! | `serve` | a stored response on its way out |
//! | `ask` | calling the origin, and what stands in when it fails |
//! | `fill`, `variants`, `store`, `parts` | an answer on its way out and into the tiers |
//! | `revalidate`, `leases`, `renew` | the refresh behind a response, who does it, and what a 304 changes |
//! | `invalidate`, `voids` | what unsafe requests make void |
//! | `data`, `many` | the same walk for a value: a key and a loader in place of a request and a handler (feature `data`) |
//! | `verify`, `quarantine`, `noting` | looking at answers again (feature `verify`) |
//! | `resilience` | what keeps stampedes from the origin and outages from the visitors (feature `resilience`; without it `without.rs` stands in) |
//! | `config`, `living`, `admin` | what an isolate keeps; who may see it |

pub mod admin;
mod ask;
mod config;
#[cfg(feature = "data")]
mod data;
mod fill;
mod invalidate;
mod leases;
mod living;
mod lookup;
#[cfg(feature = "data")]
mod many;
#[cfg(feature = "verify")]
mod noting;
mod parts;
mod plan;
#[cfg(feature = "verify")]
mod quarantine;
mod renew;
#[cfg(feature = "resilience")]
mod resilience;
#[cfg(not(feature = "resilience"))]
#[path = "without.rs"]
mod resilience;
mod revalidate;
mod serve;
mod store;
mod tiers;
mod trust;
mod variants;
#[cfg(feature = "verify")]
mod verify;
mod voids;

pub use config::{CacheConfig, CacheConfigBuilder, ConfigError, HotOptions, UNKEYED_HEADERS};
#[cfg(feature = "data")]
pub(crate) use data::{Read, Reader, Unkept, Wanted};
#[cfg(feature = "data")]
pub(crate) use many::Sought;

use crate::message::{Ask, RequestView, Response};
#[cfg(feature = "worker")]
use crate::policy::RouteId;
use crate::policy::{Level, Policy, Tiers};
use crate::runtime::Runtime;
use crate::semantics::freshness::Timestamp;
use crate::semantics::status::{CacheStatus, ForwardReason};
use crate::stats::Event;
use crate::tier::Tier;
use fill::Fetched;
use lookup::Found;
#[cfg(feature = "worker")]
pub(crate) use lookup::SMALL_BODY;
use plan::{Forward, Gate, Plan, Question};
use resilience::is_spare;
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
    pub fn handle<O: Origin>(
        self,
        origin: O,
    ) -> impl Future<Output = Result<Response, O::Error>> + Send + 'static + use<O> {
        self.cache.walk(self.plan, self.gate, origin)
    }
}

/// What becomes of a request: the answer, what is said of it, and what is counted.
struct Answer {
    response: Response,
    status: CacheStatus,
    event: Event,
    /// How old it is, where it was stored: in seconds, for `Age`.
    age: Option<u64>,
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

    /// What the host lends.
    #[cfg(feature = "data")]
    pub(crate) const fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    /// The host's clock.
    #[inline(never)]
    fn now(&self) -> Timestamp {
        self.runtime.now()
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

    async fn walk<O: Origin>(self, plan: Plan, gate: Gate, origin: O) -> Result<Response, O::Error> {
        let plan = &plan;
        #[cfg(feature = "verify")]
        let shadow = self.shadow(plan, &gate, &origin);
        let answer = match gate {
            Gate::Forward(why) => self.pass(plan, why, origin).await,
            Gate::Lookup(mut question) => {
                let found = match Arc::get_mut(&mut question) {
                    Some(question) => self.lookup(plan, question).await,
                    // Nobody else has it yet.
                    None => Found::NOTHING,
                };
                let (question, answer) = self.use_found(plan, question, found, origin).await;
                #[cfg(feature = "verify")]
                if let Some(origin) = shadow.filter(|_| answer.is_ok()) {
                    self.verify_behind(plan, &question, origin);
                }
                #[cfg(not(feature = "verify"))]
                drop(question);
                answer
            }
        };
        self.exit(plan, answer)
    }

    /// Answers with what was found, or goes on to the origin. The question comes back as it was answered.
    async fn use_found<O: Origin>(
        &self,
        plan: &Plan,
        question: Arc<Question>,
        found: Found,
        origin: O,
    ) -> (Arc<Question>, Result<Answer, O::Error>) {
        let (reason, stored) = match found {
            Found::Fresh(hit) => match self.promote(plan, &question, hit).await {
                Some(hit) => {
                    if self.wants_refresh(plan, &question, &hit) {
                        self.refresh_behind(plan, &question, &hit, origin);
                    }
                    let answer = self.serve_fresh(plan, &question, hit);
                    return (question, Ok(answer));
                }
                None => (ForwardReason::UriMiss, None),
            },
            Found::Refresh(hit) => {
                if !question.no_store {
                    self.refresh_behind(plan, &question, &hit, origin);
                }
                let answer = self.serve_stale(plan, &question, hit, Event::Stale);
                return (question, Ok(answer));
            }
            Found::Stale(hit) => {
                let answer = self.serve_stale(plan, &question, hit, Event::Stale);
                return (question, Ok(answer));
            }
            Found::Nothing { reason, stored } => (reason, stored),
            Found::Unsatisfiable => return (question, Ok(self.unsatisfied())),
        };
        self.obtain(plan, question, reason, stored, origin).await
    }

    /// The cache steps aside: the request goes to the origin untouched.
    async fn pass<O: Origin>(&self, plan: &Plan, why: Forward, origin: O) -> Result<Answer, O::Error> {
        let mut response = origin.fetch(Ask::AS_IS).await?;
        let status = CacheStatus { detail: why.detail, ..CacheStatus::forwarded(why.reason) };
        if let Some(mut change) = why.change {
            let voids = self.changed(plan, &change, &response);
            if !voids.is_empty() {
                self.forget_now(voids).await;
            }
            let stored_for = change.stored_for.take();
            if let Some(mut question) = stored_for.filter(|_| change.is_answered_by(plan, &response, self.now())) {
                // It is this answer that the change has led to: it is younger than what the change made void.
                if let Some(question) = Arc::get_mut(&mut question) {
                    question.begun = self.config.0.living.voids.count();
                }
                let fetched = Fetched::new(response, self.now(), false, status);
                return Ok(Answer { event: Event::Bypass, ..self.fill(plan, &question, fetched) });
            }
        }
        if plan.cacheable_method {
            self.protect(plan, &mut response, why.personal);
        }
        Ok(Answer { response, status, event: Event::Bypass, age: None, now: self.now() })
    }

    /// Passes a request of a route whose policy is to bypass, without looking at it: its path has said all there is to know.
    /// The client asked with GET or HEAD, so that caches in front might keep the answer.
    #[cfg(feature = "worker")]
    pub(crate) async fn bypass<O: Origin>(
        &self,
        (route, policy): (RouteId, Arc<Policy>),
        origin: O,
    ) -> Result<Response, O::Error> {
        let plan = Plan::new(route, policy, false, true);
        let answer = self.pass(&plan, Forward::BY_POLICY, origin).await;
        self.exit(&plan, answer)
    }

    /// The one exit: counts, stamps and logs.
    fn exit<E>(&self, plan: &Plan, answer: Result<Answer, E>) -> Result<Response, E> {
        let event = answer.as_ref().map_or(Event::Error, |answer| answer.event);
        self.config.record(plan.route, event);
        let now = answer.as_ref().map_or_else(|_| self.now(), |answer| answer.now);
        self.log_if_due(now);
        answer.map(|Answer { mut response, status, age, .. }| {
            if plan.policy.terms.strip_targets {
                for target in &plan.policy.terms.store.targets {
                    response.headers.remove(target);
                }
            }
            let status = status.told(self.config.0.status_form).map(|status| status.to_field());
            response.headers.stamp(age, status);
            response
        })
    }

    fn log_if_due(&self, now: Timestamp) {
        if let Some(line) = self.config.due_log_line(now) {
            self.runtime.log(&line);
        }
    }

    /// The tiers the policy allows, with their places, nearest first; the spare ones while they are needed.
    const fn allowed(&self, tiers: Tiers) -> Allowed<'_> {
        Allowed { cache: self, tiers, place: 0 }
    }

    /// The same with the spare ones at any time.
    fn everywhere(&self, tiers: Tiers) -> impl DoubleEndedIterator<Item = (usize, &Arc<dyn Tier>)> {
        self.tiers.iter().enumerate().filter(move |(_, tier)| tiers.contains(tier.level()))
    }

    fn complain(&self, what: &str, why: &dyn fmt::Display) {
        if self.config.0.living.may_complain(self.now()) {
            self.runtime.log(&format!("layercake: {what}: {why}"));
        }
    }
}

/// See [`Cache::allowed`].
#[derive(Clone)]
struct Allowed<'a> {
    cache: &'a Cache,
    tiers: Tiers,
    place: usize,
}

impl<'a> Iterator for Allowed<'a> {
    type Item = (usize, &'a Arc<dyn Tier>);

    // Not inlined: a dozen walks over the tiers call it.
    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (place, tier) = (self.place, self.cache.tiers.get(self.place)?);
            self.place += 1;
            if self.tiers.contains(tier.level()) && (!is_spare(tier) || self.cache.needs_spares()) {
                return Some((place, tier));
            }
        }
    }
}

/// Whether a tier is L2 itself, not what stands in for it.
fn is_l2(tier: &Arc<dyn Tier>) -> bool {
    tier.level() == Level::L2 && !is_spare(tier)
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels: Vec<_> = self.tiers.iter().map(|tier| tier.level()).collect();
        f.debug_struct("Cache").field("config", &self.config).field("tiers", &levels).finish_non_exhaustive()
    }
}
