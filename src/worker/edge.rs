//! L1: the edge Cache API.
//!
//! An entry is a plain 200 with a long `max-age` of its own, because the Cache API knows nothing of stale windows, drops most
//! statuses, and reads meaning into fields. What it would act on is moved into the head, which rides in one private
//! field; the other fields stay where they are, and are never copied into Rust.

use super::body::{JsBuffer, JsStream};
use super::convert::{JsHeaders, js_body, js_headers};
use super::js;
use crate::body::Body;
use crate::entry::{StoredResponse, wire};
use crate::message::HeaderFields;
use crate::policy::{CacheKey, Level};
use crate::semantics::freshness::Timestamp;
use crate::tier::{Takes, Tier, TierError};
use futures::future::BoxFuture;
use js_sys::futures::JsFuture;
use std::sync::Arc;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, ResponseInit};
use worker::send::SendFuture;

/// The private field an entry's head rides in.
const HEAD: &str = "x-layercake";

/// The fields that the Cache API acts on or overwrites; they travel in the head. Content codings too: what the local
/// simulator and the runtime make of them on a hit differs.
const DISPLACED: [&str; 11] = [
    "cache-control",
    "cdn-cache-control",
    "cloudflare-cdn-cache-control",
    "expires",
    "pragma",
    "date",
    "vary",
    "set-cookie",
    "content-encoding",
    "cache-tag",
    "content-range",
];

/// The field an answer of the Cache API has of its own, beside `Age`, which every answer of ours overwrites.
const ITS_STATUS: &str = "cf-cache-status";

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

thread_local! {
    /// [`HEAD`] and [`ITS_STATUS`], made once.
    static NAMES: (JsValue, JsValue) = (JsValue::from_str(HEAD), JsValue::from_str(ITS_STATUS));

    /// `caches.default`. It belongs to no request: module scope may hold it as well.
    static DEFAULT: Option<web_sys::Cache> = {
        let cache = js::get(&js::get(&js_sys::global(), "caches"), "default");
        cache.is_object().then(|| cache.unchecked_into())
    };
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

    async fn cache(&self) -> Result<web_sys::Cache, TierError> {
        let Some(name) = &self.name else {
            return DEFAULT
                .with(Clone::clone)
                .ok_or_else(|| TierError::Failed("there is no Cache API here".to_owned()));
        };
        let caches = js::get(&js_sys::global(), "caches");
        js::call(&caches, "open", &[&JsValue::from_str(name)]).await.map(JsCast::unchecked_into).map_err(failed)
    }

    async fn read(&self, key: &CacheKey) -> Result<Option<StoredResponse>, TierError> {
        let matched = JsFuture::from(self.cache().await?.match_with_str(&key.url())).await.map_err(failed)?;
        if matched.is_undefined() {
            return Ok(None);
        }
        let opened =
            NAMES.with(|(head, status)| js::open_match(matched.unchecked_ref(), head, status)).map_err(failed)?;
        let text = opened.get(2).as_string().ok_or_else(|| TierError::Corrupt("no head".to_owned()))?;
        let response: web_sys::Response = opened.get(0).unchecked_into();
        let headers: Headers = opened.get(1).unchecked_into();
        let (head, displaced, _) =
            wire::decode(text.as_bytes()).map_err(|e| TierError::Corrupt(e.as_str().to_owned()))?;
        let announced = opened.get(3).as_string().and_then(|text| text.parse().ok());
        if matches!((announced, head.length), (Some(a), Some(b)) if a != b) {
            return Err(TierError::Corrupt("the body is not of the length stored".to_owned()));
        }
        if !displaced.iter().any(|(name, _)| name == "cache-control") {
            headers.delete("cache-control").map_err(failed)?;
        }
        let recoded = displaced.iter().any(|(name, _)| name == "content-encoding");
        for (i, (name, value)) in displaced.iter().enumerate() {
            let value =
                std::str::from_utf8(value).map_err(|_| TierError::Corrupt("a field that is no text".to_owned()))?;
            // The Cache API may have written one of its own (`Date`); lines of one name follow each other.
            if i > 0 && displaced[i - 1].0 == *name {
                headers.append(name, value).map_err(failed)?;
            } else {
                headers.set(name, value).map_err(failed)?;
            }
        }
        let body = match head.length {
            Some(0) => Body::empty(),
            // Its bytes are in a content coding already, which a response has to be made with.
            length if recoded => match response.body() {
                Some(stream) => JsStream::enforced(stream, length.or(announced)),
                None => Body::empty(),
            },
            length => JsStream::of_response(response, length.or(announced)),
        };
        Ok(Some(StoredResponse { head: Arc::new(head), headers: JsHeaders::boxed(headers), body }))
    }

    async fn write(&self, key: &CacheKey, entry: StoredResponse, now: Timestamp) -> Result<(), TierError> {
        let StoredResponse { head, headers, body } = entry;
        let displaced = displaced(headers.as_ref());
        let lines = displaced.iter().map(|(name, value)| (*name, value.as_slice()));
        let text = wire::encode(&head, lines);
        let retention = head.freshness.retention_left(now).as_secs().max(1);
        let headers = js_headers(headers).map_err(failed)?;
        for (name, _) in &displaced {
            headers.delete(name).map_err(failed)?;
        }
        for name in ["age", ITS_STATUS] {
            headers.delete(name).map_err(failed)?;
        }
        headers.set(HEAD, &text).map_err(failed)?;
        headers.set("cache-control", &format!("max-age={retention}")).map_err(failed)?;
        let init = ResponseInit::new();
        init.set_status(200);
        init.set_headers(&headers);
        let body = js_body(body, u64::MAX).await.map_err(|_| TierError::Failed("the body broke off".to_owned()))?;
        let response = match body.into_host::<JsBuffer>() {
            Ok(buffer) => web_sys::Response::new_with_opt_buffer_source_and_init(Some(&buffer.bytes), &init),
            Err(body) => {
                match body.into_host::<JsStream>().ok().and_then(|mut stream| stream.take_checked(head.length)) {
                    Some(stream) => {
                        let stream = stream.map_err(failed)?;
                        web_sys::Response::new_with_opt_readable_stream_and_init(Some(&stream), &init)
                    }
                    None => web_sys::Response::new_with_opt_str_and_init(None, &init),
                }
            }
        }
        .map_err(failed)?;
        let cache = self.cache().await?;
        let url = key.url();
        let put = JsFuture::from(cache.put_with_str(&url, &response)).await;
        if put.is_err() {
            // A body that broke off: whatever a host keeps of it must go. The local simulator commits it a moment later.
            for wait in [0, 250] {
                worker::Delay::from(Duration::from_millis(wait)).await;
                let _ = JsFuture::from(cache.delete_with_str(&url)).await;
            }
        }
        put.map(|_| ()).map_err(failed)
    }
}

/// The lines of the displaced fields, those of one name behind each other.
fn displaced(headers: &dyn HeaderFields) -> Vec<(&'static str, Vec<u8>)> {
    let mut lines = Vec::new();
    for name in DISPLACED {
        if name == "set-cookie" {
            // The one field whose lines cannot be joined (RFC 9110 section 5.3).
            if headers.has(name) {
                headers.for_each(&mut |other, value| {
                    if other == name {
                        lines.push((name, value.to_vec()));
                    }
                });
            }
        } else if let Some(value) = headers.field(name) {
            lines.push((name, value.into_owned()));
        }
    }
    lines
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
            let cache = self.cache().await?;
            js::call(&cache, "delete", &[&JsValue::from_str(&key.url())]).await.map(|_| ()).map_err(failed)
        }))
    }
}
