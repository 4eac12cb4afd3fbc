//! How long a visitor waits for the origin, and what becomes of an answer that comes later.

use crate::support::*;
use layercake::Policy;
use layercake::sim::GetFault;
use layercake::stats::Event;
use std::time::Duration;

fn minute() -> Policy {
    Policy::ttl(MINUTE)
}

/// Stale for two hours, for errors alone.
fn on_error() -> Policy {
    minute().stale_if_error(120 * MINUTE)
}

const TAGGED: &[(&str, &str)] = &[("etag", "\"v1\"")];

/// Has something a minute past its lifetime, and a site that takes ten seconds from now on.
fn slow(world: &World) {
    world.site.delay(Duration::ZERO);
    world.site.always(200, TAGGED, "old");
    world.send(&get("/a")).reads("old");
    world.pass(2 * MINUTE);
    world.site.delay(secs(10));
}

/// How long a visitor waits, and what he gets.
fn ask(world: &World, request: &Request) -> (Duration, Result<Got, Failure>) {
    let before = world.now();
    let got = world.runtime.run(world.visit(request));
    (world.now().since(before), got)
}

fn is_504(got: &Got, limit: &str) {
    let text = format!("The origin did not answer within {limit}.\n");
    got.says("fwd=uri-miss; detail=timeout").reads(&text);
    let fields = ["cache-control", "content-type", "content-length"].map(|name| got.field(name));
    assert_eq!(fields, ["no-store".to_owned(), "text/plain; charset=utf-8".into(), text.len().to_string()]);
    assert_eq!(got.status, 504);
}

#[test]
fn after_the_soft_limit_something_stale_stands_in_and_the_late_answer_is_stored() {
    on_each(&on_error().soft_timeout(secs(2)), |world, kind| {
        slow(world);
        world.site.always(200, &[], "new");
        let (took, got) = ask(world, &get("/a"));
        got.unwrap().says("hit; ttl=-62; detail=stale-if-error").reads("old");
        assert_eq!(took, secs(2), "{kind:?}");
        world.runtime.run_background();
        assert_eq!(world.runtime.pending(), 0, "{kind:?}");
        world.send(&get("/a")).reads("new");
        let counts = [Event::TimedOut, Event::StaleIfError, Event::Error].map(|event| world.count(event));
        assert_eq!((counts, world.site.calls()), ([1, 1, 0], 2), "{kind:?}");
        assert!(world.tiers().iter().all(|tier| world.holds(tier)));
    });
}

#[test]
fn an_answer_in_time_is_the_visitors() {
    let policy = on_error().soft_timeout(secs(2)).hard_timeout(secs(3));
    on_each(&policy, |world, kind| {
        slow(world);
        world.site.delay(Duration::from_millis(1999));
        world.site.always(200, &[], "new");
        ask(world, &get("/a")).1.unwrap().says("fwd=stale; ttl=60; stored").reads("new");
        world.runtime.run_background();
        assert_eq!(world.count(Event::TimedOut), 0, "{kind:?}");
    });
}

#[test]
fn where_nothing_may_stand_in_the_soft_limit_is_none() {
    for policy in [minute(), minute().stale_while_revalidate(secs(1)), minute().stale_if_error(secs(61))] {
        on_each(&policy.soft_timeout(secs(2)), |world, kind| {
            slow(world);
            let (took, got) = ask(world, &get("/a"));
            assert_eq!((took, got.unwrap().text()), (secs(10), "old"), "{kind:?}");
            world.runtime.run_background();
            assert_eq!(world.count(Event::TimedOut), 0, "{kind:?}");
        });
    }
}

#[test]
fn after_the_hard_limit_there_is_a_504_or_something_stale() {
    for (limit, text) in [(secs(2), "2 s"), (Duration::from_millis(1500), "1500 ms")] {
        on_each(&on_error().hard_timeout(limit), |world, kind| {
            world.site.delay(secs(10));
            let (took, got) = ask(world, &get("/b"));
            is_504(&got.unwrap(), text);
            assert_eq!(took, limit, "{kind:?}");
            world.runtime.run_background();
            world.send(&get("/b")).reads("call 1");
            assert_eq!(world.site.calls(), 1, "{kind:?}: the late answer is stored");

            slow(world);
            let (took, got) = ask(world, &get("/a"));
            assert!(got.unwrap().reads("old").cache_status().ends_with("detail=stale-if-error"), "{kind:?}");
            assert_eq!(took, limit, "{kind:?}");
            world.runtime.run_background();
            let counts = [Event::TimedOut, Event::StaleIfError, Event::Error].map(|event| world.count(event));
            assert_eq!(counts, [2, 1, 1], "{kind:?}");
        });
    }
}

#[test]
fn the_shorter_of_both_limits_counts() {
    on_each(&on_error().soft_timeout(secs(5)).hard_timeout(secs(2)), |world, kind| {
        slow(world);
        let (took, got) = ask(world, &get("/a"));
        assert!(got.unwrap().reads("old").cache_status().ends_with("detail=stale-if-error"), "{kind:?}");
        assert_eq!(took, secs(2), "{kind:?}");
        world.runtime.run_background();
        assert_eq!(world.count(Event::TimedOut), 1);
    });
}

