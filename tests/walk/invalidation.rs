//! What a change makes void (RFC 9111 section 4.4): the target, and what the answer names on the same site.

use crate::support::{
    DeleteFault, Deletes, Failure, MINUTE, Request, World, get, head, response, secs, stale_policy, table,
};
use layercake::message::Ask;
use layercake::policy::{Level, QueryKey, Tiers};
use layercake::sim::{GetFault, StreamTier};
use layercake::stats::Event;
use layercake::tier::MemoryTier;
use layercake::{CacheConfig, Policy, SchemaVersion};

type FieldList = &'static [(&'static str, &'static str)];

fn by_letter() -> Policy {
    Policy::rfc9111().default_ttl(10 * MINUTE)
}

fn both() -> [Policy; 2] {
    [Policy::ttl(10 * MINUTE), by_letter()]
}

/// A world whose tiers have an entry for each target.
fn filled(policy: Policy, targets: &[&str]) -> World {
    let world = World::new(policy);
    fill(&world, targets);
    world
}

fn fill(world: &World, targets: &[&str]) {
    world.site.always(200, &[], "old");
    for target in targets {
        world.send(&get(target)).reads("old");
    }
}

/// Changes something, and lets the origin answer with `status` and these fields.
fn change(world: &World, request: &Request, status: u16, fields: &'static [(&'static str, &'static str)]) {
    world.site.always(status, fields, "changed");
    let got = world.send(request);
    assert_eq!(got.reads("changed").status, status);
    world.site.always(200, &[], "new");
}

/// Which of the targets are answered anew.
fn void(world: &World, targets: &[&str]) -> Vec<bool> {
    targets.iter().map(|target| world.send(&get(target)).text() == "new").collect()
}

#[test]
fn which_methods_and_answers_void_the_target_in_every_tier() {
    // "A cache MUST invalidate the target URI when it receives a non-error status code in response to an unsafe request
    // method (including methods whose safety is unknown)."
    for policy in both() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "PURGE", "FROBNICATE", "post"] {
            for status in [200, 201, 202, 204, 205, 299, 301, 302, 303, 307, 308] {
                let world = filled(policy.clone(), &["/a", "/b"]);
                change(&world, &get("/a").method(method), status, &[]);
                assert_eq!(world.site.last().ask, Ask::AS_IS);
                for tier in world.tiers() {
                    assert!(!world.holds(tier), "{:?} still has all after {method} {status}", tier.keys().len());
                }
                assert_eq!(void(&world, &["/a", "/b"]), [true, false], "{method} {status}");
                assert_eq!(world.count(Event::Invalidated), 1);
            }
            for status in [400, 401, 403, 404, 409, 412, 429, 500, 502, 503] {
                let world = filled(policy.clone(), &["/a"]);
                change(&world, &get("/a").method(method), status, &[("location", "/a")]);
                assert_eq!(void(&world, &["/a"]), [false], "{method} {status}");
                assert_eq!(world.count(Event::Invalidated), 0);
            }
        }
        for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
            let world = filled(policy.clone(), &["/a", "/b"]);
            world.site.always(200, &[("location", "/b"), ("content-location", "/b")], "");
            world.send(&get("/c").method(method));
            world.send(&get("/a").method(method));
            world.site.always(200, &[], "new");
            assert_eq!(void(&world, &["/a", "/b"]), [false, false], "{method}");
        }
    }
}

#[test]
fn every_tier_forgets_whichever_has_it() {
    for kept in 0..3 {
        let world = filled(Policy::ttl(10 * MINUTE), &["/a"]);
        for (place, tier) in world.tiers().into_iter().enumerate() {
            if place != kept {
                world.clear(tier);
            }
        }
        change(&world, &get("/a").method("POST"), 204, &[]);
        assert_eq!(void(&world, &["/a"]), [true], "tier {kept} had it still");
    }
}

#[test]
fn an_error_of_the_handler_voids_nothing() {
    let world = filled(Policy::ttl(10 * MINUTE), &["/a"]);
    world.site.answer(|_| Err(Failure("down")));
    assert_eq!(world.try_send(&get("/a").method("POST")).unwrap_err(), Failure("down"));
    world.send(&get("/a")).says("hit; ttl=600; detail=hot").reads("old");
}

