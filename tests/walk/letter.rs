//! `Policy::rfc9111()`: what a shared cache may and must do by the letter of RFC 9111, and where the other presets differ.

use crate::support::{Failure, MINUTE, Request, World, get, head, response, secs, table};
use layercake::sim::PutFault;
use layercake::stats::Event;
use layercake::{CacheConfig, Policy, SchemaVersion};

const MODIFIED: &str = "Wed, 31 Dec 2025 23:58:20 GMT";

fn asks(directives: &str) -> Request {
    get("/a").with("cache-control", directives)
}

/// A world with one entry that has this `Cache-Control` and a validator, `wait` seconds after it came; "new" from now on.
fn aged(policy: Policy, cache_control: &'static str, wait: u64) -> World {
    let world = World::new(policy);
    world.site.answer(move |_| Ok(response(200, &[("cache-control", cache_control), ("etag", "\"v1\"")], "old")));
    world.send(&get("/a")).reads("old");
    world.pass(secs(wait));
    world.site.always(200, &[("cache-control", "max-age=60")], "new");
    world
}

/// Response directives, age in seconds, request directives, and what happens.
const DIRECTIVES: [(&str, u64, &str, &str); 44] = [
    ("max-age=60", 30, "", "hit; ttl=30"),
    // 5.2.1.1
    ("max-age=60", 30, "max-age=30", "hit; ttl=30"),
    ("max-age=60", 30, "max-age=29", "fwd=request"),
    ("max-age=60", 30, "max-age=0", "fwd=request"),
    ("max-age=60", 30, "max-age=x", "fwd=request"),
    ("max-age=60", 30, "max-age", "fwd=request"),
    ("max-age=60", 30, "max-age=99999999999999", "hit; ttl=30"),
    ("max-age=60", 0, "max-age=0", "hit; ttl=60"),
    ("max-age=60", 30, "MAX-AGE=\"29\"", "fwd=request"),
    // 5.2.1.3
    ("max-age=60", 30, "min-fresh=30", "hit; ttl=30"),
    ("max-age=60", 30, "min-fresh=31", "fwd=request"),
    ("max-age=60", 30, "min-fresh=99999999999999", "fwd=request"),
    ("max-age=60", 70, "min-fresh=0", "fwd=stale"),
    // 5.2.1.4
    ("max-age=60", 30, "no-cache", "fwd=request"),
    ("max-age=60", 70, "no-cache", "fwd=stale"),
    ("max-age=60", 30, "max-age=100, no-cache", "fwd=request"),
    ("max-age=60", 30, "no-cache=\"x\"", "hit; ttl=30"),
    // 5.2.1.2
    ("max-age=60", 70, "", "fwd=stale"),
    ("max-age=60", 70, "max-stale", "hit; ttl=-10"),
    ("max-age=60", 70, "max-stale=10", "hit; ttl=-10"),
    ("max-age=60", 70, "max-stale=9", "fwd=stale"),
    ("max-age=60", 70, "max-stale=x", "fwd=stale"),
    ("max-age=60", 70, "max-age=100", "fwd=stale"),
    ("max-age=60", 70, "max-age=100, max-stale=10", "hit; ttl=-10"),
    ("max-age=60", 70, "max-age=69, max-stale=10", "fwd=stale"),
    ("max-age=60", 70, "max-stale, no-cache", "fwd=stale"),
    // 4.2.4, 5.2.2.2, 5.2.2.8, 5.2.2.10, 5.2.2.4: never for those.
    ("max-age=60, must-revalidate", 70, "max-stale", "fwd=stale"),
    ("max-age=60, proxy-revalidate", 70, "max-stale", "fwd=stale"),
    ("s-maxage=60", 70, "max-stale", "fwd=stale"),
    ("s-maxage=60, max-age=600", 70, "max-stale=100", "fwd=stale"),
    ("no-cache", 0, "max-stale", "fwd=stale"),
    ("no-cache, max-age=60", 5, "max-stale=100", "fwd=stale"),
    ("no-cache, max-age=60", 5, "", "fwd=stale"),
    // 5.2.1.7
    ("max-age=60", 30, "only-if-cached", "hit; ttl=30"),
    ("max-age=60", 70, "only-if-cached", "504"),
    ("max-age=60", 70, "only-if-cached, max-stale", "hit; ttl=-10"),
    ("max-age=60", 30, "only-if-cached, no-cache", "504"),
    ("max-age=60", 30, "only-if-cached, max-age=29", "504"),
    ("no-cache", 0, "only-if-cached, max-stale", "504"),
    // RFC 5861 section 3, and what the client says about it.
    ("max-age=60, stale-while-revalidate=60", 70, "", "hit; ttl=-10"),
    ("max-age=60, stale-while-revalidate=60", 70, "max-stale=9", "fwd=stale"),
    ("max-age=60, stale-while-revalidate=60", 70, "max-age=100", "fwd=stale"),
    ("max-age=60, stale-while-revalidate=60", 70, "only-if-cached", "hit; ttl=-10"),
    // Unknown, and of no meaning in a request.
    ("max-age=60", 30, "private, must-revalidate, s-maxage=0, foo=bar, no-transform", "hit; ttl=30"),
];

