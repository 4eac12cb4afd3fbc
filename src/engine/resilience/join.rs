//! Taking a seat in the call of the origin that is under way for the same thing, and waiting for it to land.

use super::flight::{Boarding, Flight, Look, Seat};
use super::landing::Landing;
use crate::engine::lookup::{Found, Hit};
use crate::engine::plan::{Plan, Question};
use crate::engine::{Answer, Cache};
use crate::entry::StoredResponse;
use crate::policy::Level;
use crate::runtime::{Signal, within};
use crate::semantics::freshness::Timestamp;
use crate::semantics::reuse::{Reuse, reuse};
use crate::semantics::status::{CacheStatus, ForwardReason};
use crate::stats::Event;
use std::sync::Arc;
use std::time::Duration;

/// How long a follower pauses before it looks again, where nothing may wake it: an eighth of the time it has waited, within
/// these bounds, so that many followers do not keep their leader from the processor.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(64));

/// How long a follower that is woken waits without a look of its own: a panic takes away the flight together with those
/// who would wake it, and a timer that has ended is how the host notices.
const UNWOKEN: Duration = Duration::from_secs(1);

/// How a request fared that might share another's call of the origin.
pub(super) enum Joined {
    /// It asks, and others wait.
    Leader(Landing),
    /// It asks for itself.
    Alone,
    Answered(Box<Answer>),
}

/// Until when a follower waits.
struct Patience {
    until: Timestamp,
    /// It is then too late to ask the origin.
    is_last: bool,
}

/// Whether a request may wait for another's answer, and others for its own: what the origin is asked says nothing of who asks, and
/// the request does not insist on an answer of its own.
pub(super) fn is_shareable(plan: &Plan, question: &Question, reason: ForwardReason) -> bool {
    !plan.policy.terms.patience.collapse_wait.is_zero()
        && matches!(reason, ForwardReason::UriMiss | ForwardReason::VaryMiss | ForwardReason::Stale)
        && !question.no_store
        && !question.authorization
        && question.directives.is_none()
        && wants_all(plan, question)
}

/// Whether what has come will do for others too: it is whole, and need not be validated first.
pub(super) fn is_for_others(entry: &StoredResponse, now: Timestamp) -> bool {
    let reuse = reuse(&entry.head.freshness, None, now);
    entry.head.part.is_none() && matches!(reuse, Reuse::Fresh | Reuse::StaleWhileRevalidate)
}

/// Whether a request asks the origin for neither more nor less than a whole answer.
pub(super) fn wants_all(plan: &Plan, question: &Question) -> bool {
    question.ask.whole || (!plan.head && question.conditions.is_empty() && !question.conditions.has_range())
}

impl Cache {
    /// Waits for the answer that another request is fetching, if one is. The origin has been wanted `since` that time.
    pub(super) async fn join(
        &self,
        plan: &Plan,
        question: &mut Question,
        reason: ForwardReason,
        stored: &mut Option<Hit>,
        since: Timestamp,
    ) -> Joined {
        let living = &self.config.0.living;
        loop {
            let names = question.names();
            let overtook = |begun| living.voids.overtook(&names, begun);
            let mut boarding = self.boarding(plan, question);
            boarding.can_rest = stored.as_ref().is_some_and(|hit| self.may_stand_in(question, hit, boarding.now));
            let flight = match living.guard.flights.board(boarding, overtook) {
                Seat::Alone => return Joined::Alone,
                Seat::Resting => return self.stand_in(plan, question, stored).unwrap_or(Joined::Alone),
                Seat::Leader(landing) => return Joined::Leader(landing),
                Seat::Follower(flight) => flight,
            };
            let patience = self.patience(plan, question, stored.as_ref(), since);
            match self.follow(plan, question, &flight, patience.until).await {
                Some(Look::Entry(entry)) => {
                    // RFC 9111 section 4.1: it may be another variant.
                    if !question.selects(plan, &entry.head) {
                        if question.variant.is_some() {
                            return Joined::Alone;
                        }
                        question.turn_to_variant(plan, Arc::clone(&entry.head));
                        continue;
                    }
                    let hit = Hit { entry, place: 0, level: Level::Hot, at: self.now() };
                    match self.share(plan, question, reason, hit) {
                        Some(answer) => return Joined::Answered(Box::new(answer)),
                        // It came too late to be of use: one of those who waited asks anew.
                        None => question.seen = living.guard.flights.landings(),
                    }
                }
                Some(Look::Stored) => {
                    let wanted = question.slot().name();
                    return match self.lookup(plan, question).await {
                        Found::Fresh(hit) | Found::Refresh(hit) => {
                            let answer = self.share(plan, question, reason, hit);
                            answer.map_or(Joined::Alone, |answer| Joined::Answered(Box::new(answer)))
                        }
                        // It was another variant.
                        _ if question.slot().name() != wanted => continue,
                        _ => Joined::Alone,
                    };
                }
                Some(Look::Overdue(landing)) => return Joined::Leader(landing),
                Some(Look::Failed) => return self.stand_in(plan, question, stored).unwrap_or(Joined::Alone),
                None if patience.is_last => {
                    self.config.record(plan.route, Event::TimedOut);
                    let late = || Joined::Answered(Box::new(self.too_late(plan, reason)));
                    return self.stand_in(plan, question, stored).unwrap_or_else(late);
                }
                Some(Look::Apart | Look::Wait(_)) | None => return Joined::Alone,
            }
        }
    }

