//! One call of the origin for all who want the same at the same time.

use crate::support::*;
use bytes::Bytes;
use layercake::policy::Tiers;
use layercake::sim::GetFault;
use layercake::stats::Event;
use layercake::{CacheConfig, Policy, SchemaVersion, StatusForm};
use std::sync::Arc;
use std::time::Duration;

const MISS: &str = "fwd=uri-miss; ttl=60; stored";

fn minute() -> Policy {
    Policy::ttl(MINUTE)
}

/// It is another's answer; who looks again from time to time gets it some milliseconds later.
#[track_caller]
fn is_shared<'a>(got: &'a Got, reason: &str) -> &'a Got {
    let status = got.cache_status();
    let expected = [60, 59].map(|ttl| format!("layercake; fwd={reason}; ttl={ttl}; collapsed"));
    assert!(expected.contains(&status), "{status}");
    got
}

fn times(n: usize, request: &Request) -> Vec<Request> {
    vec![request.clone(); n]
}

/// A site that takes a second and answers with the number of the call.
fn busy(world: &World, fields: &'static [(&'static str, &'static str)]) {
    world.site.delay(secs(1));
    world.site.numbered(fields);
}

/// How long it took, and what came.
fn timed<T>(world: &World, act: impl FnOnce() -> T) -> (Duration, T) {
    let before = world.now();
    let done = act();
    (world.now().since(before), done)
}

#[test]
fn many_misses_are_one_call() {
    on_each(&minute(), |world, kind| {
        busy(world, &[("x-kept", "1")]);
        let (took, got) =
            timed(world, || world.run_all(times(20, &get("/a")).iter().map(|request| world.visit(request))));
        assert!(took < secs(1) + Duration::from_millis(20), "{kind:?}: {took:?}");
        for (n, got) in got.into_iter().map(Result::unwrap).enumerate() {
            let _ = if n == 0 { got.says(MISS) } else { is_shared(&got, "uri-miss") };
            got.reads("call 1");
            assert_eq!((got.status, got.field("x-kept")), (200, "1".into()));
            assert_eq!(got.field("age"), if n == 0 { "" } else { "1" });
        }
        world.runtime.run_background();
        assert_eq!(world.site.calls(), 1, "{kind:?}");
        let counts = [Event::Miss, Event::Collapsed, Event::Stored].map(|event| world.count(event));
        assert_eq!(counts, [1, 19, 3], "{kind:?}");
        assert!(world.send(&get("/a")).cache_status().ends_with("detail=hot"));
    });
}

#[test]
fn followers_get_what_they_asked_for() {
    const FIELDS: &[(&str, &str)] = &[("etag", "\"v1\""), ("content-type", "text/plain")];
    let held = get("/a").with("if-none-match", "\"v1\"");
    let part = get("/a").with("range", "bytes=1-2");
    let beyond = get("/a").with("range", "bytes=70-");
    let requests = [get("/a"), head("/a"), held, part, beyond];
    let expected = [(200, "call 1"), (200, ""), (304, ""), (206, "al"), (416, "")];
    // Each of them leads once.
    for leader in 0..requests.len() {
        on_each(&minute(), |world, kind| {
            busy(world, FIELDS);
            let order = |n| (leader + n) % requests.len();
            let sent: Vec<_> = (0..requests.len()).map(|n| requests[order(n)].clone()).collect();
            for (n, got) in world.send_all(&sent).iter().enumerate() {
                let what = &requests[order(n)];
                assert_eq!((got.status, got.text()), expected[order(n)], "{kind:?} {what:?}");
                let _ = if n == 0 { got.says(MISS) } else { is_shared(got, "uri-miss") };
                if got.status == 200 {
                    assert_eq!(got.field("content-length"), if what.method == "HEAD" { "6" } else { "" });
                }
            }
            assert_eq!(world.site.calls(), 1, "{kind:?}");
            world.send(&get("/a")).reads("call 1");
        });
    }
}

