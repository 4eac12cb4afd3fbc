//! Values walked through the data cache on a simulated host.

mod changes;
#[path = "../support/deletes.rs"]
mod deletes;
mod doubts;
mod groups;
mod hostile;
mod loads;
mod model;
mod raw;
mod trouble;

use deletes::{DeleteFault, Deletes};
use futures::future::join_all;
use layercake::data::{DataCache, DataPolicy, LoadError, Loaded};
use layercake::entry::StoredResponse;
use layercake::policy::Level;
use layercake::runtime::Runtime;
use layercake::semantics::freshness::Timestamp;
use layercake::sim::{FaultyTier, GetFault, PutFault, SimRuntime, StreamTier};
use layercake::stats::Event;
use layercake::tier::{MemoryTier, Tier};
use layercake::{Cache, CacheConfig, DataKey, SchemaVersion};
use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const MINUTE: Duration = secs(60);

/// The database's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database is down: {0}")]
struct Down(&'static str);

type Answer<T> = Result<T, LoadError<Down>>;

fn key(name: &str) -> DataKey {
    DataKey::of("cache:test").with(name)
}

fn minute() -> DataPolicy {
    DataPolicy::ttl(MINUTE)
}

/// Fresh for a minute, then ten minutes stale while it is refreshed, and an hour where the loader fails.
fn stale() -> DataPolicy {
    minute().stale_while_revalidate(10 * MINUTE).stale_if_error(60 * MINUTE)
}

/// A data cache of three tiers on a simulated host, whose books are checked at the end.
struct Shop {
    runtime: SimRuntime,
    config: CacheConfig,
    hot: Arc<FaultyTier>,
    l1: Arc<FaultyTier>,
    l2: Arc<FaultyTier>,
    data: DataCache,
    /// What L1 and L2 were told to forget.
    deletes: [Deletes; 2],
    /// How often a loader was run.
    loads: Arc<AtomicU64>,
    /// How many look-ups there were.
    asked: Cell<u64>,
}

impl Shop {
    fn new() -> Self {
        let runtime = SimRuntime::new();
        let hot = MemoryTier::new(Level::Hot, 1 << 20).max_stay(secs(5));
        let deletes = <[Deletes; 2]>::default();
        let stream = |level, deletes: &Deletes| {
            Arc::new(FaultyTier::new(deletes.watch(StreamTier::new(level, 256 << 20)), runtime.clone()))
        };
        let (l1, l2) = (stream(Level::L1, &deletes[0]), stream(Level::L2, &deletes[1]));
        let hot = Arc::new(FaultyTier::new(hot, runtime.clone()));
        Self::of(runtime.clone(), hot, l1, l2, deletes)
    }

    fn of(
        runtime: SimRuntime,
        hot: Arc<FaultyTier>,
        l1: Arc<FaultyTier>,
        l2: Arc<FaultyTier>,
        deletes: [Deletes; 2],
    ) -> Self {
        let config = CacheConfig::new("shop", SchemaVersion(1)).log_every(u64::MAX, 10_000 * MINUTE).build();
        let config = config.expect("the table is right");
        let tiers: [Arc<dyn Tier>; 3] = [hot.clone(), l1.clone(), l2.clone()];
        let cache = Cache::new(config.clone(), tiers, Arc::new(runtime.clone()));
        let data = DataCache::new(cache, "https://shop.example");
        Self { runtime, config, hot, l1, l2, data, deletes, loads: Arc::default(), asked: Cell::new(0) }
    }

    /// Another isolate of the same data centre.
    fn isolate(&self) -> Self {
        let hot = FaultyTier::new(MemoryTier::new(Level::Hot, 1 << 20).max_stay(secs(5)), self.runtime.clone());
        Self::of(self.runtime.clone(), Arc::new(hot), self.l1.clone(), self.l2.clone(), self.deletes.clone())
    }

    fn tiers(&self) -> [&Arc<FaultyTier>; 3] {
        [&self.hot, &self.l1, &self.l2]
    }

    /// The value under `name`, from a loader that gives `answer` after a while.
    fn ask_slowly<T>(
        &self,
        name: &str,
        policy: &DataPolicy,
        delay: Duration,
        answer: Result<Loaded<T>, Down>,
    ) -> impl Future<Output = Answer<T>> + Send + use<T>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    {
        self.asked.set(self.asked.get() + 1);
        let (loads, runtime) = (Arc::clone(&self.loads), self.runtime.clone());
        let loader = move || async move {
            loads.fetch_add(1, Ordering::Relaxed);
            if !delay.is_zero() {
                runtime.sleep(delay).await;
            }
            answer
        };
        let (data, key, policy) = (self.data.clone(), key(name), policy.clone());
        async move { data.get_or_fetch_with(&key, &policy, loader).await }
    }

    fn ask_with<T>(&self, name: &str, policy: &DataPolicy, answer: Result<Loaded<T>, Down>) -> Answer<T>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    {
        let got = self.runtime.run(self.ask_slowly(name, policy, Duration::ZERO, answer));
        self.runtime.run_background();
        got
    }

    fn ask<T>(&self, name: &str, policy: &DataPolicy, answer: Result<T, Down>) -> Answer<T>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    {
        self.ask_with(name, policy, answer.map(Loaded::new))
    }

    /// The value under `name`, or `value` loaded for it.
    fn load<T>(&self, name: &str, policy: &DataPolicy, value: T) -> T
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    {
        self.ask(name, policy, Ok(value)).expect("a value")
    }

    fn get<T: serde::de::DeserializeOwned + Send + 'static>(&self, name: &str) -> Option<T> {
        self.asked.set(self.asked.get() + 1);
        let got = self.runtime.run(self.data.get(&key(name)));
        self.runtime.run_background();
        got
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }

    fn count(&self, event: Event) -> u64 {
        self.config.stats().count(event)
    }

    fn now(&self) -> Timestamp {
        self.runtime.now()
    }

    /// What a tier has, whatever it is.
    fn entries(&self, tier: &FaultyTier) -> Vec<StoredResponse> {
        let held = tier.keys().into_iter().filter_map(|key| {
            let got = self.runtime.run(tier.inner().get(&key, self.now()));
            got.expect("memory answers")
        });
        held.collect()
    }

    fn clear(&self, tier: &FaultyTier) {
        for key in tier.keys() {
            self.runtime.run(tier.inner().delete(&key)).expect("memory forgets");
        }
    }

    fn pass(&self, time: Duration) {
        self.runtime.advance(time);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.runtime.run_background();
        assert_eq!(self.runtime.pending(), 0, "work was left behind");
        assert_eq!(self.config.stats().requests(), self.asked.get(), "look-ups were miscounted");
    }
}
