//! After an unsafe request that succeeded, its isolate does not serve what was asked for before it.
//!
//! What another isolate had asked for before and received after it is excepted: an entry says when it was received, not
//! when it was asked for.
//!
//! The rest holds for a minute whatever the tiers do, for so long does the isolate remember. Later it holds where nobody else
//! can bring the old one back: with one isolate in all, and tiers that forget when they are told to. Elsewhere it cannot: another data
//! centre may have written the old answer to KV, which shows it here when the minute is over.

use crate::scenario::Scenario;
use crate::table::{is_safe, rule};
use layercake::sim::{Call, CallEnd, Exchange, History};
use std::time::Duration;

/// How long an isolate remembers.
const MEMORY: Duration = Duration::from_secs(60);

/// What of a request is keyed on: a change makes void what is stored for its own values.
fn keyed(exchange: &Exchange) -> Option<String> {
    rule(&exchange.request.path).keyed.and_then(|name| exchange.request.text(name))
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// There is one isolate in all, and its tiers forget.
    pub alone: bool,
    /// It holds for what other isolates receive after the change, too.
    pub others_late: bool,
}

pub fn check(history: &History, scenario: &Scenario) -> Vec<String> {
    let alone = scenario.is_healthy() && scenario.data_centres * scenario.isolates == 1;
    find(history, Promise { alone, others_late: false })
}

pub fn find(history: &History, promise: Promise) -> Vec<String> {
    let mut wrong = Vec::new();
    for change in history.calls.iter().filter(|call| &*call.seen.method == "POST") {
        let CallEnd::Answered { at: changed, status: 200, .. } = change.end else { continue };
        let Some(by) = history.exchanges.get(change.exchange) else { continue };
        let Some(told) = by.answer() else { continue };
        for (n, exchange) in history.exchanges.iter().enumerate() {
            let concerned = exchange.life == by.life
                && exchange.at > told.at
                && (promise.alone || exchange.at < changed + MEMORY)
                && is_safe(exchange)
                && exchange.request.target() == by.request.target()
                && keyed(exchange) == keyed(by);
            if !concerned {
                continue;
            }
            let call = exchange.answer().and_then(|answer| history.calls.get(answer.call()?));
            let promised = |call: &Call| {
                let own = history.exchanges.get(call.exchange).is_some_and(|asked| asked.life == by.life);
                own || promise.others_late || call.ended().is_some_and(|ended| ended < changed)
            };
            if let Some(call) = call.filter(|call| call.at < changed && promised(call)) {
                wrong.push(format!("request {n} got what was asked for at {:?}, changed at {changed:?}", call.at));
            }
        }
    }
    wrong
}
