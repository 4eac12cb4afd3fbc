//! The Worker that the tests in `tests/workerd` run. A test chooses one of the tables in `tables` with the header
//! `x-test-table`, and another KV binding than `CACHE` with `x-test-kv`; the variable `ORIGIN` is where `/fetch` goes. Where the
//! variable `WAKES` is `promises`, futures are continued by promises.
//! `app` is what lies behind the cache.
//!
//! Paths under `/__admin/` never see the cache:
//!
//! - `stats`: the counters of the table in use;
//! - `runs`: how often the application ran, by path and query;
//! - `fail/on`, `fail/off`: whether `/flaky/...` answers with a 503;
//! - `seen`: what `/law/...` was asked, by path and query;
//! - `next/...`: makes the version of a path under `/law/` the next one, as if behind the cache's back;
//! - `memory`: bytes of WebAssembly memory.
//!
//! Nor do those under `/__seal/` (`seal`), `/__kv/`, the operations of the KV tier by itself (`kv`), and `/__values/` (`values`).
//!
//! Built without the feature `whole` it has layercake's core alone, and no table or route that needs more.

mod app;
mod body;
mod keys;
#[cfg(feature = "whole")]
mod kv;
mod law;
mod ordeal;
#[cfg(feature = "whole")]
mod seal;
mod tables;
#[cfg(feature = "whole")]
mod values;

use worker::wasm_bindgen::{self, JsCast};
use worker::*;

#[event(fetch)]
async fn fetch(req: Request, env: Env, ctx: Context) -> Result<web_sys::Response> {
    if env.var("WAKES").is_ok_and(|wakes| wakes.to_string() == "promises") {
        layercake::worker::wake_by_promises();
    }
    #[cfg(feature = "whole")]
    {
        if let Some(command) = req.path().strip_prefix("/__kv/") {
            return Ok(kv::handle(req, &env, command).await?.into());
        }
        if req.path().starts_with("/__seal/") {
            return Ok(seal::answer(req, ctx).await?.into());
        }
        if req.path().starts_with("/__values/") {
            return Ok(values::answer(req, env, ctx).await?.into());
        }
    }
    let table = req.headers().get("x-test-table")?.unwrap_or_default();
    let kv = req.headers().get("x-test-kv")?.unwrap_or_else(|| "CACHE".into());
    let cache = tables::named(&table);
    if let Some(command) = req.path().strip_prefix("/__admin/") {
        return Ok(match command {
            "stats" => Response::ok(cache.stats().to_log_line(&table))?,
            "runs" => Response::from_json(&app::runs())?,
            "fail/on" => app::fail(true)?,
            "fail/off" => app::fail(false)?,
            "seen" => Response::from_json(&law::seen())?,
            "memory" => Response::ok(memory().to_string())?,
            next if next.starts_with("next/") => {
                law::next(next.trim_start_matches("next"));
                Response::empty()?
            }
            _ => Response::error("no such command", 404)?,
        }
        .into());
    }
    let opened = cache.open(&env, ctx).kv(&kv);
    #[cfg(feature = "whole")]
    if table == "keys" {
        return opened.run_verified(req, |req| app::handle(req, env)).await;
    }
    #[cfg(feature = "whole")]
    if table == "live" {
        let every = std::time::Duration::from_millis(50);
        let opened =
            opened.live_table("CACHE", "cache-table", every, tables::of_document).admin("/__cache", "ADMIN_TOKEN");
        return opened.run(req, |req| app::handle(req, env)).await;
    }
    opened.run(req, |req| app::handle(req, env)).await
}

/// It never shrinks: a body that was in it once shows.
fn memory() -> u32 {
    let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    let buffer: js_sys::ArrayBuffer = memory.buffer().unchecked_into();
    buffer.byte_length()
}
