//! The data cache, one call per request: `/__values/CALL?key=...`. Answers are JSON. With `x-test-kv` another KV binding than `CACHE`;
//! with `secret` the values are encrypted.

use futures_util::StreamExt as _;
use layercake::data::{Bundle, DataPolicy, Keyring, LoadError, Loaded, Ttl};
use layercake::worker::{Data, Isolate, body_of, response_of};
use layercake::{CacheConfig, ConfigError, DataKey, SchemaVersion};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use worker::*;

fn table() -> std::result::Result<CacheConfig, ConfigError> {
    CacheConfig::new("values", SchemaVersion(1)).hot_budget(0).build()
}

pub static CACHE: Isolate = Isolate::new(table);

/// How often a loader was run.
static LOADS: AtomicU32 = AtomicU32::new(0);

const SECRETS: [(&str, [u8; 32]); 2] = [("first", [1; 32]), ("second", [2; 32])];

/// What a request asks for.
struct Call(HashMap<String, String>);

impl Call {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name).parse().ok()
    }

    fn secs(&self, name: &str) -> Option<Duration> {
        self.number(name).map(Duration::from_secs)
    }

    fn key(&self) -> DataKey {
        DataKey::of("test").with(self.text("key"))
    }

    fn keys(&self) -> Vec<DataKey> {
        self.text("keys").split(',').map(|name| DataKey::of("test").with(name)).collect()
    }

    fn ttl(&self) -> Ttl {
        self.secs("ttl").map_or(Ttl::FOREVER, Ttl::of)
    }

    fn policy(&self) -> DataPolicy {
        let mut policy = DataPolicy::ttl(self.ttl());
        if let Some(window) = self.secs("swr") {
            policy = policy.stale_while_revalidate(window);
        }
        if let Some(window) = self.secs("sie") {
            policy = policy.stale_if_error(window);
        }
        if let Some(ttl) = self.secs("negative") {
            policy = policy.negative_ttl(ttl);
        }
        if let Some(limit) = self.secs("limit") {
            policy = policy.hard_timeout(limit);
        }
        if let Some(wait) = self.secs("wait") {
            policy = policy.collapse_wait(wait);
        }
        policy
    }
}

pub async fn answer(req: Request, env: Env, ctx: Context) -> Result<Response> {
    let url = req.inner().url();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let decode = |text: &str| js_sys::decode_uri_component(text).map_or_else(|_| String::new(), String::from);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let call = Call(pairs.map(|(name, value)| (name.to_owned(), decode(value))).collect());
    let kv = req.headers().get("x-test-kv")?.unwrap_or_else(|| "CACHE".into());
    let mut data = CACHE.open(&env, ctx).kv(&kv).data("https://values.example");
    if let Some(n) = call.number("secret").and_then(|n| usize::try_from(n).ok()) {
        let (name, secret) = SECRETS[n % 2];
        let (former, old) = SECRETS[(n + 1) % 2];
        let ring = Keyring::new(name, &secret).and_then(|ring| if n > 1 { ring.and(former, &old) } else { Ok(ring) });
        let ring = ring.map_err(|why| Error::RustError(why.to_string()))?;
        data = data.with(|data| data.encrypted(ring));
    }
    let path = req.path();
    if path == "/__values/raw" {
        return match data.get_raw(&call.key()).await {
            Some(body) => response_of(body),
            None => Response::error("nothing", 404),
        };
    }
    let said = match path.trim_start_matches("/__values/") {
        "fetch" => fetch(&data, &call).await,
        "many" => many(&data, &call).await,
        "gets" => json!(data.get_many::<Value>(&call.keys()).await),
        "get" => json!(data.get::<Value>(&call.key()).await),
        "set" => done(data.set(&call.key(), call.text("value"), call.ttl()).await),
        "touch" => match data.touch(&call.key(), call.ttl()).await {
            Ok(touched) => json!(touched),
            Err(why) => json!({ "error": why.to_string() }),
        },
        "delete" => done(data.delete_many(&call.keys()).await),
        "list" => list(&data, &call).await,
        "bundle" => bundle(&data, &call).await,
        "put" => done(data.set_raw(&call.key(), body_of(pass(req)?), call.ttl()).await),
        "deep" => deep(&data, &call).await,
        "stats" => return Response::ok(CACHE.stats().to_log_line("values")),
        _ => return Response::error("no such call", 404),
    };
    Response::from_json(&said)
}

/// A request's body as that of a response, still a stream.
fn pass(req: Request) -> Result<Response> {
    let body = req.inner().body().map_or(ResponseBody::Empty, ResponseBody::Stream);
    Response::from_body(body)
}