#[test]
fn what_the_answer_names_on_the_same_site_is_void_too() {
    // "A cache MAY invalidate other URIs ... in Location and Content-Location"; "MUST NOT ... if the origin differs."
    const TARGETS: [&str; 6] = ["/shop/cart", "/shop/list", "/shop/list?page=2", "/", "/other", "/shop/"];
    for (reference, expected) in [
        ("/shop/list", Some(1)),
        ("list", Some(1)),
        ("./list", Some(1)),
        ("../shop/list", Some(1)),
        ("list#top", Some(1)),
        ("https://shop.example/shop/list", Some(1)),
        ("HTTPS://SHOP.example:443/shop/list", Some(1)),
        ("//shop.example/shop/list", Some(1)),
        ("/shop/list?page=2", Some(2)),
        ("list?page=2", Some(2)),
        ("https://shop.example", Some(3)),
        ("..", Some(3)),
        ("/./x/../other", Some(4)),
        (".", Some(5)),
        ("", None),
        ("#here", None),
        ("https://other.example/shop/list", None),
        ("//other.example/shop/list", None),
        ("http://shop.example/shop/list", None),
        ("https://shop.example:8443/shop/list", None),
        ("https://shop.example@other.example/shop/list", None),
        ("https://shop.example.other.example/shop/list", None),
        ("mailto:list", None),
        ("/shop/LIST", None),
    ] {
        for name in ["location", "content-location"] {
            let world = filled(Policy::ttl(10 * MINUTE), &TARGETS);
            world.site.answer(move |_| Ok(response(201, &[(name, reference)], "")));
            world.send(&get("/shop/cart").method("POST"));
            world.site.always(200, &[], "new");
            let expected: Vec<bool> = (0..TARGETS.len()).map(|n| n == 0 || Some(n) == expected).collect();
            assert_eq!(void(&world, &TARGETS), expected, "{name}: {reference}");
        }
    }
}

#[test]
fn both_names_count_and_each_target_once() {
    let world = filled(Policy::ttl(10 * MINUTE), &["/a", "/b", "/c"]);
    change(&world, &get("/a").method("PUT"), 303, &[("location", "/b"), ("content-location", "/c")]);
    assert_eq!(void(&world, &["/a", "/b", "/c"]), [true; 3]);
    assert_eq!(world.count(Event::Invalidated), 3);
    change(
        &world,
        &get("/a").method("PUT"),
        200,
        &[("location", "/a"), ("content-location", "https://shop.example/a")],
    );
    assert_eq!(world.count(Event::Invalidated), 4);
}

#[test]
fn a_change_on_one_host_is_none_on_another() {
    let at = |host: &str, target: &str| Request { authority: host.to_owned(), ..get(target) };
    let world = World::new(Policy::ttl(10 * MINUTE));
    world.site.always(200, &[], "old");
    world.send(&at("shop.example", "/a"));
    world.send(&at("mall.example", "/a"));
    change(&world, &at("mall.example", "/x").method("POST"), 200, &[("location", "https://shop.example/a")]);
    world.send(&at("shop.example", "/a")).reads("old");
    change(&world, &at("MALL.example:443", "/a").method("POST"), 200, &[]);
    world.send(&at("shop.example", "/a")).reads("old");
    world.send(&at("mall.example", "/a")).reads("new");
}

#[test]
fn the_query_is_part_of_the_target_unless_the_policy_leaves_it_out() {
    let world = filled(Policy::ttl(10 * MINUTE), &["/a", "/a?x=1", "/a?"]);
    change(&world, &get("/a?x=1").method("POST"), 200, &[]);
    assert_eq!(void(&world, &["/a", "/a?x=1", "/a?"]), [false, true, false]);
    let world = filled(Policy::ttl(10 * MINUTE).query(QueryKey::ignored()), &["/a"]);
    change(&world, &get("/a?x=1").method("POST"), 200, &[]);
    assert_eq!(void(&world, &["/a?y=2"]), [true]);
}

