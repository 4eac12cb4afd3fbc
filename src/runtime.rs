//! Floor 2. What the host lends: a clock, timers, a place for work behind the response, and a log.

use crate::body::Body;
use crate::semantics::freshness::Timestamp;
use futures::future::{BoxFuture, Either, select};
use std::future::Future;
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
    /// One buffer of the bytes of two buffers of the host's kind. Default: `None`, for a host that does not join any; parts
    /// (206) are then stored as they came, and not combined.
    fn append(&self, _first: Body, _next: Body) -> Option<Body> {
        None
    }
}

/// The outcome of `work`, or `None` when it takes longer than `limit`; without a limit no timer is made.
pub(crate) async fn within<F: Future + Unpin>(
    runtime: &dyn Runtime,
    limit: Option<Duration>,
    work: F,
) -> Option<F::Output> {
    let Some(limit) = limit else { return Some(work.await) };
    match select(work, runtime.sleep(limit)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

#[cfg(feature = "tokio")]
mod tokio_runtime {
    use super::{Body, BoxFuture, Duration, Runtime, Timestamp};

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
            tokio::spawn(task);
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
    }
}

#[cfg(feature = "tokio")]
pub use tokio_runtime::TokioRuntime;