fn done<E: std::fmt::Display>(result: std::result::Result<(), E>) -> Value {
    match result {
        Ok(()) => json!("done"),
        Err(why) => json!({ "error": why.to_string() }),
    }
}

/// What the loader of a call does.
async fn load(call: HashMap<String, String>) -> std::result::Result<Loaded<Option<Value>>, String> {
    let call = Call(call);
    let number = LOADS.fetch_add(1, Ordering::Relaxed) + 1;
    if let Some(delay) = call.number("delay") {
        Delay::from(Duration::from_millis(delay)).await;
    }
    match call.text("loader") {
        "fail" => return Err("the loader's own error".to_owned()),
        "hang" => std::future::pending::<()>().await,
        "panic" => panic!("a bug in a loader"),
        _ => {}
    }
    let value = match (call.text("value"), call.number("size")) {
        ("none", _) => None,
        (_, Some(size)) => Some(json!("x".repeat(usize::try_from(size).unwrap_or(0)))),
        ("", None) => Some(json!(number)),
        (text, None) => Some(json!(text)),
    };
    let loaded = Loaded::new(value);
    Ok(match call.secs("life") {
        Some(life) => loaded.lifetime(life),
        None => loaded,
    })
}

async fn fetch(data: &Data, call: &Call) -> Value {
    let asked = call.0.clone();
    let got = data.get_or_fetch_with(&call.key(), &call.policy(), move || load(asked)).await;
    let loads = LOADS.load(Ordering::Relaxed);
    match got {
        Ok(Some(Value::String(text))) if text.len() > 1000 => json!({ "length": text.len(), "loads": loads }),
        Ok(value) => json!({ "value": value, "loads": loads }),
        Err(LoadError::Loader(why)) => json!({ "loader": why, "loads": loads }),
        Err(why) => json!({ "error": why.to_string(), "loads": loads }),
    }
}

async fn many(data: &Data, call: &Call) -> Value {
    let fails = call.text("loader") == "fail";
    let loader = move |keys: Vec<DataKey>| async move {
        LOADS.fetch_add(1, Ordering::Relaxed);
        let values = keys.iter().map(|key| json!(["loaded", key.as_str()]));
        if fails { Err("the loader's own error".to_owned()) } else { Ok(values.collect::<Vec<Value>>()) }
    };
    match data.get_many_or_fetch(&call.keys(), &call.policy(), loader).await {
        Ok(values) => json!({ "values": values, "loads": LOADS.load(Ordering::Relaxed) }),
        Err(why) => json!({ "error": why.to_string() }),
    }
}

async fn list(data: &Data, call: &Call) -> Value {
    let prefix = DataKey::of("test").with(call.text("key"));
    let mut names = Vec::new();
    let mut list = data.list(&prefix);
    while let Some(listed) = list.next().await {
        match listed {
            Ok(listed) => names.push(listed.key.as_str().to_owned()),
            Err(why) => return json!({ "error": why.to_string() }),
        }
    }
    json!(names)
}

async fn bundle(data: &Data, call: &Call) -> Value {
    let asked = call.text("value").to_owned();
    let loader = move || async move {
        LOADS.fetch_add(1, Ordering::Relaxed);
        let mut bundle = Bundle::default();
        bundle.insert("text", &asked).map_err(|why| why.to_string())?;
        bundle.insert("length", &asked.len()).map_err(|why| why.to_string())?;
        Ok::<_, String>(Loaded::new(bundle))
    };
    match data.get_or_fetch_bundle(&call.key(), &call.policy(), loader).await {
        Ok(bundle) => {
            let text = bundle.get::<String>("text").ok().flatten();
            let length = bundle.get::<usize>("length").ok().flatten();
            json!({ "text": text, "length": length, "loads": LOADS.load(Ordering::Relaxed) })
        }
        Err(why) => json!({ "error": why.to_string() }),
    }
}

/// A loader that asks for its own value.
async fn deep(data: &Data, call: &Call) -> Value {
    let (inner, key, policy) = (data.clone(), call.key(), call.policy());
    let own = key.clone();
    let got = data
        .get_or_fetch(&key, &policy.clone(), move || async move {
            let got = inner.get_or_fetch(&own, &policy, || async { Ok::<Value, String>(json!("inner")) }).await;
            got.map_err(|why| why.to_string())
        })
        .await;
    match got {
        Ok(value) => json!({ "value": value }),
        Err(why) => json!({ "error": why.to_string() }),
    }
}
