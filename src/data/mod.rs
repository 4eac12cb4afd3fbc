//! Floor 4. The door for values: database rows, tokens, settings, rendered fragments, anything that is no response.
//!
//! A value walks as an entry of its own through the same engine as responses do, with the same tiers, stale windows, collapse, limits and
//! counters; its bytes are made by a [`Codec`], and may be compressed and encrypted on the way.
//!
//! ```
//! # #[cfg(feature = "sim")] {
//! use layercake::data::{DataCache, DataPolicy};
//! use layercake::policy::Level;
//! use layercake::sim::SimRuntime;
//! use layercake::tier::{MemoryTier, Tier};
//! use layercake::{Cache, CacheConfig, DataKey, SchemaVersion};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! let config = CacheConfig::new("shop", SchemaVersion(1)).build().unwrap();
//! let runtime = SimRuntime::new();
//! let tiers: [Arc<dyn Tier>; 1] = [Arc::new(MemoryTier::new(Level::L1, 1 << 20))];
//! let data = DataCache::new(Cache::new(config, tiers, Arc::new(runtime.clone())), "https://shop.example");
//!
//! let key = DataKey::of("cache:product").with(42);
//! let policy = DataPolicy::ttl(Duration::from_secs(300));
//! let name: Result<String, _> = runtime.run(data.get_or_fetch(&key, &policy, || async { Ok::<_, std::io::Error>("lamp".to_owned()) }));
//! assert_eq!(name.unwrap(), "lamp");
//! runtime.run_background();
//! assert_eq!(runtime.run(data.get::<String>(&key)).as_deref(), Some("lamp"));
//! # }
//! ```
//!
//! A key has one type of value: read as another, what does not decode is a miss, and what does is what the codec makes of it.

mod absent;
mod bundle;
pub mod codec;
mod error;
#[cfg(feature = "encryption")]
mod keyring;
mod list;
mod load;
mod many;
mod policy;
mod raw;
mod read;
mod seal;

pub use bundle::Bundle;
#[cfg(feature = "postcard")]
pub use codec::Postcard;
pub use codec::{Codec, CodecError, Json};
pub use error::{DataError, LoadError};
#[cfg(feature = "encryption")]
pub use keyring::{Keyring, KeyringError};
pub use list::{Listed, ListedPage};
pub use load::Loaded;
pub use policy::{DataPolicy, PolicyError, Ttl};
pub use seal::SealError;

use crate::body::Body;
use crate::engine::{Cache, Read, Reader, Unkept, Wanted};
use crate::message::{Lines, Response};
use crate::policy::key::KeyName;
use crate::policy::{CacheKey, DataKey};
use crate::runtime::{Runtime, within};
use crate::semantics::storage::NotStored;
use load::{Given, Load, Loader, Maker, Opaque, VALUE, describe, take};
use read::{Decode, Undecoded, ValueReader};
use seal::Sealer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};

/// A cache for values. Cloning shares it.
#[derive(Clone)]
pub struct DataCache<C: Codec = Json> {
    shelf: Arc<Shelf>,
    codec: C,
}

/// How many keys are deleted at a time.
const AT_ONCE: usize = 32;

/// What a data cache has that does not depend on its codec.
#[derive(Clone)]
struct Shelf {
    cache: Cache,
    site: Box<str>,
    sealer: Arc<Sealer>,
    base: DataPolicy,
}

impl DataCache {
    /// Values in `cache`, written as JSON. `site` is the scheme and host of the service, such as `https://shop.example`: the edge
    /// cache keeps everything under URLs, and those of another zone cost a name look-up each. Under a table that is wrong nothing is kept.
    #[must_use]
    pub fn new(cache: Cache, site: &str) -> Self {
        let site = site.trim_end_matches('/').into();
        let shelf = Shelf { cache: cache.for_values(), site, sealer: Arc::default(), base: DataPolicy::forever() };
        Self { shelf: Arc::new(shelf), codec: Json }
    }
}

impl<C: Codec> DataCache<C> {
    /// The same values in another codec. What was written in the one is a miss to the other.
    #[must_use]
    pub fn codec<D: Codec>(self, codec: D) -> DataCache<D> {
        DataCache { shelf: self.shelf, codec }
    }

    fn change(mut self, change: impl FnOnce(&mut Shelf)) -> Self {
        let mut shelf = Arc::unwrap_or_clone(self.shelf);
        change(&mut shelf);
        self.shelf = Arc::new(shelf);
        self
    }