#[test]
fn the_clients_directives_are_obeyed() {
    for (cache_control, wait, directives, expected) in DIRECTIVES {
        let world = aged(Policy::rfc9111(), cache_control, wait);
        let got = world.send(&asks(directives));
        let status = got.cache_status();
        let what = format!("{cache_control} after {wait} s, asked for {directives:?}: {status}");
        if expected == "504" {
            assert_eq!((got.status, got.text(), world.site.calls()), (504, "", 1), "{what}");
            got.says("detail=only-if-cached");
            continue;
        }
        assert!(status.starts_with(&format!("layercake; {expected};")), "{what}");
        let hit = expected.starts_with("hit");
        assert_eq!(got.text(), if hit { "old" } else { "new" }, "{what}");
        let conditional = !hit && world.site.last().field("if-none-match") == "\"v1\"";
        assert_eq!(conditional, !hit, "what cannot be used as it is gets validated: {what}");
    }
}

#[test]
fn the_clients_directives_are_ignored_under_the_other_presets() {
    // A visitor must not be able to force origin traffic, nor to get a 504.
    for (cache_control, wait, directives, _) in DIRECTIVES {
        if wait > 30 || cache_control.contains("no-cache") {
            continue;
        }
        for policy in [Policy::from_headers(), Policy::ttl(MINUTE)] {
            let world = aged(policy, cache_control, wait);
            let got = world.send(&asks(directives).with("pragma", "no-cache"));
            assert!(got.reads("old").cache_status().starts_with("layercake; hit"), "{directives}");
        }
    }
    for policy in [Policy::from_headers(), Policy::ttl(MINUTE)] {
        let world = World::new(policy);
        world.send(&asks("only-if-cached")).reads("call 1");
        // Nor to get stale answers.
        let world = aged(Policy::ttl(MINUTE), "", 70);
        world.send(&asks("max-stale")).reads("new");
    }
}

#[test]
fn pragma_is_ignored() {
    // 5.4: deprecated; here it has no meaning at all.
    let world = aged(Policy::rfc9111(), "max-age=60", 30);
    world.send(&get("/a").with("pragma", "no-cache")).says("hit; ttl=30; detail=l1");
}

#[test]
fn only_if_cached_is_answered_from_what_is_there_and_never_by_the_origin() {
    // 5.2.1.7
    let world = World::new(Policy::rfc9111());
    world.site.answer(|seen| {
        let language = seen.field("accept-language");
        Ok(response(200, &[("vary", "accept-language"), ("cache-control", "max-age=60")], language.into_bytes()))
    });
    let only = |method, language: &str| Request { method, ..asks("only-if-cached").with("accept-language", language) };
    for method in ["GET", "HEAD"] {
        let got = world.send(&only(method, "en"));
        assert_eq!((got.says("detail=only-if-cached").status, got.field("content-length")), (504, "0".into()));
    }
    assert_eq!((world.site.calls(), world.count(Event::Error)), (0, 2));
    world.send(&get("/a").with("accept-language", "en"));
    for cleared in 0..3 {
        world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
        world.send(&only("GET", "en")).reads("en");
        assert_eq!(world.send(&only("HEAD", "en")).status, 200);
        assert_eq!(world.send(&only("GET", "de")).status, 504, "another variant");
        assert_eq!(world.send(&only("GET", "en").with("if-none-match", "*")).status, 304);
    }
    // What is not for those who are logged in is not there for them.
    assert_eq!(world.send(&only("GET", "en").with("authorization", "anna")).status, 504);
    assert_eq!(world.site.calls(), 1);
}

#[test]
fn no_store_in_a_request_stores_nothing_and_takes_what_is_fresh() {
    // 5.2.1.5
    let world = World::new(Policy::rfc9111());
    world.site.always(200, &[("cache-control", "max-age=60"), ("etag", "\"v1\"")], "hello");
    for directives in ["no-store", "No-Store, max-age=5", "foo, no-store=\"x\""] {
        world.send(&asks(directives)).says("fwd=uri-miss; detail=no-store").reads("hello");
        world.send(&Request { method: "HEAD", ..asks(directives) });
    }
    assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);
    world.send(&get("/a"));
    world.send(&asks("no-store")).says("hit; ttl=60; detail=hot");
}

#[test]
fn no_cache_in_a_request_validates_what_is_fresh() {
    // 5.2.1.4
    let world = World::new(Policy::rfc9111());
    world.site.answer(|seen| {
        let confirmed = seen.field("if-none-match") == "\"v1\"";
        let fields = [("etag", "\"v1\""), ("cache-control", "max-age=60")];
        Ok(response(if confirmed { 304 } else { 200 }, &fields, if confirmed { "" } else { "hello" }))
    });
    world.send(&get("/a"));
    for _ in 0..2 {
        world.pass(secs(10));
        world.send(&asks("no-cache")).says("fwd=request; fwd-status=304; ttl=60; stored").reads("hello");
        world.send(&get("/a")).says("hit; ttl=60; detail=hot");
    }
    let got = world.send(&asks("no-cache").with("if-none-match", "\"v1\""));
    assert_eq!(got.status, 304);
    assert_eq!((world.site.calls(), world.l2.puts()), (4, 1));
}

