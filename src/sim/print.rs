//! A history in words, one line for each thing that happened, in order of time.

use crate::sim::{Answer, Call, CallEnd, Exchange, History, Outcome};
use crate::stats::Event;
use bytes::Bytes;
use std::fmt;
use std::time::Duration;

/// The first line of a body.
fn first_line(body: &Bytes) -> String {
    let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line.get(..line.len().min(80)).unwrap_or(line)).into_owned()
}

fn time(at: Duration) -> String {
    format!("{:>4}.{:03}", at.as_secs(), at.subsec_millis())
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body.as_ref().map_or_else(|| "(broke off)".to_owned(), first_line);
        let (call, age, status) = (self.field("sim-call"), self.field("age"), self.field("cache-status"));
        write!(f, "{} {body:?} call={call} age={age} {status}", self.status)?;
        write!(f, " body ended {}", time(self.ended))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "for {} {} version {}: ", self.exchange, self.seen, self.version)?;
        match self.end {
            CallEnd::Answered { at, status, torn } => {
                write!(f, "{status}{} at {}", if torn { " (torn)" } else { "" }, time(at))
            }
            CallEnd::Failed { at } => write!(f, "failed at {}", time(at)),
            CallEnd::Dropped { at } => write!(f, "dropped at {}", time(at)),
            CallEnd::Pending => write!(f, "never ended"),
        }
    }
}

impl Exchange {
    fn end(&self) -> Option<(Duration, String)> {
        match &self.outcome {
            Outcome::Answered(answer) => Some((answer.at, format!("answer {answer}"))),
            Outcome::Failed { at } => Some((*at, "failed".to_owned())),
            Outcome::Disconnected { at, begun } => Some((*at, format!("client left, answer begun: {begun}"))),
            Outcome::Lost { at, begun } => Some((*at, format!("lost with its isolate, answer begun: {begun}"))),
            Outcome::Pending { .. } => None,
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<(Duration, u8, String)> = Vec::new();
        for (n, exchange) in self.exchanges.iter().enumerate() {
            let Exchange { at, data_centre, isolate, life, request, .. } = exchange;
            lines.push((*at, 0, format!("request {n} to {data_centre}/{isolate} (life {life}): {request}")));
            match exchange.end() {
                Some((at, text)) => lines.push((at, 2, format!("request {n}: {text}"))),
                None => lines.push((self.ended, 3, format!("request {n}: never ended"))),
            }
        }
        for (n, call) in self.calls.iter().enumerate() {
            lines.push((call.at, 1, format!("call {n} {call}")));
        }
        lines.extend(self.log.iter().map(|(at, line)| (*at, 1, format!("log: {line}"))));
        // Stable: what happens at one time stays in order.
        lines.sort_by_key(|(at, kind, _)| (*at, *kind));
        for (at, _, line) in lines {
            writeln!(f, "{}  {line}", time(at))?;
        }
        for ((dc, level), tally) in &self.tiers {
            let (gets, found, puts) = (tally.gets, tally.found, tally.puts);
            writeln!(
                f,
                "tier {dc}/{}: {gets} gets, {found} found, {puts} puts, {} deletes, {} faults",
                level.as_str(),
                tally.deletes,
                tally.faults
            )?;
        }
        for (n, books) in self.isolates.iter().enumerate() {
            write!(f, "life {n}, isolate {}/{}:", books.data_centre, books.isolate)?;
            for (event, count) in Event::ALL.iter().map(|e| (e, books.stats.count(*e))).filter(|(_, n)| *n > 0) {
                write!(f, " {} {count}", event.as_str())?;
            }
            writeln!(f)?;
        }
        let Self { cut_off, vanished, left, crossed, bill, .. } = self;
        writeln!(f, "tasks: {cut_off} cut off, {vanished} vanished, {left} left; {crossed} wakes across requests")?;
        writeln!(f, "kv: {bill}")
    }
}