#[test]
fn a_304_is_for_all_who_wait() {
    on_each(&minute().stale_if_error(MINUTE), |world, kind| {
        world.site.always(200, &[("etag", "\"v1\"")], "hello");
        world.send(&get("/a"));
        world.pass(secs(61));
        world.site.delay(secs(1));
        world.site.answer(|seen| {
            let same = seen.field("if-none-match") == "\"v1\"";
            let fields = [("etag", "\"v1\""), ("x-new", "1")];
            Ok(if same { response(304, &fields, "") } else { response(200, &fields, "hello") })
        });
        let got = world.send_all(&[get("/a"), get("/a"), head("/a")]);
        got[0].says("fwd=stale; fwd-status=304; ttl=60; stored").reads("hello");
        is_shared(&got[1], "stale").reads("hello");
        is_shared(&got[2], "stale").reads("");
        assert!(got.iter().all(|got| got.status == 200 && got.field("x-new") == "1"), "{kind:?}");
        assert_eq!(world.site.calls(), 2, "{kind:?}");
        assert_eq!((world.count(Event::Validated), world.count(Event::Collapsed)), (1, 2));
    });
}

#[test]
fn those_who_want_another_variant_regroup() {
    on_each(&minute(), |world, kind| {
        world.site.delay(secs(1));
        world.site.answer(|seen| {
            let text = format!("{} {}", seen.field("x-tongue"), seen.number);
            Ok(response(200, &[("vary", "x-tongue")], text.into_bytes()))
        });
        let requests: Vec<_> = (0..12).map(|n| get("/a").with("x-tongue", ["en", "de", "fr"][n % 3])).collect();
        let got = world.send_all(&requests);
        assert_eq!(world.site.calls(), 3, "{kind:?}: one call per variant");
        for (n, got) in got.iter().enumerate() {
            assert!(got.text().starts_with(["en", "de", "fr"][n % 3]), "{kind:?}: {}", got.text());
        }
        assert_eq!(world.count(Event::Collapsed), 9);
        for tongue in ["en", "de", "fr"] {
            let got = world.send(&get("/a").with("x-tongue", tongue));
            assert!(got.text().starts_with(tongue) && got.cache_status().contains("hit"), "{kind:?}");
        }
    });
}

#[test]
fn what_is_keyed_on_is_not_mixed() {
    for (policy, name, values) in [
        (minute().key_headers(&["x-plan"]), "x-plan", ["gold", "free"]),
        (minute().key_cookies(&["user"]), "cookie", ["user=anna", "user=ben"]),
        (minute().key_headers(&["authorization"]), "authorization", ["anna", "ben"]),
    ] {
        on_each(&policy, |world, kind| {
            world.site.delay(secs(1));
            world.site.answer(move |seen| Ok(response(200, &[], seen.field(name).into_bytes())));
            let requests: Vec<_> = (0..8).map(|n| get("/a").with(name, values[n % 2])).collect();
            for (n, got) in world.send_all(&requests).iter().enumerate() {
                got.reads(values[n % 2]);
            }
            assert_eq!(world.site.calls(), 2, "{kind:?} {name}");
        });
    }
}

#[test]
fn whoever_may_get_an_answer_of_his_own_asks_for_it() {
    let letter = Policy::rfc9111;
    for (policy, name, value) in [
        (Policy::from_headers(), "authorization", "anna"),
        (letter(), "authorization", "anna"),
        (minute(), "cache-control", "no-store"),
        (letter(), "cache-control", "no-cache"),
        (letter(), "cache-control", "max-age=0"),
        (letter(), "cache-control", "min-fresh=5"),
        (letter(), "range", "bytes=0-1"),
        (letter(), "if-none-match", "\"x\""),
        (minute(), "cookie", "session=1"),
    ] {
        on_each(&policy, |world, kind| {
            busy(world, &[("cache-control", "public, max-age=60"), ("vary", "x-other")]);
            let special = get("/a").with(name, value);
            for requests in [times(3, &special), vec![get("/b"), special.clone(), special.clone()]] {
                let calls = world.site.calls();
                let (took, got) = timed(world, || world.run_all(requests.iter().map(|r| world.visit(r))));
                assert!(got.iter().all(Result::is_ok));
                assert_eq!(world.site.calls() - calls, 3, "{kind:?} {name}: {value}");
                assert_eq!(took, secs(1), "{kind:?} {name}: {value}");
                world.runtime.run_background();
                world.pass(2 * MINUTE);
            }
            assert_eq!(world.count(Event::Collapsed), 0);
        });
    }
}

