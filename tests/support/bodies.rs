use bytes::Bytes;
use futures::channel::mpsc;
use futures::future::BoxFuture;
use futures::stream::Stream;
use http_body::{Frame, SizeHint};
use layercake::Body;
use layercake::body::{BodyError, HostBody};
use std::any::Any;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

type Chunk = Result<Bytes, &'static str>;

/// A stream of these chunks, its length not known beforehand.
pub fn scripted(chunks: impl IntoIterator<Item = Chunk>) -> Body {
    Body::stream(Scripted(chunks.into_iter().collect()))
}

struct Scripted(VecDeque<Chunk>);

impl http_body::Body for Scripted {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| chunk.map(Frame::data)))
    }
}

/// The sender of a body that comes in its own time; dropped, the body ends.
pub struct Gate(pub mpsc::UnboundedSender<Chunk>);

impl Gate {
    pub fn new() -> (Self, Body) {
        let (sender, receiver) = mpsc::unbounded();
        (Self(sender), Body::stream(Gated(receiver)))
    }

    pub fn send(&self, text: &'static str) {
        self.0.unbounded_send(Ok(Bytes::from_static(text.as_bytes()))).expect("somebody reads");
    }

    pub fn tear(&self) {
        self.0.unbounded_send(Err("torn")).expect("somebody reads");
    }
}

struct Gated(mpsc::UnboundedReceiver<Chunk>);

impl http_body::Body for Gated {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Pin::new(&mut self.0).poll_next(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// A host's body that nobody in Rust may look into.
pub struct Opaque {
    pub label: &'static str,
    pub length: Option<u64>,
    /// A buffer can be shared; a stream can be teed once, and buffered on the host's side.
    pub buffer: bool,
}

impl Opaque {
    pub fn buffer(label: &'static str, length: u64) -> Body {
        Body::host(Self { label, length: Some(length), buffer: true })
    }

    pub fn stream(label: &'static str, length: Option<u64>) -> Body {
        Body::host(Self { label, length, buffer: false })
    }

    /// The label of a body that has come through untouched.
    pub fn label(body: Body) -> &'static str {
        body.into_host::<Self>().map(|body| body.label).expect("the host's own body")
    }

    fn copy(&self) -> Body {
        Body::host(Self { ..*self })
    }
}

impl HostBody for Opaque {
    fn len(&self) -> Option<u64> {
        self.length
    }

    fn try_clone(&self) -> Option<Body> {
        self.buffer.then(|| self.copy())
    }

    fn tee(self: Box<Self>, _: u64) -> Result<(Body, Body), Body> {
        Ok((self.copy(), self.copy()))
    }

    fn buffer(self: Box<Self>, limit: u64) -> BoxFuture<'static, Result<Body, BodyError>> {
        Box::pin(async move {
            match self.length {
                Some(length) if length > limit => Err(BodyError::TooLarge { limit }),
                length => Ok(Self::buffer(self.label, length.unwrap_or(100))),
            }
        })
    }

    fn gather(self: Box<Self>, within: u64, most: u64) -> BoxFuture<'static, Result<Body, BodyError>> {
        match self.length {
            Some(length) if length > within => Box::pin(std::future::ready(Ok(Body::host(*self)))),
            _ => self.buffer(within.min(most)),
        }
    }

    fn slice(self: Box<Self>, _: u64, length: u64) -> Body {
        Body::host(Self { length: Some(length), ..*self })
    }

    fn poll_frame(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        panic!("somebody read the host's body {:?}", self.label)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}
