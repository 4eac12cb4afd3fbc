use super::alarm::Alarm;
use crate::body::Body;
use crate::runtime::Runtime;
use crate::semantics::freshness::Timestamp;
use futures::future::BoxFuture;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::JsValue;
use worker::send::{SendFuture, SendWrapper};

/// The Workers runtime: `Date.now()`, `setTimeout` and the event's `waitUntil`.
#[derive(Debug)]
pub struct WorkerRuntime {
    event: Event,
    alarm: SendWrapper<Rc<Alarm>>,
}

/// What goes on.
#[derive(Debug)]
enum Event {
    Request(worker::Context),
    #[cfg(feature = "data")]
    Scheduled(SendWrapper<worker::ScheduleContext>),
}

impl WorkerRuntime {
    /// Lends what `ctx`, the context of one request, has.
    #[must_use]
    pub fn new(ctx: worker::Context) -> Self {
        Self { event: Event::Request(ctx), alarm: SendWrapper(Rc::default()) }
    }

    /// The same for a scheduled event.
    #[cfg(feature = "data")]
    #[must_use]
    pub fn scheduled(ctx: worker::ScheduleContext) -> Self {
        Self { event: Event::Scheduled(SendWrapper(ctx)), alarm: SendWrapper(Rc::default()) }
    }
}

/// `Date.now()`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds since 1970 are whole and positive"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(js_sys::Date::now() as u64)
}

impl Runtime for WorkerRuntime {
    fn now(&self) -> Timestamp {
        now()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        match &self.event {
            Event::Request(ctx) => {
                let promise = js_sys::futures::future_to_promise(AssertUnwindSafe(async move {
                    task.await;
                    Ok(JsValue::UNDEFINED)
                }));
                // `waitUntil` fails only when the request is over; the task then runs as long as the isolate lets it.
                let _ = ctx.as_ref().wait_until(&promise);
            }
            #[cfg(feature = "data")]
            Event::Scheduled(ctx) => ctx.wait_until(task),
        }
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(SendFuture::new(Rc::clone(&self.alarm).sleep(duration)))
    }

    fn log(&self, line: &str) {
        worker::console_log!("{line}");
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^32 and positive")]
    fn random(&self) -> u32 {
        (js_sys::Math::random() * 4_294_967_296.0) as u32
    }

    #[cfg(feature = "resilience")]
    fn signal(&self) -> Option<crate::runtime::Signal> {
        super::signal::signal()
    }

    #[cfg(feature = "resilience")]
    fn forgets_requests(&self) -> bool {
        true
    }

    fn append(&self, first: Body, next: Body) -> Option<Body> {
        super::body::append(first, next)
    }

    #[cfg(feature = "data")]
    fn adopt(&self, bytes: bytes::Bytes) -> Body {
        super::body::adopt(&bytes)
    }

    #[cfg(feature = "data")]
    fn compress(&self, body: Body) -> Result<Body, Body> {
        super::body::coded(body, super::js::compressed)
    }

    #[cfg(feature = "data")]
    fn decompress(&self, body: Body) -> Result<Body, Body> {
        super::body::coded(body, super::js::decompressed)
    }
}
