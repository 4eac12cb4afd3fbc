//! The engine's view of a request in JavaScript: what a rule wants to know is asked for then, by name.

use super::headers::{JsHeaders, read};
use super::js;
use crate::engine::UNKEYED_HEADERS;
use crate::message::RequestView;
use crate::semantics::Fields;
use js_sys::Array;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;
use wasm_bindgen::JsValue;
use web_sys::Headers;
use worker::send::SendWrapper;

/// The request of a fetch event: as the runtime gives it, or as the `worker` crate does, which reads its method, URL, fields and
/// `cf` beforehand whether the handler is called or not.
pub trait EventRequest: sealed::Sealed + 'static {
    #[doc(hidden)]
    fn raw(&self) -> &web_sys::Request;
    #[doc(hidden)]
    fn into_worker(self) -> worker::Request;
    #[doc(hidden)]
    fn again(&self) -> Option<Self>
    where
        Self: Sized;
}

impl EventRequest for web_sys::Request {
    fn raw(&self) -> &web_sys::Request {
        self
    }

    fn into_worker(self) -> worker::Request {
        self.into()
    }

    fn again(&self) -> Option<Self> {
        // Of JavaScript, not of Rust.
        Self::clone(self).ok()
    }
}

impl EventRequest for worker::Request {
    fn raw(&self) -> &web_sys::Request {
        self.inner()
    }

    fn into_worker(self) -> worker::Request {
        self
    }

    fn again(&self) -> Option<Self> {
        self.clone().ok()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for web_sys::Request {}
    impl Sealed for worker::Request {}
}

/// Method and URL.
pub(super) struct Line {
    /// Method, space, URL.
    text: String,
    /// Where the method ends, the authority begins, the path begins, and the path ends.
    at: [usize; 4],
}

impl Line {
    /// Of a text that has a space between the two.
    fn new(mut text: String) -> Self {
        if let Some(fragment) = text.find('#') {
            text.truncate(fragment);
        }
        let find = |from: usize, wanted: &[char]| {
            text.get(from..).and_then(|rest| rest.find(wanted)).map_or(text.len(), |i| from + i)
        };
        let method = find(0, &[' ']);
        let authority = text.len().min(find(method, &[':']) + 3);
        let path = find(authority, &['/', '?']);
        let at = [method, authority, path, find(path, &['?'])];
        Self { text, at }
    }

    pub(super) fn of(request: &web_sys::Request) -> Self {
        Self::new([&request.method(), " ", &request.url()].concat())
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }

    pub(super) fn method(&self) -> &str {
        self.part(0, self.at[0])
    }

    pub(super) fn path(&self) -> &str {
        match self.part(self.at[2], self.at[3]) {
            "" => "/",
            path => path,
        }
    }
}

/// The header fields of a request.
struct RequestFields {
    request: SendWrapper<web_sys::Request>,
    headers: SendWrapper<OnceCell<Headers>>,
}

impl RequestFields {
    fn headers(&self) -> &Headers {
        self.headers.get_or_init(|| self.request.headers())
    }
}

impl Fields for RequestFields {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        read(self.headers(), name)
    }

    fn has(&self, name: &str) -> bool {
        self.headers().has(name).unwrap_or(false)
    }

    fn names(&self) -> Vec<Box<str>> {
        JsHeaders::new(Clone::clone(self.headers())).names()
    }
}

/// The view of a request.
pub(super) struct View {
    line: Line,
    fields: Arc<RequestFields>,
    /// Which of the [`frequent`] fields are present.
    present: OnceCell<u32>,
}

impl View {
    /// The view of a request that no outer door has in hand; of one that has been, none.
    pub(super) fn take(request: &web_sys::Request) -> Option<Self> {
        let text = js::take_in_hand(request);
        if text.is_empty() {
            return None;
        }
        let headers = SendWrapper(OnceCell::new());
        let fields = Arc::new(RequestFields { request: SendWrapper(Clone::clone(request)), headers });
        Some(Self { line: Line::new(text), fields, present: OnceCell::new() })
    }

    fn present(&self) -> u32 {
        let ask = || FREQUENT_NAMES.with(|names| js::present(&self.fields.request, names));
        *self.present.get_or_init(ask)
    }
}

/// The fields that plans look for, with those of [`UNKEYED_HEADERS`] behind them. Most are absent from most requests, and asking
/// for each by itself would be half of what a hit costs on top of the look-up.
const LOOKED_FOR: [&str; 8] = [
    "upgrade",
    "connection",
    "cookie",
    "authorization",
    "cache-control",
    "if-none-match",
    "if-modified-since",
    "range",
];

/// At most 32 (`present` in glue.js).
fn frequent() -> impl Iterator<Item = &'static str> {
    LOOKED_FOR.iter().chain(UNKEYED_HEADERS).copied()
}

thread_local! {
    static FREQUENT_NAMES: Array = frequent().map(JsValue::from_str).collect();
}

impl Fields for View {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if self.has(name) { read(self.fields.headers(), name) } else { None }
    }

    fn has(&self, name: &str) -> bool {
        match frequent().position(|frequent| frequent == name) {
            Some(place) => self.present() >> place & 1 == 1,
            None => self.fields.has(name),
        }
    }
}

impl RequestView for View {
    fn method(&self) -> &str {
        self.line.method()
    }

    fn scheme(&self) -> &str {
        self.line.part(self.line.at[0] + 1, self.line.at[1].saturating_sub(3))
    }

    fn authority(&self) -> &str {
        self.line.part(self.line.at[1], self.line.at[2])
    }

    fn path(&self) -> &str {
        self.line.path()
    }

    fn query(&self) -> Option<&str> {
        self.line.text.get(self.line.at[3] + 1..)
    }

    fn masks_content(&self) -> bool {
        true
    }

    fn has_any(&self, names: &[&str]) -> bool {
        // By the address: the list itself is asked about, not one of the same names.
        if std::ptr::eq(names, UNKEYED_HEADERS) {
            return self.present() >> LOOKED_FOR.len() != 0;
        }
        names.iter().any(|name| self.has(name))
    }

    fn keep_fields(&self) -> Arc<dyn Fields + Send + Sync> {
        Arc::<RequestFields>::clone(&self.fields)
    }
}
