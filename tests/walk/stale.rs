//! Stale answers: while a refresh runs, and in place of an error.

use crate::support::{
    Failure, MINUTE, RESILIENT, Reply, World, get, head, response, scripted, secs, stale_policy, table,
};
use bytes::Bytes;
use layercake::Policy;
use layercake::message::{Ask, Hide};
use layercake::policy::Level;
use layercake::runtime::Runtime as _;
use layercake::sim::StreamTier;
use layercake::stats::Event;
use layercake::tier::MemoryTier;

fn filled(policy: Policy) -> World {
    let world = World::new(policy);
    world.send(&get("/a")).reads("call 1");
    world
}

#[test]
fn stale_is_served_at_once_refreshed_once_and_then_fresh() {
    let world = filled(stale_policy());
    world.pass(secs(65));
    world.site.delay(secs(3));
    let before = world.now();
    for _ in 0..5 {
        let got = world.try_send(&get("/a")).unwrap();
        assert_eq!(got.says("hit; ttl=-5; detail=l1").reads("call 1").field("age"), "65");
    }
    assert_eq!(world.now(), before, "a visitor waited for the refresh");
    world.runtime.run_background();
    assert_eq!(world.site.calls(), 2, "one refresh");
    assert_eq!(world.site.last().ask, Ask::whole(Hide::Cookies));
    world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("call 2");
    for tier in world.tiers() {
        assert!(world.holds(tier));
    }
    let counts = [Event::Stale, Event::Revalidated, Event::RevalidationFailed].map(|e| world.count(e));
    assert_eq!(counts, [5, 1, 0]);
}

#[test]
fn a_head_refreshes_the_whole_unconditionally() {
    let world = filled(stale_policy());
    world.pass(secs(65));
    let request = head("/a").with("if-none-match", "\"v0\"").with("range", "bytes=0-0");
    world.send(&request).says("hit; ttl=-5; detail=l1").reads("");
    let seen = world.site.last();
    let fields = [seen.field("if-none-match"), seen.field("range")];
    assert_eq!((seen.request.method, fields), ("GET", [String::new(), String::new()]));
    world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("call 2");
}

#[test]
fn a_refresh_asks_slower_tiers_before_the_origin() {
    let here = filled(stale_policy());
    let there = here.far_away(table(stale_policy()));
    here.pass(secs(65));
    there.site.answer(|_| Ok(response(200, &[], "from there")));
    there.send(&get("/a")).says("hit; ttl=-5; detail=l2").reads("call 1");
    assert_eq!(there.site.calls(), 1);

    here.pass(secs(5));
    here.send(&get("/a")).says("hit; ttl=-10; detail=l1").reads("call 1");
    assert_eq!(here.site.calls(), 1, "the other data centre had refreshed already");
    assert_eq!(here.count(Event::Revalidated), 1);
    let got = here.send(&get("/a"));
    // What it was asked for went through the markers of two data centres.
    let said = if RESILIENT { "hit; ttl=54; detail=hot" } else { "hit; ttl=55; detail=hot" };
    assert_eq!(got.says(said).reads("from there").field("age"), "5");
}

#[test]
fn beyond_the_window_the_origin_is_asked() {
    let world = filled(stale_policy());
    world.pass(11 * MINUTE - secs(1));
    world.site.always(503, &[], "down");
    world.send(&get("/a")).says("hit; ttl=-599; detail=l1").reads("call 1");
    world.pass(secs(1));
    world.site.always(200, &[], "new");
    world.send(&get("/a")).says("fwd=stale; ttl=60; stored").reads("new");
}

#[test]
fn a_refresh_that_is_cut_off_keeps_others_away_only_for_its_lease() {
    let world = filled(stale_policy());
    world.pass(secs(65));
    world.site.delay(1000 * MINUTE);
    for (wait, calls) in [(0, 2), (28, 2), (0, 3), (0, 3)] {
        world.pass(secs(wait));
        world.try_send(&get("/a")).unwrap().reads("call 1");
        // For the marker.
        world.runtime.run(world.runtime.sleep(secs(1)));
        assert_eq!(world.site.calls(), calls);
    }
}

