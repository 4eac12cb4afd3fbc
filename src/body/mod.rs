//! Floor 1. The one body type: nothing, bytes, a native stream, or something the host keeps.
//!
//! The engine never looks into a body. It asks its length, shares it, tees it or drops it; on Workers the bytes
//! therefore stay in JavaScript from tier to client.

#[cfg(feature = "gzip")]
mod gzip;
mod native;

use crate::semantics::Fields;
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http_body::{Body as _, Frame, SizeHint};
use native::{Displayed, NativeStream};
use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What went wrong with a body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The stream ended before its end: the sender failed or the reader went away.
    #[error("the body broke off before its end")]
    Incomplete,
    /// More bytes came than the reader takes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The reader's limit in bytes.
        limit: u64,
    },
    /// The stream failed.
    #[error("the body failed: {0}")]
    Failed(String),
}

/// A body that lives in the host: on Workers a JavaScript buffer or stream.
pub trait HostBody: Any + Send {
    /// Its length in bytes, when known.
    fn len(&self) -> Option<u64>;

    /// Whether it is known to be empty.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// A second handle to the same bytes; `None` for a stream, which can be read once.
    fn try_clone(&self) -> Option<Body>;

    /// Two bodies that both deliver what this one would: first the client's, then the copy to store, which may give up
    /// above `limit` bytes.
    ///
    /// # Errors
    ///
    /// The body itself, when its stream cannot be teed.
    fn tee(self: Box<Self>, limit: u64) -> Result<(Body, Body), Body>;

    /// Reads it whole into a buffer that [`try_clone`](Self::try_clone) can share, still on the host's side.
    fn buffer(self: Box<Self>, limit: u64) -> BoxFuture<'static, Result<Body, BodyError>>;

    /// Reads a stream whole into a buffer if it ends `within` so many bytes; a longer one comes back as a stream of all its bytes,
    /// which fails above `most`.
    fn gather(self: Box<Self>, within: u64, most: u64) -> BoxFuture<'static, Result<Body, BodyError>>;

    /// `length` bytes of it from the place `first` on; what lies behind them is not read. The engine asks for what lies
    /// within.
    fn slice(self: Box<Self>, first: u64, length: u64) -> Body;

    /// Whether a reader of a tee's first half that stops before the end keeps the second from ending. Default: no.
    fn stops_short(&self) -> bool {
        false
    }

    /// The content codings (lower case) that the host applies on the way out when `Content-Encoding` names them: the bytes
    /// read here are then without. Default: none.
    fn applied_codings(&self) -> &'static [&'static str] {
        &[]
    }

    /// The next frame, copied into Rust memory: the way out for callers that know no host. Default: an error, for a host
    /// whose own door is the only way out.
    fn poll_frame(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(Some(Err(BodyError::Incomplete)))
    }

    /// For the host's own door, to take back what it put in.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

type BoxStream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>;

/// A response body.
#[derive(Default)]
pub struct Body(Inner);

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Bytes(Bytes),
    Host(Box<dyn HostBody>),
}

impl Body {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// A body the host keeps.
    #[must_use]
    pub fn host(body: impl HostBody) -> Self {
        Self(Inner::Host(Box::new(body)))
    }