    /// The policy of [`get`](Self::get), [`delete`](Self::delete), [`touch`](Self::touch), and of [`set`](Self::set) but for the lifetime.
    /// Default: [`DataPolicy::forever`].
    #[must_use]
    pub fn policy(self, policy: DataPolicy) -> Self {
        self.change(|shelf| shelf.base = policy)
    }

    /// Compresses values of more than so many bytes, up to 16 MiB, where that saves an eighth at least; `None` for no compression.
    /// Streams of unknown length are kept as they are. Default: 16,384.
    #[must_use]
    pub fn compress_above(self, bytes: Option<u64>) -> Self {
        self.change(|shelf| Arc::make_mut(&mut shelf.sealer).compress_above = bytes)
    }

    /// Encrypts all that is kept, bound to its key. What is not encrypted so, or with a secret that is not in the keyring, is then a miss.
    /// Values of more than 16 MiB cannot be encrypted and are not kept.
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn encrypted(self, keyring: Keyring) -> Self {
        self.change(|shelf| Arc::make_mut(&mut shelf.sealer).keyring = Some(keyring))
    }

    /// With a [keyring](Self::encrypted), reads what is not encrypted all the same: while values of before are about.
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn accept_plain(self, accept: bool) -> Self {
        self.change(|shelf| Arc::make_mut(&mut shelf.sealer).accept_plain = accept)
    }

    /// The value under `key`, if it is kept and fresh. What is kept as `None` is a hit, and not there.
    pub async fn get<T: DeserializeOwned + Send + 'static>(&self, key: &DataKey) -> Option<T> {
        let shelf = &*self.shelf;
        let (wanted, _) = shelf.to_read(key, &shelf.base, self.decode::<T>(false));
        let entry = shelf.cache.find_value(wanted).await?;
        Read::take(entry.body).ok()?.downcast().ok().map(|value| *value)
    }

    /// The value under `key`, kept or else loaded; one that is loaded is kept behind the answer. Of those who want a value at the same time
    /// in one isolate one loads it for all. `None` is kept for the policy's [`negative_ttl`](DataPolicy::negative_ttl);
    /// without one it is not kept, and for half a minute those who ask at the same time each load for themselves.
    ///
    /// # Errors
    ///
    /// The loader's, when nothing kept may stand in; the limits of time; a loader that asks for its own value. Trouble
    /// with the tiers is none: the loader's value comes back, and the trouble is counted.
    pub async fn get_or_fetch<T, E, F, Fut>(
        &self,
        key: &DataKey,
        policy: &DataPolicy,
        loader: F,
    ) -> Result<T, LoadError<E>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let loader = move || {
            let loading = loader();
            async move { loading.await.map(Loaded::new) }
        };
        self.get_or_fetch_with(key, policy, loader).await
    }

    /// As [`get_or_fetch`](Self::get_or_fetch), for a loader that says for how long its value is good, or what tags it carries.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_or_fetch_with<T, E, F, Fut>(
        &self,
        key: &DataKey,
        policy: &DataPolicy,
        loader: F,
    ) -> Result<T, LoadError<E>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<T>, E>> + Send + 'static,
    {
        let codec = self.codec.clone();
        let load: Load = Box::new(move || {
            let loading = loader();
            Box::pin(async move {
                let Loaded { value, lifetime, tags } = loading.await.map_err(|error| Box::new(error) as Opaque)?;
                Ok(Given { lifetime, tags, ..Given::of(&codec, value) })
            })
        });
        self.shelf.load_as(key, policy, self.decode::<T>(true), load).await
    }

    /// Keeps `value` for `ttl` in all tiers, in place of what they have. A value that is being loaded under the key is not
    /// kept after it.
    ///
    /// # Errors
    ///
    /// When the value cannot be written, is too large, or when a tier neither took it nor gave up what it had.
    pub async fn set<T: Serialize + ?Sized>(
        &self,
        key: &DataKey,
        value: &T,
        ttl: impl Into<Ttl>,
    ) -> Result<(), DataError> {
        let policy = self.shelf.base.clone().lasting(ttl.into());
        self.set_under(key, value, &policy).await
    }

    /// The same under a policy, for stale windows, tags and a choice of tiers.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn set_under<T: Serialize + ?Sized>(
        &self,
        key: &DataKey,
        value: &T,
        policy: &DataPolicy,
    ) -> Result<(), DataError> {
        let bytes = self.codec.encode(value)?;
        self.shelf.put(key, policy, Some(C::CONTENT_TYPE), bytes.into()).await
    }

    /// Lets the value under `key`, the newest that any tier has, live for `ttl` from now, as it is. Whether there was one: a value no longer fresh is left
    /// alone, and so is one that KV has no longer. It costs a read and a write of each tier.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set), and when KV does not say what it has.
    pub async fn touch(&self, key: &DataKey, ttl: impl Into<Ttl>) -> Result<bool, DataError> {
        let shelf = &*self.shelf;
        let policy = shelf.base.clone().lasting(ttl.into());
        policy.check()?;
        let touched = shelf.cache.touch_value(shelf.wanted(key, &policy), policy.ttl.0).await;
        touched.map_err(|why| unkept(key, &policy, &why))
    }

    /// Forgets the value under `key` in all tiers, before the future ends: whoever asks this isolate afterwards does not get it. Edge
    /// caches of other data centres keep theirs until it expires.
    ///
    /// # Errors
    ///
    /// When a tier did not answer in time, or refused.
    pub async fn delete(&self, key: &DataKey) -> Result<(), DataError> {
        self.delete_many(std::slice::from_ref(key)).await
    }

    /// The same for several keys, 32 at a time. A tier has two seconds for each key, and 32 keys have five; what is not forgotten by then
    /// may be forgotten behind the answer, and the call is an error. In KV each key costs a read and a deletion, of the thousand operations that a request has.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete).
    pub async fn delete_many(&self, keys: &[DataKey]) -> Result<(), DataError> {
        let shelf = &*self.shelf;
        let mut left: Vec<&str> = Vec::new();
        for some in keys.chunks(AT_ONCE) {
            if !shelf.cache.forget_values(some.iter().map(|key| shelf.key(key)).collect()).await {
                left.extend(some.iter().map(DataKey::as_str));
            }
        }
        if left.is_empty() { Ok(()) } else { Err(DataError::Unforgotten(left.join(", "))) }
    }

    /// The way from bytes to values of a type; where `None` is kept, to that if it `may_be_none`.
    fn decode<T: DeserializeOwned + Send + 'static>(&self, may_be_none: bool) -> Decode {
        let codec = self.codec.clone();
        let decode = move |bytes: Option<&[u8]>| {
            let value = match bytes {
                Some(bytes) => codec.decode::<T>(bytes).map_err(Undecoded::Codec)?,
                None if may_be_none => absent::none::<T>().ok_or(Undecoded::None)?,
                // It is there, and no value.
                None => return Ok(Box::new(Nothing) as Opaque),
            };
            Ok(Box::new(value) as Opaque)
        };
        Decode { content_type: Some(C::CONTENT_TYPE), decode: Some(Arc::new(decode)) }
    }
}