#[test]
fn under_the_letter_plain_requests_share() {
    on_each(&Policy::rfc9111(), |world, kind| {
        busy(world, &[("cache-control", "max-age=60")]);
        world.send_all(&times(5, &get("/a")));
        assert_eq!(world.site.calls(), 1, "{kind:?}");
    });
}

#[test]
fn what_is_not_for_sharing_holds_nobody_up_twice() {
    let personal: &[_] = &[("set-cookie", "a=b")];
    let tag = &[("cache-control", "no-cache"), ("etag", "\"v\"")];
    let stale_at_once = &[("cache-control", "max-age=0"), ("etag", "\"v\"")];
    let old = &[("cache-control", "max-age=10"), ("age", "20"), ("etag", "\"v\"")];
    for (policy, fields) in [
        (minute(), personal),
        (minute(), &[("cache-control", "private")]),
        (minute(), &[("vary", "*")]),
        (Policy::rfc9111(), tag),
        (Policy::rfc9111(), stale_at_once),
        (Policy::rfc9111(), old),
    ] {
        on_each(&policy, |world, kind| {
            busy(world, fields);
            let batch = || {
                let got = world.run_all(times(4, &get("/a")).iter().map(|request| world.visit(request)));
                let mut texts: Vec<_> = got.into_iter().map(|got| got.unwrap().text().to_owned()).collect();
                world.runtime.run_background();
                texts.sort();
                texts.dedup();
                texts.len()
            };
            let (took, answers) = timed(world, batch);
            assert!(took <= secs(2) + Duration::from_millis(20) && answers == 4, "{kind:?} {fields:?}: {took:?}");
            let (took, answers) = timed(world, batch);
            assert_eq!((took, answers), (secs(1), 4), "{kind:?} {fields:?}: known by now");
            world.pass(secs(30));
            let (took, _) = timed(world, batch);
            assert!(took >= secs(2), "{kind:?} {fields:?}: forgotten by now");
            assert_eq!(world.count(Event::Collapsed), 0);
        });
    }
}

#[test]
fn a_failure_releases_all() {
    let failures = [
        (|| Ok(response(503, &[], "down"))) as fn() -> Reply,
        || Err(Failure("down")),
        || Ok(response(200, &[("content-length", "9")], "short")),
    ];
    for failure in failures {
        on_each(&minute(), |world, kind| {
            world.site.delay(secs(1));
            world.site.answer(move |_| failure());
            let (took, got) =
                timed(world, || world.run_all(times(5, &get("/a")).iter().map(|request| world.visit(request))));
            assert!(took <= secs(2) + Duration::from_millis(20), "{kind:?}: {took:?}");
            assert!(got.iter().all(|got| got.as_ref().map_or(true, |got| got.status == failure().unwrap().status)));
            assert_eq!(world.site.calls(), 5, "{kind:?}");
            // It says nothing of the next answer.
            busy(world, &[]);
            world.runtime.run_background();
            world.send_all(&times(5, &get("/a")));
            assert_eq!(world.site.calls(), 6, "{kind:?}");
        });
    }
}

#[test]
fn where_something_stale_may_stand_in_a_failure_is_asked_for_once() {
    for failure in [(|| Ok(response(503, &[], "down"))) as fn() -> Reply, || Err(Failure("down"))] {
        on_each(&minute().stale_if_error(60 * MINUTE), |world, kind| {
            world.send(&get("/a"));
            world.pass(2 * MINUTE);
            world.site.delay(secs(1));
            world.site.answer(move |_| failure());
            for got in world.send_all(&times(5, &get("/a"))) {
                assert!(got.reads("call 1").cache_status().ends_with("detail=stale-if-error"), "{kind:?}");
            }
            assert_eq!(world.site.calls(), 2, "{kind:?}");
            assert_eq!(world.count(Event::StaleIfError), 5);
        });
    }
}

