//! No answer is older than its lifetime and the stale windows allow, and each says how old it is.
//!
//! An answer that the request's own call of the origin brought or confirmed is as fresh as can be. One that another request
//! was fetching at the time (`collapsed`) is too: it was made while this one waited. Everything else is counted from the moment at
//! which the cache put the question, because the origin's answers here carry no `Date`.

use crate::scenario::Scenario;
use crate::table::{is_safe, rule};
use layercake::sim::{Answer, Call, CallEnd, Exchange, History};
use std::time::Duration;

pub fn check(history: &History, _: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    for (n, exchange) in history.exchanges.iter().enumerate() {
        let Some(answer) = exchange.answer().filter(|_| is_safe(exchange)) else { continue };
        let Some(call) = answer.call().and_then(|place| history.calls.get(place)) else { continue };
        let status = answer.field("cache-status");
        let waited_for = status.contains("collapsed") && call.ended().is_some_and(|ended| ended >= exchange.at);
        if call.exchange == n || waited_for {
            continue;
        }
        if let Err(why) = is_young_enough(history, n, exchange, answer, call) {
            wrong.push(format!("request {n}: {why}"));
        }
    }
    wrong
}

fn is_young_enough(
    history: &History,
    n: usize,
    exchange: &Exchange,
    answer: &Answer,
    call: &Call,
) -> Result<(), String> {
    let rule = rule(&exchange.request.path);
    let age = answer.at.saturating_sub(call.at);
    let Some(lifetime) = rule.lifetime else { return Err("it must not be stored".to_owned()) };
    if answer.age() != Some(Duration::from_secs(age.as_secs())) {
        return Err(format!("its Age is {:?}, it is {age:?} old", answer.field("age")));
    }
    // What the call took does not count against the owner's lifetime.
    let taken = call.ended().unwrap_or(call.at).saturating_sub(call.at);
    let lifetime = if rule.by_fields { lifetime } else { lifetime + taken };
    if age < lifetime + rule.while_revalidating {
        return Ok(());
    }
    if age >= lifetime + rule.on_error {
        return Err(format!("it is {age:?} old, and nothing allows that"));
    }
    if is_failing(history, n, exchange, answer) {
        return Ok(());
    }
    Err(format!("it is {age:?} old, and the origin did not fail"))
}

/// How long a body may come.
const BODY: Duration = Duration::from_secs(2);

/// Whether an answer came whose body did not.
const fn breaks_off(call: &Call) -> bool {
    matches!(call.end, CallEnd::Answered { torn: true, .. })
}

/// How long a page whose origin has just failed is left alone by those who have a stale one.
const RESTS: Duration = Duration::from_secs(2);

/// Whether a call for the same target that the request may have waited for had failed, or was late, when the answer began.
fn is_failing(history: &History, n: usize, exchange: &Exchange, answer: &Answer) -> bool {
    let same_isolate =
        |call: &Call| history.exchanges.get(call.exchange).is_some_and(|other| other.life == exchange.life);
    history.calls.iter().any(|call| {
        let concerned = call.exchange == n || same_isolate(call) && call.seen.target() == exchange.request.target();
        // Where a body breaks off, that is later.
        let until = if breaks_off(call) { BODY } else { RESTS };
        let waited_for = call.at <= answer.at && call.ended().is_none_or(|ended| ended + until >= exchange.at);
        let ended = call.ended().is_some_and(|ended| ended <= answer.at);
        let late = rule(&exchange.request.path)
            .soft_timeout
            .is_some_and(|limit| answer.at >= exchange.at.min(call.at) + limit);
        concerned && waited_for && if ended { call.failed() || breaks_off(call) } else { late }
    })
}
