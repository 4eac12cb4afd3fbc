//! The books balance: each request is counted once, where it was answered, as what it was.

use crate::scenario::Scenario;
use layercake::sim::{Exchange, History, Outcome, Weather};
use layercake::stats::Event;

/// Whether the engine was done with it and its answer, or error, on its way.
fn came_out(exchange: &Exchange) -> bool {
    match exchange.outcome {
        Outcome::Answered(_) | Outcome::Failed { .. } => true,
        Outcome::Disconnected { begun, .. } | Outcome::Lost { begun, .. } | Outcome::Pending { begun } => begun,
    }
}

pub fn check(history: &History, scenario: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    for (life, books) in history.isolates.iter().enumerate() {
        let out = history.exchanges.iter().filter(|exchange| exchange.life == life && came_out(exchange));
        let count = out.count() as u64;
        if books.stats.requests() != count {
            wrong.push(format!("life {life}: {} counted, {count} answered", books.stats.requests()));
        }
        let outcomes = Event::ALL.iter().filter(|event| event.is_outcome()).map(|event| books.stats.count(*event));
        if outcomes.sum::<u64>() != books.stats.requests() {
            wrong.push(format!("life {life}: the outcomes do not add up"));
        }
        let hits = |exchange: &&Exchange| {
            exchange.life == life && exchange.answer().is_some_and(|a| a.field("cache-status").contains("; hit"))
        };
        let whole = !history.exchanges.iter().any(|exchange| {
            exchange.life == life && came_out(exchange) && !matches!(exchange.outcome, Outcome::Answered(_))
        });
        let told = history.exchanges.iter().filter(hits).count() as u64;
        if whole && books.stats.hits() != told {
            wrong.push(format!("life {life}: {} hits counted, {told} told", books.stats.hits()));
        }
    }
    let silent = scenario.weather.iter().any(|(_, weather)| *weather == Weather::Silent);
    let may_hang = silent || !scenario.is_healthy();
    if history.left > 0 && (scenario.hosting.wait_until.is_some() || !may_hang) {
        wrong.push(format!("{} tasks were left behind", history.left));
    }
    if history.crossed > 0 {
        wrong.push(format!("{} times a request woke another directly", history.crossed));
    }
    wrong
}
