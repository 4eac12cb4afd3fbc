//! Floor 5. The Cloudflare door: for `worker::Router` and for plain handlers.
//!
//! ```no_run
//! use layercake::worker::Isolate;
//! use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion};
//! use std::time::Duration;
//! use worker::{Context, Env, Response, Router, event, web_sys};
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
//! async fn fetch(req: web_sys::Request, env: Env, ctx: Context) -> worker::Result<web_sys::Response> {
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

mod admin;
mod alarm;
mod body;
mod convert;
#[cfg(feature = "data")]
mod data;
mod edge;
mod headers;
mod js;
mod kv;
mod live;
mod runtime;
#[cfg(feature = "resilience")]
mod signal;
mod view;
mod wakes;

pub use convert::into_response;
#[cfg(feature = "data")]
pub use data::{Data, body_of, response_of};
pub use edge::EdgeTier;
pub use kv::KvTier;
pub use live::TableState;
pub use runtime::WorkerRuntime;
pub use view::EventRequest;
pub use wakes::wake_by_promises;

use crate::engine::{Cache, CacheConfig, ConfigError, Origin};
use crate::message::{Ask, RequestView as _, Response};
use crate::policy::Level;
use crate::runtime::Runtime as _;
use crate::stats::Stats;
#[cfg(feature = "data")]
use crate::tier::Pace;
use crate::tier::{MemoryTier, Tier};
use admin::Admin;
use live::LiveTable;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use view::View;
use worker::send::{SendFuture, SendWrapper};

/// What one isolate keeps between requests: the checked table, the counters and the hot tier. Made for a `static`.
pub struct Isolate {
    table: Source,
    kept: OnceLock<Kept>,
}

/// Where the table comes from.
enum Source {
    Code(fn() -> Result<CacheConfig, ConfigError>),
    Env(fn(&worker::Env) -> Result<CacheConfig, ConfigError>),
}

struct Kept {
    table: Arc<LiveTable>,
    error: Option<ConfigError>,
    hot: Option<Arc<MemoryTier>>,
    /// What is wrong with the table has been logged.
    told: AtomicBool,
    kv_missed: AtomicBool,
    /// The KV binding found to be there: bindings do not change while an isolate lives.
    kv_seen: OnceLock<Box<str>>,
    /// Stands in for KV where values are concerned.
    #[cfg(feature = "data")]
    spare: Arc<MemoryTier>,
    /// The order of the writes of values to KV.
    #[cfg(feature = "data")]
    pace: Arc<Pace>,
}

impl Kept {
    fn of(built: Result<CacheConfig, ConfigError>) -> Self {
        let (config, error) = match built {
            Ok(config) => (config, None),
            Err(error) => (CacheConfig::nothing_cached(), Some(error)),
        };
        let bounds = config.hot();
        let hot = (bounds.budget > 0).then(|| {
            let tier = MemoryTier::new(Level::Hot, bounds.budget);
            Arc::new(tier.max_entry(bounds.max_body).max_stay(bounds.max_stay))
        });
        Self {
            table: Arc::new(LiveTable::new(config)),
            error,
            hot,
            told: AtomicBool::new(false),
            kv_missed: AtomicBool::new(false),
            kv_seen: OnceLock::new(),
            #[cfg(feature = "data")]
            spare: data::spare(),
            #[cfg(feature = "data")]
            pace: Arc::default(),
        }
    }

    /// Logs what is wrong with the table, and what is hardly meant.
    fn tell(&self, runtime: &WorkerRuntime) {
        if let Some(error) = &self.error {
            runtime.log(&format!("layercake: the table is wrong, nothing is cached: {error}"));
        }
        #[cfg(feature = "lint")]
        for finding in self.table.config().lint() {
            runtime.log(&format!("layercake: {finding}"));
        }
    }
}

impl Isolate {
    /// The table is built and checked at the first request, or by [`check`](Self::check).
    #[must_use]
    pub const fn new(table: fn() -> Result<CacheConfig, ConfigError>) -> Self {
        Self { table: Source::Code(table), kept: OnceLock::new() }
    }

