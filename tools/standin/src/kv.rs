//! The Workers KV role: what a `kvNamespace` binding expects.
//!
//! - `GET /key?urlencoded=true[&cache_ttl=n]`: the value, with `CF-KV-Metadata`; 404 is null.
//! - `PUT /key?urlencoded=true[&expiration=s|&expiration_ttl=n]` with `cf-kv-metadata`.
//! - `DELETE /key?urlencoded=true`.
//! - `POST /bulk/get` with `{keys, type, withMetadata, cacheTtl}`.
//! - `GET /?key_count_limit=n&prefix=p&cursor=c`.
//!
//! The limits are the platform's: 512 bytes of key, 1024 of metadata, 25 MiB of value, lifetimes of at least 60 s,
//! `cache_ttl` of at least 30 s, 100 keys per bulk read.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Map, Value, json};

use crate::{
    fault::Fault,
    http1::{self, Outcome, Reply, Request},
    state::{Role, State},
};

const MAX_KEY: usize = 512;
const MAX_METADATA: usize = 1024;
const MAX_VALUE: usize = 25 * 1024 * 1024;
const MIN_TTL: u64 = 60;
const MIN_CACHE_TTL: u64 = 30;
const DEFAULT_CACHE_TTL: u64 = 60;
const MAX_BULK: usize = 100;
/// Of all values of a bulk read together.
const MAX_BULK_VALUES: usize = 25 * 1024 * 1024;

#[derive(Clone)]
pub struct Entry {
    pub value: Rc<[u8]>,
    pub metadata: Option<Vec<u8>>,
    pub expires_ms: Option<u64>,
}

#[derive(Default)]
pub struct KvStore {
    entries: BTreeMap<String, Entry>,
    /// Time of the last write per key.
    written: BTreeMap<String, u64>,
    /// What an edge location remembers: until when, and the entry or its absence.
    edge: BTreeMap<String, (u64, Option<Entry>)>,
}

impl KvStore {
    pub fn clear(&mut self) {
        *self = KvStore::default();
    }

    pub fn insert(&mut self, key: String, entry: Entry) {
        self.entries.insert(key, entry);
    }

    fn get(&mut self, key: &str, now: u64) -> Option<Entry> {
        if self.entries.get(key).is_some_and(|entry| entry.expires_ms.is_some_and(|at| at <= now)) {
            self.entries.remove(key);
        }
        self.entries.get(key).cloned()
    }

    pub fn dump(&self, now: u64, values: bool) -> Value {
        self.entries
            .iter()
            .map(|(key, entry)| {
                let mut item = json!({
                    "key": key, "size": entry.value.len(),
                    "metadata": entry.metadata.as_ref().map(|m| String::from_utf8_lossy(m).into_owned()),
                    "ttl_ms": entry.expires_ms.map(|at| at.saturating_sub(now)),
                });
                if values {
                    item["hex"] = crate::control::hex(&entry.value).into();
                }
                item
            })
            .collect()
    }
}

pub async fn handle(state: Rc<State>, request: Request) -> Outcome {
    let path = request.path().to_owned();
    let raw = path.strip_prefix('/').unwrap_or(&path);
    let key = String::from_utf8_lossy(&http1::percent_decode(raw)).into_owned();
    let op = match request.method.as_str() {
        "GET" if key.is_empty() => "list",
        "GET" => "get",
        "PUT" => "put",
        "DELETE" => "delete",
        "POST" if key == "bulk/get" => "bulk",
        _ => {
            return Reply::text(405, "the KV role knows GET, PUT, DELETE and POST /bulk/get").into();
        }
    };
    let fault = state.enter(Role::Kv, op, &key);
    if let Some(fault) = &fault
        && let Some(outcome) = fault.strike().await
    {
        return outcome;
    }
    let fault = fault.unwrap_or_default();
    if key.len() > MAX_KEY {
        return Reply::text(
            414,
            format!("UTF-8 encoded length of {} exceeds key length limit of {MAX_KEY}.", key.len()),
        )
        .into();
    }
    match op {
        "get" => get(&state, &request, &key, &fault),
        "put" => put(&state, &request, key, &fault),
        "delete" => {
            state.kv.with(|kv| kv.entries.remove(&key));
            Reply::new(200)
        }
        "bulk" => bulk(&state, &request, &fault),
        _ => list(&state, &request),
    }
    .into()
}