#[test]
fn an_error_that_stale_does_not_stand_in_for_is_not_hidden_from_those_who_wait() {
    for status in [501, 505, 404, 429] {
        on_each(&minute().stale_if_error(60 * MINUTE), |world, kind| {
            world.send(&get("/a"));
            world.pass(2 * MINUTE);
            world.site.delay(secs(1));
            world.site.answer(move |_| Ok(response(status, &[], "other")));
            for got in world.send_all(&times(3, &get("/a"))) {
                assert_eq!(got.reads("other").status, status, "{kind:?}");
            }
        });
    }
}

#[test]
fn nobody_who_comes_after_a_change_gets_what_was_asked_before_it() {
    for wait in [0, 500, 1500, 2500] {
        on_each(&minute().stale_if_error(MINUTE), |world, kind| {
            world.site.numbered(&[]);
            world.site.delay_each(|seen| secs(if seen.request.method == "POST" { 0 } else { 2 }));
            let at = Duration::from_millis;
            let visits = [
                world.visit(&get("/a")),
                world.later(at(100), &get("/a")),
                world.later(at(wait), &get("/a").method("POST")),
                world.later(at(wait + 1), &get("/a")),
                world.later(at(wait + 2), &head("/a")),
                world.later(at(wait + 300), &get("/a")),
            ];
            let got: Vec<_> = world.run_all(visits).into_iter().map(Result::unwrap).collect();
            let after = got[2].text().to_owned();
            for got in [&got[3], &got[5]] {
                assert!(got.text() > &*after, "{kind:?}: {} after {after}, wait {wait}", got.text());
            }
            world.runtime.run_background();
            let last = world.send(&get("/a"));
            assert!(last.text() > &*after, "{kind:?}: {} is stored, after {after}, wait {wait}", last.text());
        });
    }
}

#[test]
fn a_change_is_no_failure_of_the_origin() {
    on_each(&minute().stale_if_error(60 * MINUTE), |world, kind| {
        world.send(&get("/a"));
        world.pass(2 * MINUTE);
        world.site.numbered(&[]);
        world.site.delay_each(|seen| secs(if seen.request.method == "POST" { 0 } else { 2 }));
        let post = world.later(secs(1), &get("/a").method("POST"));
        let visits = [world.visit(&get("/a")), world.visit(&get("/a")), post];
        for got in world.run_all(visits) {
            assert_ne!(got.unwrap().text(), "call 1", "{kind:?}: void, and the origin answers");
        }
    });
}

/// When each of them was answered, in seconds, and with what.
fn answers(world: &World, visits: impl IntoIterator<Item = Visit>) -> Vec<(u64, String)> {
    let begun = world.now();
    let timed = visits.into_iter().map(|visit| async {
        let got = visit.await.expect("an answer");
        (world.now().since(begun).as_secs(), got.text().to_owned())
    });
    world.runtime.run(futures::future::join_all(timed))
}

#[test]
fn one_takes_over_from_a_leader_that_is_overdue() {
    on_each(&minute(), |world, kind| {
        world.site.numbered(&[]);
        world.site.delay_each(|seen| secs(if seen.number == 1 { 100 } else { 1 }));
        let got = answers(world, times(5, &get("/a")).iter().map(|request| world.visit(request)));
        assert_eq!(got[0], (100, "call 1".into()), "{kind:?}");
        assert!(got[1..].iter().all(|got| *got == (6, "call 2".into())), "{kind:?}: {got:?}");
        assert_eq!(world.site.calls(), 2, "{kind:?}");
    });
}

#[test]
fn and_after_twice_the_time_everybody() {
    on_each(&minute().collapse_wait(secs(2)), |world, kind| {
        world.site.numbered(&[]);
        world.site.delay_each(|seen| secs(if seen.number <= 2 { 100 } else { 1 }));
        let got = answers(world, times(5, &get("/a")).iter().map(|request| world.visit(request)));
        let mut when: Vec<_> = got.iter().map(|(when, _)| *when).collect();
        when.sort_unstable();
        assert_eq!(when, [5, 5, 5, 100, 102], "{kind:?}");
        assert_eq!(world.site.calls(), 5, "{kind:?}");
    });
}

