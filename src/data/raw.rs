//! Values that are bytes or streams already.

use super::codec::Codec;
use super::error::{DataError, LoadError};
use super::load::{Given, Load, Opaque};
use super::policy::{DataPolicy, Ttl};
use super::read::Decode;
use super::{DataCache, Loaded};
use crate::body::Body;
use crate::engine::Read;
use crate::entry::StoredResponse;
use crate::policy::DataKey;
use std::future::Future;

/// Bytes as they are.
const RAW: Decode = Decode { content_type: None, decode: None };

impl<C: Codec> DataCache<C> {
    /// The bytes under `key`, if they are kept and fresh: those that [`set_raw`](Self::set_raw) or
    /// [`get_or_fetch_raw`](Self::get_or_fetch_raw) kept. A body may be a stream of the host's; on Workers it then stays in
    /// JavaScript and belongs to the request.
    pub async fn get_raw(&self, key: &DataKey) -> Option<Body> {
        let shelf = &*self.shelf;
        let (wanted, reader) = shelf.to_read(key, &shelf.base, RAW);
        let entry = shelf.cache.find_value(wanted).await?;
        let StoredResponse { head, headers, body } = entry;
        let value = match Read::take(body) {
            Ok(value) => value,
            Err(body) => reader.value(head.status, &*headers, body).await.ok()?,
        };
        value.downcast().ok().map(|body| *body)
    }

    /// The bytes under `key`, kept or else loaded, as [`get_or_fetch`](Self::get_or_fetch). A stream is kept while it is read; one that
    /// breaks off is not kept.
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
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<Body>, E>> + Send + 'static,
    {
        let load: Load = Box::new(move || {
            let loading = loader();
            Box::pin(async move {
                let Loaded { value, lifetime, tags } = loading.await.map_err(|error| Box::new(error) as Opaque)?;
                let plain = value.try_clone().map(|body| Box::new(body) as Opaque);
                Ok(Given { value: plain, bytes: Ok(Some(value)), lifetime, tags })
            })
        });
        self.shelf.load_as(key, policy, RAW, load).await
    }

    /// Keeps bytes for `ttl` in all tiers, as [`set`](Self::set). Of a stream that breaks off nothing is kept.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn set_raw(&self, key: &DataKey, body: Body, ttl: impl Into<Ttl>) -> Result<(), DataError> {
        let shelf = &*self.shelf;
        shelf.put(key, &shelf.base.clone().lasting(ttl.into()), None, body).await
    }
}
