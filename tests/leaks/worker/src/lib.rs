//! A handler that passes each request on as it is, behind layercake: every path for a minute. The variable `HOT` says
//! whether there is a hot tier, `on` or `off`.

use layercake::worker::Isolate;
use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion};
use std::time::Duration;
use worker::*;

type Table = std::result::Result<CacheConfig, ConfigError>;

const MINUTE: Duration = Duration::from_secs(60);

fn hot() -> Table {
    CacheConfig::new("leaks", SchemaVersion(1)).fallback(Policy::ttl(MINUTE)).build()
}

fn cold() -> Table {
    CacheConfig::new("leaks", SchemaVersion(1)).fallback(Policy::ttl(MINUTE)).hot_budget(0).build()
}

static HOT: Isolate = Isolate::new(hot);
static COLD: Isolate = Isolate::new(cold);

#[event(fetch)]
async fn fetch(req: Request, env: Env, ctx: Context) -> Result<web_sys::Response> {
    let cache = if env.var("HOT")?.to_string() == "off" { &COLD } else { &HOT };
    cache.open(&env, ctx).kv("CACHE").run(req, |req| async move { Fetch::Request(req).send().await }).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_tables_are_valid() {
        assert!(super::hot().is_ok());
        assert!(super::cold().is_ok());
    }
}
