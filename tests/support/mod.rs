//! A cache of three tiers on a simulated host, a scripted origin behind it, and books that are checked at the end.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part")]

mod bodies;
mod client;
mod deletes;
mod host;
mod moody;
mod origin;

pub use bodies::{Gate, Opaque, scripted};
pub use client::{Got, Request, get, head};
pub use deletes::{DeleteFault, Deletes};
pub use host::{HOSTS, Kind, on_each};
pub use moody::Mood;
pub use origin::{Failure, Reply, Seen, Site};

use futures::future::{BoxFuture, Either, join_all, select};
use layercake::message::Response;
use layercake::policy::Level;
use layercake::runtime::Runtime;
use layercake::semantics::freshness::Timestamp;
use layercake::sim::{FaultyTier, SimRuntime, StreamTier};
use layercake::stats::{Event, Stats};
use layercake::tier::{MemoryTier, Tier};
use layercake::{Body, Cache, CacheConfig, Policy, SchemaVersion};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Whether the library is built with the feature `resilience`.
pub const RESILIENT: bool = cfg!(feature = "resilience");

pub const MINUTE: Duration = Duration::from_secs(60);

pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Fresh for a minute, then two stale windows of ten minutes and an hour.
pub fn stale_policy() -> Policy {
    Policy::ttl(MINUTE).stale_while_revalidate(10 * MINUTE).stale_if_error(60 * MINUTE)
}

