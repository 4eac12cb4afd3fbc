//! Is what is stored still good (RFC 9111 section 4.3)? The origin is asked with its validators, and its 304 saves the body.

use crate::support::{Failure, MINUTE, Request, World, get, head, response, scripted, secs, stale_policy, table};
use bytes::Bytes;
use layercake::message::{Ask, Hide};
use layercake::stats::Event;
use layercake::{CacheConfig, Policy, SchemaVersion};

type FieldList = &'static [(&'static str, &'static str)];

const MODIFIED: &str = "Wed, 31 Dec 2025 00:00:00 GMT";

/// A page with an entity tag: 304 with the fields `confirming` to whoever names the tag, else 200 with `fields`.
fn page(world: &World, etag: &'static str, fields: FieldList, confirming: FieldList, body: &'static str) {
    world.site.answer(move |seen| {
        let (status, fields, body) = match seen.field("if-none-match") == etag {
            true => (304, confirming, ""),
            false => (200, fields, body),
        };
        let all: Vec<_> = [("etag", etag)].iter().chain(fields).copied().collect();
        Ok(response(status, &all, body))
    });
}

/// Stored a minute ago, and stale.
fn stale(policy: Policy, fields: FieldList, confirming: FieldList) -> World {
    let world = World::new(policy);
    page(&world, "\"v1\"", fields, confirming, "hello");
    world.send(&get("/a")).reads("hello");
    world.pass(MINUTE);
    world
}

fn by_letter() -> Policy {
    Policy::rfc9111().default_ttl(MINUTE)
}

fn both() -> [Policy; 2] {
    [Policy::ttl(MINUTE), by_letter()]
}

const RENEWED: &str = "fwd=stale; fwd-status=304; ttl=60; stored";

#[test]
fn a_stale_entry_goes_out_with_its_own_validators_in_place_of_the_clients_conditions() {
    // RFC 9111 section 4.3.1
    let entries: [(FieldList, [&str; 2]); 4] = [
        (&[("etag", "\"v1\""), ("last-modified", MODIFIED)], ["\"v1\"", MODIFIED]),
        (&[("etag", "W/\"v1\"")], ["W/\"v1\"", ""]),
        (&[("last-modified", MODIFIED)], ["", MODIFIED]),
        (&[("etag", "")], ["", ""]),
    ];
    for policy in both() {
        for (fields, conditions) in entries {
            let world = World::new(policy.clone().stale_if_error(60 * MINUTE));
            world.site.always(200, fields, "hello");
            world.send(&get("/a"));
            world.pass(MINUTE);
            let request = get("/a")
                .with("if-none-match", "\"mine\"")
                .with("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT")
                .with("if-match", "\"mine\"")
                .with("if-unmodified-since", MODIFIED)
                .with("if-range", "\"mine\"")
                .with("range", "bytes=0-0");
            world.send(&request);
            if conditions == ["", ""] {
                continue;
            }
            let seen = world.site.last();
            let names = ["if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range"];
            let got = names.map(|name| seen.field(name));
            assert_eq!(got, [conditions[0], conditions[1], "", "", "", ""], "{fields:?}");
        }
    }
}

#[test]
fn a_fresh_entry_is_not_validated() {
    for policy in both() {
        let world = World::new(policy);
        page(&world, "\"v1\"", &[], &[], "hello");
        world.send(&get("/a"));
        world.pass(MINUTE - secs(1));
        world.send(&get("/a").with("if-none-match", "\"v0\"")).says("hit; ttl=1; detail=l1").reads("hello");
        assert_eq!(world.site.calls(), 1);
    }
}

#[test]
fn a_304_renews_what_is_stored() {
    // 4.3.4
    for policy in both() {
        let world = stale(policy, &[("x-a", "old"), ("x-b", "kept")], &[("x-a", "new"), ("x-c", "added")]);
        for round in 1..4 {
            let got = world.send(&get("/a"));
            assert_eq!(got.says(RENEWED).reads("hello").status, 200);
            assert!(["", "0"].contains(&got.field("age").as_str()), "Age {}", got.field("age"));
            for (cleared, level) in [(0, "hot"), (1, "l1")] {
                world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
                let got = world.send(&get("/a"));
                got.says(&format!("hit; ttl=60; detail={level}")).reads("hello");
                let fields = ["age", "etag", "x-a", "x-b", "x-c"].map(|name| got.field(name));
                assert_eq!(fields, ["0", "\"v1\"", "new", "kept", "added"]);
            }
            world.pass(MINUTE - secs(1));
            assert_eq!(world.send(&get("/a")).says("hit; ttl=1; detail=l1").field("age"), "59");
            world.pass(secs(1));
            assert_eq!((world.site.calls(), world.count(Event::Validated)), (1 + round, round as u64));
        }
        assert_eq!(world.count(Event::Miss), 1);
    }
}

