//! Floor 1. The owner's will: what is cached, for how long, and for whom.

pub mod cookies;
#[cfg(feature = "json")]
pub mod document;
pub mod key;
mod keyer;
#[cfg(feature = "lint")]
pub mod lint;
mod name_map;
mod named;
pub mod path;
#[cfg(feature = "resilience")]
mod patience;
mod pattern;
pub mod query;
pub mod routes;
mod tiers;

pub use key::{CacheKey, KeyPrefix, SchemaVersion};
pub(crate) use keyer::{Computed, Keyer, Values};
pub use named::DataKey;
#[cfg(feature = "resilience")]
use patience::Patience;
pub use query::QueryKey;
pub use routes::{RouteId, Routes};
pub use tiers::{Level, Tiers};

use crate::semantics::decimal;
use crate::semantics::storage::{Lifetime, StoreRules};
use crate::semantics::vary::Narrow;
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
/// varies on everything (`Vary: *`); partial answers (206); and errors whose status the policy gives no lifetime. A request
/// with `Authorization`, or with a cookie that is not on the list of harmless ones, is not answered from the cache
/// unless the policy is [`anonymous`](Self::anonymous) or keys on it ([`key_headers`](Self::key_headers),
/// [`key_cookies`](Self::key_cookies)).
///
/// A handler cannot personalise by what it cannot see. On a cached route its request is rebuilt without what the policy does not key on:
///
/// | | what the handler sees |
/// | --- | --- |
/// | cookies | those that are keyed on; with any that is neither keyed on nor harmless the request goes past the cache, as it was sent |
/// | `Authorization` | as sent; the answer is stored only if it says that it may be shared, or where it is keyed on |
/// | under [`anonymous`](Self::anonymous) | neither of them, but cookies that are keyed on, nor `request.cf` |
/// | path and query | what counts of them ([`query`](Self::query), [`ignore_case`](Self::ignore_case), ...) |
/// | `Accept-Language`, `Accept-Encoding` | where they are narrowed down ([`languages`](Self::languages), [`encodings`](Self::encodings)), the choice |
/// | conditions and `Range` | none: the answer is to be whole |
/// | all other fields | as sent: a handler that answers by one has to name it in `Vary`; [`verify_one_in`](Self::verify_one_in) finds out if it does not |
///
/// Where these policies differ from a cache by the letter ([`rfc9111`](Self::rfc9111)), and why:
///
/// | | here | by the letter | why |
/// | --- | --- | --- | --- |
/// | `Set-Cookie` in the response | not stored | stored and replayed | a cookie is somebody's |
/// | request directives (RFC 9111 section 5.2.1) | ignored, but `no-store` stores nothing | obeyed | visitors must not be able to force work |
/// | `no-cache`; `max-age=0` where the fields give the lifetime | not stored | stored, validated at each use | handlers seldom answer 304; each store would be a cost without a gain |
/// | errors with explicit freshness | not stored | stored | a bug would outlive its mend |
/// | heuristic lifetimes (4.2.2) | only with [`heuristic_ttl`](Self::heuristic_ttl) | at most a day | silence is no permission |
/// | 206 | not stored; the handler sees no `Range`, and parts are cut from the whole | stored, combined | every miss can fill |
/// | the client's conditions | answered from the whole answer | forwarded on a miss | every miss can fill |
/// | stale answers when the handler fails | only in the stale windows | also without a directive, when the origin cannot be reached (4.2.4) | the owner sets the windows |
/// | POST answers with `Content-Location` (RFC 9110 section 9.3.3) | not stored | stored for GET | routers answer POST with other things |
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Policy {
    pub(crate) terms: Box<Terms>,
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) bypass: bool,
    pub(crate) anonymous: bool,
    pub(crate) methods: Methods,
    pub(crate) tiers: Tiers,
    pub(crate) keyer: Keyer,
    pub(crate) browser_ttl: Option<Duration>,
    pub(crate) strip_targets: bool,
    pub(crate) narrow: Vec<Narrow>,
    pub(crate) verify: Option<u32>,
    #[cfg(feature = "resilience")]
    pub(crate) patience: Patience,
    pub(crate) store: StoreRules,
    /// A default lifetime was given that cannot have an effect.
    #[cfg(feature = "lint")]
    idle_default: bool,
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
    fn with(store: StoreRules) -> Self {
        let terms = Terms {
            bypass: false,
            anonymous: false,
            methods: Methods { get: true, head: true },
            tiers: Tiers::ALL,
            keyer: Keyer::default(),
            browser_ttl: None,
            strip_targets: false,
            narrow: Vec::new(),
            verify: None,
            #[cfg(feature = "resilience")]
            patience: Patience::default(),
            store,
            #[cfg(feature = "lint")]
            idle_default: false,
            problem: None,
        };
        Self { terms: Box::new(terms) }
    }

    /// Fresh for `ttl` from receipt, whatever lifetime the handler's fields give. `no-store` and `private` are obeyed
    /// all the same. Zero, and more than ten years, are errors when the table is built.
    pub fn ttl(ttl: Duration) -> Self {
        let mut policy = Self::with(StoreRules::new(Lifetime::Owner(ttl)));
        if ttl.is_zero() || ttl > LONGEST {
            policy.terms.problem = Some(Problem {
                field: "ttl",
                value: decimal(ttl.as_secs()) + " s",
                expected: "more than zero and at most ten years; use Policy::bypass() for a route that is not cached",
            });
        }
        policy
    }

    /// Fresh for as long as the handler's `Cache-Control` (or a targeted field, or `Expires`) says; a response that is
    /// silent is not stored. This is what routes without a policy get.
    pub fn from_headers() -> Self {
        Self::with(StoreRules::new(Lifetime::Fields(None)))
    }

    /// Never answered from the cache, never stored.
    pub fn bypass() -> Self {
        let mut policy = Self::with(StoreRules::new(Lifetime::Fields(None)));
        policy.terms.bypass = true;
        policy
    }

    /// It stores and replays `Set-Cookie`, as RFC 9111 section 7.3 allows, and takes no notice of cookies: take it only for an
    /// origin that marks personal answers as such, behind a reverse proxy for example.
    ///
    /// What a shared cache may do and must do by the letter of RFC 9111, no more and no less: the client's `Cache-Control` is obeyed,
    /// what has a validator is stored even when it must be validated at each use (in L1 only: such an entry does not earn a
    /// KV write), lifetimes are heuristic where nothing is said, errors with explicit freshness are stored, parts are stored
    /// and combined, and when the origin cannot be reached stale answers go out unless something forbids it. Other policies
    /// differ as the table in [`Policy`] says.
    pub fn rfc9111() -> Self {
        let mut policy = Self::with(StoreRules::by_the_letter());
        policy.terms.keyer.replays_cookies = true;
        policy
    }

    /// How long past freshness the stale answer is served at once while a refresh runs behind it (RFC 5861 section 3).
    /// `must-revalidate` in the response forbids it. Default: what the response says, else none.
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.check("stale_while_revalidate", window);
        self.terms.store.stale_while_revalidate = Some(window);
        self
    }

    /// How long past freshness the stale answer is served instead of a 500, 502, 503 or 504, or of a handler's error
    /// (RFC 5861 section 4). Default: what the response says, else none.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.check("stale_if_error", window);
        self.terms.store.stale_if_error = Some(window);
        self
    }

    /// The lifetime where the response gives none itself; of use with [`from_headers`](Self::from_headers) and
    /// [`rfc9111`](Self::rfc9111). Default: none, such a response is not stored.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.check("default_ttl", ttl);
        if let Lifetime::Fields(default) = &mut self.terms.store.lifetime {
            *default = Some(ttl);
            return self;
        }
        #[cfg(feature = "lint")]
        {
            self.terms.idle_default = true;
        }
        self
    }

    /// How long past freshness an entry with `ETag` or `Last-Modified` is kept to be validated: the origin is then asked
    /// conditionally, and its 304 saves the body. It costs storage, no writes. Default: 1 h; under
    /// [`rfc9111`](Self::rfc9111) a day.
    pub fn keep(mut self, keep: Duration) -> Self {
        self.check("keep", keep);
        self.terms.store.keep = keep;
        self
    }

    /// Gives a response that says nothing of its lifetime a tenth of the time since its `Last-Modified`, at most `longest`
    /// (RFC 9111 section 4.2.2). Zero turns it off. Default: off; under [`rfc9111`](Self::rfc9111) a day.
    pub fn heuristic_ttl(mut self, longest: Duration) -> Self {
        self.check("heuristic_ttl", longest);
        self.terms.store.heuristics = Some(longest).filter(|longest| !longest.is_zero());
        self
    }

    /// How many variants of one target are stored where answers vary on request fields (RFC 9111 section 4.1); those that
    /// come later are served and not stored. They are counted per data centre, in the tiers nearer than L2 (without any of those
    /// only the first is stored), and anew when the first variant has left the cache. With 0 nothing that varies is stored. Default: 16.
    pub fn max_variants(mut self, most: usize) -> Self {
        self.terms.store.max_variants = most;
        self
    }

    /// Narrows `Accept-Language` down to one of `tags`, by the client's weights; the first stands in when it wants none of
    /// them. The handler sees the chosen tag in place of what the client sent, so that its answer cannot depend on more.
    /// Without any tag an error when the table is built. Default: the field as sent.
    pub fn languages(self, tags: &[&str]) -> Self {
        self.narrow("languages", tags, Narrow::Language)
    }

    /// Narrows `Accept-Encoding` down to the first of `codings` that the client accepts, else `identity`. The handler sees
    /// only that one. Without any coding an error when the table is built. Default: the field as sent.
    pub fn encodings(self, codings: &[&str]) -> Self {
        self.narrow("encodings", codings, Narrow::Encoding)
    }

    fn narrow(mut self, field: &'static str, choices: &[&str], by: fn(Vec<Box<str>>) -> Narrow) -> Self {
        let plain =
            |c: &&str| !c.is_empty() && c.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if choices.is_empty() || !choices.iter().all(plain) {
            let expected = "one name at least, each of letters, digits and \"-\"";
            self.terms.problem = Some(Problem { field, value: choices.join(", "), expected });
        }
        let narrow = by(choices.iter().map(|choice| (*choice).into()).collect());
        self.terms.narrow.retain(|other| other.field() != narrow.field());
        self.terms.narrow.push(narrow);
        self
    }

    /// The targeted fields obeyed before `Cache-Control`, in order (RFC 9213): the first that is a valid structured
    /// dictionary replaces `Cache-Control` and `Expires` altogether. Default: `Cloudflare-CDN-Cache-Control`, then
    /// `CDN-Cache-Control`.
    pub fn targets(mut self, names: &[&str]) -> Self {
        self.terms.store.targets = names.iter().map(|name| name.to_ascii_lowercase().into()).collect();
        self
    }

    /// Takes the targeted fields off what goes out, for when no cache further downstream shall see them. Default: they
    /// are passed on (RFC 9213 section 2.1).
    pub fn strip_targets(mut self) -> Self {
        self.terms.strip_targets = true;
        self
    }

    /// The same answer for everybody, logged in or not. The handler sees no `Cookie` but those that are keyed on, no
    /// `Authorization` and no `request.cf`, so that its answer cannot depend on them. Default: off.
    pub fn anonymous(mut self) -> Self {
        self.terms.anonymous = true;
        self
    }

    /// Gives answers of one status a lifetime of their own; the only way an error gets cached. Default: none.
    pub fn status(mut self, status: u16, ttl: Duration) -> Self {
        self.check("status", ttl);
        if !(200..=599).contains(&status) || matches!(status, 206 | 304) {
            self.terms.problem = Some(Problem {
                field: "status",
                value: status.to_string(),
                expected: "a final status from 200 to 599 other than 206 and 304",
            });
        }
        self.terms.store.statuses.push((status, ttl));
        self
    }

    /// Which methods are answered from the cache; any but GET and HEAD is an error when the table is built.
    /// Default: GET and HEAD.
    pub fn methods(mut self, methods: &[&str]) -> Self {
        self.terms.methods = Methods { get: methods.contains(&"GET"), head: methods.contains(&"HEAD") };
        if let Some(other) = methods.iter().find(|m| !matches!(**m, "GET" | "HEAD")) {
            self.terms.problem = Some(Problem {
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
            self.terms.problem =
                Some(Problem { field: "max_body", value: "0".to_owned(), expected: "at least 1 byte" });
        }
        self.terms.store.max_body = bytes;
        self
    }

    /// Which tiers hold the route's answers. Default: all.
    pub fn tiers(mut self, tiers: Tiers) -> Self {
        self.terms.tiers = tiers;
        self
    }

    /// How the query enters the key; the handler sees of it what counts. Default: [`QueryKey::whole`].
    pub fn query(mut self, query: QueryKey) -> Self {
        self.terms.keyer.query = query;
        self
    }

    /// Keys on these request fields: requests that differ in one of them get answers of their own. With `authorization` among
    /// them each credential has its own entries, and requests that carry one are answered from them. Where
    /// [`languages`](Self::languages) or [`encodings`](Self::encodings) narrow a field down, the choice counts. What
    /// an unsafe request makes void is what is stored for its own values. `cookie` is an error when the table is built: see
    /// [`key_cookies`](Self::key_cookies). Default: none; what the handler names in `Vary` makes variants all the same.
    pub fn key_headers(mut self, names: &[&str]) -> Self {
        let token =
            |name: &&&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if let Some(bad) = names.iter().find(|name| !token(name) || name.eq_ignore_ascii_case("cookie")) {
            let expected = "names of request fields; for cookies there is key_cookies()";
            self.terms.problem = Some(Problem { field: "key_headers", value: (*bad).to_owned(), expected });
        }
        keyer::add(&mut self.terms.keyer.headers, names.iter().map(|name| name.to_ascii_lowercase().into()));
        self
    }

    /// Keys on these cookies: requests that differ in one of them get answers of their own. The handler sees these cookies and no
    /// other. A request with further cookies that are not harmless goes past the cache, unless the policy is
    /// [`anonymous`](Self::anonymous) or [`rfc9111`](Self::rfc9111). Names are compared byte for byte. A stored answer of which the
    /// handler said nothing leaves with `private`, and so it does with the next two. Default: none.
    pub fn key_cookies(mut self, names: &[&str]) -> Self {
        let plain =
            |name: &&&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"=;,\"".contains(&b));
        if let Some(bad) = names.iter().find(|name| !plain(name)) {
            let expected = "names of cookies";
            self.terms.problem = Some(Problem { field: "key_cookies", value: (*bad).to_owned(), expected });
        }
        keyer::add(&mut self.terms.keyer.cookies, names.iter().map(|name| (*name).into()));
        self
    }

    /// Keys on these values, which [`CacheConfigBuilder::value`](crate::CacheConfigBuilder::value) computes from the request:
    /// the tenant, the country, the plan. A name that is not registered there is an error when the table is built. Default: none.
    pub fn key_values(mut self, names: &[&str]) -> Self {
        keyer::add(&mut self.terms.keyer.values, names.iter().map(|name| (*name).into()));
        self
    }

    /// Shares entries between all hosts that this Worker answers for: the same path has the same answer on each. The handler
    /// still sees the host and must not answer by it. In the Cache API each host keeps its own copy. Default: off, the host
    /// is part of the key.
    pub fn shared_between_hosts(mut self) -> Self {
        self.terms.keyer.shared_between_hosts = true;
        self
    }

    /// `/About` is `/about`. The handler sees the path in lower case; the route is found by the path as it was sent. Default: off.
    pub fn ignore_case(mut self) -> Self {
        self.terms.keyer.path.ignore_case = true;
        self
    }

    /// `/about/` is `/about`. The handler sees the path without its last slash; the route is found by the path as it was sent. Default:
    /// off.
    pub fn ignore_trailing_slash(mut self) -> Self {
        self.terms.keyer.path.ignore_trailing_slash = true;
        self
    }

    /// Caches paths that may be read in two ways as well ([`path::is_ambiguous`]): with encoded slashes or dots, `;`, `//` or dot
    /// segments. Take it where the handler reads paths as they are written and never decodes them to look something up.
    /// Default: off, such requests go past the cache; under [`rfc9111`](Self::rfc9111) they do not.
    pub fn cache_ambiguous_paths(mut self) -> Self {
        self.terms.keyer.path.ambiguous = true;
        self
    }

    /// How long browsers may keep a stored answer when the handler did not say. Default: not at all
    /// (`public, max-age=0, must-revalidate`): they ask each time and get a 304 where nothing changed.
    pub fn browser_ttl(mut self, ttl: Duration) -> Self {
        self.check("browser_ttl", ttl);
        self.terms.browser_ttl = Some(ttl);
        self
    }

    fn check(&mut self, field: &'static str, duration: Duration) {
        if duration > LONGEST {
            let value = decimal(duration.as_secs()) + " s";
            self.terms.problem = Some(Problem { field, value, expected: "at most ten years" });
        }
    }

    /// Stores answers with `Set-Cookie` and replays the cookie to everybody who asks: take it only where the handler sets the same
    /// harmless cookie for all. Default: off, such answers are not stored; under [`rfc9111`](Self::rfc9111) they are.
    pub fn replay_set_cookie(mut self) -> Self {
        self.terms.store.set_cookie = true;
        self.terms.keyer.replays_cookies = true;
        self
    }

    /// Looks at one of every `n` requests again behind its response (feature `verify`): the handler is asked in the name of
    /// nobody, and when its answer depends on something that neither the key nor `Vary` holds, the route is put into
    /// quarantine: it goes past the cache until its rule changes, and the log names the request field. It costs one call of the
    /// handler each time, up to 28 when something is found. It takes effect behind doors that can go to the handler again:
    /// `worker::Opened::run_verified` and `CacheLayer::verified`. With 0, and without the feature, an error when the table is
    /// built. Default: off.
    pub fn verify_one_in(mut self, n: u32) -> Self {
        if n == 0 || cfg!(not(feature = "verify")) {
            let expected = "at least 1, and layercake's feature `verify`";
            self.terms.problem = Some(Problem { field: "verify_one_in", value: n.to_string(), expected });
        }
        self.terms.verify = Some(n);
        self
    }

    /// What is wrong with it, if anything, beside `values` that are computed.
    pub(crate) fn problem(&self, values: &[Computed]) -> Option<Problem> {
        let terms = &*self.terms;
        let of = |field, value: &str, expected| Some(Problem { field, value: value.to_owned(), expected });
        if let Some(problem) = &terms.problem {
            return Some(problem.clone());
        }
        if terms.anonymous && terms.keyer.has_header("authorization") {
            return of(
                "key_headers",
                "authorization",
                "another field, or a policy that is not anonymous(): that hides it",
            );
        }
        let unknown = terms.keyer.values.iter().find(|name| !values.iter().any(|value| value.name == **name))?;
        of("key_values", unknown, "a name that CacheConfigBuilder::value() gives a function for")
    }

    /// The `Cache-Control` of a stored answer whose handler was silent; `private` where a cache in front does not know what it
    /// is keyed on.
    pub(crate) fn browser_cache_control(&self, private: bool) -> String {
        let whom = if private { "private" } else { "public" };
        match self.terms.browser_ttl {
            None => [whom, ", max-age=0, must-revalidate"].concat(),
            Some(ttl) => [whom, ", max-age=", &decimal(ttl.as_secs())].concat(),
        }
    }
}
