//! Floor 1. Requests and responses as the engine sees them: views of what the door holds.

use crate::body::Body;
mod http_fields;

pub use http_fields::HttpFields;

use crate::semantics::{Fields, decimal, joined};
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What the engine reads of a request. Each door gives its own view; nothing is converted up front.
pub trait RequestView: Fields {
    /// The method, upper case as sent.
    fn method(&self) -> &str;
    /// `http` or `https`, lower case.
    fn scheme(&self) -> &str;
    /// Host and port as sent.
    fn authority(&self) -> &str;
    /// The path, percent-encoded as sent; begins with `/`.
    fn path(&self) -> &str;
    /// The query without its `?`; `None` when the target has none.
    fn query(&self) -> Option<&str>;
    /// Whether the request has content (RFC 9110 section 6.4).
    fn has_content(&self) -> bool {
        let some = |length: Cow<'_, [u8]>| length.trim_ascii() != b"0";
        self.has("transfer-encoding") || self.field("content-length").is_some_and(some)
    }
    /// Whether a router has read the path already, so that the handler cannot be shown another.
    fn path_is_settled(&self) -> bool {
        false
    }
    /// Whether the door leaves the request's content out when a whole answer is asked ([`Ask::whole`]).
    fn masks_content(&self) -> bool {
        false
    }
    /// Whether any of these fields is present.
    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }
    /// The header fields, for when the request has gone on to the origin: which of them select a variant is known only
    /// once a response says so.
    fn keep_fields(&self) -> Arc<dyn Fields + Send + Sync>;
}

/// The header fields of a response, wherever they live.
pub trait HeaderFields: Fields + Any + Send {
    /// Replaces all lines of `name` by one.
    fn set(&mut self, name: &str, value: &str);
    /// Adds a line behind those there are.
    fn append(&mut self, name: &str, value: &str);
    /// Removes all lines of `name`.
    fn remove(&mut self, name: &str);
    /// Removes all lines of each of these.
    fn remove_all(&mut self, names: &[&str]) {
        for name in names {
            self.remove(name);
        }
    }
    /// Says what became of the request: `Age` in seconds, in place of any there is (RFC 9111 section 5.1), and a member of
    /// `Cache-Status` behind those there are (RFC 9211 section 2).
    fn stamp(&mut self, age: Option<u64>, status: Option<String>) {
        if let Some(age) = age {
            self.set("age", &decimal(age));
        }
        if let Some(status) = status {
            self.append("cache-status", &status);
        }
    }
    /// Calls `visit` with each line, in order, names in lower case.
    fn for_each(&self, visit: &mut dyn FnMut(&str, &[u8]));
    /// An independent copy.
    fn boxed_clone(&self) -> Box<dyn HeaderFields>;
    /// For the host's own door, to take back what it put in.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

impl Fields for Box<dyn HeaderFields> {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.as_ref().field(name)
    }

    fn has(&self, name: &str) -> bool {
        self.as_ref().has(name)
    }
}

/// Up to how many names a `HeaderMap` is looked through: to parse and hash the name that is wanted takes longer, and most are not
/// there.
const FEW: usize = 24;

impl Fields for http::HeaderMap {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let lines = if self.keys_len() > FEW {
            self.get_all(name)
        } else {
            self.get_all(self.keys().find(|other| other.as_str() == name)?)
        };
        joined(lines.iter().map(http::HeaderValue::as_bytes))
    }

    fn has(&self, name: &str) -> bool {
        if self.keys_len() > FEW { self.contains_key(name) } else { self.keys().any(|other| other.as_str() == name) }
    }

    fn names(&self) -> Vec<Box<str>> {
        self.keys().map(|name| name.as_str().into()).collect()
    }
}

impl HeaderFields for http::HeaderMap {
    fn set(&mut self, name: &str, value: &str) {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::try_from(value)) {
            self.insert(name, value);
        }
    }

    fn append(&mut self, name: &str, value: &str) {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::try_from(value)) {
            Self::append(self, name, value);
        }
    }

    fn remove(&mut self, name: &str) {
        Self::remove(self, name);
    }

    /// Names that are known need not be parsed.
    fn stamp(&mut self, age: Option<u64>, status: Option<String>) {
        if let Some(age) = age {
            self.insert(http::header::AGE, age.into());
        }
        if let Some(status) = status.and_then(|status| http::HeaderValue::try_from(status).ok()) {
            Self::append(self, http::header::CACHE_STATUS, status);
        }
    }

    fn for_each(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in self {
            visit(name.as_str(), value.as_bytes());
        }
    }

    fn boxed_clone(&self) -> Box<dyn HeaderFields> {
        Box::new(self.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// Header fields in memory, in order: those of answers that the cache makes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(Vec<(Box<str>, Box<str>)>);

impl Fields for Lines {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        joined(self.0.iter().filter(|(other, _)| **other == *name).map(|(_, value)| value.as_bytes()))
    }
}

impl HeaderFields for Lines {
    fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.append(name, value);
    }

    fn append(&mut self, name: &str, value: &str) {
        self.0.push((name.into(), value.into()));
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(other, _)| **other != *name);
    }

    fn for_each(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in &self.0 {
            visit(name, value.as_bytes());
        }
    }

    fn boxed_clone(&self) -> Box<dyn HeaderFields> {
        Box::new(self.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// A response on its way through the engine.
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Box<dyn HeaderFields>,
    /// The body.
    pub body: Body,
    /// What else the door found on the origin's response (extensions, a WebSocket); it comes back with that
    /// response and is never stored.
    pub luggage: Option<Box<dyn Any + Send>>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).field("body", &self.body).finish_non_exhaustive()
    }
}

