//! An answer that is served was made by the origin for an equal request: the same target, the same selecting fields, whole, and
//! what was made for one visitor reaches nobody else.

use crate::scenario::Scenario;
use crate::table::{is_safe, rule, selected};
use layercake::sim::{Answer, Call, CallEnd, Exchange, History};

/// Whether a streamed answer that comes out of the cache may have another version's body: it does now and then, see
/// `known::l2_gets_the_body_that_belongs_to_the_head`.
const MIXED_BODIES: bool = true;

pub fn check(history: &History, _: &Scenario) -> Vec<String> {
    find(history, MIXED_BODIES)
}

pub fn find(history: &History, mixed_bodies: bool) -> Vec<String> {
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
        if let Err(why) = belongs(n, exchange, answer, call, mixed_bodies) {
            wrong.push(format!("request {n}, answered from call {place}: {why}"));
        }
    }
    wrong
}

fn belongs(n: usize, exchange: &Exchange, answer: &Answer, call: &Call, mixed_bodies: bool) -> Result<(), String> {
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
        Some(_) if mixed_bodies && rule.streamed && answer.field("cache-status").contains("; hit") => Ok(()),
        Some(body) if body != expected => Err("the body is not what the origin sent".to_owned()),
        Some(_) => Ok(()),
    }
}
