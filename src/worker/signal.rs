//! How one request wakes another.

use super::js;
use crate::runtime::Signal;
use js_sys::futures::JsFuture;
use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::send::{SendFuture, SendWrapper};

/// A promise of this request's own, whose resolver others may call: a waker of Rust's would wake it in their context. None where such a
/// promise is not continued in the request that waits for it.
pub(super) fn signal() -> Option<Signal> {
    if !js::signals_cross_requests() {
        return None;
    }
    let pair = js::signal();
    let promise: Promise = pair.get(0).unchecked_into();
    let resolve = SendWrapper::<Function>(pair.get(1).unchecked_into());
    let raise = move || {
        let SendWrapper(resolve) = resolve;
        let _ = resolve.call0(&JsValue::UNDEFINED);
    };
    let raised = SendFuture::new(async move { drop(JsFuture::from(promise).await) });
    Some(Signal { raise: Box::new(raise), raised: Box::pin(raised) })
}
