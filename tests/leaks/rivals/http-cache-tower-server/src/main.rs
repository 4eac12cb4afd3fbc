//! http-cache-tower-server with `cache_by_default`, its option for answers that say nothing, which then live for its default
//! of a minute; in memory, with room for more than its default of 42 answers. With the argument `query` the key is that of its `QueryKeyer`, else its default, method and path.

use http_cache::{MokaCache, MokaManager};
use http_cache_tower_server::{QueryKeyer, ServerCacheLayer, ServerCacheOptions};
use proxy::{Forward, serve};
use std::time::Duration;
use tower::Layer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let options = ServerCacheOptions {
        default_ttl: Some(Duration::from_secs(60)),
        cache_by_default: true,
        ..ServerCacheOptions::default()
    };
    let manager = MokaManager::new(MokaCache::new(10_000));
    if std::env::args().nth(2).is_some_and(|keyer| keyer == "query") {
        serve(ServerCacheLayer::with_keyer(manager, QueryKeyer).with_options(options).layer(Forward::to_origin())).await
    } else {
        serve(ServerCacheLayer::new(manager).with_options(options).layer(Forward::to_origin())).await
    }
}
