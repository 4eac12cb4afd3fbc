//! Floor 2. What the host lends: a clock, timers, a place for work behind the response, and a log.

use crate::body::Body;
use crate::semantics::freshness::Timestamp;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The host's powers. Implementations: `worker::WorkerRuntime` on Workers, `TokioRuntime` natively (feature `tokio`),
/// `sim::SimRuntime` in tests (feature `sim`).
pub trait Runtime: Send + Sync {
    /// The time now. On Workers it stands still between I/O.
    fn now(&self) -> Timestamp;
    /// Runs `task` behind the response; on Workers within `waitUntil`, where it has 30 s.
    fn spawn(&self, task: BoxFuture<'static, ()>);
    /// Ends after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
    /// Writes one line to the host's log.
    fn log(&self, line: &str);
    /// A number of 32 bits, each value as likely as any other. It spreads work in time and guards no secret.
    fn random(&self) -> u32;
    /// A way for another request to wake this one. Default: a channel in memory; `None` for a host where nothing of one
    /// request may wake another, which looks again after a while by its own timer. With the feature `resilience`.
    #[cfg(any(feature = "resilience", feature = "sim"))]
    fn signal(&self) -> Option<Signal> {
        use futures::{FutureExt as _, channel::oneshot};
        let (sender, receiver) = oneshot::channel::<()>();
        // Dropped, a sender wakes its receiver just as well.
        let raise = Box::new(move || drop(sender));
        Some(Signal { raise, raised: receiver.map(drop).boxed() })
    }
    /// Whether the host forgets a request whose client left without dropping its futures: work that others wait for
    /// is then [spawned](Self::spawn) from the start. With the feature `resilience`. Default: no, the futures are dropped.
    #[cfg(any(feature = "resilience", feature = "sim"))]
    fn forgets_requests(&self) -> bool {
        false
    }
    /// One buffer of the bytes of two buffers of the host's kind. Default: `None`, for a host that does not join any; parts
    /// (206) are then stored as they came, and not combined.
    fn append(&self, _first: Body, _next: Body) -> Option<Body> {
        None
    }
    /// A body of the host's kind that several tiers can share. Default: the bytes as they are, in Rust memory; on Workers one copy
    /// into a JavaScript buffer.
    fn adopt(&self, bytes: Bytes) -> Body {
        bytes.into()
    }
    /// The body as gzip (RFC 1952); it may be a stream, of unknown length. What fails on the way fails the stream. Default: the
    /// host cannot.
    ///
    /// # Errors
    ///
    /// The body itself, when the host cannot compress it.
    fn compress(&self, body: Body) -> Result<Body, Body> {
        Err(body)
    }
    /// What the body was before [`compress`](Self::compress); it may be a stream, of unknown length, and is decompressed little
    /// further than it is read. The stream fails when the body is not one whole member of gzip and nothing else. Default: the host
    /// cannot.
    ///
    /// # Errors
    ///
    /// The body itself, when the host cannot decompress it.
    fn decompress(&self, body: Body) -> Result<Body, Body> {
        Err(body)
    }
}

/// What wakes a request from within another one. With the feature `resilience`.
#[cfg(any(feature = "resilience", feature = "sim"))]
pub struct Signal {
    /// Called by the other request. Plain data: it may be kept and called anywhere, or dropped.
    pub raise: Box<dyn FnOnce() + Send>,
    /// Ends when `raise` was called, for the request that made the signal; it may never end when `raise` was dropped.
    pub raised: BoxFuture<'static, ()>,
}

#[cfg(any(feature = "resilience", feature = "sim"))]
impl std::fmt::Debug for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signal")
    }
}

/// The outcome of `work`, or `None` when it takes longer than `limit`; without a limit no timer is made.
pub(crate) fn within<F: Future + Unpin>(runtime: &dyn Runtime, limit: Option<Duration>, work: F) -> Within<F> {
    Within { work, timer: limit.map(|limit| runtime.sleep(limit)) }
}

/// Work and the timer that it has to be done before. Smaller than an `async fn` around `select`, and there are many kinds of work.
pub(crate) struct Within<F> {
    work: F,
    timer: Option<BoxFuture<'static, ()>>,
}

impl<F: Future + Unpin> Future for Within<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(done) = Pin::new(&mut self.work).poll(cx) {
            return Poll::Ready(Some(done));
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    }
}

#[cfg(feature = "tokio")]
mod tokio_runtime {
    use super::{Body, BoxFuture, Duration, Runtime, Timestamp};
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};

    /// The host of a native Tower service: the system's clock, Tokio's timers and tasks. Needs a running Tokio
    /// runtime when a request is handled; logs to standard error.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct TokioRuntime;

    impl Runtime for TokioRuntime {
        #[allow(clippy::disallowed_methods, reason = "the one place where the system's clock is read, never on wasm32")]
        fn now(&self) -> Timestamp {
            let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        }

        fn spawn(&self, task: BoxFuture<'static, ()>) {
            // A response that is dropped while the runtime goes down has nobody to go on with its work.
            if let Ok(handle) = tokio::runtime::Handle::try_current() {
                handle.spawn(task);
            }
        }

        fn random(&self) -> u32 {
            let seed = RandomState::new().build_hasher().finish();
            // Its upper half.
            u32::try_from(seed >> 32).unwrap_or_default()
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::time::sleep(duration))
        }

        fn log(&self, line: &str) {
            eprintln!("{line}");
        }

        fn append(&self, first: Body, next: Body) -> Option<Body> {
            first.append(next)
        }

        #[cfg(feature = "gzip")]
        fn compress(&self, body: Body) -> Result<Body, Body> {
            body.gzip()
        }

        #[cfg(feature = "gzip")]
        fn decompress(&self, body: Body) -> Result<Body, Body> {
            body.gunzip()
        }
    }
}

#[cfg(feature = "tokio")]
pub use tokio_runtime::TokioRuntime;
