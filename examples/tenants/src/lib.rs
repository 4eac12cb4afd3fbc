//! One Worker for many tenants, each on a host of its own: `anna.example`, `ben.example`. Its table is `cache.json`.
//!
//! - `/news/:id` is made for a tenant, in the visitor's theme. Both are part of the key; what else a visitor has, cookies of
//!   campaigns and parameters of theirs, the handler does not see.
//! - `/careless/:id` answers by a request field that nobody named in `Vary`: verification finds it out at the first request.
//! - A table in KV, under the key `cache-table`, replaces the one here within a minute.
//! - `GET /__cache/stats` with the secret `CACHE_TOKEN` as a bearer token tells which table is in use, and the counts.

use std::time::Duration;

use layercake::worker::Isolate;
use layercake::{CacheConfig, ConfigError};
use worker::*;

type Table = std::result::Result<CacheConfig, ConfigError>;

/// The table that a document says, with what it cannot say: how the tenant is found.
fn table(text: &str) -> Table {
    CacheConfig::from_json(text)?.value("tenant", |request| tenant(request.authority()).map(str::to_owned)).build()
}

/// What stands before the first dot of the host.
fn tenant(host: &str) -> Option<&str> {
    host.split_once('.').map(|(tenant, _)| tenant)
}

fn first_table(env: &Env) -> Table {
    match env.var("CACHE_TABLE") {
        Ok(text) => table(&text.to_string()),
        Err(_) => table(include_str!("../cache.json")),
    }
}

static CACHE: Isolate = Isolate::with_env(first_table);

/// A turn of a future is cheaper so, in the whole Worker.
#[event(start)]
fn start() {
    layercake::worker::wake_by_promises();
}

#[event(fetch)]
async fn fetch(req: web_sys::Request, env: Env, ctx: Context) -> Result<web_sys::Response> {
    CACHE
        .open(&env, ctx)
        .kv("CACHE")
        .live_table("CACHE", "cache-table", Duration::from_secs(60), table)
        .admin("/__cache", "CACHE_TOKEN")
        .run_verified(req, |req| router().run(req, env))
        .await
}

fn router() -> Router<'static, ()> {
    Router::new()
        .get("/news/:id", |req, ctx| {
            let host = req.headers().get("host")?.unwrap_or_default();
            let theme = cookie(&req, "theme")?.unwrap_or_else(|| "light".to_owned());
            let (tenant, id) = (tenant(&host).unwrap_or("nobody"), ctx.param("id").map_or("", |id| id));
            Response::from_html(format!("<body class=\"{theme}\"><h1>News {id} of {tenant}</h1>"))
        })
        .get("/careless/:id", |req, _| {
            let plan = req.headers().get("x-plan")?.unwrap_or_else(|| "free".to_owned());
            Response::ok(format!("what the plan {plan} shows"))
        })
}

fn cookie(req: &Request, wanted: &str) -> Result<Option<String>> {
    let cookies = req.headers().get("cookie")?.unwrap_or_default();
    let mut pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
    Ok(pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_valid_and_nothing_is_to_be_said_of_it() {
        let table = super::table(include_str!("../cache.json")).unwrap();
        assert_eq!(table.lint(), []);
    }

    #[test]
    fn tenants_are_named_by_their_hosts() {
        assert_eq!(super::tenant("anna.example:8787"), Some("anna"));
        assert_eq!(super::tenant("localhost"), None);
    }
}
