//! Sequences in which a visitor might get what was made for somebody else, or in which the key and what the handler saw might
//! differ.

use crate::support::*;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use layercake::layer::CacheLayer;
use layercake::policy::Level;
use layercake::sim::SimRuntime;
#[cfg(feature = "verify")]
use layercake::stats::Event;
use layercake::tier::{MemoryTier, Tier};
use layercake::{Cache, CacheConfig, Policy, QueryKey, SchemaVersion, StatusForm};
use proptest::prelude::*;
use std::convert::Infallible;
use std::sync::Arc;
use tower::{Layer, Service, ServiceExt, service_fn};

fn minute() -> Policy {
    Policy::ttl(MINUTE)
}

fn shop() -> layercake::CacheConfigBuilder {
    CacheConfig::new("shop", SchemaVersion(1)).cache_status(StatusForm::Full).log_every(u64::MAX, 10_000 * MINUTE)
}

// ---- the answer to a POST, where a GET's target is rewritten

#[test]
fn the_answer_to_a_post_is_not_stored_for_a_get_that_sees_less_of_the_query() {
    for policy in [Policy::rfc9111().query(QueryKey::ignored()), Policy::rfc9111().query(QueryKey::only(&["page"]))] {
        let world = World::new(policy);
        world.site.answer(|seen| {
            let query = seen.request.query.clone().unwrap_or_default();
            let location = format!("/a?{query}");
            let fields = [("cache-control", "max-age=60"), ("content-location", &*location)];
            Ok(response(200, &fields, format!("for {query}").into_bytes()))
        });
        world.send(&get("/a?user=anna").method("POST")).reads("for user=anna");
        // The handler of a GET sees no query, and says so.
        world.send(&get("/a?user=ben")).reads("for ");
    }
}

#[test]
fn nor_for_one_that_sees_another_spelling_of_the_path() {
    let world = World::new(Policy::rfc9111().ignore_case());
    world.site.answer(|seen| {
        let fields = [("cache-control", "max-age=60"), ("content-location", &*seen.request.path)];
        Ok(response(200, &fields, format!("at {}", seen.request.path).into_bytes()))
    });
    world.send(&get("/Users/Anna").method("POST")).reads("at /Users/Anna");
    world.send(&get("/users/anna")).reads("at /users/anna");
}

// ---- fields of an answer to a credential get into an entry that is shared

#[test]
fn a_head_with_a_credential_does_not_update_the_shared_entry() {
    let world = World::new(Policy::from_headers());
    world.site.answer(|seen| {
        let user = seen.field("authorization");
        if user.is_empty() {
            return Ok(response(200, &[("cache-control", "public, max-age=60"), ("etag", "\"a\"")], "public page"));
        }
        // Anna's own: nothing says that it may be shared.
        Ok(response(200, &[("x-user", &user)], ""))
    });
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored");
    world.pass(secs(61));
    world.send(&head("/a").with("authorization", "anna"));
    assert_eq!(world.send(&get("/a")).field("x-user"), "");
}

/// A page for all, past its lifetime; a 304 to anna's credential, with a field of hers. What the next visitor gets of that.
fn users_field_after_a_304(policy: Policy) -> String {
    let world = World::new(policy);
    world.site.answer(|seen| {
        let user = seen.field("authorization");
        if user.is_empty() {
            return Ok(response(200, &[("cache-control", "public, max-age=60"), ("etag", "\"a\"")], "public page"));
        }
        Ok(response(304, &[("x-user", &user), ("etag", "\"a\"")], ""))
    });
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored");
    world.pass(secs(61));
    world.send(&get("/a").with("authorization", "anna"));
    world.send(&get("/a")).field("x-user")
}

#[test]
fn nor_does_a_304_to_a_credential() {
    assert_eq!(users_field_after_a_304(Policy::from_headers()), "");
}

#[test]
fn nor_a_refresh_with_one() {
    assert_eq!(users_field_after_a_304(minute().stale_while_revalidate(MINUTE)), "");
}

// ---- what caches in front are told of answers that are keyed on cookies, fields, credentials

/// Whether a shared cache in front, which knows nothing but the URL and `Vary`, would keep the answer and give it to others.
fn would_be_shared_in_front(got: &Got) -> bool {
    let targeted = got.field("cloudflare-cdn-cache-control");
    let lasting = |cc: &str| {
        cc.contains("max-age=") && !cc.contains("max-age=0") && !cc.contains("no-store") && !cc.contains("private")
    };
    (lasting(&targeted) || (targeted.is_empty() && lasting(&got.field("cache-control"))))
        && got.field("vary").is_empty()
}

