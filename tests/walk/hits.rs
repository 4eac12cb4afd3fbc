//! Misses, hits and what the client asked of them.

use crate::support::{MINUTE, World, get, head, response, secs, stale_policy};
use layercake::Policy;
use layercake::message::{Ask, Hide};
use layercake::policy::Tiers;
use layercake::stats::Event;

const WHOLE: Ask = Ask::whole(Hide::Cookies);

fn world() -> World {
    World::new(Policy::ttl(MINUTE))
}

#[test]
fn a_cold_miss_fills_all_tiers() {
    let world = world();
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored").reads("call 1");
    assert_eq!((world.site.calls(), world.site.last().ask), (1, WHOLE));
    for tier in world.tiers() {
        assert!(world.holds(tier));
    }
    assert_eq!((world.count(Event::Miss), world.count(Event::Stored)), (1, 3));
}

#[test]
fn the_nearest_tier_that_has_it_answers_and_the_nearer_ones_are_filled() {
    let world = world();
    world.send(&get("/a"));
    world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("call 1");
    assert_eq!(world.l1.gets(), 1, "a hot hit asks no other tier");

    world.clear(&world.hot);
    world.send(&get("/a")).says("hit; ttl=60; detail=l1").reads("call 1");
    world.send(&get("/a")).says("hit; ttl=60; detail=hot");

    world.clear(&world.hot);
    world.clear(&world.l1);
    world.send(&get("/a")).says("hit; ttl=60; detail=l2").reads("call 1");
    assert!(world.holds(&world.hot) && world.holds(&world.l1));

    assert_eq!(world.site.calls(), 1);
    let counts = [Event::HitHot, Event::HitL1, Event::HitL2, Event::Miss].map(|e| world.count(e));
    assert_eq!(counts, [2, 1, 1, 1]);
}

#[test]
fn the_hot_tier_lets_go_after_its_stay() {
    let world = world();
    world.send(&get("/a"));
    world.pass(secs(4));
    world.send(&get("/a")).says("hit; ttl=56; detail=hot");
    world.pass(secs(1));
    world.send(&get("/a")).says("hit; ttl=55; detail=l1");
}

#[test]
fn promotion_keeps_the_birth_time_and_never_lengthens_life() {
    let world = world();
    world.send(&get("/a"));
    world.pass(secs(20));
    world.clear(&world.l1);
    let got = world.send(&get("/a"));
    assert_eq!(got.says("hit; ttl=40; detail=l2").field("age"), "20");
    world.pass(secs(39));
    let got = world.send(&get("/a"));
    assert_eq!(got.says("hit; ttl=1; detail=l1").field("age"), "59");
    world.pass(secs(1));
    for tier in world.tiers() {
        assert!(!world.holds(tier));
    }
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored").reads("call 2");
}

#[test]
fn an_age_given_by_the_origin_counts_on() {
    let world = World::new(Policy::from_headers());
    world.site.always(200, &[("cache-control", "max-age=60"), ("age", "50")], "old");
    world.send(&get("/a")).says("fwd=uri-miss; ttl=10; stored");
    world.pass(secs(9));
    let got = world.send(&get("/a"));
    assert_eq!(got.says("hit; ttl=1; detail=l1").field("age"), "59");
    world.pass(secs(1));
    world.send(&get("/a"));
    assert_eq!(world.site.calls(), 2);
}

#[test]
fn an_expired_entry_is_not_served() {
    let world = World::new(Policy::ttl(MINUTE).stale_if_error(MINUTE));
    world.send(&get("/a"));
    world.pass(MINUTE);
    world.send(&get("/a")).says("fwd=stale; ttl=60; stored").reads("call 2");
    world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("call 2");
}

#[test]
fn what_differs_in_host_path_or_query_is_another_entry() {
    let world = world();
    let mut other_host = get("/a");
    other_host.authority = "other.example".to_owned();
    let requests = [get("/a"), get("/b"), get("/a?x=1"), get("/a?x=2"), get("/a?"), other_host];
    for (n, request) in requests.iter().enumerate() {
        world.send(request).reads(&format!("call {}", n + 1));
    }
    for (n, request) in requests.iter().enumerate() {
        world.send(request).says("hit; ttl=60; detail=hot").reads(&format!("call {}", n + 1));
    }
}

#[test]
fn a_policy_keeps_out_of_tiers_it_does_not_use() {
    let world = World::new(Policy::ttl(MINUTE).tiers(Tiers::ALL.without_hot().without_l2()));
    world.send(&get("/a"));
    world.send(&get("/a")).says("hit; ttl=60; detail=l1");
    for tier in [&world.hot, &world.l2] {
        assert_eq!((tier.gets(), tier.puts()), (0, 0));
    }
}

