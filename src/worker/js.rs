//! The few steps into JavaScript that `web-sys` has no words for.

use js_sys::{Array, Promise, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::{Headers, ReadableStream};

/// `target[name]`, or `undefined`.
pub(super) fn get(target: &JsValue, name: &str) -> JsValue {
    Reflect::get(target, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// Waits for what a step returned.
pub(super) async fn wait(step: Result<Promise, JsValue>) -> Result<JsValue, JsValue> {
    js_sys::futures::JsFuture::from(step?).await
}

/// Whether a promise that another request resolves is continued in the request that waits for it: the compatibility flag
/// `handle_cross_request_promise_resolution`, on by default since 2024-10-14.
pub(super) fn signals_cross_requests() -> bool {
    thread_local! {
        static FLAG: bool = {
            let runtime = get(&js_sys::global(), "Cloudflare");
            get(&get(&runtime, "compatibilityFlags"), "handle_cross_request_promise_resolution").is_truthy()
        };
    }
    FLAG.with(|flag| *flag)
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    pub(super) fn set_timeout(ring: &Closure<dyn FnMut()>, milliseconds: i32) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    pub(super) fn clear_timeout(timer: &JsValue);
}

// What they do is said in glue.js, kv.js and parts.js.
#[allow(clippy::too_many_arguments, reason = "each is one more thing that need not be asked for")]
#[wasm_bindgen(module = "/src/worker/glue.js")]
extern "C" {
    /// Takes the request in hand: method and URL with a space between, or nothing when an outer door has it already.
    #[wasm_bindgen(js_name = takeInHand)]
    pub(super) fn take_in_hand(request: &web_sys::Request) -> String;

    /// The request as the handler gets to see it, where that is another one: whole, without the fields that are named with a space
    /// behind each, or without all but `Host`, without what is known of the client, with fields set (name and value, each on a line) and another target.
    #[wasm_bindgen(catch)]
    pub(super) fn masked(
        request: &web_sys::Request,
        whole: bool,
        off: &str,
        everything: bool,
        client: bool,
        set: &str,
        target: Option<&str>,
    ) -> Result<Option<web_sys::Request>, JsValue>;

    /// The words of an error.
    pub(super) fn message(error: &JsValue) -> String;

    /// Cancels a stream, or the body of a response, that nobody will read.
    pub(super) fn cancel(source: &JsValue);

    /// Removes fields, their names with a space behind each.
    #[wasm_bindgen(catch, js_name = removeAll)]
    pub(super) fn remove_all(headers: &Headers, names: &str) -> Result<(), JsValue>;

    /// Puts another function in place of the global `queueMicrotask`.
    #[wasm_bindgen(js_name = wakeByPromises)]
    pub(super) fn wake_by_promises();

    /// A promise, and the function that resolves it.
    #[cfg(feature = "resilience")]
    pub(super) fn signal() -> Array;

    /// Which of up to 32 `names` are among the fields, one bit each.
    pub(super) fn present(request: &web_sys::Request, names: &Array) -> u32;

    /// Sets `Age`, unless it is negative, and appends to `Cache-Status`, unless that is empty.
    #[wasm_bindgen(catch)]
    pub(super) fn stamp(headers: &Headers, age: f64, status: &str) -> Result<(), JsValue>;

    /// A response with these fields, or as `init` wants it, and what is said of it as by [`stamp`]. `applied`: the body is in the
    /// coding already that the fields name.
    #[wasm_bindgen(catch)]
    pub(super) fn respond(
        body: &JsValue,
        status: u16,
        headers: &Headers,
        applied: bool,
        init: &JsValue,
        age: f64,
        cache_status: &str,
    ) -> Result<web_sys::Response, JsValue>;

    /// Whether these are the fields of this response, the very same.
    #[wasm_bindgen(js_name = areOf)]
    pub(super) fn are_of(headers: &Headers, response: &web_sys::Response) -> bool;

    #[wasm_bindgen(catch, js_name = bytesOf)]
    pub(super) fn bytes_of(source: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch)]
    pub(super) fn gather(stream: &ReadableStream, within: f64, most: f64) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch)]
    pub(super) fn fixed(stream: &ReadableStream, length: f64) -> Result<ReadableStream, JsValue>;

    #[wasm_bindgen(catch)]
    pub(super) fn slice(stream: &ReadableStream, first: f64, length: f64, of: f64) -> Result<ReadableStream, JsValue>;

    #[cfg(feature = "data")]
    #[wasm_bindgen(catch)]
    pub(super) fn compressed(source: &JsValue) -> Result<ReadableStream, JsValue>;

    #[cfg(feature = "data")]
    #[wasm_bindgen(catch)]
    pub(super) fn decompressed(source: &JsValue) -> Result<ReadableStream, JsValue>;

    #[wasm_bindgen(catch, js_name = fieldsOf)]
    pub(super) fn fields_of(head: &JsValue) -> Result<Headers, JsValue>;

    #[wasm_bindgen(catch, js_name = matchIn)]
    pub(super) fn match_in(cache: Option<&str>, url: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_name = endOverdue)]
    pub(super) fn end_overdue(limit: f64);

    #[wasm_bindgen(catch, js_name = putIn)]
    pub(super) fn put_in(
        cache: Option<&str>,
        url: &str,
        head: &str,
        headers: &Headers,
        seconds: f64,
        body: &JsValue,
        length: f64,
        enforced: bool,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = deleteIn)]
    pub(super) fn delete_in(cache: Option<&str>, url: &str) -> Result<Promise, JsValue>;
}

#[allow(clippy::too_many_arguments, reason = "as above")]
#[wasm_bindgen(module = "/src/worker/kv/kv.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = getFrom)]
    pub(super) fn get_from(namespace: &JsValue, name: &str, cache_ttl: f64, small: f64) -> Result<Promise, JsValue>;

    /// The words of an error of KV's, and a letter for its kind.
    pub(super) fn failure(error: &JsValue) -> String;

    #[wasm_bindgen(catch, js_name = getManyFrom)]
    pub(super) fn get_many_from(namespace: &JsValue, names: &Array, cache_ttl: f64) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = listFrom)]
    pub(super) fn list_from(namespace: &JsValue, prefix: &str, cursor: &str, limit: f64) -> Result<Promise, JsValue>;
}

#[allow(clippy::too_many_arguments, reason = "as above")]
#[wasm_bindgen(module = "/src/worker/kv/parts.js")]
extern "C" {
    /// A value, which may be in parts, or replace one that is, if `split` says so.
    #[wasm_bindgen(catch, js_name = put)]
    pub(super) fn put(
        split: bool,
        namespace: &JsValue,
        name: &str,
        head: &str,
        headers: &Headers,
        seconds: f64,
        body: &JsValue,
        length: f64,
        enforced: bool,
        readable: f64,
    ) -> Result<Promise, JsValue>;

    /// Deletes a value, and the parts of what is there if `split` says so.
    #[wasm_bindgen(catch, js_name = remove)]
    pub(super) fn delete(split: bool, namespace: &JsValue, name: &str) -> Result<Promise, JsValue>;
}
