//! The door for values on Workers: loaders there need not be `Send`.

use super::convert::{from_worker, into_response};
use super::{Opened, near_tiers};
use crate::Body;
use crate::data::{Bundle, Codec, DataCache, DataPolicy, Json, LoadError, Loaded};
use crate::engine::Cache;
use crate::policy::{DataKey, Level};
use crate::runtime::Runtime;
use crate::tier::{MemoryTier, RetryingTier, Tier};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use worker::send::{SendFuture, SendWrapper};

/// A [`DataCache`] of one request, whose loaders may hold what belongs to it: a D1 database, a fetcher.
///
/// ```no_run
/// use layercake::DataKey;
/// use layercake::data::DataPolicy;
/// use layercake::worker::Data;
/// use std::time::Duration;
/// use worker::Env;
///
/// async fn name(data: &Data, env: &Env, id: u32) -> worker::Result<String> {
///     let (key, policy) = (DataKey::of("cache:product").with(id), DataPolicy::ttl(Duration::from_secs(300)));
///     let store = env.kv("PRODUCTS")?;
///     let name = data.get_or_fetch(&key, &policy, move || async move {
///         worker::Result::Ok(store.get(&id.to_string()).text().await?.unwrap_or_default())
///     });
///     Ok(name.await?)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Data<C: Codec = Json>(DataCache<C>);

impl<C: Codec> Data<C> {
    /// The same for a data cache that was changed, to another codec for example.
    #[must_use]
    pub const fn new(cache: DataCache<C>) -> Self {
        Self(cache)
    }

    /// Changes the data cache: its codec, its encryption, its policy.
    ///
    /// ```no_run
    /// # use layercake::worker::Data;
    /// # use layercake::data::DataPolicy;
    /// # fn f(data: Data) -> Data {
    /// data.with(|data| data.policy(DataPolicy::forever().tag("settings")))
    /// # }
    /// ```
    #[must_use]
    pub fn with<D: Codec>(self, change: impl FnOnce(DataCache<C>) -> DataCache<D>) -> Data<D> {
        Data(change(self.0))
    }

    /// As [`DataCache::get_or_fetch`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_or_fetch<T, E, F, Fut>(
        &self,
        key: &DataKey,
        policy: &DataPolicy,
        loader: F,
    ) -> Result<T, LoadError<E>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: 'static,
        F: FnOnce() -> Fut + 'static,
        Fut: Future<Output = Result<T, E>> + 'static,
    {
        let loader = || async { loader().await.map(Loaded::new) };
        self.get_or_fetch_with(key, policy, loader).await
    }

    /// As [`DataCache::get_or_fetch_with`].
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
        E: 'static,
        F: FnOnce() -> Fut + 'static,
        Fut: Future<Output = Result<Loaded<T>, E>> + 'static,
    {
        own_error(self.0.get_or_fetch_with(key, policy, sendable(loader)).await)
    }

    /// As [`DataCache::get_many_or_fetch`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_many_or_fetch<T, E, F, Fut>(
        &self,
        keys: &[DataKey],
        policy: &DataPolicy,
        loader: F,
    ) -> Result<Vec<T>, LoadError<E>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: 'static,
        F: FnOnce(Vec<DataKey>) -> Fut + 'static,
        Fut: Future<Output = Result<Vec<T>, E>> + 'static,
    {
        let loader = SendWrapper(loader);
        let loader = move |keys| {
            let whole = loader;
            let SendWrapper(loader) = whole;
            SendFuture::new(async move { loader(keys).await.map_err(SendWrapper) })
        };
        own_error(self.0.get_many_or_fetch(keys, policy, loader).await)
    }

    /// As [`DataCache::get_or_fetch_raw`]; see [`body_of`] and [`response_of`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_or_fetch_raw<E, F, Fut>(
        &self,
        key: &DataKey,
        policy: &DataPolicy,
        loader: F,
    ) -> Result<Body, LoadError<E>>
    where
        E: 'static,
        F: FnOnce() -> Fut + 'static,
        Fut: Future<Output = Result<Loaded<Body>, E>> + 'static,
    {
        own_error(self.0.get_or_fetch_raw(key, policy, sendable(loader)).await)
    }

    /// As [`DataCache::get_or_fetch_bundle`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_or_fetch_bundle<E, F, Fut>(
        &self,
        key: &DataKey,
        policy: &DataPolicy,
        loader: F,
    ) -> Result<Bundle<C>, LoadError<E>>
    where
        E: 'static,
        F: FnOnce() -> Fut + 'static,
        Fut: Future<Output = Result<Loaded<Bundle<C>>, E>> + 'static,
    {
        own_error(self.0.get_or_fetch_bundle(key, policy, sendable(loader)).await)
    }
}

