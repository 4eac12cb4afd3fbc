//! Bodies that stay in JavaScript: a buffer that answers can share, or a stream that belongs to its request.

use super::js;
use crate::body::{Body, BodyError, HostBody};
use futures::future::BoxFuture;
use js_sys::futures::JsFuture;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use std::any::Any;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::ReadableStream;
use worker::send::{SendFuture, SendWrapper};
#[cfg(feature = "tower")]
use {
    bytes::Bytes,
    futures::future::FutureExt as _,
    http_body::Frame,
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
    #[cfg(feature = "tower")]
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
            #[cfg(feature = "tower")]
            read: false,
        })
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

    fn applied_codings(&self) -> &'static [&'static str] {
        self.coding.applied()
    }

    #[cfg(feature = "tower")]
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
    #[cfg(feature = "tower")]
    reading: Option<Reading>,
}

enum Source {
    Stream(ReadableStream),
    /// Still the body of a response that could go out as it is.
    Response(web_sys::Response),
}

#[cfg(feature = "tower")]
struct Reading {
    reader: SendWrapper<ReadableStreamDefaultReader>,
    next: SendWrapper<JsFuture>,
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
            #[cfg(feature = "tower")]
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
            Source::Response(response) if js_sys::Object::is(&response.headers(), headers) => Some(response),
            source => {
                self.source = Some(SendWrapper(source));
                None
            }
        }
    }

    /// The stream for a store, made to fail when it does not deliver the `announced` length. Streams of the runtime
    /// itself cannot be chained so; see [`is_internal`].
    pub(super) fn take_checked(&mut self, announced: Option<u64>) -> Option<Result<ReadableStream, JsValue>> {
        let stream = self.take()?;
        Some(match announced {
            Some(length) if !self.enforced && !is_internal(&stream) => checked(&stream, length),
            _ => Ok(stream),
        })
    }
}

impl Drop for JsStream {
    fn drop(&mut self) {
        if let Some(stream) = self.take() {
            let cancelled = stream.cancel();
            // A locked or failed stream rejects; nobody is left to care.
            js_sys::futures::spawn_local(async move {
                let _ = JsFuture::from(cancelled).await;
            });
        }
    }
}

/// Reads `stream` whole into a buffer on the JavaScript side.
pub(super) async fn read_whole(stream: &ReadableStream, limit: u64) -> Result<Uint8Array, BodyError> {
    let failed = |error: JsValue| BodyError::Failed(js::message(&error));
    let response = web_sys::Response::new_with_opt_readable_stream(Some(stream)).map_err(failed)?;
    let buffer = JsFuture::from(response.array_buffer().map_err(failed)?).await.map_err(failed)?;
    let bytes = Uint8Array::new(&buffer.unchecked_into::<ArrayBuffer>());
    if u64::from(bytes.length()) > limit {
        return Err(BodyError::TooLarge { limit });
    }
    Ok(bytes)
}

/// Whether the stream is one of the runtime's own (a fetched body, an identity transform) rather than one fed by code.
/// The runtime's own fail by themselves when they break off, and it cannot pipe one transform into another. They are byte
/// streams; those fed by Rust are not.
fn is_internal(stream: &ReadableStream) -> bool {
    let options = js::object();
    js::set(&options, "mode", &JsValue::from_str("byob"));
    let Ok(get_reader) = js::get(stream, "getReader").dyn_into::<js_sys::Function>() else { return false };
    let Ok(reader) = get_reader.call1(stream, &options) else { return false };
    if let Ok(release) = js::get(&reader, "releaseLock").dyn_into::<js_sys::Function>() {
        let _ = release.call0(&reader);
    }
    true
}

/// `stream` behind a `FixedLengthStream`: one that delivers another number of bytes fails instead of ending.
pub(super) fn checked(stream: &ReadableStream, length: u64) -> Result<ReadableStream, JsValue> {
    let constructor = js::get(&js_sys::global(), "FixedLengthStream").dyn_into::<js_sys::Function>()?;
    #[allow(clippy::cast_precision_loss, reason = "no body comes near 2^53 bytes")]
    let pair = js_sys::Reflect::construct(&constructor, &Array::of1(&JsValue::from_f64(length as f64)))?;
    let pipe = js::get(stream, "pipeThrough").dyn_into::<js_sys::Function>()?;
    Ok(pipe.call1(stream, &pair)?.unchecked_into())
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
        let pair: Array = stream.tee().unchecked_into();
        let branch = |i| with(pair.get(i).unchecked_into());
        Ok((branch(0), branch(1)))
    }

    fn buffer(mut self: Box<Self>, limit: u64) -> BoxFuture<'static, Result<Body, BodyError>> {
        let taken = self.take().map(SendWrapper);
        let (length, coding) = (self.length, self.coding);
        Box::pin(SendFuture::new(async move {
            let Some(SendWrapper(stream)) = taken else { return Ok(Body::empty()) };
            if length.is_some_and(|length| length > limit) {
                return Err(BodyError::TooLarge { limit });
            }
            Ok(JsBuffer::body(read_whole(&stream, limit).await?, coding))
        }))
    }

    fn applied_codings(&self) -> &'static [&'static str] {
        self.coding.applied()
    }

    #[cfg(feature = "tower")]
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
