//! The Tower door: over plain services, around an axum router, on single routes, and one behind the other.

mod support;

use axum::Router;
use axum::extract::{MatchedPath, Path, Request as AxumRequest};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use layercake::layer::{CacheLayer, CacheService};
use layercake::policy::Level;
use layercake::sim::SimRuntime;
use layercake::stats::Event;
use layercake::tier::{MemoryTier, Tier};
use layercake::{Body, Cache, CacheConfig, Policy, QueryKey, SchemaVersion};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use support::{MINUTE, Opaque, secs, stale_policy};
use tower::{Layer, Service, ServiceExt, service_fn};

const MISS: &str = "layercake; fwd=uri-miss; ttl=60; stored";
const HIT: &str = "layercake; hit; ttl=60; detail=l1";

/// A cache of one tier on a simulated host.
struct Door {
    runtime: SimRuntime,
    config: CacheConfig,
    cache: Cache,
}

impl Door {
    fn new(policy: Policy) -> Self {
        Self::of(
            CacheConfig::new("shop", SchemaVersion(1))
                .cache_status(layercake::StatusForm::Full)
                .fallback(policy)
                .build()
                .unwrap(),
        )
    }

    fn of(config: CacheConfig) -> Self {
        let runtime = SimRuntime::new();
        let memory: Arc<dyn Tier> = Arc::new(MemoryTier::new(Level::L1, 1 << 20));
        let cache = Cache::new(config.clone(), [memory], Arc::new(runtime.clone()));
        Self { runtime, config, cache }
    }

    fn layer(&self) -> CacheLayer {
        CacheLayer::new(self.cache.clone())
    }

    /// Sends `request`, reads the answer, and lets the work behind it end.
    fn send<S, B, R>(&self, service: &S, request: Request<B>) -> Result<Got, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone,
        R: http_body::Body<Data = Bytes>,
        R::Error: std::fmt::Debug,
    {
        let response = self.runtime.run(service.clone().oneshot(request))?;
        let (parts, body) = response.into_parts();
        let body = self.runtime.run(body.collect()).expect("a whole body").to_bytes();
        self.runtime.run_background();
        let text = String::from_utf8(body.to_vec()).expect("text");
        Ok(Got { status: parts.status, headers: parts.headers, text })
    }

    fn count(&self, event: Event) -> u64 {
        self.config.stats().count(event)
    }
}

#[derive(Debug)]
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Got {
    fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    #[track_caller]
    fn is(&self, status: &str, text: &str) {
        assert_eq!((self.field("cache-status"), self.text.as_str()), (status, text));
    }
}

fn at(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("https://shop.example{path}")).body(Full::default()).unwrap()
}

