//! The origin at work: versions that move on, calls that are written down.

use super::core::{Core, lock};
use super::flow::Flow;
use crate::body::Body;
use crate::engine::Origin;
use crate::message::{Ask, HeaderFields as _, Lines, Response};
use crate::runtime::Runtime as _;
use crate::semantics::freshness::millis;
use crate::semantics::{decimal, list_members};
use crate::sim::{Call, CallEnd, OriginScript, Page, Request, Weather};
use bytes::Bytes;
use futures::future::pending;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The simulated handler's error: the origin could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the origin cannot be reached")]
pub struct Unreachable;

pub(super) struct Site {
    core: Arc<Core>,
    script: OriginScript,
    /// How often each path was changed by a request.
    changes: Mutex<HashMap<Box<str>, u64>>,
}

impl Site {
    pub(super) fn new(core: Arc<Core>, script: OriginScript) -> Arc<Self> {
        Arc::new(Self { core, script, changes: Mutex::default() })
    }

    /// The version of what `path` names now; it never goes back.
    fn version(&self, path: &str, page: &Page) -> u64 {
        // Pages of one period do not all change at the same moment.
        let phase = path.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()) % 9973);
        let period = page.period.map_or(0, millis);
        let by_itself = (millis(self.core.now()) + phase).checked_div(period).unwrap_or_default();
        1 + by_itself + lock(&self.changes).get(path).copied().unwrap_or_default()
    }

    fn begin(&self, exchange: usize, seen: &Request, page: &Page) -> Noted {
        let call = Call {
            at: self.core.now(),
            exchange,
            seen: seen.clone(),
            audience: page.audience(seen),
            selected: page.selected(seen),
            version: 0,
            content: Bytes::new(),
            end: CallEnd::Pending,
        };
        let mut history = self.core.history();
        history.calls.push(call);
        let place = history.calls.len() - 1;
        drop(history);
        Noted { core: Arc::clone(&self.core), place, ended: false }
    }

    async fn answer(&self, exchange: usize, request: Request, ask: &Ask) -> Result<Response, Unreachable> {
        let seen = request.as_asked(ask);
        let page = self.script.page(&seen.path);
        let noted = self.begin(exchange, &seen, &page);
        let safe = matches!(&*seen.method, "GET" | "HEAD");
        let (weather, latency, early) = {
            let random = &mut self.core.numbers().origin;
            let weather = self.script.weather(self.core.now(), random);
            (weather, random.between(self.script.latency), random.permille(500))
        };
        let mut version = self.version(&seen.path, &page);
        match weather {
            Weather::Silent => pending().await,
            Weather::Slow(more) => self.core.runtime.sleep(latency + more).await,
            _ => self.core.runtime.sleep(latency).await,
        }
        // An origin may have looked at its data when the request came, or just before it answers.
        if !early {
            version = self.version(&seen.path, &page);
        }
        match weather {
            Weather::Unreachable => {
                noted.end(version, Bytes::new(), |at| CallEnd::Failed { at });
                return Err(Unreachable);
            }
            Weather::Status(status) => {
                return Ok(noted.respond(version, status, Bytes::from_static(b"the origin is down"), Lines::default()));
            }
            _ => {}
        }
        if !safe {
            *lock(&self.changes).entry(seen.path.clone()).or_default() += 1;
            let version = self.version(&seen.path, &page);
            return Ok(noted.respond(version, 200, Bytes::from_static(b"changed"), Lines::default()));
        }
        let content = page.body(&seen, version);
        let mut fields = Lines::default();
        for (name, value) in &page.fields {
            fields.append(name, value);
        }
        for name in &page.vary {
            fields.append("vary", name);
        }
        if page.etag {
            let tag = format!("\"{version}-{}-{}\"", page.audience(&seen), page.selected(&seen)).replace(' ', "_");
            let asked = seen.text("if-none-match").unwrap_or_default();
            fields.set("etag", &tag);
            if list_members(asked.as_bytes()).any(|other| other == tag.as_bytes()) {
                return Ok(noted.respond(version, 304, content, fields));
            }
        }
        let torn = weather == Weather::Torn;
        if (page.streamed || torn) && &*seen.method != "HEAD" {
            return Ok(noted.stream(version, page.status, content, fields, torn));
        }
        if &*seen.method == "HEAD" {
            fields.set("content-length", &decimal(content.len() as u64));
        }
        Ok(noted.respond(version, page.status, content, fields))
    }
}

/// A call that has been written down, and whose end will be.
struct Noted {
    core: Arc<Core>,
    place: usize,
    ended: bool,
}

impl Noted {
    fn end(mut self, version: u64, content: Bytes, end: impl FnOnce(Duration) -> CallEnd) {
        self.ended = true;
        let at = self.core.now();
        if let Some(call) = self.core.history().calls.get_mut(self.place) {
            (call.version, call.content, call.end) = (version, content, end(at));
        }
    }

    fn stamp(&self, version: u64, fields: &mut Lines) {
        fields.set("sim-call", &decimal(self.place as u64));
        fields.set("sim-version", &decimal(version));
    }

    fn respond(self, version: u64, status: u16, content: Bytes, mut fields: Lines) -> Response {
        self.stamp(version, &mut fields);
        let head = self.core.history().calls.get(self.place).is_some_and(|call| &*call.seen.method == "HEAD");
        let body = if status == 304 || head { Body::empty() } else { content.clone().into() };
        self.end(version, content, |at| CallEnd::Answered { at, status, torn: false });
        Response { status, headers: Box::new(fields), body, luggage: None }
    }

    fn stream(self, version: u64, status: u16, content: Bytes, mut fields: Lines, torn: bool) -> Response {
        self.stamp(version, &mut fields);
        let (pieces, pause, runtime) = {
            let random = &mut self.core.numbers().origin;
            let pause = random.between((Duration::ZERO, Duration::from_millis(300)));
            (usize::try_from(2 + random.below(4)).unwrap_or(2), pause, self.core.runtime.clone())
        };
        let body = Body::stream(Flow::new(runtime, content.clone(), pieces, pause, torn));
        self.end(version, content, |at| CallEnd::Answered { at, status, torn });
        Response { status, headers: Box::new(fields), body, luggage: None }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if !self.ended {
            let at = self.core.now();
            if let Some(call) = self.core.history().calls.get_mut(self.place) {
                call.end = CallEnd::Dropped { at };
            }
        }
    }
}

/// The way to the origin for one request.
pub(super) struct Way {
    pub(super) site: Arc<Site>,
    pub(super) exchange: usize,
    pub(super) request: Request,
}

impl Origin for Way {
    type Error = Unreachable;

    async fn fetch(self, ask: Ask) -> Result<Response, Unreachable> {
        self.site.answer(self.exchange, self.request, &ask).await
    }
}