#[test]
fn caches_in_front_are_not_told_to_share_what_is_keyed_on() {
    let mut leaks = Vec::new();
    for (policy, name, value) in [
        (minute().key_cookies(&["user"]), "cookie", "user=anna"),
        (minute().key_headers(&["authorization"]), "authorization", "anna"),
        (minute().key_headers(&["x-plan"]), "x-plan", "gold"),
        (minute().key_values(&["plan"]), "x-plan", "gold"),
    ] {
        for (browser, platform) in [(false, true), (true, false)] {
            let policy = if browser { policy.clone().browser_ttl(MINUTE) } else { policy.clone() };
            let config = shop()
                .value("plan", |r| Some(String::from_utf8_lossy(&r.field("x-plan").unwrap_or_default()).into_owned()))
                .platform_cache(platform)
                .fallback(policy);
            let world = World::of(config.build().unwrap());
            world.site.answer(move |seen| Ok(response(200, &[], seen.field(name).into_bytes())));
            let got = world.send(&get("/a").with(name, value));
            got.says("fwd=uri-miss; ttl=60; stored");
            if would_be_shared_in_front(&got) {
                leaks.push(format!(
                    "{name} platform={platform}: cache-control: {}; cdn: {}; vary: {:?}",
                    got.field("cache-control"),
                    got.field("cloudflare-cdn-cache-control"),
                    got.field("vary")
                ));
            }
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[test]
fn what_is_keyed_on_a_person_and_not_stored_leaves_as_private() {
    for (plain, keyed, name, value) in [
        (Policy::from_headers(), Policy::from_headers().key_headers(&["authorization"]), "authorization", "anna"),
        (Policy::from_headers(), Policy::from_headers().key_cookies(&["user"]), "cookie", "user=anna"),
    ] {
        let sent = |policy| World::new(policy).send(&get("/a").with(name, value)).field("cache-control");
        assert_eq!(sent(plain), "private, no-store", "as a policy that does not key on {name} has it");
        assert_eq!(sent(keyed), "private, no-store", "{name}");
    }
}

// ---- the letter with key_cookies

#[test]
fn by_the_letter_keyed_cookies_are_all_that_is_seen() {
    let world = World::new(Policy::rfc9111().default_ttl(MINUTE).key_cookies(&["theme"]));
    world.site.answer(|seen| Ok(response(200, &[], seen.field("cookie").into_bytes())));
    world.send(&get("/a").with("cookie", "theme=dark; session=anna")).reads("theme=dark");
    world
        .send(&get("/a").with("cookie", "theme=dark; session=ben"))
        .says("hit; ttl=60; detail=hot")
        .reads("theme=dark");
    world.send(&get("/a").with("cookie", "session=ben")).reads("");
}

// ---- another table lifts the quarantine of a rule that is the same

#[cfg(feature = "verify")]
#[test]
fn a_change_elsewhere_in_the_table_does_not_lift_the_quarantine() {
    let rule = || minute().verify_one_in(2);
    let first = World::of(table(rule()));
    first.site.answers_again();
    let by_user = |seen: &Seen| Ok(response(200, &[], seen.field("x-user").into_bytes()));
    first.site.answer(by_user);
    let user = |path: &str, name: &str| get(path).with("x-user", name);
    first.site.answer(|_| Ok(response(200, &[], "hello")));
    first.send(&user("/z", "anna")); // looked at
    first.site.answer(by_user);
    first.send(&user("/mine", "anna")).reads("anna"); // not looked at
    first.send(&user("/b", "ben")); // looked at, convicted
    assert_eq!(first.count(Event::Quarantined), 1);
    first.send(&user("/mine", "ben")).says("fwd=bypass; detail=quarantine").reads("ben");
    // Another route is added.
    let config = shop().route("/other", Policy::bypass()).fallback(rule()).build().unwrap();
    let second = first.neighbour(config.succeeding(&first.config));
    second.site.answers_again();
    second.site.answer(by_user);
    let got = second.try_send(&user("/mine", "ben")).unwrap();
    std::mem::forget(second);
    got.reads("ben");
}

#[test]
fn doors_whose_policies_differ_in_what_they_replay_do_not_share() {
    // Two doors of policies of their own, neither of which is in the table: both count as the fallback. What is found out behind the
    // one must not depend on the other, and what is stored behind the one is not answered under the other.
    let world = World::of(table(minute()));
    let send = |policy: &Arc<Policy>, request: &Request| {
        let prepared = world.cache.prepare_under(Arc::clone(policy), request);
        let answer = world.runtime.run(prepared.handle(world.site.origin(request))).unwrap();
        let got = world.read(answer);
        world.runtime.run_background();
        got
    };
    let (replays, plain) = (Arc::new(minute().replay_set_cookie()), Arc::new(minute()));
    world.site.always(200, &[("set-cookie", "session=anna")], "hello anna");
    send(&replays, &get("/a"));
    let got = send(&plain, &get("/a"));
    std::mem::forget(world);
    // RFC-wise the same URL; by the policy's promise ("never stored: a response that sets a cookie") not.
    assert_eq!(got.cache_status(), "layercake; fwd=uri-miss; detail=set-cookie");
}

#[test]
fn a_stricter_table_does_not_find_what_the_laxer_one_stored() {
    let lax = World::of(table(Policy::rfc9111().default_ttl(MINUTE)));
    lax.site.answer(|seen| Ok(response(200, &[("set-cookie", "session=anna")], seen.field("cookie").into_bytes())));
    lax.send(&get("/a").with("cookie", "session=anna"));
    let strict = lax.neighbour(table(minute()).succeeding(&lax.config));
    strict.site.always(200, &[], "hello");
    let got = strict.try_send(&get("/a")).unwrap();
    std::mem::forget(strict);
    assert_eq!((got.text(), got.field("set-cookie").as_str()), ("hello", ""));
}

// ---- a value that is evened out for the key alone

#[test]
fn the_handler_sees_a_keyed_field_as_it_counts() {
    // A handler that looks at the first member alone, and does not trim.
    let answer = |seen: &Seen| {
        let sent = seen.field("accept-language");
        let italian = sent.split([',', ';']).next().is_some_and(|first| first == "it" || first.starts_with("it-"));
        Ok(response(200, &[("vary", "accept-language")], if italian { "ciao" } else { "hello" }))
    };
    let mut poisoned = Vec::new();
    // By Vary alone such requests are alike (RFC 9111 section 4.1).
    for policy in [minute().key_headers(&["accept-language"])] {
        for evil in [",it,en;q=0.5", "it ,en;q=0.5"] {
            let world = World::new(policy.clone());
            world.site.answer(answer);
            world.send(&get("/a").with("accept-language", evil));
            if world.send(&get("/a").with("accept-language", "it,en;q=0.5")).text() != "ciao" {
                poisoned.push(evil);
            }
        }
    }
    assert!(poisoned.is_empty(), "{poisoned:?}");
}

// ---- the route of the path as sent, the handler of the path as it counts

#[test]
fn an_alias_of_another_rules_path_goes_past_the_cache() {
    for (policy, alias) in [(minute().ignore_trailing_slash(), "/me/"), (minute().ignore_case(), "/Me")] {
        for strict in [Policy::bypass(), minute().key_headers(&["x-user"])] {
            let world = World::of(shop().route("/me", strict).fallback(policy.clone()).build().unwrap());
            world.site.answer(|seen| {
                let known = seen.request.path == "/me";
                let body = if known { seen.field("x-user") } else { "not found".into() };
                Ok(response(if known { 200 } else { 404 }, &[], body.into_bytes()))
            });
            // The handler of the alias is another than that of the path it stands for.
            world.send(&get(alias).with("x-user", "anna")).says("fwd=bypass; detail=path").reads("not found");
            world.send(&get("/me").with("x-user", "ben")).reads("ben");
        }
    }
}

// ---- The Tower door

struct Door {
    runtime: SimRuntime,
    cache: Cache,
}

impl Door {
    fn new(policy: Policy) -> Self {
        let config = shop().fallback(policy).build().unwrap();
        let runtime = SimRuntime::new();
        let memory: Arc<dyn Tier> = Arc::new(MemoryTier::new(Level::L1, 1 << 20));
        let cache = Cache::new(config, [memory], Arc::new(runtime.clone()));
        Self { runtime, cache }
    }

    fn layer(&self) -> CacheLayer {
        CacheLayer::new(self.cache.clone())
    }

    fn send<S, B, R>(&self, service: &S, request: http::Request<B>) -> String
    where
        S: Service<http::Request<B>, Response = http::Response<R>> + Clone,
        S::Error: std::fmt::Debug,
        R: http_body::Body<Data = Bytes>,
        R::Error: std::fmt::Debug,
    {
        let response = self.runtime.run(service.clone().oneshot(request)).unwrap();
        let body = self.runtime.run(response.into_body().collect()).expect("a whole body").to_bytes();
        self.runtime.run_background();
        String::from_utf8(body.to_vec()).expect("text")
    }
}

fn at(target: &str) -> http::request::Builder {
    http::Request::get(target)
}

fn text(text: impl Into<String>) -> Result<http::Response<Full<Bytes>>, Infallible> {
    Ok(http::Response::new(Full::from(text.into())))
}

#[test]
fn content_without_a_length_over_http2_goes_past_the_cache() {
    // RFC 9113 section 8.1.1: content-length is optional there, and transfer-encoding is not allowed.
    let door = Door::new(minute());
    let service = door.layer().layer(service_fn(|request: http::Request<Full<Bytes>>| async move {
        let body = request.into_body().collect().await?.to_bytes();
        text(format!("found: {}", String::from_utf8_lossy(&body)))
    }));
    let ask = |body: &'static str| {
        let request = at("https://shop.example/a").version(http::Version::HTTP_2).body(Full::from(body)).unwrap();
        door.send(&service, request)
    };
    ask("evil");
    assert_eq!(ask(""), "found: ");
}

#[cfg(feature = "axum")]
#[test]
fn routers_nested_around_the_layer_do_not_share_keys() {
    use axum::{Router, routing::get as route};
    let door = Door::new(minute());
    let part =
        |name: &'static str| Router::new().route("/list", route(move || async move { name })).layer(door.layer());
    let router = Router::new().nest("/public", part("public")).nest("/admin", part("admin"));
    let ask = |path: &str| {
        door.send(&router, at(&format!("https://shop.example{path}")).body(axum::body::Body::empty()).unwrap())
    };
    assert_eq!(ask("/admin/list"), "admin");
    assert_eq!(ask("/public/list"), "public");
}

#[cfg(feature = "axum")]
#[test]
fn nor_do_tenants_in_the_nested_part_of_the_path() {
    use axum::{Router, extract::Path, routing::get as route};
    let door = Door::new(minute());
    let inner = Router::new()
        .route("/list", route(async |Path(tenant): Path<String>| format!("of {tenant}")))
        .layer(door.layer());
    let router = Router::new().nest("/{tenant}", inner);
    let ask = |path: &str| {
        door.send(&router, at(&format!("https://shop.example{path}")).body(axum::body::Body::empty()).unwrap())
    };
    assert_eq!(ask("/anna/list"), "of anna");
    assert_eq!(ask("/ben/list"), "of ben");
}

#[cfg(feature = "axum")]
#[test]
fn a_nested_service_keeps_its_part_of_the_path_and_sees_the_query_that_counts() {
    use axum::{Router, routing::get as route};
    let door = Door::new(minute().query(QueryKey::only(&["page"])));
    let part = |name: &'static str| {
        let list = async move |uri: http::Uri| format!("{name} {uri}");
        door.layer().layer(Router::new().route("/list", route(list)))
    };
    let router = Router::new().nest_service("/public", part("public")).nest_service("/admin", part("admin"));
    let ask = |path: &str| {
        door.send(&router, at(&format!("https://shop.example{path}")).body(axum::body::Body::empty()).unwrap())
    };
    for _ in 0..2 {
        assert!(ask("/admin/list?page=1&user=anna").ends_with("/list?page=1"));
        assert!(ask("/admin/list?page=1&user=ben").starts_with("admin "));
        assert!(ask("/public/list?page=1").starts_with("public "));
    }
}

#[cfg(feature = "axum")]
#[test]
fn a_path_that_the_router_has_read_is_not_shown_as_another() {
    use axum::{Router, extract::Path, routing::get as route};
    let door = Door::new(Policy::bypass());
    let layer = door.layer().policy(minute().ignore_case()).unwrap();
    let router = Router::new()
        .route(
            "/users/{name}",
            route(async |Path(name): Path<String>, uri: http::Uri| format!("{name} {}", uri.path())),
        )
        .route_layer(layer);
    let ask = |path: &str| {
        door.send(&router, at(&format!("https://shop.example{path}")).body(axum::body::Body::empty()).unwrap())
    };
    ask("/users/ANNA");
    assert_eq!(ask("/users/anna"), "anna /users/anna");
}

#[test]
fn the_scheme_in_the_key_is_the_one_that_is_seen() {
    let door = Door::new(minute());
    // Reads the first of what the proxies say, as the field is meant, in any case of letters.
    let redirect = |request: http::Request<Full<Bytes>>| async move {
        let proto = request.headers().get("x-forwarded-proto").map_or("", |proto| proto.to_str().unwrap());
        let proto = proto.split(',').next().unwrap().trim().to_ascii_lowercase();
        text(format!("{proto}://shop.example/next"))
    };
    let service = door.layer().layer(service_fn(redirect));
    let mut wrong = Vec::new();
    for (n, (one, other)) in
        [("https, http", "http"), ("HTTPS", "http"), ("javascript", "http"), ("http,https", "http, http")]
            .iter()
            .enumerate()
    {
        let ask = |proto: &str| {
            let request = at(&format!("/{n}")).header("host", "shop.example").header("x-forwarded-proto", proto);
            door.send(&service, request.body(Full::default()).unwrap())
        };
        ask(one);
        let got = ask(other);
        if got != "http://shop.example/next" {
            wrong.push(format!("{other} after {one}: {got}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_change_with_cookies_on_several_lines_voids_what_they_are_keyed_on() {
    let door = Door::new(minute().key_cookies(&["plan"]));
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let service = door.layer().layer(service_fn(move |_: http::Request<Full<Bytes>>| {
        let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move { text(format!("call {call}")) }
    }));
    let ask = |method: &str| {
        // RFC 9113 section 8.2.3
        let request =
            at("https://shop.example/a").method(method).header("cookie", "_ga=1").header("cookie", "plan=gold");
        door.send(&service, request.body(Full::default()).unwrap())
    };
    assert_eq!(ask("GET"), "call 0");
    assert_eq!(ask("GET"), "call 0");
    assert_eq!(ask("PUT"), "call 1");
    assert_eq!(ask("GET"), "call 2");
}

#[test]
fn several_lines_of_a_keyed_field_are_one_for_the_handler_too() {
    let door = Door::new(minute().key_headers(&["accept-language", "x-plan"]));
    let first = |request: http::Request<Full<Bytes>>| async move {
        let field = |name| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        text(format!("{} {}", field("accept-language"), field("x-plan")))
    };
    let service = door.layer().layer(service_fn(first));
    let ask = |lines: &[&str]| {
        let request = lines.iter().fold(at("https://shop.example/a"), |r, line| r.header("accept-language", *line));
        door.send(&service, request.body(Full::default()).unwrap())
    };
    ask(&["", "it"]);
    assert_eq!(ask(&["it"]), "it ");
}

#[test]
fn bytes_that_are_no_text() {
    let bytes: [&[u8]; 9] = [
        b"plan=\xff",
        b"plan=\xc3\xbf",
        b"plan=\xfe",
        b"plan=\xff; theme=dark",
        b"theme=dark",
        b"plan=\xef\xbf\xbd",
        b"plan=\"a",
        b"plan=",
        b"x=1",
    ];
    for policy in [
        minute().key_cookies(&["plan", "theme"]).key_headers(&["x-plan"]),
        minute().key_cookies(&["plan", "theme"]).key_headers(&["x-plan"]).anonymous(),
    ] {
        let door = Door::new(policy.clone());
        let echo = |request: http::Request<Full<Bytes>>| async move { text(format!("{:?}", request.headers())) };
        let service = door.layer().layer(service_fn(echo));
        for cookie in bytes.iter().chain(&bytes) {
            for plan in bytes {
                let request = || {
                    let value = |bytes| http::HeaderValue::from_bytes(bytes).unwrap();
                    let request =
                        at("https://shop.example/a").header("cookie", value(cookie)).header("x-plan", value(plan));
                    request.body(Full::default()).unwrap()
                };
                let alone = Door::new(policy.clone());
                let expected = alone.send(&alone.layer().layer(service_fn(echo)), request());
                assert_eq!(door.send(&service, request()), expected);
            }
        }
    }
}

// ---- Whatever the sequence: a handler that says what it varies on, or that sees what is keyed

/// What the handler sees, told with a validator and as RFC 9110 wants it; personal where a credential is seen that no key holds.
fn faithful(policy: usize) -> impl Fn(&Seen) -> Reply {
    move |seen| {
        let Request { path, query, .. } = &seen.request;
        let fields = ["cookie", "authorization", "x-plan", "accept-language"].map(|name| seen.field(name));
        let body = format!("{path} {query:?} {fields:?}");
        let tag =
            format!("\"{:x}\"", body.bytes().fold(7_u64, |all, b| all.wrapping_mul(31).wrapping_add(u64::from(b))));
        let letter = policy >= LETTER;
        let vary = "cookie, authorization, x-plan, accept-language";
        let cc = if letter { "max-age=60, public" } else { "max-age=60" };
        let location = query.as_ref().map_or(path.clone(), |query| format!("{path}?{query}"));
        let name = if policy == 8 { "x-location" } else { "content-location" };
        let said = [("etag", &*tag), ("vary", vary), ("cache-control", cc), (name, &*location)];
        if seen.field("if-none-match").split(", ").any(|sent| sent == tag) {
            return Ok(response(304, &said, ""));
        }
        let body = if seen.request.method == "HEAD" { String::new() } else { body };
        Ok(response(200, &said, body.into_bytes()))
    }
}

const LETTER: usize = 7;

fn policies(place: usize) -> Policy {
    let stale = || stale_policy();
    match place {
        0 => stale(),
        1 => stale().key_headers(&["authorization"]),
        2 => stale()
            .key_headers(&["authorization", "accept-language"])
            .languages(&["en", "it"])
            .query(QueryKey::only(&["a"]).sort()),
        3 => stale().key_cookies(&["theme"]).ignore_case().ignore_trailing_slash(),
        4 => stale().anonymous().key_cookies(&["theme"]).query(QueryKey::ignored()),
        5 => Policy::from_headers().key_headers(&["x-plan"]).cache_ambiguous_paths().ignore_case(),
        6 => Policy::from_headers().languages(&["en", "it"]).query(QueryKey::without(&["a"])),
        7 => Policy::rfc9111(),
        8 => Policy::rfc9111().query(QueryKey::ignored()).ignore_case(),
        9 => Policy::rfc9111().key_headers(&["authorization"]).key_cookies(&["theme"]).languages(&["en", "it"]),
        _ => Policy::rfc9111().anonymous().key_cookies(&["theme"]),
    }
}

fn any_request() -> impl Strategy<Value = Request> {
    let field = |name: &'static str, values: &'static str| {
        prop::option::weighted(0.4, values.prop_map(move |value| (name.to_owned(), value)))
    };
    (
        prop::sample::select(vec!["GET", "GET", "GET", "HEAD", "POST"]),
        "/[aA](/|%2f)?",
        prop::option::of("(a=1|b|a=2|B=1)(&(a=1|b))?"),
        field("cookie", "((theme|_ga|session|)=[ab\"\u{ff}\u{c3},]{0,2}(; ?)?){1,3}"),
        field("authorization", "[ab]"),
        field("x-plan", "[ab\u{ff}\"]{1,2}"),
        field("accept-language", "(en|it|fr)(, (en|it);q=0.[59])?"),
        field("cache-control", "(no-cache|no-store|max-age=0|max-stale)"),
    )
        .prop_map(|(method, path, query, a, b, c, d, e)| {
            let fields = [a, b, c, d, e].into_iter().flatten().collect();
            Request { method, path, query, fields, ..get("/") }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn everybody_gets_their_own(
        place in 0_usize..11,
        steps in prop::collection::vec((any_request(), prop::sample::select(vec![0_u64, 0, 0, 6, 61, 700])), 1..24),
    ) {
        let policy = policies(place);
        let world = World::new(policy.clone());
        world.site.answer(faithful(place));
        for (turn, (request, wait)) in steps.iter().enumerate() {
            world.pass(secs(*wait));
            let alone = World::new(policy.clone());
            alone.site.answer(faithful(place));
            if let Some(tier) = world.tiers().into_iter().take(2).nth(turn % 5) {
                world.clear(tier);
            }
            let (got, expected) = (world.send(request), alone.send(request));
            prop_assert_eq!(
                (got.status, got.text(), got.field("etag")),
                (expected.status, expected.text(), expected.field("etag")),
                "{:?} under {}", request, place
            );
        }
    }
}