fn with(mut request: Request<Full<Bytes>>, name: &'static str, value: &str) -> Request<Full<Bytes>> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

fn axum_at(path: &str) -> AxumRequest {
    at(path).map(axum::body::Body::new)
}

/// What the handler saw last.
type Seen = Arc<Mutex<Option<Request<Full<Bytes>>>>>;

/// A service that answers `hello` and keeps the request it saw.
#[derive(Clone, Default)]
struct Hello(Seen);

impl Hello {
    fn last(&self) -> Request<Full<Bytes>> {
        self.0.lock().unwrap().take().expect("the handler was not called")
    }

    fn was_called(&self) -> bool {
        self.0.lock().unwrap().is_some()
    }
}

impl Service<Request<Full<Bytes>>> for Hello {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        *self.0.lock().unwrap() = Some(request);
        ready(Ok(Response::new(Body::from("hello"))))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag(&'static str);

#[test]
fn a_plain_service_is_cached() {
    let door = Door::new(Policy::ttl(MINUTE));
    let service = door.layer().layer(service_fn(|request: Request<Full<Bytes>>| async move {
        let mut response = Response::new(Full::from(format!("you asked {}", request.uri().path())));
        response.extensions_mut().insert(Tag("the handler's"));
        response.headers_mut().insert("x-kept", "1".parse().unwrap());
        Ok::<_, Infallible>(response)
    }));
    let response = door.runtime.run(service.clone().oneshot(at("/a"))).unwrap();
    assert_eq!(response.extensions().get(), Some(&Tag("the handler's")));
    assert_eq!(door.runtime.run(response.into_body().collect()).unwrap().to_bytes(), "you asked /a");
    let got = door.send(&service, at("/a")).unwrap();
    got.is(HIT, "you asked /a");
    assert_eq!((got.field("x-kept"), got.field("age")), ("1", "0"));
    door.send(&service, at("/b")).unwrap().is(MISS, "you asked /b");
}

#[test]
fn the_services_error_passes_through_or_stale_stands_in() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Down;
    let door = Door::new(Policy::ttl(MINUTE).stale_if_error(MINUTE));
    let down = Arc::new(Mutex::new(false));
    let switch = Arc::clone(&down);
    let service = door.layer().layer(service_fn(move |_: Request<Full<Bytes>>| {
        ready(if *switch.lock().unwrap() { Err(Down) } else { Ok(Response::new(Full::from("hello"))) })
    }));
    door.send(&service, at("/a")).unwrap().is(MISS, "hello");
    *down.lock().unwrap() = true;
    door.runtime.advance(secs(90));
    let got = door.send(&service, at("/a")).unwrap();
    got.is("layercake; hit; ttl=-30; detail=stale-if-error", "hello");
    assert_eq!(door.send(&service, at("/b")).unwrap_err(), Down);
    assert_eq!(door.config.stats().requests(), 3);
}

#[test]
fn the_handler_does_not_see_what_the_answer_must_not_depend_on() {
    let fields = [
        ("cookie", "_ga=1"),
        ("if-none-match", "\"v1\""),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("if-match", "\"v1\""),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("if-range", "\"v1\""),
        ("range", "bytes=0-1"),
        ("accept", "text/html"),
    ];
    let ask = |policy: Policy, authorization: bool| {
        let (door, handler) = (Door::new(policy), Hello::default());
        let service = door.layer().layer(handler.clone());
        let mut request = fields.iter().fold(at("/a"), |request, (name, value)| with(request, name, value));
        *request.method_mut() = Method::HEAD;
        request.extensions_mut().insert(Tag("the router's"));
        if authorization {
            request = with(request, "authorization", "anna");
        }
        door.send(&service, request).unwrap();
        let seen = handler.last();
        assert_eq!(seen.extensions().get(), Some(&Tag("the router's")));
        let kept: Vec<_> = seen.headers().keys().map(|name| name.as_str().to_owned()).collect();
        (seen.method().clone(), kept)
    };
    assert_eq!(ask(Policy::ttl(MINUTE), false), (Method::GET, vec!["accept".to_owned()]));
    assert_eq!(ask(Policy::ttl(MINUTE).anonymous(), true), (Method::GET, vec!["accept".to_owned()]));
    // Beside a credential only the cookies are hidden.
    let (method, kept) = ask(Policy::ttl(MINUTE), true);
    assert_eq!((method, kept.len(), kept.contains(&"cookie".to_owned())), (Method::HEAD, fields.len(), false));
    for policy in [Policy::bypass(), Policy::rfc9111()] {
        let (method, kept) = ask(policy, false);
        assert_eq!((method, kept.len()), (Method::HEAD, fields.len()));
    }
}

#[test]
fn hosts_are_told_apart_in_origin_form_too() {
    let door = Door::new(Policy::ttl(MINUTE));
    let service = door.layer().layer(service_fn(|request: Request<Full<Bytes>>| async move {
        let host = request.headers()["host"].to_str().unwrap().to_ascii_lowercase();
        Ok::<_, Infallible>(Response::new(Full::from(host.trim_end_matches(":80").to_owned())))
    }));
    let ask = |host: &str| {
        let request = with(Request::get("/a").body(Full::default()).unwrap(), "host", host);
        door.send(&service, request).unwrap()
    };
    ask("a.example").is(MISS, "a.example");
    ask("b.example").is(MISS, "b.example");
    ask("a.example:8080").is(MISS, "a.example:8080");
    ask("A.Example:80").is(HIT, "a.example");
}

/// RFC 9112 section 3.2.2: the authority of the request target replaces `Host`, but the handler still sees both and
/// may read either.
#[test]
fn a_host_that_contradicts_the_target_does_not_poison_the_entry() {
    let door = Door::new(Policy::ttl(MINUTE));
    let service = door.layer().layer(service_fn(|request: Request<Full<Bytes>>| async move {
        let host = request.headers().get("host").map_or("shop.example", |host| host.to_str().unwrap());
        Ok::<_, Infallible>(Response::new(Full::from(format!("<script src=\"//{host}/a.js\">"))))
    }));
    door.send(&service, with(at("/a"), "host", "evil.example")).unwrap();
    let victim = door.send(&service, with(at("/a"), "host", "shop.example")).unwrap();
    assert_eq!(victim.text, "<script src=\"//shop.example/a.js\">");
}

/// RFC 9110 section 9.3.1: content in a GET has no defined meaning, yet a handler can read it, and no key holds it.
#[test]
fn the_content_of_a_get_does_not_poison_the_entry() {
    let door = Door::new(Policy::ttl(MINUTE));
    let service = door.layer().layer(service_fn(|request: Request<Full<Bytes>>| async move {
        let body = request.into_body().collect().await?.to_bytes();
        Ok::<_, Infallible>(Response::new(Full::from([b"found: ", &body[..]].concat())))
    }));
    for field in [("content-length", "4"), ("transfer-encoding", "chunked")] {
        let evil = with(at("/a"), field.0, field.1).map(|_| Full::from("evil"));
        assert_eq!(door.send(&service, evil).unwrap().text, "found: evil");
        assert_eq!(door.send(&service, at("/a")).unwrap().text, "found: ");
    }
}

/// RFC 9113 section 8.2.3: over HTTP/2 a browser's cookies come as several lines.
#[test]
fn harmless_cookies_on_several_lines_share() {
    let (door, handler) = (Door::new(Policy::ttl(MINUTE)), Hello::default());
    let service = door.layer().layer(handler.clone());
    let lines = || with(with(at("/a"), "cookie", "_ga=1"), "cookie", "_gid=2");
    door.send(&service, with(lines(), "cookie", "session=anna"))
        .unwrap()
        .is("layercake; fwd=bypass; detail=cookie", "hello");
    door.send(&service, lines()).unwrap().is(MISS, "hello");
    door.send(&service, lines()).unwrap().is(HIT, "hello");
}

/// A service that may only be called after it was polled ready, as the contract of `tower::Service` says.
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<Request<Full<Bytes>>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        ready(Ok(Response::new(Body::from("hello"))))
    }
}

