//! Requests walked through the cache on a simulated host.

mod bodies;
mod circuits;
mod collapse;
mod crowd;
mod doubtful;
mod faults;
mod hits;
mod hostile;
mod invalidation;
mod keys;
mod leaders;
mod leaks;
mod letter;
mod life;
mod mixups;
mod ranges;
mod refresh;
mod retrying;
mod spare;
mod stale;
#[path = "../support/mod.rs"]
mod support;
mod tiers;
mod timeouts;
mod validation;
mod vary;
#[cfg(feature = "verify")]
mod verify;
