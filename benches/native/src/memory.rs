//! The memory tier by itself.

use crate::fields::{ANSWER, BODY, RECEIVED, map};
use crate::key::prefix;
use crate::wire::head;
use bytes::Bytes;
use futures::FutureExt as _;
use layercake::entry::StoredResponse;
use layercake::policy::Level;
use layercake::policy::key::{CacheKey, Keyed};
use layercake::semantics::freshness::Timestamp;
use layercake::tier::{MemoryTier, Tier as _};
use std::sync::Arc;

/// How many keys there are: more than fit into [`BUDGET`], so that puts push others out.
pub const KEYS: usize = 4096;

/// Bytes of a tier that is full.
pub const BUDGET: u64 = 4 << 20;

/// The time of all that is asked here.
pub const NOW: Timestamp = Timestamp::from_secs(RECEIVED);

/// Keys of pages by their numbers.
pub fn keys() -> Vec<CacheKey> {
    let prefix = prefix();
    let key = |n: usize| {
        let path = format!("/page/{n}").into();
        let site = ("https", "shop.example.com");
        CacheKey::of(
            &prefix,
            &Keyed { scheme: site.0, authority: site.1, by_host: true, path, query: None, parts: &[] },
        )
    };
    (0..KEYS).map(key).collect()
}

/// The entry of the answer under `key`.
pub fn entry(key: &CacheKey) -> StoredResponse {
    let head = layercake::entry::Head { key_check: key.check(), ..head() };
    StoredResponse { head: Arc::new(head), headers: Box::new(map(ANSWER)), body: Bytes::from_static(BODY).into() }
}

/// A tier with the entries of `keys`, as far as they fit.
pub fn filled(keys: &[CacheKey]) -> MemoryTier {
    let tier = MemoryTier::new(Level::L1, BUDGET);
    for key in keys {
        put(&tier, key, entry(key));
    }
    tier
}

pub fn put(tier: &MemoryTier, key: &CacheKey, entry: StoredResponse) {
    tier.put(key, entry, NOW).now_or_never().expect("at once").expect("taken");
}

pub fn get(tier: &MemoryTier, key: &CacheKey) -> Option<StoredResponse> {
    tier.get(key, NOW).now_or_never().expect("at once").expect("it works")
}
