//! L2: Workers KV.
//!
//! A head that fits the 1,024 bytes of a key's metadata rides there, and the value is the body itself, which can stream.
//! A larger head makes an envelope of the value: the head as [`wire`] text, the body behind it; the metadata is then
//! the word `envelope`, and the body a slice of the buffer on the JavaScript side. One read either way.

use super::body::{Coding, JsBuffer, JsStream, checked, read_whole};
use super::convert::{JsHeaders, js_body};
use super::js;
use crate::body::Body;
use crate::engine::SMALL_BODY;
use crate::entry::{Head, StoredResponse, wire};
use crate::policy::{CacheKey, Level};
use crate::semantics::freshness::Timestamp;
use crate::tier::{Takes, Tier, TierError};
use futures::future::BoxFuture;
use js_sys::Uint8Array;
use std::sync::Arc;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, ReadableStream};
use worker::send::{SendFuture, SendWrapper};

/// The platform's limits (Workers KV, "Limits").
const MAX_KEY: usize = 512;
const MAX_METADATA: usize = 1024;
const MAX_VALUE: u64 = 25 << 20;
const MIN_EXPIRATION: u64 = 60;
const MIN_CACHE_TTL: u64 = 30;

/// Room for a head in an envelope.
const MAX_HEAD: u32 = 256 << 10;

const ENVELOPE: &str = "envelope";

/// A KV namespace as a tier.
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
        let options = js::object();
        js::set(&options, "type", &JsValue::from_str("stream"));
        if let Some(ttl) = self.cache_ttl {
            js::set(&options, "cacheTtl", &number(ttl));
        }
        let name = store_name(key)?;
        let found = js::call(&self.namespace(), "getWithMetadata", &[&name, &options]).await.map_err(failed)?;
        let (value, metadata) = (js::get(&found, "value"), js::get(&found, "metadata"));
        if value.is_null_or_undefined() {
            return Ok(None);
        }
        let value = unread(value);
        let metadata = metadata.as_string().ok_or_else(|| corrupt("its metadata is not ours"))?;
        if metadata == ENVELOPE {
            return open_envelope(value).await.map(Some);
        }
        let (head, fields, _) = wire::decode(metadata.as_bytes()).map_err(|e| corrupt(e.as_str()))?;
        let body = match head.length {
            Some(length) if length > SMALL_BODY => {
                let stream = checked(&stream_of(value)?, length).map_err(failed)?;
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
        entry(head, &fields, body).map(Some)
    }

    async fn write(&self, key: &CacheKey, entry: StoredResponse, now: Timestamp) -> Result<(), TierError> {
        let name = store_name(key)?;
        let StoredResponse { head, headers, body } = entry;
        let mut fields = wire::FieldList::new();
        headers.for_each(&mut |name, value| fields.push((name.to_owned(), value.to_vec())));
        let text = wire::encode(&head, fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
        if body.len().or(head.length).is_some_and(|length| length + text.len() as u64 > MAX_VALUE) {
            return Err(TierError::Refused("a KV value holds at most 25 MiB".to_owned()));
        }
        let body = js_body(body, MAX_VALUE).await.map_err(|_| corrupt("the body broke off"))?;
        let (value, metadata) = if json_length(&text) <= MAX_METADATA {
            (value(body, head.length)?, text.as_str())
        } else {
            (envelope(&text, body).await?, ENVELOPE)
        };
        let options = js::object();
        let retention = head.freshness.retention_left(now);
        let seconds = retention.as_secs() + u64::from(retention.subsec_nanos() > 0);
        js::set(&options, "expirationTtl", &number(seconds.max(MIN_EXPIRATION)));
        js::set(&options, "metadata", &JsValue::from_str(metadata));
        js::call(&self.namespace(), "put", &[&name, &value, &options]).await.map(|_| ()).map_err(failed)
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

fn entry(head: Head, fields: &wire::FieldList, body: Body) -> Result<StoredResponse, TierError> {
    let headers = Headers::new().map_err(failed)?;
    for (name, value) in fields {
        let value = std::str::from_utf8(value).map_err(|_| corrupt("a field that is no text"))?;
        headers.append(name, value).map_err(|_| corrupt("a field that is none"))?;
    }
    Ok(StoredResponse { head: Arc::new(head), headers: JsHeaders::boxed(headers), body })
}

/// The value for a body whose head rides in the metadata.
fn value(body: Body, length: Option<u64>) -> Result<JsValue, TierError> {
    match body.into_host::<JsBuffer>() {
        Ok(buffer) => Ok(buffer.bytes.0.into()),
        Err(body) => match body.into_host::<JsStream>().ok().and_then(|mut stream| stream.take_checked(length)) {
            Some(stream) => stream.map(Into::into).map_err(failed),
            None => Ok(JsValue::from_str("")),
        },
    }
}

async fn envelope(head: &str, body: Body) -> Result<JsValue, TierError> {
    let body = match body.buffer(MAX_VALUE).await.map_err(|_| corrupt("the body broke off"))?.into_host::<JsBuffer>() {
        Ok(buffer) => buffer.bytes.0,
        Err(_) => Uint8Array::new_with_length(0),
    };
    let head = Uint8Array::from(head.as_bytes());
    let whole = Uint8Array::new_with_length(head.length() + body.length());
    whole.set(&head, 0);
    whole.set(&body, head.length());
    Ok(whole.into())
}

async fn open_envelope(value: Body) -> Result<StoredResponse, TierError> {
    let whole = read_whole(&stream_of(value)?, MAX_VALUE + u64::from(MAX_HEAD))
        .await
        .map_err(|_| corrupt("its value cannot be read"))?;
    let front = whole.subarray(0, whole.length().min(MAX_HEAD)).to_vec();
    let (head, fields, length) = wire::decode(&front).map_err(|e| corrupt(e.as_str()))?;
    let body = whole.subarray(u32::try_from(length).unwrap_or(MAX_HEAD), whole.length());
    if head.length.is_some_and(|length| length != u64::from(body.length())) {
        return Err(corrupt("its value is not of the length stored"));
    }
    entry(head, &fields, JsBuffer::body(body, Coding::Applied))
}

fn store_name(key: &CacheKey) -> Result<JsValue, TierError> {
    let name = key.store_name();
    if name.len() > MAX_KEY {
        return Err(TierError::Refused("a KV key holds at most 512 bytes".to_owned()));
    }
    Ok(JsValue::from_str(&name))
}

/// The length of ASCII text as a JSON string.
fn json_length(text: &str) -> usize {
    text.len() + 2 + text.bytes().filter(|b| matches!(b, b'"' | b'\\')).count()
}

#[allow(clippy::cast_precision_loss, reason = "seconds, far below 2^53")]
fn number(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}

fn corrupt(why: &str) -> TierError {
    TierError::Corrupt(why.to_owned())
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err calls")]
fn failed(error: JsValue) -> TierError {
    TierError::Failed(js::message(&error))
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
            let name = store_name(key)?;
            js::call(&self.namespace(), "delete", &[&name]).await.map(|_| ()).map_err(failed)
        }))
    }
}
