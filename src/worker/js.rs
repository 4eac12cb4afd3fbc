//! The few steps into JavaScript that `web-sys` has no words for.

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

/// `target[name]`, or `undefined`.
pub(super) fn get(target: &JsValue, name: &str) -> JsValue {
    Reflect::get(target, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// `target[name] = value`.
pub(super) fn set(target: &JsValue, name: &str, value: &JsValue) {
    let _ = Reflect::set(target, &JsValue::from_str(name), value);
}

/// An empty object.
pub(super) fn object() -> Object {
    Object::new()
}

/// Calls a method that returns a promise and waits for it.
pub(super) async fn call(target: &JsValue, method: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let function: Function = get(target, method).dyn_into()?;
    let returned = match arguments {
        [a] => function.call1(target, a),
        [a, b] => function.call2(target, a, b),
        [a, b, c] => function.call3(target, a, b, c),
        _ => function.call0(target),
    }?;
    js_sys::futures::JsFuture::from(Promise::resolve(&returned)).await
}

/// An error's message.
pub(super) fn message(error: &JsValue) -> String {
    get(error, "message").as_string().or_else(|| error.as_string()).unwrap_or_else(|| "unknown error".to_owned())
}

thread_local! {
    /// The property that tells an inner door that an outer one has the request in hand (`HANDLED` in glue.js).
    static IN_HAND: JsValue = JsValue::from_str("layercake in hand");
}

/// [`take_in_hand`] for a door that needs to know no more of the request: false when an outer door has it already.
pub(super) fn mark_in_hand(request: &web_sys::Request) -> bool {
    IN_HAND.with(|name| {
        let taken = Reflect::get(request, name).is_ok_and(|value| value.is_truthy());
        !taken && Reflect::set(request, name, &JsValue::TRUE).unwrap_or(true)
    })
}

#[wasm_bindgen(module = "/src/worker/glue.js")]
extern "C" {
    /// Takes the request in hand: method and URL with a space between, or nothing when an outer door has it already.
    #[wasm_bindgen(js_name = takeInHand)]
    pub(super) fn take_in_hand(request: &web_sys::Request) -> String;

    /// Which of up to 32 `names` are among the fields, one bit each.
    pub(super) fn present(headers: &web_sys::Headers, names: &Array) -> u32;

    /// A match as a changeable response: itself, its fields, the value of `head`, and its announced length.
    #[wasm_bindgen(catch, js_name = openMatch)]
    pub(super) fn open_match(matched: &web_sys::Response, head: &JsValue, status: &JsValue) -> Result<Array, JsValue>;
}
