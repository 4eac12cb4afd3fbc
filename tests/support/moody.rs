use futures::future::BoxFuture;
use layercake::entry::StoredResponse;
use layercake::policy::{CacheKey, Level};
use layercake::semantics::freshness::Timestamp;
use layercake::tier::{Takes, Tier, TierError};
use std::sync::{Arc, Mutex, MutexGuard};

type Error = fn(String) -> TierError;

/// What a tier says when it is asked and given something.
#[derive(Clone, Default)]
pub struct Mood(Arc<Mutex<Says>>);

#[derive(Default)]
struct Says {
    get: Option<Error>,
    put: Option<Error>,
}

impl Mood {
    /// `tier`, which says what it is told to.
    pub fn of(&self, tier: impl Tier + 'static) -> impl Tier + 'static {
        Moody { tier, mood: self.clone() }
    }

    pub fn get(&self, error: Option<Error>) {
        self.says().get = error;
    }

    pub fn put(&self, error: Option<Error>) {
        self.says().put = error;
    }

    fn says(&self) -> MutexGuard<'_, Says> {
        self.0.lock().expect("nobody panicked")
    }
}

struct Moody<T> {
    tier: T,
    mood: Mood,
}

impl<T: Tier> Tier for Moody<T> {
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
        match self.mood.says().get {
            Some(error) => Box::pin(async move { Err(error("simulated".to_owned())) }),
            None => self.tier.get(key, now),
        }
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        match self.mood.says().put {
            Some(error) => Box::pin(async move { Err(error("simulated".to_owned())) }),
            None => self.tier.put(key, entry, now),
        }
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        self.tier.delete(key)
    }
}
