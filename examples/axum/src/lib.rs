//! An axum router on Cloudflare Workers: `CacheLayer` around a router answers by the table, and one route outside of it
//! carries a policy of its own.

use axum::Json;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use layercake::layer::CacheLayer;
use layercake::worker::Isolate;
use layercake::{Cache, CacheConfig, ConfigError, Policy, SchemaVersion};
use serde_json::{Value, json};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;
use worker::{Context, Env, HttpRequest, event};

fn table() -> Result<CacheConfig, ConfigError> {
    CacheConfig::new("axum-example", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .route("/time", Policy::ttl(Duration::from_secs(10)).stale_while_revalidate(Duration::from_secs(60)))
        .route("/account", Policy::bypass())
        .build()
}

static CACHE: Isolate = Isolate::new(table);

/// The pages, which know nothing of a cache.
fn pages() -> Router {
    Router::new().route("/time", get(time)).route("/account", get(|| async { "yours alone" }))
}

async fn time() -> Json<Value> {
    Json(json!({ "milliseconds": worker::Date::now().as_millis() }))
}

async fn greet(Path(name): Path<String>) -> String {
    format!("Hello, {name}!")
}

/// The whole application: one route brings its policy along, the pages go by the table.
fn app(cache: Cache) -> Result<Router, ConfigError> {
    let by_table = CacheLayer::new(cache);
    let for_an_hour = by_table.clone().policy(Policy::ttl(Duration::from_secs(3600)).anonymous())?;
    Ok(Router::new()
        .route("/greet/{name}", get(greet).route_layer(for_an_hour))
        .fallback_service(by_table.layer(pages())))
}

#[event(fetch)]
async fn fetch(req: HttpRequest, env: Env, ctx: Context) -> worker::Result<http::Response<axum::body::Body>> {
    let cache = CACHE.open(&env, ctx).kv("CACHE").into_cache();
    let mut app = app(cache).map_err(|error| worker::Error::RustError(error.to_string()))?;
    match app.call(req).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_route_table_is_valid() {
        assert!(super::table().is_ok());
    }
}