#[test]
fn a_leader_that_comes_late_still_brings_it_to_those_who_wait() {
    on_each(&minute(), |world, kind| {
        world.site.numbered(&[]);
        world.site.delay_each(|seen| secs(if seen.number == 1 { 6 } else { 100 }));
        let got = answers(world, times(5, &get("/a")).iter().map(|request| world.visit(request)));
        let early = got.iter().filter(|got| **got == (6, "call 1".into())).count();
        assert_eq!((early, world.site.calls()), (4, 2), "{kind:?}: {got:?}");
    });
}

#[test]
fn what_a_visitor_waits_for_is_brought_even_if_the_one_who_asked_leaves() {
    on_each(&minute(), |world, kind| {
        busy(world, &[]);
        let ms = Duration::from_millis;
        let leader = world.wait(world.visit(&get("/a")), ms(500)).unwrap_err();
        let follower = world.wait(world.visit(&get("/a")), ms(100)).unwrap_err();
        kind.leave(leader);
        is_shared(&world.runtime.run(follower).unwrap(), "uri-miss").reads("call 1");
        world.runtime.run_background();
        world.send(&get("/a")).reads("call 1");
        assert_eq!(world.site.calls(), 1, "{kind:?}");
    });
}

#[test]
fn and_if_all_who_asked_leave_the_next_one_finds_it_stored() {
    for policy in [minute(), Policy::rfc9111()] {
        on_each(&policy, |world, kind| {
            busy(world, &[("cache-control", "max-age=60")]);
            let visits: Vec<_> =
                (0..3).map(|_| world.wait(world.visit(&get("/a")), Duration::from_millis(9)).unwrap_err()).collect();
            visits.into_iter().for_each(|visit| kind.leave(visit));
            world.runtime.run_background();
            assert_eq!(world.runtime.pending(), 0);
            world.send(&get("/a")).reads("call 1");
            assert_eq!(world.site.calls(), 1, "{kind:?}");
        });
    }
}

/// A site whose first answer streams through a gate, and the others come whole.
fn gated(world: &World, fields: &'static [(&'static str, &'static str)]) -> Gate {
    let (gate, body) = Gate::new();
    let mut body = Some(body);
    world.site.answer(move |_| {
        Ok(match body.take() {
            Some(body) => response(200, fields, body),
            None => response(200, &[], "own"),
        })
    });
    gate
}

#[test]
fn a_body_that_does_not_come_is_waited_for_a_second() {
    on_each(&minute(), |world, kind| {
        let gate = gated(world, &[]);
        let leader = world.open(&get("/a")).unwrap();
        let got = answers(world, times(3, &get("/a")).iter().map(|request| world.visit(request)));
        assert_eq!(got, vec![(1, "own".into()); 3], "{kind:?}");
        // Nor is the next one.
        world.send(&get("/b"));
        gate.send("late");
        drop(gate);
        world.read(leader).reads("late");
        world.runtime.run_background();
        assert_eq!(world.count(Event::Collapsed), 0);
    });
}

#[test]
fn a_body_that_comes_in_time_is_shared_and_one_that_breaks_off_is_not() {
    for torn in [false, true] {
        on_each(&minute(), |world, kind| {
            let gate = gated(world, &[]);
            let leader = world.open(&get("/a")).unwrap();
            let follower = world.wait(world.visit(&get("/a")), Duration::from_millis(500)).unwrap_err();
            gate.send("hello");
            if torn {
                gate.tear();
            }
            drop(gate);
            let leader = world.read(leader);
            assert_eq!(leader.body.is_err(), torn);
            let (took, got) = timed(world, || world.runtime.run(follower).unwrap());
            assert!(took <= Duration::from_millis(16), "{kind:?}: {took:?}");
            got.reads(if torn { "own" } else { "hello" });
            world.runtime.run_background();
            let next = world.send(&get("/a"));
            next.reads(if torn { "own" } else { "hello" });
        });
    }
}

