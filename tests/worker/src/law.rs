//! Answers to order, under `/law/POLICY/NAME`: the query is the script, as it is with the origin of the stand-ins.
//!
//! - `size=N kind=bytes|stream|fixed|gzip`: the body. Without a size it is text: `v` and the version, `run` and the run, and
//!   `NAME=VALUE` of each request field in `vary`, separated by blanks; `VALUE` is `-` where there is none. `pace=MS` lies
//!   between the chunks of a stream.
//! - `vary=NAME,NAME`: the `Vary` field; `tell=NAME,NAME`: the same without the field; `acao=1`: `Access-Control-Allow-Origin` is the request's `Origin`.
//! - `etag=1`: `ETag` is `"v1"`, or what the version is; a request whose `If-None-Match` holds it gets a 304.
//! - `modified=1`: a `Last-Modified`; a request whose `If-Modified-Since` is that gets a 304.
//! - `said=Name:Value`: a field of every answer, `new=Name:Value`: of every answer but a 304, `old=Name:Value`: of a 304. Repeatable.
//! - `status=N`: the status of what is no 304; `refuse=N`: that of the answer to another method than GET and HEAD.
//! - `delay=MS` and what else may befall a GET once it has looked what is there: see [`Ordeal`].
//! - `fetch=PATH`: instead of all that, what the origin answers there to this request's conditions.
//!
//! Another method than GET and HEAD makes the path's version the next one, unless it is refused or fails, and is answered by
//! the same script.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Serialize;
use worker::*;

use crate::body;
use crate::ordeal::Ordeal;

static VERSIONS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
static SEEN: Mutex<BTreeMap<String, Vec<Seen>>> = Mutex::new(BTreeMap::new());

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A request as the handler saw it.
#[derive(Clone, Serialize)]
pub struct Seen {
    method: String,
    headers: BTreeMap<String, String>,
}

/// The requests that came through, by path and query, in order.
pub fn seen() -> BTreeMap<String, Vec<Seen>> {
    SEEN.lock().map(|seen| seen.clone()).unwrap_or_default()
}

/// Makes the version of `path` the next one.
pub fn next(path: &str) {
    if let Ok(mut versions) = VERSIONS.lock() {
        *versions.entry(path.to_owned()).or_insert(1) += 1;
    }
}

fn version(path: &str) -> u32 {
    VERSIONS.lock().ok().and_then(|versions| versions.get(path).copied()).unwrap_or(1)
}

#[derive(Default)]
struct Script {
    size: Option<usize>,
    kind: String,
    vary: String,
    tell: String,
    acao: bool,
    etag: bool,
    modified: bool,
    fields: Vec<(When, String, String)>,
    status: Option<u16>,
    refuse: Option<u16>,
    pace: u64,
    ordeal: Ordeal,
    fetch: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum When {
    Always,
    New,
    Old,
}

impl Script {
    fn of(url: &Url) -> Self {
        let mut script = Self::default();
        for (name, value) in url.query_pairs() {
            script.ordeal.read(&name, &value);
            let mut field = |when| {
                let (name, value) = value.split_once(':').unwrap_or((&value, ""));
                script.fields.push((when, name.to_owned(), value.to_owned()));
            };
            match &*name {
                "size" => script.size = value.parse().ok(),
                "kind" => script.kind = value.into_owned(),
                "vary" => script.vary = value.into_owned(),
                "tell" => script.tell = value.into_owned(),
                "acao" => script.acao = true,
                "etag" => script.etag = true,
                "modified" => script.modified = true,
                "said" => field(When::Always),
                "new" => field(When::New),
                "old" => field(When::Old),
                "status" => script.status = value.parse().ok(),
                "refuse" => script.refuse = value.parse().ok(),
                "pace" => script.pace = value.parse().unwrap_or(0),
                "fetch" => script.fetch = Some(value.into_owned()),
                _ => {}
            }
        }
        script
    }
}

#[allow(clippy::disallowed_methods, reason = "a fixture may be as large as it likes")]
pub async fn answer(req: Request, ctx: RouteContext<u32>) -> Result<Response> {
    let (url, method) = (req.url()?, req.method());
    let script = Script::of(&url);
    if let Ok(mut seen) = SEEN.lock() {
        let target = url[url::Position::BeforePath..].to_owned();
        let headers = req.headers().entries().collect();
        seen.entry(target).or_default().push(Seen { method: method.to_string(), headers });
    }
    if let Some(path) = &script.fetch {
        return fetched(&req, &format!("{}{path}", ctx.var("ORIGIN")?)).await;
    }
    let safe = matches!(method, Method::Get | Method::Head);
    let said = script.status.filter(|_| script.ordeal.befalls(ctx.data));
    let status = script.refuse.filter(|_| !safe).or(said).unwrap_or(200);
    if !safe && status < 400 {
        next(url.path());
    }
    let version = version(url.path());
    if safe {
        script.ordeal.pass(ctx.data).await?;
    }
    let etag = format!("\"v{version}\"");
    let field = |name: &str| req.headers().get(name).map(Option::unwrap_or_default);
    let unchanged = safe
        && ((script.etag && field("if-none-match")?.contains(&etag))
            || (script.modified && field("if-modified-since")? == MODIFIED));
    let headers = Headers::new();
    for (name, value) in [("vary", &script.vary), ("etag", &if script.etag { etag } else { String::new() })] {
        if !value.is_empty() {
            headers.set(name, value)?;
        }
    }
    if script.acao {
        headers.set("access-control-allow-origin", &field("origin")?)?;
    }
    if script.modified {
        headers.set("last-modified", MODIFIED)?;
    }
    for (when, name, value) in &script.fields {
        if *when == When::Always || (*when == When::Old) == unchanged {
            headers.append(name, value)?;
        }
    }
    if unchanged {
        return Ok(Response::empty()?.with_status(304).with_headers(headers));
    }
    let mut text = format!("v{version} run{}", ctx.data);
    for name in [&script.vary, &script.tell]
        .into_iter()
        .flat_map(|names| names.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        text += &format!(" {name}={}", req.headers().get(name)?.unwrap_or_else(|| "-".into()));
    }
    let response = match (&*script.kind, script.size) {
        ("gzip", _) => {
            headers.set("content-encoding", "gzip")?;
            Response::from_bytes(body::gzip()?)?.with_encode_body(EncodeBody::Manual)
        }
        (_, None) => Response::ok(text)?,
        ("stream", Some(size)) if script.pace > 0 => body::paced(size, script.pace)?,
        ("stream", Some(size)) => body::streamed(size)?,
        ("fixed", Some(size)) => body::fixed(size)?,
        (_, Some(size)) => Response::from_bytes(body::pattern(size))?,
    };
    Ok(response.with_headers(headers).with_status(status))
}

async fn fetched(req: &Request, url: &str) -> Result<Response> {
    let onward = Request::new(url, req.method())?;
    for name in ["accept-encoding", "if-none-match", "if-modified-since"] {
        if let Some(value) = req.headers().get(name)? {
            onward.headers().set(name, &value)?;
        }
    }
    Fetch::Request(onward).send().await
}
