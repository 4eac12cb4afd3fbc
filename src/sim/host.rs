use super::core::{Core, lock};
use super::runtime::Owner;
use crate::body::Body;
use crate::runtime::{Runtime, Signal};
use crate::semantics::freshness::Timestamp;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::{BoxFuture, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

/// What kind of host the isolates run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hosting {
    /// How long the work behind a response may take, counted from the response's end; it is then cut off without a word.
    /// `None`: as long as it likes.
    pub wait_until: Option<Duration>,
    /// A request whose client went away is forgotten; otherwise its futures are dropped.
    pub forgets_requests: bool,
    /// A future that is woken from within another request hangs.
    pub borders: bool,
    /// Requests may signal each other in the host's own way.
    pub signals: bool,
}

impl Hosting {
    /// Cloudflare Workers: 30 s behind the response, requests apart from each other.
    pub const WORKERS: Self =
        Self { wait_until: Some(Duration::from_secs(30)), forgets_requests: true, borders: true, signals: true };

    /// A native service: nothing is cut off, futures are dropped, and anybody may wake anybody.
    pub const NATIVE: Self = Self { wait_until: None, forgets_requests: false, borders: false, signals: true };
}

/// What the host lends one request.
pub(super) struct RequestHost {
    pub(super) core: Arc<Core>,
    pub(super) hosting: Hosting,
    pub(super) owner: Owner,
}

impl Runtime for RequestHost {
    fn now(&self) -> Timestamp {
        self.core.runtime.now()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let owner = Owner { main: false, ..self.owner };
        let delay = self.core.faults.delay(self.core.now(), &mut self.core.numbers().host);
        let task = if delay.is_zero() {
            task
        } else {
            let pause = self.core.runtime.sleep(delay);
            pause.then(|()| task).boxed()
        };
        self.core.runtime.spawn_for(owner, task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.core.runtime.sleep(duration)
    }

    fn log(&self, line: &str) {
        let at = self.core.now();
        self.core.history().log.push((at, line.to_owned()));
    }

    fn random(&self) -> u32 {
        self.core.numbers().host.next_u32()
    }

    fn signal(&self) -> Option<Signal> {
        if !self.hosting.signals {
            return None;
        }
        if !self.hosting.borders {
            let (sender, receiver) = oneshot::channel::<()>();
            return Some(Signal { raise: Box::new(move || drop(sender)), raised: receiver.map(drop).boxed() });
        }
        let state = Arc::new(Mutex::new((false, None::<Waker>)));
        let (theirs, core) = (Arc::clone(&state), Arc::clone(&self.core));
        let raise = Box::new(move || {
            let waker = {
                let mut state = lock(&theirs);
                state.0 = true;
                state.1.take()
            };
            if let Some(waker) = waker {
                core.runtime.as_host(|| waker.wake());
            }
        });
        let raised = poll_fn(move |cx| {
            let mut state = lock(&state);
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        });
        Some(Signal { raise, raised: raised.boxed() })
    }

    fn forgets_requests(&self) -> bool {
        self.hosting.forgets_requests
    }

    fn append(&self, first: Body, next: Body) -> Option<Body> {
        first.append(next)
    }

    fn adopt(&self, bytes: Bytes) -> Body {
        self.core.runtime.adopt(bytes)
    }

    fn compress(&self, body: Body) -> Result<Body, Body> {
        self.core.runtime.compress(body)
    }

    fn decompress(&self, body: Body) -> Result<Body, Body> {
        self.core.runtime.decompress(body)
    }
}
