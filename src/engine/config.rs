//! What one isolate keeps between requests: the checked table, the counters, the refreshes under way. No host handles.

use super::trust::Trust;
use super::voids::Voids;
use crate::message::RequestView;
use crate::policy::cookies::HARMLESS_COOKIES;
use crate::policy::{Computed, KeyPrefix, Policy, Problem, RouteId, Routes, SchemaVersion, Values, key::KeyName};
use crate::semantics::freshness::Timestamp;
use crate::semantics::status::StatusForm;
use crate::stats::{Counters, Event, Recorder, Stats};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is wrong with a table. The table is checked as a whole before the first request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The app's or the environment's name cannot stand in a key.
    #[error("{field}: {value:?} cannot prefix keys; give 1 to 64 ASCII letters, digits, \"-\" or \"_\"")]
    Prefix {
        /// `app` or `environment`.
        field: &'static str,
        /// The name given.
        value: String,
    },
    /// A pattern is given twice, cannot stand beside another, or is not a pattern.
    #[error("rule {rule}, pattern {pattern:?}: {why}")]
    Pattern {
        /// The rule's number, from 1.
        rule: usize,
        /// The pattern given.
        pattern: String,
        /// What the matcher says.
        why: String,
    },
    /// A setting of a policy cannot be meant.
    #[error("rule {rule}, pattern {pattern:?}, field {field}: {value} given, expected {expected}")]
    Policy {
        /// The rule's number, from 1; the fallback's is the last.
        rule: usize,
        /// The rule's pattern.
        pattern: String,
        /// The setter's name.
        field: &'static str,
        /// The value given.
        value: String,
        /// What would be taken.
        expected: &'static str,
    },
}

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
    pub(super) unkeyed_headers: Vec<Box<str>>,
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
    complained_at: AtomicU64,
    l1_inert: AtomicBool,
    refreshing: Mutex<Vec<(KeyName, Timestamp)>>,
    families: AtomicU64,
    pub(super) voids: Voids,
    pub(super) trust: Trust,
}

impl CacheConfig {
    /// Begins a table. `app` and `version` prefix every key; see [`KeyPrefix`].
    #[allow(clippy::new_ret_no_self, reason = "the builder ends in build(), which checks the whole table")]
    pub fn new(app: &str, version: SchemaVersion) -> CacheConfigBuilder {
        CacheConfigBuilder {
            app: app.to_owned(),
            version,
            environment: String::new(),
            rules: Vec::new(),
            fallback: Policy::from_headers(),
            harmless_cookies: HARMLESS_COOKIES.iter().map(|c| (*c).into()).collect(),
            unkeyed_headers: UNKEYED_HEADERS.iter().map(|h| (*h).into()).collect(),
            platform_cache: false,
            status_form: StatusForm::Terse,
            values: Vec::new(),
            hot: HotOptions { budget: 4 << 20, max_body: 64 << 10, max_stay: Duration::from_secs(5) },
            recorder: None,
            log_requests: 1000,
            log_interval: Duration::from_secs(60),
        }
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
        check(policy, &self.0.values, 1, name)
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

    /// What `request` has of the values that `wanted` says.
    pub(super) fn values(&self, request: &dyn RequestView, wanted: impl Fn(&str) -> bool) -> Values {
        let computed = self.0.values.iter().filter(|value| wanted(&value.name));
        computed.map(|value| (value.name.clone(), (value.compute)(request).map(String::into_boxed_str))).collect()
    }

    pub(super) fn record(&self, route: RouteId, event: Event) {
        self.0.counters.record(route, event);
        if let Some(recorder) = &self.0.recorder {
            recorder.record(route, event);
        }
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
            return Some(self.stats().to_log_line(shared.prefix.app()));
        }
        None
    }

    /// Whether a fault may be logged in words now: at most every ten seconds, the counters hold the rest.
    pub(super) fn may_complain(&self, now: Timestamp) -> bool {
        let last = Timestamp::from_millis(self.0.complained_at.load(Ordering::Relaxed));
        let may = last == Timestamp::default() || now.since(last) >= Duration::from_secs(10);
        if may {
            self.0.complained_at.store(now.as_millis(), Ordering::Relaxed);
        }
        may
    }

    /// Whether L1 was seen to take an entry and not to have it afterwards, as on hosts where the Cache API has no effect.
    pub(super) fn l1_is_inert(&self) -> bool {
        self.0.l1_inert.load(Ordering::Relaxed)
    }

    pub(super) fn note_l1(&self, inert: bool) {
        self.0.l1_inert.store(inert, Ordering::Relaxed);
    }

