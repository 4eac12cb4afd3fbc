//! How the origin is obtained an answer from: by one request for all that want the same, and waited for no longer than the policy
//! lets a visitor wait.

use super::detach::Detached;
use super::join::{Joined, is_shareable, wants_all};
use super::landing::Landing;
use crate::body::Body;
use crate::engine::ask::is_failure;
use crate::engine::lookup::Hit;
use crate::engine::plan::{Plan, Question};
use crate::engine::revalidate::Stale;
use crate::engine::{Answer, Cache, Origin};
use crate::message::{HeaderFields as _, Lines, Response};
use crate::runtime::within;
use crate::semantics::decimal;
use crate::semantics::freshness::Timestamp;
use crate::semantics::status::{CacheStatus, ForwardReason};
use crate::stats::Event;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The one who waits for the origin, as the work done for him sees him.
struct Visitor {
    /// What was found stored: for the origin's 304, or to stand in for its failure. Whoever is first takes it.
    stored: Mutex<Option<Hit>>,
    /// He has gone, or has got something else.
    left: Arc<AtomicBool>,
}

impl Visitor {
    fn with(stored: Option<Hit>) -> Self {
        Self { stored: Mutex::new(stored), left: Arc::default() }
    }

    fn stored<T>(&self, act: impl FnOnce(&mut Option<Hit>) -> T) -> T {
        act(&mut self.stored.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_stored(&self) -> Option<Hit> {
        self.stored(Option::take)
    }

    fn has_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }
}

impl Cache {
    /// The outcome of a call of the origin, or `None` when it takes longer than the policy allows.
    pub(in crate::engine) fn in_time<F: Future>(
        &self,
        plan: &Plan,
        call: F,
    ) -> impl Future<Output = Option<F::Output>> {
        within(&*self.runtime, plan.policy.terms.patience.hard_timeout, Box::pin(call))
    }

    /// Answers with what another request is fetching, or fetches it, for others too.
    pub(in crate::engine) async fn obtain<O: Origin>(
        &self,
        plan: &Plan,
        mut question: Arc<Question>,
        reason: ForwardReason,
        mut stored: Option<Hit>,
        origin: O,
    ) -> (Arc<Question>, Result<Answer, O::Error>) {
        let since = self.now();
        let landing = if is_shareable(plan, &question, reason) {
            let joined = match Arc::get_mut(&mut question) {
                Some(question) => self.join(plan, question, reason, &mut stored, since).await,
                None => Joined::Alone,
            };
            match joined {
                Joined::Answered(answer) => return (question, Ok(*answer)),
                Joined::Leader(landing) => Some(landing),
                Joined::Alone => None,
            }
        } else {
            None
        };
        let patience = &plan.policy.terms.patience;
        if landing.is_none() && patience.soft_timeout.is_none() && patience.hard_timeout.is_none() {
            return self.ask(plan, question, reason, stored, origin).await;
        }
        let visitor = Arc::new(Visitor::with(stored));
        let work =
            self.clone().work(plan.clone(), Arc::clone(&question), reason, Arc::clone(&visitor), origin, landing);
        let work = Detached::begin(&self.runtime, Arc::clone(&visitor.left), work);
        let answer = self.wait(plan, &question, reason, &visitor, since, work).await;
        (question, answer)
    }

