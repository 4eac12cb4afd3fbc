use bytes::Bytes;
use layercake::body::BodyError;
use layercake::message::{HeaderFields, RequestView};
use layercake::semantics::Fields;
use std::borrow::Cow;
use std::sync::Arc;

/// What a client asks.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub authority: String,
    pub path: String,
    pub query: Option<String>,
    pub fields: Vec<(String, String)>,
}

pub fn get(target: &str) -> Request {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let authority = "shop.example".to_owned();
    Request { method: "GET", authority, path: path.to_owned(), query, fields: Vec::new() }
}

pub fn head(target: &str) -> Request {
    get(target).method("HEAD")
}

impl Request {
    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Fields for Request {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let lines = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let values: Vec<&str> = lines.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| Cow::Owned(values.join(", ").into_bytes()))
    }

    fn names(&self) -> Vec<Box<str>> {
        self.fields.iter().map(|(name, _)| name.to_ascii_lowercase().into()).collect()
    }
}

impl RequestView for Request {
    fn method(&self) -> &str {
        self.method
    }

    fn scheme(&self) -> &str {
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

/// What a client got.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub body: Result<Bytes, BodyError>,
    fields: Vec<(String, String)>,
}

impl Got {
    pub fn new(status: u16, headers: &dyn HeaderFields, body: Result<Bytes, BodyError>) -> Self {
        let mut fields = Vec::new();
        headers.for_each(&mut |name, value| {
            fields.push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
        });
        Self { status, body, fields }
    }

    /// The field's lines, joined; empty when there is none.
    pub fn field(&self, name: &str) -> String {
        let lines = self.fields.iter().filter(|(n, _)| n == name);
        lines.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ")
    }

    pub fn cache_status(&self) -> String {
        self.field("cache-status")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(self.body.as_ref().expect("a whole body")).expect("text")
    }

    /// Asserts on `Cache-Status`.
    #[track_caller]
    pub fn says(&self, expected: &str) -> &Self {
        assert_eq!(self.cache_status(), format!("layercake; {expected}"));
        self
    }

    /// Asserts on the body.
    #[track_caller]
    pub fn reads(&self, expected: &str) -> &Self {
        assert_eq!(self.text(), expected);
        self
    }
}
