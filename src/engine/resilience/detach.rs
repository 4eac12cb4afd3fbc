//! Work that is seen through when whoever waits for it goes away: the client disconnects, or has waited long enough.

use crate::runtime::Runtime;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// Work that others depend on. It ends with `None` when the host dropped it half done.
pub(super) struct Detached<T: Send + 'static> {
    work: Work<T>,
    runtime: Arc<dyn Runtime>,
    /// Set when nobody waits for it any more.
    left: Arc<AtomicBool>,
}

enum Work<T> {
    /// It is done by whoever waits for it, and spawned when he goes.
    Here(Option<BoxFuture<'static, T>>),
    /// It is done behind the response from the start, where the host forgets requests without a word.
    Spawned(oneshot::Receiver<T>),
}

impl<T: Send + 'static> Detached<T> {
    pub(super) fn begin(
        runtime: &Arc<dyn Runtime>,
        left: Arc<AtomicBool>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let work = if runtime.forgets_requests() {
            let (sender, receiver) = oneshot::channel();
            runtime.spawn(Box::pin(async move {
                let _ = sender.send(work.await);
            }));
            Work::Spawned(receiver)
        } else {
            Work::Here(Some(Box::pin(work)))
        };
        Self { work, runtime: Arc::clone(runtime), left }
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match &mut self.work {
            Work::Spawned(receiver) => Pin::new(receiver).poll(cx).map(Result::ok),
            Work::Here(place) => {
                // Out of its place meanwhile: one that panics is not to be gone on with.
                let Some(mut work) = place.take() else { return Poll::Ready(None) };
                let done = work.as_mut().poll(cx).map(Some);
                if done.is_pending() {
                    *place = Some(work);
                }
                done
            }
        }
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        self.left.store(true, Ordering::Relaxed);
        if let Work::Here(Some(work)) = std::mem::replace(&mut self.work, Work::Here(None)) {
            self.runtime.spawn(Box::pin(async move { drop(work.await) }));
        }
    }
}