#[test]
fn what_is_too_slow_rests_while_something_stale_may_stand_in() {
    on_each(&on_error().soft_timeout(secs(2)), |world, kind| {
        slow(world);
        world.site.delay(secs(1000));
        let calls = world.site.calls();
        let took = |world: &World| ask(world, &get("/a")).0;
        assert_eq!(took(world), secs(2), "{kind:?}");
        assert_eq!(took(world), Duration::ZERO, "{kind:?}: it rests");
        assert_eq!(world.site.calls() - calls, 1, "{kind:?}");
        world.pass(secs(2));
        assert_eq!(took(world), secs(2), "{kind:?}: it is waited for again");
        world.runtime.run_background();
    });
}

#[test]
fn a_504_to_head_has_no_body() {
    on_each(&minute().hard_timeout(secs(2)), |world, kind| {
        world.site.delay(secs(10));
        let got = ask(world, &head("/a")).1.unwrap();
        got.says("fwd=uri-miss; detail=timeout").reads("");
        assert_eq!((got.status, got.field("content-length")), (504, "38".into()), "{kind:?}");
        world.runtime.run_background();
        // It was asked for the whole.
        world.send(&get("/a")).reads("call 1");
        assert_eq!(world.site.calls(), 1, "{kind:?}");
    });
}

#[test]
fn what_comes_late_is_dealt_with_like_what_comes_in_time() {
    let late = [
        ((|| Ok(response(200, &[], "new"))) as fn() -> Reply, "new", 0),
        (|| Ok(response(304, TAGGED, "")), "old", 0),
        (|| Ok(response(503, &[], "down")), "old", 1),
        (|| Err(Failure("down")), "old", 1),
        (|| Ok(response(404, &[], "gone")), "old", 1),
        (|| Ok(response(200, &[("set-cookie", "a=b")], "anna's")), "old", 1),
        (|| Ok(response(200, &[("content-length", "9")], "short")), "old", 1),
    ];
    for (n, (reply, text, calls)) in late.into_iter().enumerate() {
        on_each(&on_error().soft_timeout(secs(2)), |world, kind| {
            slow(world);
            world.site.answer(move |_| reply());
            ask(world, &get("/a")).1.unwrap().reads("old");
            world.runtime.run_background();
            assert_eq!(world.runtime.pending(), 0);
            assert_eq!(world.site.last().field("if-none-match"), "\"v1\"");
            world.site.delay(Duration::ZERO);
            world.site.always(503, &[], "down");
            // What failed late rests like what failed in time.
            world.pass(secs(2));
            let before = world.site.calls();
            world.send(&get("/a")).reads(text);
            assert_eq!((world.site.calls() - before) as u64, calls, "{kind:?}, case {n}");
        });
    }
}

#[test]
fn under_the_letter_a_late_answer_is_stored_too() {
    on_each(&Policy::rfc9111().hard_timeout(secs(2)), |world, kind| {
        world.site.delay(secs(10));
        world.site.always(200, &[("cache-control", "max-age=60")], "late");
        assert_eq!(ask(world, &get("/a")).1.unwrap().status, 504);
        world.runtime.run_background();
        world.send(&get("/a")).reads("late");
        assert_eq!(world.site.calls(), 1, "{kind:?}");
        // But not as the whole what is none, nor what is for one visitor alone.
        for (request, fields, status) in [
            (get("/b").with("range", "bytes=0-1"), &[("content-range", "bytes 0-1/9")][..], 206),
            (get("/c").with("if-none-match", "\"x\""), &[("etag", "\"x\"")], 304),
            (get("/d").with("authorization", "anna"), &[("cache-control", "max-age=60")], 200),
            (get("/e").with("cache-control", "no-store"), &[("cache-control", "max-age=60")], 200),
            (head("/f"), &[("cache-control", "max-age=60")], 200),
        ] {
            world.site.answer(move |_| Ok(response(status, fields, "hers")));
            ask(world, &request).1.unwrap();
            world.runtime.run_background();
            world.site.always(200, &[("cache-control", "max-age=60")], "own");
            world.site.delay(Duration::ZERO);
            world.send(&get(&request.path)).reads("own");
            world.site.delay(secs(10));
        }
    });
}

#[test]
fn followers_keep_to_the_limits_as_well() {
    on_each(&on_error().soft_timeout(secs(2)).hard_timeout(secs(4)), |world, kind| {
        world.site.delay(secs(10));
        let before = world.now();
        let got = world.run_all((0..4).map(|n| world.later(Duration::from_millis(100 * n), &get("/b"))));
        got.into_iter().for_each(|got| is_504(&got.unwrap(), "4 s"));
        assert_eq!(world.now().since(before), Duration::from_millis(4300), "{kind:?}");
        world.runtime.run_background();
        assert_eq!((world.site.calls(), world.count(Event::TimedOut)), (1, 4), "{kind:?}");
        world.send(&get("/b")).reads("call 1");

        slow(world);
        let before = world.now();
        let got = world.run_all((0..4).map(|_| world.visit(&get("/a"))));
        got.into_iter().for_each(|got| assert_eq!(got.unwrap().text(), "old"));
        assert_eq!(world.now().since(before), secs(2), "{kind:?}");
        world.runtime.run_background();
        assert_eq!((world.site.calls(), world.count(Event::TimedOut)), (3, 8), "{kind:?}");
        assert_eq!(world.count(Event::StaleIfError), 4);
    });
}