/// What the origin is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// A whole answer that can be stored: the method becomes GET, and the [`CONDITIONAL_FIELDS`] are taken off. Otherwise the
    /// client's request as it is.
    pub whole: bool,
    /// What the handler does not get to see.
    pub hide: Hide,
    /// Fields put in place of the client's: the cache's own conditions, selecting fields that the policy narrows, and the
    /// cookies that it keys on.
    pub set: Vec<(Cow<'static, str>, Box<str>)>,
    /// Path and query put in place of the client's, where not all of them counts.
    pub target: Option<Box<str>>,
}

impl Ask {
    /// The client's request untouched.
    pub const AS_IS: Self = Self { whole: false, hide: Hide::Nothing, set: Vec::new(), target: None };

    /// A whole answer, to a request without what `hide` names.
    #[must_use]
    pub const fn whole(hide: Hide) -> Self {
        Self { whole: true, hide, set: Vec::new(), target: None }
    }

    /// Whether the door may hand the request on without looking at it.
    #[must_use]
    pub fn is_as_is(&self) -> bool {
        *self == Self::AS_IS
    }

    /// What stands in place of the client's field of that name.
    #[must_use]
    pub fn put(&self, name: &str) -> Option<&str> {
        self.set.iter().find(|(other, _)| *other == *name).map(|(_, value)| &**value)
    }

    /// Whether the field of that name is taken off.
    #[must_use]
    pub fn hides(&self, name: &str) -> bool {
        self.taken_off().any(|hidden| hidden == name)
    }

    /// The fields to take off.
    pub fn taken_off(&self) -> impl Iterator<Item = &'static str> {
        let conditional: &[&str] = if self.whole { &CONDITIONAL_FIELDS } else { &[] };
        conditional.iter().chain(self.hide.fields()).copied()
    }
}

/// What is masked from the handler's request, so that its answer cannot depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hide {
    /// Nothing: the response decides whether it may be stored, by RFC 9111 alone.
    Nothing,
    /// The `Cookie` field, which holds only harmless cookies here, and those that are keyed on.
    Cookies,
    /// Everything that tells one visitor from another: `Cookie`, `Authorization` and the platform's `request.cf`.
    Identity,
    /// All fields but `Host`, and `request.cf`: the request of nobody in particular. What [`Ask::set`] puts there it has.
    Everything,
}

impl Hide {
    /// Whether all fields are taken off but `Host`.
    #[must_use]
    pub const fn is_everything(self) -> bool {
        matches!(self, Self::Everything)
    }

    /// Whether what the platform knows of the client is taken off.
    #[must_use]
    pub const fn hides_client(self) -> bool {
        matches!(self, Self::Identity | Self::Everything)
    }

    /// The request fields that are taken off by name.
    #[must_use]
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            // There is no list of all fields: see Hide::is_everything.
            Self::Nothing | Self::Everything => &[],
            Self::Cookies => &["cookie"],
            Self::Identity => &["cookie", "authorization"],
        }
    }
}

/// The request fields that make an answer partial or conditional, taken off when a whole answer is wanted
/// (RFC 9110 sections 13.1 and 14.2).
pub const CONDITIONAL_FIELDS: [&str; 6] =
    ["if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_fields_and_many_are_found_alike() {
        for others in [0, FEW - 2, FEW - 1, 4 * FEW] {
            let mut map = http::HeaderMap::new();
            for n in 0..others {
                let name = http::HeaderName::try_from(["x-", &n.to_string()].concat()).unwrap();
                map.insert(name, http::HeaderValue::from_static("n"));
            }
            for (name, value) in [("accept", "a"), ("x-own", "b"), ("accept", "c")] {
                HeaderFields::append(&mut map, name, value);
            }
            assert_eq!(map.field("accept").as_deref(), Some(&b"a, c"[..]), "{others}");
            assert_eq!(map.field("x-own").as_deref(), Some(&b"b"[..]), "{others}");
            assert_eq!(map.field("x-ow"), None, "{others}");
            let has = [map.has("accept"), map.has("x-own"), map.has("x-ow"), map.has("")];
            assert_eq!(has, [true, true, false, false], "{others}");
        }
    }
}
