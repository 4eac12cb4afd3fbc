use futures::future::BoxFuture;
use layercake::entry::StoredResponse;
use layercake::policy::{CacheKey, Level};
use layercake::semantics::freshness::Timestamp;
use layercake::tier::{Found, Takes, Tier, TierError};
use std::sync::{Arc, Mutex};

/// What goes wrong when a tier is to forget an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteFault {
    Fail,
    /// It never answers.
    Hang,
}

/// How often a tier was told to forget, and what goes wrong then.
#[derive(Clone, Default)]
pub struct Deletes(Arc<Mutex<(u64, Option<DeleteFault>)>>);

impl Deletes {
    /// `tier`, whose deletions are counted here.
    pub fn watch(&self, tier: impl Tier + 'static) -> impl Tier + 'static {
        Watched { tier, deletes: self.clone() }
    }

    pub fn count(&self) -> u64 {
        self.0.lock().expect("nobody panicked").0
    }

    pub fn fail(&self, fault: Option<DeleteFault>) {
        self.0.lock().expect("nobody panicked").1 = fault;
    }
}

struct Watched<T> {
    tier: T,
    deletes: Deletes,
}

impl<T: Tier> Tier for Watched<T> {
    fn level(&self) -> Level {
        self.tier.level()
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        self.tier.takes(length)
    }

    fn get<'a>(
        &'a self,
        key: &'a CacheKey,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        self.tier.get(key, now)
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        self.tier.put(key, entry, now)
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        let fault = {
            let mut state = self.deletes.0.lock().expect("nobody panicked");
            state.0 += 1;
            state.1
        };
        match fault {
            None => self.tier.delete(key),
            Some(DeleteFault::Fail) => Box::pin(async { Err(TierError::Failed("simulated".to_owned())) }),
            Some(DeleteFault::Hang) => Box::pin(std::future::pending()),
        }
    }
    fn get_many<'a>(&'a self, keys: &'a [CacheKey], now: Timestamp) -> BoxFuture<'a, Vec<Found>> {
        self.tier.get_many(keys, now)
    }
}
