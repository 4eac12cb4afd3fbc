//! An answer that is served was made by the origin for an equal request: the same target, the same selecting fields, whole, and
//! what was made for one visitor reaches nobody else.

use crate::scenario::Scenario;
use crate::table::{is_safe, rule, selected};
use layercake::sim::{Answer, Call, CallEnd, Exchange, History};

pub fn check(history: &History, _: &Scenario) -> Vec<String> {
    find(history)
}

pub fn find(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    for (n, exchange) in history.exchanges.iter().enumerate() {
        let Some(answer) = exchange.answer() else { continue };
        // The cache speaks for itself only where it has waited long enough.
        if answer.call().is_none() && answer.status == 504 && rule(&exchange.request.path).hard_timeout.is_some() {
            continue;
        }
        let Some((place, call)) = answer.call().and_then(|place| Some((place, history.calls.get(place)?))) else {
            wrong.push(format!("request {n}: no call of the origin led to its answer"));
            continue;
        };
        if let Err(why) = belongs(n, exchange, answer, call) {
            wrong.push(format!("request {n}, answered from call {place}: {why}"));
        }
    }
    wrong
}

fn belongs(n: usize, exchange: &Exchange, answer: &Answer, call: &Call) -> Result<(), String> {
    let (request, rule) = (&exchange.request, rule(&exchange.request.path));
    let CallEnd::Answered { at, status, torn } = call.end else {
        return Err("the call was not answered".to_owned());
    };
    if at > answer.at {
        return Err("the call was answered later".to_owned());
    }
    if (&call.seen.authority, call.seen.target()) != (&request.authority, request.target()) {
        return Err(format!("another target: {}", call.seen));
    }
    if !is_safe(exchange) && call.exchange != n {
        return Err("an unsafe request answered from the cache".to_owned());
    }
    let part_of_visitor = call.audience.split('|').all(|part| request.visitor().split('|').any(|own| own == part));
    if !call.audience.is_empty() && !part_of_visitor {
        return Err(format!("it was made for {:?}", call.audience));
    }
    if rule.personal && !rule.anonymous && is_safe(exchange) && call.audience != request.visitor() {
        return Err(format!("made for {:?}, and {:?} asked", call.audience, request.visitor()));
    }
    if is_safe(exchange) && call.selected != selected(request) {
        return Err(format!("selected by {:?}, asked for {:?}", call.selected, selected(request)));
    }
    if answer.field("sim-version") != call.version.to_string() {
        return Err("fields of another version".to_owned());
    }
    let expected = match answer.status {
        304 => {
            if request.text("if-none-match").is_none() {
                return Err("a 304 that nobody asked for".to_owned());
            }
            &[][..]
        }
        206 => {
            if request.text("range").is_none() {
                return Err("a part that nobody asked for".to_owned());
            }
            &call.content[..10]
        }
        other => {
            if other != status && (other, status) != (200, 304) {
                return Err(format!("status {other}, the origin said {status}"));
            }
            if &*request.method == "HEAD" { &[][..] } else { &call.content[..] }
        }
    };
    match &answer.body {
        None if torn => Ok(()),
        None => Err("the body broke off, and not at the origin".to_owned()),
        Some(_) if torn && !expected.is_empty() && answer.status != 206 => Err("a torn body came whole".to_owned()),
        Some(body) if body != expected => Err("the body is not what the origin sent".to_owned()),
        Some(_) => Ok(()),
    }
}