    /// Waits for a call to land; nothing when it has not by then.
    async fn follow(&self, plan: &Plan, question: &Question, flight: &Arc<Flight>, until: Timestamp) -> Option<Look> {
        let since = self.now();
        loop {
            let boarding = self.boarding(plan, question);
            if boarding.now >= until {
                return None;
            }
            let (raise, raised) = match self.runtime.signal() {
                Some(Signal { raise, raised }) => (Some(raise), Some(raised)),
                None => (None, None),
            };
            let again = match self.config.0.living.guard.flights.look(flight, boarding, raise) {
                Look::Wait(again) => again.min(until),
                landed => return Some(landed),
            };
            let left = again.since(boarding.now);
            if let Some(raised) = raised {
                within(&*self.runtime, Some(left.min(UNWOKEN)), raised).await;
            } else {
                let pause = (boarding.now.since(since) / 8).clamp(PAUSES.0, PAUSES.1);
                self.runtime.sleep(left.min(pause)).await;
            }
        }
    }

    fn boarding(&self, plan: &Plan, question: &Question) -> Boarding {
        Boarding {
            key: question.slot().name(),
            seen: question.seen,
            now: self.now(),
            lease: plan.policy.terms.patience.collapse_wait,
            begun: self.config.0.living.voids.count(),
            can_rest: false,
        }
    }

    /// The policy's limits count, or the follower's own.
    fn patience(&self, plan: &Plan, question: &Question, stored: Option<&Hit>, since: Timestamp) -> Patience {
        let terms = &plan.policy.terms.patience;
        let at = |limit: Duration| since.plus(limit);
        let helps = |at: &Timestamp| stored.is_some_and(|hit| self.may_stand_in(question, hit, *at));
        let soft = terms.soft_timeout.map(at).filter(helps);
        let limit = [soft, terms.hard_timeout.map(at)].into_iter().flatten().min();
        let own = at(terms.collapse_wait.saturating_mul(2));
        match limit {
            Some(limit) if limit <= own => Patience { until: limit, is_last: true },
            _ => Patience { until: own, is_last: false },
        }
    }

    /// Answers with the entry that another request was fetching, by the rules that hold for what is stored.
    fn share(&self, plan: &Plan, question: &Question, reason: ForwardReason, hit: Hit) -> Option<Answer> {
        let entry = &hit.entry;
        if !question.selects(plan, &entry.head)
            || !is_for_others(entry, self.now())
            || self.is_void(question, &entry.head)
        {
            return None;
        }
        let answer = self.serve(plan, question, hit, "collapsed", Event::Collapsed, self.now());
        // RFC 9211 section 2.6
        let status = CacheStatus { collapsed: true, ttl: answer.status.ttl, ..CacheStatus::forwarded(reason) };
        Some(Answer { status, ..answer })
    }

    /// The origin has failed somebody else, or keeps everybody waiting: it need not be asked again to know.
    fn stand_in(&self, plan: &Plan, question: &Question, stored: &mut Option<Hit>) -> Option<Joined> {
        let now = self.now();
        let hit = stored.take_if(|hit| self.may_stand_in(question, hit, now))?;
        Some(Joined::Answered(Box::new(self.serve_stale(plan, question, hit, Event::StaleIfError))))
    }
}
