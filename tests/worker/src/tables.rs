//! The route tables, and one cache for each.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

#[cfg(feature = "whole")]
use layercake::CacheConfigBuilder;
use layercake::worker::Isolate;
use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion};

type Table = Result<CacheConfig, ConfigError>;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
/// So short that a test can wait for its end many times.
const BLINK: Duration = Duration::from_millis(200);

fn table(app: &str, version: u32, hot_budget: u64) -> Table {
    let builder = CacheConfig::new(app, SchemaVersion(version))
        .cache_status(layercake::StatusForm::Full)
        .hot_budget(hot_budget)
        // Bodies of every kind.
        .route("/bytes/:n", Policy::ttl(MINUTE))
        .route("/stream/:n", Policy::ttl(MINUTE))
        .route("/fixed/:n", Policy::ttl(MINUTE))
        .route("/gzip", Policy::ttl(MINUTE))
        .route("/broken/:n", Policy::ttl(MINUTE))
        .route("/cut/:n", Policy::ttl(MINUTE))
        // Time.
        .route("/count/:name", Policy::ttl(MINUTE))
        .route("/slow/:ms", Policy::ttl(MINUTE))
        .route("/etag/:tag", Policy::ttl(MINUTE))
        .route("/expire/:name", Policy::ttl(SECOND))
        .route("/swr/:name", Policy::ttl(SECOND).stale_while_revalidate(MINUTE))
        .route("/flaky/:name", Policy::ttl(SECOND).stale_if_error(MINUTE))
        // Status.
        .route("/error/:status", Policy::ttl(MINUTE))
        .route("/kept/:status", Policy::ttl(MINUTE).status(404, MINUTE))
        .route("/empty/:status", Policy::ttl(MINUTE))
        // Who asks.
        .route("/whoami", Policy::ttl(MINUTE))
        .route("/anonymous/whoami", Policy::ttl(MINUTE).anonymous())
        .route("/setcookie", Policy::ttl(MINUTE))
        .route("/vary", Policy::ttl(MINUTE))
        .route("/private", Policy::ttl(MINUTE))
        .route("/nostore", Policy::ttl(MINUTE))
        // Answers to order.
        .route("/law/minute/:name", Policy::ttl(MINUTE))
        .route("/law/pair/:name", Policy::ttl(MINUTE).max_variants(2))
        .route("/law/tongues/:name", Policy::ttl(MINUTE).languages(&["en", "it", "de"]))
        .route("/law/blink/:name", Policy::ttl(BLINK))
        .route("/law/brief/:name", Policy::ttl(BLINK).keep(2 * SECOND))
        .route("/law/behind/:name", Policy::ttl(BLINK).stale_while_revalidate(MINUTE))
        .route("/law/headers/:name", Policy::from_headers())
        // Not for the cache at all.
        .route("/bypass/*rest", Policy::bypass());
    // /fetch/... and all else: by the headers of the answer.
    #[cfg(feature = "whole")]
    let builder = waiting(builder);
    builder.build()
}

/// Routes that limit how long the application is waited for.
#[cfg(feature = "whole")]
fn waiting(builder: CacheConfigBuilder) -> CacheConfigBuilder {
    builder
        .route("/law/short/:name", Policy::ttl(MINUTE).collapse_wait(2 * BLINK))
        .route("/law/soft/:name", Policy::ttl(SECOND).stale_if_error(MINUTE).soft_timeout(BLINK))
        .route("/law/hard/:name", Policy::ttl(MINUTE).hard_timeout(2 * BLINK))
        .route("/fetch/short/:name", Policy::from_headers().collapse_wait(2 * BLINK))
        .route("/fetch/hard/:name", Policy::from_headers().hard_timeout(2 * BLINK))
}

fn cold() -> Table {
    table("tests", 1, 0)
}

fn hot() -> Table {
    table("tests", 1, 4 << 20)
}

fn next_version() -> Table {
    table("tests", 2, 0)
}

fn other_app() -> Table {
    table("other", 1, 0)
}

fn rfc9111() -> Table {
    CacheConfig::new("rfc9111", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .hot_budget(0)
        .fallback(Policy::rfc9111())
        .build()
}

/// Not a valid table: nothing is cached then, and the application works.
fn wrong() -> Table {
    CacheConfig::new("wrong", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .route("/a/:b/*c/d", Policy::ttl(Duration::ZERO))
        .build()
}

/// From the variable `CACHE_TABLE`, if there is one.
#[cfg(feature = "whole")]
fn live(env: &worker::Env) -> Table {
    match env.var("CACHE_TABLE") {
        Ok(text) => of_document(&text.to_string()),
        Err(_) => {
            CacheConfig::new("live", SchemaVersion(1)).cache_status(layercake::StatusForm::Full).hot_budget(0).build()
        }
    }
}

/// The table that a document in JSON says.
#[cfg(feature = "whole")]
pub fn of_document(text: &str) -> Table {
    CacheConfig::from_json(text)?.build()
}

static COLD: Isolate = Isolate::new(cold);
static HOT: Isolate = Isolate::new(hot);
static NEXT_VERSION: Isolate = Isolate::new(next_version);
static OTHER_APP: Isolate = Isolate::new(other_app);
static RFC9111: Isolate = Isolate::new(rfc9111);
static KEYS: Isolate = Isolate::new(crate::keys::table);
#[cfg(feature = "whole")]
static LIVE: Isolate = Isolate::with_env(live);
static WRONG: Isolate = Isolate::new(wrong);

/// `cold/NAME` and `hot/NAME`: the same tables, with counters and a memory of their tiers' failures of their own.
fn apart(name: &str) -> &'static Isolate {
    static MADE: Mutex<BTreeMap<String, &'static Isolate>> = Mutex::new(BTreeMap::new());
    let table = if name.starts_with("hot/") { hot } else { cold };
    let Ok(mut made) = MADE.lock() else { return &COLD };
    made.entry(name.to_owned()).or_insert_with(|| Box::leak(Box::new(Isolate::new(table))))
}

/// By the value of `x-test-table`; without one there is no hot tier, so that L1 and L2 can be seen.
pub fn named(name: &str) -> &'static Isolate {
    match name {
        _ if name.contains('/') => apart(name),
        "hot" => &HOT,
        "next-version" => &NEXT_VERSION,
        "other-app" => &OTHER_APP,
        "rfc9111" => &RFC9111,
        "keys" => &KEYS,
        #[cfg(feature = "whole")]
        "live" => &LIVE,
        "wrong" => &WRONG,
        _ => &COLD,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_tables_but_one_are_valid() {
        for table in
            [super::cold, super::hot, super::next_version, super::other_app, super::rfc9111, crate::keys::table]
        {
            assert!(table().is_ok());
        }
        assert!(super::wrong().is_err());
    }
}