#[test]
fn a_reader_who_leaves_in_the_middle_of_the_body_takes_nobody_along() {
    on_each(&minute(), |world, kind| {
        let gate = gated(world, &[]);
        let leader = world.open(&get("/a")).unwrap();
        let follower = world.wait(world.visit(&get("/a")), Duration::from_millis(500)).unwrap_err();
        gate.send("hel");
        kind.leave(leader);
        let (took, got) = timed(world, || world.runtime.run(follower).unwrap());
        assert!(took <= secs(1), "{kind:?}: {took:?}");
        got.reads("own");
        world.runtime.run_background();
        // A native body that is forgotten never ends; on Workers the work behind the response is cut off.
        world.neglect(usize::from(kind.forgets));
    });
}

#[test]
fn a_large_stream_is_not_waited_for_and_a_large_buffer_is_shared() {
    const LARGE: usize = 1 << 20;
    let stream = || scripted((0..16).map(|_| Ok(Bytes::from(vec![b'x'; LARGE / 16]))));
    let fields: &[_] = &[("content-length", "1048576")];
    let none: &[_] = &[];
    for (body, fields, calls) in
        [(stream as fn() -> layercake::Body, fields, 4), (stream, none, 4), (|| vec![b'x'; LARGE].into(), none, 1)]
    {
        on_each(&minute(), |world, kind| {
            world.site.delay(secs(1));
            world.site.answer(move |_| Ok(response(200, fields, body())));
            let (took, got) =
                timed(world, || world.run_all(times(4, &get("/a")).iter().map(|request| world.visit(request))));
            assert!(took < Duration::from_millis(2020), "{kind:?}: {took:?}");
            assert!(got.iter().all(|got| got.as_ref().unwrap().text().len() == LARGE));
            assert_eq!(world.site.calls(), calls, "{kind:?}");
            world.runtime.run_background();
            assert!(world.send(&get("/a")).cache_status().contains("hit"), "{kind:?}");
        });
    }
}

#[test]
fn a_wait_of_nothing_turns_it_off() {
    on_each(&minute().collapse_wait(Duration::ZERO), |world, kind| {
        busy(world, &[]);
        let (took, _) = timed(world, || world.send_all(&times(4, &get("/a"))));
        assert_eq!((took, world.site.calls(), world.count(Event::Collapsed)), (secs(1), 4, 0), "{kind:?}");
    });
}

#[test]
fn what_is_different_is_not_mixed() {
    for kind in HOSTS {
        let config = CacheConfig::new("shop", SchemaVersion(1))
            .cache_status(StatusForm::Full)
            .log_every(u64::MAX, 10_000 * MINUTE)
            .route("/a", minute())
            .fallback(minute().query(layercake::QueryKey::only(&["page"])));
        let world = World::of(config.build().unwrap()).on(kind);
        world.site.delay(secs(1));
        world.site.answer(|seen| {
            let request = &seen.request;
            let text = format!("{}{}?{:?}", request.authority, request.path, request.query);
            Ok(response(200, &[], text.into_bytes()))
        });
        let mut elsewhere = get("/a");
        elsewhere.authority = "other.example".to_owned();
        let requests = [
            (get("/a"), "shop.example/a?None"),
            (elsewhere, "other.example/a?None"),
            (get("/a?page=1"), "shop.example/a?Some(\"page=1\")"),
            (get("/b?page=1&x=1"), "shop.example/b?Some(\"page=1\")"),
            (get("/b?page=1&x=2"), "shop.example/b?Some(\"page=1\")"),
            (get("/b?page=2"), "shop.example/b?Some(\"page=2\")"),
        ];
        let sent: Vec<_> = requests.iter().map(|(request, _)| request.clone()).collect();
        for (got, (_, expected)) in world.send_all(&sent).iter().zip(&requests) {
            got.reads(expected);
        }
        assert_eq!((world.site.calls(), world.count(Event::Collapsed)), (5, 1), "{kind:?}");
    }
}