#[test]
fn a_refresh_that_has_ended_makes_room_for_the_next() {
    let world = filled(Policy::ttl(secs(5)).stale_while_revalidate(MINUTE));
    for n in 1..4 {
        world.pass(secs(6));
        world.send(&get("/a")).says("hit; ttl=-1; detail=l1").reads(&format!("call {n}"));
    }
    assert_eq!(world.count(Event::Revalidated), 3);
}

#[test]
fn a_failed_refresh_leaves_the_entry_as_it_was() {
    let failures = [
        ("an error", (|| Err(Failure("down"))) as fn() -> Reply),
        ("a 503", || Ok(response(503, &[], "down"))),
        ("a 404", || Ok(response(404, &[], "gone"))),
        ("a personal answer", || Ok(response(200, &[("set-cookie", "a=b")], "anna's"))),
    ];
    for (what, failure) in failures {
        let world = filled(stale_policy());
        world.pass(secs(65));
        world.site.answer(move |_| failure());
        for _ in 0..2 {
            world.send(&get("/a")).says("hit; ttl=-5; detail=l1").reads("call 1");
        }
        assert_eq!((world.count(Event::Stale), world.count(Event::Revalidated)), (2, 0), "{what}");
        assert!(world.count(Event::RevalidationFailed) > 0, "{what}");
    }
}

#[test]
fn a_refresh_whose_body_breaks_off_counts_as_failed() {
    let world = filled(stale_policy());
    world.pass(secs(65));
    world.site.answer(|_| {
        let body = scripted([Ok(Bytes::from_static(b"new, but")), Err("torn")]);
        Ok(response(200, &[], body))
    });
    world.send(&get("/a")).says("hit; ttl=-5; detail=l1").reads("call 1");
    world.send(&get("/a")).says("hit; ttl=-5; detail=l1").reads("call 1");
    assert!(world.count(Event::StoreFailed) > 0);
    assert_eq!(world.count(Event::Revalidated), 0, "nothing fresh was brought");
    assert!(world.count(Event::RevalidationFailed) > 0);
}

#[test]
fn what_a_near_tier_does_not_take_does_not_stay_behind_in_its_old_form() {
    let world = World::with_tiers(
        table(stale_policy()),
        MemoryTier::new(Level::Hot, 1 << 20).max_entry(100),
        StreamTier::new(Level::L1, 1 << 20),
        StreamTier::new(Level::L2, 1 << 20),
    );
    world.site.always(200, &[], "small");
    world.send(&get("/a"));
    world.pass(secs(65));
    let large: &'static str = Box::leak("large".repeat(100).into_boxed_str());
    world.site.always(200, &[], large);
    world.send(&get("/a")).says("hit; ttl=-5; detail=hot").reads("small");
    for _ in 0..3 {
        world.send(&get("/a")).says("hit; ttl=60; detail=l1").reads(large);
    }
    assert_eq!(world.site.calls(), 2);
}

#[test]
fn an_answer_that_says_must_revalidate_is_never_served_stale() {
    for fields in [&[("cache-control", "must-revalidate")][..], &[("cache-control", "proxy-revalidate")]] {
        let world = World::new(stale_policy());
        world.site.always(200, fields, "old");
        world.send(&get("/a"));
        world.pass(MINUTE);
        world.site.always(503, &[], "down");
        assert_eq!(world.send(&get("/a")).status, 503);
    }
}

#[test]
fn the_windows_of_the_response_count_where_the_owner_is_silent() {
    let world = World::new(Policy::from_headers());
    let fields = &[("cache-control", "max-age=60, stale-while-revalidate=10, stale-if-error=20")];
    world.site.always(200, fields, "old");
    world.send(&get("/a"));
    world.pass(secs(69));
    world.site.always(500, &[], "down");
    world.send(&get("/a")).says("hit; ttl=-9; detail=l1").reads("old");
    world.pass(secs(10));
    world.send(&get("/a")).says("hit; fwd-status=500; ttl=-19; detail=stale-if-error").reads("old");
    world.pass(secs(1));
    assert_eq!(world.send(&get("/a")).status, 500);
}