#[test]
fn which_fields_a_304_replaces() {
    // 3.2: all but Content-Length, and those that describe the stored bytes; 3.1: nothing about the connection.
    for policy in both() {
        let world = World::new(policy);
        world.site.answer(|seen| {
            if seen.field("if-none-match").is_empty() {
                let fields = [
                    ("etag", "\"v1\""),
                    ("content-length", "5"),
                    ("content-encoding", "x-rot"),
                    ("content-type", "text/plain"),
                    ("set-link", "a"),
                    ("link", "</a>"),
                    ("link", "</b>"),
                    ("x-kept", "1"),
                    ("warning", "199 - old"),
                ];
                return Ok(response(200, &fields, "hello"));
            }
            let fields = [
                ("etag", "W/\"v1\""),
                ("content-length", "0"),
                ("content-encoding", "br"),
                ("content-range", "bytes 0-4/5"),
                ("content-type", "text/html"),
                ("link", "</c>"),
                ("link", "</d>"),
                ("link", "</e>"),
                ("connection", "x-hop"),
                ("x-hop", "1"),
                ("keep-alive", "timeout=5"),
                ("transfer-encoding", "chunked"),
            ];
            Ok(response(304, &fields, ""))
        });
        world.send(&get("/a"));
        world.pass(MINUTE);
        for level in ["renewed", "hot", "l1"] {
            let got = world.send(&get("/a"));
            got.reads("hello");
            for (name, expected) in [
                ("etag", "\"v1\""),
                ("content-length", "5"),
                ("content-encoding", "x-rot"),
                ("content-range", ""),
                ("content-type", "text/html"),
                ("link", "</c>, </d>, </e>"),
                ("x-kept", "1"),
                ("connection", ""),
                ("x-hop", ""),
                ("keep-alive", ""),
                ("transfer-encoding", ""),
            ] {
                assert_eq!(got.field(name), expected, "{name}, {level}");
            }
            if level == "hot" {
                world.clear(&world.hot);
            }
        }
        assert_eq!(world.site.calls(), 2);
    }
}

#[test]
fn a_304_gives_its_own_lifetime() {
    // 4.3.4, 4.2.1
    for (fields, confirming, ttl) in [
        (&[("cache-control", "max-age=60")][..], &[][..], 60),
        (&[("cache-control", "max-age=60")], &[("cache-control", "max-age=9")], 9),
        (&[("cache-control", "max-age=60")], &[("age", "50")], 10),
        (&[("cache-control", "max-age=60"), ("age", "0")], &[], 60),
        (&[("cache-control", "max-age=60")], &[("date", "Wed, 31 Dec 2025 23:59:50 GMT")], -10),
        (
            &[("expires", "Thu, 01 Jan 2026 00:01:00 GMT")],
            &[("date", "Thu, 01 Jan 2026 00:01:00 GMT"), ("expires", "Thu, 01 Jan 2026 00:02:00 GMT")],
            60,
        ),
        // Nothing new: what expired at that time has expired.
        (&[("expires", "Thu, 01 Jan 2026 00:01:00 GMT")], &[], 0),
    ] {
        let world = stale(Policy::rfc9111(), fields, confirming);
        let got = world.send(&get("/a"));
        got.says(&format!("fwd=stale; fwd-status=304; ttl={ttl}; stored")).reads("hello");
    }
}

#[test]
fn the_clients_own_conditions_are_answered_after_the_origins() {
    // RFC 9110 section 13.2.2, RFC 9111 section 4.3.2
    for policy in both() {
        let world = stale(policy, &[("last-modified", MODIFIED)], &[("x", "new")]);
        for (request, status, body) in [
            (get("/a").with("if-none-match", "\"v1\""), 304, ""),
            (get("/a").with("if-none-match", "\"v0\", W/\"v1\""), 304, ""),
            (get("/a").with("if-none-match", "\"v0\""), 200, "hello"),
            (get("/a").with("if-modified-since", MODIFIED), 304, ""),
            (get("/a").with("if-modified-since", "Tue, 30 Dec 2025 00:00:00 GMT"), 200, "hello"),
            (get("/a"), 200, "hello"),
        ] {
            let got = world.send(&request);
            assert_eq!((got.says(RENEWED).status, got.text()), (status, body), "{request:?}");
            assert_eq!((got.field("etag"), got.field("x")), ("\"v1\"".into(), "new".into()));
            // Whatever the client held, the tiers have the whole.
            world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
            world.clear(&world.hot);
            world.send(&get("/a")).says("hit; ttl=60; detail=l1").reads("hello");
            world.pass(MINUTE);
        }
    }
}

#[test]
fn a_range_is_cut_from_what_was_confirmed() {
    // From a stream all of it may be sent: a server may ignore Range (RFC 9110 section 14.2).
    for in_memory in [true, false] {
        let config = table(Policy::ttl(MINUTE));
        let world = if in_memory { World::in_memory(config) } else { World::of(config) };
        page(&world, "\"v1\"", &[], &[], "hello");
        world.send(&get("/a"));
        world.pass(MINUTE);
        let got = world.send(&get("/a").with("range", "bytes=1-2"));
        got.says(RENEWED);
        let (part, whole) = ((206, "el"), (200, "hello"));
        assert!((got.status, got.text()) == part || (!in_memory && (got.status, got.text()) == whole), "{got:?}");
        world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
    }
}

