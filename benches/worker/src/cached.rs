//! layercake with its defaults; the hot tier, and a policy that masks the handler's request, only in their own candidates.

use std::time::Duration;

use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion, StatusForm, worker::Isolate};
use worker::*;

fn table() -> std::result::Result<CacheConfig, ConfigError> {
    let item = Policy::ttl(Duration::from_secs(86_400));
    #[cfg(feature = "layercake-anonymous")]
    let item = item.anonymous();
    let config = CacheConfig::new("bench", SchemaVersion(1))
        // The runs are told apart by the tier that answered.
        .cache_status(StatusForm::Full)
        .route("/item/:size", item)
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
