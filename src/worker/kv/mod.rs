//! L2: Workers KV.
//!
//! A head that fits the 1,024 bytes of a key's metadata rides there, and the value is the body itself, which can stream.
//! A larger head makes an envelope of the value: the head as [`wire`] text, the body behind it; the metadata is then
//! the word `envelope`, and the body a slice of the buffer on the JavaScript side. One read either way.
//!
//! With [`KvTier::bulk_readable`] a small body that is no text is kept as base64, and the first record of its head is `x6:base64`.
//! With [`KvTier::split`] a large body is kept in parts; how is said in `parts.js`. Both are read whatever the options.

#[cfg(any(feature = "data", feature = "sim"))]
mod list;
#[cfg(any(feature = "data", feature = "sim"))]
mod many;

use super::body::{Coding, JsBuffer, JsStream, for_store, number};
use super::convert::js_body;
use super::headers::{JsHeaders, js_headers};
use super::js;
use crate::engine::SMALL_BODY;
use crate::entry::{StoredResponse, wire};
use crate::policy::key::KeyName;
use crate::policy::{CacheKey, Level};
use crate::semantics::freshness::Timestamp;
#[cfg(any(feature = "data", feature = "sim"))]
use crate::tier::Page;
use crate::tier::{Found, Takes, Tier, TierError};
use futures::future::BoxFuture;
use js_sys::{Array, Uint8Array};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use worker::send::{SendFuture, SendWrapper};

/// The platform's limits (Workers KV, "Limits").
const MAX_KEY: usize = 512;
const MAX_VALUE: u64 = 25 << 20;
const MIN_EXPIRATION: u64 = 60;
const MIN_CACHE_TTL: u64 = 30;

/// The largest body that [`KvTier::bulk_readable`] is about.
const READABLE: u64 = 64 << 10;

/// A KV namespace as a tier.
#[derive(Clone)]
pub struct KvTier {
    env: SendWrapper<worker::Env>,
    binding: String,
    cache_ttl: Option<u64>,
    timeout: Duration,
    bulk_readable: bool,
    /// Set where it splits: the keys that were seen to have nothing in parts.
    split: Option<Arc<Mutex<Vec<KeyName>>>>,
}

/// The largest body that is never in parts, in bytes.
const ONE_PART: u64 = 24 << 20;

/// How many keys of one request are known to have nothing in parts.
const KNOWN: usize = 128;

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
        Self { env, binding, cache_ttl: None, timeout: Duration::from_secs(2), bulk_readable: false, split: None }
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

    /// Bodies of up to 64 KiB that are no text are kept as base64, a third larger, so that [`get_many`](Tier::get_many) has them from
    /// its bulk read, which knows text alone; without it, it reads each of them by itself. Releases that do not know the option take such an entry
    /// for a missing one. Default: off.
    #[must_use]
    pub const fn bulk_readable(mut self) -> Self {
        self.bulk_readable = true;
        self
    }

    /// Takes bodies above KV's limit of 25 MiB, and streams of unknown length as they come, and keeps what is larger than
    /// a value in parts of 24 MiB, each a value of its own. The entry is there when the last part is; one whose parts are not all
    /// there counts as unreadable.
    ///
    /// What is replaced or deleted may be in parts, which then have to be deleted too: a put and a deletion ask first what is
    /// there, a read that costs a tenth of either, unless the same tier has just read it, and delete parts only where that says that there are any. What KV's
    /// regional cache does not know yet is not deleted, and goes when its time is up. A part costs a write and, with each read of the entry, a read; from
    /// the fifth on two. A stream of unknown length takes up to 48 MiB of the isolate's memory, one of known length next to none. A body that is not in JavaScript
    /// (one that came through the Tower door) is still limited to 25 MiB. Default: off.
    #[must_use]
    pub fn split(mut self) -> Self {
        self.split = Some(Arc::default());
        self
    }

    /// Notes that what is under a key, if anything, is not in parts.
    fn note_whole(&self, key: &CacheKey) {
        let Some(whole) = &self.split else { return };
        let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
        if whole.len() < KNOWN && !whole.contains(&key.name()) {
            whole.push(key.name());
        }
    }

    /// Whether what is written or deleted under a key may be, or may replace, something in parts. It is known once.
    fn may_be_split(&self, key: &CacheKey, length: Option<u64>) -> bool {
        let Some(whole) = &self.split else { return false };
        let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
        let known = whole.iter().position(|name| *name == key.name()).map(|place| whole.swap_remove(place));
        known.is_none() || length.is_none_or(|length| length > ONE_PART)
    }

    fn cache_seconds(&self) -> f64 {
        self.cache_ttl.map_or(0.0, number)
    }

    async fn read(&self, key: &CacheKey) -> Found {
        let step = js::get_from(&self.namespace(), &store_name(key)?, self.cache_seconds(), number(SMALL_BODY));
        let found = js::wait(step).await.map_err(failed)?;
        if found.is_undefined() {
            self.note_whole(key);
            return Ok(None);
        }
        let entry = entry_of(found.unchecked_ref())?;
        if entry.head.length.is_some_and(|length| length <= ONE_PART) {
            self.note_whole(key);
        }
        Ok(Some(entry))
    }

    async fn write(&self, key: &CacheKey, entry: StoredResponse, now: Timestamp) -> Result<(), TierError> {
        let name = store_name(key)?;
        let StoredResponse { mut head, headers, body } = entry;
        if self.split.is_none() && body.len().or(head.length).is_some_and(|length| length > MAX_VALUE) {
            return Err(TierError::Refused("a KV value holds at most 25 MiB".to_owned()));
        }
        let (headers, _) = js_headers(headers).map_err(failed)?;
        if (self.split.is_some() || self.bulk_readable) && head.length.is_none() && body.len().is_some() {
            Arc::make_mut(&mut head).length = body.len();
        }
        let text = wire::encode(&head, []);
        let body = js_body(body, MAX_VALUE).await.map_err(|_| corrupt("the body broke off"))?;
        let retention = head.freshness.retention_left(now);
        let seconds = retention.as_secs() + u64::from(retention.subsec_nanos() > 0);
        let seconds = number(seconds.max(MIN_EXPIRATION));
        let (body, length, enforced) = for_store(body, head.length);
        let readable = if self.bulk_readable { number(READABLE) } else { -1.0 };
        let split = self.may_be_split(key, head.length);
        let step =
            js::put(split, &self.namespace(), &name, &text, &headers, seconds, &body, length, enforced, readable);
        js::wait(step).await.map(|_| ()).map_err(failed)
    }
}