#[test]
fn a_late_answer_is_for_followers_who_still_wait() {
    on_each(&minute().hard_timeout(secs(4)), |world, kind| {
        world.site.delay(secs(5));
        let visits = [world.visit(&get("/a")), world.later(secs(2), &get("/a")), world.later(secs(3), &head("/a"))];
        let got = world.run_all(visits).into_iter().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(got.iter().map(|got| got.status).collect::<Vec<_>>(), [504, 200, 200], "{kind:?}");
        got[1].reads("call 1");
        world.runtime.run_background();
        assert_eq!((world.site.calls(), world.count(Event::Collapsed)), (1, 2), "{kind:?}");
    });
}

#[test]
fn the_limit_begins_when_the_origin_is_wanted() {
    on_each(&minute().hard_timeout(Duration::from_millis(1500)), |world, kind| {
        world.l1.fail_gets(GetFault::Hang);
        world.site.delay(secs(10));
        let (took, got) = ask(world, &get("/a"));
        is_504(&got.unwrap(), "1500 ms");
        assert_eq!(took, Duration::from_millis(2500), "{kind:?}");
        world.l1.heal();
    });
}

#[test]
fn a_limit_shorter_than_the_look_up_still_lets_the_origin_be_asked() {
    on_each(&minute().hard_timeout(Duration::from_millis(500)), |world, kind| {
        world.l1.fail_gets(GetFault::Hang);
        world.site.delay(secs(10));
        is_504(&ask(world, &get("/a")).1.unwrap(), "500 ms");
        world.l1.heal();
        world.runtime.run_background();
        world.send(&get("/a")).reads("call 1");
        assert_eq!(world.site.calls(), 1, "{kind:?}");
    });
}

#[test]
fn a_visitor_who_leaves_before_the_limit_leaves_the_work_to_itself() {
    on_each(&on_error().soft_timeout(secs(2)).hard_timeout(secs(4)), |world, kind| {
        slow(world);
        world.site.always(200, &[], "new");
        let visit = world.wait(world.visit(&get("/a")), secs(1)).unwrap_err();
        kind.leave(visit);
        world.runtime.run_background();
        world.send(&get("/a")).reads("new");
        assert_eq!((world.site.calls(), world.count(Event::TimedOut)), (2, 0), "{kind:?}");
    });
}

#[test]
fn what_is_bypassed_has_no_limit() {
    on_each(&minute().hard_timeout(secs(2)), |world, kind| {
        world.site.delay(secs(10));
        for request in [get("/a").method("POST"), get("/a").with("cookie", "session=1")] {
            let (took, got) = ask(world, &request);
            assert_eq!((took, got.unwrap().status), (secs(10), 200), "{kind:?}");
        }
        world.runtime.run_background();
        assert_eq!(world.count(Event::TimedOut), 0);
    });
}

#[test]
fn a_change_overtakes_a_late_answer() {
    on_each(&on_error().soft_timeout(secs(2)), |world, kind| {
        slow(world);
        world.site.numbered(&[]);
        ask(world, &get("/a")).1.unwrap().reads("old");
        world.site.delay(Duration::ZERO);
        world.send(&get("/a").method("POST")).reads("call 3");
        world.runtime.run_background();
        world.send(&get("/a")).reads("call 4");
        assert_eq!(world.site.calls(), 4, "{kind:?}");
    });
}

#[test]
fn late_variants_are_stored_apart() {
    on_each(&minute().hard_timeout(secs(2)), |world, kind| {
        world.site.answer(|seen| Ok(response(200, &[("vary", "x-tongue")], seen.field("x-tongue").into_bytes())));
        let in_tongue = |tongue| get("/a").with("x-tongue", tongue);
        world.send(&in_tongue("en")).reads("en");
        world.site.delay(secs(10));
        assert_eq!(ask(world, &in_tongue("de")).1.unwrap().status, 504);
        world.runtime.run_background();
        for tongue in ["en", "de"] {
            world.send(&in_tongue(tongue)).reads(tongue);
        }
        assert_eq!(world.site.calls(), 2, "{kind:?}");
    });
}

#[test]
fn late_variants_are_counted_too() {
    on_each(&Policy::ttl(60 * MINUTE).hard_timeout(secs(2)).max_variants(3), |world, kind| {
        world.site.answer(|seen| Ok(response(200, &[("vary", "x-tongue")], seen.field("x-tongue").into_bytes())));
        world.site.delay_each(|seen| secs(if seen.number == 1 { 0 } else { 10 }));
        for n in 0..9 {
            ask(world, &get("/a").with("x-tongue", &n.to_string())).1.unwrap();
            world.runtime.run_background();
        }
        assert!(world.l1.keys().len() <= 3, "{kind:?}: {} variants", world.l1.keys().len());
    });
}
