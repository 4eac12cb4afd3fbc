//! Who has seen a version does not see an older one later, in the same isolate.
//!
//! What holds: when a client was given an answer that the isolate stored or had stored, and another asks the same isolate after
//! that answer was stored there, the second one's answer is not older: the call that it goes back to did not end before the
//! first one's began, and its body had come by then (what is stored last counts, and an older answer's body may come more
//! slowly than a newer one's). That is so in a data centre with one isolate, one world of KV, healthy tiers and no evictions.
//!
//! Why no more than that: two isolates of one data centre share an L1 that has no way to say "only if it is newer", and each has
//! a memory of its own for some seconds; KV shows writes elsewhere after up to a minute, in any order, and goes on with what it
//! has read; what is evicted is looked for further away, where an older one may be.

use crate::scenario::Scenario;
use crate::table::{is_safe, rule, slot};
use layercake::sim::{Answer, Call, Exchange, History};
use std::time::Duration;

/// How long storing takes behind a response whose body has come.
const SETTLED: Duration = Duration::from_secs(1);

/// How long a body may come that is not all there at once.
const BODY: Duration = Duration::from_secs(2);

pub fn check(history: &History, scenario: &Scenario) -> Vec<String> {
    if !scenario.is_healthy() || scenario.data_centres * scenario.isolates > 1 || scenario.mix.reset > 0 {
        return Vec::new();
    }
    find(history)
}

pub fn find(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    let seen: Vec<(usize, &Exchange, &Answer, &Call)> = history
        .exchanges
        .iter()
        .enumerate()
        .filter(|(_, exchange)| is_safe(exchange))
        .filter_map(|(n, exchange)| {
            let answer = exchange.answer()?;
            Some((n, exchange, answer, history.calls.get(answer.call()?)?))
        })
        .collect();
    for (first, one, answer, newer) in &seen {
        let status = answer.field("cache-status");
        if !(status.contains("hit") || status.contains("; stored")) || answer.body.is_none() {
            continue;
        }
        for (second, other, _, older) in seen.iter().filter(|(n, ..)| n > first) {
            let same = one.life == other.life && slot(newer) == slot(older);
            let later = other.at > answer.ended + SETTLED;
            let slow = if rule(&one.request.path).streamed { BODY } else { Duration::ZERO };
            let before = older.ended().is_some_and(|ended| ended + slow < newer.at);
            if same && later && before && older.version < newer.version {
                let (old, new) = (older.version, newer.version);
                wrong.push(format!("request {second} got version {old}, request {first} had got version {new}"));
            }
        }
    }
    wrong
}
