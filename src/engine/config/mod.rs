//! What one isolate keeps between requests: the checked table, the counters, the refreshes under way. No host handles.

mod builder;
mod error;

pub use builder::{CacheConfigBuilder, UNKEYED_HEADERS};
pub use error::ConfigError;

use super::living::Living;
use crate::message::RequestView;
#[cfg(feature = "json")]
use crate::policy::document::{Document, DocumentError};
#[cfg(feature = "lint")]
use crate::policy::lint::{self, Finding, Table};
use crate::policy::{Computed, KeyPrefix, Level, Policy, RouteId, Routes, SchemaVersion, Values};
use crate::semantics::freshness::Timestamp;
use crate::semantics::status::StatusForm;
use crate::stats::{Counters, Effort, Event, Operation, Recorder, RetryObserver, Stats, Trouble};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many bytes the in-isolate tier may use, and how long an entry stays in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotOptions {
    /// Bytes in all; 0 turns the tier off.
    pub budget: u64,
    /// The largest body kept, in bytes.
    pub max_body: u64,
    /// The longest an entry stays: an invalidation made elsewhere is seen here after this time at the latest.
    pub max_stay: Duration,
}

/// The configuration of a cache, checked and ready. Cloning shares it.
///
/// ```
/// use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion};
/// use std::time::Duration;
///
/// let config = CacheConfig::new("shop", SchemaVersion(1))
///     .route("/api/products/:id", Policy::ttl(Duration::from_secs(30)))
///     .route("/account/*rest", Policy::bypass())
///     .build()?;
/// assert_eq!(config.stats().requests(), 0);
///
/// let twice = CacheConfig::new("shop", SchemaVersion(1))
///     .route("/a", Policy::bypass())
///     .route("/a", Policy::bypass())
///     .build();
/// assert!(twice.is_err());
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Clone)]
pub struct CacheConfig(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) prefix: KeyPrefix,
    pub(super) routes: Routes,
    pub(super) harmless_cookies: Vec<Box<str>>,
    /// In place of [`UNKEYED_HEADERS`].
    pub(super) unkeyed_headers: Option<Vec<Box<str>>>,
    pub(super) platform_cache: bool,
    pub(super) status_form: StatusForm,
    values: Vec<Computed>,
    hot: HotOptions,
    counters: Counters,
    recorder: Option<Arc<dyn Recorder>>,
    log_requests: u64,
    log_interval: Duration,
    logged_requests: AtomicU64,
    logged_at: AtomicU64,
    #[cfg(feature = "verify")]
    watch: Box<[super::quarantine::Watch]>,
    pub(super) living: Arc<Living>,
}

impl CacheConfig {
    /// Begins a table. `app` and `version` prefix every key; see [`KeyPrefix`].
    #[allow(clippy::new_ret_no_self, reason = "the builder ends in build(), which checks the whole table")]
    pub fn new(app: &str, version: SchemaVersion) -> CacheConfigBuilder {
        CacheConfigBuilder::begin(app, version)
    }

    /// Begins a table from JSON; see [`document`](crate::policy::document) for its form. Code may go on with it, and has to
    /// where policies key on values ([`CacheConfigBuilder::value`]).
    ///
    /// # Errors
    ///
    /// The first thing wrong; [`Document::check`] has all of it.
    #[cfg(feature = "json")]
    pub fn from_json(text: &str) -> Result<CacheConfigBuilder, DocumentError> {
        Document::parse(text).map(CacheConfigBuilder::from)
    }

    /// What in the table is allowed and hardly meant; nothing when there is nothing to say.
    ///
    /// ```
    /// use layercake::{CacheConfig, Policy, SchemaVersion};
    /// use std::time::Duration;
    ///
    /// let policy = Policy::ttl(Duration::from_secs(300)).anonymous();
    /// let config = CacheConfig::new("shop", SchemaVersion(1)).route("/account", policy).build()?;
    /// assert_eq!(config.lint()[0].code, "anonymous-personal");
    /// # Ok::<(), layercake::ConfigError>(())
    /// ```
    #[cfg(feature = "lint")]
    #[must_use]
    pub fn lint(&self) -> Vec<Finding> {
        let HotOptions { budget, max_stay, .. } = self.hot();
        let Shared { routes, harmless_cookies, unkeyed_headers, .. } = &*self.0;
        let unkeyed_headers = unkeyed_headers.as_deref();
        lint::lint(&Table { routes, harmless_cookies, unkeyed_headers, hot_stay: max_stay, has_hot: budget > 0 })
    }