fn on_error() -> Policy {
    Policy::ttl(MINUTE).stale_if_error(60 * MINUTE)
}

#[test]
fn stale_stands_in_for_server_errors_within_the_window() {
    for status in [500, 502, 503, 504] {
        let world = filled(on_error());
        world.pass(2 * MINUTE);
        world.site.answer(move |_| Ok(response(status, &[], "down")));
        let got = world.send(&get("/a"));
        got.says(&format!("hit; fwd-status={status}; ttl=-60; detail=stale-if-error")).reads("call 1");
        assert_eq!((got.status, got.field("age")), (200, "120".into()));
        assert_eq!((world.count(Event::StaleIfError), world.count(Event::Stale)), (1, 0));

        world.pass(59 * MINUTE);
        let got = world.send(&get("/a"));
        assert_eq!(got.says("fwd=uri-miss; detail=not-stored-status").reads("down").status, status);
    }
}

#[test]
fn stale_stands_in_for_the_origins_own_error_within_the_window() {
    let world = filled(on_error());
    world.pass(2 * MINUTE);
    world.site.answer(|_| Err(Failure("down")));
    world.send(&get("/a")).says("hit; ttl=-60; detail=stale-if-error").reads("call 1");
    world.send(&head("/a")).says("hit; ttl=-60; detail=stale-if-error").reads("");
    world.pass(59 * MINUTE);
    assert_eq!(world.try_send(&get("/a")).unwrap_err(), Failure("down"));
    assert_eq!((world.count(Event::StaleIfError), world.count(Event::Error)), (2, 1));
}

#[test]
fn the_window_is_measured_when_the_origin_has_failed() {
    let world = filled(on_error());
    world.pass(61 * MINUTE - secs(10));
    world.site.always(503, &[], "down");
    world.site.delay(secs(4));
    world.send(&get("/a")).says("hit; fwd-status=503; ttl=-3594; detail=stale-if-error");
    // What has just failed rests for a moment.
    world.pass(secs(2));
    assert_eq!(world.send(&get("/a")).reads("down").status, 503);
}

#[test]
fn stale_does_not_stand_in_for_other_answers() {
    for status in [404, 403, 410, 429, 501, 505, 302] {
        let world = filled(on_error());
        world.pass(2 * MINUTE);
        world.site.answer(move |_| Ok(response(status, &[], "other")));
        let got = world.send(&get("/a"));
        assert_eq!(got.reads("other").status, status);
        assert_eq!(world.count(Event::StaleIfError), 0);
    }
}

#[test]
fn the_youngest_entry_stands_in() {
    let here = filled(on_error());
    let there = here.far_away(table(on_error()));
    here.pass(2 * MINUTE);
    there.site.always(200, &[], "younger");
    there.send(&get("/a")).reads("younger");
    here.pass(2 * MINUTE);
    here.site.always(503, &[], "down");
    here.send(&get("/a")).says("hit; fwd-status=503; ttl=-60; detail=stale-if-error").reads("younger");
}

#[test]
fn standing_in_does_not_lengthen_life() {
    let world = filled(on_error());
    world.site.always(503, &[], "down");
    for minute in 1..61 {
        world.pass(MINUTE);
        let got = world.send(&get("/a"));
        assert_eq!(got.reads("call 1").field("age"), (60 * minute).to_string());
    }
    world.pass(MINUTE);
    assert_eq!(world.send(&get("/a")).status, 503);
}

#[test]
fn a_request_that_must_not_be_stored_starts_no_refresh_in_vain() {
    let world = filled(stale_policy());
    world.pass(secs(65));
    let shy = get("/a").with("cache-control", "no-store");
    for _ in 0..3 {
        world.send(&shy).reads("call 1");
    }
    let calls = world.site.calls();
    assert!(calls <= 2, "{} origin calls, none of them stored", calls - 1);
}
