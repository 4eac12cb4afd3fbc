//! A scriptable origin: the query string says what to answer, and a fault with `query` adds to it.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use crate::{
    http1::{self, Endless, Framing, Outcome, Pace, Reply, Request},
    state::{Role, State},
};

const DEFAULT_SIZE: usize = 1024;
const MAX_SIZE: usize = 256 * 1024 * 1024;

#[derive(Default)]
pub struct OriginState {
    /// Requests by path and query.
    pub seen: BTreeMap<String, u64>,
    pub endless: Rc<Endless>,
    /// The letters last sent: a thousand answers at once share them.
    letters: Option<Rc<[u8]>>,
}

impl OriginState {
    pub fn clear(&mut self) {
        self.seen.clear();
    }

    fn letters(&mut self, size: usize) -> Rc<[u8]> {
        let kept = self.letters.take().filter(|letters| letters.len() == size);
        let letters = kept.unwrap_or_else(|| (0..size).map(|i| b'a' + (i % 26) as u8).collect());
        self.letters.insert(letters).clone()
    }
}

pub async fn handle(state: Rc<State>, request: Request) -> Outcome {
    let path = request.path().to_owned();
    let name = match request.target.split_once('?') {
        Some((_, query)) => format!("{path}?{query}"),
        None => path,
    };
    let count = state.origin.with(|origin| {
        let count = origin.seen.entry(name.clone()).or_insert(0);
        *count += 1;
        *count
    });
    let fault = state.enter(Role::Origin, &request.method.to_ascii_lowercase(), &name);
    if let Some(fault) = &fault
        && let Some(outcome) = fault.strike().await
    {
        return outcome;
    }
    let fault = fault.unwrap_or_default();
    let mut script = request.query();
    script.extend(fault.query.as_deref().map(http1::parse_query).unwrap_or_default());

    let mut reply = Reply::new(200).header("x-origin-count", count.to_string());
    let mut size = DEFAULT_SIZE;
    let mut body: Option<Rc<[u8]>> = None;
    let mut stamp = false;
    let mut typed = false;
    let mut etag = None;
    let mut pace = Pace { piece: 0, pause: Duration::ZERO, endless: None };
    for (name, value) in &script {
        let number = || value.parse::<u64>().unwrap_or(0);
        match name.as_str() {
            "size" => size = (number() as usize).min(MAX_SIZE),
            "body" => body = Some(Rc::from(value.as_bytes())),
            "count" => body = Some(Rc::from(count.to_string().as_bytes())),
            "stamp" => stamp = true,
            "status" => reply.status = number() as u16,
            "delay" => tokio::time::sleep(Duration::from_millis(number())).await,
            "body_delay" => reply.body_delay = Duration::from_millis(number()),
            "header" => {
                let (name, value) = value.split_once(':').unwrap_or((value, ""));
                typed |= name.eq_ignore_ascii_case("content-type");
                reply = reply.header(name.trim(), value.trim());
            }
            "etag" => etag = Some(format!("\"{value}\"")),
            "chunked" => reply.framing = Framing::Chunked,
            "length" => reply.framing = Framing::Declared(value.clone()),
            "piece" => pace.piece = number() as usize,
            "pause" => pace.pause = Duration::from_millis(number()),
            "endless" => pace.endless = Some(state.origin.with(|origin| origin.endless.clone())),
            "cut" => reply.cut = Some(number() as usize),
            "half" => reply.cut = Some(usize::MAX),
            "hang" => return Outcome::Hang,
            "close" => return Outcome::Close,
            _ => {}
        }
    }
    if pace.endless.is_some() {
        reply.framing = Framing::Chunked;
    }
    if pace.piece > 0 {
        reply.pace = Some(Box::new(pace));
    }
    if let Some(etag) = etag {
        if request.header("if-none-match").is_some_and(|asked| asked == etag.as_bytes()) {
            state.count(Role::Origin, "not_modified");
            reply.status = 304;
        }
        reply = reply.header("etag", etag);
    }
    if !typed {
        reply = reply.header("content-type", "application/octet-stream");
    }
    if stamp {
        reply = reply.header("x-origin-time", state.now_ms().to_string());
    }
    let body = body.unwrap_or_else(|| state.origin.with(|origin| origin.letters(size)));
    if reply.cut == Some(usize::MAX) {
        reply.cut = Some(body.len() / 2);
    }
    reply.body(body).into()
}
