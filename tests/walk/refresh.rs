//! Refreshes behind answers: who does them, how often they are tried, and when they come early.

use crate::support::*;
use layercake::policy::Level;
use layercake::runtime::Runtime;
use layercake::sim::{FaultyTier, GetFault, PutFault, SimRuntime, StreamTier};
use layercake::stats::Event;
use layercake::tier::{MemoryTier, Tier};
use layercake::{Cache, Policy};
use std::sync::Arc;
use std::time::Duration;

/// Fresh for a minute, then stale for ten hours.
fn policy() -> Policy {
    Policy::ttl(MINUTE).stale_while_revalidate(600 * MINUTE)
}

/// Has something five seconds past its lifetime.
fn stale(kind: Kind) -> World {
    let world = World::new(policy()).on(kind);
    world.site.numbered(&[]);
    world.send(&get("/a")).reads("call 1");
    world.pass(secs(65));
    world
}

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

/// Lets time pass and the work behind the responses go on.
fn go_on(world: &World, time: Duration) {
    world.runtime.run(world.runtime.sleep(time));
}

// ---- the lease of one isolate

#[test]
fn a_refresh_that_was_cut_off_does_not_free_the_next_ones_lease() {
    for kind in HOSTS {
        let world = stale(kind);
        // The first takes 40 s, which is longer than its lease; the second starts after 30 s.
        world.site.delay_each(|seen| secs(if seen.number == 2 { 40 } else { 1000 }));
        world.site.answer(|_| Err(Failure("down")));
        world.try_send(&get("/a")).unwrap();
        go_on(&world, secs(31));
        world.try_send(&get("/a")).unwrap();
        go_on(&world, secs(1));
        assert_eq!(world.site.calls(), 3, "{kind:?}");
        go_on(&world, secs(11));
        world.try_send(&get("/a")).unwrap();
        go_on(&world, secs(1));
        assert_eq!(world.site.calls(), 3, "{kind:?}: the first gave away what was not its own");
    }
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
fn a_failing_refresh_is_tried_less_and_less_often() {
    for kind in HOSTS {
        for down in [(|| Err(Failure("down"))) as fn() -> Reply, || Ok(response(503, &[], "down"))] {
            let world = stale(kind);
            world.site.answer(move |_| down());
            world.send(&get("/a"));
            for (expected, pause) in (2..).zip([2, 4, 8, 16, 32, 60, 60, 60]) {
                assert_eq!(world.site.calls(), expected, "{kind:?}: before {pause} s");
                world.pass(secs(pause) - Duration::from_millis(1));
                world.send(&get("/a")).reads("call 1");
                assert_eq!(world.site.calls(), expected, "{kind:?}: within {pause} s");
                world.pass(Duration::from_millis(1));
                world.send(&get("/a")).reads("call 1");
            }
            assert_eq!(world.count(Event::RevalidationFailed), 9, "{kind:?}");
            // A success ends it.
            world.pass(MINUTE);
            world.site.always(200, &[], "new");
            world.send(&get("/a"));
            world.send(&get("/a")).reads("new");
            world.pass(secs(65));
            world.site.answer(move |_| down());
            let before = world.site.calls();
            world.send(&get("/a"));
            world.pass(secs(2));
            world.send(&get("/a"));
            assert_eq!(world.site.calls(), before + 2, "{kind:?}");
        }
    }
}

#[test]
fn each_key_is_tried_on_its_own() {
    for kind in HOSTS {
        let world = stale(kind);
        world.send(&get("/b"));
        world.pass(secs(65));
        world.site.answer(|seen| match &*seen.request.path {
            "/a" => Err(Failure("down")),
            _ => Ok(response(200, &[], "new")),
        });
        world.send(&get("/a"));
        world.send(&get("/b"));
        world.send(&get("/b")).reads("new");
        assert_eq!((world.count(Event::Revalidated), world.count(Event::RevalidationFailed)), (1, 1));
    }
}

// ---- one data centre

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

// ---- early

/// How many of twenty uses a second, in each second of its minute, begin a refresh; the site never confirms one.
fn early(seed: u64, window: Duration) -> Vec<u64> {
    let runtime = SimRuntime::seeded(seed);
    let tiers: [Arc<dyn Tier>; 2] =
        [Arc::new(MemoryTier::new(Level::Hot, 1 << 20)), Arc::new(StreamTier::new(Level::L2, 1 << 20))];
    let config = table(Policy::ttl(MINUTE).refresh_early(window));
    let cache = Cache::new(config.clone(), tiers, Arc::new(runtime.clone()));
    let site = Site::new(runtime.clone());
    let ask = || {
        runtime.run(cache.handle(&get("/a"), site.origin(&get("/a")))).unwrap();
        runtime.run_background();
    };
    let begun = || config.stats().count(Event::RefreshedEarly);
    ask();
    site.answer(|_| Err(Failure("down")));
    (0..60)
        .map(|_| {
            let before = begun();
            (0..20).for_each(|_| ask());
            runtime.advance(secs(1));
            begun() - before
        })
        .collect()
}

#[test]
fn an_entry_in_use_is_refreshed_before_it_expires() {
    let mut first = Vec::new();
    for seed in 0..8 {
        let begun = early(seed, secs(16));
        assert!(begun[..44].iter().all(|n| *n == 0), "{seed}: before the window");
        first.push(begun.iter().position(|n| *n > 0).expect("one of its uses"));
        assert!(begun.iter().all(|n| *n <= 1), "{seed}: one at a time");
    }
    assert!(first.iter().all(|second| (44..60).contains(second)), "{first:?}");
    assert!(first.iter().any(|second| *second != first[0]), "not all at the same time: {first:?}");
}

#[test]
fn an_early_refresh_leaves_the_visitors_alone_and_brings_the_new() {
    for kind in HOSTS {
        let world = World::new(Policy::ttl(MINUTE).refresh_early(secs(8))).on(kind);
        world.site.numbered(&[("etag", "\"v\"")]);
        world.send(&get("/a"));
        world.pass(Duration::from_millis(59_500));
        world.site.delay(secs(1));
        let before = world.now();
        // In its last eighth each use does.
        world.try_send(&get("/a")).unwrap().says("hit; ttl=0; detail=l1").reads("call 1");
        assert_eq!(world.now(), before, "{kind:?}");
        world.runtime.run_background();
        assert_eq!(world.site.last().field("if-none-match"), "\"v\"");
        let got = world.send(&get("/a"));
        assert!(got.reads("call 2").cache_status().contains("hit"), "{kind:?}");
        let counts = [Event::RefreshedEarly, Event::Revalidated, Event::Stale].map(|event| world.count(event));
        assert_eq!((counts, world.site.calls()), ([1, 1, 0], 2), "{kind:?}");
    }
}

#[test]
fn two_isolates_refresh_early_once() {
    for kind in HOSTS {
        let early = || Policy::ttl(MINUTE).refresh_early(secs(8));
        let one = World::new(early()).on(kind);
        one.send(&get("/a"));
        let other = one.isolate(table(early())).on(kind);
        one.pass(Duration::from_millis(59_100));
        one.site.delay(Duration::from_millis(200));
        one.try_send(&get("/a")).unwrap();
        go_on(&one, Duration::from_millis(50));
        other.try_send(&get("/a")).unwrap();
        one.runtime.run_background();
        assert_eq!((one.site.calls(), other.site.calls()), (2, 0), "{kind:?}");
        assert_eq!(other.count(Event::RevalidationYielded), 1, "{kind:?}");
    }
}

#[test]
fn who_must_not_be_stored_refreshes_nothing_early() {
    let world = World::new(Policy::ttl(MINUTE).refresh_early(secs(60)));
    world.send(&get("/a"));
    world.pass(Duration::from_millis(59_500));
    world.send(&get("/a").with("cache-control", "no-store"));
    assert_eq!((world.site.calls(), world.count(Event::RefreshedEarly)), (1, 0));
}

// ---- spread

/// The lifetimes, in seconds, of so many entries.
fn lifetimes(policy: Policy, fields: &'static [(&'static str, &'static str)]) -> Vec<u64> {
    let world = World::new(policy);
    world.site.answer(move |_| Ok(response(200, fields, "hello")));
    let ttl = |n: usize| {
        let status = world.send(&get(&format!("/{n}"))).cache_status();
        status.split("ttl=").nth(1).and_then(|rest| rest.split(';').next()).unwrap().parse().unwrap()
    };
    (0..200).map(ttl).collect()
}

#[test]
fn jitter_spreads_lifetimes_within_its_bounds() {
    for (percent, least) in [(10, 900), (50, 500), (1, 990)] {
        let own = lifetimes(Policy::ttl(secs(1000)).jitter(percent), &[]);
        let given = lifetimes(Policy::from_headers().jitter(percent), &[("cache-control", "max-age=1000")]);
        for seen in [own, given] {
            let (min, max) = (*seen.iter().min().unwrap(), *seen.iter().max().unwrap());
            assert!((least..=1000).contains(&min) && max <= 1000, "{percent}: {min} to {max}");
            assert!((max - min) * 100 >= 9 * u64::from(percent) * 1000 / 10, "{percent}: {min} to {max}");
            let mean = seen.iter().sum::<u64>() / 200;
            assert!(mean.abs_diff((1000 + least) / 2) <= (1000 - least) / 8 + 1, "{percent}: {mean}");
        }
    }
    assert!(lifetimes(Policy::ttl(secs(1000)), &[]).iter().all(|ttl| *ttl == 1000));
}

#[test]
fn what_has_jitter_says_the_same_everywhere() {
    let world = World::new(Policy::ttl(secs(1000)).jitter(50));
    let first = world.send(&get("/a")).cache_status();
    let ttl = first.split("ttl=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    for (cleared, level) in [(0, "hot"), (1, "l1"), (2, "l2")] {
        world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
        world.send(&get("/a")).says(&format!("hit; ttl={ttl}; detail={level}"));
    }
    world.pass(secs(ttl.parse::<u64>().unwrap() + 1));
    world.send(&get("/a")).reads("call 2");
}
