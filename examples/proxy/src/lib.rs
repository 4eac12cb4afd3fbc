//! A caching reverse proxy: every request goes on to the server named by the variable `ORIGIN`, unless the cache has the
//! answer. The variable `PRESET` says by which rules answers are kept:
//!
//! - `rfc9111` (default): a shared cache to the letter of RFC 9111;
//! - `safe`: the crate's default for routes without a policy.

use layercake::worker::Isolate;
use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion};
use wasm_bindgen::JsCast;
use worker::*;

type Table = std::result::Result<CacheConfig, ConfigError>;

fn by_the_rfc() -> Table {
    CacheConfig::new("proxy", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .environment("rfc9111")
        .fallback(Policy::rfc9111())
        .build()
}

fn by_default() -> Table {
    CacheConfig::new("proxy", SchemaVersion(1)).cache_status(layercake::StatusForm::Full).environment("safe").build()
}

static RFC9111: Isolate = Isolate::new(by_the_rfc);
static SAFE: Isolate = Isolate::new(by_default);

#[event(fetch)]
async fn fetch(req: web_sys::Request, env: Env, ctx: Context) -> Result<web_sys::Response> {
    let origin = env.var("ORIGIN")?.to_string();
    let preset = env.var("PRESET").map(|var| var.to_string());
    let cache = if preset.is_ok_and(|name| name == "safe") { &SAFE } else { &RFC9111 };
    // An origin that cannot be reached is an error here: the cache then decides whether something stored may answer.
    match cache.open(&env, ctx).kv("CACHE").run(req, move |req| forward(req, origin)).await {
        Ok(response) => Ok(response),
        Err(error) => {
            console_error!("proxy: {error}");
            Ok(Response::error("The origin cannot be reached.", 502)?.into())
        }
    }
}

/// The same request to the origin: method, path, query, headers and body, which is streamed. Redirects are the client's.
async fn forward(req: Request, origin: String) -> Result<Response> {
    let url = req.inner().url();
    let target = format!("{}{}", origin.trim_end_matches('/'), path_and_query(&url));
    // A request is its own dictionary of options, so everything but the URL is taken over as it is (`redirect` too: that
    // of a request from a client is `manual`).
    let onward = web_sys::Request::new_with_str_and_init(&target, req.inner().unchecked_ref())?;
    // RFC 9110 section 7.6.1: what is meant for this proxy ends here.
    for name in ["connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"] {
        onward.headers().delete(name)?;
    }
    Fetch::Request(onward.into()).send().await
}

/// What follows the host in an absolute URL.
fn path_and_query(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or("/", |at| &url[host + at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_valid() {
        assert!(by_the_rfc().is_ok());
        assert!(by_default().is_ok());
    }

    #[test]
    fn the_path_is_taken_as_it_stands() {
        assert_eq!(path_and_query("https://shop.example/a%2Fb/../c?x=1&x=2"), "/a%2Fb/../c?x=1&x=2");
        assert_eq!(path_and_query("https://shop.example"), "/");
    }
}
