//! One call of the origin for all who want the same at the same time.

use crate::support::*;
use layercake::Policy;
use layercake::stats::Event;
use std::time::Duration;

/// How much later somebody hears of it who looks again from time to time.
pub(super) const A_LOOK: Duration = Duration::from_millis(50);

pub(super) const MISS: &str = "fwd=uri-miss; ttl=60; stored";

pub(super) fn minute() -> Policy {
    Policy::ttl(MINUTE)
}

/// It is another's answer; who looks again from time to time gets it some milliseconds later.
#[track_caller]
pub(super) fn is_shared<'a>(got: &'a Got, reason: &str) -> &'a Got {
    let status = got.cache_status();
    let expected = [60, 59].map(|ttl| format!("layercake; fwd={reason}; ttl={ttl}; collapsed"));
    assert!(expected.contains(&status), "{status}");
    got
}

pub(super) fn times(n: usize, request: &Request) -> Vec<Request> {
    vec![request.clone(); n]
}

/// A site that takes a second and answers with the number of the call.
pub(super) fn busy(world: &World, fields: &'static [(&'static str, &'static str)]) {
    world.site.delay(secs(1));
    world.site.numbered(fields);
}

/// How long it took, and what came.
pub(super) fn timed<T>(world: &World, act: impl FnOnce() -> T) -> (Duration, T) {
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
        assert!(took < secs(1) + A_LOOK, "{kind:?}: {took:?}");
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
            assert!(took <= secs(2) + A_LOOK && answers == 4, "{kind:?} {fields:?}: {took:?}");
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
            assert!(took <= secs(2) + A_LOOK, "{kind:?}: {took:?}");
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