#[test]
fn fields_that_private_or_no_cache_name_are_not_stored_and_the_rest_is() {
    // 5.2.2.4, 5.2.2.7
    for (cache_control, left) in [
        ("max-age=60, private=\"x-user\"", ["", "2", "3"]),
        ("max-age=60, private=x-user", ["", "2", "3"]),
        ("max-age=60, Private=\"X-User, x-other\"", ["", "", "3"]),
        ("max-age=60, no-cache=\"x-user\"", ["", "2", "3"]),
        ("max-age=60, no-cache=\"x-user\", private=\"x-other\"", ["", "", "3"]),
        ("private=\"x-user,x-other , x-kept\", max-age=60", ["", "", ""]),
        ("max-age=60, private=\"x-nothing\"", ["1", "2", "3"]),
    ] {
        for policy in [Policy::rfc9111(), Policy::from_headers(), Policy::ttl(MINUTE)] {
            let world = World::new(policy);
            world.site.answer(move |seen| {
                let fields = [
                    ("cache-control", cache_control),
                    ("etag", "\"v1\""),
                    ("x-user", "1"),
                    ("x-other", "2"),
                    ("x-kept", "3"),
                    ("x-user", "1"),
                ];
                let confirmed = seen.field("if-none-match") == "\"v1\"";
                Ok(response(if confirmed { 304 } else { 200 }, &fields, if confirmed { "" } else { "hello" }))
            });
            for round in 0..2 {
                let first = world.send(&get("/a"));
                assert_eq!(first.reads("hello").field("x-user"), "1, 1", "it is for whoever asked, {round}");
                for tier in [&world.hot, &world.l1] {
                    let got = world.send(&get("/a"));
                    assert!(got.reads("hello").cache_status().starts_with("layercake; hit; ttl=60"), "{cache_control}");
                    let fields = ["x-user", "x-other", "x-kept"].map(|name| got.field(name));
                    assert_eq!(
                        fields,
                        left.map(|value| if value == "1" { "1, 1".to_owned() } else { value.to_owned() })
                    );
                    world.clear(tier);
                }
                world.pass(MINUTE);
            }
        }
    }
}

#[test]
fn private_and_no_cache_that_name_nothing_count_for_all() {
    for cache_control in
        ["max-age=60, private", "max-age=60, private=\"\"", "max-age=60, private=", "private=\"a b\", max-age=60"]
    {
        let world = World::new(Policy::rfc9111());
        world.site.answer(move |_| Ok(response(200, &[("cache-control", cache_control)], "hello")));
        world.send(&get("/a")).says("fwd=uri-miss; detail=private");
    }
}

#[test]
fn must_understand_stands_above_no_store_for_who_understands() {
    // 5.2.2.3
    for (status, cache_control, detail) in [
        (200, "no-store, must-understand, max-age=60", "stored"),
        (404, "must-understand, no-store, max-age=60", "stored"),
        (200, "no-store, max-age=60", "no-store"),
        (299, "no-store, must-understand, max-age=60", "must-understand"),
        (299, "must-understand, max-age=60", "must-understand"),
        (599, "must-understand, max-age=60", "must-understand"),
        (299, "max-age=60", "stored"),
        (200, "no-store, must-understand=1, max-age=60", "no-store"),
    ] {
        let world = World::new(Policy::rfc9111());
        world.site.answer(move |_| Ok(response(status, &[("cache-control", cache_control)], "hello")));
        let got = world.send(&get("/a"));
        assert!(got.cache_status().ends_with(detail), "{status} {cache_control}: {}", got.cache_status());
        assert_eq!(world.send(&asks("no-store, must-understand")).status, status);
    }
    let world = World::new(Policy::rfc9111());
    world.site.always(200, &[("cache-control", "no-store, must-understand, max-age=60")], "hello");
    world.send(&asks("no-store")).says("fwd=uri-miss; detail=no-store");
}

/// `Cloudflare-CDN-Cache-Control`, `CDN-Cache-Control`, `Cache-Control`, and seconds of freshness.
const TARGETED: [(&str, &str, &str, Option<u32>); 15] = [
    ("", "", "max-age=60", Some(60)),
    ("", "max-age=30", "max-age=60", Some(30)),
    ("max-age=20", "max-age=30", "max-age=60", Some(20)),
    ("", "max-age=30", "no-store", Some(30)),
    ("", "max-age=30", "private", Some(30)),
    ("max-age=20", "no-store", "no-store", Some(20)),
    ("", "no-store", "max-age=60", None),
    ("no-store", "max-age=30", "max-age=60", None),
    ("private", "", "public, max-age=60", None),
    ("", "max-age=30, max-age=40", "max-age=60", Some(40)),
    ("", "max-age=30;ext=1, foo=(1 2)", "max-age=60", Some(30)),
    // RFC 9213 section 2.1: what is no dictionary is ignored whole.
    ("", "max-age=30,", "max-age=60", Some(60)),
    ("&&", "max-age=30", "max-age=60", Some(30)),
    ("", "Max-Age=30", "max-age=60", Some(60)),
    // A value of another type than it has is no number of seconds.
    ("", "max-age=\"30\"", "max-age=60", None),
];