/// One who asks at 0 s and is answered at 1 s, and one who asks at 0.5 s and whose look-up takes `slow` per tier; nothing is
/// stored. What the second one gets.
fn late(world: &World, slow: Duration, change: Option<Duration>) -> Got {
    busy(world, &[]);
    world.tiers().iter().for_each(|tier| tier.fail_puts(layercake::sim::PutFault::Lose));
    let leader = world.wait(world.visit(&get("/a")), Duration::from_millis(500)).unwrap_err();
    world.tiers()[..2].iter().for_each(|tier| tier.fail_gets(GetFault::Slow(slow)));
    let late = world.wait(world.visit(&get("/a")), Duration::from_millis(1)).unwrap_err();
    let mut visits = vec![leader, late];
    if let Some(at) = change {
        world.site.delay_each(|seen| secs(u64::from(seen.request.method != "POST")));
        visits.push(world.later(at, &get("/a").method("POST")));
    }
    let got = world.run_all(visits).swap_remove(1).unwrap();
    world.tiers().iter().for_each(|tier| tier.heal());
    world.runtime.run_background();
    got
}

#[test]
fn what_lands_during_a_look_up_is_for_whoever_looks() {
    on_each(&minute(), |world, kind| {
        is_shared(&late(world, Duration::from_millis(400), None), "uri-miss").reads("call 1");
        assert_eq!(world.site.calls(), 1, "{kind:?}");
        // Whoever begins behind it finds nothing stored, and asks.
        world.send(&get("/a")).says(MISS).reads("call 2");
    });
}

#[test]
fn but_not_when_it_has_expired_or_was_made_void_meanwhile() {
    on_each(&Policy::ttl(secs(1)), |world, _| {
        late(world, Duration::from_millis(900), None).says("fwd=uri-miss; ttl=1; stored").reads("call 2");
    });
    on_each(&minute(), |world, _| {
        late(world, Duration::from_millis(400), Some(Duration::from_millis(600))).reads("call 3");
    });
}

#[test]
fn what_lingers_is_bounded() {
    struct Counted(#[allow(dead_code, reason = "it counts")] Arc<()>);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &[b'x'; 200 << 10]
        }
    }
    on_each(&minute().tiers(Tiers::ALL.without_hot()), |world, kind| {
        let alive = Arc::new(());
        let counter = Arc::clone(&alive);
        world.tiers().iter().for_each(|tier| tier.fail_puts(layercake::sim::PutFault::Lose));
        world.site.answer(move |_| Ok(response(200, &[], Bytes::from_owner(Counted(Arc::clone(&counter))))));
        for n in 0..50 {
            world.send(&get(&format!("/{n}")));
        }
        let lingering = || Arc::strong_count(&alive) - 2;
        assert!((1..=10).contains(&lingering()), "{kind:?}: {}", lingering());
        world.pass(secs(2));
        world.send(&get("/more"));
        assert_eq!(lingering(), 1, "{kind:?}");
    });
}

#[test]
fn whoever_stops_waiting_leaves_the_others_alone() {
    on_each(&minute(), |world, kind| {
        busy(world, &[]);
        let ms = Duration::from_millis;
        let leader = world.wait(world.visit(&get("/a")), ms(100)).unwrap_err();
        let gone = world.wait(world.visit(&get("/a")), ms(100)).unwrap_err();
        let stays = world.wait(world.visit(&get("/a")), ms(100)).unwrap_err();
        kind.leave(gone);
        let got = answers(world, [leader, stays]);
        assert_eq!(got, vec![(0, "call 1".into()); 2], "{kind:?}");
        assert_eq!(world.site.calls(), 1);
    });
}

#[test]
fn a_variant_that_varies_on_more_is_not_for_those_who_differ_in_it() {
    on_each(&Policy::from_headers(), |world, kind| {
        world.site.delay(secs(1));
        world.site.answer(|seen| {
            let varies = if seen.number == 1 { "x-tongue" } else { "x-tongue, x-who" };
            // Stale on arrival, so that another family may take its place at once.
            let cache_control = "max-age=10, stale-while-revalidate=60";
            let text = format!("{} {}", seen.field("x-tongue"), seen.field("x-who"));
            Ok(response(200, &[("vary", varies), ("cache-control", cache_control), ("age", "20")], text.into_bytes()))
        });
        let of = |tongue, who| get("/a").with("x-tongue", tongue).with("x-who", who);
        let got = world.send_all(&[of("en", "anna"), of("de", "anna"), of("de", "ben"), of("de", "ben")]);
        got[1].reads("de anna");
        assert!(got[2..].iter().all(|got| got.text() == "de ben"), "{kind:?}: {}", got[2].text());
    });
}