fn number(query: &[(String, String)], name: &str) -> Option<Result<u64, Reply>> {
    let (_, value) = query.iter().find(|(n, _)| n == name)?;
    Some(value.parse().map_err(|_| Reply::text(400, format!("Invalid {name} of {value}."))))
}

fn cache_ttl(ttl: Option<u64>) -> Result<u64, Reply> {
    match ttl {
        Some(ttl) if ttl < MIN_CACHE_TTL => {
            Err(Reply::text(400, format!("Invalid cache_ttl of {ttl}. Cache TTL must be at least {MIN_CACHE_TTL}.")))
        }
        ttl => Ok(ttl.unwrap_or(DEFAULT_CACHE_TTL)),
    }
}

/// Reads a key as its location sees it.
fn read(state: &State, key: &str, cache_ttl: u64, fault: &Fault) -> Option<Entry> {
    let now = state.now_ms();
    let entry = state.kv.with(|kv| {
        if fault.inert {
            return None;
        }
        if !fault.edge_cache {
            return kv.get(key, now);
        }
        if let Some((until, entry)) = kv.edge.get(key)
            && *until > now
        {
            return entry.clone();
        }
        let entry = kv.get(key, now);
        kv.edge.insert(key.to_owned(), (now + cache_ttl * 1000, entry.clone()));
        entry
    });
    state.count(Role::Kv, if entry.is_some() { "hit" } else { "miss" });
    entry
}

fn get(state: &State, request: &Request, key: &str, fault: &Fault) -> Reply {
    let ttl = match number(&request.query(), "cache_ttl").transpose().and_then(cache_ttl) {
        Ok(ttl) => ttl,
        Err(reply) => return reply,
    };
    let Some(entry) = read(state, key, ttl, fault) else {
        return Reply::text(404, "Not Found");
    };
    let mut reply = Reply::new(200);
    let metadata = fault.metadata.clone().map(String::into_bytes).or(entry.metadata);
    if let Some(metadata) = metadata {
        reply = reply.header("CF-KV-Metadata", metadata);
    }
    reply.body = entry.value;
    fault.damage(&mut reply);
    reply
}

fn put(state: &State, request: &Request, key: String, fault: &Fault) -> Reply {
    let refuse = |status, text: String| {
        state.count(Role::Kv, "refused");
        Reply::text(status, text)
    };
    let now = state.now_ms();
    let query = request.query();
    let ttl = match (number(&query, "expiration_ttl"), number(&query, "expiration")) {
        (Some(Ok(ttl)), _) => Some(ttl),
        (None, Some(Ok(at))) => Some(at.saturating_sub(now / 1000)),
        (None, None) => None,
        _ => return refuse(400, "Invalid expiration.".into()),
    };
    if let Some(ttl) = ttl.filter(|ttl| *ttl < MIN_TTL) {
        return refuse(400, format!("Invalid expiration_ttl of {ttl}. Expiration TTL must be at least {MIN_TTL}."));
    }
    let metadata = request.header("cf-kv-metadata").map(<[u8]>::to_vec);
    if let Some(length) = metadata.as_ref().map(Vec::len).filter(|length| *length > MAX_METADATA) {
        return refuse(413, format!("Metadata length of {length} exceeds limit of {MAX_METADATA}."));
    }
    if request.body.len() > MAX_VALUE {
        return refuse(413, format!("Value length of {} exceeds limit of {MAX_VALUE}.", request.body.len()));
    }
    if fault.refuse_puts {
        return refuse(429, "Too Many Requests".into());
    }
    let last = state.kv.with(|kv| kv.written.insert(key.clone(), now));
    if last.is_some_and(|last| now.saturating_sub(last) < 1000) {
        state.count(Role::Kv, "too_fast");
        if fault.write_limit {
            return refuse(429, "Too Many Requests".into());
        }
    }
    if fault.inert {
        state.count(Role::Kv, "dropped");
    } else {
        state.count(Role::Kv, "stored");
        let entry = Entry { value: Rc::from(&request.body[..]), metadata, expires_ms: ttl.map(|ttl| now + ttl * 1000) };
        state.kv.with(|kv| kv.insert(key, entry));
    }
    Reply::new(200)
}