#[test]
fn the_instance_that_was_ready_is_the_one_called() {
    let door = Door::new(stale_policy());
    let mut service: CacheService<Strict> = door.layer().layer(Strict { ready: false });
    for (wait, path, status) in [
        (0, "/a", MISS),
        (0, "/a", HIT),
        (0, "/b", MISS),
        (65, "/a", "layercake; hit; ttl=-5; detail=l1"),
        (0, "/a", HIT),
        (0, "/a", HIT),
        (0, "/c", MISS),
    ] {
        door.runtime.advance(secs(wait));
        let ready = door.runtime.run(service.ready()).unwrap();
        let response = door.runtime.run(ready.call(at(path))).unwrap();
        assert_eq!(response.headers()["cache-status"], status);
        door.runtime.run_background();
    }
    assert_eq!(door.count(Event::Revalidated), 1);
}

fn shop() -> Router {
    let item = async |Path(id): Path<u32>, matched: MatchedPath| format!("item {id} of {}", matched.as_str());
    let account = async |headers: HeaderMap| {
        let cookie = headers.get("cookie").and_then(|cookie| cookie.to_str().ok());
        format!("account of {}", cookie.unwrap_or("nobody"))
    };
    Router::new().route("/items/{id}", get(item)).route("/account", get(account))
}

