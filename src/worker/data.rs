//! The door for values on Workers: loaders there need not be `Send`.

use crate::data::{Codec, DataCache, DataPolicy, Json, LoadError, Loaded};
use crate::policy::DataKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::ops::Deref;
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
        let loader = SendWrapper(loader);
        let loader = move || {
            // All of it, and so as something that may be sent.
            let whole = loader;
            let SendWrapper(loader) = whole;
            SendFuture::new(async move { loader().await.map_err(SendWrapper) })
        };
        let got = self.0.get_or_fetch_with(key, policy, loader).await;
        got.map_err(|error| error.map(|SendWrapper(error)| error))
    }
}

impl<C: Codec> Deref for Data<C> {
    type Target = DataCache<C>;

    fn deref(&self) -> &DataCache<C> {
        &self.0
    }
}
