//! What the rules of layercake cost, beside the crate that answers the same questions natively, `http-cache-semantics`.
//! Both get the same `http` requests and responses in the same run, turn by turn; medians are printed, and of each
//! candidate the share of the last one in its group. What has no counterpart there, keys and routes, is listed by itself.

mod keys;
mod timer;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use layercake::entry::{Head, wire};
use layercake::semantics::cache_control::CacheControl;
use layercake::semantics::freshness::{Freshness, Timestamp};
use layercake::semantics::reuse::{Reuse, reuse};
use layercake::semantics::status::CacheStatus;
use layercake::semantics::storage::{RequestFacts, Storable, StoreRules, storable};
use layercake::semantics::structured::dictionary;
use layercake::semantics::{Fields, date};
use std::borrow::Cow;
use std::hint::black_box;
use std::time::{Duration, SystemTime};
use timer::{candidate, compare, list};

const RECEIVED: u64 = 1_800_000_000;

/// What a browser sends.
const BROWSER: &[(&str, &str)] = &[
    ("host", "shop.example"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "it-CH,it;q=0.8,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-dest", "document"),
];

/// What a handler answers.
const ANSWER: &[(&str, &str)] = &[
    ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
    ("content-type", "text/html; charset=utf-8"),
    ("content-length", "18231"),
    ("cache-control", "public, max-age=300, s-maxage=600, stale-while-revalidate=60"),
    ("etag", "\"33a64df551425fcc55e4d42a148795d9\""),
    ("last-modified", "Thu, 14 Jan 2027 17:12:00 GMT"),
    ("vary", "Accept-Encoding"),
    ("server", "example"),
    ("x-request-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
];

/// Fields as the Tower door reads them.
struct Of<'a>(&'a HeaderMap);

impl Fields for Of<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut lines = self.0.get_all(name).iter();
        let first = lines.next()?.as_bytes();
        lines.next().is_none().then_some(Cow::Borrowed(first))
    }
}

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>(), HeaderValue::from_str(value));
    fields.iter().map(pair).map(|(name, value)| (name.expect("a name"), value.expect("a value"))).collect()
}

fn request(cache_control: Option<&str>) -> Request<()> {
    let mut request = Request::new(());
    *request.headers_mut() = map(BROWSER);
    if let Some(value) = cache_control {
        request.headers_mut().insert("cache-control", HeaderValue::from_str(value).expect("a value"));
    }
    request
}

fn response() -> Response<()> {
    let mut response = Response::new(());
    *response.headers_mut() = map(ANSWER);
    response
}

fn store(rules: &StoreRules, response: &Response<()>) -> Storable {
    let now = Timestamp::from_secs(RECEIVED);
    let facts = RequestFacts { get: true, request_time: now, ..RequestFacts::default() };
    storable(rules, facts, response.status().as_u16(), &Of(response.headers()), Some(18_231), now).expect("storable")
}

/// The values of `Age` and `Cache-Status` for a fresh hit.
fn decide(freshness: &Freshness, request: &Request<()>, now: Timestamp) -> (String, String) {
    let directives = Of(request.headers()).field("cache-control").map(|value| CacheControl::parse(&value));
    assert_eq!(reuse(freshness, directives.as_ref(), now), Reuse::Fresh);
    let age = freshness.age(now).as_secs().to_string();
    (age, CacheStatus::hit(freshness.ttl(now)).detail("l1").to_field())
}

/// The fields of the answer, as the other crate returns them.
fn with_fields(stored: &HeaderMap, values: &(String, String)) -> HeaderMap {
    let mut fields = stored.clone();
    for (name, value) in [("age", &values.0), ("cache-status", &values.1)] {
        fields.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
    }
    fields
}

fn main() {
    let (rules, response) = (StoreRules::by_the_letter(), response());
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(RECEIVED);
    let new = || CachePolicy::new_options(&request(None), &response, received, CacheOptions::default());
    let (freshness, policy) = (store(&rules, &response).freshness, new());
    let (now, then) = (Timestamp::from_secs(RECEIVED + 17), received + Duration::from_secs(17));
    let policy_of = |request: &Request<()>| match policy.before_request(request, then) {
        BeforeRequest::Fresh(parts) => parts,
        BeforeRequest::Stale { .. } => unreachable!("it is fresh"),
    };
    for (title, cache_control) in [
        ("A fresh hit, a browser's request", None),
        ("A fresh hit, max-age=300", Some("max-age=300")),
        ("A fresh hit, max-age=60, min-fresh=5, no-transform", Some("max-age=60, min-fresh=5, no-transform")),
    ] {
        let request = request(cache_control);
        compare(
            title,
            &[
                candidate("layercake: decision, Age, Cache-Status", || decide(&freshness, black_box(&request), now)),
                candidate("layercake: that, and all fields in a HeaderMap", || {
                    with_fields(response.headers(), &decide(&freshness, black_box(&request), now))
                }),
                candidate("http-cache-semantics: before_request", || policy_of(black_box(&request))),
            ],
        );
    }
    let asked = request(None);
    compare(
        "May it be stored?",
        &[
            candidate("layercake: storable", || store(&rules, black_box(&response))),
            candidate("http-cache-semantics: new, is_storable, ttl", || {
                let policy = CachePolicy::new_options(&asked, black_box(&response), received, CacheOptions::default());
                (policy.is_storable(), policy.time_to_live(received))
            }),
        ],
    );
    let written = "Thu, 14 Jan 2027 17:12:00 GMT";
    compare(
        "Dates",
        &[
            candidate("layercake: date::parse", || date::parse(black_box(written).as_bytes(), now)),
            candidate("httpdate: parse_http_date", || httpdate::parse_http_date(black_box(written))),
        ],
    );
    let directives = "public, max-age=300, s-maxage=600, stale-while-revalidate=60";
    list(
        "Directives",
        &[
            candidate("CacheControl::parse", || CacheControl::parse(black_box(directives).as_bytes())),
            candidate("CacheControl::parse_targeted", || {
                CacheControl::parse_targeted(black_box(directives).as_bytes())
            }),
            candidate("structured::dictionary", || {
                let mut members = 0;
                dictionary(black_box(directives).as_bytes(), &mut |_| members += 1).map(|()| members)
            }),
        ],
    );
    let head = Head {
        status: 200,
        freshness,
        received: Timestamp::from_secs(RECEIVED),
        length: Some(18_231),
        selecting: vec![("accept-encoding".into(), Some("gzip, deflate, br, zstd".into()))],
        ..Head::default()
    };
    let fields = || ANSWER.iter().map(|(name, value)| (*name, value.as_bytes()));
    let text = wire::encode(&head, fields());
    list(
        "The head of an entry, with its 9 fields",
        &[
            candidate("wire::encode", || wire::encode(black_box(&head), fields())),
            candidate("wire::decode", || wire::decode(black_box(text.as_bytes()))),
        ],
    );
    keys::run();
}
