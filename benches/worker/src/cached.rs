//! layercake with its defaults; the hot tier, a policy that masks the handler's request, and routes to the origin, only in
//! their own candidates.

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
    #[cfg(not(any(feature = "layercake-hot", feature = "origin")))]
    let config = config.hot_budget(0);
    #[cfg(feature = "origin")]
    let config = config
        .route("/origin/day/*rest", Policy::ttl(Duration::from_secs(86_400)))
        .route("/origin/brief/*rest", Policy::ttl(BRIEF))
        .route("/origin/behind/*rest", Policy::ttl(BRIEF).stale_while_revalidate(Duration::from_secs(60)))
        .route("/origin/page/*rest", page());
    config.build()
}

/// Long enough for a thousand answers, short enough to wait for its end.
#[cfg(feature = "origin")]
const BRIEF: Duration = Duration::from_secs(2);

/// A page that must be there on a bad day.
#[cfg(feature = "origin")]
fn page() -> Policy {
    Policy::ttl(Duration::from_secs(5))
        .stale_while_revalidate(Duration::from_secs(30))
        .stale_if_error(Duration::from_secs(600))
        .soft_timeout(Duration::from_millis(500))
        .hard_timeout(Duration::from_secs(2))
}

static CACHE: Isolate = Isolate::new(table);

#[event(fetch)]
async fn fetch(req: web_sys::Request, env: Env, ctx: Context) -> Result<web_sys::Response> {
    CACHE.open(&env, ctx).kv("CACHE").run(req, move |req| crate::router().run(req, env)).await
}
