//! The same router Worker with different caches in front; see the features in Cargo.toml.

#[cfg(not(feature = "axum"))]
use worker::*;

#[cfg(feature = "axum")]
mod axum;
#[cfg(not(any(feature = "hand", feature = "hand-kv", feature = "layercake-core", feature = "axum")))]
mod bare;
#[cfg(all(feature = "layercake-core", feature = "scenes"))]
mod cached;
#[cfg(any(feature = "hand", feature = "hand-kv"))]
mod hand;
#[cfg(all(feature = "layercake-core", not(feature = "scenes")))]
mod plain;
#[cfg(feature = "scenes")]
mod scenes;

/// The Worker that all candidates share.
#[cfg(not(feature = "axum"))]
fn router(req: &Request) -> Router<'static, ()> {
    #[cfg(feature = "scenes")]
    if req.path().starts_with("/wide/") {
        return scenes::wide();
    }
    let _ = req;
    let router = Router::new()
        .get("/", |_, _| Response::ok("hello"))
        .get("/item/:size", |_, ctx| item(&ctx, "public, max-age=86400"))
        .get("/bypass/:size", |_, ctx| item(&ctx, "no-store"));
    #[cfg(feature = "scenes")]
    let router = scenes::add(router);
    router
}

#[cfg(not(feature = "axum"))]
fn item(ctx: &RouteContext<()>, cache_control: &str) -> Result<Response> {
    match ctx.param("size").and_then(|size| letters(size)) {
        Some(body) => Ok(Response::from_bytes(body.0)?.with_headers(headers(&body.1, cache_control)?)),
        None => Response::error("no such size", 404),
    }
}

/// A body of that many letters, and its entity tag.
fn letters(size: &str) -> Option<(Vec<u8>, String)> {
    let size: usize = size.parse().ok().filter(|size| *size <= 4 << 20)?;
    Some(((0..size).map(|i| b'a' + (i % 26) as u8).collect(), format!("\"{size}\"")))
}

#[cfg(not(feature = "axum"))]
fn headers(etag: &str, cache_control: &str) -> Result<Headers> {
    let headers = Headers::new();
    headers.set("content-type", "application/octet-stream")?;
    headers.set("cache-control", cache_control)?;
    headers.set("etag", etag)?;
    headers.set("x-content-type-options", "nosniff")?;
    Ok(headers)
}