    /// The table depends on the Worker's variables and secrets: it is built and checked at the first request.
    ///
    /// ```no_run
    /// use layercake::worker::Isolate;
    /// use layercake::{CacheConfig, ConfigError};
    /// use worker::Env;
    ///
    /// # #[cfg(feature = "json")]
    /// /// From the variable `CACHE_TABLE`, else from the file that the build had.
    /// fn table(env: &Env) -> Result<CacheConfig, ConfigError> {
    ///     let variable = env.var("CACHE_TABLE").map(|text| text.to_string());
    ///     # let built_in = "{}";
    ///     // let built_in = include_str!("../cache.json");
    ///     CacheConfig::from_json(&variable.unwrap_or_else(|_| built_in.to_owned()))?.build()
    /// }
    ///
    /// # #[cfg(feature = "json")]
    /// static CACHE: Isolate = Isolate::with_env(table);
    /// ```
    #[must_use]
    pub const fn with_env(table: fn(&worker::Env) -> Result<CacheConfig, ConfigError>) -> Self {
        Self { table: Source::Env(table), kept: OnceLock::new() }
    }

    /// Builds the table now, for a `#[event(start)]` or a test. One that depends on the environment is good until a request has
    /// brought one.
    ///
    /// # Errors
    ///
    /// What is wrong with the table. Requests are then handled without a cache.
    pub fn check(&self) -> Result<(), &ConfigError> {
        self.kept().and_then(|kept| kept.error.as_ref()).map_or(Ok(()), Err)
    }

    /// What was counted since the isolate started.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.kept().map_or_else(|| CacheConfig::nothing_cached().stats(), |kept| kept.table.config().stats())
    }

    /// Which table is in use, and since when.
    #[must_use]
    pub fn table(&self) -> TableState {
        self.kept().map_or_else(TableState::default, |kept| kept.table.state())
    }

    /// The cache of one request: the hot tier and the default edge cache. Add KV with [`Opened::kv`].
    pub fn open(&self, env: &worker::Env, ctx: worker::Context) -> Opened<'_> {
        self.open_on(env, WorkerRuntime::new(ctx))
    }

    /// The same for a scheduled event: for the [data](Opened::data) cache, as there is no request to answer.
    #[cfg(feature = "data")]
    pub fn open_scheduled(&self, env: &worker::Env, ctx: worker::ScheduleContext) -> Opened<'_> {
        self.open_on(env, WorkerRuntime::scheduled(ctx))
    }

    fn open_on(&self, env: &worker::Env, runtime: WorkerRuntime) -> Opened<'_> {
        let kept = self.kept.get_or_init(|| {
            Kept::of(match self.table {
                Source::Code(table) => table(),
                Source::Env(table) => table(env),
            })
        });
        let runtime = Arc::new(runtime);
        if !kept.told.swap(true, Ordering::Relaxed) {
            kept.tell(&runtime);
        }
        Opened {
            kept,
            env: env.clone(),
            runtime,
            edge: Some(EdgeTier::default()),
            kv: None,
            wants_kv: false,
            admin: None,
        }
    }

    /// What is kept, when it is there or can be made without an environment.
    fn kept(&self) -> Option<&Kept> {
        match self.table {
            Source::Code(table) => Some(self.kept.get_or_init(|| Kept::of(table()))),
            Source::Env(_) => self.kept.get(),
        }
    }
}

/// The cache of one request, its tiers still to be chosen.
#[must_use]
pub struct Opened<'a> {
    kept: &'a Kept,
    env: worker::Env,
    runtime: Arc<WorkerRuntime>,
    edge: Option<EdgeTier>,
    kv: Option<KvTier>,
    /// KV was asked for, whether it is there or not.
    wants_kv: bool,
    admin: Option<Admin>,
}

