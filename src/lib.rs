//! layercake
#![forbid(unsafe_code)]
#![deny(missing_docs, unreachable_pub)]
pub mod body;
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
pub use engine::{Cache, CacheConfig, CacheConfigBuilder, ConfigError, Origin};
pub use policy::{Policy, SchemaVersion};
pub use body::Body;