#[test]
fn a_head_of_a_cached_route_validates_by_get_and_gets_no_body() {
    let world = stale(Policy::ttl(MINUTE), &[("content-length", "5")], &[]);
    let got = world.send(&head("/a"));
    got.says(RENEWED).reads("");
    assert_eq!((got.status, got.field("content-length")), (200, "5".into()));
    let seen = world.site.last();
    assert_eq!((seen.request.method, seen.field("if-none-match")), ("GET", "\"v1\"".into()));
    world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
}

#[test]
fn a_200_to_our_question_takes_the_entrys_place() {
    // 4.3.3: "A full response ... MUST be used to satisfy the request and MAY replace the stored response."
    for policy in both() {
        let world = stale(policy, &[("x-old", "1")], &[]);
        page(&world, "\"v2\"", &[], &[], "new");
        for (request, body) in [(get("/a").with("if-none-match", "\"v1\""), "new"), (get("/a"), "new")] {
            let got = world.send(&request);
            assert_eq!((got.reads(body).field("etag"), got.field("x-old")), ("\"v2\"".into(), String::new()));
        }
        for tier in world.tiers() {
            world.send(&get("/a")).reads("new");
            world.clear(tier);
        }
        assert_eq!(world.site.calls(), 2);
    }
    // Whoever holds the new one already hears so.
    let world = stale(Policy::ttl(MINUTE), &[], &[]);
    page(&world, "\"v2\"", &[], &[], "new");
    assert_eq!(world.send(&get("/a").with("if-none-match", "\"v2\"")).says("fwd=stale; ttl=60; stored").status, 304);
    world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("new");
}

#[test]
fn l2_is_not_written_for_a_304_while_its_copy_lasts() {
    // A KV write costs ten reads: once in a while of keep, not once in a lifetime.
    for policy in [Policy::ttl(MINUTE).keep(10 * MINUTE), by_letter().keep(10 * MINUTE)] {
        let world = stale(policy, &[], &[]);
        assert_eq!(world.l2.puts(), 1);
        // Kept for eleven minutes in all; after ten it would be gone before the next validation.
        for minute in 1..10 {
            world.send(&get("/a")).says(RENEWED).reads("hello");
            assert_eq!((world.l1.puts(), world.l2.puts()), (1 + minute, 1));
            world.pass(MINUTE);
        }
        world.send(&get("/a")).says(RENEWED).reads("hello");
        assert_eq!((world.l1.puts(), world.l2.puts()), (11, 2));
        for _ in 0..9 {
            world.pass(MINUTE);
            world.send(&get("/a")).says(RENEWED).reads("hello");
        }
        assert_eq!(world.l2.puts(), 2);
        // And it is good for an answer: what is left of L1 may go.
        world.clear(&world.hot);
        world.clear(&world.l1);
        world.pass(MINUTE);
        world.send(&get("/a")).says(RENEWED).reads("hello");
        world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
    }
}

#[test]
fn other_data_centres_validate_the_copy_in_l2_for_themselves() {
    let here = stale(Policy::ttl(MINUTE), &[], &[]);
    here.send(&get("/a")).says(RENEWED);
    let there = here.far_away(table(Policy::ttl(MINUTE)));
    page(&there, "\"v1\"", &[], &[], "hello");
    there.send(&get("/a")).says(RENEWED).reads("hello");
    there.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
    assert_eq!((there.site.calls(), here.l2.puts()), (1, 1));
}

