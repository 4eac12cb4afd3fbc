//! Bodies that stay in JavaScript: a buffer that answers can share, or a stream that belongs to its request.

use super::js;
use crate::body::{Body, BodyError, HostBody};
use crate::engine::SMALL_BODY;
use futures::future::BoxFuture;
use js_sys::Uint8Array;
use std::any::Any;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::ReadableStream;
use worker::send::{SendFuture, SendWrapper};
#[cfg(any(feature = "tower", feature = "verify", feature = "data"))]
use {
    bytes::Bytes,
    futures::future::FutureExt as _,
    http_body::Frame,
    js_sys::futures::JsFuture,
    std::task::{Context, Poll, ready},
    web_sys::ReadableStreamDefaultReader,
};

/// What is to be done about the content coding that `Content-Encoding` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// The runtime applies it on the way out, if it is one it knows, and takes it off a fetched body that is read
    /// (`encodeBody: "automatic"`).
    Automatic,
    /// The bytes are in it already, or there is none (`encodeBody: "manual"` when there is one).
    Applied,
}

impl Coding {
    const fn applied(self) -> &'static [&'static str] {
        match self {
            Self::Automatic => &["gzip", "br"],
            Self::Applied => &[],
        }
    }
}

/// A `Uint8Array`. Plain memory, no I/O object: it may be shared between requests.
pub(super) struct JsBuffer {
    pub(super) bytes: SendWrapper<Uint8Array>,
    pub(super) coding: Coding,
    #[cfg(any(feature = "tower", feature = "verify", feature = "data"))]
    read: bool,
}

impl JsBuffer {
    pub(super) fn body(bytes: Uint8Array, coding: Coding) -> Body {
        if bytes.length() == 0 {
            return Body::empty();
        }
        Body::host(Self {
            bytes: SendWrapper(bytes),
            coding,
            #[cfg(any(feature = "tower", feature = "verify", feature = "data"))]
            read: false,
        })
    }
}

/// One buffer of two; nothing is also a buffer.
pub(super) fn append(first: Body, next: Body) -> Option<Body> {
    if first.is_empty() || next.is_empty() {
        return Some(if first.is_empty() { next } else { first });
    }
    let (first, next) = (first.into_host::<JsBuffer>().ok()?, next.into_host::<JsBuffer>().ok()?);
    let whole = Uint8Array::new_with_length(first.bytes.length().checked_add(next.bytes.length())?);
    whole.set(&first.bytes, 0);
    whole.set(&next.bytes, first.bytes.length());
    Some(JsBuffer::body(whole, first.coding))
}

/// A buffer of the bytes, copied once.
#[cfg(feature = "data")]
pub(super) fn adopt(bytes: &[u8]) -> Body {
    JsBuffer::body(Uint8Array::from(bytes), Coding::Applied)
}

/// What a step into JavaScript makes of a buffer or a stream; bytes in Rust memory are handed over first. The body itself when
/// it is of another kind.
#[cfg(feature = "data")]
pub(super) fn coded(body: Body, step: fn(&JsValue) -> Result<ReadableStream, JsValue>) -> Result<Body, Body> {
    let body = match body.as_bytes() {
        Some(bytes) => adopt(bytes),
        None => body,
    };
    let made = |source: &JsValue| step(source).map(|stream| JsStream::body(stream, Coding::Applied));
    if body.is_empty() {
        return made(&Uint8Array::new_with_length(0)).map_err(|_| body);
    }
    match body.into_host::<JsBuffer>() {
        Ok(buffer) => made(&buffer.bytes).map_err(|_| Body::host(buffer)),
        Err(body) => {
            let mut stream = body.into_host::<JsStream>()?;
            let Some(source) = stream.take() else { return Err(Body::host(stream)) };
            made(&source)
                .map_err(|_| JsStream::with(Source::Stream(source), stream.length, stream.enforced, stream.coding))
        }
    }
}

impl HostBody for JsBuffer {
    fn len(&self) -> Option<u64> {
        Some(u64::from(self.bytes.length()))
    }

    fn try_clone(&self) -> Option<Body> {
        Some(Self::body(self.bytes.0.clone(), self.coding))
    }

    fn tee(self: Box<Self>, _: u64) -> Result<(Body, Body), Body> {
        let copy = Self::body(self.bytes.0.clone(), self.coding);
        Ok((Body::host(*self), copy))
    }