/// A table with one policy for every path.
pub fn table(policy: Policy) -> CacheConfig {
    CacheConfig::new("shop", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .fallback(policy)
        .log_every(u64::MAX, 10_000 * MINUTE)
        .build()
        .expect("the table is right")
}

/// A request under way.
pub type Visit = BoxFuture<'static, Result<Got, Failure>>;

/// One data centre: three tiers, a host, an origin.
pub struct World {
    pub runtime: SimRuntime,
    pub config: CacheConfig,
    pub site: Arc<Site>,
    pub hot: Arc<FaultyTier>,
    pub l1: Arc<FaultyTier>,
    pub l2: Arc<FaultyTier>,
    pub cache: Cache,
    sent: Arc<AtomicU64>,
    neglected: Cell<usize>,
}

impl World {
    /// Under one policy for every path; L1 and L2 stream.
    pub fn new(policy: Policy) -> Self {
        Self::of(table(policy))
    }

    pub fn of(config: CacheConfig) -> Self {
        Self::with_tiers(
            config,
            MemoryTier::new(Level::Hot, 1 << 20).max_stay(secs(5)),
            StreamTier::new(Level::L1, 64 << 20),
            StreamTier::new(Level::L2, 64 << 20),
        )
    }

    /// All three tiers in memory, so that no body is ever read.
    pub fn in_memory(config: CacheConfig) -> Self {
        Self::with_tiers(
            config,
            MemoryTier::new(Level::Hot, 1 << 20).max_stay(secs(5)),
            MemoryTier::new(Level::L1, 64 << 20),
            MemoryTier::new(Level::L2, 64 << 20),
        )
    }

    pub fn with_tiers(
        config: CacheConfig,
        hot: impl Tier + 'static,
        l1: impl Tier + 'static,
        l2: impl Tier + 'static,
    ) -> Self {
        let runtime = SimRuntime::new();
        let hot = Arc::new(FaultyTier::new(hot, runtime.clone()));
        let l1 = Arc::new(FaultyTier::new(l1, runtime.clone()));
        let l2 = Arc::new(FaultyTier::new(l2, runtime.clone()));
        Self::assemble(runtime, config, hot, l1, l2)
    }

    /// Another app, version or environment that shares every tier with this one.
    pub fn neighbour(&self, config: CacheConfig) -> Self {
        let [hot, l1, l2] = self.tiers().map(Arc::clone);
        Self::assemble(self.runtime.clone(), config, hot, l1, l2)
    }

    /// Another data centre: it shares L2 with this one.
    pub fn far_away(&self, config: CacheConfig) -> Self {
        let hot = MemoryTier::new(Level::Hot, 1 << 20).max_stay(secs(5));
        let hot = Arc::new(FaultyTier::new(hot, self.runtime.clone()));
        let l1 = Arc::new(FaultyTier::new(StreamTier::new(Level::L1, 64 << 20), self.runtime.clone()));
        Self::assemble(self.runtime.clone(), config, hot, l1, Arc::clone(&self.l2))
    }

    /// Another isolate of the same data centre: what it knows and its hot tier are its own.
    pub fn isolate(&self, config: CacheConfig) -> Self {
        let hot = MemoryTier::new(Level::Hot, 1 << 20).max_stay(secs(5));
        let hot = Arc::new(FaultyTier::new(hot, self.runtime.clone()));
        Self::assemble(self.runtime.clone(), config, hot, Arc::clone(&self.l1), Arc::clone(&self.l2))
    }

    /// The same on a host of another kind.
    pub fn on(mut self, kind: Kind) -> Self {
        let [hot, l1, l2] = self.tiers().map(Arc::clone);
        let tiers: [Arc<dyn Tier>; 3] = [hot, l1, l2];
        self.cache = Cache::new(self.config.clone(), tiers, kind.host(&self.runtime));
        self
    }

    fn assemble(
        runtime: SimRuntime,
        config: CacheConfig,
        hot: Arc<FaultyTier>,
        l1: Arc<FaultyTier>,
        l2: Arc<FaultyTier>,
    ) -> Self {
        let tiers: [Arc<dyn Tier>; 3] = [hot.clone(), l1.clone(), l2.clone()];
        let cache = Cache::new(config.clone(), tiers, Arc::new(runtime.clone()));
        let site = Site::new(runtime.clone());
        let (sent, neglected) = (Arc::default(), Cell::new(0));
        Self { runtime, config, site, hot, l1, l2, cache, sent, neglected }
    }

    pub fn tiers(&self) -> [&Arc<FaultyTier>; 3] {
        [&self.hot, &self.l1, &self.l2]
    }

    /// Sends a request and hands out the answer with its body unread and the work behind it undone.
    pub fn open(&self, request: &Request) -> Result<Response, Failure> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let origin = self.site.origin(request);
        self.runtime.run(self.cache.handle(request, origin))
    }

    /// A request and the reading of its answer, to be run beside others. One that is dropped half done counts as not sent.
    pub fn visit(&self, request: &Request) -> Visit {
        self.later(Duration::ZERO, request)
    }

    /// The same, sent after a while.
    pub fn later(&self, wait: Duration, request: &Request) -> Visit {
        let (cache, site, request, sent) = (self.cache.clone(), self.site.clone(), request.clone(), self.sent.clone());
        let runtime = self.runtime.clone();
        Box::pin(async move {
            if !wait.is_zero() {
                runtime.sleep(wait).await;
            }
            let answer = cache.handle(&request, site.origin(&request)).await;
            sent.fetch_add(1, Ordering::Relaxed);
            let Response { status, headers, body, .. } = answer?;
            let body = body.into_bytes(u64::MAX).await;
            Ok(Got::new(status, headers.as_ref(), body))
        })
    }

    /// Runs them side by side.
    pub fn run_all(&self, visits: impl IntoIterator<Item = Visit>) -> Vec<Result<Got, Failure>> {
        self.runtime.run(join_all(visits))
    }

    /// Sends them all at once, reads the answers, and lets all work behind them end.
    pub fn send_all(&self, requests: &[Request]) -> Vec<Got> {
        let got = self.run_all(requests.iter().map(|request| self.visit(request)));
        self.runtime.run_background();
        got.into_iter().map(|got| got.expect("an answer")).collect()
    }

    /// Goes on with a visit for so long; it comes back when it has not ended by then.
    pub fn wait(&self, visit: Visit, time: Duration) -> Result<Result<Got, Failure>, Visit> {
        match self.runtime.run(select(visit, self.runtime.sleep(time))) {
            Either::Left((got, _)) => Ok(got),
            Either::Right(((), visit)) => Err(visit),
        }
    }

    /// Sends a request and, `wait` later, another, before which the site is told something else.
    pub fn open_both(
        &self,
        first: &Request,
        wait: Duration,
        meanwhile: impl FnOnce(),
        second: &Request,
    ) -> (Response, Response) {
        self.sent.fetch_add(2, Ordering::Relaxed);
        let answer = |request: &Request| self.cache.handle(request, self.site.origin(request));
        let (first, second, pause) = (answer(first), answer(second), self.runtime.sleep(wait));
        let later = async {
            pause.await;
            meanwhile();
            second.await
        };
        let (first, second) = self.runtime.run(futures::future::join(first, later));
        (first.expect("an answer"), second.expect("an answer"))
    }

    /// Sends a request and reads the answer; the work behind it stays where it is.
    pub fn try_send(&self, request: &Request) -> Result<Got, Failure> {
        let response = self.open(request)?;
        Ok(self.read(response))
    }

    pub fn read(&self, response: Response) -> Got {
        let Response { status, headers, body, .. } = response;
        Got::new(status, headers.as_ref(), self.runtime.run(body.into_bytes(u64::MAX)))
    }

    /// Sends a request that has to be answered, reads the answer, and lets all work behind it end.
    pub fn send(&self, request: &Request) -> Got {
        let got = self.try_send(request).expect("an answer");
        self.runtime.run_background();
        got
    }

    pub fn pass(&self, duration: Duration) {
        self.runtime.advance(duration);
    }

    pub fn now(&self) -> Timestamp {
        self.runtime.now()
    }

    pub fn stats(&self) -> Stats {
        self.config.stats()
    }

    pub fn count(&self, event: Event) -> u64 {
        self.stats().count(event)
    }

    /// Whether `tier` holds something under every key it was ever given, and was given any.
    pub fn holds(&self, tier: &FaultyTier) -> bool {
        let keys = tier.keys();
        let now = self.now();
        !keys.is_empty() && keys.iter().all(|key| matches!(self.runtime.run(tier.inner().get(key, now)), Ok(Some(_))))
    }

    /// Empties `tier`.
    pub fn clear(&self, tier: &FaultyTier) {
        for key in tier.keys() {
            self.runtime.run(tier.inner().delete(&key)).expect("memory forgets");
        }
    }

    /// Declares that so many tasks are cut off by the host before their end.
    pub fn neglect(&self, tasks: usize) {
        self.neglected.set(tasks);
    }

    /// Requests are the sum of their outcomes, nothing is left undone, and no tier keeps an entry beyond its time.
    fn check_books(&self) {
        self.runtime.run_background();
        assert_eq!(self.runtime.pending(), self.neglected.get(), "work was left behind");
        let stats = self.stats();
        let outcomes =
            Event::ALL.iter().filter(|event| event.is_outcome()).map(|event| stats.count(*event)).sum::<u64>();
        assert_eq!(stats.requests(), outcomes, "outcomes do not add up: {stats:?}");
        assert_eq!(stats.requests(), self.sent.load(Ordering::Relaxed), "requests were miscounted: {stats:?}");
        for tier in self.tiers() {
            for key in tier.keys() {
                let get = |at| self.runtime.run(tier.inner().get(&key, at)).expect("memory answers");
                let Some(entry) = get(self.now()) else {
                    continue;
                };
                let freshness = entry.head.freshness;
                assert!(!freshness.retention_left(self.now()).is_zero(), "kept beyond its time");
                let end = freshness.born.plus(freshness.retention());
                assert!(get(end).is_none(), "{:?} will be kept beyond its time", tier.level());
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_books();
        }
    }
}

/// A response of these parts.
pub fn response(status: u16, fields: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut headers = http::HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            http::HeaderName::try_from(*name).expect("a field name"),
            http::HeaderValue::try_from(*value).expect("a field value"),
        );
    }
    Response { status, headers: Box::new(headers), body: body.into(), luggage: None }
}