#[test]
fn what_the_cache_declared_is_not_the_handlers_word_after_a_304() {
    // The handler is silent: "public, max-age=0, must-revalidate" is for browsers, and is ours.
    let config = CacheConfig::new("shop", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .fallback(Policy::ttl(MINUTE).stale_if_error(60 * MINUTE))
        .platform_cache(true)
        .build()
        .unwrap();
    let world = World::of(config);
    page(&world, "\"v1\"", &[], &[], "hello");
    world.send(&get("/a"));
    let windows = "max-age=60, stale-while-revalidate=0, stale-if-error=3600";
    for _ in 0..3 {
        world.pass(MINUTE);
        let got = world.send(&get("/a"));
        got.says(RENEWED);
        for got in [got, world.send(&get("/a"))] {
            let said = ["cache-control", "cloudflare-cdn-cache-control"].map(|name| got.field(name));
            assert_eq!(said, ["public, max-age=0, must-revalidate", windows]);
        }
        // 3.5: "public" and "must-revalidate" would share it with those who are logged in.
        let calls = world.site.calls();
        world.send(&get("/a").with("authorization", "anna"));
        assert_eq!(world.site.calls(), calls + 1, "shared with a request that carries Authorization");
    }
    world.pass(MINUTE);
    world.site.always(503, &[], "down");
    world.send(&get("/a")).says("hit; fwd-status=503; ttl=0; detail=stale-if-error").reads("hello");
}

#[test]
fn what_the_cache_declared_does_not_end_the_stale_window_after_a_304_behind_the_answer() {
    let world = World::new(stale_policy());
    page(&world, "\"v1\"", &[], &[], "hello");
    world.send(&get("/a"));
    for _ in 0..3 {
        world.pass(secs(65));
        world.send(&get("/a")).says("hit; ttl=-5; detail=l1").reads("hello");
        world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
    }
    assert_eq!((world.site.calls(), world.count(Event::Revalidated)), (4, 3));
}

#[test]
fn the_handlers_word_in_a_304_takes_the_place_of_what_the_cache_declared() {
    let world = stale(Policy::ttl(MINUTE), &[], &[("cache-control", "max-age=7, public")]);
    for _ in 0..2 {
        assert_eq!(world.send(&get("/a")).field("cache-control"), "max-age=7, public");
    }
    let calls = world.site.calls();
    world.send(&get("/a").with("authorization", "anna")).says("hit; ttl=60; detail=hot");
    assert_eq!(world.site.calls(), calls);
}

#[test]
fn a_304_about_another_response_updates_nothing_and_voids() {
    // 4.3.4: ours is not the one it is about.
    let confusions: [(FieldList, FieldList); 4] = [
        (&[("etag", "\"v1\"")], &[("etag", "\"v2\"")]),
        (&[("etag", "\"v1\""), ("last-modified", MODIFIED)], &[("etag", "\"v2\""), ("last-modified", MODIFIED)]),
        (&[("last-modified", MODIFIED)], &[("last-modified", "Tue, 30 Dec 2025 00:00:00 GMT")]),
        (&[("last-modified", MODIFIED)], &[("etag", "\"v2\"")]),
    ];
    for policy in both() {
        for (stored, said) in confusions {
            let world = World::new(policy.clone());
            world.site.always(200, stored, "hello");
            world.send(&get("/a"));
            world.pass(MINUTE);
            world.site.answer(move |_| {
                let fields: Vec<_> = [("x-new", "1")].iter().chain(said).copied().collect();
                Ok(response(304, &fields, ""))
            });
            let got = world.send(&get("/a"));
            assert_eq!(
                got.says("fwd=stale; fwd-status=304; detail=validator-mismatch").reads("hello").field("x-new"),
                ""
            );
            assert_eq!(got.field("etag"), stored.iter().find(|(name, _)| *name == "etag").map_or("", |(_, v)| v));
            assert!(world.tiers().iter().all(|tier| !world.holds(tier)), "{stored:?} {said:?} is still there");
            world.site.always(200, &[], "new");
            world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored").reads("new");
        }
    }
}

#[test]
fn an_answer_after_a_304_about_another_response_is_as_old_as_it_is() {
    // 4.2.3, 5.1: the Age that the origin gave when it was stored is not its age now, a minute later.
    let world = World::new(by_letter());
    let fields = &[("etag", "\"v1\""), ("age", "1"), ("cache-control", "max-age=30")];
    world.site.always(200, fields, "hello");
    world.send(&get("/a"));
    world.pass(MINUTE);
    world.site.always(304, &[("etag", "\"v2\"")], "");
    let age = world.send(&get("/a")).reads("hello").field("age");
    assert!(age.is_empty() || age == "61", "Age {age} for an answer that nobody confirmed");
}

#[test]
fn a_304_that_may_not_be_stored_is_served_and_voids() {
    // 3, 4.3.4: the updated response must not be kept.
    for (policy, confirming, detail) in [
        (Policy::ttl(MINUTE), &[("cache-control", "no-store")][..], "no-store"),
        (by_letter(), &[("cache-control", "no-store")], "no-store"),
        (Policy::ttl(MINUTE), &[("cache-control", "private")], "private"),
        (Policy::ttl(MINUTE), &[("set-cookie", "a=b")], "set-cookie"),
        (Policy::ttl(MINUTE), &[("vary", "*")], "vary"),
        (by_letter(), &[("vary", "*")], "vary"),
    ] {
        let world = stale(policy, &[], confirming);
        world.send(&get("/a")).says(&format!("fwd=stale; fwd-status=304; detail={detail}")).reads("hello");
        assert!(world.tiers().iter().all(|tier| !world.holds(tier)), "{confirming:?} is still there");
        assert_eq!(world.send(&get("/a")).reads("hello").cache_status().split(';').nth(1), Some(" fwd=uri-miss"));
    }
}

#[test]
fn a_visitors_no_store_takes_nothing_away_from_others() {
    // 5.2.1.5 forbids to store; a visitor must not be able to empty the cache, and so to force origin traffic (and a
    // deletion in KV for each request).
    for policy in both() {
        for shy in [get("/a"), head("/a"), get("/a").with("if-none-match", "\"v1\"")] {
            let world = stale(policy.clone(), &[], &[]);
            world.send(&shy.with("cache-control", "no-store"));
            assert!(world.holds(&world.l1) && world.holds(&world.l2), "the visitor has voided it for everybody");
            world.send(&get("/a")).says(RENEWED).reads("hello");
        }
    }
}

#[test]
fn a_304_behind_the_answer_renews_without_a_body() {
    // RFC 5861 section 3
    for policy in [stale_policy(), by_letter().stale_while_revalidate(10 * MINUTE)] {
        let world = stale(policy, &[("x", "old")], &[("x", "new")]);
        let got = world.send(&get("/a").with("if-none-match", "\"mine\"").with("range", "bytes=0-0"));
        got.says("hit; ttl=0; detail=l1");
        let seen = world.site.last();
        assert_eq!((seen.field("if-none-match"), seen.field("range")), ("\"v1\"".into(), String::new()));
        assert_eq!(world.l2.puts(), 1);
        for cleared in 0..2 {
            world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
            let got = world.send(&get("/a"));
            assert_eq!((got.reads("hello").field("x"), got.field("age")), ("new".into(), "0".into()));
        }
        let counts = [Event::Revalidated, Event::RevalidationFailed, Event::Validated].map(|e| world.count(e));
        assert_eq!((counts, world.site.calls()), ([1, 0, 0], 2));
    }
}

#[test]
fn a_304_behind_the_answer_that_is_about_another_response_makes_ours_void() {
    let world = stale(stale_policy(), &[], &[]);
    world.site.always(304, &[("etag", "\"v2\""), ("x-new", "1")], "");
    world.send(&get("/a")).says("hit; ttl=0; detail=l1").reads("hello");
    assert_eq!((world.count(Event::Revalidated), world.count(Event::RevalidationFailed)), (0, 1));
    assert!(world.tiers().iter().all(|tier| !world.holds(tier)));
    world.site.always(200, &[], "another");
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored").reads("another");
}

#[test]
fn a_304_behind_the_answer_for_which_nothing_is_there_any_more_makes_nothing_up() {
    let world = stale(stale_policy(), &[], &[]);
    world.site.delay(secs(2));
    world.try_send(&get("/a")).unwrap().says("hit; ttl=0; detail=l1").reads("hello");
    for tier in world.tiers() {
        world.clear(tier);
    }
    world.runtime.run_background();
    assert!(world.tiers().iter().all(|tier| !world.holds(tier)));
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored").reads("hello");
}

#[test]
fn by_the_letter_what_has_to_be_validated_at_each_use_is_kept_near_and_is() {
    // 5.2.2.4, 4.2: stored in L1 and nearer, for an entry that is never used as it is does not earn a KV write.
    for cache_control in ["no-cache", "no-cache, max-age=600", "max-age=0", "s-maxage=0", "max-age=0, must-revalidate"]
    {
        let world = World::new(Policy::rfc9111());
        world.site.answer(move |seen| {
            let status = if seen.field("if-none-match") == "\"v1\"" { 304 } else { 200 };
            let body = if status == 200 { "hello" } else { "" };
            Ok(response(status, &[("etag", "\"v1\""), ("cache-control", cache_control)], body))
        });
        world.send(&get("/a")).says("fwd=uri-miss; ttl=0; stored").reads("hello");
        for calls in 2..5 {
            let got = world.send(&get("/a"));
            got.says("fwd=stale; fwd-status=304; ttl=0; stored").reads("hello");
            assert_eq!((world.site.calls(), world.site.last().field("if-none-match")), (calls, "\"v1\"".into()));
            world.pass(secs(10));
        }
        let got = world.send(&get("/a").with("if-none-match", "\"v1\""));
        assert_eq!(got.says("fwd=stale; fwd-status=304; ttl=0; stored").status, 304);
        assert_eq!((world.l2.puts(), world.holds(&world.l1)), (0, true), "{cache_control}");
    }
    // What nothing could validate is not kept; nor is it under any other policy.
    for (policy, fields) in [
        (Policy::rfc9111(), &[("cache-control", "no-cache")][..]),
        (Policy::rfc9111(), &[("cache-control", "max-age=0")]),
        (Policy::from_headers(), &[("cache-control", "no-cache"), ("etag", "\"v1\"")]),
        (Policy::from_headers(), &[("cache-control", "max-age=0"), ("etag", "\"v1\"")]),
        (Policy::ttl(MINUTE), &[("cache-control", "no-cache"), ("etag", "\"v1\"")]),
    ] {
        let world = World::new(policy);
        world.site.always(200, fields, "hello");
        world.send(&get("/a"));
        assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0], "{fields:?}");
    }
}

