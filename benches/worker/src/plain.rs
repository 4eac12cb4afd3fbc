//! layercake without the scenes, and with one more of its features in use, to be weighed.

#[cfg(not(feature = "size-json"))]
use std::time::Duration;

use layercake::{CacheConfig, ConfigError, worker::Isolate};
#[cfg(not(feature = "size-json"))]
use layercake::{Policy, SchemaVersion, StatusForm};
use worker::*;

#[cfg(not(feature = "size-json"))]
fn table() -> std::result::Result<CacheConfig, ConfigError> {
    let item = Policy::ttl(Duration::from_secs(86_400));
    #[cfg(feature = "size-verify")]
    let item = item.verify_one_in(100);
    CacheConfig::new("bench", SchemaVersion(1))
        .cache_status(StatusForm::Full)
        .route("/item/:size", item)
        .route("/bypass/*rest", Policy::bypass())
        .hot_budget(0)
        .build()
}

#[cfg(feature = "size-json")]
fn table() -> std::result::Result<CacheConfig, ConfigError> {
    const TABLE: &str = r#"{
        "app": "bench", "version": 1, "cache_status": "full", "hot": { "budget": 0 },
        "routes": [{ "path": "/item/:size", "ttl": "1d" }, { "path": "/bypass/*rest", "bypass": true }]
    }"#;
    CacheConfig::from_json(TABLE)?.build()
}

static CACHE: Isolate = Isolate::new(table);

#[event(fetch)]
async fn fetch(req: web_sys::Request, env: Env, ctx: Context) -> Result<web_sys::Response> {
    let cache = CACHE.open(&env, ctx).kv("CACHE");
    #[cfg(feature = "size-data")]
    if req.url().ends_with("/value") {
        return value::answer(&cache).await.map(Into::into);
    }
    #[cfg(feature = "size-verify")]
    return cache.run_verified(req, move |req| crate::router(&req).run(req, env)).await;
    #[cfg(not(feature = "size-verify"))]
    return cache.run(req, move |req| crate::router(&req).run(req, env)).await;
}

#[cfg(feature = "size-data")]
mod value {
    use super::*;
    use layercake::DataKey;
    use layercake::data::DataPolicy;
    use layercake::worker::Opened;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Product {
        name: String,
        cents: u32,
    }

    pub async fn answer(cache: &Opened<'_>) -> Result<Response> {
        let data = cache.data("bench.example");
        #[cfg(feature = "size-postcard")]
        let data = data.with(|data| data.codec(layercake::data::Postcard));
        #[cfg(feature = "size-encryption")]
        let data = {
            let keyring =
                layercake::data::Keyring::new("2026", &[7; 32]).map_err(|e| Error::RustError(e.to_string()))?;
            data.with(|data| data.encrypted(keyring))
        };
        let (key, policy) = (DataKey::of("bench:product").with(1), DataPolicy::ttl(Duration::from_secs(300)));
        let load = || async { Result::Ok(Product { name: "bread".to_owned(), cents: 320 }) };
        let product = data.get_or_fetch(&key, &policy, load).await?;
        Response::ok(if product.cents > 0 { product.name } else { String::new() })
    }
}
