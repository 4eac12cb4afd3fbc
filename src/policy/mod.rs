//! Floor 1. The owner's will: what is cached, for how long, and for whom.

pub mod cookies;
pub mod key;
pub mod routes;
mod tiers;

pub use key::{CacheKey, KeyPrefix, QueryKey, SchemaVersion};
pub use routes::{RouteId, Routes};
pub use tiers::{Level, Tiers};

use crate::semantics::storage::{Lifetime, StoreRules};
use std::time::Duration;

/// How the responses of one route are cached.
///
/// ```
/// use layercake::Policy;
/// use std::time::Duration;
///
/// let policy = Policy::ttl(Duration::from_secs(30))
///     .stale_while_revalidate(Duration::from_secs(60))
///     .stale_if_error(Duration::from_secs(600));
/// # let _ = policy;
/// ```
///
/// Whatever a policy says, these are never stored: a response that says `no-store` or `private`, sets a cookie, or
/// varies on request fields; partial answers (206); and errors whose status the policy gives no lifetime. A request
/// with `Authorization`, or with a cookie that is not on the list of harmless ones, is not answered from the cache
/// unless the policy is [`anonymous`](Self::anonymous).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Policy {
    pub(crate) bypass: bool,
    pub(crate) anonymous: bool,
    pub(crate) methods: Methods,
    pub(crate) tiers: Tiers,
    pub(crate) query: QueryKey,
    pub(crate) browser_ttl: Option<Duration>,
    pub(crate) store: StoreRules,
    problem: Option<Problem>,
}

/// A setting that cannot be meant: the field, its value, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) field: &'static str,
    pub(crate) value: String,
    pub(crate) expected: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Methods {
    pub(crate) get: bool,
    pub(crate) head: bool,
}

/// The longest lifetime or window that is taken for meant: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

impl Policy {
    const fn with(lifetime: Lifetime) -> Self {
        Self {
            bypass: false,
            anonymous: false,
            methods: Methods { get: true, head: true },
            tiers: Tiers::ALL,
            query: QueryKey::Whole,
            browser_ttl: None,
            store: StoreRules {
                lifetime,
                heuristics: false,
                stale_while_revalidate: None,
                stale_if_error: None,
                statuses: Vec::new(),
                max_body: 32 << 20,
                to_the_letter: false,
            },
            problem: None,
        }
    }

    /// Fresh for `ttl` from receipt, whatever lifetime the handler's fields give. `no-store` and `private` are obeyed
    /// all the same. Zero, and more than ten years, are errors when the table is built.
    pub fn ttl(ttl: Duration) -> Self {
        let mut policy = Self::with(Lifetime::Owner(ttl));
        if ttl.is_zero() || ttl > LONGEST {
            policy.problem = Some(Problem {
                field: "ttl",
                value: format!("{} s", ttl.as_secs()),
                expected: "more than zero and at most ten years; use Policy::bypass() for a route that is not cached",
            });
        }
        policy
    }

    /// Fresh for as long as the handler's `Cache-Control` (or a targeted field, or `Expires`) says; a response that is
    /// silent is not stored. This is what routes without a policy get.
    pub const fn from_headers() -> Self {
        Self::with(Lifetime::Fields(None))
    }

    /// Never answered from the cache, never stored.
    pub const fn bypass() -> Self {
        let mut policy = Self::with(Lifetime::Fields(None));
        policy.bypass = true;
        policy
    }

    /// A shared cache by the letter of RFC 9111, for a reverse proxy: it stores and replays `Set-Cookie` as the RFC
    /// allows, takes no notice of cookies, obeys the client's `Cache-Control`, uses heuristic lifetimes, and stores errors that have explicit
    /// freshness. Take it only for an origin that marks personal answers as such.
    pub const fn rfc9111() -> Self {
        let mut policy = Self::with(Lifetime::Fields(None));
        policy.store.heuristics = true;
        policy.store.to_the_letter = true;
        policy
    }