#[test]
fn what_turns_into_something_to_be_validated_at_each_use_leaves_l2() {
    // 5.2.2.4: no tier may go on with the fresh copy it was given before.
    let world = World::new(Policy::rfc9111());
    world.site.always(200, &[("cache-control", "max-age=600")], "old");
    world.send(&get("/a"));
    world.site.always(200, &[("cache-control", "no-cache"), ("etag", "\"v2\"")], "new");
    world.send(&get("/a").with("cache-control", "no-cache")).says("fwd=request; ttl=0; stored").reads("new");
    for tier in world.tiers() {
        world.send(&get("/a")).reads("new");
        world.clear(tier);
    }
}

#[test]
fn a_304_that_gives_less_than_l2_was_told_holds_for_l2_as_well() {
    // 4.3.4: the stored response is updated, wherever it is stored. While L2's copy is fresh by its own reckoning it would
    // answer as soon as L1 has let go.
    for (confirming, wait) in [("no-cache", 0), ("max-age=0", 0), ("max-age=10", 11)] {
        let world = World::new(Policy::rfc9111());
        let mut calls = 0;
        world.site.answer(move |_| {
            calls += 1;
            Ok(match calls {
                1 => response(200, &[("etag", "\"v1\""), ("cache-control", "max-age=600")], "old"),
                2 => response(304, &[("etag", "\"v1\""), ("cache-control", confirming)], ""),
                _ => response(200, &[("etag", "\"v2\"")], "new"),
            })
        });
        world.send(&get("/a"));
        world.pass(secs(1));
        world.send(&get("/a").with("cache-control", "no-cache")).reads("old");
        world.pass(secs(wait));
        world.clear(&world.hot);
        world.clear(&world.l1);
        world.send(&get("/a")).reads("new");
    }
}