#[test]
fn a_targeted_field_takes_the_place_of_cache_control() {
    // RFC 9213 section 2.2
    for (first, second, third, seconds) in TARGETED {
        for policy in [Policy::rfc9111(), Policy::from_headers()] {
            let world = World::new(policy);
            world.site.answer(move |_| {
                let fields =
                    [("cloudflare-cdn-cache-control", first), ("cdn-cache-control", second), ("cache-control", third)];
                let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
                Ok(response(200, &fields, "hello"))
            });
            for n in 0..2 {
                let got = world.send(&get("/a"));
                let what = format!("{first} | {second} | {third}: {}", got.cache_status());
                match seconds {
                    Some(seconds) => assert!(got.cache_status().contains(&format!("ttl={seconds};")), "{what}"),
                    None => assert!(!got.cache_status().contains("stored"), "{what}"),
                }
                // Passed on as they came.
                let names = ["cloudflare-cdn-cache-control", "cdn-cache-control", "cache-control"];
                let got = names.map(|name| got.field(name));
                if seconds.is_some() {
                    assert_eq!(got, [first, second, third], "{n}");
                }
            }
            assert_eq!(world.site.calls(), if seconds.is_some() { 1 } else { 2 });
        }
    }
}

#[test]
fn a_targeted_field_takes_the_place_of_expires_too() {
    let world = World::new(Policy::from_headers());
    world.site.always(200, &[("cdn-cache-control", "public"), ("expires", "Thu, 01 Jan 2026 01:00:00 GMT")], "hello");
    world.send(&get("/a")).says("fwd=uri-miss; detail=no-lifetime");
}

#[test]
fn the_owner_says_which_fields_are_targeted_at_this_cache() {
    for (targets, seconds) in [
        (&["My-Cache-Control"][..], 10),
        (&["cdn-cache-control", "my-cache-control"], 30),
        (&["my-cache-control", "CDN-Cache-Control"], 10),
        (&["other"], 60),
        (&[], 60),
    ] {
        let world = World::new(Policy::from_headers().targets(targets));
        let fields =
            &[("cache-control", "max-age=60"), ("cdn-cache-control", "max-age=30"), ("my-cache-control", "max-age=10")];
        world.site.always(200, fields, "hello");
        world.send(&get("/a")).says(&format!("fwd=uri-miss; ttl={seconds}; stored"));
    }
}

#[test]
fn targeted_fields_are_taken_off_where_the_owner_wants_it() {
    let fields = &[
        ("cdn-cache-control", "max-age=60"),
        ("etag", "\"v1\""),
        ("my-cache-control", "x"),
        ("cache-control", "no-cache"),
    ];
    let policies = [Policy::rfc9111(), Policy::from_headers(), Policy::ttl(MINUTE), Policy::bypass()];
    for policy in policies {
        let world = World::new(policy.strip_targets());
        world.site.always(200, fields, "hello");
        let holds = get("/a").with("if-none-match", "\"v1\"");
        for request in
            [get("/a"), get("/a"), head("/a"), holds, get("/a").with("cookie", "session=1"), get("/a").method("POST")]
        {
            let got = world.send(&request);
            assert_eq!(got.field("cdn-cache-control"), "", "{request:?}");
            assert_eq!((got.field("my-cache-control"), got.field("cache-control")), ("x".into(), "no-cache".into()));
        }
    }
    // The stored entry is governed by it all the same.
    let world = World::new(Policy::from_headers().strip_targets());
    world.site.always(200, fields, "hello");
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored");
    world.send(&get("/a")).says("hit; ttl=60; detail=hot");
}

#[test]
fn heuristic_lifetimes_are_for_the_statuses_that_are_defined_so() {
    // 4.2.2, RFC 9110 section 15.1: a tenth of the 100 seconds since it was modified.
    const DEFINED: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
    for status in DEFINED.into_iter().chain([201, 202, 302, 303, 307, 400, 403, 406, 409, 418, 429, 500, 503]) {
        for public in [false, true] {
            let world = World::new(Policy::rfc9111());
            world.site.answer(move |_| {
                let fields = [("last-modified", MODIFIED), ("location", "/b"), ("cache-control", "public")];
                Ok(response(status, &fields[..if public { 3 } else { 2 }], ""))
            });
            let got = world.send(&get("/a"));
            let stored = public || DEFINED.contains(&status);
            let expected = if stored { "fwd=uri-miss; ttl=10; stored" } else { "fwd=uri-miss; detail=no-lifetime" };
            assert_eq!(got.says(expected).status, status);
            if stored {
                assert_eq!(world.send(&get("/a")).says("hit; ttl=10; detail=hot").status, status);
            }
        }
    }
}

