//! The lightest host: no timers, tasks in a list.

use crate::fields::RECEIVED;
use futures::future::{BoxFuture, pending};
use layercake::runtime::Runtime;
use layercake::semantics::freshness::Timestamp;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

/// What a host lends that has nothing to wait for.
pub struct Host {
    /// When it began; `None` for a clock that stands still, so that all runs take the same turns.
    began: Option<SystemTime>,
    tasks: Mutex<Vec<BoxFuture<'static, ()>>>,
}

/// What the clock shows in a world that began at this time, if it moves.
#[allow(clippy::disallowed_methods, reason = "a native program may read the clock")]
pub fn since_received(began: Option<SystemTime>) -> Duration {
    let gone = began.map_or(Duration::ZERO, |began| SystemTime::now().duration_since(began).unwrap_or_default());
    Duration::from_secs(RECEIVED) + gone
}

impl Host {
    /// With the system's clock, put forward or back so that the answer has just come.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "a native program may read the clock")]
    pub fn with_clock() -> Self {
        Self { began: Some(SystemTime::now()), tasks: Mutex::default() }
    }

    /// With a clock that stands still.
    #[must_use]
    pub fn standing_still() -> Self {
        Self { began: None, tasks: Mutex::default() }
    }

    /// Does what is to be done behind the response, as far as it can be done.
    pub fn drain(&self) {
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = Vec::new();
        loop {
            let Some(mut task) = self.tasks.lock().expect("no panic").pop() else { break };
            if task.as_mut().poll(&mut context).is_pending() {
                waiting.push(task);
            }
        }
        self.tasks.lock().expect("no panic").append(&mut waiting);
    }

    /// The outcome of what waits for nothing but what this host was given to do.
    pub fn finish<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        for _ in 0..4 {
            if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return done;
            }
            self.drain();
        }
        panic!("it waits for something");
    }
}

impl Runtime for Host {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(u64::try_from(since_received(self.began).as_millis()).unwrap_or(u64::MAX))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tasks.lock().expect("no panic").push(task);
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(pending())
    }

    fn log(&self, line: &str) {
        black_box(line);
    }

    fn random(&self) -> u32 {
        4
    }
}
