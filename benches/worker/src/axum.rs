//! The same pages around an axum router: alone, and behind layercake's Tower door.

use ::axum::Router;
use ::axum::body::Body;
use ::axum::extract::Path;
use ::axum::response::{IntoResponse, Response};
use ::axum::routing::get;
use http::StatusCode;
use tower_service::Service;
use worker::{Context, Env, HttpRequest, Result, event};

fn pages() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/item/{size}", get(|Path(size): Path<String>| async move { item(&size, "public, max-age=86400") }))
        .route("/bypass/{size}", get(|Path(size): Path<String>| async move { item(&size, "no-store") }))
}

fn item(size: &str, cache_control: &str) -> Response {
    let Some((body, etag)) = crate::letters(size) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let fields = [
        ("content-type", "application/octet-stream"),
        ("cache-control", cache_control),
        ("etag", etag.as_str()),
        ("x-content-type-options", "nosniff"),
    ];
    (fields, body).into_response()
}

#[cfg(not(feature = "layercake-axum"))]
#[event(fetch)]
async fn fetch(req: HttpRequest, _: Env, _: Context) -> Result<http::Response<Body>> {
    match pages().call(req).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

#[cfg(feature = "layercake-axum")]
mod cached {
    use super::*;
    use layercake::layer::CacheLayer;
    use layercake::worker::Isolate;
    use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion, StatusForm};
    use std::time::Duration;
    use tower_layer::Layer;

    fn table() -> std::result::Result<CacheConfig, ConfigError> {
        CacheConfig::new("bench", SchemaVersion(1))
            .cache_status(StatusForm::Full)
            .route("/item/:size", Policy::ttl(Duration::from_secs(86_400)))
            .route("/bypass/*rest", Policy::bypass())
            .hot_budget(0)
            .build()
    }

    static CACHE: Isolate = Isolate::new(table);

    #[event(fetch)]
    async fn fetch(req: HttpRequest, env: Env, ctx: Context) -> Result<http::Response<Body>> {
        let cache = CACHE.open(&env, ctx).kv("CACHE").into_cache();
        match Router::new().fallback_service(CacheLayer::new(cache).layer(pages())).call(req).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}