/// In the place of a value that is none.
struct Nothing;

/// Why there is no value.
enum Missing {
    Failed(Opaque),
    Late,
    Recursive,
}

impl Shelf {
    fn key(&self, key: &DataKey) -> CacheKey {
        self.cache.key_of_value(&self.site, key)
    }

    fn runtime(&self) -> &Arc<dyn Runtime> {
        self.cache.runtime()
    }

    fn maker(&self, key: &CacheKey, policy: &DataPolicy, content_type: Option<&'static str>) -> Maker {
        Maker {
            key: key.clone(),
            sealer: Arc::clone(&self.sealer),
            runtime: Arc::clone(self.runtime()),
            content_type,
            negative: policy.negative,
        }
    }

    /// The entry under `key`, whatever its bytes are.
    fn wanted(&self, key: &DataKey, policy: &DataPolicy) -> Wanted {
        let (policy, tags) = (Arc::clone(&policy.policy), Arc::clone(&policy.tags));
        Wanted { key: self.key(key), policy, tags, reader: None }
    }

    /// The value under `key`, and who reads it.
    fn to_read(&self, key: &DataKey, policy: &DataPolicy, decode: Decode) -> (Wanted, Arc<ValueReader>) {
        let wanted = self.wanted(key, policy);
        let reader = Arc::new(ValueReader {
            key: wanted.key.clone(),
            sealer: Arc::clone(&self.sealer),
            runtime: Arc::clone(self.runtime()),
            limit: policy.policy.terms.store.max_body,
            decode,
        });
        (Wanted { reader: Some(Arc::clone(&reader) as Arc<dyn Reader>), ..wanted }, reader)
    }

