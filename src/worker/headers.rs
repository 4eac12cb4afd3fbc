//! Header fields that stay in JavaScript.

use super::body::number;
use super::js;
use crate::message::HeaderFields;
use crate::semantics::Fields;
use js_sys::Array;
use std::any::Any;
use std::borrow::Cow;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Headers;
use worker::send::SendWrapper;

/// Header fields in JavaScript. Copies share them until one is changed.
pub(super) struct JsHeaders {
    headers: SendWrapper<Rc<Headers>>,
    /// What is to be said of an answer whose fields are shared: a response is made with a copy of them, which can be stamped.
    stamp: Option<Stamp>,
}

/// `Age` in seconds, and a member of `Cache-Status`.
#[derive(Clone)]
pub(super) struct Stamp {
    age: f64,
    status: String,
}

impl Stamp {
    /// Says so in the fields of a response, or among these.
    pub(super) fn put_on(&self, target: &JsValue) -> Result<(), JsValue> {
        js::stamp(target, self.age, &self.status)
    }
}

impl JsHeaders {
    pub(super) fn new(headers: Headers) -> Self {
        Self { headers: SendWrapper(Rc::new(headers)), stamp: None }
    }

    pub(super) fn boxed(headers: Headers) -> Box<dyn HeaderFields> {
        Box::new(Self::new(headers))
    }

    fn is_shared(&self) -> bool {
        Rc::strong_count(&self.headers) > 1
    }

    /// The fields, with what is still to be said.
    fn settled(&self) -> Cow<'_, Headers> {
        if let Some(stamp) = &self.stamp
            && let Ok(copy) = Headers::new_with_headers(&self.headers)
        {
            let _ = stamp.put_on(&copy);
            return Cow::Owned(copy);
        }
        Cow::Borrowed(&self.headers)
    }

    /// Changes the fields; those that are shared, and those of a fetched response, which are immutable, are copied first.
    fn change(&mut self, change: impl Fn(&Headers) -> Result<(), JsValue>) {
        let own = !self.is_shared() && self.stamp.is_none();
        if (!own || change(&self.headers).is_err())
            && let Ok(copy) = Headers::new_with_headers(&self.settled())
        {
            // A value that JavaScript refuses even so is left out.
            let _ = change(&copy);
            *self = Self::new(copy);
        }
    }
}

impl Fields for JsHeaders {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        read(&self.settled(), name)
    }

    fn has(&self, name: &str) -> bool {
        self.settled().has(name).unwrap_or(false)
    }

    fn names(&self) -> Vec<Box<str>> {
        let mut names = Vec::new();
        self.for_each(&mut |name, _| names.push(name.into()));
        names
    }
}

impl HeaderFields for JsHeaders {
    fn set(&mut self, name: &str, value: &str) {
        self.change(|headers| headers.set(name, value));
    }

    fn append(&mut self, name: &str, value: &str) {
        self.change(|headers| headers.append(name, value));
    }

    fn remove(&mut self, name: &str) {
        self.change(|headers| headers.delete(name));
    }

    fn remove_all(&mut self, names: &[&str]) {
        let names = names.join(" ");
        self.change(|headers| js::remove_all(headers, &names));
    }

    fn stamp(&mut self, age: Option<u64>, status: Option<String>) {
        let stamp = Stamp { age: age.map_or(-1.0, number), status: status.unwrap_or_default() };
        if self.is_shared() && self.stamp.is_none() {
            self.stamp = Some(stamp);
        } else {
            self.change(|headers| stamp.put_on(headers));
        }
    }

    fn for_each(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        for line in self.settled().entries().into_iter().flatten() {
            let line: Array = line.unchecked_into();
            if let (Some(name), Some(value)) = (line.get(0).as_string(), line.get(1).as_string()) {
                visit(&name, value.as_bytes());
            }
        }
    }

    fn boxed_clone(&self) -> Box<dyn HeaderFields> {
        Box::new(Self { headers: SendWrapper(Rc::clone(&self.headers)), stamp: self.stamp.clone() })
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// The value of a field.
pub(super) fn read(headers: &Headers, name: &str) -> Option<Cow<'static, [u8]>> {
    headers.get(name).ok().flatten().map(|value| Cow::Owned(value.into_bytes()))
}

/// The fields in JavaScript, whichever door they came through, to be read or copied, and what is still to be said of them.
pub(super) fn js_headers(headers: Box<dyn HeaderFields>) -> Result<(Rc<Headers>, Option<Stamp>), JsValue> {
    if !(headers.as_ref() as &dyn Any).is::<JsHeaders>() {
        let copy = Headers::new()?;
        headers.for_each(&mut |name, value| {
            // A value that is no text stays behind: JavaScript has no way to hold it.
            if let Ok(value) = std::str::from_utf8(value) {
                let _ = copy.append(name, value);
            }
        });
        return Ok((Rc::new(copy), None));
    }
    match headers.into_any().downcast::<JsHeaders>() {
        Ok(headers) => Ok((headers.headers.0, headers.stamp)),
        Err(_) => Ok((Rc::new(Headers::new()?), None)),
    }
}

/// The same, to be changed.
pub(super) fn own_headers(headers: Box<dyn HeaderFields>) -> Result<Headers, JsValue> {
    let (headers, stamp) = js_headers(headers)?;
    let own = match Rc::try_unwrap(headers) {
        Ok(own) => own,
        Err(shared) => Headers::new_with_headers(&shared)?,
    };
    if let Some(stamp) = stamp {
        stamp.put_on(&own)?;
    }
    Ok(own)
}
