//! layercake with its defaults; the hot tier only in its own candidate.

use std::time::Duration;

use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion, worker::Isolate};
use worker::*;

fn table() -> std::result::Result<CacheConfig, ConfigError> {
    let config = CacheConfig::new("bench", SchemaVersion(1))
        .route("/item/:size", Policy::ttl(Duration::from_secs(86_400)))
        .route("/bypass/*rest", Policy::bypass());
    #[cfg(not(feature = "layercake-hot"))]
    let config = config.hot_budget(0);
    config.build()
}

static CACHE: Isolate = Isolate::new(table);

#[event(fetch)]
async fn fetch(req: Request, env: Env, ctx: Context) -> Result<web_sys::Response> {
    CACHE.open(&env, ctx).kv("CACHE").run(req, move |req| crate::router().run(req, env)).await
}
