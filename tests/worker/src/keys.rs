//! A table of keys, and a handler that answers by all that it sees: path and query, cookies, `Authorization`, `x-plan`, and
//! whether there is a `request.cf`.

use std::time::Duration;

use layercake::{CacheConfig, ConfigError, Policy, QueryKey, SchemaVersion, StatusForm};
use serde::Serialize;
use worker::*;

pub fn table() -> Result<CacheConfig, ConfigError> {
    let minute = || Policy::ttl(Duration::from_secs(60));
    let builder = CacheConfig::new("keys", SchemaVersion(1))
        .cache_status(StatusForm::Full)
        .hot_budget(0)
        .value("tenant", |request| {
            let tenant = request.field("x-tenant")?;
            (*tenant != *b"*").then(|| String::from_utf8_lossy(&tenant).into_owned())
        })
        .route("/echo/whole/*rest", minute())
        .route("/echo/sorted/:name", minute().query(QueryKey::whole().sort()))
        .route("/echo/only/:name", minute().query(QueryKey::only(&["q"])))
        .route("/echo/untracked/:name", minute().query(QueryKey::without_tracking()))
        .route("/echo/ignored/:name", minute().query(QueryKey::ignored()))
        .route("/echo/folded/:name", minute().ignore_case().ignore_trailing_slash())
        .route("/echo/folded/:name/", minute().ignore_case().ignore_trailing_slash())
        .route("/echo/headers/:name", minute().key_headers(&["x-plan"]))
        .route("/echo/users/:name", minute().key_headers(&["authorization"]))
        .route("/echo/cookies/:name", minute().key_cookies(&["theme"]))
        .route("/echo/anonymous/:name", minute().anonymous().key_cookies(&["theme"]))
        .route("/echo/tenants/:name", minute().key_values(&["tenant"]))
        .fallback(Policy::bypass());
    #[cfg(feature = "whole")]
    let builder = builder.route("/echo/verified/:name", minute().verify_one_in(1));
    builder.build()
}

/// What the handler saw.
#[derive(Serialize)]
struct Seen {
    target: String,
    cookie: Option<String>,
    authorization: Option<String>,
    plan: Option<String>,
    /// Told only where policies hide it.
    cf: Option<bool>,
}

pub fn echo(req: &Request) -> Result<Response> {
    let url = req.inner().url();
    let target = url.splitn(4, '/').nth(3).unwrap_or_default();
    let field = |name| req.headers().get(name);
    Response::from_json(&Seen {
        target: format!("/{target}"),
        cookie: field("cookie")?,
        authorization: field("authorization")?,
        plan: field("x-plan")?,
        cf: req.path().starts_with("/echo/anonymous/").then(|| req.cf().is_some()),
    })
}
