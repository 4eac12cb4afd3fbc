//! L2: Workers KV.
//!
//! A head that fits the 1,024 bytes of a key's metadata rides there, and the value is the body itself, which can stream.
//! A larger head makes an envelope of the value: the head as [`wire`] text, the body behind it; the metadata is then
//! the word `envelope`, and the body a slice of the buffer on the JavaScript side. One read either way.

use super::body::{Coding, JsBuffer, JsStream, for_store, number, read_whole};
use super::convert::{JsHeaders, js_body, js_headers};
use super::js;
use crate::body::Body;
use crate::engine::SMALL_BODY;
use crate::entry::{Head, StoredResponse, wire};
use crate::policy::{CacheKey, Level};
use crate::semantics::freshness::Timestamp;
use crate::tier::{Takes, Tier, TierError};
use futures::future::BoxFuture;
use js_sys::Array;
use std::sync::Arc;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::ReadableStream;
use worker::send::{SendFuture, SendWrapper};

/// The platform's limits (Workers KV, "Limits").
const MAX_KEY: usize = 512;
const MAX_VALUE: u64 = 25 << 20;
const MIN_EXPIRATION: u64 = 60;
const MIN_CACHE_TTL: u64 = 30;

/// Room for a head in an envelope.
const MAX_HEAD: u32 = 256 << 10;

const ENVELOPE: &str = "envelope";

/// A KV namespace as a tier.
#[derive(Clone)]
pub struct KvTier {
    env: SendWrapper<worker::Env>,
    binding: String,
    cache_ttl: Option<u64>,
    timeout: Duration,
}

impl KvTier {
    /// The namespace bound as `binding`; `None` when there is no such binding.
    #[must_use]
    pub fn of_binding(env: &worker::Env, binding: &str) -> Option<Self> {
        let namespace = js::get(env, binding);
        js::get(&namespace, "getWithMetadata").is_function().then(|| Self::of_checked_binding(env, binding))
    }

    /// The same for a binding known to be there; it is looked up when the tier is first asked.
    pub(super) fn of_checked_binding(env: &worker::Env, binding: &str) -> Self {
        let (env, binding) = (SendWrapper(env.clone()), binding.to_owned());
        Self { env, binding, cache_ttl: None, timeout: Duration::from_secs(2) }
    }

    fn namespace(&self) -> JsValue {
        js::get(&self.env, &self.binding)
    }

    /// How long KV may answer from its regional cache; at least the platform's 30 s. Default: KV's own 60 s.
    #[must_use]
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache_ttl = Some(ttl.as_secs().max(MIN_CACHE_TTL));
        self
    }

    /// How long a look-up may take before the tier counts as missing. Default: 2 s.
    #[must_use]
    pub const fn lookup_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn read(&self, key: &CacheKey) -> Result<Option<StoredResponse>, TierError> {
        let step = js::get_from(&self.namespace(), &store_name(key)?, self.cache_ttl.map_or(0.0, number));
        let found = js::wait(step).await.map_err(failed)?;
        if found.is_undefined() {
            return Ok(None);
        }
        let found: Array = found.unchecked_into();
        let (value, metadata) = (found.get(0), found.get(1));
        let value = unread(value);
        let text = metadata.as_string().ok_or_else(|| corrupt("its metadata is not ours"))?;
        if text == ENVELOPE {
            return open_envelope(value).await.map(Some);
        }
        let (head, _) = wire::decode_head(text.as_bytes()).map_err(|e| corrupt(e.as_str()))?;
        let body = match head.length {
            Some(length) if length > SMALL_BODY => {
                let stream = js::fixed(&stream_of(value)?, number(length)).map_err(failed)?;
                JsStream::enforced(stream, Some(length))
            }
            length => {
                let bytes =
                    read_whole(&stream_of(value)?, MAX_VALUE).await.map_err(|_| corrupt("its value cannot be read"))?;
                if length.is_some_and(|length| length != u64::from(bytes.length())) {
                    return Err(corrupt("its value is not of the length stored"));
                }
                JsBuffer::body(bytes, Coding::Applied)
            }
        };
        entry(head, &metadata, body).map(Some)
    }

    async fn write(&self, key: &CacheKey, entry: StoredResponse, now: Timestamp) -> Result<(), TierError> {
        let name = store_name(key)?;
        let StoredResponse { head, headers, body } = entry;
        if body.len().or(head.length).is_some_and(|length| length > MAX_VALUE) {
            return Err(TierError::Refused("a KV value holds at most 25 MiB".to_owned()));
        }
        let headers = js_headers(headers).map_err(failed)?;
        let text = wire::encode(&head, []);
        let body = js_body(body, MAX_VALUE).await.map_err(|_| corrupt("the body broke off"))?;
        let retention = head.freshness.retention_left(now);
        let seconds = retention.as_secs() + u64::from(retention.subsec_nanos() > 0);
        let seconds = number(seconds.max(MIN_EXPIRATION));
        let (body, length, enforced) = for_store(body, head.length);
        let step = js::put_into(&self.namespace(), &name, &text, &headers, seconds, &body, length, enforced);
        js::wait(step).await.map(|_| ()).map_err(failed)
    }
}

