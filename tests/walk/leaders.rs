//! Those who ask for others: overdue, gone, slow, and what they leave behind.

use crate::collapse::{A_LOOK, MISS, busy, is_shared, minute, timed, times};
use crate::support::*;
use bytes::Bytes;
use layercake::policy::Tiers;
use layercake::sim::GetFault;
use layercake::stats::Event;
use layercake::{CacheConfig, Policy, SchemaVersion, StatusForm};
use std::sync::Arc;
use std::time::Duration;

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
            assert!(took <= A_LOOK, "{kind:?}: {took:?}");
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
fn large_bodies_that_come_at_once_are_shared() {
    const LARGE: usize = 1 << 20;
    let stream = || scripted((0..16).map(|_| Ok(Bytes::from(vec![b'x'; LARGE / 16]))));
    let fields: &[_] = &[("content-length", "1048576")];
    let none: &[_] = &[];
    for (body, fields) in
        [(stream as fn() -> layercake::Body, fields), (stream, none), (|| vec![b'x'; LARGE].into(), none)]
    {
        on_each(&minute(), |world, kind| {
            world.site.delay(secs(1));
            world.site.answer(move |_| Ok(response(200, fields, body())));
            let (took, got) =
                timed(world, || world.run_all(times(4, &get("/a")).iter().map(|request| world.visit(request))));
            assert!(took < secs(1) + A_LOOK, "{kind:?}: {took:?}");
            assert!(got.iter().all(|got| got.as_ref().unwrap().text().len() == LARGE));
            assert_eq!(world.site.calls(), 1, "{kind:?}");
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

/// A megabyte that streams, of the variant that is asked for.
fn large_variants(world: &World) {
    world.site.delay(secs(1));
    world.site.answer(|seen| {
        let letter = seen.field("x-tongue").into_bytes();
        let body = scripted((0..16).map(move |_| Ok(Bytes::from(letter.repeat(64 << 10)))));
        Ok(response(200, &[("vary", "x-tongue"), ("content-length", "1048576")], body))
    });
}

#[test]
fn those_who_want_another_variant_of_something_large_regroup() {
    on_each(&minute(), |world, kind| {
        large_variants(world);
        let requests: Vec<_> = (0..9).map(|n| get("/a").with("x-tongue", ["e", "d", "f"][n % 3])).collect();
        for (n, got) in world.send_all(&requests).iter().enumerate() {
            assert!(got.text().starts_with(["e", "d", "f"][n % 3]), "{kind:?}");
        }
        assert_eq!(world.site.calls(), 3, "{kind:?}: one call per variant");
    });
}

#[test]
fn an_l1_that_does_not_take_something_large_is_no_failure_of_the_origin() {
    on_each(&minute().stale_if_error(60 * MINUTE), |world, kind| {
        let request = get("/a").with("x-tongue", "e");
        world.site.always(200, &[], "old");
        world.send(&request);
        world.pass(2 * MINUTE);
        large_variants(world);
        world.l1.fail_puts(layercake::sim::PutFault::Fail);
        let batch = || world.run_all(times(3, &request).iter().map(|request| world.visit(request)));
        let (took, got) = timed(world, batch);
        assert!(got.into_iter().all(|got| got.unwrap().text().len() == 1 << 20), "{kind:?}");
        assert!(took <= secs(2) + A_LOOK, "{kind:?}: {took:?}");
        // Nor are they held up for one another again.
        let (took, _) = timed(world, batch);
        assert_eq!(took, secs(1), "{kind:?}");
        world.l1.heal();
    });
}
