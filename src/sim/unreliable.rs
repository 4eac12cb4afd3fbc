//! A tier of the simulated world: counted, and failing by rate.

use super::core::{Core, lock};
use super::faulty::{Stalled, cut, failed};
use super::kv::MAX_BULK;
use crate::body::Body;
use crate::entry::StoredResponse;
use crate::policy::{CacheKey, Level};
use crate::runtime::Runtime as _;
use crate::semantics::freshness::Timestamp;
use crate::sim::{DeleteFault, GetFault, PutFault};
use crate::tier::{Found, Page, Takes, Tier, TierError};
use futures::future::{BoxFuture, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many keys a tier remembers to answer with a foreign one.
const REMEMBERED: usize = 32;

pub(super) struct Unreliable {
    pub(super) core: Arc<Core>,
    pub(super) data_centre: usize,
    pub(super) inner: Arc<dyn Tier>,
    pub(super) keys: Mutex<Vec<CacheKey>>,
    /// Look-ups that began by then and hang are over.
    ended: Mutex<Timestamp>,
}

impl Unreliable {
    pub(super) fn new(core: Arc<Core>, data_centre: usize, inner: Arc<dyn Tier>) -> Self {
        Self { core, data_centre, inner, keys: Mutex::default(), ended: Mutex::default() }
    }

    fn place(&self) -> (usize, Level) {
        (self.data_centre, self.inner.level())
    }

    fn remember(&self, key: &CacheKey) {
        let mut keys = lock(&self.keys);
        if !keys.contains(key) {
            if keys.len() >= REMEMBERED {
                keys.remove(0);
            }
            keys.push(key.clone());
        }
    }

    /// The fault of one operation, counted.
    fn strike(&self) -> Option<GetFault> {
        let fault = self.core.tier_faults(self.inner.level()).draw_get(&mut self.core.numbers().faults);
        self.core.tally(self.place(), |tally| {
            tally.gets += 1;
            tally.faults += u64::from(fault.is_some());
        });
        fault
    }

    async fn get(&self, key: &CacheKey, now: Timestamp) -> Found {
        let fault = self.strike();
        let found = self.answer(fault, key, now).await?;
        self.core.tally(self.place(), |tally| tally.found += u64::from(found.is_some()));
        Ok(found)
    }

    async fn answer(&self, fault: Option<GetFault>, key: &CacheKey, now: Timestamp) -> Found {
        match fault {
            None => self.inner.get(key, now).await,
            Some(GetFault::Fail) => Err(failed()),
            Some(GetFault::Hang) => Err(self.hang().await),
            Some(GetFault::Slow(pause)) => {
                self.core.runtime.sleep(pause).await;
                self.inner.get(key, now).await
            }
            Some(GetFault::Corrupt) => Err(TierError::Corrupt("simulated".to_owned())),
            Some(GetFault::Foreign) => {
                let other = lock(&self.keys).iter().rev().find(|other| *other != key).cloned();
                match other {
                    Some(other) => self.inner.get(&other, now).await,
                    None => Ok(None),
                }
            }
            Some(GetFault::Truncated) => match self.inner.get(key, now).await? {
                // Where nobody knows the length, a stream that is cut short ends with an error: no such one is simulated.
                Some(entry) if entry.head.length.is_some() => cut(entry).await.map(Some),
                found => Ok(found),
            },
            Some(GetFault::Stalled) => {
                let found = self.inner.get(key, now).await?;
                Ok(found.map(|entry| entry.with_body(Body::stream(Stalled(entry.body.len())))))
            }
        }
    }

    /// A fault for each operation of at most a hundred keys, and for all of them.
    async fn get_many(&self, keys: &[CacheKey], now: Timestamp) -> Vec<Found> {
        let mut all = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MAX_BULK) {
            let fault = self.strike();
            match fault {
                None | Some(GetFault::Slow(_)) => {
                    if let Some(GetFault::Slow(pause)) = fault {
                        self.core.runtime.sleep(pause).await;
                    }
                    all.extend(self.inner.get_many(keys, now).await);
                }
                Some(GetFault::Hang) => {
                    self.hang().await;
                    all.extend(keys.iter().map(|_| Err(failed())));
                }
                _ => {
                    for key in keys {
                        all.push(self.answer(fault, key, now).await);
                    }
                }
            }
        }
        let found = all.iter().filter(|found| matches!(found, Ok(Some(_)))).count();
        self.core.tally(self.place(), |tally| tally.found += found as u64);
        all
    }

    async fn list(&self, prefix: &str, cursor: Option<&str>, limit: usize) -> Result<Page, TierError> {
        match self.strike() {
            Some(GetFault::Fail) => return Err(failed()),
            Some(GetFault::Hang) => return Err(self.hang().await),
            Some(GetFault::Slow(pause)) => self.core.runtime.sleep(pause).await,
            _ => {}
        }
        self.inner.list(prefix, cursor, limit).await
    }

    /// Hangs until it is ended, and for ever where nobody does so for ten minutes.
    async fn hang(&self) -> TierError {
        let since = self.core.runtime.now();
        for _ in 0..if self.inner.earns_trust() { 2400 } else { 0 } {
            self.core.runtime.sleep(Duration::from_millis(250)).await;
            if *lock(&self.ended) >= since {
                return failed();
            }
        }
        pending().await
    }

    async fn put(&self, key: &CacheKey, entry: StoredResponse, now: Timestamp) -> Result<(), TierError> {
        let fault = self.core.tier_faults(self.inner.level()).draw_put(&mut self.core.numbers().faults);
        self.core.tally(self.place(), |tally| {
            tally.puts += 1;
            tally.faults += u64::from(fault.is_some());
        });
        self.remember(key);
        match fault {
            None => self.inner.put(key, entry, now).await,
            Some(PutFault::Fail) => Err(failed()),
            Some(PutFault::Hang) => pending().await,
            Some(PutFault::Slow(pause)) => {
                self.core.runtime.sleep(pause).await;
                self.inner.put(key, entry, self.core.runtime.now()).await
            }
            Some(PutFault::Lose) => match entry.body.into_bytes(u64::MAX).await {
                Ok(_) => Ok(()),
                Err(error) => Err(TierError::Refused(error.to_string())),
            },
        }
    }

    async fn delete(&self, key: &CacheKey) -> Result<(), TierError> {
        let fault = self.core.tier_faults(self.inner.level()).draw_delete(&mut self.core.numbers().faults);
        self.core.tally(self.place(), |tally| {
            tally.deletes += 1;
            tally.faults += u64::from(fault.is_some());
        });
        match fault {
            None => self.inner.delete(key).await,
            Some(DeleteFault::Fail) => Err(failed()),
            Some(DeleteFault::Hang) => pending().await,
            Some(DeleteFault::Slow(pause)) => {
                self.core.runtime.sleep(pause).await;
                self.inner.delete(key).await
            }
            Some(DeleteFault::Lose) => Ok(()),
        }
    }
}

impl Tier for Unreliable {
    fn level(&self) -> Level {
        self.inner.level()
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        self.inner.takes(length)
    }

    fn timeout(&self) -> Option<Duration> {
        // Even the isolate's own memory may be told to hang.
        self.inner.timeout().or(Some(Duration::from_secs(1)))
    }

    fn write_timeout(&self) -> Option<Duration> {
        self.inner.write_timeout()
    }

    #[cfg(feature = "resilience")]
    fn is_spare(&self) -> bool {
        self.inner.is_spare()
    }

    fn earns_trust(&self) -> bool {
        self.inner.earns_trust()
    }

    fn end_overdue(&self, limit: Duration) {
        *lock(&self.ended) = self.core.runtime.now().minus(limit);
    }

    fn get<'a>(
        &'a self,
        key: &'a CacheKey,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        Box::pin(self.get(key, now))
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(self.put(key, entry, now))
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(self.delete(key))
    }

    fn get_many<'a>(&'a self, keys: &'a [CacheKey], now: Timestamp) -> BoxFuture<'a, Vec<Found>> {
        Box::pin(self.get_many(keys, now))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, TierError>> {
        Box::pin(self.list(prefix, cursor, limit))
    }
}
