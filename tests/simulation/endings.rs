//! Everybody is answered in a time that follows from the time limits.

use crate::scenario::Scenario;
use crate::table::{is_safe, rule};
use layercake::sim::{Call, Exchange, History, Outcome};
use std::time::Duration;

/// What the cache may add to the origin's own time: a look-up in each tier (1, 1 and 2 s at most), again for a variant, a small
/// body that does not come (2 s), tiers that are told to forget (2 s), and waiting for others (twice 5 s).
const LONGEST: Duration = Duration::from_secs(2 * 4 + 2 + 2 + 10);

/// What looking into the tiers takes at most.
const LOOK_UPS: Duration = Duration::from_secs(2 * 4 + 2);

pub fn check(history: &History, _: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    for (n, exchange) in history.exchanges.iter().enumerate() {
        if let Err(why) = has_ended(history, n, exchange) {
            wrong.push(format!("request {n}: {why}"));
        }
    }
    wrong
}

fn has_ended(history: &History, n: usize, exchange: &Exchange) -> Result<(), String> {
    let own = || history.calls_for(n);
    let at = match &exchange.outcome {
        Outcome::Pending { begun: true } => return Err("its body never came".to_owned()),
        Outcome::Pending { begun: false } => {
            let silent = own().any(|call| call.ended().is_none());
            return match rule(&exchange.request.path).hard_timeout {
                None if silent => Ok(()),
                // What goes past the cache goes without limits.
                Some(_) if silent && (exchange.request.text("cookie").is_some() || !is_safe(exchange)) => Ok(()),
                _ => Err("it waits for ever, and not for the origin".to_owned()),
            };
        }
        Outcome::Answered(answer) => answer.at,
        Outcome::Failed { at } => {
            let failed = own().any(|call| call.ended().is_some_and(|ended| ended <= *at) && call.failed());
            if !failed {
                return Err("an error, and the origin made none".to_owned());
            }
            *at
        }
        Outcome::Disconnected { .. } | Outcome::Lost { .. } => return Ok(()),
    };
    let taken = |call: &Call| call.ended().unwrap_or(at).min(at).saturating_sub(call.at);
    let origin: Duration = own().map(taken).sum();
    let waited = at.saturating_sub(exchange.at);
    let past = exchange.request.text("cookie").is_some() || !is_safe(exchange);
    if let Some(limit) = rule(&exchange.request.path).hard_timeout.filter(|_| !past)
        && waited > limit + LOOK_UPS
    {
        return Err(format!("{waited:?}, and nobody is to wait for the origin longer than {limit:?}"));
    }
    if waited > origin + LONGEST {
        return Err(format!("{waited:?} for an answer that took the origin {origin:?}"));
    }
    Ok(())
}
