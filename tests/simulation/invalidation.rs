//! After an unsafe request that succeeded, its isolate does not serve what was asked for before it.
//!
//! That goes for what other isolates had asked for before and received after it, too.
//!
//! The rest holds for a minute whatever the tiers do, for so long does the isolate remember. Later it holds where nobody else
//! can bring the old one back: with one isolate in all, and tiers that forget when they are told to. Elsewhere it cannot: another data
//! centre may have written the old answer to KV, which shows it here when the minute is over.

use crate::scenario::Scenario;
use crate::table::{is_safe, rule};
use layercake::sim::{CallEnd, Exchange, History};
use std::time::Duration;

/// How long an isolate remembers.
const MEMORY: Duration = Duration::from_secs(60);

/// What of a request is keyed on: a change makes void what is stored for its own values.
fn keyed(exchange: &Exchange) -> Option<String> {
    rule(&exchange.request.path).keyed.and_then(|name| exchange.request.text(name))
}

pub fn check(history: &History, scenario: &Scenario) -> Vec<String> {
    find(history, scenario.is_healthy() && scenario.data_centres * scenario.isolates == 1)
}

/// Where there is one isolate in all, and its tiers forget, it holds for ever.
pub fn find(history: &History, alone: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for change in history.calls.iter().filter(|call| &*call.seen.method == "POST") {
        let CallEnd::Answered { at: changed, status: 200, .. } = change.end else { continue };
        let Some(by) = history.exchanges.get(change.exchange) else { continue };
        let Some(told) = by.answer() else { continue };
        for (n, exchange) in history.exchanges.iter().enumerate() {
            let concerned = exchange.life == by.life
                && exchange.at > told.at
                && (alone || exchange.at < changed + MEMORY)
                && is_safe(exchange)
                && exchange.request.target() == by.request.target()
                && keyed(exchange) == keyed(by);
            if !concerned {
                continue;
            }
            let call = exchange.answer().and_then(|answer| history.calls.get(answer.call()?));
            if let Some(call) = call.filter(|call| call.at < changed) {
                wrong.push(format!("request {n} got what was asked for at {:?}, changed at {changed:?}", call.at));
            }
        }
    }
    wrong
}
