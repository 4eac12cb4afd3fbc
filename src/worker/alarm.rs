//! The waits of one request, which share a timer.
//!
//! To set a timer and to clear it again costs about as much CPU as a small look-up, and nearly all waits are limits that are not
//! reached: a request that reads from KV and puts into L1 and KV has four of them. So the timer that one wait has set stays when
//! the wait is over, for the next one that ends later.

use super::js;
use super::runtime::now;
use crate::semantics::freshness::Timestamp;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

/// The timer of a request, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Alarm(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    waits: Vec<Wait>,
    /// The number of the wait that began last.
    last: u64,
    /// The timer that is set, and for when.
    set: Option<(Timestamp, JsValue)>,
    ring: Option<Closure<dyn FnMut()>>,
}

#[derive(Debug)]
struct Wait {
    number: u64,
    until: Timestamp,
    waker: Waker,
}

impl Alarm {
    /// Ends after `duration`, counted from when it is first polled.
    pub(super) fn sleep(self: Rc<Self>, duration: Duration) -> Sleep {
        Sleep { alarm: self, duration, number: None }
    }

    fn begin(self: &Rc<Self>, duration: Duration, waker: Waker) -> u64 {
        let state = &mut *self.0.borrow_mut();
        let now = now();
        state.last += 1;
        state.waits.push(Wait { number: state.last, until: now.plus(duration), waker });
        state.set(self, now);
        state.last
    }

    /// Wakes those whose time has come.
    fn ring(self: &Rc<Self>) {
        let due: Vec<_> = {
            let (now, state) = (now(), &mut *self.0.borrow_mut());
            state.set = None;
            let due = state.waits.extract_if(.., |wait| wait.until <= now).collect();
            state.set(self, now);
            due
        };
        // What a waker does may come back here.
        for wait in due {
            wait.waker.wake();
        }
    }
}

impl State {
    /// Sees to it that a timer is set for when the first wait ends.
    fn set(&mut self, alarm: &Rc<Alarm>, now: Timestamp) {
        let Some(first) = self.waits.iter().map(|wait| wait.until).min() else { return };
        if let Some((at, timer)) = &self.set {
            if *at <= first {
                return;
            }
            js::clear_timeout(timer);
        }
        let ring = self.ring.get_or_insert_with(|| {
            let alarm = Rc::downgrade(alarm);
            Closure::new(move || {
                if let Some(alarm) = Weak::upgrade(&alarm) {
                    alarm.ring();
                }
            })
        });
        // What is longer the runtime takes for nothing.
        let left = i32::try_from(first.since(now).as_millis()).unwrap_or(i32::MAX).max(1);
        self.set = Some((first, js::set_timeout(ring, left)));
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some((_, timer)) = &self.0.get_mut().set {
            js::clear_timeout(timer);
        }
    }
}

/// A wait.
pub(super) struct Sleep {
    alarm: Rc<Alarm>,
    duration: Duration,
    /// Its number among the waits, once it has begun.
    number: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(number) = self.number else {
            self.number = Some(self.alarm.begin(self.duration, cx.waker().clone()));
            return Poll::Pending;
        };
        let state = &mut *self.alarm.0.borrow_mut();
        match state.waits.iter_mut().find(|wait| wait.number == number) {
            Some(wait) => {
                wait.waker.clone_from(cx.waker());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let over = |state: &mut State| {
            let place = state.waits.iter().position(|wait| Some(wait.number) == self.number)?;
            Some(state.waits.swap_remove(place))
        };
        // Its waker goes when nothing is borrowed: that may come back here.
        let over = over(&mut self.alarm.0.borrow_mut());
        drop(over);
    }
}