impl Opened<'_> {
    /// Adds Workers KV as L2, by the name of its binding. Without that binding the cache works with the tiers there
    /// are, and says so once in the log.
    pub fn kv(mut self, binding: &str) -> Self {
        self.wants_kv = true;
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

    /// Lets a document in KV replace the table without a deploy: what stands under `key` in the namespace `binding` is
    /// looked up behind a response at the first request and then `every` so often, a KV read each time, and `build` makes a table of it, that of
    /// [`CacheConfig::from_json`] for example. One that is wrong is not taken: the log says why, and the table in use stays.
    /// Without the document, and after it is deleted, the table of the code holds. [`Isolate::table`] tells which one is in
    /// use. What the document says of the hot tier has no effect.
    ///
    /// ```no_run
    /// # use layercake::worker::{Isolate, Opened};
    /// # use layercake::{CacheConfig, ConfigError};
    /// # use std::time::Duration;
    /// # #[cfg(feature = "json")]
    /// fn table(text: &str) -> Result<CacheConfig, ConfigError> {
    ///     CacheConfig::from_json(text)?.build()
    /// }
    /// # #[cfg(feature = "json")]
    /// # fn live(cache: Opened<'_>) -> Opened<'_> {
    /// cache.kv("CACHE").live_table("CACHE", "cache-table", Duration::from_secs(60), table)
    /// # }
    /// ```
    pub fn live_table(
        self,
        binding: &str,
        key: &str,
        every: Duration,
        build: fn(&str) -> Result<CacheConfig, ConfigError>,
    ) -> Self {
        live::look_up(&self.kept.table, (&self.env, &self.runtime), (binding, key), every, build);
        self
    }

    /// Mounts a page about the cache at `GET PATH/stats`: the counters and which table is in use, as JSON. It answers only requests
    /// that carry the Worker's secret of that name as a bearer token; to all others, and when there is no such secret, it does not exist: they go on as
    /// if it were not mounted.
    pub fn admin(mut self, path: &str, secret: &str) -> Self {
        self.admin = Some(Admin::new(path, secret));
        self
    }

    /// The cache itself, for the Tower door ([`crate::layer`]) or a tier of one's own.
    #[must_use]
    pub fn into_cache(self) -> Cache {
        let config = self.kept.table.config();
        self.with_tiers(config)
    }

    fn with_tiers(self, config: CacheConfig) -> Cache {
        let mut tiers = near_tiers(self.kept, self.edge);
        if let Some(kv) = self.kv {
            tiers.push(Arc::new(kv));
        }
        Cache::new(config, tiers, self.runtime)
    }

    /// Answers `req` from the tiers or through `handler`. A request that has passed such a door already goes straight
    /// to the handler.
    ///
    /// The event's request may be a `web_sys::Request`, which is taken as it comes, or a `worker::Request`, which the `worker` crate
    /// has read beforehand.
    ///
    /// # Errors
    ///
    /// The handler's own.
    pub fn run<R, F, Fut>(self, req: R, handler: F) -> impl Future<Output = worker::Result<web_sys::Response>>
    where
        R: EventRequest,
        F: FnOnce(worker::Request) -> Fut + 'static,
        Fut: Future<Output = worker::Result<worker::Response>> + 'static,
    {
        self.answer(Handler(SendWrapper((req, handler))))
    }

    /// As [`run`](Self::run), for tables with [`verify_one_in`](crate::Policy::verify_one_in): there the handler is called again for
    /// the requests that are looked at.
    ///
    /// # Errors
    ///
    /// The handler's own.
    #[cfg(feature = "verify")]
    pub async fn run_verified<R, F, Fut>(self, req: R, handler: F) -> worker::Result<web_sys::Response>
    where
        R: EventRequest,
        F: FnOnce(worker::Request) -> Fut + Clone + 'static,
        Fut: Future<Output = worker::Result<worker::Response>> + 'static,
    {
        self.answer(Repeatable(Handler(SendWrapper((req, handler))))).await
    }
}

/// The tiers nearer than KV, nearest first.
fn near_tiers(kept: &Kept, edge: Option<EdgeTier>) -> Vec<Arc<dyn Tier>> {
    let mut tiers: Vec<Arc<dyn Tier>> = Vec::with_capacity(4);
    if let Some(hot) = &kept.hot {
        tiers.push(Arc::clone(hot) as Arc<dyn Tier>);
    }
    if let Some(edge) = edge {
        tiers.push(Arc::new(edge));
    }
    tiers
}