#[test]
fn around_a_router_the_table_decides() {
    let config = CacheConfig::new("shop", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .route("/items/:id", Policy::ttl(MINUTE))
        .route("/account", Policy::bypass())
        .build()
        .unwrap();
    let door = Door::of(config);
    let service = door.layer().layer(shop());
    let ask = |path: &str| door.send(&service, axum_at(path)).unwrap();
    ask("/items/7").is(MISS, "item 7 of /items/{id}");
    ask("/items/7").is(HIT, "item 7 of /items/{id}");
    ask("/items/8").is(MISS, "item 8 of /items/{id}");
    ask("/account").is("layercake; fwd=bypass; detail=policy", "account of nobody");
    let missing = ask("/nowhere");
    missing.is("layercake; fwd=uri-miss; detail=not-stored-status", "");
    assert_eq!(missing.status, StatusCode::NOT_FOUND);

    let stats = door.config.stats();
    let counts = |route: usize, event| stats.routes[route].count(event);
    assert_eq!((counts(0, Event::Miss), counts(0, Event::HitL1)), (2, 1));
    assert_eq!((counts(1, Event::Bypass), counts(2, Event::Miss)), (1, 1));
}

#[test]
fn a_router_answers_head_and_conditions_through_the_cache() {
    let door = Door::new(Policy::ttl(MINUTE));
    let router = Router::new().route("/a", get(async || ([("etag", "\"v1\"")], "hello")));
    let service = door.layer().layer(router);
    let mut head = axum_at("/a");
    *head.method_mut() = Method::HEAD;
    let got = door.send(&service, head).unwrap();
    got.is(MISS, "");
    assert_eq!(got.field("etag"), "\"v1\"");
    let mut conditional = axum_at("/a");
    conditional.headers_mut().insert("if-none-match", "\"v1\"".parse().unwrap());
    let got = door.send(&service, conditional).unwrap();
    got.is(HIT, "");
    assert_eq!(got.status, StatusCode::NOT_MODIFIED);
    door.send(&service, axum_at("/a")).unwrap().is(HIT, "hello");
}

#[test]
fn on_a_route_its_own_policy_counts_and_its_parameters_are_extracted() {
    let door = Door::new(Policy::bypass());
    let layer = door.layer().policy(Policy::ttl(MINUTE)).unwrap();
    let item = async |Path(id): Path<u32>| format!("item {id}");
    let router =
        Router::new().route("/items/{id}", get(item)).route_layer(layer).route("/plain", get(async || "plain"));
    let ask = |path: &str| door.send(&router, axum_at(path)).unwrap();
    ask("/items/7").is(MISS, "item 7");
    ask("/items/7").is(HIT, "item 7");
    ask("/items/8").is(MISS, "item 8");
    ask("/plain").is("", "plain");
    ask("/nowhere").is("", "");
    assert_eq!((door.config.stats().requests(), door.count(Event::HitL1)), (3, 1));
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused() {
    let error = Door::new(Policy::bypass()).layer().policy(Policy::ttl(secs(0))).unwrap_err();
    assert!(error.to_string().contains("field ttl"), "{error}");
}

#[test]
fn a_request_that_has_passed_one_door_is_let_through_by_the_next() {
    let (outer, inner) = (Door::new(Policy::ttl(MINUTE)), Door::new(Policy::ttl(2 * MINUTE)));
    let item = async |Path(id): Path<u32>| format!("item {id}");
    let router = Router::new().route("/items/{id}", get(item)).route_layer(inner.layer());
    let service = outer.layer().layer(router);
    outer.send(&service, axum_at("/items/7")).unwrap().is(MISS, "item 7");
    outer.send(&service, axum_at("/items/7")).unwrap().is(HIT, "item 7");
    assert_eq!((outer.config.stats().requests(), inner.config.stats().requests()), (2, 0));

    // An outer door that steps aside is a door all the same.
    let outer = Door::new(Policy::bypass());
    let service = outer.layer().layer(inner.layer().layer(Hello::default()));
    for _ in 0..2 {
        outer.send(&service, at("/a")).unwrap().is("layercake; fwd=bypass; detail=policy", "hello");
    }
    assert_eq!((outer.config.stats().requests(), inner.config.stats().requests()), (2, 0));
}

#[test]
fn a_hosts_body_is_never_read_on_its_way_through_two_doors() {
    let (outer, inner) = (Door::new(Policy::ttl(MINUTE)), Door::new(Policy::ttl(MINUTE)));
    let handler =
        service_fn(|_: Request<Full<Bytes>>| ready(Ok::<_, Infallible>(Response::new(Opaque::buffer("theirs", 100)))));
    let service = outer.layer().layer(inner.layer().layer(handler));
    for status in [MISS, HIT] {
        let response = outer.runtime.run(service.clone().oneshot(at("/a"))).unwrap();
        assert_eq!(response.headers()["cache-status"], status);
        assert_eq!(Opaque::label(response.into_body()), "theirs");
        outer.runtime.run_background();
    }
}

#[test]
fn a_hit_does_not_call_the_handler() {
    let (door, handler) = (Door::new(Policy::ttl(MINUTE)), Hello::default());
    let service = door.layer().layer(handler.clone());
    door.send(&service, at("/a")).unwrap().is(MISS, "hello");
    handler.last();
    door.send(&service, at("/a")).unwrap().is(HIT, "hello");
    assert!(!handler.was_called());
}

#[test]
fn the_handler_sees_what_counts_and_no_more() {
    let policy = Policy::ttl(MINUTE).query(QueryKey::only(&["q"])).ignore_case().key_cookies(&["theme"]);
    let (door, handler) = (Door::new(policy), Hello::default());
    let service = door.layer().layer(handler.clone());
    let request = with(at("/About?x=1&q=2"), "cookie", "_ga=1");
    door.send(&service, with(request, "cookie", "theme=dark")).unwrap().is(MISS, "hello");
    let seen = handler.last();
    assert_eq!(seen.uri(), "https://shop.example/about?q=2");
    assert_eq!(seen.headers()["cookie"], "theme=dark");
    door.send(&service, with(at("/about?q=2&x=2"), "cookie", "theme=dark")).unwrap().is(HIT, "hello");

    // In origin form, and with nothing left of the query.
    let request = Request::get("/About?x=1").header("host", "shop.example").body(Full::default()).unwrap();
    door.send(&service, request).unwrap().is(MISS, "hello");
    assert_eq!(handler.last().uri(), "/about");
}

#[cfg(feature = "verify")]
#[test]
fn a_service_that_answers_by_what_is_not_keyed_on_is_found_out() {
    let door = Door::new(Policy::ttl(MINUTE).verify_one_in(1));
    let item = async |headers: HeaderMap| {
        let user = headers.get("x-user").map_or("nobody", |user| user.to_str().unwrap());
        format!("{user} on {}", headers["host"].to_str().unwrap())
    };
    let router = Router::new().route("/a", get(item)).route("/b", get(async || "hello"));
    // Without a way to ask again nothing is looked at.
    let once = door.layer().layer(router.clone());
    door.send(&once, axum_at("/b")).unwrap();
    assert_eq!(door.count(Event::Verified), 0);

    let service = door.layer().verified::<axum::body::Body>().layer(router);
    let ask = |path: &str, user: &str| {
        let request = Request::get(path).header("host", "shop.example").header("x-user", user);
        door.send(&service, request.body(axum::body::Body::empty()).unwrap()).unwrap()
    };
    ask("/b", "anna");
    assert_eq!((door.count(Event::Verified), door.count(Event::Quarantined)), (1, 0));
    assert_eq!(ask("/a", "anna").text, "anna on shop.example");
    assert_eq!(door.count(Event::Quarantined), 1);
    ask("/a", "ben").is("layercake; fwd=bypass; detail=quarantine", "ben on shop.example");
}

#[test]
fn a_second_host_makes_another_key() {
    let door = Door::new(Policy::ttl(MINUTE));
    let last_host = |request: Request<Full<Bytes>>| {
        let host = request.headers().get_all("host").iter().next_back().map(|host| host.to_str().unwrap().to_owned());
        ready(Ok::<_, Infallible>(Response::new(Body::from(host.unwrap_or_default().into_bytes()))))
    };
    let service = door.layer().layer(service_fn(last_host));
    let ask = |hosts: &[&str]| {
        let request = hosts.iter().fold(Request::get("/a"), |request, host| request.header("host", *host));
        door.send(&service, request.body(Full::default()).unwrap()).unwrap().text
    };
    assert_eq!(ask(&["good.example", "evil.example"]), "evil.example");
    assert_eq!(ask(&["good.example"]), "good.example");
    // The authority of an absolute-form target replaces them all.
    let request = Request::get("https://good.example/b").header("host", "a.example").header("host", "evil.example");
    assert_eq!(door.send(&service, request.body(Full::default()).unwrap()).unwrap().text, "good.example");
}

#[test]
fn the_handler_sees_the_host_that_counts() {
    let (door, handler) = (Door::new(Policy::ttl(MINUTE)), Hello::default());
    let service = door.layer().layer(handler.clone());
    let request = Request::get("/a").header("host", "Shop.EXAMPLE:80").body(Full::default()).unwrap();
    door.send(&service, request).unwrap().is(MISS, "hello");
    assert_eq!(handler.last().headers()["host"], "shop.example");
}

#[test]
fn the_scheme_that_a_proxy_in_front_names_counts() {
    let door = Door::new(Policy::ttl(MINUTE));
    let redirect = |request: Request<Full<Bytes>>| {
        let secure = request.headers().get("x-forwarded-proto").is_some_and(|proto| proto == "https");
        ready(Ok::<_, Infallible>(Response::new(Body::from(if secure { "welcome" } else { "come by https" }))))
    };
    let service = door.layer().layer(service_fn(redirect));
    for _ in 0..2 {
        for (proto, text) in [("http", "come by https"), ("https", "welcome")] {
            let request = Request::get("/a").header("host", "shop.example").header("x-forwarded-proto", proto);
            assert_eq!(door.send(&service, request.body(Full::default()).unwrap()).unwrap().text, text);
        }
    }
}