    /// A table under which nothing is cached, to stand in for one that is wrong.
    #[must_use]
    pub fn nothing_cached() -> Self {
        let prefix = KeyPrefix::none();
        let routes = Routes::only(Policy::bypass());
        CacheConfigBuilder::assemble(Self::new("", SchemaVersion(0)), prefix, routes)
    }

    /// What was counted since the isolate started.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.counters.snapshot()
    }

    /// The route table.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.0.routes
    }

    /// Checks a policy that is not in the table.
    #[cfg(feature = "tower")]
    pub(crate) fn check(&self, policy: &Policy, name: &str) -> Result<(), ConfigError> {
        builder::check(policy, &self.0.values, 1, name)
    }

    /// The route of `path`, when its policy is to bypass.
    #[cfg(feature = "worker")]
    pub(crate) fn bypassed(&self, path: &str) -> Option<(RouteId, Arc<Policy>)> {
        let (route, policy) = self.0.routes.find(path);
        policy.terms.bypass.then(|| (route, Arc::clone(policy)))
    }

    /// The in-isolate tier's bounds.
    #[must_use]
    pub fn hot(&self) -> HotOptions {
        self.0.hot
    }

    /// What `request` has of the values that are wanted by name, or of all.
    #[inline(never)]
    pub(super) fn values(&self, request: &dyn RequestView, wanted: Option<&[Box<str>]>) -> Values {
        let mut values = Values::new();
        for Computed { name, compute } in &self.0.values {
            if wanted.is_none_or(|wanted| wanted.contains(name)) {
                values.push((name.clone(), compute(request).map(String::into_boxed_str)));
            }
        }
        values
    }

    pub(super) fn record(&self, route: RouteId, event: Event) {
        self.0.counters.record(route, event);
        if let Some(recorder) = &self.0.recorder {
            recorder.record(route, event);
        }
    }

    pub(super) fn trouble(&self, level: Level, operation: Operation, trouble: Trouble) {
        self.0.counters.trouble(level, operation, trouble);
        if let Some(recorder) = &self.0.recorder {
            recorder.trouble(level, operation, trouble);
        }
    }

    /// Counts for this configuration what a [`RetryingTier`](crate::tier::RetryingTier) at `level` does: [`Stats::tiers`] and the
    /// log line have it, and a [recorder](CacheConfigBuilder::recorder) hears of it. Where tables are replaced
    /// ([`succeeding`](Self::succeeding)) each has an observer of its own.
    ///
    /// ```
    /// use layercake::policy::Level;
    /// use layercake::stats::{Effort, Operation};
    /// use layercake::{CacheConfig, SchemaVersion};
    ///
    /// let config = CacheConfig::new("shop", SchemaVersion(1)).build()?;
    /// config.observer(Level::L2).observe(Operation::Put, Effort::Retried);
    /// assert_eq!(config.stats().tiers[0].count_effort(Operation::Put, Effort::Retried), 1);
    /// # Ok::<(), layercake::ConfigError>(())
    /// ```
    #[must_use]
    pub fn observer(&self, level: Level) -> Arc<dyn RetryObserver> {
        let config = self.clone();
        Arc::new(move |operation: Operation, effort: Effort| {
            config.0.counters.effort(level, operation, effort);
            if let Some(recorder) = &config.0.recorder {
                recorder.effort(level, operation, effort);
            }
        })
    }

    /// What was counted, as one line of JSON ([`Stats::to_log_line`]).
    #[must_use]
    pub fn to_log_line(&self) -> String {
        self.stats().to_log_line(self.0.prefix.app())
    }

    /// The log line, when it is time for one.
    pub(super) fn due_log_line(&self, now: Timestamp) -> Option<String> {
        let shared = &*self.0;
        let (requests, last) = (shared.counters.requests(), shared.logged_requests.load(Ordering::Relaxed));
        let at = Timestamp::from_millis(shared.logged_at.load(Ordering::Relaxed));
        if at == Timestamp::default() {
            shared.logged_at.store(now.as_millis(), Ordering::Relaxed);
        } else if requests - last >= shared.log_requests || now.since(at) >= shared.log_interval {
            shared.logged_requests.store(requests, Ordering::Relaxed);
            shared.logged_at.store(now.as_millis(), Ordering::Relaxed);
            return Some(self.to_log_line());
        }
        None
    }

    /// This configuration in place of `old`, in the same isolate: what the isolate knows goes on, counts of routes that are still
    /// there too, and those of others stand under `(former)`.
    #[must_use]
    pub fn succeeding(&self, old: &Self) -> Self {
        let shared = &*self.0;
        let mut counters = Counters::new(counted(&shared.routes));
        counters.carry(&old.stats());
        let copied = |number: &AtomicU64| AtomicU64::new(number.load(Ordering::Relaxed));
        Self(Arc::new(Shared {
            prefix: shared.prefix.clone(),
            routes: shared.routes.clone(),
            harmless_cookies: shared.harmless_cookies.clone(),
            unkeyed_headers: shared.unkeyed_headers.clone(),
            platform_cache: shared.platform_cache,
            status_form: shared.status_form,
            values: shared.values.clone(),
            hot: shared.hot,
            counters,
            recorder: shared.recorder.clone(),
            log_requests: shared.log_requests,
            log_interval: shared.log_interval,
            logged_requests: copied(&old.0.logged_requests),
            logged_at: copied(&old.0.logged_at),
            #[cfg(feature = "verify")]
            watch: self.watches_after(old),
            living: Arc::clone(&old.0.living),
        }))
    }
}

