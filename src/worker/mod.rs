//! Floor 5. The Cloudflare door: for `worker::Router` and for plain handlers.
//!
//! ```no_run
//! use layercake::worker::Isolate;
//! use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion};
//! use std::time::Duration;
//! use worker::{Context, Env, Request, Response, Router, event, web_sys};
//!
//! fn table() -> Result<CacheConfig, ConfigError> {
//!     CacheConfig::new("shop", SchemaVersion(1))
//!         .route("/api/products/:id", Policy::ttl(Duration::from_secs(30)))
//!         .build()
//! }
//!
//! static CACHE: Isolate = Isolate::new(table);
//!
//! #[event(fetch)]
//! async fn fetch(req: Request, env: Env, ctx: Context) -> worker::Result<web_sys::Response> {
//!     CACHE
//!         .open(&env, ctx)
//!         .kv("CACHE")
//!         .run(req, move |req| async move { Router::new().get("/", |_, _| Response::ok("hello")).run(req, env).await })
//!         .await
//! }
//! # fn main() {}
//! ```
//!
//! The handler stays an ordinary one: its future need not be `Send`. On a cached route it gets a request without what
//! the answer must not depend on (see [`crate::message::Ask`]). Bodies stay in JavaScript from tier to client.

mod body;
mod convert;
mod edge;
mod js;
mod kv;
mod runtime;

pub use convert::into_response;
pub use edge::EdgeTier;
pub use kv::KvTier;
pub use runtime::WorkerRuntime;

use crate::engine::{Cache, CacheConfig, ConfigError, Origin};
use crate::message::{Ask, Response};
use crate::policy::{Level, Policy, RouteId};
use crate::runtime::Runtime as _;
use crate::stats::Stats;
use crate::tier::{MemoryTier, Tier};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use worker::send::{SendFuture, SendWrapper};

/// What one isolate keeps between requests: the checked table, the counters and the hot tier. Made for a `static`.
pub struct Isolate {
    table: fn() -> Result<CacheConfig, ConfigError>,
    kept: OnceLock<Kept>,
}

struct Kept {
    config: CacheConfig,
    error: Option<ConfigError>,
    hot: Option<Arc<MemoryTier>>,
    complained: AtomicBool,
    kv_missed: AtomicBool,
    /// The KV binding found to be there: bindings do not change while an isolate lives.
    kv_seen: OnceLock<Box<str>>,
}

impl Isolate {
    /// The table is built and checked at the first request, or by [`check`](Self::check).
    #[must_use]
    pub const fn new(table: fn() -> Result<CacheConfig, ConfigError>) -> Self {
        Self { table, kept: OnceLock::new() }
    }

    /// Builds the table now, for a `#[event(start)]` or a test.
    ///
    /// # Errors
    ///
    /// What is wrong with the table. Requests are then handled without a cache.
    pub fn check(&self) -> Result<(), &ConfigError> {
        self.kept().error.as_ref().map_or(Ok(()), Err)
    }

    /// What was counted since the isolate started.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.kept().config.stats()
    }

    /// The cache of one request: the hot tier and the default edge cache. Add KV with [`Opened::kv`].
    pub fn open(&self, env: &worker::Env, ctx: worker::Context) -> Opened<'_> {
        let kept = self.kept();
        let runtime = WorkerRuntime::new(ctx);
        if let Some(error) = &kept.error
            && !kept.complained.swap(true, Ordering::Relaxed)
        {
            runtime.log(&format!("layercake: the table is wrong, nothing is cached: {error}"));
        }
        Opened { kept, env: env.clone(), runtime, edge: Some(EdgeTier::default()), kv: None }
    }

    fn kept(&self) -> &Kept {
        self.kept.get_or_init(|| {
            let (config, error) = match (self.table)() {
                Ok(config) => (config, None),
                Err(error) => (CacheConfig::nothing_cached(), Some(error)),
            };
            let bounds = config.hot();
            let hot = (bounds.budget > 0).then(|| {
                let tier = MemoryTier::new(Level::Hot, bounds.budget);
                Arc::new(tier.max_entry(bounds.max_body).max_stay(bounds.max_stay))
            });
            Kept {
                config,
                error,
                hot,
                complained: AtomicBool::new(false),
                kv_missed: AtomicBool::new(false),
                kv_seen: OnceLock::new(),
            }
        })
    }
}

/// The cache of one request, its tiers still to be chosen.
#[must_use]
pub struct Opened<'a> {
    kept: &'a Kept,
    env: worker::Env,
    runtime: WorkerRuntime,
    edge: Option<EdgeTier>,
    kv: Option<KvTier>,
}