    fn buffer(self: Box<Self>, _: u64) -> BoxFuture<'static, Result<Body, BodyError>> {
        Box::pin(futures::future::ready(Ok(Body::host(*self))))
    }

    fn gather(self: Box<Self>, _: u64, _: u64) -> BoxFuture<'static, Result<Body, BodyError>> {
        Box::pin(futures::future::ready(Ok(Body::host(*self))))
    }

    fn slice(self: Box<Self>, first: u64, length: u64) -> Body {
        let place = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
        Self::body(self.bytes.subarray(place(first), place(first.saturating_add(length))), self.coding)
    }

    fn applied_codings(&self) -> &'static [&'static str] {
        self.coding.applied()
    }

    #[cfg(any(feature = "tower", feature = "verify", feature = "data"))]
    fn poll_frame(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let first = !std::mem::replace(&mut self.read, true);
        Poll::Ready(first.then(|| Ok(Frame::data(self.bytes.to_vec().into()))))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// A `ReadableStream`. Dropped unread it is cancelled, so that nothing waits for a reader that never comes.
pub(super) struct JsStream {
    source: Option<SendWrapper<Source>>,
    length: Option<u64>,
    /// The runtime sees to it that the stream fails when it is not of its length.
    enforced: bool,
    coding: Coding,
    #[cfg(any(feature = "tower", feature = "verify", feature = "data"))]
    reading: Option<Reading>,
}

enum Source {
    Stream(ReadableStream),
    /// Still the body of a response that could go out as it is.
    Response(web_sys::Response),
}

#[cfg(any(feature = "tower", feature = "verify", feature = "data"))]
struct Reading {
    reader: SendWrapper<ReadableStreamDefaultReader>,
    next: SendWrapper<JsFuture>,
}

impl AsRef<JsValue> for Source {
    fn as_ref(&self) -> &JsValue {
        match self {
            Self::Stream(stream) => stream.as_ref(),
            Self::Response(response) => response.as_ref(),
        }
    }
}

impl JsStream {
    /// A stream nobody vouches for.
    pub(super) fn body(stream: ReadableStream, coding: Coding) -> Body {
        Self::with(Source::Stream(stream), None, false, coding)
    }

    /// A stream that the runtime delivers whole, `length` bytes when it is known, or lets fail.
    pub(super) fn enforced(stream: ReadableStream, length: Option<u64>) -> Body {
        Self::with(Source::Stream(stream), length, true, Coding::Applied)
    }

    /// The body of a response made by the runtime, which delivers it whole or lets it fail.
    pub(super) fn of_response(response: web_sys::Response, length: Option<u64>) -> Body {
        Self::with(Source::Response(response), length, true, Coding::Applied)
    }

    fn with(source: Source, length: Option<u64>, enforced: bool, coding: Coding) -> Body {
        Body::host(Self {
            source: Some(SendWrapper(source)),
            length,
            enforced,
            coding,
            #[cfg(any(feature = "tower", feature = "verify", feature = "data"))]
            reading: None,
        })
    }

    pub(super) fn coding(&self) -> Coding {
        self.coding
    }

    /// The stream itself, which is then the caller's to read or cancel.
    pub(super) fn take(&mut self) -> Option<ReadableStream> {
        match self.source.take()?.0 {
            Source::Stream(stream) => Some(stream),
            Source::Response(response) => response.body(),
        }
    }

    /// The response this is the body of, when these are its header fields.
    pub(super) fn take_response(&mut self, headers: &web_sys::Headers) -> Option<web_sys::Response> {
        match self.source.take()?.0 {
            Source::Response(response) if js::are_of(headers, &response) => Some(response),
            source => {
                self.source = Some(SendWrapper(source));
                None
            }
        }
    }
}

/// A body for the steps into JavaScript: nothing, a buffer or a stream, its length or -1, and whether the runtime sees to
/// it that it is of that length.
pub(super) fn for_store(body: Body, head_length: Option<u64>) -> (JsValue, f64, bool) {
    let length = |length: Option<u64>| length.map_or(-1.0, number);
    match body.into_host::<JsBuffer>() {
        Ok(buffer) => (buffer.bytes.0.into(), length(head_length), true),
        Err(body) => match body.into_host::<JsStream>() {
            Ok(mut stream) => {
                let enforced = stream.enforced;
                (stream.take().map_or(JsValue::UNDEFINED, Into::into), length(head_length), enforced)
            }
            Err(_) => (JsValue::UNDEFINED, 0.0, true),
        },
    }
}

/// A number for JavaScript.
#[allow(clippy::cast_precision_loss, reason = "bytes and seconds, far below 2^53")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

impl Drop for JsStream {
    fn drop(&mut self) {
        if let Some(SendWrapper(source)) = self.source.take() {
            js::cancel(source.as_ref());
        }
    }
}

/// Reads a stream, or the body of a response, whole into a buffer on the JavaScript side.
pub(super) async fn read_whole(source: &JsValue, limit: u64) -> Result<Uint8Array, BodyError> {
    let bytes = js::wait(js::bytes_of(source)).await.map_err(|error| BodyError::Failed(js::message(&error)))?;
    let bytes: Uint8Array = bytes.unchecked_into();
    if u64::from(bytes.length()) > limit {
        return Err(BodyError::TooLarge { limit });
    }
    Ok(bytes)
}

/// Reads `stream` into a buffer if it ends within so many bytes; a longer one goes on as a stream.
async fn gather(stream: &ReadableStream, within: u64, most: u64, coding: Coding) -> Result<Body, BodyError> {
    let step = js::gather(stream, number(within), number(most));
    let gathered = js::wait(step).await.map_err(|error| BodyError::Failed(js::message(&error)))?;
    Ok(match gathered.dyn_into::<Uint8Array>() {
        Ok(bytes) => JsBuffer::body(bytes, coding),
        Err(stream) => JsStream::body(stream.unchecked_into(), coding),
    })
}

impl HostBody for JsStream {
    fn len(&self) -> Option<u64> {
        self.length
    }

    fn try_clone(&self) -> Option<Body> {
        None
    }

    fn tee(mut self: Box<Self>, _: u64) -> Result<(Body, Body), Body> {
        let Some(stream) = self.take() else { return Err(Body::empty()) };
        let with = |stream| Self::with(Source::Stream(stream), self.length, self.enforced, self.coding);
        if stream.locked() {
            return Err(with(stream));
        }
        let pair: js_sys::Array = stream.tee().unchecked_into();
        let branch = |i| with(pair.get(i).unchecked_into());
        Ok((branch(0), branch(1)))
    }

    fn buffer(mut self: Box<Self>, limit: u64) -> BoxFuture<'static, Result<Body, BodyError>> {
        let (length, coding) = (self.length, self.coding);
        if length.is_some_and(|length| length > limit) {
            return Box::pin(futures::future::ready(Err(BodyError::TooLarge { limit })));
        }
        let whole = self.source.take_if(|_| length.is_some());
        let taken = self.take().map(SendWrapper);
        Box::pin(SendFuture::new(async move {
            match (whole, taken) {
                (Some(SendWrapper(source)), _) => Ok(JsBuffer::body(read_whole(source.as_ref(), limit).await?, coding)),
                (None, Some(SendWrapper(stream))) => gather(&stream, limit, limit, coding).await,
                (None, None) => Ok(Body::empty()),
            }
        }))
    }

    fn gather(mut self: Box<Self>, within: u64, most: u64) -> BoxFuture<'static, Result<Body, BodyError>> {
        let taken = self.take().map(SendWrapper);
        let coding = self.coding;
        Box::pin(SendFuture::new(async move {
            let Some(SendWrapper(stream)) = taken else { return Ok(Body::empty()) };
            gather(&stream, within, most, coding).await
        }))
    }

    fn slice(mut self: Box<Self>, first: u64, length: u64) -> Body {
        let of = self.length.filter(|length| *length <= SMALL_BODY).map_or(f64::INFINITY, number);
        let sliced = self.take().map(|stream| js::slice(&stream, number(first), number(length), of));
        match sliced {
            Some(Ok(stream)) => Self::with(Source::Stream(stream), Some(length), true, self.coding),
            _ => Body::empty(),
        }
    }

    fn applied_codings(&self) -> &'static [&'static str] {
        self.coding.applied()
    }

    #[cfg(any(feature = "tower", feature = "verify", feature = "data"))]
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let failed = |error: &JsValue| Poll::Ready(Some(Err(BodyError::Failed(js::message(error)))));
        if let Some(stream) = self.take() {
            match ReadableStreamDefaultReader::new(&stream) {
                Ok(reader) => {
                    let next = SendWrapper(JsFuture::from(reader.read()));
                    self.reading = Some(Reading { reader: SendWrapper(reader), next });
                }
                Err(error) => return failed(&error),
            }
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let chunk = match ready!(reading.next.0.poll_unpin(cx)) {
            Ok(chunk) => chunk,
            Err(error) => {
                self.reading = None;
                return failed(&error);
            }
        };
        if js::get(&chunk, "done").is_truthy() {
            self.reading = None;
            return Poll::Ready(None);
        }
        reading.next = SendWrapper(JsFuture::from(reading.reader.read()));
        let bytes = Uint8Array::new(&js::get(&chunk, "value")).to_vec();
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}