/// A value not read yet; dropped, it is cancelled.
fn unread(value: JsValue) -> Body {
    JsStream::body(value.unchecked_into(), Coding::Applied)
}

fn stream_of(unread: Body) -> Result<ReadableStream, TierError> {
    let taken = unread.into_host::<JsStream>().ok().and_then(|mut stream| stream.take());
    taken.ok_or_else(|| corrupt("its value is no stream"))
}

/// The entry with this head, whose fields are in its text.
fn entry(head: Head, text: &JsValue, body: Body) -> Result<StoredResponse, TierError> {
    let headers = js::fields_of(text).map_err(|_| corrupt("a field that is none"))?;
    Ok(StoredResponse { head: Arc::new(head), headers: JsHeaders::boxed(headers), body })
}

async fn open_envelope(value: Body) -> Result<StoredResponse, TierError> {
    let whole = read_whole(&stream_of(value)?, MAX_VALUE + u64::from(MAX_HEAD))
        .await
        .map_err(|_| corrupt("its value cannot be read"))?;
    let front = whole.subarray(0, whole.length().min(MAX_HEAD)).to_vec();
    let (head, length) = wire::decode_head(&front).map_err(|e| corrupt(e.as_str()))?;
    let text = String::from_utf8_lossy(front.get(..length).unwrap_or_default());
    let body = whole.subarray(u32::try_from(length).unwrap_or(MAX_HEAD), whole.length());
    if head.length.is_some_and(|length| length != u64::from(body.length())) {
        return Err(corrupt("its value is not of the length stored"));
    }
    entry(head, &JsValue::from_str(&text), JsBuffer::body(body, Coding::Applied))
}

fn store_name(key: &CacheKey) -> Result<String, TierError> {
    let name = key.store_name();
    if name.len() > MAX_KEY {
        return Err(TierError::Refused("a KV key holds at most 512 bytes".to_owned()));
    }
    Ok(name)
}

fn corrupt(why: &str) -> TierError {
    TierError::Corrupt(why.to_owned())
}

/// KV tells its errors apart by their texts alone: `KV PUT failed: 429 Too Many Requests`, `KV put() limit exceeded for the
/// day.`
#[allow(clippy::needless_pass_by_value, reason = "the form that map_err calls")]
fn failed(error: JsValue) -> TierError {
    let text = js::message(&error);
    // Less code than `str::contains` brings along.
    let says = |words: &str| text.as_bytes().windows(words.len()).any(|part| part == words.as_bytes());
    match () {
        () if says("limit exceeded") => TierError::Exhausted(text),
        () if says(" 429 ") => TierError::Throttled(text),
        () => TierError::Failed(text),
    }
}

impl Tier for KvTier {
    fn level(&self) -> Level {
        Level::L2
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        match length {
            Some(length) if length > MAX_VALUE => Takes::Nothing,
            Some(_) => Takes::Stream,
            None => Takes::Buffer,
        }
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
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
            let step = js::delete_from(&self.namespace(), &store_name(key)?);
            js::wait(step).await.map(|_| ()).map_err(failed)
        }))
    }
}