impl Opened<'_> {
    /// Adds Workers KV as L2, by the name of its binding. Without that binding the cache works with the tiers there
    /// are, and says so once in the log.
    pub fn kv(mut self, binding: &str) -> Self {
        if self.kept.kv_seen.get().is_some_and(|seen| **seen == *binding) {
            self.kv = Some(KvTier::of_checked_binding(&self.env, binding));
            return self;
        }
        self.kv = KvTier::of_binding(&self.env, binding);
        if self.kv.is_some() {
            let _ = self.kept.kv_seen.set(binding.into());
        } else if !self.kept.kv_missed.swap(true, Ordering::Relaxed) {
            self.runtime
                .log(&format!("layercake: no KV binding {binding}, L2 is off; bind a KV namespace of that name"));
        }
        self
    }

    /// How long KV may answer reads from its own regional cache; the platform's minimum of 30 s is kept. Default: what
    /// KV does by itself (60 s).
    pub fn kv_cache_ttl(mut self, ttl: Duration) -> Self {
        self.kv = self.kv.map(|kv| kv.cache_ttl(ttl));
        self
    }

    /// Another edge cache than the default one, or none.
    pub fn edge(mut self, edge: Option<EdgeTier>) -> Self {
        self.edge = edge;
        self
    }

    /// The cache itself, for the Tower door ([`crate::layer`]) or a tier of one's own.
    #[must_use]
    pub fn into_cache(self) -> Cache {
        let mut tiers: Vec<Arc<dyn Tier>> = Vec::with_capacity(3);
        if let Some(hot) = &self.kept.hot {
            tiers.push(Arc::clone(hot) as Arc<dyn Tier>);
        }
        if let Some(edge) = self.edge {
            tiers.push(Arc::new(edge));
        }
        if let Some(kv) = self.kv {
            tiers.push(Arc::new(kv));
        }
        Cache::new(self.kept.config.clone(), tiers, Arc::new(self.runtime))
    }

    /// Answers `req` from the tiers or through `handler`. A request that has passed such a door already goes straight
    /// to the handler.
    ///
    /// # Errors
    ///
    /// The handler's own.
    pub async fn run<F, Fut>(self, req: worker::Request, handler: F) -> worker::Result<web_sys::Response>
    where
        F: FnOnce(worker::Request) -> Fut + 'static,
        Fut: Future<Output = worker::Result<worker::Response>> + 'static,
    {
        // An unsafe request may make entries of other routes void.
        let method = req.method();
        if matches!(method, worker::Method::Get | worker::Method::Head)
            && let Some(route) = self.kept.config.bypassed(&req.path())
        {
            return self.bypass(route, req, handler).await;
        }
        let view = convert::View::take(&req);
        let origin = Handler(SendWrapper((req, handler)));
        let response = match view {
            Some(view) => self.into_cache().handle(&view, origin).await,
            None => origin.fetch(Ask::AS_IS).await,
        };
        convert::to_web(response.map_err(|error| error.0)?)
    }
}

impl Opened<'_> {
    /// A route that is never cached needs neither tiers nor a view of the request.
    async fn bypass<F, Fut>(
        self,
        route: (RouteId, Arc<Policy>),
        req: worker::Request,
        handler: F,
    ) -> worker::Result<web_sys::Response>
    where
        F: FnOnce(worker::Request) -> Fut + 'static,
        Fut: Future<Output = worker::Result<worker::Response>> + 'static,
    {
        let taken = js::mark_in_hand(req.inner());
        let origin = Handler(SendWrapper((req, handler)));
        let response = if taken {
            let cache = Cache::new(self.kept.config.clone(), [], Arc::new(self.runtime));
            cache.bypass(route, origin).await
        } else {
            origin.fetch(Ask::AS_IS).await
        };
        convert::to_web(response.map_err(|error| error.0)?)
    }
}

/// The owner's handler, with the client's request.
struct Handler<F>(SendWrapper<(worker::Request, F)>);

impl<F, Fut> Origin for Handler<F>
where
    F: FnOnce(worker::Request) -> Fut + 'static,
    Fut: Future<Output = worker::Result<worker::Response>> + 'static,
{
    type Error = SendWrapper<worker::Error>;

    fn fetch(self, ask: Ask) -> impl Future<Output = Result<Response, Self::Error>> + Send {
        let (request, handler) = self.0.0;
        // Boxed, so that the handler is compiled once for the three places that call it.
        SendFuture::new(Box::pin(async move {
            let request = convert::masked(request, &ask).map_err(SendWrapper)?;
            let response = handler(request).await.map_err(SendWrapper)?;
            Ok(convert::from_worker(response))
        }))
    }
}