    /// Asks the origin and sees to what it says, even if nobody waits for it any more.
    async fn work<O: Origin>(
        self,
        plan: Plan,
        question: Arc<Question>,
        reason: ForwardReason,
        visitor: Arc<Visitor>,
        origin: O,
        landing: Option<Landing>,
    ) -> Option<Result<Answer, O::Error>> {
        let found = visitor.stored(|stored| stored.as_ref().map(Stale::of));
        let (ask, asked) = visitor.stored(|stored| self.put_to_origin(&plan, &question, stored.as_ref()));
        let said = origin.fetch(ask).await;
        if !visitor.has_left() {
            return Some(self.answer(&plan, &question, reason, visitor.take_stored(), (asked, said), landing));
        }
        // What was found is on its way to the visitor, or nothing was: the answer is for the tiers alone, and those who wait.
        let failed = said.as_ref().map_or(true, |said| is_failure(said.status));
        let whole = asked.whole || wants_all(&plan, &question);
        let work = match said {
            Ok(said) if whole && !question.no_store => {
                let plan = Plan { head: false, ..plan.clone() };
                let found = found.unwrap_or_default();
                self.taken_in(&plan, &question, &found, said, asked.request_time).await
            }
            _ => None,
        };
        match (work, landing) {
            (Some((mut store, entry)), landing) => {
                store.landing = landing;
                self.run_store(&plan, &question, store, entry).await;
            }
            (None, Some(landing)) if failed => landing.failed(self.now()),
            (None, Some(landing)) => landing.release(self.now()),
            (None, None) => {}
        }
        None
    }

    /// Waits as long as the policy lets a visitor wait; then what is stored stands in, or a 504 says so.
    async fn wait<E: Send + 'static>(
        &self,
        plan: &Plan,
        question: &Question,
        reason: ForwardReason,
        visitor: &Visitor,
        since: Timestamp,
        mut work: Detached<Option<Result<Answer, E>>>,
    ) -> Result<Answer, E> {
        let patience = &plan.policy.terms.patience;
        let left = |limit: Duration| since.plus(limit).since(self.now());
        let may = |hit: &Hit, now| self.may_stand_in(question, hit, now);
        let helps = |soft: &Duration| {
            patience.hard_timeout.is_none_or(|hard| *soft < hard)
                && visitor.stored(|stored| stored.as_ref().is_some_and(|hit| may(hit, since.plus(*soft))))
        };
        let soft = patience.soft_timeout.filter(helps);
        for (limit, last) in [(soft, false), (patience.hard_timeout, true)] {
            let Some(limit) = limit else { continue };
            if let Some(done) = within(&*self.runtime, Some(left(limit)), &mut work).await {
                return done.flatten().unwrap_or_else(|| Ok(self.too_late(plan, reason)));
            }
            let now = self.now();
            let stand_in = visitor.stored(|stored| stored.take_if(|hit| may(hit, now)));
            if stand_in.is_some() || last {
                self.config.record(plan.route, Event::TimedOut);
            }
            match stand_in {
                Some(hit) => {
                    self.config.0.living.guard.flights.rest(question.slot().name(), now);
                    return Ok(self.serve_stale(plan, question, hit, Event::StaleIfError));
                }
                None if last => return Ok(self.too_late(plan, reason)),
                None => {}
            }
        }
        work.await.flatten().unwrap_or_else(|| Ok(self.too_late(plan, reason)))
    }

    /// The origin takes longer than a visitor is to wait, and nothing can stand in (RFC 9110 section 15.6.5).
    pub(super) fn too_late(&self, plan: &Plan, reason: ForwardReason) -> Answer {
        // Without a limit the host has cut it off.
        let time = plan.policy.terms.patience.hard_timeout.map_or(String::new(), |limit| {
            let (secs, millis) = (limit.as_secs(), u64::from(limit.subsec_millis()));
            let time = if millis == 0 { decimal(secs) + " s" } else { decimal(secs * 1000 + millis) + " ms" };
            [" within ", &time].concat()
        });
        let text = ["The origin did not answer", &time, ".\n"].concat();
        let mut headers = Box::new(Lines::default());
        headers.set("content-type", "text/plain; charset=utf-8");
        headers.set("cache-control", "no-store");
        headers.set("content-length", &decimal(text.len() as u64));
        let body = if plan.head { Body::empty() } else { Body::from(text.into_bytes()) };
        let response = Response { status: 504, headers, body, luggage: None };
        let status = CacheStatus::forwarded(reason).detail("timeout");
        Answer { response, status, event: Event::Error, age: None, now: self.now() }
    }
}
