//! A table under construction.

use super::{CacheConfig, ConfigError, HotOptions, Shared};
use crate::message::RequestView;
use crate::policy::cookies::HARMLESS_COOKIES;
#[cfg(feature = "json")]
use crate::policy::document::Document;
use crate::policy::{Computed, KeyPrefix, Policy, Problem, Routes, SchemaVersion};
use crate::semantics::status::StatusForm;
use crate::stats::{Counters, Recorder};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Checks one policy of a table.
pub(super) fn check(policy: &Policy, values: &[Computed], rule: usize, pattern: &str) -> Result<(), ConfigError> {
    let Some(Problem { field, value, expected }) = policy.problem(values) else { return Ok(()) };
    Err(ConfigError::Policy { rule, pattern: pattern.to_owned(), field, value, expected })
}

/// Header fields that change answers in some frameworks, or say who is asking, and that no key holds: with one of them present
/// the request is not for a shared cache, unless the policy keys on it. The fields a platform or proxy adds to every request
/// (`X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Port`, `X-Real-IP`, most of `CF-*`) are not among them.
pub const UNKEYED_HEADERS: &[&str] = &[
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-forwarded-scheme",
    "x-forwarded-user",
    "x-host",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
    "forwarded",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-api-key",
    "x-auth-token",
    "x-access-token",
    "cf-access-jwt-assertion",
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
    unkeyed_headers: Option<Vec<Box<str>>>,
    platform_cache: bool,
    status_form: StatusForm,
    values: Vec<Computed>,
    hot: HotOptions,
    recorder: Option<Arc<dyn Recorder>>,
    log_requests: u64,
    log_interval: Duration,
}

#[cfg(feature = "json")]
impl From<Document> for CacheConfigBuilder {
    fn from(document: Document) -> Self {
        let Document { app, version, environment, settings, routes, fallback } = document;
        let boxed = |names: Vec<String>| names.into_iter().map(String::into_boxed_str).collect();
        let mut builder = Self { environment, rules: routes, fallback, ..CacheConfig::new(&app, version) };
        builder.harmless_cookies = settings.harmless_cookies.map_or(builder.harmless_cookies, boxed);
        if let Some(names) = settings.unkeyed_headers {
            builder = builder.unkeyed_headers(&names.iter().map(String::as_str).collect::<Vec<_>>());
        }
        builder.platform_cache = settings.platform_cache;
        builder.status_form = settings.cache_status.unwrap_or(builder.status_form);
        builder.hot.budget = settings.hot_budget.unwrap_or(builder.hot.budget);
        builder.hot.max_body = settings.hot_max_body.unwrap_or(builder.hot.max_body);
        builder.hot.max_stay = settings.hot_ttl.unwrap_or(builder.hot.max_stay);
        builder.log_requests = settings.log_requests.unwrap_or(builder.log_requests);
        builder.log_interval = settings.log_interval.unwrap_or(builder.log_interval);
        builder
    }
}

impl CacheConfigBuilder {
    pub(super) fn begin(app: &str, version: SchemaVersion) -> Self {
        Self {
            app: app.to_owned(),
            version,
            environment: String::new(),
            rules: Vec::new(),
            fallback: Policy::from_headers(),
            harmless_cookies: HARMLESS_COOKIES.iter().map(|c| (*c).into()).collect(),
            unkeyed_headers: None,
            platform_cache: false,
            status_form: StatusForm::Terse,
            values: Vec::new(),
            hot: HotOptions { budget: 4 << 20, max_body: 64 << 10, max_stay: Duration::from_secs(5) },
            recorder: None,
            log_requests: 1000,
            log_interval: Duration::from_secs(60),
        }
    }

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
        self.unkeyed_headers = Some(names.iter().map(|n| n.to_ascii_lowercase().into()).collect());
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

    pub(super) fn assemble(self, prefix: KeyPrefix, routes: Routes) -> CacheConfig {
        let counters = Counters::new(super::counted(&routes));
        #[cfg(feature = "verify")]
        let watch = routes.patterns().map(|_| super::super::quarantine::Watch::default()).collect();
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
            #[cfg(feature = "verify")]
            watch,
            living: Arc::default(),
        }))
    }
}
