//! What the origin says of a stored response without sending its body: 304 to a question of ours, 200 to a HEAD (RFC 9111
//! sections 4.3.4 and 4.3.5).
//!
//! What is written when: the nearer tiers are given the renewed entry, around the body they have; a store that cannot
//! change header fields alone is given it anew from its own stream. L2 keeps the copy it has, which other data centres go
//! on validating for themselves, and is written to only when that copy would be gone before the next validation: once in
//! a while of `keep`, not once in a lifetime.

use super::fill::{Fetched, Made, Measure, remove_hop_by_hop};
use super::lookup::Hit;
use super::plan::{Plan, Question};
use super::resilience::Landing;
use super::store::Store;
use super::{Answer, Cache};
use crate::entry::{Head, StoredResponse};
use crate::message::{HeaderFields, Response};
use crate::semantics::cache_control::{CacheControl, TARGETS};
use crate::semantics::freshness::Timestamp;
use crate::semantics::status::CacheStatus;
use crate::semantics::storage::is_shared;
use crate::semantics::validation::{head_agrees, replaces};
use crate::stats::Event;
use std::sync::Arc;

impl Cache {
    /// The origin says that the stored response is still good: it is updated, and answers.
    #[allow(clippy::too_many_arguments, reason = "all that is known of one exchange with the origin")]
    pub(super) fn confirmed(
        &self,
        plan: &Plan,
        question: &Arc<Question>,
        stored: StoredResponse,
        said: &Response,
        request_time: Timestamp,
        mut status: CacheStatus,
        landing: Option<Landing>,
    ) -> Answer {
        status.forward_status = Some(304);
        if !stored.validators().confirmed_by(&said.headers) {
            // 4.3.4: it is about another response. Ours is current all the same, for that was the question; but nothing
            // more is known of it.
            self.forget_behind(plan, question);
            let age = Some(stored.head.freshness.age(self.now()).as_secs());
            let mut response = as_response(stored);
            let length = response.body.len();
            self.suit(plan, question, &mut response, length);
            if let Some(landing) = landing {
                landing.release(self.now());
            }
            let status = status.detail("validator-mismatch");
            return Answer { response, status, event: Event::Validated, age, now: self.now() };
        }
        let renews = Some(Arc::clone(&stored.head));
        let may_update = may_update(plan, question, said);
        let mut response = updated(stored, said.headers.as_ref());
        if !may_update {
            let length = response.body.len();
            self.suit(plan, question, &mut response, length);
            let status = status.detail("authorization");
            return Answer { response, status, event: Event::Validated, age: None, now: self.now() };
        }
        let fetched = Fetched::new(response, request_time, true, status);
        self.fill(plan, question, Fetched { event: Event::Validated, renews, landing, ..fetched })
    }

    /// The origin answered a HEAD: what it says of the stored response to GET updates it, or makes it void.
    pub(super) fn head_says(
        &self,
        plan: &Plan,
        question: &Question,
        hit: Hit,
        said: &Response,
        request_time: Timestamp,
    ) {
        let entry = hit.entry;
        if said.status != 200 || entry.head.part.is_some() || question.no_store || !may_update(plan, question, said) {
            return;
        }
        if !head_agrees(&said.headers, &entry.headers, entry.head.length) {
            self.forget_behind(plan, question);
            return;
        }
        let head = Arc::clone(&entry.head);
        let response = updated(entry, said.headers.as_ref());
        let get = Plan { head: false, ..plan.clone() };
        if let Some((store, entry)) = self.stored_from(&get, question, response, Some(&head), request_time) {
            store.run_behind(entry);
        }
    }

    /// The work of storing a response that nobody waits for, in place of the entry that it `renews`.
    pub(super) fn stored_from(
        &self,
        plan: &Plan,
        question: &Question,
        mut response: Response,
        renews: Option<&Head>,
        request_time: Timestamp,
    ) -> Option<(Store, StoredResponse)> {
        let measure = Measure::of(&response);
        let (storable, slot) = self.admit(plan, question, true, &response, measure, request_time).ok()?;
        let (key, newcomer) = (slot.key.clone(), slot.newcomer);
        let Made { mut entry, body, l2_keeps } = self.entry(plan, storable, slot, renews, &mut response, measure);
        entry.body = body;
        let mut store = self.store_in_place(plan, question, &key, &entry, l2_keeps)?;
        store.newcomer = newcomer;
        Some((store, entry))
    }
}

/// RFC 9111 section 3.5: what is said to a credential gets into an entry that others share only if it says itself that it may.
pub(super) fn may_update(plan: &Plan, question: &Question, said: &Response) -> bool {
    let governing = || CacheControl::of_response(&said.headers, &plan.policy.terms.store.targets);
    !question.authorization || is_shared(&governing().directives)
}

pub(super) fn as_response(stored: StoredResponse) -> Response {
    Response { status: stored.head.status, headers: stored.headers, body: stored.body, luggage: None }
}

/// The stored response with the fields of `said` in place of its own (RFC 9111 section 3.2). What the cache itself had
/// declared, and the times of the old answer, are not the handler's word on the new one.
pub(super) fn updated(stored: StoredResponse, said: &dyn HeaderFields) -> Response {
    let declared = stored.head.declared;
    let mut response = as_response(stored);
    let headers = &mut response.headers;
    let gone =
        [("age", true), ("date", true), ("cache-control", declared.cache_control), (TARGETS[0], declared.target)];
    for (name, _) in gone.iter().filter(|(_, gone)| *gone) {
        headers.remove(name);
    }
    let mut said = said.boxed_clone();
    remove_hop_by_hop(said.as_mut());
    let mut last = String::new();
    said.for_each(&mut |name, value| {
        let Ok(value) = std::str::from_utf8(value) else { return };
        if !replaces(name) {
            return;
        }
        // The lines of one name follow each other.
        if last != name {
            headers.remove(name);
            name.clone_into(&mut last);
        }
        headers.append(name, value);
    });
    response
}
