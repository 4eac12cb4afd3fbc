use super::{Request, response};
use layercake::Origin;
use layercake::message::{Ask, Response};
use layercake::runtime::Runtime;
use layercake::semantics::Fields;
use layercake::sim::SimRuntime;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The origin's own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure(pub &'static str);

pub type Reply = Result<Response, Failure>;

/// What the handler got to see of one request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its place in the order of all calls, from 1.
    pub number: usize,
    pub ask: Ask,
    /// The request as a door would hand it over for `ask`.
    pub request: Request,
}

impl Seen {
    /// A field's value; empty when there is none.
    pub fn field(&self, name: &str) -> String {
        self.request.field(name).map(|v| String::from_utf8_lossy(&v).into_owned()).unwrap_or_default()
    }

    /// Who the handler takes the visitor for.
    pub fn visitor(&self) -> String {
        format!("{}{}", self.field("cookie"), self.field("authorization"))
    }
}

type Handler = Box<dyn FnMut(&Seen) -> Reply + Send>;

/// The site behind the cache: answers by script, remembers what it saw.
pub struct Site {
    runtime: SimRuntime,
    again: AtomicBool,
    script: Mutex<Script>,
}

struct Script {
    handler: Handler,
    delay: Box<dyn FnMut(&Seen) -> Duration + Send>,
    seen: Vec<Seen>,
}

impl Site {
    /// Answers `call 1`, `call 2` and so on, at once.
    pub fn new(runtime: SimRuntime) -> Arc<Self> {
        let mut calls = 0;
        let handler = Box::new(move |_: &Seen| {
            calls += 1;
            Ok(response(200, &[], format!("call {calls}").into_bytes()))
        });
        let script = Script { handler, delay: Box::new(|_| Duration::ZERO), seen: Vec::new() };
        Arc::new(Self { runtime, again: AtomicBool::new(false), script: Mutex::new(script) })
    }

    /// Answers by `handler` from now on.
    pub fn answer(&self, handler: impl FnMut(&Seen) -> Reply + Send + 'static) {
        self.script().handler = Box::new(handler);
    }

    /// Answers every request with these parts from now on.
    pub fn always(&self, status: u16, fields: &'static [(&'static str, &'static str)], body: &'static str) {
        self.answer(move |_| Ok(response(status, fields, body)));
    }

    /// Takes this long to answer from now on.
    pub fn delay(&self, delay: Duration) {
        self.delay_each(move |_| delay);
    }

    /// Takes as long as `delay` says for each call from now on.
    pub fn delay_each(&self, delay: impl FnMut(&Seen) -> Duration + Send + 'static) {
        self.script().delay = Box::new(delay);
    }

    /// Answers `call 1`, `call 2` by the order in which the calls began, from now on.
    pub fn numbered(&self, fields: &'static [(&'static str, &'static str)]) {
        self.answer(move |seen| Ok(response(200, fields, format!("call {}", seen.number).into_bytes())));
    }

    /// May be asked more than once for one request from now on.
    pub fn answers_again(&self) {
        self.again.store(true, Ordering::Relaxed);
    }

    pub fn calls(&self) -> usize {
        self.script().seen.len()
    }

    /// What the handler saw last.
    pub fn last(&self) -> Seen {
        self.script().seen.last().cloned().expect("the handler was never called")
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no handler panicked")
    }

    /// The way to the handler for one request.
    pub fn origin(self: &Arc<Self>, request: &Request) -> Way {
        Way { site: Arc::clone(self), request: request.clone() }
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Site")
    }
}

pub struct Way {
    site: Arc<Site>,
    request: Request,
}

impl Origin for Way {
    type Error = Failure;

    fn again(&self) -> Option<Self> {
        self.site
            .again
            .load(Ordering::Relaxed)
            .then(|| Self { site: Arc::clone(&self.site), request: self.request.clone() })
    }

    fn fetch(self, ask: Ask) -> impl Future<Output = Reply> + Send {
        let Self { site, request } = self;
        async move {
            let (seen, delay) = {
                let mut script = site.script();
                let seen = Seen { number: script.seen.len() + 1, request: masked(request, &ask), ask };
                script.seen.push(seen.clone());
                let delay = (script.delay)(&seen);
                (seen, delay)
            };
            if !delay.is_zero() {
                site.runtime.sleep(delay).await;
            }
            (site.script().handler)(&seen)
        }
    }
}

/// What a door hands over for `ask`.
fn masked(mut request: Request, ask: &Ask) -> Request {
    let put = |name: &str| ask.set.iter().any(|(other, _)| name.eq_ignore_ascii_case(other));
    let off = |name: &str| put(name) || ask.taken_off().any(|hidden| name.eq_ignore_ascii_case(hidden));
    request.fields.retain(|(name, _)| !off(name) && !ask.hide.is_everything());
    request.fields.extend(ask.set.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    if ask.whole {
        request.method = "GET";
    }
    if let Some(target) = &ask.target {
        let (path, query) = target.split_once('?').map_or((&**target, None), |(path, query)| (path, Some(query)));
        (request.path, request.query) = (path.to_owned(), query.map(str::to_owned));
    }
    request
}