    /// A body that has broken off.
    #[cfg(feature = "data")]
    pub(crate) fn broken() -> Self {
        struct Broken;
        impl http_body::Body for Broken {
            type Data = Bytes;
            type Error = BodyError;

            fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
                Poll::Ready(Some(Err(BodyError::Incomplete)))
            }
        }
        Self::stream(Broken)
    }

    /// Any `http_body::Body`.
    pub fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self::native(Displayed(Box::pin(body)))
    }

    fn native(body: impl http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self::host(NativeStream(Box::pin(body), None))
    }

    /// The same body; a native stream is told how long it will be, because a reader may stop there and never ask for the
    /// end of the stream.
    #[must_use]
    pub fn announced(mut self, length: Option<u64>) -> Self {
        if let Inner::Host(host) = &mut self.0
            && let Some(native) = (host.as_mut() as &mut dyn Any).downcast_mut::<NativeStream>()
        {
            native.1 = length;
        }
        self
    }

    /// The length in bytes, when known without reading.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        match &self.0 {
            Inner::Empty => Some(0),
            Inner::Bytes(bytes) => Some(bytes.len() as u64),
            Inner::Host(host) => host.len(),
        }
    }

    /// Whether the body is known to be empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Whether the bytes read here are without the content coding that `headers` name, because the host will apply it
    /// ([`HostBody::applied_codings`]).
    #[must_use]
    pub fn lacks_coding(&self, headers: &(impl Fields + ?Sized)) -> bool {
        let Inner::Host(host) = &self.0 else { return false };
        let codings = host.applied_codings();
        let named =
            |value: &[u8]| codings.iter().any(|coding| value.trim_ascii().eq_ignore_ascii_case(coding.as_bytes()));
        !codings.is_empty() && headers.field("content-encoding").is_some_and(|value| named(&value))
    }

    /// A second body of the same bytes, without copying them; `None` for a stream.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        match &self.0 {
            Inner::Empty => Some(Self::empty()),
            Inner::Bytes(bytes) => Some(Self(Inner::Bytes(bytes.clone()))),
            Inner::Host(host) => host.try_clone(),
        }
    }

    /// Two bodies that both deliver what this one would: first the client's, then the copy to store. The copy of a
    /// native stream is complete or an error, never cut short, and gives up above `limit` bytes.
    ///
    /// # Errors
    ///
    /// The body itself, when the host cannot tee its stream.
    pub fn tee(self, limit: u64) -> Result<(Self, Self), Self> {
        if let Some(copy) = self.try_clone() {
            return Ok((self, copy));
        }
        match self.0 {
            Inner::Host(host) => host.tee(limit),
            whole => Ok((Self(whole), Self::empty())),
        }
    }

    /// `length` bytes of it from the place `first` on, both within it.
    #[must_use]
    pub fn slice(self, first: u64, length: u64) -> Self {
        match self.0 {
            Inner::Empty => Self::empty(),
            Inner::Bytes(bytes) => {
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let (from, to) = (place(first), place(first.saturating_add(length)));
                bytes.slice(from..to).into()
            }
            Inner::Host(host) => host.slice(first, length),
        }
    }

    /// One buffer of the bytes of two buffers in Rust memory; `None` when either is something else.
    #[must_use]
    pub fn append(self, next: Self) -> Option<Self> {
        match (self.0, next.0) {
            (Inner::Empty, next) => Some(Self(next)),
            (first, Inner::Empty) => Some(Self(first)),
            (Inner::Bytes(first), Inner::Bytes(next)) => Some(Bytes::from([first, next].concat()).into()),
            _ => None,
        }
    }

    /// Whether a reader of a tee's first half that stops before the end keeps the second from ending.
    #[must_use]
    pub(crate) fn stops_short(&self) -> bool {
        matches!(&self.0, Inner::Host(host) if host.stops_short())
    }

    /// Reads the body whole, so that [`try_clone`](Self::try_clone) works. A host's body stays with the host.
    ///
    /// # Errors
    ///
    /// When the stream fails, breaks off, or is larger than `limit` bytes.
    pub async fn buffer(self, limit: u64) -> Result<Self, BodyError> {
        if self.len().is_some_and(|length| length > limit) {
            return Err(BodyError::TooLarge { limit });
        }
        match self.0 {
            Inner::Host(host) => host.buffer(limit).await,
            whole => Ok(Self(whole)),
        }
    }

    /// Reads a stream whole into a buffer if it ends `within` so many bytes; a longer one comes back as a stream of all its bytes,
    /// which fails above `most`.
    ///
    /// # Errors
    ///
    /// When the stream fails or breaks off within them.
    pub async fn gather(self, within: u64, most: u64) -> Result<Self, BodyError> {
        match self.0 {
            Inner::Host(host) => host.gather(within, most).await,
            whole => Ok(Self(whole)),
        }
    }

    /// The bytes, copied out of the host if need be.
    ///
    /// # Errors
    ///
    /// As [`buffer`](Self::buffer).
    pub async fn into_bytes(mut self, limit: u64) -> Result<Bytes, BodyError> {
        if let Inner::Bytes(bytes) = &mut self.0 {
            return Ok(std::mem::take(bytes));
        }
        let (mut only, mut taken) = (Bytes::new(), BytesMut::new());
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
            let Ok(data) = frame?.into_data() else { continue };
            if (only.len() + taken.len() + data.len()) as u64 > limit {
                return Err(BodyError::TooLarge { limit });
            }
            // A single frame is not copied.
            if only.is_empty() && taken.is_empty() {
                only = data;
                continue;
            }
            taken.extend_from_slice(&std::mem::take(&mut only));
            taken.extend_from_slice(&data);
        }
        Ok(if taken.is_empty() { only } else { taken.freeze() })
    }

    /// The host's own body back, or `self` when it is of another kind.
    ///
    /// # Errors
    ///
    /// The body itself, when it is not a `T`.
    pub fn into_host<T: HostBody>(self) -> Result<T, Self> {
        match self.0 {
            Inner::Host(host) if (host.as_ref() as &dyn Any).is::<T>() => match host.into_any().downcast::<T>() {
                Ok(body) => Ok(*body),
                Err(_) => Err(Self::empty()),
            },
            other => Err(Self(other)),
        }
    }

    /// The bytes, when they are in Rust memory already.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Inner::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Inner::Empty } else { Inner::Bytes(bytes) })
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Inner::Empty => "Empty",
            Inner::Bytes(_) => "Bytes",
            Inner::Host(_) => "Host",
        };
        write!(f, "Body::{kind}")
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Host(host) => host.poll_frame(cx),
            rest => Poll::Ready(match std::mem::take(rest) {
                Inner::Bytes(bytes) => Some(Ok(Frame::data(bytes))),
                _ => None,
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.len().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::collections::VecDeque;

    /// A native stream of scripted chunks; `None` stands for a failure.
    struct Script(VecDeque<Option<&'static str>>);

    impl http_body::Body for Script {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(self.0.pop_front().map(|chunk| match chunk {
                Some(text) => Ok(Frame::data(Bytes::from_static(text.as_bytes()))),
                None => Err("torn"),
            }))
        }
    }

    fn script(chunks: &[Option<&'static str>]) -> Body {
        Body::stream(Script(chunks.iter().copied().collect()))
    }

    fn read(body: Body) -> Result<Bytes, BodyError> {
        body.into_bytes(1000).now_or_never().expect("nothing to wait for")
    }

    #[test]
    fn a_teed_stream_is_whole_on_both_sides() {
        let (client, copy) = script(&[Some("ab"), Some("c")]).tee(10).unwrap();
        assert_eq!(read(client).unwrap(), "abc");
        assert_eq!(read(copy).unwrap(), "abc");
    }

    #[test]
    fn the_copy_of_a_broken_stream_is_an_error() {
        let (client, copy) = script(&[Some("ab"), None]).tee(10).unwrap();
        assert!(matches!(read(client), Err(BodyError::Failed(why)) if why == "torn"));
        assert!(matches!(read(copy), Err(BodyError::Incomplete)));
    }

    #[test]
    fn the_copy_is_an_error_when_the_client_goes_away() {
        let (client, copy) = script(&[Some("ab")]).tee(10).unwrap();
        drop(client);
        assert!(matches!(read(copy), Err(BodyError::Incomplete)));
    }

    #[test]
    fn a_copy_over_the_limit_is_given_up_and_the_client_is_served() {
        let (client, copy) = script(&[Some("ab"), Some("cd")]).tee(3).unwrap();
        assert_eq!(read(client).unwrap(), "abcd");
        assert!(matches!(read(copy), Err(BodyError::Incomplete)));
    }

    #[test]
    fn what_is_short_is_gathered_and_what_is_long_goes_on() {
        let short = script(&[Some("ab"), Some("c")]).gather(3, 6).now_or_never().unwrap().unwrap();
        assert_eq!(short.as_bytes().map(AsRef::as_ref), Some(&b"abc"[..]));
        let long = script(&[Some("ab"), Some("cd"), Some("ef")]).gather(3, 6).now_or_never().unwrap().unwrap();
        assert!(long.as_bytes().is_none());
        assert_eq!(read(long).unwrap(), "abcdef");
        let endless = script(&[Some("abcd"), Some("efg")]).gather(3, 6).now_or_never().unwrap().unwrap();
        assert!(matches!(read(endless), Err(BodyError::TooLarge { limit: 6 })));
        assert!(script(&[Some("ab"), None]).gather(3, 6).now_or_never().unwrap().is_err());
        let torn = script(&[Some("abcd"), None]).gather(3, 6).now_or_never().unwrap().unwrap();
        assert!(matches!(read(torn), Err(BodyError::Failed(_))));
    }

    #[test]
    fn slices() {
        for (first, length, expected) in [(0, 5, "abcde"), (0, 1, "a"), (1, 3, "bcd"), (4, 1, "e"), (2, 0, "")] {
            assert_eq!(read(Body::from("abcde").slice(first, length)).unwrap(), expected);
            let stream = script(&[Some("ab"), Some(""), Some("cde")]);
            assert_eq!(read(stream.slice(first, length)).unwrap(), expected, "{first} {length}");
        }
        assert!(matches!(read(script(&[Some("ab")]).slice(1, 3)), Err(BodyError::Incomplete)));
        assert!(matches!(read(script(&[Some("ab"), None]).slice(1, 3)), Err(BodyError::Failed(_))));
    }

    #[test]
    fn buffers_are_appended() {
        let joined = Body::from("ab").append(Body::from("cd")).unwrap().append(Body::empty()).unwrap();
        assert_eq!(read(joined).unwrap(), "abcd");
        assert_eq!(read(Body::empty().append(Body::from("x")).unwrap()).unwrap(), "x");
        assert!(script(&[Some("ab")]).append(Body::from("x")).is_none());
    }

    #[test]
    fn buffers_are_shared_and_streams_are_not() {
        let bytes = Body::from("abc");
        assert_eq!(read(bytes.try_clone().unwrap()).unwrap(), "abc");
        assert!(script(&[Some("ab")]).try_clone().is_none());
        let buffered = script(&[Some("ab")]).buffer(5).now_or_never().unwrap().unwrap();
        assert_eq!(buffered.len(), Some(2));
        assert!(matches!(
            script(&[Some("ab")]).buffer(1).now_or_never().unwrap(),
            Err(BodyError::TooLarge { limit: 1 })
        ));
    }
}