    /// Whether a policy can be meant; the log says why not.
    fn can_be_meant(&self, policy: &DataPolicy) -> bool {
        let wrong = policy.check().err();
        if let Some(why) = &wrong {
            self.runtime().log(&["layercake: ", &why.to_string()].concat());
        }
        wrong.is_none()
    }

    /// The value under `key`, kept or loaded, as it is in truth.
    async fn load_as<T: 'static, E: 'static>(
        &self,
        key: &DataKey,
        policy: &DataPolicy,
        decode: Decode,
        load: Load,
    ) -> Result<T, LoadError<E>> {
        let late = || LoadError::TimedOut { key: key.to_string(), limit: policy.hard_limit() };
        match self.load(key, policy, decode, load).await {
            Ok(value) => value.downcast().map(|value| *value).map_err(|_| late()),
            Err(Missing::Failed(error)) => Err(error.downcast().map_or_else(|_| late(), |e| LoadError::Loader(*e))),
            Err(Missing::Late) => Err(late()),
            Err(Missing::Recursive) => Err(LoadError::Recursive { key: key.to_string() }),
        }
    }

    /// The value under `key`, kept or loaded.
    async fn load(&self, key: &DataKey, policy: &DataPolicy, decode: Decode, load: Load) -> Result<Opaque, Missing> {
        let (wanted, reader) = self.to_read(key, policy, decode);
        let name = wanted.key.name();
        if load::is_loading(&name) {
            return Err(Missing::Recursive);
        }
        if !self.can_be_meant(policy) {
            return self.unkept_value(policy, load, name).await;
        }
        let load = Arc::new(Mutex::new(Some(load)));
        let loader =
            Loader { maker: self.maker(&wanted.key, policy, reader.decode.content_type), load: Arc::clone(&load) };
        let Response { status, headers, body, .. } =
            self.cache.walk_to_value(wanted, loader).await.map_err(Missing::Failed)?;
        if status != VALUE {
            return Err(Missing::Late);
        }
        let body = match Read::take(body) {
            Ok(value) => return Ok(value),
            Err(body) => body,
        };
        // Another request's loader has brought it.
        match reader.value(status, &*headers, body).await {
            Ok(value) => Ok(value),
            // It is of another type.
            Err(_) => match take(&load) {
                Some(load) => self.unkept_value(policy, load, name).await,
                None => Err(Missing::Late),
            },
        }
    }

    /// A loader's value, for the one who asked alone.
    async fn unkept_value(&self, policy: &DataPolicy, load: Load, name: KeyName) -> Result<Opaque, Missing> {
        let work = Box::pin(load::run(load, name));
        let given = within(&**self.runtime(), policy.hard_limit(), work).await.ok_or(Missing::Late)?;
        let given = given.map_err(Missing::Failed)?;
        match (given.value, given.bytes) {
            (Some(value), _) => Ok(value),
            (None, Ok(Some(body))) => Ok(Box::new(body)),
            (None, _) => Err(Missing::Late),
        }
    }

    /// Keeps a value whose bytes these are.
    async fn put(
        &self,
        key: &DataKey,
        policy: &DataPolicy,
        content_type: Option<&str>,
        body: Body,
    ) -> Result<(), DataError> {
        policy.check()?;
        let wanted = self.wanted(key, policy);
        let sealed = self.sealer.seal(&**self.runtime(), &wanted.key, content_type, body).await;
        let sealed = sealed.map_err(|why| DataError::Seal { key: key.to_string(), why })?;
        let mut headers = Box::new(Lines::default());
        describe(&mut headers, sealed.fields);
        let response = Response { status: VALUE, headers, body: sealed.body, luggage: None };
        self.cache.put_value(wanted, response).await.map_err(|why| unkept(key, policy, &why))
    }
}

fn unkept(key: &DataKey, policy: &DataPolicy, why: &Unkept) -> DataError {
    let key = key.to_string();
    match why {
        Unkept::Refused(NotStored::TooLarge) => DataError::TooLarge { key, limit: policy.policy.terms.store.max_body },
        Unkept::Broken(why) => DataError::Broken { key, why: why.clone() },
        Unkept::Refused(_) | Unkept::Nowhere => DataError::Nowhere { key },
        Unkept::Tier(tier, trouble) => DataError::Tier { key, tier, why: trouble.as_str() },
    }
}

impl<C: Codec> fmt::Debug for DataCache<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataCache")
            .field("cache", &self.shelf.cache)
            .field("site", &self.shelf.site)
            .finish_non_exhaustive()
    }
}