#[test]
fn bypassed_routes_and_other_methods_go_through_untouched() {
    let bypassed = World::new(Policy::bypass());
    let cached = world();
    cached.send(&get("/a"));
    for (world, methods, status) in [
        (&bypassed, &["GET", "HEAD", "POST"][..], "fwd=bypass; detail=policy"),
        (&cached, &["OPTIONS", "TRACE"], "fwd=method"),
    ] {
        let before = world.tiers().map(|tier| (tier.gets(), tier.puts()));
        for method in methods {
            let request = get("/a")
                .method(method)
                .with("if-none-match", "\"v1\"")
                .with("range", "bytes=0-1")
                .with("cookie", "_ga=1");
            world.send(&request).says(status);
            let seen = world.site.last();
            assert_eq!(seen.ask, Ask::AS_IS);
            assert_eq!(seen.request.method, *method);
        }
        assert_eq!(world.tiers().map(|tier| (tier.gets(), tier.puts())), before);
        assert_eq!(world.count(Event::Bypass), methods.len() as u64);
    }
}

#[test]
fn a_method_the_policy_does_not_answer_goes_through() {
    let world = World::new(Policy::ttl(MINUTE).methods(&["GET"]));
    world.send(&head("/a")).says("fwd=method");
    assert_eq!(world.site.last().ask, Ask::AS_IS);
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored");
}

#[test]
fn head_is_answered_from_a_stored_get() {
    let world = world();
    world.site.always(200, &[("content-length", "5"), ("etag", "\"v1\"")], "hello");
    world.send(&get("/a"));
    let got = world.send(&head("/a"));
    got.says("hit; ttl=60; detail=hot").reads("");
    assert_eq!((got.field("content-length"), got.field("etag")), ("5".into(), "\"v1\"".into()));
    assert_eq!(world.site.calls(), 1);
}

#[test]
fn a_head_miss_fills_by_get() {
    let world = world();
    world.site.always(200, &[("content-length", "5")], "hello");
    let got = world.send(&head("/a"));
    got.says("fwd=uri-miss; ttl=60; stored").reads("");
    assert_eq!(got.field("content-length"), "5");
    assert_eq!(world.site.last().request.method, "GET");
    world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
}

#[test]
fn a_client_that_holds_the_answer_gets_a_304() {
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let world = world();
    let fields = &[("etag", "\"v1\""), ("last-modified", DATE), ("content-type", "text/plain")];
    world.site.always(200, fields, "hello");
    let conditions = [
        ("if-none-match", "\"v1\"", true),
        ("if-none-match", "W/\"v1\", \"v2\"", true),
        ("if-none-match", "*", true),
        ("if-none-match", "\"v2\"", false),
        ("if-modified-since", DATE, true),
        ("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT", true),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT", false),
    ];
    // First all misses, then all hits.
    for (round, status) in [("miss", "fwd=uri-miss; ttl=60; stored"), ("hit", "hit; ttl=60; detail=hot")] {
        for (n, (name, value, not_modified)) in conditions.iter().enumerate() {
            for request in [get(&format!("/g{n}")), head(&format!("/h{n}"))] {
                let got = world.send(&request.with(name, value));
                got.says(status);
                let expected = if *not_modified { 304 } else { 200 };
                assert_eq!(got.status, expected, "{round}, {name}: {value}");
                assert_eq!(got.field("etag"), "\"v1\"");
                assert_eq!(got.field("content-type").is_empty(), *not_modified);
                if *not_modified {
                    got.reads("");
                }
            }
        }
        let seen = world.site.last();
        assert_eq!((seen.field("if-none-match"), seen.field("if-modified-since")), ("".into(), "".into()));
    }
    assert_eq!(world.site.calls(), 2 * conditions.len());
    world.send(&get("/g0")).reads("hello");
}

#[test]
fn a_handler_that_is_asked_as_is_and_ignores_conditions_has_its_whole_answer_sent() {
    let policy = Policy::from_headers();
    for (policy, who) in [(Policy::rfc9111(), ""), (policy, "Bearer anna")] {
        let world = World::new(policy);
        world.site.always(200, &[("cache-control", "public, max-age=60"), ("etag", "\"v1\"")], "hello");
        let mut request = get("/a").with("if-none-match", "\"v1\"");
        if !who.is_empty() {
            request = request.with("authorization", who);
        }
        let got = world.send(&request);
        let whole = (got.status, got.text()) == (200, "hello");
        let not_modified = (got.status, got.text()) == (304, "");
        assert!(whole || not_modified, "{} with the body {:?}", got.status, got.text());
    }
}