#[test]
fn a_304_that_forbids_stale_answers_forbids_them_in_l2_as_well() {
    // 5.2.2.2: "must not be reused to satisfy another request until it has been successfully validated".
    let world = World::new(Policy::from_headers());
    let mut calls = 0;
    world.site.answer(move |_| {
        calls += 1;
        Ok(match calls {
            1 => {
                response(200, &[("etag", "\"v1\""), ("cache-control", "max-age=60, stale-while-revalidate=600")], "old")
            }
            2 => response(304, &[("etag", "\"v1\""), ("cache-control", "max-age=60, must-revalidate")], ""),
            _ => response(200, &[("etag", "\"v2\"")], "new"),
        })
    });
    world.send(&get("/a"));
    world.pass(secs(65));
    world.send(&get("/a")).says("hit; ttl=-5; detail=l1").reads("old");
    world.pass(MINUTE);
    world.clear(&world.hot);
    world.clear(&world.l1);
    world.send(&get("/a")).reads("new");
}

#[test]
fn a_304_that_says_what_it_varies_on_says_it_for_l2_as_well() {
    // 4.3.4, 4.1: from now on another origin must not get this one, from whichever tier.
    let world = World::new(stale_policy());
    let mut calls = 0;
    world.site.answer(move |seen| {
        calls += 1;
        let origin = seen.field("origin");
        Ok(match calls {
            1 => response(200, &[("etag", "\"v1\"")], "for a, as it turns out"),
            2 => response(304, &[("etag", "\"v1\""), ("vary", "origin")], ""),
            _ => response(200, &[("vary", "origin")], format!("for {origin}").into_bytes()),
        })
    });
    let from = |origin: &str| get("/a").with("origin", origin);
    world.send(&from("a"));
    world.pass(secs(65));
    world.send(&from("a")).says("hit; ttl=-5; detail=l1");
    world.send(&from("b")).reads("for b");
    world.clear(&world.hot);
    world.clear(&world.l1);
    world.send(&from("c")).reads("for c");
}

#[test]
fn what_is_kept_can_be_validated_until_its_end_and_is_a_plain_miss_then() {
    for (policy, keep) in [
        (Policy::ttl(MINUTE).keep(5 * MINUTE), 5 * MINUTE),
        (Policy::ttl(MINUTE), 60 * MINUTE),
        (by_letter(), 24 * 60 * MINUTE),
    ] {
        for (wait, status) in [(keep - secs(1), RENEWED), (keep, "fwd=uri-miss; ttl=60; stored")] {
            let world = stale(policy.clone(), &[], &[]);
            world.pass(wait);
            world.send(&get("/a")).says(status).reads("hello");
            let asked = world.site.last().field("if-none-match");
            assert_eq!(asked.is_empty(), status != RENEWED);
        }
    }
    // Without a validator nothing is kept, nor where the owner does not want it.
    for (policy, fields) in [(Policy::ttl(MINUTE), &[][..]), (Policy::ttl(MINUTE).keep(secs(0)), &[("etag", "\"v1\"")])]
    {
        let world = World::new(policy);
        world.site.always(200, fields, "hello");
        world.send(&get("/a"));
        world.pass(MINUTE);
        assert!(world.tiers().iter().all(|tier| !world.holds(tier)));
        world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored");
        assert_eq!(world.site.last().ask, Ask::whole(Hide::Cookies));
    }
}

#[test]
fn a_server_error_in_answer_to_our_question() {
    // 4.3.3: forwarded, or answered with what is stored where that is allowed (RFC 5861 section 4).
    for status in [500, 502, 503, 504] {
        for policy in both() {
            let world = stale(policy.clone(), &[], &[]);
            world.site.answer(move |_| Ok(response(status, &[], "down")));
            let got = world.send(&get("/a"));
            assert_eq!(got.reads("down").status, status);
            assert!(got.cache_status().starts_with("layercake; fwd=stale; detail=no"), "{}", got.cache_status());
            // The entry is as it was.
            page(&world, "\"v1\"", &[], &[], "hello");
            world.send(&get("/a")).says(RENEWED).reads("hello");

            let world = stale(policy.stale_if_error(10 * MINUTE), &[], &[]);
            world.site.answer(move |_| Ok(response(status, &[], "down")));
            let got = world.send(&get("/a").with("if-none-match", "\"v1\""));
            assert_eq!(got.says(&format!("hit; fwd-status={status}; ttl=0; detail=stale-if-error")).status, 304);
            world.pass(10 * MINUTE);
            assert_eq!(world.send(&get("/a")).reads("down").status, status);
        }
    }
}

