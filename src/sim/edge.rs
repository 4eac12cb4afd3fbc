use super::core::Core;
use crate::entry::StoredResponse;
use crate::policy::{CacheKey, Level};
use crate::runtime::Runtime as _;
use crate::semantics::freshness::Timestamp;
use crate::sim::StreamTier;
use crate::tier::{Takes, Tier, TierError};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// How the edge cache of each data centre behaves.
///
/// ```
/// use layercake::sim::EdgeModel;
///
/// // Every tenth look-up finds its entry evicted.
/// let crowded = EdgeModel { evicts_permille: 100, ..EdgeModel::default() };
/// assert_ne!(crowded, EdgeModel::default());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeModel {
    /// How many bytes it keeps; what has not been used for the longest time gives way. Default: 64 MiB.
    pub budget: u64,
    /// How many look-ups in a thousand find that the entry has gone. Default: none.
    pub evicts_permille: u64,
    /// How long a look-up takes, least and most. Default: 0 to 4 ms.
    pub read: (Duration, Duration),
    /// How long a write or deletion takes, least and most. Default: 0 to 8 ms.
    pub write: (Duration, Duration),
}

impl Default for EdgeModel {
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self { budget: 64 << 20, evicts_permille: 0, read: (millis(0), millis(4)), write: (millis(0), millis(8)) }
    }
}

/// The edge cache of one data centre.
pub(super) struct Edge {
    core: Arc<Core>,
    model: EdgeModel,
    shelf: StreamTier,
}

impl Edge {
    pub(super) fn new(core: Arc<Core>, model: EdgeModel) -> Self {
        let shelf = StreamTier::new(Level::L1, model.budget);
        Self { core, model, shelf }
    }

    async fn take_time(&self, span: (Duration, Duration)) {
        let pause = self.core.numbers().latency.between(span);
        self.core.runtime.sleep(pause).await;
    }
}

impl Tier for Edge {
    fn level(&self) -> Level {
        Level::L1
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        self.shelf.takes(length)
    }

    fn timeout(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn earns_trust(&self) -> bool {
        true
    }

    fn get<'a>(&'a self, key: &'a CacheKey, _: Timestamp) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        Box::pin(async move {
            self.take_time(self.model.read).await;
            if self.core.numbers().eviction.permille(self.model.evicts_permille) {
                self.shelf.delete(key).await?;
            }
            self.shelf.get(key, self.core.runtime.now()).await
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(async move {
            self.take_time(self.model.write).await;
            self.shelf.put(key, entry, self.core.runtime.now()).await
        })
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(async move {
            self.take_time(self.model.write).await;
            self.shelf.delete(key).await
        })
    }
}