    /// A number for a new family of variants, larger than all before it in this isolate, and another than an earlier one's
    /// elsewhere as long as clocks agree to the millisecond.
    pub(super) fn next_family(&self, now: Timestamp) -> u64 {
        let next = |last: u64| Some(now.as_millis().saturating_mul(1024).max(last + 1));
        self.0
            .families
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .map_or(0, |last| next(last).unwrap_or(last))
    }

    /// Takes the right to refresh `key`, unless somebody in this isolate has it. It lapses by itself after `lease`, because
    /// on Workers the work behind a response can be cut off without a word.
    pub(super) fn begin_refresh(&self, key: KeyName, now: Timestamp, lease: Duration) -> bool {
        let mut refreshing = self.0.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        refreshing.retain(|(_, until)| *until > now);
        let free = !refreshing.iter().any(|(other, _)| *other == key);
        if free {
            refreshing.push((key, now.plus(lease)));
        }
        free
    }

    /// Gives the right back; after a failure only when `pause` is over, so that a failing origin is not asked by every
    /// request.
    pub(super) fn end_refresh(&self, key: KeyName, now: Timestamp, pause: Option<Duration>) {
        let mut refreshing = self.0.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        refreshing.retain(|(other, _)| *other != key);
        if let Some(pause) = pause {
            refreshing.push((key, now.plus(pause)));
        }
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

fn check(policy: &Policy, values: &[Computed], rule: usize, pattern: &str) -> Result<(), ConfigError> {
    let Some(Problem { field, value, expected }) = policy.problem(values) else { return Ok(()) };
    Err(ConfigError::Policy { rule, pattern: pattern.to_owned(), field, value, expected })
}

/// Header fields that change answers in some frameworks and that no key holds: with one of them present the request is
/// not for a shared cache. The fields a platform or proxy adds to every request (`X-Forwarded-For`, `X-Forwarded-Proto`,
/// `X-Real-IP`, `CF-*`) are not among them.
pub const UNKEYED_HEADERS: &[&str] = &[
    "x-forwarded-host",
    "x-host",
    "x-original-url",
    "x-rewrite-url",
    "forwarded",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-forwarded-scheme",
];

/// A table under construction; [`build`](Self::build) checks it.
#[must_use]
pub struct CacheConfigBuilder {
    app: String,
    version: SchemaVersion,
    environment: String,
    rules: Vec<(String, Policy)>,
    fallback: Policy,
    harmless_cookies: Vec<Box<str>>,
    unkeyed_headers: Vec<Box<str>>,
    platform_cache: bool,
    status_form: StatusForm,
    values: Vec<Computed>,
    hot: HotOptions,
    recorder: Option<Arc<dyn Recorder>>,
    log_requests: u64,
    log_interval: Duration,
}

impl CacheConfigBuilder {
    /// Gives the paths that match `pattern` a policy; see [`Routes`] for patterns.
    pub fn route(mut self, pattern: &str, policy: Policy) -> Self {
        self.rules.push((pattern.to_owned(), policy));
        self
    }

    /// The policy of paths that no pattern matches. Default: [`Policy::from_headers`].
    pub fn fallback(mut self, policy: Policy) -> Self {
        self.fallback = policy;
        self
    }

    /// Keeps environments that share stores apart (`staging`, `preview`). Default: none.
    pub fn environment(mut self, name: &str) -> Self {
        name.clone_into(&mut self.environment);
        self
    }

    /// The cookies that say nothing about who asks, in place of
    /// [`HARMLESS_COOKIES`]; a name that ends in `*` stands for all that begin so.
    pub fn harmless_cookies(mut self, names: &[&str]) -> Self {
        self.harmless_cookies = names.iter().map(|n| (*n).into()).collect();
        self
    }

    /// The request fields that make the cache step aside, in place of [`UNKEYED_HEADERS`].
    pub fn unkeyed_headers(mut self, names: &[&str]) -> Self {
        self.unkeyed_headers = names.iter().map(|n| n.to_ascii_lowercase().into()).collect();
        self
    }

    /// Names a value that policies may key on ([`Policy::key_values`]). A request for which `compute` has no value goes past the
    /// cache: nobody can tell who may share its answer. Of two functions of one name the first counts.
    ///
    /// ```
    /// use layercake::{CacheConfig, Policy, SchemaVersion};
    /// use std::time::Duration;
    ///
    /// let config = CacheConfig::new("shop", SchemaVersion(1))
    ///     .value("country", |request| {
    ///         let country = request.field("cf-ipcountry")?;
    ///         Some(String::from_utf8_lossy(&country).into_owned())
    ///     })
    ///     .route("/prices", Policy::ttl(Duration::from_secs(60)).key_values(&["country"]))
    ///     .build();
    /// assert!(config.is_ok());
    /// ```
    pub fn value(
        mut self,
        name: &str,
        compute: impl Fn(&dyn RequestView) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.values.push(Computed { name: name.into(), compute: Arc::new(compute) });
        self
    }

    /// Declares that Cloudflare's Workers Cache runs in front of this Worker: stored answers whose handler was silent
    /// leave with their lifetime in `Cloudflare-CDN-Cache-Control`, others with `no-store` there, because that cache takes
    /// silence for permission. Default: off.
    pub fn platform_cache(mut self, in_front: bool) -> Self {
        self.platform_cache = in_front;
        self
    }

    /// How much `Cache-Status` (RFC 9211) tells everybody. Default: [`StatusForm::Terse`], nothing of tiers and reason codes.
    pub fn cache_status(mut self, form: StatusForm) -> Self {
        self.status_form = form;
        self
    }

    /// Bytes of the in-isolate tier; 0 turns it off. Default: 4 MiB.
    pub fn hot_budget(mut self, bytes: u64) -> Self {
        self.hot.budget = bytes;
        self
    }

    /// How long an entry stays in the in-isolate tier at most. Default: 5 s.
    pub fn hot_ttl(mut self, stay: Duration) -> Self {
        self.hot.max_stay = stay;
        self
    }

    /// The largest body in the in-isolate tier, in bytes. Default: 64 KiB.
    pub fn hot_max_body(mut self, bytes: u64) -> Self {
        self.hot.max_body = bytes;
        self
    }

    /// Another recorder beside the counters. Default: none.
    pub fn recorder(mut self, recorder: Arc<dyn Recorder>) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// How often the counts are logged: after this many requests or this much time, whichever comes first. There is no
    /// timer: the line is written behind a request. Default: 1,000 requests or 60 s.
    pub fn log_every(mut self, requests: u64, interval: Duration) -> Self {
        self.log_requests = requests.max(1);
        self.log_interval = interval;
        self
    }

    /// Checks the table.
    ///
    /// # Errors
    ///
    /// The first thing wrong, naming rule, field and value.
    pub fn build(mut self) -> Result<CacheConfig, ConfigError> {
        let names = [("app", &self.app), ("environment", &self.environment)];
        let prefix = KeyPrefix::new(&self.app, self.version, &self.environment).ok_or_else(|| {
            let bad = |(field, name): &(&'static str, &String)| {
                *field != "environment" || KeyPrefix::new("app", self.version, name).is_none()
            };
            let (field, value) = names.into_iter().rev().find(bad).unwrap_or(names[0]);
            ConfigError::Prefix { field, value: value.clone() }
        })?;
        let named = self.rules.iter().map(|(pattern, policy)| (pattern.as_str(), policy));
        for (place, (pattern, policy)) in named.chain([("(fallback)", &self.fallback)]).enumerate() {
            check(policy, &self.values, place + 1, pattern)?;
        }
        let (rules, fallback) =
            (std::mem::take(&mut self.rules), std::mem::replace(&mut self.fallback, Policy::bypass()));
        let routes = Routes::build(rules, fallback).map_err(|(place, pattern, why)| ConfigError::Pattern {
            rule: place + 1,
            pattern,
            why,
        })?;
        Ok(self.assemble(prefix, routes))
    }

    fn assemble(self, prefix: KeyPrefix, routes: Routes) -> CacheConfig {
        let counters = Counters::new(routes.patterns());
        CacheConfig(Arc::new(Shared {
            prefix,
            routes,
            harmless_cookies: self.harmless_cookies,
            unkeyed_headers: self.unkeyed_headers,
            platform_cache: self.platform_cache,
            status_form: self.status_form,
            values: self.values,
            hot: self.hot,
            counters,
            recorder: self.recorder,
            log_requests: self.log_requests,
            log_interval: self.log_interval,
            logged_requests: AtomicU64::new(0),
            logged_at: AtomicU64::new(0),
            complained_at: AtomicU64::new(0),
            l1_inert: AtomicBool::new(false),
            refreshing: Mutex::default(),
            families: AtomicU64::new(0),
            voids: Voids::default(),
            trust: Trust::default(),
        }))
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

    #[test]
    fn one_refresh_per_key_until_its_lease_lapses() {
        let config = shop().build().unwrap();
        let (lease, at) = (Duration::from_secs(30), Timestamp::from_secs);
        assert!(config.begin_refresh([1; 20], at(0), lease));
        assert!(!config.begin_refresh([1; 20], at(29), lease));
        assert!(config.begin_refresh([2; 20], at(29), lease));
        assert!(config.begin_refresh([1; 20], at(30), lease));
        config.end_refresh([1; 20], at(31), None);
        assert!(config.begin_refresh([1; 20], at(31), lease));
        config.end_refresh([1; 20], at(32), Some(Duration::from_secs(5)));
        assert!(!config.begin_refresh([1; 20], at(36), lease));
        assert!(config.begin_refresh([1; 20], at(37), lease));
    }
}
