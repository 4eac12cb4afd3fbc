//! Requests walked through the cache on a simulated host.

#[cfg(not(feature = "resilience"))]
mod alone;
mod bodies;
#[cfg(feature = "resilience")]
mod circuits;
#[cfg(feature = "resilience")]
mod collapse;
#[cfg(feature = "resilience")]
mod crowd;
mod doubtful;
#[cfg(feature = "resilience")]
mod early;
mod faults;
mod hits;
mod hostile;
mod invalidation;
mod keys;
#[cfg(feature = "resilience")]
mod leaders;
mod leaks;
mod letter;
mod life;
#[cfg(feature = "resilience")]
mod markers;
mod mixups;
mod ranges;
mod refresh;
mod retrying;
#[cfg(feature = "resilience")]
mod spare;
mod stale;
#[path = "../support/mod.rs"]
mod support;
mod tiers;
#[cfg(feature = "resilience")]
mod timeouts;
mod validation;
mod vary;
#[cfg(feature = "verify")]
mod verify;