fn bulk(state: &State, request: &Request, fault: &Fault) -> Reply {
    let Ok(asked) = serde_json::from_slice::<Value>(&request.body) else {
        return Reply::text(400, "not JSON");
    };
    let Some(keys) = asked["keys"].as_array().filter(|keys| !keys.is_empty() && keys.len() <= MAX_BULK) else {
        return Reply::text(400, format!("You can request a maximum of {MAX_BULK} keys"));
    };
    // workerd sends the number as text.
    let ttl = asked["cacheTtl"].as_u64().or_else(|| asked["cacheTtl"].as_str()?.parse().ok());
    let ttl = match cache_ttl(ttl) {
        Ok(ttl) => ttl,
        Err(reply) => return reply,
    };
    let parse = asked["type"] == "json";
    let mut size = 0;
    let mut out = Map::new();
    for key in keys.iter().filter_map(Value::as_str) {
        let found = read(state, key, ttl, fault).map(|entry| {
            size += entry.value.len();
            let text = String::from_utf8_lossy(&entry.value).into_owned();
            let value = if parse { serde_json::from_str(&text).unwrap_or(Value::Null) } else { text.into() };
            if asked["withMetadata"] != true {
                return value;
            }
            let metadata = fault.metadata.clone().map(String::into_bytes).or(entry.metadata);
            let metadata = metadata.and_then(|m| serde_json::from_slice::<Value>(&m).ok());
            json!({"value": value, "metadata": metadata})
        });
        out.insert(key.to_owned(), found.unwrap_or(Value::Null));
    }
    if size > MAX_BULK_VALUES {
        state.count(Role::Kv, "refused");
        return Reply::text(413, format!("Total size of request exceeds the limit of {MAX_BULK_VALUES}"));
    }
    Reply::json(&Value::Object(out))
}

/// The cursor is the last key of the page before.
fn list(state: &State, request: &Request) -> Reply {
    let query = request.query();
    let text = |name: &str| query.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let limit = text("key_count_limit").parse::<usize>().unwrap_or(1000).clamp(1, 1000);
    let (prefix, cursor) = (text("prefix"), text("cursor"));
    let now = state.now_ms();
    let mut page: Vec<Value> = state.kv.with(|kv| {
        kv.entries
            .iter()
            .filter(|(key, entry)| {
                key.starts_with(prefix) && key.as_str() > cursor && entry.expires_ms.is_none_or(|at| at > now)
            })
            .take(limit + 1)
            .map(|(key, entry)| {
                let mut item = json!({"name": key});
                if let Some(at) = entry.expires_ms {
                    item["expiration"] = (at / 1000).into();
                }
                // workerd wants it serialised.
                if let Some(metadata) = entry.metadata.as_ref().and_then(|m| std::str::from_utf8(m).ok()) {
                    item["metadata"] = metadata.into();
                }
                item
            })
            .collect()
    });
    let complete = page.len() <= limit;
    page.truncate(limit);
    let mut reply = json!({"keys": page, "list_complete": complete});
    if !complete {
        reply["cursor"] = reply["keys"][limit - 1]["name"].clone();
    }
    Reply::json(&reply)
}