#[test]
fn heuristic_lifetimes_have_bounds() {
    for (policy, fields, ttl) in [
        (Policy::rfc9111(), &[("last-modified", "Wed, 01 Jan 2020 00:00:00 GMT")][..], Some(86_400)),
        (Policy::rfc9111().heuristic_ttl(secs(60)), &[("last-modified", "Wed, 01 Jan 2020 00:00:00 GMT")], Some(60)),
        (Policy::from_headers().heuristic_ttl(secs(60)), &[("last-modified", MODIFIED)], Some(10)),
        (Policy::from_headers(), &[("last-modified", MODIFIED)], None),
        (Policy::rfc9111().heuristic_ttl(secs(0)), &[("last-modified", MODIFIED)], Some(0)),
        (Policy::rfc9111(), &[("last-modified", "Fri, 01 Jan 2027 00:00:00 GMT")], Some(0)),
        (Policy::rfc9111(), &[("last-modified", MODIFIED), ("date", "Wed, 31 Dec 2025 23:59:00 GMT")], Some(-56)),
        // Not beside something explicit, were it in the past.
        (Policy::rfc9111(), &[("last-modified", MODIFIED), ("expires", "0")], Some(0)),
        (Policy::rfc9111(), &[("last-modified", MODIFIED), ("cache-control", "max-age=7")], Some(7)),
        // 4.2.2 is about responses; a query changes nothing since RFC 7234.
        (Policy::rfc9111(), &[("last-modified", "tomorrow")], Some(0)),
        (Policy::rfc9111(), &[], None),
    ] {
        let world = World::new(policy);
        world.site.always(200, fields, "hello");
        let got = world.send(&get("/a?q=1"));
        match ttl {
            Some(ttl) => got.says(&format!("fwd=uri-miss; ttl={ttl}; stored")),
            None => got.says("fwd=uri-miss; detail=no-lifetime"),
        };
    }
}

#[test]
fn errors_with_explicit_freshness_are_stored_by_the_letter_only() {
    for status in [400, 403, 404, 410, 418, 429, 500, 503] {
        let world = World::new(Policy::rfc9111());
        world.site.answer(move |_| Ok(response(status, &[("cache-control", "max-age=60")], "no")));
        for expected in ["fwd=uri-miss; ttl=60; stored", "hit; ttl=60; detail=hot"] {
            assert_eq!(world.send(&get("/a")).says(expected).reads("no").status, status);
        }
        let world = World::new(Policy::from_headers());
        world.site.answer(move |_| Ok(response(status, &[("cache-control", "max-age=60")], "no")));
        world.send(&get("/a")).says("fwd=uri-miss; detail=not-stored-status");
    }
}

#[test]
fn authorization_asks_for_a_word_that_the_answer_may_be_shared() {
    // 3.5
    for (cache_control, shared) in [
        ("max-age=60", false),
        ("max-age=60, public", true),
        ("max-age=60, must-revalidate", true),
        ("s-maxage=60", true),
        ("max-age=60, proxy-revalidate", false),
        ("max-age=60, public=1", false),
        ("max-age=60, private, public", false),
    ] {
        for policy in [Policy::rfc9111(), Policy::from_headers()] {
            let world = World::new(policy);
            world.site.answer(move |seen| {
                Ok(response(200, &[("cache-control", cache_control)], seen.visitor().into_bytes()))
            });
            let by = |who: &str| get("/a").with("authorization", who);
            world.send(&by("anna")).reads("anna");
            for cleared in 0..3 {
                world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
                world.send(&by("ben")).reads(if shared { "anna" } else { "ben" });
                world.send(&get("/a")).reads(if shared { "anna" } else { "" });
            }
        }
    }
}

#[test]
fn who_is_not_seen_is_not_answered_by_the_letter_either() {
    // Policy::anonymous: "The handler sees no Cookie, no Authorization, so that its answer cannot depend on them." What it
    // does not see, 3.5 need not ask about; what it does see, it must.
    let world = World::new(Policy::rfc9111().default_ttl(MINUTE).anonymous());
    world.site.answer(|seen| Ok(response(200, &[], format!("for <{}>", seen.visitor()).into_bytes())));
    for (name, value) in [("authorization", "anna"), ("cookie", "session=anna"), ("authorization", "ben")] {
        world.send(&get("/a").with(name, value)).reads("for <>");
        world.pass(2 * MINUTE);
    }
    world.send(&head("/a").with("authorization", "anna"));
    assert_eq!(world.site.last().visitor(), "");
    world.send(&get("/a").with("authorization", "anna").with("range", "bytes=0-1").with("if-none-match", "\"v1\""));
    assert_eq!(world.site.last().visitor(), "");
}

