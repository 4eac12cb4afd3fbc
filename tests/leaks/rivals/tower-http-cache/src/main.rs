//! tower-http-cache as its documentation begins: the builder over the memory backend, with a lifetime of a minute. All else
//! is its default: the key is path and query, `Cache-Control` is respected.

use proxy::{Forward, serve};
use std::time::Duration;
use tower::Layer;
use tower_http_cache::prelude::{CacheLayer, InMemoryBackend};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let layer = CacheLayer::builder(InMemoryBackend::new(10_000)).ttl(Duration::from_secs(60)).build();
    serve(layer.layer(Forward::to_origin())).await
}