/// What has counters of its own: the routes, and behind them the values.
fn counted(routes: &Routes) -> impl Iterator<Item = &str> {
    let values = cfg!(feature = "data").then_some("(values)");
    routes.patterns().chain(values)
}

#[cfg(feature = "verify")]
impl CacheConfig {
    pub(super) fn watch(&self, route: RouteId) -> Option<&super::quarantine::Watch> {
        self.0.watch.get(route.index())
    }
}

impl fmt::Debug for CacheConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheConfig")
            .field("prefix", &self.0.prefix)
            .field("routes", &self.0.routes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(builder: CacheConfigBuilder) -> String {
        builder.build().err().map(|e| e.to_string()).unwrap_or_default()
    }

    fn shop() -> CacheConfigBuilder {
        CacheConfig::new("shop", SchemaVersion(1))
    }

    #[test]
    fn every_error_names_rule_field_and_value() {
        let ttl = |s| Policy::ttl(Duration::from_secs(s));
        for (builder, parts) in [
            (CacheConfig::new("", SchemaVersion(1)), &["app", "\"\""][..]),
            (CacheConfig::new("a b", SchemaVersion(1)), &["app", "\"a b\""]),
            (shop().environment("x:y"), &["environment", "\"x:y\""]),
            (shop().route("/a", ttl(0)), &["rule 1", "\"/a\"", "field ttl", "0 s", "bypass()"]),
            (shop().route("/ok", ttl(1)).route("/b", ttl(u64::MAX)), &["rule 2", "\"/b\"", "ttl"]),
            (shop().route("/a", ttl(1)).route("/a", ttl(1)), &["rule 2", "\"/a\""]),
            (shop().route("a", ttl(1)), &["rule 1", "\"a\"", "begins with"]),
            (shop().route("/a/*", ttl(1)), &["rule 1"]),
            (shop().route("/a", ttl(1).status(206, Duration::from_secs(1))), &["status", "206"]),
            (shop().route("/a", ttl(1).methods(&["POST"])), &["methods", "POST"]),
            (shop().route("/a", ttl(1).max_body(0)), &["max_body", "0"]),
            (shop().fallback(ttl(0)), &["(fallback)", "ttl"]),
        ] {
            let text = error(builder);
            for part in parts {
                assert!(text.contains(part), "{text:?} lacks {part:?}");
            }
        }
        assert_eq!(error(shop().route("/a", ttl(1))), "");
    }

    #[test]
    fn the_log_line_is_due_after_requests_or_time() {
        let config = shop().log_every(2, Duration::from_secs(60)).build().unwrap();
        let at = Timestamp::from_secs;
        let request = || config.record(RouteId(0), Event::Miss);
        request();
        assert!(config.due_log_line(at(100)).is_none());
        request();
        assert!(config.due_log_line(at(101)).is_some_and(|line| line.contains("\"miss\":2")));
        request();
        assert!(config.due_log_line(at(102)).is_none());
        assert!(config.due_log_line(at(161)).is_some());
    }
}