#[test]
fn a_disconnected_cache_may_answer_stale_unless_something_forbids_it() {
    // 4.2.4
    for (cache_control, may) in [
        ("max-age=60", true),
        ("max-age=60, stale-if-error=1", true),
        ("max-age=60, public", true),
        ("max-age=60, must-revalidate", false),
        ("max-age=60, proxy-revalidate", false),
        ("s-maxage=60", false),
        ("no-cache", false),
        ("max-age=0", true),
    ] {
        let world = aged(Policy::rfc9111(), cache_control, 3600);
        world.site.answer(|_| Err(Failure("down")));
        for request in [get("/a"), head("/a"), get("/a").with("if-none-match", "\"v1\"")] {
            let got = world.try_send(&request);
            assert_eq!(got.is_ok(), may, "{cache_control}");
            if let Ok(got) = got {
                assert!(got.cache_status().ends_with("detail=stale-if-error"));
                assert_eq!(got.field("age"), "3600");
            }
        }
        // An answer is no disconnection (4.3.3).
        world.site.always(503, &[], "down");
        assert_eq!(world.send(&get("/a")).status, 503);
        // Nor may the others without a window.
        let world = aged(Policy::from_headers().default_ttl(MINUTE), "max-age=60", 70);
        world.site.answer(|_| Err(Failure("down")));
        assert!(world.try_send(&get("/a")).is_err());
    }
}

#[test]
fn a_disconnected_cache_has_an_end_of_what_it_keeps() {
    let world = aged(Policy::rfc9111(), "max-age=60", 60 + 86_400 - 1);
    world.site.answer(|_| Err(Failure("down")));
    world.send(&get("/a")).reads("old");
    world.pass(secs(1));
    assert!(world.try_send(&get("/a")).is_err());
}

#[test]
fn the_newest_of_two_tiers_counts() {
    // 4: "the most recent response (as determined by the Date header field)".
    let fields =
        |etag: &'static str| move |_: &_| Ok(response(200, &[("etag", etag), ("cache-control", "max-age=60")], etag));
    // L2 has the newer: another data centre put it there.
    let here = World::new(Policy::rfc9111());
    let there = here.far_away(table(Policy::rfc9111()));
    here.site.answer(fields("\"v1\""));
    here.send(&get("/a"));
    here.pass(secs(70));
    there.site.answer(fields("\"v2\""));
    there.send(&get("/a"));
    here.send(&get("/a")).says("hit; ttl=60; detail=l2").reads("\"v2\"");
    here.clear(&here.hot);
    here.send(&get("/a")).says("hit; ttl=60; detail=l1").reads("\"v2\"");

    // Both are stale: the newer is what is validated.
    let here = World::new(Policy::rfc9111());
    let there = here.far_away(table(Policy::rfc9111()));
    here.site.answer(fields("\"v1\""));
    here.send(&get("/a"));
    here.pass(secs(70));
    there.site.answer(fields("\"v2\""));
    there.send(&get("/a"));
    here.pass(secs(70));
    here.site.always(304, &[], "");
    here.send(&get("/a")).says("fwd=stale; fwd-status=304; ttl=60; stored").reads("\"v2\"");
    assert_eq!(here.site.last().field("if-none-match"), "\"v2\"");

    // L1 has the newer: the write to L2 failed.
    let world = World::new(Policy::rfc9111());
    world.site.answer(fields("\"v1\""));
    world.send(&get("/a"));
    world.pass(secs(70));
    world.l2.fail_puts(PutFault::Fail);
    world.site.answer(fields("\"v2\""));
    world.send(&get("/a"));
    world.pass(secs(70));
    world.site.always(304, &[], "");
    world.send(&get("/a")).reads("\"v2\"");
    assert_eq!(world.site.last().field("if-none-match"), "\"v2\"");
}

