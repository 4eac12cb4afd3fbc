//! Multi-tier cache middleware for Cloudflare Worker routers.
//!
//! A request is answered from the isolate's memory, then from the edge Cache API, then from Workers KV, then by your own
//! handler; what is stored is stored behind the response. [`worker`](mod@crate::worker) is the door for
//! `worker::Router` and plain handlers, [`layer`](mod@crate::layer) the one for Tower services such as axum's router.
//!
//! ```
//! use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion};
//! use std::time::Duration;
//!
//! fn table() -> Result<CacheConfig, ConfigError> {
//!     let secs = Duration::from_secs;
//!     CacheConfig::new("shop", SchemaVersion(1))
//!         .route("/assets/*rest", Policy::ttl(secs(86_400)).anonymous())
//!         .route("/api/products/:id", Policy::ttl(secs(30)).stale_while_revalidate(secs(60)))
//!         .route("/account/*rest", Policy::bypass())
//!         .build()
//! }
//! assert!(table().is_ok());
//! ```
//!
//! # The map
//!
//! A module uses its own floor and those below, never above; a test reads the sources and sees to it.
//!
//! | floor | module | what for |
//! | --- | --- | --- |
//! | 0 | [`semantics`] | the law (RFC 9110, 9111, 5861, 9211, 9213) as pure functions |
//! | 1 | [`policy`] | the owner's will: policies, the route table, keys |
//! | 1 | [`message`], [`body`] | requests and responses as views of what the host holds |
//! | 1 | [`entry`] | a stored response and its wire format |
//! | 1 | [`stats`] | what is counted |
//! | 2 | [`runtime`], [`tier`] | what the host lends; a place that keeps stored responses |
//! | 3 | [`engine`] | the walk of one request: begin with [`Cache::handle`] |
//! | 4 | [`layer`](mod@crate::layer) | the Tower door |
//! | 4 | [`data`](mod@crate::data) | the door for values: what is no response |
//! | 5 | [`worker`](mod@crate::worker) | the Cloudflare door, the Cache API and KV tiers |
//! | 6 | `bin/layercake` | the command: `lint`, `schema`, `explain` |
//! | – | `sim` | a world on a virtual clock: data centres, isolates, KV, an origin, and everything that goes wrong |
//!
//! # Features
//!
//! | feature | what it brings |
//! | --- | --- |
//! | `tower` (default) | [`layer`](mod@crate::layer) |
//! | `resilience` (default) | one call of the handler for all who want the same, time limits for it (`Policy::collapse_wait`, `soft_timeout`, `hard_timeout`), early refreshes and jitter, one refresh in a data centre, circuits around tiers, spare tiers (`MemoryTier::spare`), writes to L2 tried again. Without it each request asks for itself, a tier that fails is asked all the same, and a Worker is 17 KB smaller, gzipped; what is stored, for whom and for how long is the same |
//! | `worker` | [`worker`](mod@crate::worker) |
//! | `axum` | `tower`, and with `worker` what axum on Workers needs |
//! | `tokio` | [`runtime::TokioRuntime`](crate::runtime), for native services |
//! | `json` | `resilience`, and the route table from JSON (`CacheConfig::from_json`), `serde::Serialize` for [`stats::Stats`] |
//! | `lint` | `resilience`, and `CacheConfig::lint`: what in a table is allowed and hardly meant; [`worker`](mod@crate::worker) logs it at start-up |
//! | `data` | `resilience`, and [`data`]: values of the application's own types, compressed on Workers |
//! | `postcard` | `data`, and `data::Postcard` |
//! | `encryption` | `data`, and `data::Keyring`: values encrypted in every tier |
//! | `gzip` | compression for hosts that have none of their own; Workers have |
//! | `verify` | `resilience`, and shadow verification of what is stored ([`Policy::verify_one_in`]) |
//! | `cli` | the command `layercake`: `lint`, `schema` and `explain` for tables in JSON |
//! | `sim` | the module `sim` |
//!
//! # Design notes
//!
//! - **Bodies stay where they are.** The engine asks a [`Body`] its length, shares it, tees it or drops it. On Workers the
//!   bytes never enter WebAssembly on a hit, nor when a streamed answer is stored.
//! - **Header fields are read by name, when a rule wants them**: each read crosses into JavaScript.
//! - **Logical expiry is not retention.** An entry carries its own times in its head, and the tiers are told to keep it for
//!   freshness plus the longer stale window. Promotion keeps the birth time.
//! - **A cache problem is never the visitor's problem.** A tier that fails, hangs or returns something unreadable is a
//!   missing tier; it is counted and, at most every ten seconds, logged in words.
//! - **One asks for all.** What waits for another request's call of the origin waits on a signal of its own, beside its own timer, and gets
//!   plain data: on Workers nothing else may cross from one request to another. The call is seen through when its client leaves.
//! - **A value is an entry**: what is no response walks as one, from the same tiers, by the same rules. Its type is hidden from the walk, which
//!   is compiled once; a value that was read stands beside its bytes in the body, so that it is decoded once.
//! - **A tier that fails is left alone**, reads and writes apart, and tried again by one request at a time.
//! - **The walk reads the same with and without `resilience`.** It asks `engine::resilience`, for which `engine/without.rs` stands in: the same
//!   names, types without values where nothing is ever made, and nothing behind them, so that the compiler drops what is left.
//! - **A tier in good health is asked without a timer.** Setting and clearing one costs 17 us of CPU on Workers, as much as
//!   all else the cache adds to an L1 hit. The edge cache is asked with one until it has answered in good time 16 times in a
//!   row, and again as soon as an answer fails, is slow or is overdue. KV always has one.
//! - **A few steps in JavaScript.** What would be many crossings is one: which of 26 request fields are present, an entry
//!   from or into the Cache API or KV, a part of a stream. They are in `src/worker/glue.js`.
//! - **A 304 costs no KV write.** The nearer tiers are renewed; L2 keeps its copy to be validated, until that is nearly gone.

#![forbid(unsafe_code)]
#![deny(missing_docs, unreachable_pub)]
#![warn(clippy::pedantic)]
#![allow(
    clippy::module_name_repetitions,
    clippy::must_use_candidate,
    clippy::missing_fields_in_debug,
    clippy::similar_names,
    clippy::struct_excessive_bools,
    clippy::duration_suboptimal_units,
    reason = "names and flags follow the RFCs, whose unit is the second"
)]

pub mod body;
#[cfg(feature = "data")]
pub mod data;
pub mod engine;
pub mod entry;
#[cfg(feature = "tower")]
pub mod layer;
pub mod message;
pub mod policy;
pub mod runtime;
pub mod semantics;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stats;
pub mod tier;
#[cfg(feature = "worker")]
pub mod worker;

pub use body::Body;
pub use engine::{Cache, CacheConfig, CacheConfigBuilder, ConfigError, Origin};
pub use policy::{DataKey, Policy, QueryKey, SchemaVersion};
pub use semantics::status::StatusForm;