#[test]
fn other_answers_to_our_question_are_the_clients() {
    for status in [400, 403, 404, 410, 412, 429, 501] {
        let world = stale(Policy::ttl(MINUTE).stale_if_error(10 * MINUTE), &[], &[]);
        world.site.answer(move |_| Ok(response(status, &[], "other")));
        assert_eq!(world.send(&get("/a")).says("fwd=stale; detail=not-stored-status").reads("other").status, status);
    }
}

#[test]
fn a_transport_error_in_answer_to_our_question() {
    let world = stale(Policy::ttl(MINUTE), &[], &[]);
    world.site.answer(|_| Err(Failure("down")));
    assert_eq!(world.try_send(&get("/a")).unwrap_err(), Failure("down"));
    let world = stale(Policy::ttl(MINUTE).stale_if_error(10 * MINUTE), &[], &[]);
    world.site.answer(|_| Err(Failure("down")));
    world.send(&get("/a")).says("hit; ttl=0; detail=stale-if-error").reads("hello");
    // 4.2.4: by the letter disconnected caches may, as long as it is kept.
    let world = stale(by_letter(), &[], &[]);
    world.site.answer(|_| Err(Failure("down")));
    world.pass(100 * MINUTE);
    world.send(&get("/a")).says("hit; ttl=-6000; detail=stale-if-error").reads("hello");
}

#[test]
fn a_304_that_we_did_not_ask_for_passes_through() {
    // It answers a condition of the client's, if any: there is nothing of ours to renew.
    for policy in both() {
        let world = World::new(policy.stale_if_error(10 * MINUTE));
        world.site.always(304, &[("etag", "\"v9\"")], "");
        let got = world.send(&get("/a").with("if-none-match", "\"v9\""));
        assert_eq!(got.says("fwd=uri-miss; detail=not-stored-status").reads("").status, 304);
        assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);

        // Nor when what is stored has no validator.
        world.site.always(200, &[], "hello");
        world.send(&get("/a"));
        world.pass(MINUTE);
        world.site.always(304, &[], "");
        let got = world.send(&get("/a").with("if-none-match", "\"v9\""));
        assert_eq!(got.says("fwd=stale; detail=not-stored-status").status, 304);
        world.site.answer(|_| Err(Failure("down")));
        world.send(&get("/a")).says("hit; ttl=0; detail=stale-if-error").reads("hello");
    }
}

#[test]
fn a_304_that_nobody_asked_for_behind_the_answer_renews_nothing() {
    let world = World::new(stale_policy());
    world.send(&get("/a"));
    world.pass(secs(65));
    world.site.always(304, &[], "");
    for _ in 0..2 {
        world.send(&get("/a")).says("hit; ttl=-5; detail=l1").reads("call 1");
    }
    assert_eq!(world.count(Event::Revalidated), 0);
}

/// A HEAD by the letter, answered so.
fn head_says(world: &World, fields: FieldList) {
    world.site.answer(move |seen| {
        assert_eq!((seen.request.method, seen.field("if-none-match")), ("HEAD", String::new()));
        Ok(response(200, fields, ""))
    });
    let got = world.send(&head("/a"));
    assert_eq!((got.status, got.text()), (200, ""));
}

#[test]
fn a_head_refreshes_the_stored_answer_to_get() {
    // 4.3.5
    let agreeing: [FieldList; 4] = [
        &[("etag", "\"v1\""), ("last-modified", MODIFIED), ("content-length", "5"), ("x", "new")],
        &[("etag", "\"v1\""), ("x", "new")],
        &[("last-modified", MODIFIED), ("x", "new")],
        &[("content-length", "5"), ("x", "new")],
    ];
    for fields in agreeing {
        let world = stale(by_letter(), &[("last-modified", MODIFIED), ("x", "old")], &[]);
        head_says(&world, fields);
        for (cleared, level) in [(0, "hot"), (1, "l1")] {
            world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
            let got = world.send(&get("/a"));
            got.says(&format!("hit; ttl=60; detail={level}")).reads("hello");
            let fields = ["x", "etag", "last-modified"].map(|name| got.field(name));
            assert_eq!(fields, ["new", "\"v1\"", MODIFIED]);
        }
        assert_eq!(world.l2.puts(), 1, "L2 has a copy");
    }
}

