//! The same router Worker with different caches in front; see the features in Cargo.toml.

use worker::*;

#[cfg(not(any(feature = "hand", feature = "hand-kv", feature = "layercake")))]
mod bare;
#[cfg(feature = "layercake")]
mod cached;
#[cfg(any(feature = "hand", feature = "hand-kv"))]
mod hand;

/// The Worker that all candidates share.
fn router() -> Router<'static, ()> {
    let router = Router::new()
        .get("/", |_, _| Response::ok("hello"))
        .get("/item/:size", |_, ctx| bytes(&ctx, "public, max-age=86400"))
        .get("/bypass/:size", |_, ctx| bytes(&ctx, "no-store"));
    #[cfg(feature = "origin")]
    let router = router.get_async("/origin/*rest", |req, _| async move { fetch_from_origin(&req).await });
    router
}

/// What the origin says under the same path and query.
#[cfg(feature = "origin")]
async fn fetch_from_origin(req: &Request) -> Result<Response> {
    let url = req.inner().url();
    let target = url.find("/origin/").and_then(|at| url.get(at..)).unwrap_or("/");
    Fetch::Request(Request::new(&format!("http://origin.example{target}"), Method::Get)?).send().await
}

fn bytes(ctx: &RouteContext<()>, cache_control: &str) -> Result<Response> {
    let Some(size) = ctx.param("size").and_then(|size| size.parse().ok()).filter(|size| *size <= 4 << 20) else {
        return Response::error("no such size", 404);
    };
    let body: Vec<u8> = (0..size).map(|i| b'a' + (i % 26) as u8).collect();
    let headers = Headers::new();
    headers.set("content-type", "application/octet-stream")?;
    headers.set("cache-control", cache_control)?;
    headers.set("etag", &format!("\"{size}\""))?;
    headers.set("x-content-type-options", "nosniff")?;
    Ok(Response::from_bytes(body)?.with_headers(headers))
}
