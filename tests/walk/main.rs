//! Requests walked through the cache on a simulated host.

mod bodies;
mod faults;
mod hits;
mod leaks;
mod life;
mod stale;
#[path = "../support/mod.rs"]
mod support;
mod tiers;
