//! layercake in all scenes. The variable `MODE` says how: `cold` without the hot tier, `l1` without KV besides, `anonymous` with a
//! policy that masks the handler's request, `full` with all that counts, logs and tells; without it, as it comes. With `-quick` behind it
//! futures are continued by promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use layercake::policy::{Level, RouteId};
use layercake::stats::{Effort, Event, Operation, Recorder, Trouble};
use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion, StatusForm, worker::Isolate};
use worker::*;

const DAY: Duration = Duration::from_secs(86_400);

static WITHOUT_KV: AtomicBool = AtomicBool::new(false);
static WITH_PAGE: AtomicBool = AtomicBool::new(false);

fn table(env: &Env) -> std::result::Result<CacheConfig, ConfigError> {
    let mode = env.var("MODE").map(|mode| mode.to_string()).unwrap_or_default();
    let mode = match mode.strip_suffix("-quick") {
        Some(mode) => {
            layercake::worker::wake_by_promises();
            mode
        }
        None => &mode,
    };
    WITHOUT_KV.store(mode == "l1", Ordering::Relaxed);
    WITH_PAGE.store(mode == "full", Ordering::Relaxed);
    let item = Policy::ttl(DAY);
    let brief = Policy::ttl(Duration::from_millis(crate::scenes::BRIEF_MS));
    let config = CacheConfig::new("bench", SchemaVersion(1))
        // The runs are told apart by the tier that answered.
        .cache_status(StatusForm::Full)
        .route("/item/:size", if mode == "anonymous" { item.clone().anonymous() } else { item.clone() })
        .route("/bypass/*rest", Policy::bypass())
        .route("/wide/item/:size", item.clone())
        .route("/wide/bypass/*rest", Policy::bypass())
        .route("/heads/:size", item)
        .route("/stale/:size", brief.stale_while_revalidate(DAY))
        .route("/origin/day/*rest", Policy::ttl(DAY))
        .route("/origin/brief/*rest", Policy::ttl(BRIEF))
        .route("/origin/behind/*rest", Policy::ttl(BRIEF).stale_while_revalidate(Duration::from_secs(60)))
        .route("/origin/page/*rest", page());
    match mode {
        "" | "hot" => config,
        // A line for the log every hundred requests, where it is every thousand by itself.
        "full" => config.hot_budget(0).recorder(Arc::new(Sink::default())).log_every(100, Duration::from_secs(60)),
        _ => config.hot_budget(0),
    }
    .build()
}

/// Long enough for a thousand answers, short enough to wait for its end.
const BRIEF: Duration = Duration::from_secs(2);

/// A page that must be there on a bad day.
fn page() -> Policy {
    Policy::ttl(Duration::from_secs(5))
        .stale_while_revalidate(Duration::from_secs(30))
        .stale_if_error(Duration::from_secs(600))
        .soft_timeout(Duration::from_millis(500))
        .hard_timeout(Duration::from_secs(2))
}

/// Where an owner's own metrics would go.
#[derive(Default)]
struct Sink {
    events: AtomicU64,
    efforts: AtomicU64,
}

impl Recorder for Sink {
    fn record(&self, _: RouteId, _: Event) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    fn trouble(&self, _: Level, _: Operation, _: Trouble) {
        self.efforts.fetch_add(1, Ordering::Relaxed);
    }

    fn effort(&self, _: Level, _: Operation, _: Effort) {
        self.efforts.fetch_add(1, Ordering::Relaxed);
    }
}

static CACHE: Isolate = Isolate::with_env(table);

#[event(fetch)]
async fn fetch(req: web_sys::Request, env: Env, ctx: Context) -> Result<web_sys::Response> {
    let mut cache = CACHE.open(&env, ctx);
    if !WITHOUT_KV.load(Ordering::Relaxed) {
        cache = cache.kv("CACHE");
    }
    if WITH_PAGE.load(Ordering::Relaxed) {
        cache = cache.admin("/cache", "TOKEN");
    }
    cache.run(req, move |req| crate::router(&req).run(req, env)).await
}
