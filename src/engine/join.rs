//! Taking a seat in the call of the origin that is under way for the same thing, and waiting for it to land.

use super::flight::{Boarding, Flight, Landing, Look, Seat};
use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::{Answer, Cache};
use crate::entry::StoredResponse;
use crate::policy::Level;
use crate::runtime::Signal;
use crate::semantics::freshness::Timestamp;
use crate::semantics::reuse::{Reuse, reuse};
use crate::semantics::status::{CacheStatus, ForwardReason};
use crate::stats::Event;
use futures::future::select;
use std::sync::Arc;
use std::time::Duration;

/// How often a follower looks again where nothing may wake it, in milliseconds: at first, and at most.
const LOOKS: (u64, u64) = (1, 16);

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

impl Patience {
    /// The policy's limits count, or the follower's own.
    fn of(plan: &Plan, question: &Question, stored: Option<&Hit>) -> Self {
        let terms = &plan.policy.terms.patience;
        let at = |limit: Duration| question.asked.plus(limit);
        let soft = terms.soft_timeout.map(at).filter(|at| may_stand_in(stored, *at));
        let limit = [soft, terms.hard_timeout.map(at)].into_iter().flatten().min();
        let own = at(terms.collapse_wait.saturating_mul(2));
        match limit {
            Some(limit) if limit <= own => Self { until: limit, is_last: true },
            _ => Self { until: own, is_last: false },
        }
    }
}

/// Whether a request may wait for another's answer, and others for its own: what the origin is asked says nothing of who asks, and
/// the request does not insist on an answer of its own.
pub(super) fn is_shareable(plan: &Plan, question: &Question, reason: ForwardReason) -> bool {
    let plain = !plan.head && question.conditions.is_empty() && !question.conditions.has_range();
    !plan.policy.terms.patience.collapse_wait.is_zero()
        && matches!(reason, ForwardReason::UriMiss | ForwardReason::VaryMiss | ForwardReason::Stale)
        && !question.no_store
        && !question.authorization
        && question.directives.is_none()
        && (question.ask.whole || plain)
}

/// Whether it may be served where the origin fails or is too slow.
pub(super) fn may_stand_in(stored: Option<&Hit>, now: Timestamp) -> bool {
    stored.is_some_and(|hit| hit.entry.head.part.is_none() && hit.entry.head.freshness.may_serve_on_error(now))
}

impl Cache {
    /// Waits for the answer that another request is fetching, if one is.
    pub(super) async fn join(
        &self,
        plan: &Plan,
        question: &mut Question,
        reason: ForwardReason,
        stored: &mut Option<Hit>,
    ) -> Joined {
        let living = &self.config.0.living;
        loop {
            let names = question.names();
            let overtook = |begun| living.voids.overtook(&names, begun);
            let flight = match living.flights.board(self.boarding(plan, question), overtook) {
                Seat::Alone => return Joined::Alone,
                Seat::Leader(landing) => return Joined::Leader(landing),
                Seat::Follower(flight) => flight,
            };
            let patience = Patience::of(plan, question, stored.as_ref());
            match self.follow(plan, question, &flight, patience.until).await {
                Some(Look::Entry(entry)) => {
                    // RFC 9111 section 4.1: it may be another variant.
                    if !question.selects(plan, &entry.head) && question.variant.is_none() {
                        question.turn_to_variant(plan, Arc::clone(&entry.head));
                        continue;
                    }
                    return self.share(plan, question, reason, entry);
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
        let mut pause = LOOKS.0;
        loop {
            let boarding = self.boarding(plan, question);
            if boarding.now >= until {
                return None;
            }
            let (raise, raised) = match self.runtime.signal() {
                Some(Signal { raise, raised }) => (Some(raise), Some(raised)),
                None => (None, None),
            };
            let again = match self.config.0.living.flights.look(flight, boarding, raise) {
                Look::Wait(again) => again.min(until),
                landed => return Some(landed),
            };
            let left = again.since(boarding.now);
            if let Some(raised) = raised {
                drop(select(raised, self.runtime.sleep(left.min(UNWOKEN))).await);
            } else {
                self.runtime.sleep(left.min(Duration::from_millis(pause))).await;
                pause = (2 * pause).min(LOOKS.1);
            }
        }
    }

    fn boarding(&self, plan: &Plan, question: &Question) -> Boarding {
        Boarding {
            key: question.slot().name(),
            seen: question.seen,
            now: self.runtime.now(),
            lease: plan.policy.terms.patience.collapse_wait,
            begun: self.config.0.living.voids.count(),
        }
    }

    /// Answers with the entry that another request was fetching, by the rules that hold for what is stored.
    fn share(&self, plan: &Plan, question: &Question, reason: ForwardReason, entry: StoredResponse) -> Joined {
        let reuse = reuse(&entry.head.freshness, None, self.runtime.now());
        if !question.selects(plan, &entry.head)
            || !matches!(reuse, Reuse::Fresh | Reuse::StaleWhileRevalidate)
            || self.is_void(question, entry.head.received)
        {
            return Joined::Alone;
        }
        let hit = Hit { entry, place: 0, level: Level::Hot };
        let answer = self.serve(plan, question, hit, "collapsed", Event::Collapsed);
        // RFC 9211 section 2.6
        let status = CacheStatus { collapsed: true, ttl: answer.status.ttl, ..CacheStatus::forwarded(reason) };
        Joined::Answered(Box::new(Answer { status, ..answer }))
    }

    /// The origin has failed somebody else, or keeps everybody waiting: it need not be asked again to know.
    fn stand_in(&self, plan: &Plan, question: &Question, stored: &mut Option<Hit>) -> Option<Joined> {
        if !may_stand_in(stored.as_ref(), self.runtime.now()) {
            return None;
        }
        let hit = stored.take()?;
        Some(Joined::Answered(Box::new(self.serve_stale(plan, question, hit, Event::StaleIfError))))
    }
}
