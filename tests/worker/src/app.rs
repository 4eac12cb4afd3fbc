//! What lies behind the cache: an application that keeps count of its own runs.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use worker::*;

use crate::{body, law};

static RUNS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
static FAIL: AtomicBool = AtomicBool::new(false);

/// How often the application ran, by path and query.
pub fn runs() -> BTreeMap<String, u32> {
    RUNS.lock().map(|runs| runs.clone()).unwrap_or_default()
}

/// Whether `/flaky/...` fails from now on.
pub fn fail(on: bool) -> Result<Response> {
    FAIL.store(on, Ordering::Relaxed);
    Response::empty()
}

pub async fn handle(req: Request, env: Env) -> Result<Response> {
    let target = path_and_query(&req);
    let run = RUNS.lock().map_or(0, |mut runs| {
        let run = runs.entry(target).or_insert(0);
        *run += 1;
        *run
    });
    if req.path().starts_with("/echo/") {
        return crate::keys::echo(&req);
    }
    router(run).run(req, env).await
}

/// `run` says for the how-manieth time this path and query is asked for.
fn router(run: u32) -> Router<'static, u32> {
    Router::with_data(run)
        .get("/bytes/:n", |_, ctx| Response::from_bytes(body::pattern(number(&ctx, "n"))))
        .get("/stream/:n", |_, ctx| body::streamed(number(&ctx, "n")))
        .get("/fixed/:n", |_, ctx| body::fixed(number(&ctx, "n")))
        .get("/broken/:n", |_, ctx| body::broken(number(&ctx, "n")))
        .get("/cut/:n", |_, ctx| body::cut(number(&ctx, "n")))
        .get("/gzip", |_, _| {
            Ok(Response::from_bytes(body::gzip()?)?
                .with_headers(headers(&[("content-encoding", "gzip"), ("content-type", "text/plain")])?)
                .with_encode_body(EncodeBody::Manual))
        })
        .get("/count/:name", count)
        .get("/expire/:name", count)
        .get("/swr/:name", count)
        .get("/flaky/:name", |req, ctx| {
            if FAIL.load(Ordering::Relaxed) { Response::error("failing on purpose", 503) } else { count(req, ctx) }
        })
        .get_async("/slow/:ms", |req, ctx| async move {
            Delay::from(Duration::from_millis(number(&ctx, "ms") as u64)).await;
            count(req, ctx)
        })
        .get("/etag/:tag", |_, ctx| {
            let tag = format!("\"{}\"", ctx.param("tag").map_or("", |tag| tag));
            Ok(Response::ok("tagged")?.with_headers(headers(&[("etag", &tag)])?))
        })
        .get("/error/:status", status)
        .get("/kept/:status", status)
        .get("/empty/:status", |_, ctx| Ok(Response::empty()?.with_status(number(&ctx, "status") as u16)))
        .get("/whoami", whoami)
        .get("/anonymous/whoami", whoami)
        .get("/bypass/whoami", whoami)
        .get("/bypass/loud", |_, ctx| with(ctx.data, &[("cache-control", "public, max-age=60")]))
        .get("/setcookie", |_, ctx| with(ctx.data, &[("set-cookie", &format!("visitor={}", ctx.data))]))
        .get("/vary", |req, _| {
            let language = req.headers().get("accept-language")?.unwrap_or_default();
            Ok(Response::ok(language)?.with_headers(headers(&[("vary", "accept-language")])?))
        })
        .get("/private", |_, ctx| with(ctx.data, &[("cache-control", "private, max-age=60")]))
        .get("/nostore", |_, ctx| with(ctx.data, &[("cache-control", "no-store")]))
        .get("/silent/:name", count)
        .post_async("/count/:name", |mut req, _| async move { Response::from_bytes(req.bytes().await?) })
        .on_async("/law/:policy/:name", law::answer)
        .get_async("/fetch/*path", |req, ctx| async move {
            let target = path_and_query(&req);
            let url = format!("{}{}", ctx.var("ORIGIN")?, target.trim_start_matches("/fetch"));
            // As a proxy does: redirections are the visitor's to follow.
            let init = RequestInit { redirect: RequestRedirect::Manual, ..RequestInit::new() };
            Fetch::Request(Request::new_with_init(&url, &init)?).send().await
        })
}

fn count(_req: Request, ctx: RouteContext<u32>) -> Result<Response> {
    with(ctx.data, &[])
}

fn status(_req: Request, ctx: RouteContext<u32>) -> Result<Response> {
    Ok(with(ctx.data, &[])?.with_status(number(&ctx, "status") as u16))
}

/// What the handler is shown of the person who asks.
fn whoami(req: Request, ctx: RouteContext<u32>) -> Result<Response> {
    #[derive(Serialize)]
    struct Seen {
        run: u32,
        method: String,
        headers: BTreeMap<String, String>,
    }
    let headers = req.headers().entries().collect();
    Response::from_json(&Seen { run: ctx.data, method: req.method().to_string(), headers })
}

/// The run as the body, with these fields.
fn with(run: u32, fields: &[(&str, &str)]) -> Result<Response> {
    Ok(Response::ok(run.to_string())?.with_headers(headers(fields)?))
}

fn headers(fields: &[(&str, &str)]) -> Result<Headers> {
    let headers = Headers::new();
    for (name, value) in fields {
        headers.append(name, value)?;
    }
    Ok(headers)
}

fn number(ctx: &RouteContext<u32>, name: &str) -> usize {
    ctx.param(name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn path_and_query(req: &Request) -> String {
    let url = req.inner().url();
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or("/", |at| &url[host + at..]).to_owned()
}
