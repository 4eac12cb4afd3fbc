//! The Cache API role: what `cacheApiOutbound` expects.
//!
//! - `GET url` with `cache-control: only-if-cached`: a hit carries `CF-Cache-Status: HIT`, anything else is a miss.
//! - `PUT url` with a serialised response as body: 204, or 413 when the platform would refuse it.
//! - `PURGE url`: 200, or 404 when there was nothing.
//!
//! The URL arrives in absolute form (`style = proxy` in the workerd configuration); named caches add
//! `cf-cache-namespace`. Lifetime is `s-maxage` or `max-age` to the second and nothing else; what has none, or a status
//! that is not cacheable by default, is accepted and not kept, as the local simulator does.

use std::{collections::HashMap, rc::Rc};

use serde_json::{Value, json};

use crate::{
    http1::{self, Framing, Headers, Outcome, Reply, Request},
    state::{Role, State},
};

const KEPT: [u16; 12] = [200, 203, 300, 301, 302, 307, 308, 404, 405, 410, 414, 501];

#[derive(Clone)]
pub struct Entry {
    pub status: u16,
    pub headers: Headers,
    pub body: Rc<[u8]>,
    /// Whether the length was known at put; otherwise it comes back chunked.
    pub sized: bool,
    pub stored_ms: u64,
    pub expires_ms: u64,
}

#[derive(Default)]
pub struct CacheStore {
    entries: HashMap<String, Entry>,
}

impl CacheStore {
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    pub fn insert(&mut self, key: String, entry: Entry) {
        self.entries.insert(key, entry);
    }

    pub fn dump(&self, now_ms: u64, values: bool) -> Value {
        let mut keys: Vec<_> = self.entries.iter().collect();
        keys.sort_by_key(|(key, _)| key.as_str());
        keys.into_iter()
            .map(|(key, entry)| {
                let headers: Vec<Value> =
                    entry.headers.iter().map(|(n, v)| json!([n, String::from_utf8_lossy(v)])).collect();
                let mut item = json!({
                    "key": key, "status": entry.status, "headers": headers, "size": entry.body.len(),
                    "age_ms": now_ms.saturating_sub(entry.stored_ms),
                    "ttl_ms": entry.expires_ms.saturating_sub(now_ms),
                });
                if values {
                    item["hex"] = crate::control::hex(&entry.body).into();
                }
                item
            })
            .collect()
    }
}

/// The key of a URL, in a named cache or in the default one.
pub fn key(url: &str, namespace: Option<&[u8]>) -> String {
    match namespace {
        Some(name) => format!("{}|{url}", String::from_utf8_lossy(name)),
        None => url.to_owned(),
    }
}

pub async fn handle(state: Rc<State>, request: Request) -> Outcome {
    let op = match request.method.as_str() {
        "GET" => "get",
        "PUT" => "put",
        "PURGE" => "delete",
        _ => return Reply::text(405, "the Cache API role knows GET, PUT and PURGE").into(),
    };
    let key = key(&request.target, request.header("cf-cache-namespace"));
    let fault = state.enter(Role::Cache, op, &key);
    if let Some(fault) = &fault
        && let Some(outcome) = fault.strike().await
    {
        return outcome;
    }
    let fault = fault.unwrap_or_default();
    match op {
        "get" => {
            let mut reply = match_(&state, &request, &key, fault.inert);
            if reply.status != 504 {
                fault.damage(&mut reply);
            }
            reply.into()
        }
        "put" if fault.refuse_puts => {
            state.count(Role::Cache, "refused");
            Reply::new(413).into()
        }
        "put" => put(&state, &request, key, fault.inert).into(),
        _ => {
            let found = state.cache.with(|cache| cache.entries.remove(&key).is_some());
            Reply::new(if found { 200 } else { 404 }).into()
        }
    }
}

