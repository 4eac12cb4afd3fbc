//! Refreshes that come early, and lifetimes that differ.

use crate::refresh::go_on;
use crate::support::*;
use layercake::policy::Level;
use layercake::sim::{SimRuntime, StreamTier};
use layercake::stats::Event;
use layercake::tier::{MemoryTier, Tier};
use layercake::{Cache, Policy};
use std::sync::Arc;
use std::time::Duration;

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