fn mixed() -> CacheConfig {
    CacheConfig::new("shop", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .route("/api/*rest", Policy::bypass())
        .route("/near", Policy::ttl(10 * MINUTE).tiers(Tiers::ALL.without_l2()))
        .fallback(Policy::ttl(10 * MINUTE))
        .build()
        .unwrap()
}

#[test]
fn a_bypassed_route_voids_what_it_names_and_is_named_in_vain() {
    for name in ["location", "content-location"] {
        for reference in ["/a", "/near"] {
            let world = World::of(mixed());
            fill(&world, &["/a", "/near"]);
            world.site.answer(move |_| Ok(response(201, &[(name, reference)], "made")));
            world.send(&get("/api/things").method("POST")).says("fwd=bypass; detail=policy").reads("made");
            world.site.always(200, &[], "new");
            assert_eq!(void(&world, &["/a", "/near"]), ["/a", "/near"].map(|target| target == reference));
        }
    }
    let world = World::of(mixed());
    let before = world.tiers().map(|tier| tier.gets());
    world.site.always(200, &[("location", "/api/other")], "");
    world.send(&get("/api/things").method("POST"));
    assert_eq!((world.tiers().map(|tier| tier.gets()), world.count(Event::Invalidated)), (before, 0));
}

#[test]
fn a_route_that_answers_no_get_from_the_cache_is_changed_all_the_same() {
    // The policy may leave methods out; what is stored is void whoever asked for it.
    let world = filled(Policy::ttl(10 * MINUTE).methods(&["GET"]), &["/a"]);
    change(&world, &get("/a").method("DELETE"), 204, &[]);
    assert_eq!(void(&world, &["/a"]), [true]);
}

#[test]
fn requests_that_have_nothing_to_do_with_the_cache_change_things_too() {
    // With a telling cookie, with Authorization, with a field that no key holds, with content.
    for (name, value) in [
        ("cookie", "session=anna"),
        ("authorization", "anna"),
        ("x-forwarded-host", "x"),
        ("content-length", "10"),
        ("cache-control", "no-store"),
        ("range", "bytes=0-1"),
        ("if-match", "\"v1\""),
    ] {
        for policy in both() {
            let world = filled(policy, &["/a"]);
            change(&world, &get("/a").method("POST").with(name, value), 200, &[]);
            assert_eq!(void(&world, &["/a"]), [true], "{name}");
        }
    }
}

/// A world whose deletions are counted, and fail on demand.
fn watched(policy: Policy) -> (World, [Deletes; 3]) {
    let deletes: [Deletes; 3] = Default::default();
    let world = World::with_tiers(
        table(policy),
        deletes[0].watch(MemoryTier::new(Level::Hot, 1 << 20).max_stay(secs(5))),
        deletes[1].watch(StreamTier::new(Level::L1, 64 << 20)),
        deletes[2].watch(StreamTier::new(Level::L2, 64 << 20)),
    );
    (world, deletes)
}

#[test]
fn l2_is_told_to_forget_only_what_it_has() {
    // A deletion in KV costs ten reads.
    let (world, deletes) = watched(Policy::ttl(10 * MINUTE));
    for _ in 0..10 {
        world.send(&get("/a").method("POST"));
    }
    assert_eq!(deletes[2].count(), 0);
    world.send(&get("/a"));
    for _ in 0..10 {
        world.send(&get("/a").method("POST"));
    }
    assert_eq!(deletes[2].count(), 1);

    let (world, deletes) = watched(Policy::ttl(10 * MINUTE).tiers(Tiers::ALL.without_l2()));
    world.send(&get("/a"));
    let gets = world.l2.gets();
    world.send(&get("/a").method("POST"));
    assert_eq!((deletes[2].count(), world.l2.gets()), (0, gets), "a tier the policy does not use");
    world.send(&get("/a")).says("fwd=uri-miss; ttl=600; stored");
}

#[test]
fn a_tier_that_cannot_forget_neither_fails_the_visitor_nor_keeps_the_others_from_forgetting() {
    for place in 0..3 {
        let (world, deletes) = watched(Policy::ttl(10 * MINUTE));
        fill(&world, &["/a"]);
        deletes[place].fail(Some(DeleteFault::Fail));
        let before = world.now();
        change(&world, &get("/a").method("POST"), 200, &[]);
        assert_eq!((world.now(), world.count(Event::TierFailed)), (before, 1));
        for (other, tier) in world.tiers().into_iter().enumerate() {
            assert_eq!(world.holds(tier), other == place, "tier {other} when {place} fails");
        }
    }
}

#[test]
fn a_tier_that_hangs_holds_the_visitor_up_two_seconds_at_most() {
    for place in 0..3 {
        let (world, deletes) = watched(Policy::ttl(10 * MINUTE));
        fill(&world, &["/a"]);
        deletes[place].fail(Some(DeleteFault::Hang));
        world.site.always(200, &[], "changed");
        let before = world.now();
        world.try_send(&get("/a").method("POST")).unwrap().reads("changed");
        let waited = world.now().since(before);
        assert!(waited <= secs(2), "{waited:?} for tier {place}");
    }
    // Nor does one that hangs when it is asked what it has.
    let world = filled(Policy::ttl(10 * MINUTE), &["/a"]);
    world.l2.fail_gets(GetFault::Hang);
    let before = world.now();
    world.try_send(&get("/a").method("POST")).unwrap();
    assert!(world.now().since(before) <= secs(2));
    world.l2.heal();
}

#[test]
fn a_tier_that_hangs_keeps_no_other_from_forgetting() {
    // 4.4: whoever changed something sees the change. The near tiers answer; that they forget must not wait for KV.
    for place in 0..3 {
        let (world, deletes) = watched(Policy::ttl(10 * MINUTE));
        fill(&world, &["/a"]);
        deletes[place].fail(Some(DeleteFault::Hang));
        change(&world, &get("/a").method("POST"), 200, &[]);
        for (other, tier) in world.tiers().into_iter().enumerate() {
            assert_eq!(world.holds(tier), other == place, "tier {other} when {place} hangs");
        }
        deletes.iter().for_each(|deletes| deletes.fail(None));
    }
    for (fault, delete) in
        [(GetFault::Hang, None), (GetFault::Slow(secs(10)), None), (GetFault::Hang, Some(DeleteFault::Hang))]
    {
        let (world, deletes) = watched(Policy::ttl(10 * MINUTE));
        fill(&world, &["/a"]);
        world.l2.fail_gets(fault);
        deletes[2].fail(delete);
        world.site.always(200, &[], "new");
        world.try_send(&get("/a").method("POST")).unwrap();
        let got = world.try_send(&get("/a")).unwrap();
        assert_eq!(got.text(), "new", "{fault:?}, {delete:?}");
        deletes[2].fail(None);
        world.l2.heal();
    }
}

#[test]
fn what_the_answer_names_is_forgotten_nearby_even_while_l2_hangs() {
    let (world, deletes) = watched(Policy::ttl(10 * MINUTE));
    fill(&world, &["/a", "/b", "/c"]);
    world.l2.fail_gets(GetFault::Hang);
    deletes[2].fail(Some(DeleteFault::Hang));
    world.site.always(200, &[("location", "/b"), ("content-location", "/c")], "new");
    world.try_send(&get("/a").method("POST")).unwrap();
    for target in ["/a", "/b", "/c"] {
        world.try_send(&get(target)).unwrap().reads("new");
    }
    deletes[2].fail(None);
    world.l2.heal();
}

#[test]
fn a_variant_under_way_does_not_bring_back_the_first_that_was_voided_meanwhile() {
    // 4.4: the answer under way may be of before the change, and nobody can know; the one that was stored before it is,
    // and has been made void.
    let world = World::new(Policy::ttl(10 * MINUTE));
    world.site.answer(|seen| {
        let body = format!("old in {}", seen.field("accept-language"));
        Ok(response(200, &[("vary", "accept-language")], body.into_bytes()))
    });
    let asks = |language: &str| get("/a").with("accept-language", language);
    for promoted in [false, true] {
        world.send(&asks("en")).reads("old in en");
        if promoted {
            world.clear(&world.hot);
            world.clear(&world.l1);
        }
        world.site.delay(secs(3));
        let language = if promoted { "de" } else { "fr" };
        let (got, _) =
            world.open_both(&asks(language), secs(1), || world.site.delay(secs(0)), &get("/a").method("POST"));
        world.read(got).reads(&format!("old in {language}"));
        world.runtime.run_background();
        world.site.always(200, &[], "new");
        world.send(&asks("en")).reads("new");
        world.send(&get("/a").method("POST"));
        world.site.answer(|seen| {
            let body = format!("old in {}", seen.field("accept-language"));
            Ok(response(200, &[("vary", "accept-language")], body.into_bytes()))
        });
    }
}

#[test]
fn a_tier_that_is_slow_to_forget_has_forgotten_in_the_end() {
    for fault in [GetFault::Slow(secs(10)), GetFault::Fail, GetFault::Corrupt] {
        let world = filled(Policy::ttl(10 * MINUTE), &["/a"]);
        world.l2.fail_gets(fault);
        change(&world, &get("/a").method("POST"), 200, &[]);
        world.l2.heal();
        assert!(world.tiers().iter().all(|tier| !world.holds(tier)), "{fault:?}");
    }
}

#[test]
fn a_refresh_under_way_does_not_bring_back_what_was_voided_for_good() {
    // The refresh began before the change, and its answer may be of before it: it must at least be bounded by freshness.
    let world = World::new(stale_policy());
    world.send(&get("/a")).reads("call 1");
    world.pass(secs(65));
    world.site.delay(secs(3));
    world.try_send(&get("/a")).unwrap().reads("call 1");
    world.site.delay(secs(0));
    world.site.always(204, &[], "");
    world.send(&get("/a").method("POST"));
    world.runtime.run_background();
    world.pass(secs(61));
    world.site.always(200, &[], "new");
    world.send(&get("/a"));
    world.send(&get("/a")).reads("new");
}

const OF_TARGET: &[(&str, &str)] = &[("content-location", "/a?x=1"), ("cache-control", "max-age=60")];

#[test]
fn the_answer_to_a_post_may_be_stored_for_get_by_the_letter_only() {
    // RFC 9110 section 9.3.3: explicit freshness, and a Content-Location that is the target.
    let post = || get("/a?x=1").method("POST");
    let cases: [(Policy, Request, u16, FieldList, bool); 16] = [
        (Policy::rfc9111(), post(), 200, OF_TARGET, true),
        (
            Policy::rfc9111(),
            post(),
            200,
            &[("content-location", "https://shop.example/a?x=1"), ("cache-control", "s-maxage=60")],
            true,
        ),
        (
            Policy::rfc9111(),
            post(),
            200,
            &[("content-location", "?x=1"), ("expires", "Thu, 01 Jan 2026 00:01:00 GMT")],
            true,
        ),
        (Policy::rfc9111(), post(), 200, &[("content-location", "/a?x=1"), ("cdn-cache-control", "max-age=60")], true),
        (Policy::from_headers(), post(), 200, OF_TARGET, false),
        (Policy::ttl(MINUTE), post(), 200, OF_TARGET, false),
        (by_letter(), post(), 200, &[("content-location", "/a?x=1")], false),
        (by_letter(), post(), 200, &[("cache-control", "max-age=60")], false),
        (by_letter(), post(), 200, &[("content-location", "/a"), ("cache-control", "max-age=60")], false),
        (
            by_letter(),
            post(),
            200,
            &[("content-location", "//other.example/a?x=1"), ("cache-control", "max-age=60")],
            false,
        ),
        (by_letter(), post(), 200, &[("content-location", "/a?x=1"), ("cache-control", "max-age=60, no-store")], false),
        (by_letter(), post(), 200, &[("content-location", "/a?x=1"), ("cache-control", "max-age=60, private")], false),
        (by_letter(), post(), 201, OF_TARGET, false),
        (by_letter(), post().with("cache-control", "no-store"), 200, OF_TARGET, false),
        (by_letter(), post().with("authorization", "anna"), 200, OF_TARGET, false),
        (by_letter(), get("/a?x=1").method("PUT"), 200, OF_TARGET, false),
    ];
    for (policy, request, status, fields, stored) in cases {
        let world = World::new(policy);
        world.site.always(200, &[("cache-control", "max-age=600")], "old");
        world.send(&get("/a?x=1"));
        world.site.always(status, fields, "posted");
        let got = world.send(&request);
        assert_eq!((got.reads("posted").status, got.cache_status().contains("stored")), (status, stored), "{fields:?}");
        world.site.always(200, &[], "new");
        for tier in world.tiers() {
            world.send(&get("/a?x=1")).reads(if stored { "posted" } else { "new" });
            world.clear(tier);
        }
        // By the letter the next POST goes to the origin as ever.
        let calls = world.site.calls();
        world.send(&post());
        assert_eq!(world.site.calls(), calls + 1);
    }
}

#[test]
fn the_answer_to_a_post_is_stored_for_the_variant_that_was_posted() {
    let world = World::new(Policy::rfc9111());
    world.site.answer(|seen| {
        let fields = [("vary", "accept-language"), ("content-location", "/a"), ("cache-control", "max-age=60")];
        let body = format!("{} in {}", seen.request.method, seen.field("accept-language"));
        Ok(response(200, &fields, body.into_bytes()))
    });
    let asks = |language: &str| get("/a").with("accept-language", language);
    world.send(&asks("en"));
    world.send(&asks("de").method("POST"));
    world.send(&asks("de")).says("hit; ttl=60; detail=hot").reads("POST in de");
    world.send(&asks("en")).reads("GET in en");
    world.send(&head("/a").with("accept-language", "de")).reads("");
}

#[test]
fn only_explicit_freshness_in_a_field_that_this_cache_obeys_counts_for_a_post() {
    let world = World::new(by_letter().targets(&[]));
    world.site.always(200, &[("content-location", "/a"), ("cdn-cache-control", "max-age=60")], "posted");
    world.send(&get("/a").method("POST"));
    world.site.always(200, &[], "new");
    world.send(&get("/a")).reads("new");
}
