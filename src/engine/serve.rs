//! A stored response on its way to the client.

use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::{Answer, Cache};
use crate::body::Body;
use crate::message::Response;
use crate::semantics::status::CacheStatus;
use crate::semantics::validation::BODY_FIELDS;
use crate::stats::Event;

impl Cache {
    pub(super) fn serve_fresh(&self, plan: &Plan, question: &Question, hit: Hit) -> Answer {
        let (detail, event) = (hit.level.as_str(), Event::hit(hit.level));
        self.serve(plan, question, hit, detail, event)
    }

    pub(super) fn serve_stale(&self, plan: &Plan, question: &Question, hit: Hit, event: Event) -> Answer {
        let detail = if event == Event::StaleIfError { "stale-if-error" } else { hit.level.as_str() };
        self.serve(plan, question, hit, detail, event)
    }

    fn serve(&self, plan: &Plan, question: &Question, hit: Hit, detail: &'static str, event: Event) -> Answer {
        let Hit { entry, .. } = hit;
        let (now, freshness) = (self.runtime.now(), entry.head.freshness);
        let mut response =
            Response { status: entry.head.status, headers: entry.headers, body: entry.body, luggage: None };
        // RFC 9111 section 5.1: every reuse carries Age.
        response.headers.set("age", &freshness.age(now).as_secs().to_string());
        self.suit(plan, question, &mut response);
        Answer { response, status: CacheStatus::hit(freshness.ttl(now)).detail(detail), event, now }
    }

    /// Suits a whole answer to what the client asked: a 304 when it holds the same representation, no body for HEAD.
    pub(super) fn suit(&self, plan: &Plan, question: &Question, response: &mut Response) {
        if self.not_modified(question, response) {
            response.status = 304;
            response.body = Body::empty();
            for name in BODY_FIELDS {
                response.headers.remove(name);
            }
        } else if plan.head {
            response.body = Body::empty();
        }
    }

    /// RFC 9110 section 13.2.1: conditions count only where the answer would otherwise be a 200.
    pub(super) fn not_modified(&self, question: &Question, response: &Response) -> bool {
        response.status == 200
            && !question.conditions.is_empty()
            && question.conditions.not_modified(&response.headers, self.runtime.now())
    }
}
