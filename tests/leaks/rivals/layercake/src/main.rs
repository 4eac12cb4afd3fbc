//! layercake's Tower door: every path for a minute, in memory.

use layercake::layer::CacheLayer;
use layercake::policy::Level;
use layercake::runtime::TokioRuntime;
use layercake::tier::{MemoryTier, Tier};
use layercake::{Cache, CacheConfig, Policy, SchemaVersion};
use proxy::{Forward, serve};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tower::Layer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let table = CacheConfig::new("leaks", SchemaVersion(1)).fallback(Policy::ttl(Duration::from_secs(60))).build()?;
    let memory: Arc<dyn Tier> = Arc::new(MemoryTier::new(Level::L1, 64 << 20));
    let cache = Cache::new(table, [memory], Arc::new(TokioRuntime));
    serve(CacheLayer::new(cache).layer(Forward::to_origin())).await?;
    Ok(())
}
