//! The application: a router over D1. Nothing here knows whether its answers are cached.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use worker::*;

pub fn router() -> Router<'static, ()> {
    Router::new()
        .get("/", home)
        .get_async("/api/products", products)
        .get_async("/api/products/:id", product)
        .post_async("/api/products/:id/price", set_price)
        .get_async("/account/orders", orders)
        .get("/assets/*file", asset)
        .get_async("/report", report)
}

#[derive(Serialize, Deserialize)]
struct Product {
    id: u32,
    name: String,
    category: String,
    price_cents: u32,
    stock: u32,
    description: String,
}

#[derive(Deserialize)]
struct NewPrice {
    price_cents: u32,
}

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
    product: String,
    quantity: u32,
    total_cents: u32,
}

#[derive(Serialize, Deserialize)]
struct CategoryTotals {
    category: String,
    products: u32,
    units: u32,
    value_cents: u32,
}

#[derive(Serialize)]
struct Message<'a> {
    error: &'a str,
}

fn home(_req: Request, _ctx: RouteContext<()>) -> Result<Response> {
    Response::from_html(include_str!("../assets/home.html"))
}

/// All products, or those of `?category=`, by `?sort=name|price|stock` (default: id).
async fn products(req: Request, ctx: RouteContext<()>) -> Result<Response> {
    let order = match query(&req, "sort").as_deref() {
        Some("name") => "name",
        Some("price") => "price_cents",
        Some("stock") => "stock DESC",
        _ => "id",
    };
    let db = ctx.d1("DB")?;
    let statement = match query(&req, "category") {
        Some(category) => db
            .prepare(format!("SELECT * FROM products WHERE category = ?1 ORDER BY {order}"))
            .bind(&[category.into()])?,
        None => db.prepare(format!("SELECT * FROM products ORDER BY {order}")),
    };
    Response::from_json(&statement.all().await?.results::<Product>()?)
}

async fn product(_req: Request, ctx: RouteContext<()>) -> Result<Response> {
    let Some(id) = product_id(&ctx) else {
        return no_such_product();
    };
    let statement = ctx.d1("DB")?.prepare("SELECT * FROM products WHERE id = ?1").bind(&[id.into()])?;
    match statement.first::<Product>(None).await? {
        Some(product) => Response::from_json(&product),
        None => no_such_product(),
    }
}

/// `{"price_cents": 1234}`; answers with the product as it is now.
async fn set_price(mut req: Request, ctx: RouteContext<()>) -> Result<Response> {
    let Some(id) = product_id(&ctx) else {
        return no_such_product();
    };
    let Ok(new) = req.json::<NewPrice>().await else {
        return fail("expected a body like {\"price_cents\": 1234}", 400);
    };
    let statement = ctx
        .d1("DB")?
        .prepare("UPDATE products SET price_cents = ?2 WHERE id = ?1 RETURNING *")
        .bind(&[id.into(), new.price_cents.into()])?;
    match statement.first::<Product>(None).await? {
        Some(product) => Response::from_json(&product),
        None => no_such_product(),
    }
}

/// Personal: the orders of whoever the `session` cookie belongs to.
async fn orders(req: Request, ctx: RouteContext<()>) -> Result<Response> {
    let Some(session) = cookie(&req, "session") else {
        return fail("sign in first: send a cookie like session=alice", 401);
    };
    let statement = ctx
        .d1("DB")?
        .prepare(
            "SELECT o.id, p.name AS product, o.quantity, o.quantity * p.price_cents AS total_cents \
             FROM orders o JOIN products p ON p.id = o.product_id WHERE o.session = ?1 ORDER BY o.id",
        )
        .bind(&[session.into()])?;
    Response::from_json(&statement.all().await?.results::<Order>()?)
}

/// A style sheet, and a large file made up here that stands in for an image from a bucket.
fn asset(_req: Request, ctx: RouteContext<()>) -> Result<Response> {
    match ctx.param("file").map(String::as_str) {
        Some("style.css") => Ok(Response::builder()
            .with_header("content-type", "text/css; charset=utf-8")?
            .fixed(include_bytes!("../assets/style.css").to_vec())),
        Some("catalogue.bin") => Response::from_bytes(noise(4 * 1024 * 1024)),
        _ => fail("no such file", 404),
    }
}

/// Stock by category. The delay stands in for a query over more data than an example should carry.
async fn report(_req: Request, ctx: RouteContext<()>) -> Result<Response> {
    Delay::from(Duration::from_millis(800)).await;
    let statement = ctx.d1("DB")?.prepare(
        "SELECT category, COUNT(*) AS products, SUM(stock) AS units, SUM(stock * price_cents) AS value_cents \
         FROM products GROUP BY category ORDER BY category",
    );
    Response::from_json(&statement.all().await?.results::<CategoryTotals>()?)
}

fn product_id(ctx: &RouteContext<()>) -> Option<u32> {
    ctx.param("id")?.parse().ok()
}

fn no_such_product() -> Result<Response> {
    fail("no such product", 404)
}

fn fail(error: &str, status: u16) -> Result<Response> {
    Ok(Response::from_json(&Message { error })?.with_status(status))
}

/// One parameter of the query, as it stands: the ones used here are plain words. (`Request::url` would bring a whole URL
/// parser into the Worker: 72 KB compressed.)
fn query(req: &Request, name: &str) -> Option<String> {
    let url = req.inner().url();
    let (_, query) = url.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.into())
}

fn cookie(req: &Request, name: &str) -> Option<String> {
    let cookies = req.headers().get("cookie").ok()??;
    cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, v)| v.into())
}

/// `len` bytes that look random and are the same every time (xorshift).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
