//! The routes that only some scenarios need; by what they are for, see benches/README.md.

use worker::*;

/// What the Worker by hand caches.
#[cfg(any(feature = "hand", feature = "hand-kv"))]
pub const CACHED: [&str; 4] = ["/item/", "/wide/item/", "/heads/", "/origin/"];

/// How long what `/stale` answers is fresh.
#[cfg(any(feature = "hand", feature = "layercake-core"))]
pub const BRIEF_MS: u64 = 1000;

pub fn add(router: Router<'static, ()>) -> Router<'static, ()> {
    router
        .get("/stale/:size", |_, ctx| crate::item(&ctx, "public, max-age=1, stale-while-revalidate=86400"))
        .get("/heads/:size", |_, ctx| heads(&ctx))
        .get_async("/origin/*rest", |req, _| async move { fetch_from_origin(&req).await })
}

macro_rules! paths {
    ($($noun:literal)*) => {
        [$(
            concat!("/wide/", $noun),
            concat!("/wide/", $noun, "/new"),
            concat!("/wide/", $noun, "/:id"),
            concat!("/wide/", $noun, "/:id/edit"),
            concat!("/wide/", $noun, "/:id/comments"),
            concat!("/wide/", $noun, "/:id/comments/:comment"),
        )*]
    };
}

const OTHERS: [&str; 48] = paths!("articles" "authors" "invoices" "orders" "products" "sections" "tenants" "users");

/// A router of fifty routes.
pub fn wide() -> Router<'static, ()> {
    OTHERS
        .iter()
        .fold(Router::new(), |router, path| router.get(path, |_, _| Response::ok("another route")))
        .get("/wide/item/:size", |_, ctx| crate::item(&ctx, "public, max-age=86400"))
        .get("/wide/bypass/:size", |_, ctx| crate::item(&ctx, "no-store"))
}

/// An answer with 4 KB of headers, in twenty fields.
fn heads(ctx: &RouteContext<()>) -> Result<Response> {
    const NAMES: [&str; 20] = [
        "x-a", "x-b", "x-c", "x-d", "x-e", "x-f", "x-g", "x-h", "x-i", "x-j", "x-k", "x-l", "x-m", "x-n", "x-o", "x-p",
        "x-q", "x-r", "x-s", "x-t",
    ];
    let response = crate::item(ctx, "public, max-age=86400")?;
    let value = "v".repeat(196);
    for name in NAMES {
        response.headers().set(name, &value)?;
    }
    Ok(response)
}

/// What the origin says under the same path and query.
async fn fetch_from_origin(req: &Request) -> Result<Response> {
    let url = req.inner().url();
    let target = url.find("/origin/").and_then(|at| url.get(at..)).unwrap_or("/");
    Fetch::Request(Request::new(&format!("http://origin.example{target}"), Method::Get)?).send().await
}
