//! An axum application on a laptop, behind a cache in memory. `cargo run --example native --features tokio,tower`

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use layercake::layer::CacheLayer;
use layercake::policy::Level;
use layercake::runtime::TokioRuntime;
use layercake::tier::{MemoryTier, Tier};
use layercake::{Cache, CacheConfig, ConfigError, Policy, SchemaVersion};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

fn table() -> Result<CacheConfig, ConfigError> {
    let products = Policy::ttl(Duration::from_secs(10))
        .stale_while_revalidate(Duration::from_secs(60))
        .stale_if_error(Duration::from_secs(600));
    CacheConfig::new("native", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .route("/products/:id", products)
        .route("/account", Policy::bypass())
        .build()
}

async fn product(Path(id): Path<u32>) -> String {
    tokio::time::sleep(Duration::from_millis(500)).await;
    format!("product {id}, after half a second of work\n")
}

async fn account() -> &'static str {
    "yours alone\n"
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let memory: Arc<dyn Tier> = Arc::new(MemoryTier::new(Level::L1, 64 << 20));
    let cache = Cache::new(table()?, [memory], Arc::new(TokioRuntime));
    let router = Router::new()
        .route("/products/{id}", get(product))
        .route("/account", get(account))
        .layer(CacheLayer::new(cache));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("curl -i http://{address}/products/7   # slow: Cache-Status says fwd=uri-miss; stored");
    println!("curl -i http://{address}/products/7   # at once: hit; then stale after 10 s, and refreshed behind");
    println!("curl -i http://{address}/account      # never cached: fwd=bypass");
    axum::serve(listener, router).await?;
    Ok(())
}
