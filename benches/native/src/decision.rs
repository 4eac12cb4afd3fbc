//! May it be stored, may it be used: the rules by themselves.

use crate::fields::{BODY, Of, RECEIVED};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use layercake::semantics::Fields as _;
use layercake::semantics::cache_control::CacheControl;
use layercake::semantics::freshness::{Freshness, Timestamp};
use layercake::semantics::reuse::{Reuse, reuse};
use layercake::semantics::status::CacheStatus;
use layercake::semantics::storage::{RequestFacts, Storable, StoreRules, storable};

pub fn store<B>(rules: &StoreRules, response: &Response<B>) -> Storable {
    let now = Timestamp::from_secs(RECEIVED);
    let facts = RequestFacts { get: true, request_time: now, ..RequestFacts::default() };
    let length = Some(BODY.len() as u64);
    storable(rules, facts, response.status().as_u16(), &Of(response.headers()), length, now).expect("storable")
}

/// The values of `Age` and `Cache-Status` for a fresh hit.
pub fn decide(freshness: &Freshness, request: &Request<()>, now: Timestamp) -> (String, String) {
    let directives = Of(request.headers()).field("cache-control").map(|value| CacheControl::parse(&value));
    assert_eq!(reuse(freshness, directives.as_ref(), now), Reuse::Fresh);
    let age = freshness.age(now).as_secs().to_string();
    (age, CacheStatus::hit(freshness.ttl(now)).detail("l1").to_field())
}

/// The fields of the answer, as `http-cache-semantics` returns them.
pub fn with_fields(stored: &HeaderMap, values: &(String, String)) -> HeaderMap {
    let mut fields = stored.clone();
    for (name, value) in [("age", &values.0), ("cache-status", &values.1)] {
        fields.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
    }
    fields
}