#[test]
fn what_is_about_one_connection_or_one_proxy_is_not_stored() {
    // 3.1, RFC 9110 section 7.6.1
    for policy in [Policy::rfc9111().default_ttl(MINUTE), Policy::ttl(MINUTE)] {
        let world = World::new(policy);
        let fields = &[
            ("connection", "x-hop, Close"),
            ("connection", "X-Other"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "x"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("upgrade", "h2c"),
            ("x-kept", "1"),
        ];
        world.site.always(200, fields, "hello");
        world.send(&get("/a"));
        for tier in world.tiers() {
            let got = world.send(&get("/a"));
            for (name, _) in fields {
                assert_eq!(got.field(name), if *name == "x-kept" { "1" } else { "" }, "{name}");
            }
            world.clear(tier);
        }
    }
}

#[test]
fn what_a_proxy_asks_of_its_client_is_not_stored() {
    // 3.1: "MUST NOT be stored ...: Proxy-Authenticate, Proxy-Authentication-Info, and Proxy-Authorization."
    let world = World::new(Policy::rfc9111().default_ttl(MINUTE));
    let fields =
        &[("proxy-authenticate", "Basic"), ("proxy-authentication-info", "nextnonce=1"), ("proxy-authorization", "x")];
    world.site.always(200, fields, "hello");
    world.send(&get("/a"));
    let got = world.send(&get("/a"));
    assert_eq!(fields.map(|(name, _)| got.field(name)), ["", "", ""]);
}

#[test]
fn unknown_and_repeated_fields_are_kept_in_order_through_tiers_and_renewals() {
    // 3.1: "Caches MUST include all received response header fields -- including unrecognized ones".
    let world = World::new(Policy::rfc9111());
    let fields = &[
        ("set-cookie", "a=1; Expires=Thu, 01 Jan 2026 01:00:00 GMT"),
        ("x-odd", "1"),
        ("set-cookie", "b=2"),
        ("link", "</a>; rel=\"x, y\""),
        ("x-odd", ""),
        ("link", "</b>"),
        ("set-cookie", "c=3"),
        ("x-odd", "3"),
        ("etag", "\"v1\""),
        ("cache-control", "max-age=60"),
    ];
    world.site.answer(move |seen| {
        let confirmed = seen.field("if-none-match") == "\"v1\"";
        Ok(if confirmed { response(304, &[("etag", "\"v1\"")], "") } else { response(200, fields, "hello") })
    });
    let lines = |request: &Request| {
        let response = world.open(request).unwrap();
        let mut lines = Vec::new();
        response.headers.for_each(&mut |name, value| {
            if ["set-cookie", "x-odd", "link"].contains(&name) {
                lines.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
            }
        });
        world.read(response);
        world.runtime.run_background();
        lines
    };
    let of = |name: &str| {
        let lines = fields.iter().filter(|(n, _)| *n == name);
        lines.map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
    };
    for wait in [0, 0, 61, 0] {
        world.pass(secs(wait));
        for cleared in 0..2 {
            world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
            let got = lines(&get("/a"));
            for name in ["set-cookie", "x-odd", "link"] {
                let got: Vec<_> = got.iter().filter(|(n, _)| n == name).cloned().collect();
                assert_eq!(got, of(name), "after {wait} s");
            }
        }
    }
    assert_eq!(world.site.calls(), 2);
}

/// Text of 64 KB made of `piece`.
fn long(piece: &str) -> String {
    piece.repeat((64 << 10) / piece.len())
}

#[test]
fn bad_input_is_survived_with_caution() {
    let many = |name: &'static str, value: &str, count: usize| vec![(name, value.to_owned()); count];
    let one = |name: &'static str, value: String| vec![(name, value)];
    let with_age =
        |name: &'static str, value: &str| vec![(name, value.to_owned()), ("cache-control", "max-age=60".into())];
    let one_more = |mut fields: Vec<(&'static str, String)>, name, value: &str| {
        fields.push((name, value.to_owned()));
        fields
    };
    // Whether it is stored, where only header fields give a lifetime.
    let cases: Vec<(Vec<(&'static str, String)>, bool)> = vec![
        (one("cache-control", long("x=1, ") + "max-age=60"), true),
        (one("cache-control", long(",") + "max-age=60"), true),
        (one("cache-control", long("x=1, ") + "max-age=60, no-store"), false),
        (one("cache-control", format!("max-age=60, x=\"{}, private", long("\\\""))), false),
        (one("cache-control", format!("max-age=60, {}, no-store", long("\""))), false),
        (one("cache-control", format!("max-age={}", long("9"))), true),
        (one("cache-control", format!("max-age={}", long("0"))), false),
        (one("cache-control", format!("max-age=60, private=\"{}x\"", long("x, "))), true),
        (one("cache-control", "max-age=18446744073709551616".into()), true),
        (one("cache-control", "max-age=-1".into()), false),
        (one("cache-control", "max-age=0x10".into()), false),
        (one("cache-control", "max-age=60s".into()), false),
        (one("cache-control", "max-age==60".into()), false),
        (one("cache-control", "max-age=\"60".into()), false),
        (many("cache-control", "max-age=60", 1000), true),
        (one_more(many("cache-control", "max-age=60", 1000), "cache-control", "no-store"), false),
        (one_more(many("cache-control", "max-age=0", 1), "cache-control", "max-age=60"), false),
        (one_more(many("x-many", "1", 1000), "cache-control", "max-age=60"), true),
        (one_more(many("vary", "accept", 1000), "cache-control", "max-age=60"), true),
        (one_more(one("vary", (0..1000).map(|n| format!("x-{n},")).collect()), "cache-control", "max-age=60"), false),
        (one_more(many("vary", "accept", 999), "vary", "*"), false),
        (one_more(one("vary", long("a b,")), "cache-control", "max-age=60"), false),
        (many("expires", "Fri, 31 Dec 9999 23:59:59 GMT", 1), true),
        (one("expires", "Mon, 01 Jan 1601 00:00:00 GMT".into()), false),
        (one("expires", "0".into()), false),
        (one("expires", "-1".into()), false),
        (one("expires", "Fri, 31 Dec 10000 23:59:59 GMT".into()), false),
        (one("expires", "2027-01-01T00:00:00Z".into()), false),
        (one("expires", long("Fri, 31 Dec 9999 23:59:59 GMT ")), false),
        (with_age("date", "Mon, 01 Jan 1601 00:00:00 GMT"), false),
        (with_age("date", "Fri, 31 Dec 9999 23:59:59 GMT"), true),
        (with_age("date", "yesterday"), true),
        // 5.1: what is no number is ignored; of a list the first counts.
        (with_age("age", "-5"), true),
        (with_age("age", "x"), true),
        (with_age("age", "1.5"), true),
        (with_age("age", ""), true),
        (with_age("age", "59"), true),
        (with_age("age", "60"), false),
        (with_age("age", "61, 0"), false),
        (with_age("age", "0, 61"), true),
        (with_age("age", "99999999999999999999999999"), false),
        (with_age("age", &long("9")), false),
        (with_age("etag", ""), true),
        (with_age("etag", &long("\"")), true),
        (with_age("last-modified", "Mon, 01 Jan 1601 00:00:00 GMT"), true),
        (with_age("content-length", "-5"), false),
        (with_age("content-length", "4"), false),
        (with_age("content-length", "18446744073709551615"), false),
        (with_age("content-range", "bytes 0-4/5"), true),
        (with_age("connection", &long("close, ")), true),
        (with_age("cache-status", &long("\"")), true),
        (one("cdn-cache-control", long("a,") + "no-store"), false),
        (one_more(one("cdn-cache-control", long("(")), "cache-control", "max-age=60"), true),
    ];
    for (fields, stored) in cases {
        for policy in [Policy::from_headers(), Policy::rfc9111().keep(secs(0))] {
            let world = World::new(policy);
            let sent = fields.clone();
            world.site.answer(move |_| {
                let fields: Vec<_> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
                Ok(response(200, &fields, "hello"))
            });
            for request in [
                get("/a"),
                get("/a"),
                head("/a"),
                get("/a").with("range", "bytes=0-1"),
                get("/a").with("if-none-match", "\"x\""),
            ] {
                let got = world.send(&request);
                assert!([200, 206].contains(&got.status));
            }
            let shown: Vec<_> = fields.iter().take(2).map(|(n, v)| (n, &v[..v.len().min(60)])).collect();
            assert_eq!(world.site.calls() == 1, stored, "{shown:?}");
            if stored {
                for cleared in 0..3 {
                    world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
                    world.send(&get("/a")).reads("hello");
                }
            }
            // Half a century, or eight thousand years: the ages are right all the same.
            world.pass(secs(50 * 365 * 86_400));
            world.send(&get("/a")).reads("hello");
        }
    }
}

#[test]
fn bad_requests_are_survived_and_answered() {
    // Long enough for what is not linear to be noticed.
    let long = |piece: &str| piece.repeat((8 << 10) / piece.len());
    let values = [
        String::new(),
        long("x, "),
        long(","),
        long("\""),
        long("\\\","),
        long("bytes=0-0,"),
        format!("bytes={}-", long("9")),
        format!("bytes=-{}", long("9")),
        long("en;q=0.5, "),
        long(";q="),
        long("W/\"x\", "),
        "Mon, 01 Jan 1601 00:00:00 GMT".into(),
        "Fri, 31 Dec 9999 23:59:59 GMT".into(),
        "max-age=99999999999999999999, min-fresh=99999999999999999999, max-stale=99999999999999999999".into(),
        "_ga=1; ".into(),
        long("_ga=1; "),
    ];
    let names = [
        "cache-control",
        "range",
        "if-range",
        "if-none-match",
        "if-modified-since",
        "accept-language",
        "accept-encoding",
        "origin",
        "cookie",
        "authorization",
        "pragma",
        "content-length",
        "connection",
    ];
    let config = || {
        CacheConfig::new("shop", SchemaVersion(1))
            .cache_status(layercake::StatusForm::Full)
            .route("/l", Policy::rfc9111())
            .route("/n", Policy::rfc9111().languages(&["en", "it"]).encodings(&["br"]))
            .route("/o", Policy::ttl(MINUTE).languages(&["en", "it"]).encodings(&["br"]).anonymous())
            .fallback(Policy::from_headers())
            .build()
            .unwrap()
    };
    for name in names {
        let world = World::of(config());
        let fields = &[
            ("cache-control", "max-age=60, stale-while-revalidate=60"),
            ("etag", "\"v1\""),
            ("last-modified", MODIFIED),
            ("vary", "accept-language, accept-encoding, origin"),
        ];
        world.site.always(200, fields, "hello");
        for path in ["/l", "/n", "/o", "/f"] {
            for (wait, method) in [(0, "GET"), (0, "HEAD"), (70, "GET"), (0, "POST")] {
                world.pass(secs(wait));
                for value in &values {
                    let got = world.send(&get(path).method(method).with("range", "bytes=1-2").with(name, value));
                    assert!([200, 206, 304, 416].contains(&got.status), "{method} {path} {name}: {}", got.status);
                }
            }
            world.send(&get(path)).reads("hello");
        }
    }
}

#[test]
fn a_stored_answer_that_is_no_200_is_not_modified_either() {
    // RFC 9110 section 13.2.1: conditions count for whatever would be a 2xx; RFC 9111 section 4.3.2.
    let world = World::new(Policy::ttl(MINUTE));
    world.site.always(203, &[("etag", "\"v1\"")], "hello");
    world.send(&get("/a"));
    assert_eq!(world.send(&get("/a").with("if-none-match", "\"v1\"")).status, 304);
}