    /// How long past freshness the stale answer is served at once while a refresh runs behind it (RFC 5861 section 3).
    /// `must-revalidate` in the response forbids it. Default: what the response says, else none.
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.check("stale_while_revalidate", window);
        self.store.stale_while_revalidate = Some(window);
        self
    }

    /// How long past freshness the stale answer is served instead of a 500, 502, 503 or 504, or of a handler's error
    /// (RFC 5861 section 4). Default: what the response says, else none.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.check("stale_if_error", window);
        self.store.stale_if_error = Some(window);
        self
    }

    /// The lifetime where the response gives none itself; of use with [`from_headers`](Self::from_headers) and
    /// [`rfc9111`](Self::rfc9111). Default: none, such a response is not stored.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.check("default_ttl", ttl);
        if let Lifetime::Fields(default) = &mut self.store.lifetime {
            *default = Some(ttl);
        }
        self
    }

    /// The same answer for everybody, logged in or not. The handler sees no `Cookie`, no `Authorization` and no
    /// `request.cf`, so that its answer cannot depend on them. Default: off.
    pub fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// Gives answers of one status a lifetime of their own; the only way an error gets cached. Default: none.
    pub fn status(mut self, status: u16, ttl: Duration) -> Self {
        self.check("status", ttl);
        if !(200..=599).contains(&status) || matches!(status, 206 | 304) {
            self.problem = Some(Problem {
                field: "status",
                value: status.to_string(),
                expected: "a final status from 200 to 599 other than 206 and 304",
            });
        }
        self.store.statuses.push((status, ttl));
        self
    }

    /// Which methods are answered from the cache; any but GET and HEAD is an error when the table is built.
    /// Default: GET and HEAD.
    pub fn methods(mut self, methods: &[&str]) -> Self {
        self.methods = Methods { get: methods.contains(&"GET"), head: methods.contains(&"HEAD") };
        if let Some(other) = methods.iter().find(|m| !matches!(**m, "GET" | "HEAD")) {
            self.problem = Some(Problem {
                field: "methods",
                value: (*other).to_owned(),
                expected: "GET or HEAD: no other is cached",
            });
        }
        self
    }

    /// The largest body stored, in bytes. Default: 32 MiB.
    pub fn max_body(mut self, bytes: u64) -> Self {
        if bytes == 0 {
            self.problem = Some(Problem { field: "max_body", value: "0".to_owned(), expected: "at least 1 byte" });
        }
        self.store.max_body = bytes;
        self
    }

    /// Which tiers hold the route's answers. Default: all.
    pub fn tiers(mut self, tiers: Tiers) -> Self {
        self.tiers = tiers;
        self
    }

    /// How the query enters the key. Default: [`QueryKey::Whole`].
    pub fn query(mut self, query: QueryKey) -> Self {
        self.query = query;
        self
    }

    /// How long browsers may keep a stored answer when the handler did not say. Default: not at all
    /// (`public, max-age=0, must-revalidate`): they ask each time and get a 304 where nothing changed.
    pub fn browser_ttl(mut self, ttl: Duration) -> Self {
        self.check("browser_ttl", ttl);
        self.browser_ttl = Some(ttl);
        self
    }

    fn check(&mut self, field: &'static str, duration: Duration) {
        if duration > LONGEST {
            let value = format!("{} s", duration.as_secs());
            self.problem = Some(Problem { field, value, expected: "at most ten years" });
        }
    }

    /// What is wrong with it, if anything.
    pub(crate) const fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// The `Cache-Control` of a stored answer whose handler was silent.
    pub(crate) fn browser_cache_control(&self) -> String {
        match self.browser_ttl {
            None => "public, max-age=0, must-revalidate".to_owned(),
            Some(ttl) => format!("public, max-age={}", ttl.as_secs()),
        }
    }
}