fn match_(state: &State, request: &Request, key: &str, inert: bool) -> Reply {
    let now = state.now_ms();
    let entry = state.cache.with(|cache| {
        if cache.entries.get(key).is_some_and(|entry| entry.expires_ms <= now) {
            cache.entries.remove(key);
            state.count(Role::Cache, "expired");
        }
        cache.entries.get(key).filter(|_| !inert).cloned()
    });
    let Some(entry) = entry else {
        state.count(Role::Cache, "miss");
        return Reply::new(504).header("CF-Cache-Status", "MISS");
    };
    state.count(Role::Cache, "hit");
    let age = now.saturating_sub(entry.stored_ms) / 1000;
    let mut reply = Reply::new(entry.status).header("CF-Cache-Status", "HIT").header("age", age.to_string());
    reply.headers.extend(entry.headers.iter().filter(|(name, _)| name != "age").cloned());
    if entry.sized {
        reply.framing = Framing::Length;
    } else {
        reply.framing = Framing::Chunked;
    }

    // The Cache API answers conditional and range requests itself.
    if let (Some(asked), Some(etag)) = (request.header("if-none-match"), http1::find(&entry.headers, "etag"))
        && entry.status == 200
        && matches_etag(asked, etag)
    {
        reply.status = 304;
    } else if let Some((from, to)) = request.header("range").and_then(|range| byte_range(range, entry.body.len()))
        && entry.status == 200
    {
        reply.status = 206;
        reply.headers.push(("content-range".into(), format!("bytes {from}-{to}/{}", entry.body.len()).into()));
        reply.body = Rc::from(&entry.body[from..=to]);
    } else {
        reply.body = entry.body;
    }
    reply
}

fn matches_etag(asked: &[u8], etag: &[u8]) -> bool {
    let (Ok(asked), Ok(etag)) = (std::str::from_utf8(asked), std::str::from_utf8(etag)) else {
        return false;
    };
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    asked.trim() == "*" || asked.split(',').any(|tag| strong(tag) == strong(etag))
}

/// A single `bytes=` range, inclusive, or nothing when it is none that can be served.
fn byte_range(range: &[u8], length: usize) -> Option<(usize, usize)> {
    let (from, to) = std::str::from_utf8(range).ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let last = length.checked_sub(1)?;
    let (from, to) = match (from.parse::<usize>().ok(), to.parse::<usize>().ok()) {
        (Some(from), Some(to)) => (from, to.min(last)),
        (Some(from), None) if to.is_empty() => (from, last),
        (None, Some(suffix)) if from.is_empty() && suffix > 0 => (length.saturating_sub(suffix), last),
        _ => return None,
    };
    (from <= to).then_some((from, to))
}

fn put(state: &State, request: &Request, key: String, inert: bool) -> Reply {
    let entry = match parse_stored(&request.body, state.now_ms()) {
        Ok(entry) => entry,
        Err(status) => {
            state.count(Role::Cache, "refused");
            return Reply::new(status);
        }
    };
    match entry {
        Some(entry) if !inert => {
            state.count(Role::Cache, "stored");
            state.cache.with(|cache| cache.insert(key, entry));
        }
        _ => state.count(Role::Cache, "dropped"),
    }
    Reply::new(204)
}

/// Reads a serialised response: an entry, nothing when it is silently not kept, or the status of the refusal.
fn parse_stored(bytes: &[u8], now_ms: u64) -> Result<Option<Entry>, u16> {
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut slots);
    let Ok(httparse::Status::Complete(head)) = parsed.parse(bytes) else {
        return Err(400);
    };
    let status = parsed.code.unwrap_or(0);
    let mut headers = http1::copy_headers(parsed.headers);
    let body = &bytes[head..];

    let control = headers
        .iter()
        .filter(|(name, _)| name == "cache-control")
        .map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase())
        .collect::<Vec<_>>()
        .join(",");
    let directive = |wanted: &str| {
        control.split(',').find_map(|part| {
            let (name, value) = part.trim().split_once('=').unwrap_or((part.trim(), ""));
            (name == wanted).then(|| value.trim_matches('"').to_owned())
        })
    };
    let refused = ["no-store", "no-cache", "private"].iter().any(|name| directive(name).is_some());
    if refused || http1::find(&headers, "set-cookie").is_some() {
        return Err(413);
    }
    let sized = http1::find(&headers, "content-length").map(<[u8]>::to_vec);
    if sized.as_ref().is_some_and(|length| *length != body.len().to_string().into_bytes()) {
        return Err(400);
    }
    let Some(ttl) = directive("s-maxage").or_else(|| directive("max-age")).and_then(|v| v.parse::<u64>().ok()) else {
        return Ok(None);
    };
    if ttl == 0 || !KEPT.contains(&status) {
        return Ok(None);
    }
    // `transfer-encoding` describes the transport of the put, which is gone.
    headers.retain(|(name, _)| !matches!(name.as_str(), "content-length" | "transfer-encoding" | "cf-cache-status"));
    Ok(Some(Entry {
        status,
        headers,
        body: Rc::from(body),
        sized: sized.is_some(),
        stored_ms: now_ms,
        expires_ms: now_ms.saturating_add(ttl.saturating_mul(1000)),
    }))
}
