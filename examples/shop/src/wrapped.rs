use std::time::Duration;

use layercake::worker::Isolate;
use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion};
use worker::*;

use crate::shop::router;

/// What may be kept, and for how long. Routes not named here obey the `Cache-Control` of their own answers.
fn table() -> std::result::Result<CacheConfig, ConfigError> {
    let seconds = Duration::from_secs;
    CacheConfig::new("shop", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .route("/", Policy::ttl(seconds(300)))
        .route("/assets/*file", Policy::ttl(seconds(86_400)).anonymous())
        .route("/api/products", Policy::ttl(seconds(30)).stale_while_revalidate(seconds(60)))
        .route(
            "/api/products/:id",
            Policy::ttl(seconds(30)).stale_while_revalidate(seconds(60)).stale_if_error(seconds(600)),
        )
        // Slow: whoever comes while it is made waits for the one that makes it, and later an old one will do.
        .route(
            "/report",
            Policy::ttl(seconds(60))
                .stale_while_revalidate(seconds(600))
                .stale_if_error(seconds(3600))
                .soft_timeout(seconds(2))
                .hard_timeout(seconds(20)),
        )
        .route("/account/*rest", Policy::bypass())
        .build()
}

static CACHE: Isolate = Isolate::new(table);

#[event(fetch)]
async fn fetch(req: web_sys::Request, env: Env, ctx: Context) -> Result<web_sys::Response> {
    CACHE.open(&env, ctx).kv("CACHE").run(req, |req| router().run(req, env)).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_route_table_is_valid() {
        assert!(super::table().is_ok());
    }
}
