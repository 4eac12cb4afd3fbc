//! Floor 2. A tier: a place that keeps stored responses.
//!
//! A tier is free to forget. What it must not do is answer with something else than was put under the key; the engine
//! checks the entry's [`key_check`](crate::entry::Head::key_check) all the same. A tier that fails, or takes longer than its
//! [`timeout`](Tier::timeout), is treated as a missing one. [`RetryingTier`] has a store asked again before that, and keeps what is
//! written to it in order ([`Pace`]); with the feature `resilience` a spare tier (`Tier::is_spare`) is used in place of L2.

mod memory;
mod pace;
#[cfg(any(feature = "data", feature = "sim"))]
mod page;
mod retrying;
#[cfg(any(feature = "data", feature = "sim"))]
mod several;

pub use memory::MemoryTier;
pub use pace::Pace;
#[cfg(any(feature = "data", feature = "sim"))]
pub use page::{Listed, Page};
pub use retrying::RetryingTier;
#[cfg(any(feature = "data", feature = "sim"))]
pub(crate) use several::several;

use crate::entry::StoredResponse;
use crate::policy::{CacheKey, Level};
use crate::semantics::freshness::Timestamp;
use futures::future::BoxFuture;
use std::time::Duration;

/// What a tier makes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It can take a stream.
    Stream,
    /// It needs the body as a shared buffer.
    Buffer,
    /// It does not take such a body at all.
    Nothing,
}

/// Why a tier did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TierError {
    /// The store failed.
    #[error("{0}")]
    Failed(String),
    /// The store wants less of this for a while (429); later it may do it.
    #[error("the store wants fewer requests: {0}")]
    Throttled(String),
    /// What the account may ask of the store is used up.
    #[error("the store's quota is used up: {0}")]
    Exhausted(String),
    /// The stored bytes are not an entry of this crate, or of another version, or cut short.
    #[error("the entry cannot be read: {0}")]
    Corrupt(String),
    /// The entry is not one the store can keep.
    #[error("the entry was refused: {0}")]
    Refused(String),
}

/// What a tier answers when it is asked for an entry.
pub type Found = Result<Option<StoredResponse>, TierError>;

/// A place that keeps stored responses.
pub trait Tier: Send + Sync {
    /// Where it stands.
    fn level(&self) -> Level;

    /// What it makes of a body of this length (`None`: unknown).
    fn takes(&self, length: Option<u64>) -> Takes;

    /// How long the engine waits for [`get`](Self::get). Default: no limit, for tiers that cannot hang.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// How long the engine waits for [`delete`](Self::delete), and for [`put`](Self::put) of a body that it has whole. Default: 10 s.
    fn write_timeout(&self) -> Option<Duration> {
        Some(Duration::from_secs(10))
    }

    /// Whether the engine may ask without a timer while the tier answers in good time: where the look-up costs little more
    /// than the timer. The first requests of an outage then wait longer than the limit: until
    /// the next one comes, which sees that they are overdue and has them [ended](Self::end_overdue). Default: no.
    fn earns_trust(&self) -> bool {
        false
    }

    /// Ends look-ups that have been under way for longer than `limit`, with an error, where the tier can. Called when one that was
    /// asked without a timer is overdue, from within another request. Default: nothing.
    fn end_overdue(&self, _limit: Duration) {}

    /// Whether it stands in for L2: the engine reads and writes it only where there is no L2 that does well, and has it forget what it
    /// makes void at any time (feature `resilience`). Default: no.
    #[cfg(feature = "resilience")]
    fn is_spare(&self) -> bool {
        false
    }

    /// Whether the tier itself tries again what its store refuses for the moment, so that the engine need not. Default: no.
    fn tries_again(&self) -> bool {
        false
    }

    /// Whether the writes and deletions of a key take effect in the order in which they are asked for in this isolate, so that the
    /// engine need not undo a write that a later one has overtaken. Default: no.
    fn keeps_order(&self) -> bool {
        false
    }

    /// The entry under `key`, if there is one. It may be stale: the engine decides.
    fn get<'a>(&'a self, key: &'a CacheKey, now: Timestamp)
    -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>>;

    /// Keeps `entry` for what is left of its [retention](crate::semantics::freshness::Freshness::retention) at `now`, in
    /// place of what was there. Returns once it is committed; an entry whose body breaks off, or is not of the length its
    /// head says, must not be.
    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>>;

    /// Forgets the entry under `key`.
    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>>;

    /// The entries under `keys`, one answer for each key, in their order; a key may be there twice. Default: [`get`](Self::get)
    /// of each, at most six under way at a time.
    #[cfg(any(feature = "data", feature = "sim"))]
    fn get_many<'a>(&'a self, keys: &'a [CacheKey], now: Timestamp) -> BoxFuture<'a, Vec<Found>> {
        Box::pin(several(Box::new(keys.iter().map(move |key| self.get(key, now)))))
    }

    /// Up to `limit` (at least one) of the entries whose names in the store begin with `prefix`, in the order of the names' bytes, from
    /// where the page before ended. What was stored or deleted a moment ago may not show, and what is listed may be gone when it is
    /// asked for. Default: refused.
    #[cfg(any(feature = "data", feature = "sim"))]
    fn list<'a>(
        &'a self,
        _prefix: &'a str,
        _cursor: Option<&'a str>,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Page, TierError>> {
        Box::pin(std::future::ready(Err(TierError::Refused("this tier cannot list what it has".to_owned()))))
    }
}