#[test]
fn a_range_of_a_cached_route_is_answered_by_the_whole() {
    let world = world();
    world.site.always(200, &[], "hello");
    let request = get("/a").with("range", "bytes=0-1").with("if-range", "\"v1\"");
    for status in ["fwd=uri-miss; ttl=60; stored", "hit; ttl=60; detail=hot"] {
        let got = world.send(&request);
        assert_eq!(got.says(status).reads("hello").status, 200);
    }
    assert_eq!((world.site.last().field("range"), world.site.calls()), (String::new(), 1));
}

#[test]
fn browsers_hear_what_the_handler_said_or_to_ask_again() {
    for (policy, fields, cache_control) in [
        (Policy::ttl(MINUTE), &[][..], "public, max-age=0, must-revalidate"),
        (Policy::ttl(MINUTE).browser_ttl(secs(9)), &[], "public, max-age=9"),
        (Policy::ttl(MINUTE), &[("cache-control", "max-age=3")], "max-age=3"),
        (Policy::ttl(MINUTE), &[("expires", "0")], ""),
    ] {
        let world = World::new(policy);
        world.site.always(200, fields, "hello");
        for request in [get("/a"), get("/a"), head("/a")] {
            assert_eq!(world.send(&request).field("cache-control"), cache_control);
        }
        assert_eq!(world.site.calls(), 1);
    }
}

#[test]
fn members_of_caches_nearer_to_the_origin_stay_in_front() {
    let world = world();
    world.site.always(200, &[("cache-status", "upstream; hit")], "hello");
    let got = world.send(&get("/a"));
    assert_eq!(got.cache_status(), "upstream; hit, layercake; fwd=uri-miss; ttl=60; stored");
    let got = world.send(&get("/a"));
    assert_eq!(got.cache_status(), "upstream; hit, layercake; hit; ttl=60; detail=hot");
}

#[test]
fn fields_about_one_connection_are_not_stored() {
    let world = world();
    let fields = &[("connection", "x-hop, close"), ("x-hop", "1"), ("keep-alive", "timeout=5"), ("x-kept", "1")];
    world.site.always(200, fields, "hello");
    world.send(&get("/a"));
    let got = world.send(&get("/a"));
    let left = ["connection", "x-hop", "keep-alive", "x-kept"].map(|name| got.field(name));
    assert_eq!(left, ["", "", "", "1"]);
}

#[test]
fn repeated_and_unknown_fields_are_kept_in_order() {
    let world = world();
    world.site.always(200, &[("link", "</a>"), ("x-odd", "1"), ("link", "</b>")], "hello");
    world.send(&get("/a"));
    for tier in world.tiers() {
        let got = world.send(&get("/a"));
        assert_eq!((got.field("link"), got.field("x-odd")), ("</a>, </b>".into(), "1".into()));
        world.clear(tier);
    }
}

#[test]
fn a_request_that_must_not_be_stored_is_served_and_leaves_no_trace() {
    let world = world();
    let shy = get("/a").with("cache-control", "no-store");
    world.send(&shy).says("fwd=uri-miss; detail=no-store").reads("call 1");
    assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);
    world.send(&get("/a")).reads("call 2");
    world.clear(&world.hot);
    let puts = world.hot.puts();
    world.send(&shy).says("hit; ttl=60; detail=l1").reads("call 2");
    assert_eq!(world.hot.puts(), puts, "a hit was promoted for a request that must not be stored");
}

#[test]
fn a_visitor_can_force_origin_traffic_only_under_the_letter_of_the_rfc() {
    let fields = &[("cache-control", "max-age=60")];
    for (policy, calls) in [(Policy::ttl(MINUTE), 1), (Policy::from_headers(), 1), (Policy::rfc9111(), 4)] {
        let world = World::new(policy);
        world.site.always(200, fields, "hello");
        world.send(&get("/a"));
        world.pass(secs(10));
        for directives in ["no-cache", "max-age=0", "min-fresh=100", "max-age=100"] {
            world.send(&get("/a").with("cache-control", directives).with("pragma", "no-cache"));
            world.pass(secs(10));
        }
        assert_eq!(world.site.calls(), calls);
    }
}

#[test]
fn the_counts_are_logged_behind_a_request() {
    let config = layercake::CacheConfig::new("shop", layercake::SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .fallback(stale_policy())
        .log_every(3, 1000 * MINUTE)
        .build()
        .unwrap();
    let world = World::of(config);
    for _ in 0..3 {
        assert!(world.runtime.log_lines().is_empty());
        world.send(&get("/a"));
    }
    let lines = world.runtime.log_lines();
    assert!(lines.len() == 1 && lines[0].contains("\"requests\":3"), "{lines:?}");
}

#[test]
fn a_redirect_is_stored_with_its_target() {
    let world = world();
    world.site.answer(|_| Ok(response(301, &[("location", "/b")], "")));
    world.send(&get("/a"));
    let got = world.send(&get("/a"));
    assert_eq!((got.says("hit; ttl=60; detail=hot").status, got.field("location")), (301, "/b".into()));
}
