//! A stored response on its way to the client.

use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::renew::as_response;
use super::{Answer, Cache};
use crate::body::Body;
use crate::message::{HeaderFields as _, Lines, Response};
use crate::semantics::decimal;
use crate::semantics::freshness::Timestamp;
use crate::semantics::range::{Part, Wanted};
use crate::semantics::status::CacheStatus;
use crate::semantics::validation::BODY_FIELDS;
use crate::stats::Event;

impl Cache {
    pub(super) fn serve_fresh(&self, plan: &Plan, question: &Question, hit: Hit) -> Answer {
        let (detail, event, now) = (hit.level.as_str(), Event::hit(hit.level), hit.at);
        self.serve(plan, question, hit, detail, event, now)
    }

    pub(super) fn serve_stale(&self, plan: &Plan, question: &Question, hit: Hit, event: Event) -> Answer {
        let detail = if event == Event::StaleIfError { "stale-if-error" } else { hit.level.as_str() };
        self.serve(plan, question, hit, detail, event, self.now())
    }

    pub(super) fn serve(
        &self,
        plan: &Plan,
        question: &Question,
        hit: Hit,
        detail: &'static str,
        event: Event,
        now: Timestamp,
    ) -> Answer {
        let entry = hit.entry;
        let freshness = entry.head.freshness;
        let length = entry.body.len().or(entry.head.length);
        let part = entry.head.part;
        let mut response = as_response(entry);
        match part {
            Some(part) if !self.not_modified(question, &response) => self.narrow(question, &mut response, part),
            _ => self.suit(plan, question, &mut response, length),
        }
        // RFC 9111 section 5.1: every reuse carries Age.
        let age = Some(freshness.age(now).as_secs());
        Answer { response, status: CacheStatus::hit(freshness.ttl(now)).detail(detail), event, age, now }
    }

    /// The client wants only what is stored, and it is not (RFC 9111 section 5.2.1.7).
    pub(super) fn unsatisfied(&self) -> Answer {
        let mut headers = Box::new(Lines::default());
        headers.set("content-length", "0");
        let response = Response { status: 504, headers, body: Body::empty(), luggage: None };
        let status = CacheStatus::unanswered("only-if-cached");
        Answer { response, status, event: Event::Error, age: None, now: self.now() }
    }

    /// Suits a whole answer to what the client asked: a 304 when it holds the same representation, no body for HEAD, the
    /// part of it that `Range` names.
    pub(super) fn suit(&self, plan: &Plan, question: &Question, response: &mut Response, length: Option<u64>) {
        if self.not_modified(question, response) {
            become_bodyless(response, 304);
        } else if plan.head {
            response.body = Body::empty();
            // RFC 9110 section 8.6: what a GET would say.
            if let Some(length) = length.filter(|_| response.status != 204 && !response.headers.has("content-length")) {
                response.headers.set("content-length", &decimal(length));
            }
        } else if let (200, true, Some(total)) = (response.status, question.conditions.has_range(), length) {
            // RFC 9110 section 14.2
            match question.conditions.wanted(&response.headers, total, self.now()) {
                Wanted::Whole => {}
                Wanted::Part(part) => cut(response, 0, part),
                Wanted::Unsatisfiable => {
                    become_bodyless(response, 416);
                    response.headers.set("content-range", &["bytes */", &decimal(total)].concat());
                    response.headers.set("content-length", "0");
                }
            }
        }
    }

    /// The range the client wants out of a stored part.
    fn narrow(&self, question: &Question, response: &mut Response, part: Part) {
        let wanted = question.conditions.wanted(&response.headers, part.total, self.now());
        if let Wanted::Part(wanted) = wanted {
            cut(response, part.first, wanted);
        }
    }

    /// RFC 9110 section 13.2.1: conditions count only where the answer would otherwise be a success.
    pub(super) fn not_modified(&self, question: &Question, response: &Response) -> bool {
        (200..300).contains(&response.status)
            && !question.conditions.is_empty()
            && question.conditions.not_modified(&response.headers, self.now())
    }
}

/// Makes the answer one of `status`, without a body and what describes it.
fn become_bodyless(response: &mut Response, status: u16) {
    response.status = status;
    response.body = Body::empty();
    response.headers.remove_all(&BODY_FIELDS);
}

/// Makes the answer, whose body begins at the place `from` of the representation, a 206 of `part`.
fn cut(response: &mut Response, from: u64, part: Part) {
    response.status = 206;
    response.body = std::mem::take(&mut response.body).slice(part.first - from, part.len());
    response.headers.set("content-range", &part.to_content_range());
    response.headers.set("content-length", &decimal(part.len()));
}
