use crate::sim::Request;
use bytes::Bytes;
use std::time::Duration;

/// What the simulated origin has under one path, and what it says of it.
///
/// ```
/// use layercake::sim::Page;
/// use std::time::Duration;
///
/// let page = Page::new()
///     .changes_every(Duration::from_secs(7))
///     .etag()
///     .vary("accept-language")
///     .field("cache-control", "max-age=10")
///     .size(300 << 10)
///     .streamed();
/// assert_ne!(page, Page::new());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Page {
    pub(super) status: u16,
    pub(super) period: Option<Duration>,
    pub(super) etag: bool,
    pub(super) vary: Vec<Box<str>>,
    pub(super) fields: Vec<(Box<str>, Box<str>)>,
    pub(super) size: usize,
    pub(super) streamed: bool,
    pub(super) personal: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}

impl Page {
    /// A small page that changes only when it is changed, for everybody, of which the origin says nothing.
    pub const fn new() -> Self {
        Self {
            status: 200,
            period: None,
            etag: false,
            vary: Vec::new(),
            fields: Vec::new(),
            size: 0,
            streamed: false,
            personal: false,
        }
    }

    /// The status of its answers. Default: 200.
    pub const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// It becomes another by itself, so often. Default: only when an unsafe request changes it.
    pub const fn changes_every(mut self, period: Duration) -> Self {
        self.period = Some(period);
        self
    }

    /// It has an entity tag, and questions with `If-None-Match` are answered with 304. Default: none.
    pub const fn etag(mut self) -> Self {
        self.etag = true;
        self
    }

    /// It differs by this request field and says so in `Vary`. Default: it does not.
    pub fn vary(mut self, name: &str) -> Self {
        self.vary.push(name.into());
        self
    }

    /// Answers carry this field. Default: none.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// The length of its body in bytes, at least what it takes to tell bodies apart. Default: no more than that.
    pub const fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// Its body comes piece by piece, and its length is not known beforehand. Default: in one piece of known length.
    pub const fn streamed(mut self) -> Self {
        self.streamed = true;
        self
    }

    /// Whoever shows a credential or a cookie gets a page of his own. Default: all get the same.
    pub const fn personal(mut self) -> Self {
        self.personal = true;
        self
    }

    /// Whom an answer to `request` is for: empty when everybody may have it.
    pub(super) fn audience(&self, request: &Request) -> String {
        if self.personal { request.visitor() } else { String::new() }
    }

    /// What of `request` its content depends on, beside the target and whom it is for.
    pub(super) fn selected(&self, request: &Request) -> String {
        let value = |name: &str| format!("{name}={}", request.text(name).unwrap_or_default());
        self.vary.iter().map(|name| value(name)).collect::<Vec<_>>().join("&")
    }

    /// The content of a version: no two are the same.
    pub(super) fn body(&self, request: &Request, version: u64) -> Bytes {
        let (target, audience, selected) = (request.target(), self.audience(request), self.selected(request));
        let mut text = format!("{target} version {version} for [{audience}] by [{selected}]\n").into_bytes();
        text.extend(b".".repeat(self.size.saturating_sub(text.len())));
        text.into()
    }
}