impl Opened<'_> {
    async fn answer<H: WorkerOrigin>(self, origin: H) -> worker::Result<web_sys::Response> {
        let req = origin.request();
        if let Some(page) = self.admin.as_ref().and_then(|admin| (admin.answer)(admin, req, &self.env, self.kept)) {
            return page;
        }
        let response = match View::take(req) {
            Some(view) => {
                let config = self.kept.table.config();
                // An unsafe request may make entries of other routes void.
                let bypassed = match view.method() {
                    "GET" | "HEAD" => config.bypassed(view.path()),
                    _ => None,
                };
                match bypassed {
                    // A route that is never cached needs no tiers.
                    Some(route) => Cache::new(config, [], self.runtime).bypass(route, origin).await,
                    None => self.with_tiers(config).handle(&view, origin).await,
                }
            }
            None => origin.fetch(Ask::AS_IS).await,
        };
        convert::to_web(response.map_err(|error| *error.0)?)
    }
}

/// The handler's error. Boxed: the walk hands it on many times.
type WorkerError = SendWrapper<Box<worker::Error>>;

/// The owner's handler, with the client's request.
struct Handler<R, F>(SendWrapper<(R, F)>);

/// An origin that holds the host's request.
trait WorkerOrigin: Origin<Error = WorkerError> {
    fn request(&self) -> &web_sys::Request;
}

impl<R, F, Fut> WorkerOrigin for Handler<R, F>
where
    R: EventRequest,
    F: FnOnce(worker::Request) -> Fut + 'static,
    Fut: Future<Output = worker::Result<worker::Response>> + 'static,
{
    fn request(&self) -> &web_sys::Request {
        self.0.0.0.raw()
    }
}

impl<R, F, Fut> Origin for Handler<R, F>
where
    R: EventRequest,
    F: FnOnce(worker::Request) -> Fut + 'static,
    Fut: Future<Output = worker::Result<worker::Response>> + 'static,
{
    type Error = WorkerError;

    fn fetch(self, ask: Ask) -> impl Future<Output = Result<Response, Self::Error>> + Send {
        let (request, handler) = self.0.0;
        // Boxed, so that the handler is compiled once for the three places that call it.
        SendFuture::new(Box::pin(async move {
            let failed = |error| SendWrapper(Box::new(error));
            let masked = convert::masked(request.raw(), &ask).map_err(|error| failed(error.into()))?;
            let request = masked.map_or_else(|| request.into_worker(), worker::Request::from);
            let response = handler(request).await.map_err(failed)?;
            Ok(convert::from_worker(response))
        }))
    }
}

/// A handler that can be called again.
#[cfg(feature = "verify")]
struct Repeatable<R, F>(Handler<R, F>);

#[cfg(feature = "verify")]
impl<R, F, Fut> WorkerOrigin for Repeatable<R, F>
where
    R: EventRequest,
    F: FnOnce(worker::Request) -> Fut + Clone + 'static,
    Fut: Future<Output = worker::Result<worker::Response>> + 'static,
{
    fn request(&self) -> &web_sys::Request {
        self.0.request()
    }
}

#[cfg(feature = "verify")]
impl<R, F, Fut> Origin for Repeatable<R, F>
where
    R: EventRequest,
    F: FnOnce(worker::Request) -> Fut + Clone + 'static,
    Fut: Future<Output = worker::Result<worker::Response>> + 'static,
{
    type Error = WorkerError;

    fn again(&self) -> Option<Self> {
        let (request, handler) = &*self.0.0;
        let request = request.again()?;
        // What the handler is given has passed this door.
        js::take_in_hand(request.raw());
        Some(Self(Handler(SendWrapper((request, handler.clone())))))
    }

    fn fetch(self, ask: Ask) -> impl Future<Output = Result<Response, Self::Error>> + Send {
        self.0.fetch(ask)
    }
}
