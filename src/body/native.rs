//! Native bodies: streams that are read once, recorded on their way, or cut.

use super::{Body, BodyError, BoxStream, HostBody};
use bytes::{Bytes, BytesMut};
use futures::channel::oneshot;
use futures::future::BoxFuture;
use http_body::{Body as _, Frame, SizeHint};
use std::any::Any;
use std::fmt;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A native body: any `http_body::Body`.
pub(super) struct NativeStream(pub(super) BoxStream, pub(super) Option<u64>);

impl HostBody for NativeStream {
    fn len(&self) -> Option<u64> {
        if self.0.is_end_stream() { Some(0) } else { self.0.size_hint().exact() }
    }

    fn try_clone(&self) -> Option<Body> {
        None
    }

    fn tee(self: Box<Self>, limit: u64) -> Result<(Body, Body), Body> {
        let (sender, receiver) = oneshot::channel();
        let recording =
            Recording { stream: self.0, limit, taken: BytesMut::new(), sender: Some(sender), length: self.1 };
        Ok((Body::native(recording), Body::native(Recorded(Some(receiver)))))
    }

    fn buffer(self: Box<Self>, limit: u64) -> BoxFuture<'static, Result<Body, BodyError>> {
        Box::pin(async move { Body::host(*self).into_bytes(limit).await.map(Body::from) })
    }

    fn gather(mut self: Box<Self>, within: u64, most: u64) -> BoxFuture<'static, Result<Body, BodyError>> {
        Box::pin(async move {
            let mut taken = BytesMut::new();
            while let Some(frame) = poll_fn(|cx| self.0.as_mut().poll_frame(cx)).await {
                let Ok(data) = frame?.into_data() else { continue };
                taken.extend_from_slice(&data);
                if taken.len() as u64 > within {
                    let left = most.saturating_sub(taken.len() as u64);
                    return Ok(Body::native(Continued { first: Some(taken.freeze()), rest: self.0, most, left }));
                }
            }
            Ok(Body::from(taken.freeze()))
        })
    }

    fn slice(self: Box<Self>, first: u64, length: u64) -> Body {
        Body::native(Sliced { stream: self.0, skip: first, left: length })
    }

    fn stops_short(&self) -> bool {
        true
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.as_mut().poll_frame(cx)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// Turns the foreign error of a body into ours.
pub(super) struct Displayed<B>(pub(super) Pin<Box<B>>);

impl<B> http_body::Body for Displayed<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: fmt::Display,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.0.as_mut().poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::Failed(error.to_string()))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// The client's half of a native tee: passes every frame on and hands the whole over at the end. Dropped early, failed
/// or grown too large, it hands over nothing.
struct Recording {
    stream: BoxStream,
    limit: u64,
    taken: BytesMut,
    sender: Option<oneshot::Sender<Bytes>>,
    length: Option<u64>,
}

impl Recording {
    fn record(&mut self, frame: Option<&Result<Frame<Bytes>, BodyError>>) {
        match frame {
            None => self.finish(),
            Some(Err(_)) => self.sender = None,
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else { return };
                if (self.taken.len() + data.len()) as u64 > self.limit {
                    self.sender = None;
                    self.taken = BytesMut::new();
                } else if self.sender.is_some() {
                    self.taken.extend_from_slice(data);
                    // A client may stop polling once it has the last frame.
                    if self.stream.is_end_stream() || self.length == Some(self.taken.len() as u64) {
                        self.finish();
                    }
                }
            }
        }
    }

    fn finish(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(std::mem::take(&mut self.taken).freeze());
        }
    }
}

impl http_body::Body for Recording {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.stream.as_mut().poll_frame(cx));
        self.record(frame.as_ref());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.size_hint()
    }
}

/// The copy's half of a native tee: one frame, once the client's half has seen the end.
struct Recorded(Option<oneshot::Receiver<Bytes>>);

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(receiver) = &mut self.0 else { return Poll::Ready(None) };
        let whole = ready!(Pin::new(receiver).poll(cx));
        self.0 = None;
        Poll::Ready(Some(match whole {
            Ok(bytes) => Ok(Frame::data(bytes)),
            Err(_) => Err(BodyError::Incomplete),
        }))
    }
}

/// A stream whose beginning has been read already.
struct Continued {
    first: Option<Bytes>,
    rest: BoxStream,
    most: u64,
    left: u64,
}

impl http_body::Body for Continued {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match self.first.take() {
            Some(first) => return Poll::Ready(Some(Ok(Frame::data(first)))),
            None => ready!(self.rest.as_mut().poll_frame(cx)),
        };
        let length =
            frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, |data| data.len() as u64);
        Poll::Ready(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                frame
            }
            None => Some(Err(BodyError::TooLarge { limit: self.most })),
        })
    }
}

/// A part of a stream, which is read no further than its end.
struct Sliced {
    stream: BoxStream,
    skip: u64,
    left: u64,
}

impl http_body::Body for Sliced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        while self.left > 0 {
            let mut data = match ready!(self.stream.as_mut().poll_frame(cx)) {
                None => return Poll::Ready(Some(Err(BodyError::Incomplete))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            let length = data.len() as u64;
            let skipped = self.skip.min(length);
            self.skip -= skipped;
            let wanted = self.left.min(length - skipped);
            if wanted > 0 {
                self.left -= wanted;
                // Both are at most the length of this chunk.
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
                let part = data.split_off(place(skipped)).split_to(place(wanted));
                return Poll::Ready(Some(Ok(Frame::data(part))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
