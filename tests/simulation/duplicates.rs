//! The origin is not asked more often than the stated bounds allow.

use crate::scenario::Scenario;
use crate::table::{is_safe, rule, slot};
use layercake::policy::Level;
use layercake::sim::{Call, CallEnd, History};
use std::time::Duration;

/// What the engine promises.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// One refresh at a time of each key in each isolate; another may begin when the first has ended or has had this long.
    pub lease: Duration,
    /// In a data centre whose L1 is healthy one refresh at a time of each entry, but for those that begin within this time, before
    /// the marker of the first is there to be seen. `None`: no promise.
    pub marker: Option<Duration>,
    /// One call at a time for each key that nobody has stored, in each isolate, and one more for each such time that it takes longer,
    /// up to twice. `None`: no promise.
    pub collapse_wait: Option<Duration>,
}

pub const PROMISED: Bounds = Bounds {
    marker: Some(Duration::from_millis(50)),
    lease: Duration::from_secs(30),
    collapse_wait: Some(Duration::from_secs(5)),
};

pub fn check(history: &History, scenario: &Scenario) -> Vec<String> {
    let marked = scenario.is_healthy() && scenario.tiers.contains(Level::L1);
    find(history, Bounds { marker: PROMISED.marker.filter(|_| marked), ..PROMISED })
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
    let place = |call: &Call| history.exchanges.get(call.exchange).map(|exchange| exchange.data_centre);
    let entry = |call: &Call| history.exchanges.get(call.exchange)?.answer()?.call();
    // A lease begins with the answer: further tiers are asked first.
    let behind = |call: &Call| history.exchanges[call.exchange].answer().map_or(call.at, |answer| answer.at);
    let life = |call: &Call| history.exchanges.get(call.exchange).map(|exchange| exchange.life);
    for (n, call) in &refreshes {
        let lapses = behind(call) + bounds.lease;
        for (m, other) in refreshes.iter().filter(|(m, _)| m > n) {
            let overlap = call.ended().is_none_or(|ended| other.at < ended) && behind(other) < lapses;
            if life(call) == life(other) && slot(call) == slot(other) && overlap {
                wrong.push(format!("calls {n} and {m} refresh the same at the same time"));
            }
            let elsewhere = life(call) != life(other) && place(call) == place(other) && entry(call) == entry(other);
            let seen = bounds.marker.is_some_and(|race| behind(other) > behind(call) + race);
            if elsewhere && overlap && seen {
                wrong.push(format!("calls {n} and {m} refresh the same in one data centre"));
            }
        }
    }
    if let Some(wait) = bounds.collapse_wait {
        wrong.extend(not_collapsed(history, wait));
    }
    wrong
}

/// How long the cache remembers that a key's answers are not for sharing.
const APART: Duration = Duration::from_secs(30);

/// How much later than the wait begins the call may begin: work behind responses may begin late.
const LATE: Duration = Duration::from_millis(500);

/// Calls that a visitor waited for, and that need not have been made: another one of the isolate was under way for the same, and
/// had not been for as long as one waits. Variants are left out: who finds the first one, and who does not because it was
/// evicted, look in different places. What turned out not to be for sharing is not waited for again for half a minute.
fn not_collapsed(history: &History, wait: Duration) -> Vec<String> {
    let life = |call: &Call| history.exchanges[call.exchange].life;
    let same = |call: &Call, other: &Call| life(call) == life(other) && slot(call) == slot(other);
    let asked: Vec<(usize, &Call)> = history
        .calls
        .iter()
        .enumerate()
        .filter(|(_, call)| is_shared(history, call) && !is_refresh(history, call))
        // Who has waited twice as long asks for himself, and nobody waits for him.
        .filter(|(_, call)| call.at < history.exchanges[call.exchange].at + 2 * wait)
        .collect();
    let mut wrong = Vec::new();
    for (place, (m, second)) in asked.iter().enumerate() {
        for (n, first) in asked[..place].iter().filter(|(_, first)| same(first, second)) {
            let under_way = first.ended().is_none_or(|ended| second.at < ended);
            if !under_way || second.at + LATE >= first.at + wait {
                continue;
            }
            // A body that has yet to come ends the wait, too.
            let spoilt = history.calls.iter().any(|other| {
                let recent = other.at <= second.at && other.ended().is_none_or(|ended| ended + APART > second.at);
                let changed = !matches!(&*other.seen.method, "GET" | "HEAD");
                recent
                    && life(other) == life(second)
                    && other.seen.target() == second.seen.target()
                    && (changed || is_for_one(history, other))
            });
            // An earlier call that others had taken over from has ended meanwhile: nobody waits for them any more.
            let landed = history.calls.iter().any(|other| {
                let ended = other.ended().is_some_and(|ended| first.at <= ended && ended <= second.at);
                ended && same(other, second) && is_shared(history, other)
            });
            if !spoilt && !landed {
                wrong.push(format!("call {m} was made while call {n} was under way for the same"));
            }
        }
    }
    wrong
}

/// Whether what the call brings may be shared with others that wait, as far as its request goes.
fn is_shared(history: &History, call: &Call) -> bool {
    let (request, rule) = (&history.exchanges[call.exchange].request, rule(&call.seen.path));
    let own = |name| request.text(name).is_some() && rule.keyed != Some(name) && !rule.anonymous;
    rule.lifetime.is_some()
        && !rule.varies
        && is_safe(&history.exchanges[call.exchange])
        && !own("authorization")
        && !own("cookie")
        && request.text("cache-control").is_none()
}

/// Whether what the call brought was not for sharing, or did not come in time.
fn is_for_one(history: &History, call: &Call) -> bool {
    let good = matches!(call.end, CallEnd::Answered { status: 200 | 304, torn: false, .. });
    let slow_body = rule(&call.seen.path).streamed;
    let answer = history.exchanges[call.exchange].answer();
    let not_stored = answer.is_some_and(|answer| answer.field("cache-status").contains("; detail="));
    is_shared(history, call) && call.ended().is_some() && (!good || slow_body || not_stored)
}
