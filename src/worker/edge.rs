//! L1: the edge Cache API.
//!
//! An entry is a plain 200 with a long `max-age` of its own, because the Cache API knows nothing of stale windows, drops most
//! statuses, and reads meaning into fields. What it would act on is moved into the head, which rides in one private
//! field (`glue.js` does so); the other fields stay where they are, and none is ever copied into Rust.

use super::body::{JsStream, for_store, number};
use super::convert::js_body;
use super::headers::{JsHeaders, own_headers};
use super::js;
use crate::body::Body;
use crate::entry::{StoredResponse, wire};
use crate::policy::{CacheKey, Level};
use crate::semantics::freshness::Timestamp;
use crate::tier::{Takes, Tier, TierError};
use futures::future::BoxFuture;
use js_sys::Array;
use std::sync::Arc;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use worker::send::SendFuture;

/// The edge Cache API as a tier.
#[derive(Clone, Debug)]
pub struct EdgeTier {
    name: Option<String>,
    timeout: Duration,
}

impl Default for EdgeTier {
    /// The default cache, `caches.default`.
    fn default() -> Self {
        Self { name: None, timeout: Duration::from_secs(1) }
    }
}

impl EdgeTier {
    /// A cache of its own, `caches.open(name)`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::default() }
    }

    /// How long a look-up may take before the tier counts as missing. While the cache answers in good time no timer is set;
    /// see [`Tier::earns_trust`]. Default: 1 s.
    #[must_use]
    pub const fn lookup_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The name of the cache; none for the default one.
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    async fn read(&self, key: &CacheKey) -> Result<Option<StoredResponse>, TierError> {
        let found = js::wait(js::match_in(self.name(), &key.url())).await.map_err(failed)?;
        if found.is_undefined() {
            return Ok(None);
        }
        let found: Array = found.unchecked_into();
        let text = found.get(2).as_string().unwrap_or_default();
        let (head, _) = wire::decode_head(text.as_bytes()).map_err(|e| TierError::Corrupt(e.as_str().to_owned()))?;
        let announced = found.get(3).as_string().and_then(|text| text.parse().ok());
        if matches!((announced, head.length), (Some(a), Some(b)) if a != b) {
            return Err(TierError::Corrupt("the body is not of the length stored".to_owned()));
        }
        let response: web_sys::Response = found.get(0).unchecked_into();
        let length = head.length.or(announced);
        let body = match length {
            Some(0) => Body::empty(),
            // Its bytes are in a content coding already, which a response has to be made with.
            length if found.get(4).is_truthy() => match response.body() {
                Some(stream) => JsStream::enforced(stream, length),
                None => Body::empty(),
            },
            length => JsStream::of_response(response, length),
        };
        let headers = JsHeaders::boxed(found.get(1).unchecked_into());
        Ok(Some(StoredResponse { head: Arc::new(head), headers, body }))
    }

    async fn write(&self, key: &CacheKey, entry: StoredResponse, now: Timestamp) -> Result<(), TierError> {
        let StoredResponse { head, headers, body } = entry;
        let headers = own_headers(headers).map_err(failed)?;
        let seconds = number(head.freshness.retention_left(now).as_secs().max(1));
        let body = js_body(body, u64::MAX).await.map_err(|_| TierError::Failed("the body broke off".to_owned()))?;
        let (body, length, enforced) = for_store(body, head.length);
        let text = wire::encode(&head, []);
        let step = js::put_in(self.name(), &key.url(), &text, &headers, seconds, &body, length, enforced);
        js::wait(step).await.map(|_| ()).map_err(failed)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err calls")]
fn failed(error: JsValue) -> TierError {
    TierError::Failed(js::message(&error))
}

impl Tier for EdgeTier {
    fn level(&self) -> Level {
        Level::L1
    }

    fn takes(&self, _: Option<u64>) -> Takes {
        Takes::Stream
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn earns_trust(&self) -> bool {
        true
    }

    fn end_overdue(&self, limit: Duration) {
        // Elsewhere their requests would go on within this one.
        if js::signals_cross_requests() {
            js::end_overdue(number(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)));
        }
    }

    fn get<'a>(&'a self, key: &'a CacheKey, _: Timestamp) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        Box::pin(SendFuture::new(self.read(key)))
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(SendFuture::new(self.write(key, entry, now)))
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(SendFuture::new(async move {
            js::wait(js::delete_in(self.name(), &key.url())).await.map(|_| ()).map_err(failed)
        }))
    }
}