/// A loader that says it may be sent: on Workers there is nowhere to send it to.
fn sendable<F, Fut, T, E>(loader: F) -> impl FnOnce() -> SendFuture<BoxedLoad<T, E>> + Send
where
    F: FnOnce() -> Fut + 'static,
    Fut: Future<Output = Result<T, E>> + 'static,
{
    let loader = SendWrapper(loader);
    move || {
        // All of it, and so as something that may be sent.
        let whole = loader;
        let SendWrapper(loader) = whole;
        SendFuture::new(Box::pin(async move { loader().await.map_err(SendWrapper) }))
    }
}

type BoxedLoad<T, E> = Pin<Box<dyn Future<Output = Result<T, SendWrapper<E>>>>>;

fn own_error<T, E>(got: Result<T, LoadError<SendWrapper<E>>>) -> Result<T, LoadError<E>> {
    got.map_err(|error| error.map(|SendWrapper(error)| error))
}

/// What the memory that stands in for KV may hold, in bytes.
const SPARE: u64 = 4 << 20;

/// What stands in for KV where values are concerned.
pub(super) fn spare() -> Arc<MemoryTier> {
    Arc::new(MemoryTier::new(Level::L2, SPARE).spare())
}

impl Opened<'_> {
    /// The cache for values, in the same tiers; KV's are split where they are large, and tried again, each key once a second, where KV
    /// refuses. Where KV was [asked for](Self::kv) and is missing or fails, values stay in the isolate's memory for up to a minute. `site` is the scheme and host of the Worker, such as `https://shop.example`: the
    /// edge cache keeps everything under URLs, and those of another zone cost a name look-up each.
    #[must_use]
    pub fn data(&self, site: &str) -> Data {
        let (config, runtime) = (self.kept.table.config(), Arc::clone(&self.runtime));
        let mut tiers = near_tiers(self.kept, self.edge.clone());
        if let Some(kv) = &self.kv {
            let kv = Arc::new(kv.clone().split().bulk_readable());
            let kv = RetryingTier::new(kv, Arc::clone(&runtime) as Arc<dyn Runtime>)
                .pace(Arc::clone(&self.kept.pace))
                .observer(config.observer(Level::L2));
            tiers.push(Arc::new(kv));
        }
        if self.wants_kv {
            tiers.push(Arc::clone(&self.kept.spare) as Arc<dyn Tier>);
        }
        Data::new(DataCache::new(Cache::new(config, tiers, runtime), site))
    }
}

/// The body of a response of `worker`, for a value of bytes. A stream stays in JavaScript and belongs to its request.
#[must_use]
pub fn body_of(response: worker::Response) -> Body {
    from_worker(response).body
}

/// A response of `worker` around the bytes of a value, under status 200 and without header fields.
///
/// # Errors
///
/// When the runtime does not take the body.
pub fn response_of(body: Body) -> worker::Result<worker::Response> {
    into_response(http::Response::new(body)).map(Into::into)
}

impl<C: Codec> Deref for Data<C> {
    type Target = DataCache<C>;

    fn deref(&self) -> &DataCache<C> {
        &self.0
    }
}