/// The entry that is a body and a head, which has its fields.
fn entry_of(found: &Array) -> Result<StoredResponse, TierError> {
    let (body, text) = (found.get(0), found.get(1));
    if body.is_undefined() {
        return Err(corrupt("its value, or a part of it, cannot be read"));
    }
    let body = match body.dyn_into::<Uint8Array>() {
        Ok(bytes) => JsBuffer::body(bytes, Coding::Applied),
        // Dropped, it is cancelled.
        Err(stream) => JsStream::body(stream.unchecked_into(), Coding::Applied),
    };
    let words = text.as_string().ok_or_else(|| corrupt("its metadata is not ours"))?;
    let (head, _) = wire::decode_head(words.as_bytes()).map_err(|error| corrupt(error.as_str()))?;
    let body = match (body.into_host::<JsStream>().map(|mut unread| unread.take()), head.length) {
        (Ok(Some(stream)), Some(length)) => {
            JsStream::enforced(js::fixed(&stream, number(length)).map_err(failed)?, Some(length))
        }
        (Err(buffer), length) if length.is_none_or(|length| buffer.len() == Some(length)) => buffer,
        _ => return Err(corrupt("its value is not of the length stored")),
    };
    let headers = js::fields_of(&text).map_err(|_| corrupt("a field that is none"))?;
    Ok(StoredResponse { head: Arc::new(head), headers: JsHeaders::boxed(headers), body })
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

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err calls")]
fn failed(error: JsValue) -> TierError {
    let mut text = js::failure(&error);
    let kind = text.pop();
    match kind {
        Some('e') => TierError::Exhausted(text),
        Some('t') => TierError::Throttled(text),
        Some('r') => TierError::Refused(text),
        _ => TierError::Failed(text),
    }
}

impl Tier for KvTier {
    fn level(&self) -> Level {
        Level::L2
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        match length {
            _ if self.split.is_some() => Takes::Stream,
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
            let split = self.may_be_split(key, Some(0));
            js::wait(js::delete(split, &self.namespace(), &store_name(key)?)).await.map(|_| ()).map_err(failed)
        }))
    }

    #[cfg(any(feature = "data", feature = "sim"))]
    fn get_many<'a>(&'a self, keys: &'a [CacheKey], _: Timestamp) -> BoxFuture<'a, Vec<Found>> {
        Box::pin(SendFuture::new(self.read_many(keys)))
    }

    #[cfg(any(feature = "data", feature = "sim"))]
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, TierError>> {
        Box::pin(SendFuture::new(self.read_list(prefix, cursor, limit)))
    }
}
