//! Nothing stored will do as it is: the origin is asked, by one request for all that want the same, and waited for no longer
//! than the policy lets a visitor wait.

use super::detach::Detached;
use super::fill::Fetched;
use super::join::{Joined, is_failure, is_shareable, wants_all};
use super::landing::Landing;
use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::revalidate::Stale;
use super::{Answer, Cache, Origin};
use crate::body::Body;
use crate::message::{HeaderFields as _, Lines, Response};
use crate::runtime::within;
use crate::semantics::decimal;
use crate::semantics::freshness::Timestamp;
use crate::semantics::status::{CacheStatus, ForwardReason};
use crate::semantics::validation::Validators;
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

/// What the origin was asked, and what it said.
struct Reply<E> {
    said: Result<Response, E>,
    request_time: Timestamp,
    /// Whether it was asked for no more than a 304 where nothing has changed.
    conditional: bool,
    /// Whether it was asked for a whole answer, whatever the client wants.
    whole: bool,
}

impl Cache {
    /// Answers with what another request is fetching, or fetches it, for others too.
    pub(super) async fn obtain<O: Origin>(
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
            let visitor = Visitor::with(stored);
            let reply = self.fetch(plan, &question, &visitor, origin).await;
            let answer = self.answer(plan, &question, reason, &visitor, reply, None);
            return (question, answer);
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
        let reply = self.fetch(&plan, &question, &visitor, origin).await;
        if !visitor.has_left() {
            return Some(self.answer(&plan, &question, reason, &visitor, reply, landing));
        }
        // What was found is on its way to the visitor, or nothing was: the answer is for the tiers alone, and those who wait.
        let failed = reply.said.as_ref().map_or(true, |said| is_failure(said.status));
        let whole = reply.whole || wants_all(&plan, &question);
        let work = match reply.said {
            Ok(said) if whole && !question.no_store => {
                let plan = Plan { head: false, ..plan.clone() };
                let found = found.unwrap_or_default();
                self.taken_in(&plan, &question, &found, said, reply.request_time).await
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

    async fn fetch<O: Origin>(
        &self,
        plan: &Plan,
        question: &Question,
        visitor: &Visitor,
        origin: O,
    ) -> Reply<O::Error> {
        let request_time = self.now();
        // A HEAD that goes on as it is says what it has to say in full; a part is not what is asked for.
        let validators = visitor.stored(|stored| match stored {
            Some(hit) if hit.entry.head.part.is_none() && (question.ask.whole || !plan.head) => hit.entry.validators(),
            _ => Validators::default(),
        });
        let conditional = !validators.is_empty();
        let ask = if conditional { question.conditional(validators.into_conditions()) } else { question.ask.clone() };
        let whole = ask.whole;
        Reply { said: origin.fetch(ask).await, request_time, conditional, whole }
    }

    /// What the visitor gets for what the origin said: fills the tiers behind the response, and lets what is stored answer when
    /// the origin confirmed it (RFC 9111 section 4.3) or failed (RFC 5861 section 4).
    fn answer<E>(
        &self,
        plan: &Plan,
        question: &Arc<Question>,
        reason: ForwardReason,
        visitor: &Visitor,
        Reply { said, request_time, conditional, whole }: Reply<E>,
        landing: Option<Landing>,
    ) -> Result<Answer, E> {
        let now = self.now();
        let (part, stored) = match visitor.take_stored() {
            Some(hit) if hit.entry.head.part.is_some() => (Some(hit.entry), None),
            stored => (None, stored),
        };
        let letter = plan.policy.terms.store.to_the_letter;
        let status = CacheStatus::forwarded(reason);
        let failed = |landing: Option<Landing>| landing.into_iter().for_each(|landing| landing.failed(now));
        match (said, stored) {
            // RFC 9111 section 4.2.4: disconnected.
            (Err(error), Some(hit)) => {
                failed(landing);
                let disconnected = || {
                    letter
                        && hit.entry.head.freshness.may_serve_disconnected(now)
                        && !self.is_void(question, &hit.entry.head)
                };
                if self.may_stand_in(question, &hit, now) || disconnected() {
                    Ok(self.serve_stale(plan, question, hit, Event::StaleIfError))
                } else {
                    Err(error)
                }
            }
            (Err(error), None) => {
                failed(landing);
                Err(error)
            }
            (Ok(said), Some(hit)) if is_failure(said.status) && self.may_stand_in(question, &hit, now) => {
                failed(landing);
                let mut answer = self.serve_stale(plan, question, hit, Event::StaleIfError);
                answer.status.forward_status = Some(said.status);
                Ok(answer)
            }
            (Ok(said), Some(hit)) if said.status == 304 && conditional => {
                Ok(self.confirmed(plan, question, hit.entry, &said, request_time, status, landing))
            }
            (Ok(response), stored) => {
                if let Some(hit) = stored.filter(|_| plan.head && !whole) {
                    self.head_says(plan, question, hit, &response, request_time);
                }
                let fetched = Fetched { part, landing, ..Fetched::new(response, request_time, whole, status) };
                Ok(self.fill(plan, question, fetched))
            }
        }
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
                    self.config.0.living.flights.rest(question.slot().name(), now);
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