#[test]
fn a_head_that_describes_something_else_voids_the_stored_answer_to_get() {
    // 4.3.5
    let contradicting: [FieldList; 4] = [
        &[("etag", "\"v2\"")],
        &[("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"), ("etag", "\"v1\"")],
        &[("content-length", "6"), ("etag", "\"v1\"")],
        &[("etag", "\"v1\""), ("last-modified", MODIFIED), ("content-length", "50")],
    ];
    for fields in contradicting {
        let world = stale(by_letter(), &[("last-modified", MODIFIED)], &[]);
        head_says(&world, fields);
        assert!(world.tiers().iter().all(|tier| !world.holds(tier)), "{fields:?}");
        page(&world, "\"v2\"", &[], &[], "new");
        world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored").reads("new");
    }
}

#[test]
fn a_head_never_becomes_a_stored_body_and_errors_to_it_change_nothing() {
    let world = World::new(by_letter());
    world.site.always(200, &[("cache-control", "max-age=60"), ("content-length", "5")], "");
    assert_eq!(world.send(&head("/a")).field("content-length"), "5");
    assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);

    for status in [301, 404, 500, 503] {
        let world = stale(by_letter(), &[], &[]);
        world.site.answer(move |_| Ok(response(status, &[("etag", "\"v2\"")], "")));
        world.send(&head("/a"));
        page(&world, "\"v1\"", &[], &[], "hello");
        world.send(&get("/a")).says(RENEWED).reads("hello");
    }
}

#[test]
fn why_the_answer_to_a_head_is_not_stored_is_that_it_is_one() {
    let world = World::new(by_letter());
    world.site.always(200, &[("cache-control", "max-age=60"), ("content-length", "5")], "");
    world.send(&head("/a")).says("fwd=uri-miss; detail=not-stored-method");
}

#[test]
fn a_head_that_must_not_be_stored_does_not_renew() {
    let world = stale(by_letter(), &[], &[]);
    head_says(&world, &[("etag", "\"v1\""), ("cache-control", "no-store")]);
    let calls = world.site.calls();
    page(&world, "\"v1\"", &[], &[], "hello");
    world.send(&get("/a")).reads("hello");
    assert_eq!(world.site.calls(), calls + 1);
}

#[test]
fn a_validation_is_of_the_variant_that_was_asked() {
    // 4.3.1, 4.1
    for policy in both() {
        let world = World::new(policy);
        world.site.answer(|seen| {
            let language = seen.field("accept-language");
            let etag = format!("\"{language}\"");
            let fields = [("vary", "accept-language"), ("etag", &*etag)];
            let confirmed = seen.field("if-none-match") == etag;
            let body = if confirmed { String::new() } else { format!("in {language}") };
            Ok(response(if confirmed { 304 } else { 200 }, &fields, body.into_bytes()))
        });
        let asks = |language: &str| get("/a").with("accept-language", language);
        for language in ["en", "de"] {
            world.send(&asks(language));
        }
        for _ in 0..3 {
            world.pass(MINUTE);
            for language in ["de", "en"] {
                world.send(&asks(language)).says(RENEWED).reads(&format!("in {language}"));
                assert_eq!(world.site.last().field("if-none-match"), format!("\"{language}\""));
                let got = world.send(&asks(language));
                got.says("hit; ttl=60; detail=hot").reads(&format!("in {language}"));
                assert_eq!(got.field("etag"), format!("\"{language}\""));
            }
        }
        assert_eq!(world.l2.puts(), 2);
    }
}

#[test]
fn an_entry_whose_body_streams_is_renewed_whole() {
    for policy in [Policy::ttl(MINUTE), stale_policy()] {
        let world = World::new(policy);
        let text: &'static str = Box::leak("0123456789abcdef".repeat(32 << 10).into_boxed_str());
        page(&world, "\"v1\"", &[], &[("x", "new")], text);
        world.send(&get("/a")).reads(text);
        for _ in 0..2 {
            world.pass(MINUTE);
            world.send(&get("/a")).reads(text);
            let got = world.send(&get("/a"));
            assert_eq!(got.says("hit; ttl=60; detail=l1").reads(text).field("x"), "new");
        }
        assert_eq!(world.site.calls(), 3);
    }
}

#[test]
fn a_body_that_comes_with_a_304_is_nobodys() {
    // RFC 9110 section 15.4.5
    let world = stale(Policy::ttl(MINUTE), &[], &[]);
    world.site.answer(|_| {
        Ok(response(304, &[("etag", "\"v1\""), ("content-length", "3")], scripted([Ok(Bytes::from_static(b"odd"))])))
    });
    let got = world.send(&get("/a"));
    assert_eq!((got.says(RENEWED).reads("hello").status, got.field("content-length")), (200, String::new()));
    world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
}

#[test]
fn an_answer_that_nobody_confirmed_is_not_renewed_by_a_client_that_holds_it() {
    let world = stale(Policy::ttl(MINUTE).stale_if_error(10 * MINUTE), &[], &[]);
    world.site.always(503, &[], "down");
    let holds: Request = get("/a").with("if-none-match", "\"v1\"");
    for minute in 1..10 {
        let got = world.send(&holds);
        assert_eq!((got.status, got.field("age")), (304, (60 * minute).to_string()));
        world.pass(MINUTE);
    }
    world.pass(MINUTE);
    assert_eq!(world.send(&holds).status, 503);
}
