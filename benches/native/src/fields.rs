//! A browser's request and a handler's answer, as every bench sees them.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use layercake::semantics::Fields;
use std::borrow::Cow;

/// When the answer was received, in seconds since 1970: the time in its `Date`.
pub const RECEIVED: u64 = 1_800_000_000;

/// What a browser sends.
pub const BROWSER: &[(&str, &str)] = &[
    ("host", "shop.example"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "it-CH,it;q=0.8,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-dest", "document"),
];

/// What a handler answers.
pub const ANSWER: &[(&str, &str)] = &[
    ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
    ("content-type", "text/html; charset=utf-8"),
    ("content-length", "1024"),
    ("cache-control", "public, max-age=300, s-maxage=600, stale-while-revalidate=60"),
    ("etag", ETAG),
    ("last-modified", "Thu, 14 Jan 2027 17:12:00 GMT"),
    ("vary", "Accept-Encoding"),
    ("server", "example"),
    ("x-request-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
];

/// The answer's entity tag.
pub const ETAG: &str = "\"33a64df551425fcc55e4d42a148795d9\"";

/// The answer's body.
pub const BODY: &[u8] = &[b'x'; 1024];

/// Fields as the Tower door reads them.
pub struct Of<'a>(pub &'a HeaderMap);

impl Fields for Of<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut lines = self.0.get_all(name).iter();
        let first = lines.next()?.as_bytes();
        lines.next().is_none().then_some(Cow::Borrowed(first))
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

pub fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>(), HeaderValue::from_str(value));
    fields.iter().map(pair).map(|(name, value)| (name.expect("a name"), value.expect("a value"))).collect()
}

/// A browser's request with one more field.
pub fn request(more: Option<(&'static str, &'static str)>) -> Request<()> {
    let mut request = Request::new(());
    *request.headers_mut() = map(BROWSER);
    if let Some((name, value)) = more {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    request
}

/// The handler's answer.
pub fn response<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.headers_mut() = map(ANSWER);
    response
}
