//! Refreshes of one key in several isolates of a data centre: one does it, and the others know of its failure.

use crate::refresh::{go_on, policy, stale};
use crate::support::*;
use layercake::Policy;
use layercake::sim::{FaultyTier, GetFault, PutFault};
use layercake::stats::Event;
use std::time::Duration;

/// Two isolates of one data centre that have the same stale entry, one of which found it in its hot tier.
fn two(kind: Kind) -> [World; 2] {
    let one = stale(kind);
    let other = one.isolate(table(policy())).on(kind);
    other.site.numbered(&[]);
    [one, other]
}

fn calls(worlds: &[World]) -> usize {
    worlds.iter().map(|world| world.site.calls()).sum()
}

#[test]
fn nor_its_marker() {
    for kind in HOSTS {
        let [one, other] = two(kind);
        one.site.delay_each(|seen| secs(if seen.number == 2 { 40 } else { 1000 }));
        one.site.answer(|_| Err(Failure("down")));
        one.try_send(&get("/a")).unwrap();
        go_on(&one, secs(31));
        one.try_send(&get("/a")).unwrap();
        go_on(&one, secs(1));
        assert_eq!(one.site.calls(), 3, "{kind:?}");
        go_on(&one, secs(11));
        other.try_send(&get("/a")).unwrap();
        go_on(&one, secs(1));
        assert_eq!(other.site.calls(), 0, "{kind:?}: another one is at it");
        assert_eq!(other.count(Event::RevalidationYielded), 1, "{kind:?}");
    }
}

#[test]
fn two_isolates_of_a_data_centre_refresh_once() {
    for kind in HOSTS {
        let worlds = two(kind);
        let [one, other] = &worlds;
        one.site.delay(secs(5));
        one.try_send(&get("/a")).unwrap().reads("call 1");
        go_on(one, secs(1));
        for _ in 0..3 {
            other.try_send(&get("/a")).unwrap().reads("call 1");
            go_on(other, secs(1));
        }
        one.runtime.run_background();
        assert_eq!(calls(&worlds), 2, "{kind:?}");
        let counts = [Event::RevalidationYielded, Event::Revalidated, Event::RevalidationFailed];
        assert_eq!(counts.map(|event| other.count(event)), [2, 0, 0], "{kind:?}: it looks again after two seconds");
        assert_eq!(counts.map(|event| one.count(event)), [0, 1, 0], "{kind:?}");
        other.pass(secs(5));
        other.send(&get("/a")).reads("call 2");
        assert_eq!(calls(&worlds), 2, "{kind:?}");
    }
}

#[test]
fn what_was_renewed_may_be_refreshed_again_at_once() {
    for kind in HOSTS {
        let short = || Policy::ttl(secs(1)).stale_while_revalidate(600 * MINUTE);
        let one = World::new(short()).on(kind);
        let other = one.isolate(table(short())).on(kind);
        one.send(&get("/a"));
        for n in 1..8 {
            // In turn, each within the lease of the one before.
            go_on(&one, secs(6));
            [&one, &other][n % 2].send(&get("/a"));
            assert_eq!(one.site.calls() + other.site.calls(), n + 1, "{kind:?}");
        }
        assert_eq!(one.count(Event::RevalidationYielded) + other.count(Event::RevalidationYielded), 0);
    }
}

#[test]
fn a_failure_is_known_to_the_other_isolate() {
    for kind in HOSTS {
        let worlds = two(kind);
        let [one, other] = &worlds;
        worlds.iter().for_each(|world| world.site.answer(|_| Err(Failure("down"))));
        one.send(&get("/a"));
        assert_eq!(calls(&worlds), 2);
        go_on(one, Duration::from_millis(1900));
        other.send(&get("/a")).reads("call 1");
        assert_eq!(calls(&worlds), 2, "{kind:?}: within the two seconds");
        assert_eq!(other.count(Event::RevalidationYielded), 1);
        go_on(one, Duration::from_millis(2100));
        other.send(&get("/a")).reads("call 1");
        assert_eq!(calls(&worlds), 3, "{kind:?}: after them");
    }
}

#[test]
fn its_own_failure_keeps_an_isolate_away_no_longer_than_it_says() {
    for kind in HOSTS {
        // Writing the marker takes a while.
        let world = stale(kind);
        world.site.answer(|_| Err(Failure("down")));
        world.l1.fail_puts(PutFault::Slow(Duration::from_millis(300)));
        world.send(&get("/a"));
        let mut calls = 2;
        for pause in [2, 4, 8] {
            assert_eq!(world.site.calls(), calls, "{kind:?}");
            world.pass(secs(pause));
            world.send(&get("/a"));
            calls += 1;
        }
        assert_eq!((world.site.calls(), world.count(Event::RevalidationYielded)), (calls, 0), "{kind:?}");
    }
}

#[test]
fn where_there_is_no_telling_each_isolate_refreshes() {
    type Break = fn(&FaultyTier);
    let ways: [(&str, Break); 5] = [
        ("reads fail", |l1| l1.fail_gets(GetFault::Fail)),
        ("reads hang", |l1| l1.fail_gets(GetFault::Hang)),
        ("writes fail", |l1| l1.fail_puts(PutFault::Fail)),
        ("writes hang", |l1| l1.fail_puts(PutFault::Hang)),
        ("it forgets", |l1| l1.fail_puts(PutFault::Lose)),
    ];
    for kind in HOSTS {
        for (what, fail) in ways {
            let worlds = two(kind);
            let [one, other] = &worlds;
            worlds.iter().for_each(|world| world.site.delay(secs(20)));
            fail(&one.l1);
            one.try_send(&get("/a")).unwrap().reads("call 1");
            go_on(one, secs(12));
            other.try_send(&get("/a")).unwrap().reads("call 1");
            one.runtime.run_background();
            assert_eq!(calls(&worlds), 3, "{kind:?}: {what}");
            assert_eq!(one.count(Event::Revalidated) + other.count(Event::Revalidated), 2, "{kind:?}: {what}");
            assert_eq!(one.runtime.pending(), 0);
            one.l1.heal();
        }
    }
}

#[test]
fn a_marker_is_never_an_answer() {
    for kind in HOSTS {
        let world = stale(kind);
        world.site.answer(|_| Err(Failure("down")));
        world.send(&get("/a"));
        for tier in [&world.hot, &world.l2] {
            assert_eq!(tier.keys().len(), 1, "{kind:?}: it is put into L1 alone");
        }
        assert_eq!(world.l1.keys().len(), 2);
        assert_eq!(world.send(&get("/a")).reads("call 1").status, 200);
    }
}
