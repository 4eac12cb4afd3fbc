//! Asking the origin when nothing stored will do as it is, and what stands in when it fails.

use super::fill::Fetched;
use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::resilience::Landing;
use super::{Answer, Cache, Origin};
use crate::message::Response;
use crate::semantics::freshness::Timestamp;
use crate::semantics::status::{CacheStatus, ForwardReason};
use crate::semantics::validation::Validators;
use crate::stats::Event;
use std::sync::Arc;

/// What the origin was asked, and what it said.
pub(super) struct Reply<E> {
    pub(super) said: Result<Response, E>,
    pub(super) request_time: Timestamp,
    /// Whether it was asked for no more than a 304 where nothing has changed.
    conditional: bool,
    /// Whether it was asked for a whole answer, whatever the client wants.
    pub(super) whole: bool,
}

/// Whether an answer of this status is a failure of the origin, for which something stale may stand in (RFC 5861 section 4).
pub(super) const fn is_failure(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

impl Cache {
    /// Whether an entry may be served at `now` where the origin fails or is too slow.
    pub(super) fn may_stand_in(&self, question: &Question, hit: &Hit, now: Timestamp) -> bool {
        let head = &hit.entry.head;
        // The change that made it void is no failure.
        head.part.is_none() && head.freshness.may_serve_on_error(now) && !self.is_void(question, head)
    }

    /// Asks the origin and answers with what it says.
    pub(super) async fn ask<O: Origin>(
        &self,
        plan: &Plan,
        question: &Arc<Question>,
        reason: ForwardReason,
        stored: Option<Hit>,
        origin: O,
    ) -> Result<Answer, O::Error> {
        let validators = question.validators(plan, stored.as_ref());
        let reply = self.fetch(question, validators, origin).await;
        self.answer(plan, question, reason, stored, reply, None)
    }

    /// Asks the origin, conditionally where there are `validators`.
    pub(super) async fn fetch<O: Origin>(
        &self,
        question: &Question,
        validators: Validators,
        origin: O,
    ) -> Reply<O::Error> {
        let request_time = self.now();
        let conditional = !validators.is_empty();
        let ask = if conditional { question.conditional(validators.into_conditions()) } else { question.ask.clone() };
        let whole = ask.whole;
        Reply { said: origin.fetch(ask).await, request_time, conditional, whole }
    }

    /// What the visitor gets for what the origin said: fills the tiers behind the response, and lets what is stored answer when
    /// the origin confirmed it (RFC 9111 section 4.3) or failed (RFC 5861 section 4).
    pub(super) fn answer<E>(
        &self,
        plan: &Plan,
        question: &Arc<Question>,
        reason: ForwardReason,
        stored: Option<Hit>,
        Reply { said, request_time, conditional, whole }: Reply<E>,
        landing: Option<Landing>,
    ) -> Result<Answer, E> {
        let now = self.now();
        let (part, stored) = match stored {
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
}

impl Question {
    /// By what the origin is asked whether what was found is still good.
    pub(super) fn validators(&self, plan: &Plan, stored: Option<&Hit>) -> Validators {
        match stored {
            // A HEAD that goes on as it is says what it has to say in full; a part is not what is asked for.
            Some(hit) if hit.entry.head.part.is_none() && (self.ask.whole || !plan.head) => hit.entry.validators(),
            _ => Validators::default(),
        }
    }
}
