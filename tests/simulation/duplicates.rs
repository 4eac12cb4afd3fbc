//! The origin is not asked more often than the stated bounds allow.

use crate::scenario::Scenario;
use crate::table::slot;
use layercake::sim::{Call, History};
use std::time::Duration;

/// What the engine promises.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// One refresh at a time of each key in each isolate; another may begin when the first has ended or has had this long.
    pub lease: Duration,
    /// A refresh that ends after its lease takes away the lease of the one that has begun since.
    pub overrun_frees: bool,
    /// One call at a time for each key that nobody has stored, in each isolate, and one more for each such time that it takes longer,
    /// up to twice. `None`: no promise.
    pub collapse_wait: Option<Duration>,
}

pub const PROMISED: Bounds = Bounds { lease: Duration::from_secs(30), overrun_frees: false, collapse_wait: None };

pub fn check(history: &History, _: &Scenario) -> Vec<String> {
    find(history, PROMISED)
}

/// Whether the call was made behind the answer to its request.
pub fn is_refresh(history: &History, call: &Call) -> bool {
    let answer = history.exchanges.get(call.exchange).and_then(|exchange| exchange.answer());
    answer.is_some_and(|answer| {
        let status = answer.field("cache-status");
        status.contains("; hit") && !status.contains("stale-if-error")
    })
}

pub fn find(history: &History, bounds: Bounds) -> Vec<String> {
    let mut wrong = Vec::new();
    let refreshes: Vec<(usize, &Call)> =
        history.calls.iter().enumerate().filter(|(_, call)| is_refresh(history, call)).collect();
    // A lease begins with the answer: further tiers are asked first.
    let behind = |call: &Call| history.exchanges[call.exchange].answer().map_or(call.at, |answer| answer.at);
    let life = |call: &Call| history.exchanges.get(call.exchange).map(|exchange| exchange.life);
    for (n, call) in &refreshes {
        let lapses = behind(call) + bounds.lease;
        for (m, other) in refreshes.iter().filter(|(m, _)| m > n) {
            let overlap = call.ended().is_none_or(|ended| other.at < ended) && behind(other) < lapses;
            let freed = bounds.overrun_frees
                && refreshes.iter().any(|(_, third)| {
                    let ended = third.ended().filter(|ended| *ended > third.at + bounds.lease);
                    slot(third) == slot(call) && ended.is_some_and(|ended| call.at <= ended && ended <= other.at)
                });
            if life(call) == life(other) && slot(call) == slot(other) && overlap && !freed {
                wrong.push(format!("calls {n} and {m} refresh the same at the same time"));
            }
        }
    }
    wrong
}
