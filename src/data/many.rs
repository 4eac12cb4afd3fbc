//! Several values at a time.

use super::DataCache;
use super::codec::Codec;
use super::error::LoadError;
use super::load::{Given, Maker, Opaque};
use super::policy::DataPolicy;
use crate::engine::{Read, Sought};
use crate::entry::StoredResponse;
use crate::policy::DataKey;
use crate::runtime::within;
use crate::stats::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;

impl<C: Codec> DataCache<C> {
    /// The values under `keys` that are kept and fresh, in their order. Each tier is asked once for all that the nearer ones do not
    /// have: Workers KV reads up to 100 keys in one operation, which it bills as so many reads. The edge cache has no
    /// such operation: with a policy [without it](crate::policy::Tiers::without_l1) it is not asked, nor given the values.
    pub async fn get_many<T: DeserializeOwned + Send + 'static>(&self, keys: &[DataKey]) -> Vec<Option<T>> {
        let shelf = &*self.shelf;
        let mut all = self.seek::<T>(keys, &shelf.base, false).await;
        let take = |sought: &mut Sought| {
            let entry = if sought.is_fresh() { shelf.cache.serve_value(sought) } else { None };
            if entry.is_none() {
                shelf.cache.count_value(sought, Event::Miss);
            }
            entry.and_then(value)
        };
        all.iter_mut().map(take).collect()
    }

    /// The values under `keys`, in their order: those that are not kept come from one call of the loader, which is given their keys and
    /// gives a value for each, in their order. A hundred keys or so at a time are sensible: a request has a thousand operations. Stale ones are served while it runs behind the answer, or in its place
    /// where it fails, as the policy allows. Concurrent calls are not collapsed.
    ///
    /// # Errors
    ///
    /// As [`get_or_fetch`](Self::get_or_fetch); another number of values than of keys.
    pub async fn get_many_or_fetch<T, E, F, Fut>(
        &self,
        keys: &[DataKey],
        policy: &DataPolicy,
        loader: F,
    ) -> Result<Vec<T>, LoadError<E>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        F: FnOnce(Vec<DataKey>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Vec<T>, E>> + Send + 'static,
    {
        if !self.shelf.can_be_meant(policy) {
            return self.call(keys.to_vec(), policy, loader).await;
        }
        let mut all = self.seek::<T>(keys, policy, true).await;
        let mut values: Vec<Option<T>> = Vec::with_capacity(keys.len());
        let (mut missing, mut refreshing) = (Vec::new(), Vec::new());
        for (place, (key, mut sought)) in keys.iter().zip(all.drain(..)).enumerate() {
            let stale = sought.will_do() && !sought.is_fresh();
            values.push(self.shelf.cache.serve_value(&mut sought).and_then(value));
            if values.last().is_some_and(Option::is_none) {
                missing.push((place, key.clone(), sought));
            } else if stale && let Some(token) = self.shelf.cache.begin_refresh(&sought) {
                refreshing.push((key.clone(), sought, token));
            }
        }
        if missing.is_empty() {
            if !refreshing.is_empty() {
                self.refresh_many(policy, refreshing, loader);
            }
            return Ok(values.into_iter().flatten().collect());
        }
        // What is stale has another chance with the next call.
        for (_, sought, token) in refreshing {
            self.shelf.cache.yield_refresh(&sought, token);
        }
        self.load_missing(policy, missing, &mut values, loader).await?;
        Ok(values.into_iter().flatten().collect())
    }

    /// What the loader has for `keys`, in time and as many as they are.
    async fn call<T, E, F, Fut>(
        &self,
        keys: Vec<DataKey>,
        policy: &DataPolicy,
        loader: F,
    ) -> Result<Vec<T>, LoadError<E>>
    where
        F: FnOnce(Vec<DataKey>) -> Fut,
        Fut: Future<Output = Result<Vec<T>, E>>,
    {
        let (asked, limit, names) = (keys.len(), policy.hard_limit(), joined(&keys));
        match within(&**self.shelf.runtime(), limit, Box::pin(loader(keys))).await {
            Some(Ok(loaded)) if loaded.len() == asked => Ok(loaded),
            Some(Ok(loaded)) => Err(LoadError::Count { asked, given: loaded.len() }),
            Some(Err(error)) => Err(LoadError::Loader(error)),
            None => Err(LoadError::TimedOut { key: names, limit }),
        }
    }

    async fn load_missing<T, E, F, Fut>(
        &self,
        policy: &DataPolicy,
        missing: Vec<(usize, DataKey, Sought)>,
        values: &mut [Option<T>],
        loader: F,
    ) -> Result<(), LoadError<E>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce(Vec<DataKey>) -> Fut,
        Fut: Future<Output = Result<Vec<T>, E>>,
    {
        let shelf = &*self.shelf;
        let asked = missing.iter().map(|(_, key, _)| key.clone()).collect();
        let request_time = shelf.runtime().now();
        let failure = match self.call(asked, policy, loader).await {
            Ok(loaded) => {
                let mut kept = Vec::with_capacity(loaded.len());
                for (given, (place, _, sought)) in loaded.into_iter().zip(missing) {
                    shelf.cache.count_value(&sought, Event::Miss);
                    let maker = shelf.maker(sought.key(), policy, Some(C::CONTENT_TYPE));
                    let (value, response) = made(&maker, Given::of(&self.codec, given)).await;
                    if let Some(slot) = values.get_mut(place) {
                        *slot = value.downcast().ok().map(|value| *value);
                    }
                    kept.push((sought, response));
                }
                shelf.cache.keep_values(kept, request_time);
                return Ok(());
            }
            Err(failure) => failure,
        };
        let mut all_stand_in = true;
        for (place, _, mut sought) in missing {
            let stale = shelf.cache.stand_in_value(&mut sought).and_then(value);
            if stale.is_none() {
                shelf.cache.count_value(&sought, Event::Error);
            }
            all_stand_in &= stale.is_some();
            if let Some(slot) = values.get_mut(place) {
                *slot = stale;
            }
        }
        if all_stand_in { Ok(()) } else { Err(failure) }
    }

    /// Refreshes stale values behind the answer.
    fn refresh_many<T, E, F, Fut>(&self, policy: &DataPolicy, stale: Vec<(DataKey, Sought, u64)>, loader: F)
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        F: FnOnce(Vec<DataKey>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Vec<T>, E>> + Send + 'static,
    {
        let (this, policy) = (self.clone(), policy.clone());
        self.shelf.runtime().spawn(Box::pin(async move {
            let shelf = &*this.shelf;
            let request_time = shelf.runtime().now();
            let asked = stale.iter().map(|(key, ..)| key.clone()).collect();
            let Ok(loaded) = this.call(asked, &policy, loader).await else {
                for (_, sought, token) in &stale {
                    shelf.cache.end_refresh(sought, *token, false);
                }
                return;
            };
            for (given, (_, sought, token)) in loaded.into_iter().zip(stale) {
                let maker = shelf.maker(sought.key(), &policy, Some(C::CONTENT_TYPE));
                let (_, response) = made(&maker, Given::of(&this.codec, given)).await;
                let kept = shelf.cache.keep_loaded(&sought, response, request_time).await;
                shelf.cache.end_refresh(&sought, token, kept);
            }
        }));
    }

    async fn seek<T>(&self, keys: &[DataKey], policy: &DataPolicy, may_be_none: bool) -> Vec<Sought>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let decode = self.decode::<T>(may_be_none);
        let wanted = keys.iter().map(|key| self.shelf.to_read(key, policy, decode.clone()).0).collect();
        self.shelf.cache.look_for_values(wanted).await
    }
}

/// Several keys as one text.
fn joined(keys: &[DataKey]) -> String {
    keys.iter().map(DataKey::as_str).collect::<Vec<_>>().join(", ")
}

/// The value that an entry was read to hold.
fn value<T: 'static>(entry: StoredResponse) -> Option<T> {
    Read::take(entry.body).ok()?.downcast().ok().map(|value| *value)
}

/// A value, and the response in which it walks.
async fn made(maker: &Maker, given: Given) -> (Opaque, crate::message::Response) {
    let mut response = maker.response(given).await;
    let body = std::mem::take(&mut response.body);
    let copy = body.try_clone().unwrap_or_default();
    response.body = copy;
    (Read::take(body).unwrap_or_else(|_| Box::new(())), response)
}
