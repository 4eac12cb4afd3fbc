//! Asking the origin when nothing stored will do as it is, and what stands in when it fails.

use super::fill::Fetched;
use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::resilience::Landing;
use super::{Answer, Cache, Origin};
use crate::message::{Ask, Response};
use crate::semantics::freshness::Timestamp;
use crate::semantics::status::{CacheStatus, ForwardReason};
use crate::semantics::validation::Validators;
use crate::stats::Event;
use std::sync::Arc;

/// What the origin is asked, but for its words.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) request_time: Timestamp,
    /// Whether it is asked for no more than a 304 where nothing has changed.
    conditional: bool,
    /// Whether it is asked for a whole answer, whatever the client wants.
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
        question: Arc<Question>,
        reason: ForwardReason,
        stored: Option<Hit>,
        origin: O,
    ) -> (Arc<Question>, Result<Answer, O::Error>) {
        let (ask, asked) = self.put_to_origin(plan, &question, stored.as_ref());
        let said = origin.fetch(ask).await;
        let answer = self.answer(plan, &question, reason, stored, (asked, said), None);
        (question, answer)
    }

    /// How the question is put to the origin, by the validators of what was found.
    pub(super) fn put_to_origin(&self, plan: &Plan, question: &Question, stored: Option<&Hit>) -> (Ask, Asked) {
        let request_time = self.now();
        let validators = match stored {
            // A HEAD that goes on as it is says what it has to say in full; a part is not what is asked for.
            Some(hit) if hit.entry.head.part.is_none() && (question.ask.whole || !plan.head) => hit.entry.validators(),
            _ => Validators::default(),
        };
        let conditional = !validators.is_empty();
        let ask = if conditional { question.conditional(validators.into_conditions()) } else { question.ask.clone() };
        let asked = Asked { request_time, conditional, whole: ask.whole };
        (ask, asked)
    }

    /// What the visitor gets for what the origin said: fills the tiers behind the response, and lets what is stored answer when
    /// the origin confirmed it (RFC 9111 section 4.3) or failed (RFC 5861 section 4).
    pub(super) fn answer<E>(
        &self,
        plan: &Plan,
        question: &Arc<Question>,
        reason: ForwardReason,
        stored: Option<Hit>,
        (Asked { request_time, conditional, whole }, said): (Asked, Result<Response, E>),
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
