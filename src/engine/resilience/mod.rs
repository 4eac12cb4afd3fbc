//! What keeps stampedes from the origin, and outages from the visitors (feature `resilience`).
//!
//! | where | what |
//! | --- | --- |
//! | `wait`, `detach` | for how long a visitor waits for the origin; seeing a call of it through |
//! | `join`, `flight`, `landing` | waiting for another request's call of the origin |
//! | `markers` | one refresh in a data centre |
//! | `spread` | refreshes before an entry expires, lifetimes that differ |
//! | `breaker`, `spare` | a tier that fails is left alone; what stands in for L2 meanwhile |
//! | `retry` | writes to L2 are tried again |
//!
//! The walk knows no more of it than the names below. `without.rs` has the same names for a build without the feature, and
//! nothing behind them.

mod breaker;
mod detach;
mod flight;
mod join;
mod landing;
mod markers;
mod retry;
mod spare;
mod spread;
mod wait;

pub(super) use landing::Landing;
pub(super) use markers::Marker;
pub(super) use retry::Again;
pub(super) use spare::is_spare;

use breaker::Breakers;
use flight::Flights;
use retry::Retries;
use std::sync::Arc;

/// What the isolate knows of calls of the origin, and of the tiers' health.
#[derive(Default)]
pub(super) struct Guard {
    pub(super) breakers: Breakers,
    pub(super) flights: Arc<Flights>,
    retries: Retries,
}
