use crate::message::{Ask, RequestView};
use crate::semantics::{Fields, joined};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What a client asks.
///
/// ```
/// use layercake::sim::Request;
///
/// let request = Request::get("/items?page=2").with("accept-language", "de");
/// assert_eq!(request.to_string(), "GET /items?page=2 accept-language: de");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, upper case.
    pub method: Box<str>,
    /// Host and port. Default: `sim.example`.
    pub authority: Box<str>,
    /// The path, begins with `/`.
    pub path: Box<str>,
    /// The query without its `?`.
    pub query: Option<Box<str>>,
    /// Header fields in order, names in lower case.
    pub fields: Vec<(Box<str>, Box<str>)>,
}

impl Request {
    /// A request of `method` for `target`: a path, with a query if it has one.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = split(target);
        Self { method: method.into(), authority: "sim.example".into(), path, query, fields: Vec::new() }
    }

    /// A GET of `target`.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// The same request with one more header field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_ascii_lowercase().into(), value.into()));
        self
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.to_string(),
        }
    }

    /// A field's lines, joined; `None` when there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.field(name).map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// Who the client says it is: its `Authorization` and its cookies; empty for nobody in particular.
    #[must_use]
    pub fn visitor(&self) -> String {
        let said = ["authorization", "cookie"].iter().filter_map(|name| self.text(name));
        said.collect::<Vec<_>>().join("|")
    }

    /// What a door hands over to the handler when it is asked so.
    #[must_use]
    pub fn as_asked(mut self, ask: &Ask) -> Self {
        let put = |name: &str| ask.set.iter().any(|(other, _)| name.eq_ignore_ascii_case(other));
        let off = |name: &str| put(name) || ask.taken_off().any(|hidden| name.eq_ignore_ascii_case(hidden));
        self.fields.retain(|(name, _)| !off(name) && !ask.hide.is_everything());
        self.fields.extend(ask.set.iter().map(|(name, value)| (name.as_ref().into(), value.clone())));
        if ask.whole {
            self.method = "GET".into();
        }
        if let Some(target) = &ask.target {
            (self.path, self.query) = split(target);
        }
        self
    }
}

fn split(target: &str) -> (Box<str>, Option<Box<str>>) {
    match target.split_once('?') {
        Some((path, query)) => (path.into(), Some(query.into())),
        None => (target.into(), None),
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target())?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}: {value}"))
    }
}

impl Fields for Request {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        joined(self.fields.iter().filter(|(other, _)| **other == *name).map(|(_, value)| value.as_bytes()))
    }

    fn names(&self) -> Vec<Box<str>> {
        self.fields.iter().map(|(name, _)| name.clone()).collect()
    }
}

impl RequestView for Request {
    fn method(&self) -> &str {
        &self.method
    }

    fn scheme(&self) -> &'static str {
        "https"
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    fn keep_fields(&self) -> Arc<dyn Fields + Send + Sync> {
        Arc::new(self.clone())
    }
}
