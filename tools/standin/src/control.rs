//! The control port: JSON over HTTP.

use std::{rc::Rc, time::Duration};

use serde_json::{Value, json};

use crate::{
    cache,
    fault::Fault,
    http1::{Outcome, Reply, Request},
    kv,
    state::{Role, State},
};

pub async fn handle(state: Rc<State>, request: Request) -> Outcome {
    match answer(&state, &request) {
        Ok(value) => Reply::json(&value),
        Err(text) => Reply::text(400, text),
    }
    .into()
}

fn answer(state: &State, request: &Request) -> Result<Value, String> {
    let body = || -> Result<Value, String> {
        if request.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&request.body).map_err(|e| format!("not JSON: {e}"))
    };
    let query = request.query();
    let from_query = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let done = Ok(json!({"ok": true}));
    match (request.method.as_str(), request.path()) {
        ("GET", "/counters") => {
            let mut counters = state.counters();
            let (seen, endless) = state.origin.with(|origin| (origin.seen.clone(), origin.endless.clone()));
            counters["origin"]["paths"] = json!(seen);
            counters["origin"]["endless"] = json!({"under_way": endless.under_way.get(), "bytes": endless.bytes.get()});
            Ok(counters)
        }
        ("GET", "/log") => Ok(state.log(role(from_query("role"))?)),
        ("GET", "/dump") => {
            let (now, values) = (state.now_ms(), from_query("values").is_some());
            match role(from_query("role"))? {
                Role::Cache => Ok(state.cache.with(|cache| cache.dump(now, values))),
                Role::Kv => Ok(state.kv.with(|kv| kv.dump(now, values))),
                Role::Origin => Err("the origin stores nothing".into()),
            }
        }
        ("POST", "/fault") => {
            let body = body()?;
            let list = body.as_array().cloned().unwrap_or_else(|| vec![body]);
            // All of it is read before any of it is applied.
            let faults = list
                .iter()
                .map(|f| Ok((role(f["role"].as_str())?, Fault::from_json(f)?)))
                .collect::<Result<Vec<_>, String>>()?;
            for named in Role::ALL.into_iter().filter(|r| faults.iter().any(|(role, _)| role == r)) {
                let mine = faults.iter().filter(|(role, _)| *role == named).map(|(_, fault)| fault.clone());
                state.faults[named as usize].with(|slot| *slot = mine.collect());
            }
            done
        }
        ("POST", "/clear") => {
            match body()?["role"].as_str() {
                None | Some("all") => Role::ALL.into_iter().for_each(|role| state.clear(role)),
                name => state.clear(role(name)?),
            }
            done
        }
        ("POST", "/raw") => {
            raw(state, &body()?)?;
            done
        }
        ("POST", "/clock") => {
            let by = body()?["advance_ms"].as_u64().ok_or("advance_ms is wanted")?;
            state.advance(Duration::from_millis(by));
            Ok(json!({"now_ms": state.now_ms()}))
        }
        ("POST", "/counters/reset") => {
            state.reset_counters();
            done
        }
        ("POST", "/reset") => {
            state.reset();
            done
        }
        (method, path) => Err(format!("no such control request: {method} {path}; see --help")),
    }
}

fn role(name: Option<&str>) -> Result<Role, String> {
    name.and_then(Role::parse).ok_or_else(|| "role must be cache, kv or origin".to_owned())
}

/// Puts a value as told, around every check.
fn raw(state: &State, what: &Value) -> Result<(), String> {
    let key = what["key"].as_str().ok_or("key is wanted")?.to_owned();
    let value = match (what["value"].as_str(), what["hex"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(hex)) => unhex(hex).ok_or("hex is not hexadecimal")?,
        _ => return Err("one of value and hex is wanted".into()),
    };
    let ttl_ms = what["ttl"].as_u64().map(|ttl| ttl * 1000);
    let now = state.now_ms();
    match role(what["role"].as_str())? {
        Role::Cache => {
            let headers = match &what["headers"] {
                Value::Null => Vec::new(),
                Value::Object(map) => map
                    .iter()
                    .map(|(n, v)| Some((n.to_ascii_lowercase(), v.as_str()?.as_bytes().to_vec())))
                    .collect::<Option<_>>()
                    .ok_or("header values are texts")?,
                _ => return Err("headers is an object".into()),
            };
            let entry = cache::Entry {
                status: what["status"].as_u64().unwrap_or(200) as u16,
                headers,
                body: Rc::from(value),
                sized: true,
                stored_ms: now,
                expires_ms: now + ttl_ms.unwrap_or(3_600_000),
            };
            let key = cache::key(&key, what["namespace"].as_str().map(str::as_bytes));
            state.cache.with(|cache| cache.insert(key, entry));
        }
        Role::Kv => {
            // A text is taken as it stands, so that broken JSON can be put too.
            let metadata = match &what["metadata"] {
                Value::Null => None,
                Value::String(text) => Some(text.clone().into_bytes()),
                other => Some(other.to_string().into_bytes()),
            };
            let entry = kv::Entry { value: Rc::from(value), metadata, expires_ms: ttl_ms.map(|ttl| now + ttl) };
            state.kv.with(|kv| kv.insert(key, entry));
        }
        Role::Origin => return Err("the origin stores nothing".into()),
    }
    Ok(())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}
