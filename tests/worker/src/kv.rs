//! The operations of the KV tier, without an engine, under `/__kv/OPERATION/NAME?...`. An answer is a text.
//!
//! - `split=1`, `readable=1`, `ttl=S`: the tier's options;
//! - `put`: `n` bytes of `kind` (kv.js), from a stream, or a buffer with `buffer=1`; `length=N` announces another length, `length=none`
//!   none; `cut=N`: the stream fails there; `wide=1`: with a field that makes the head large;
//! - `get`: the length of the body, what is wrong with it, and the entry's fields; `leave=1` does not read it;
//! - `many`: the same for the names in the request's body, one a line, each with its kind behind a space;
//! - `list`: `prefix`, `cursor`, `limit`; `delete`; `name`: the entry's name in the store.

use std::sync::Arc;
use std::time::Duration;

use layercake::Body;
use layercake::entry::{Head, StoredResponse};
use layercake::message::{HeaderFields as _, Lines};
use layercake::policy::key::Keyed;
use layercake::policy::{CacheKey, KeyPrefix, SchemaVersion};
use layercake::semantics::freshness::{Freshness, Timestamp};
use layercake::tier::{Tier, TierError};
use layercake::worker::{KvTier, body_of, response_of};
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{Date, Env, Error, Request, Response, ResponseBody, Result, js_sys};

#[wasm_bindgen(module = "/src/kv.js")]
extern "C" {
    fn generate(kind: &str, n: f64, cut: f64) -> web_sys::ReadableStream;
    fn check(kind: &str, stream: JsValue) -> js_sys::Promise;
}

/// The query's parameters.
struct Script(Vec<(String, String)>);

impl Script {
    /// Of what `URLSearchParams` escapes, the tests have colons alone.
    fn of(url: &str) -> Self {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.replace("%3A", ":"))).collect())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    fn kind(&self) -> &str {
        self.text("kind").unwrap_or("binary")
    }

    fn tier(&self, env: &Env) -> Result<KvTier> {
        let mut tier = KvTier::of_binding(env, "CACHE").ok_or(Error::from("no binding"))?;
        if self.text("split").is_some() {
            tier = tier.split();
        }
        if self.text("readable").is_some() {
            tier = tier.bulk_readable();
        }
        if let Some(ttl) = self.number("ttl") {
            tier = tier.cache_ttl(Duration::from_secs(ttl));
        }
        Ok(tier)
    }
}

fn key(name: &str) -> Result<CacheKey> {
    let prefix = KeyPrefix::new("kv", SchemaVersion(1), "").ok_or(Error::from("prefix"))?;
    let path = name.into();
    Ok(CacheKey::of(
        &prefix,
        &Keyed { scheme: "https", authority: "kv.test", by_host: true, path, query: None, parts: &[] },
    ))
}

fn now() -> Timestamp {
    Timestamp::from_millis(Date::now().as_millis())
}

pub async fn handle(mut req: Request, env: &Env, command: &str) -> Result<Response> {
    let script = Script::of(&req.inner().url());
    let tier = script.tier(env)?;
    let (operation, name) = command.split_once('/').unwrap_or((command, ""));
    let key = key(name)?;
    let answer = match operation {
        "name" => key.store_name(),
        "put" => told(tier.put(&key, entry(&key, &script).await?, now()).await),
        "delete" => told(tier.delete(&key).await),
        "get" => found(tier.get(&key, now()).await, &script, script.kind()).await?,
        "many" => {
            let text = req.text().await?;
            let asked: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
            let keys = asked.iter().map(|(name, _)| self::key(name)).collect::<Result<Vec<_>>>()?;
            let mut lines = String::new();
            for (entry, (_, kind)) in tier.get_many(&keys, now()).await.into_iter().zip(&asked) {
                lines += &found(entry, &script, kind).await?;
                lines += "\n";
            }
            lines
        }
        "list" => {
            let limit = script.number("limit").unwrap_or(1000) as usize;
            match tier.list(script.text("prefix").unwrap_or(""), script.text("cursor"), limit).await {
                Err(error) => told(Err(error)),
                Ok(page) => {
                    let mut lines = page.cursor.unwrap_or_default();
                    for listed in page.entries {
                        let length = listed.head.and_then(|head| head.length).map_or(-1, u64::cast_signed);
                        let left = listed.expires.map_or(0, |at| at.since(now()).as_secs());
                        lines += &format!("\n{} {length} {left}", listed.name);
                    }
                    lines
                }
            }
        }
        _ => return Response::error("no such operation", 404),
    };
    Response::ok(answer)
}

fn told(done: std::result::Result<(), TierError>) -> String {
    match done {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

async fn entry(key: &CacheKey, script: &Script) -> Result<StoredResponse> {
    let n = script.number("n").unwrap_or(0);
    let cut = script.number("cut").unwrap_or(u64::MAX);
    let length = match script.text("length") {
        None => Some(n),
        Some(length) => length.parse().ok(),
    };
    let stream = generate(script.kind(), n as f64, cut as f64);
    let mut response = Response::from_body(ResponseBody::Stream(stream))?;
    let body = match script.text("buffer") {
        Some(_) => Body::from(response.bytes().await?),
        None => body_of(response),
    };
    let now = now();
    let freshness = Freshness { born: now, lifetime: Duration::from_secs(3600), ..Freshness::default() };
    let head = Head { key_check: key.check(), status: 200, freshness, received: now, length, ..Head::default() };
    let mut headers = Lines::default();
    headers.append("x-kept", "1");
    if script.text("wide").is_some() {
        headers.append("x-wide", &"w".repeat(2000));
    }
    Ok(StoredResponse { head: Arc::new(head), headers: Box::new(headers), body })
}

async fn found(
    found: std::result::Result<Option<StoredResponse>, TierError>,
    script: &Script,
    kind: &str,
) -> Result<String> {
    let entry = match found {
        Err(error) => return Ok(format!("{error:?}")),
        Ok(None) => return Ok("none".to_owned()),
        Ok(Some(entry)) => entry,
    };
    let mut text = match script.text("leave") {
        Some(_) => "left".to_owned(),
        None => {
            let response: web_sys::Response = response_of(entry.body)?.into();
            let stream = response.body().map_or(JsValue::NULL, Into::into);
            let checked = js_sys::futures::JsFuture::from(check(kind, stream)).await?;
            checked.as_string().unwrap_or_default()
        }
    };
    entry.headers.for_each(&mut |name, value| {
        text += &format!(" {name}={}", String::from_utf8_lossy(value).chars().take(8).collect::<String>());
    });
    Ok(text)
}
