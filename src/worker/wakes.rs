//! How Rust's futures are continued.

use super::js;
use std::cell::Cell;

thread_local! {
    static DONE: Cell<bool> = const { Cell::new(false) };
}

/// Makes each turn of a future cheaper, in the whole isolate: puts a function of the same effect in place of the global
/// `queueMicrotask`.
///
/// The executor of `wasm-bindgen` continues a future that has been woken by `queueMicrotask`, once for each request and once more for each
/// thing that is waited for. In `workerd` that function wraps its argument twice and leaves work for the garbage collector; the
/// reaction of a promise that is resolved already runs at the same moment, in the same order, under the same request, and costs a
/// tenth. Errors are reported as before (`reportError`), so that a panic is noticed as before. The gain is that of the whole Worker, with the
/// cache or without: see "Measured" in the README.
///
/// It is not done unless asked for, because the function belongs to everybody. To be called once, in `#[event(start)]`; again it does
/// nothing.
///
/// ```no_run
/// use worker::event;
///
/// #[event(start)]
/// fn start() {
///     layercake::worker::wake_by_promises();
/// }
/// # fn main() {}
/// ```
pub fn wake_by_promises() {
    if !DONE.replace(true) {
        js::wake_by_promises();
    }
}
