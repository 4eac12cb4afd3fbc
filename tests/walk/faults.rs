//! A tier that fails, hangs or is slow is a missing one.

use crate::support::{Failure, MINUTE, RESILIENT, World, get, response, scripted, secs, stale_policy};
use bytes::Bytes;
use layercake::Policy;
use layercake::policy::Level;
use layercake::sim::{FaultyTier, GetFault, PutFault, SimRuntime};
use layercake::stats::Event;
use layercake::tier::Tier;
use std::time::Duration;

const SLOW: Duration = Duration::from_secs(10);

fn filled() -> World {
    let world = World::new(Policy::ttl(MINUTE));
    world.send(&get("/a")).reads("call 1");
    world
}

fn others(world: &World, place: usize) -> impl Iterator<Item = &FaultyTier> {
    world.tiers().into_iter().enumerate().filter(move |(other, _)| *other != place).map(|(_, tier)| &**tier)
}

#[test]
fn the_last_copy_in_a_tier_that_does_not_answer_is_a_miss() {
    for place in 0..3 {
        for (fault, counted) in [
            (GetFault::Fail, Event::TierFailed),
            (GetFault::Hang, Event::TierFailed),
            (GetFault::Slow(SLOW), Event::TierFailed),
            (GetFault::Corrupt, Event::Corrupt),
        ] {
            let world = filled();
            others(&world, place).for_each(|tier| world.clear(tier));
            let tier = world.tiers()[place];
            tier.fail_gets(fault);
            let before = world.now();
            let got = world.try_send(&get("/a")).unwrap();
            got.says("fwd=uri-miss; ttl=60; stored").reads("call 2");
            assert!(world.now().since(before) <= secs(1), "{fault:?} at {place} held the visitor up");
            world.runtime.run_background();
            assert_eq!(world.count(counted), 1, "{fault:?} at {place}");
            assert_eq!(world.runtime.log_lines().len(), 1, "{fault:?} at {place}");

            // What it could not deliver has been written over.
            tier.heal();
            others(&world, place).for_each(|tier| world.clear(tier));
            let level = ["hot", "l1", "l2"][place];
            let got = world.send(&get("/a"));
            assert!(got.reads("call 2").cache_status().ends_with(level), "{fault:?} at {place}");
        }
    }
}

#[test]
fn the_other_tiers_answer_for_one_that_does_not() {
    for place in 0..3 {
        for fault in [GetFault::Fail, GetFault::Hang, GetFault::Slow(SLOW), GetFault::Corrupt] {
            let world = filled();
            // The tiers before the faulty one have nothing, those behind it have a copy.
            world.tiers()[..place].iter().for_each(|tier| world.clear(tier));
            world.tiers()[place].fail_gets(fault);
            let got = world.send(&get("/a"));
            if place < 2 {
                got.reads("call 1");
                assert_eq!(world.site.calls(), 1, "{fault:?} at {place}");
            } else {
                got.reads("call 2");
            }
        }
    }
}

#[test]
fn the_origins_answer_arrives_whatever_the_tiers_do() {
    let gets = [GetFault::Fail, GetFault::Hang, GetFault::Slow(SLOW), GetFault::Corrupt];
    let puts = [PutFault::Fail, PutFault::Hang, PutFault::Slow(SLOW), PutFault::Lose];
    for get_fault in gets {
        for put_fault in puts {
            let world = World::new(stale_policy());
            for tier in world.tiers() {
                tier.fail_gets(get_fault);
                tier.fail_puts(put_fault);
            }
            for n in 1..4 {
                world.try_send(&get("/a")).unwrap().reads(&format!("call {n}"));
            }
            world.site.answer(|_| Err(Failure("down")));
            assert_eq!(world.try_send(&get("/a")).unwrap_err(), Failure("down"));
            let waited = world.now().since(SimRuntime::START);
            assert!(waited <= 4 * secs(3), "{get_fault:?}, {put_fault:?}: {waited:?}");
            world.tiers().iter().for_each(|tier| tier.heal());
        }
    }
}

#[test]
fn a_tier_that_does_not_take_an_entry_holds_nobody_up() {
    for place in 0..3 {
        for fault in [PutFault::Fail, PutFault::Hang, PutFault::Slow(SLOW), PutFault::Lose] {
            let world = World::new(Policy::ttl(MINUTE));
            world.tiers()[place].fail_puts(fault);
            let before = world.now();
            let got = world.try_send(&get("/a")).unwrap();
            got.says("fwd=uri-miss; ttl=60; stored").reads("call 1");
            assert_eq!(world.now(), before, "{fault:?} at {place} held the visitor up");
            world.runtime.run_background();
            world.tiers()[place].heal();
        }
    }
}

#[test]
fn a_tier_that_does_not_take_an_entry_keeps_it_from_no_other() {
    for place in 0..3 {
        for fault in [PutFault::Fail, PutFault::Hang, PutFault::Slow(SLOW), PutFault::Lose] {
            let world = World::new(Policy::ttl(MINUTE));
            world.tiers()[place].fail_puts(fault);
            world.send(&get("/a"));
            assert!(world.count(Event::Stored) >= 2, "{fault:?} at {place}");
            for tier in others(&world, place) {
                // The hot tier may have let go of it by now.
                assert!(tier.level() == Level::Hot || world.holds(tier), "{fault:?} at {place}");
            }
            world.tiers()[place].heal();
        }
    }
}

#[test]
fn a_put_that_fails_is_counted() {
    for place in 0..3 {
        let world = World::new(Policy::ttl(MINUTE));
        world.tiers()[place].fail_puts(PutFault::Fail);
        world.send(&get("/a"));
        // A write to L2 is tried again.
        let retried = if place == 2 && RESILIENT { 3 } else { 0 };
        let counts = [Event::Stored, Event::StoreFailed, Event::StoreRetried].map(|event| world.count(event));
        assert_eq!(counts, [2, 1 + retried, retried]);
        assert_eq!(world.runtime.log_lines().len(), if retried > 0 { 2 } else { 1 });
    }
}

#[test]
fn a_put_that_hangs_is_counted() {
    for place in 0..3 {
        let world = World::new(Policy::ttl(MINUTE));
        world.tiers()[place].fail_puts(PutFault::Hang);
        world.send(&get("/a"));
        let failed = 1 + world.count(Event::StoreRetried);
        assert_eq!((world.count(Event::StoreFailed), world.runtime.pending()), (failed, 0), "at {place}");
    }
}

#[test]
fn another_keys_entry_is_a_miss_and_is_written_over() {
    for place in 0..3 {
        let world = World::new(Policy::ttl(MINUTE));
        world.site.answer(|seen| Ok(response(200, &[], format!("for {}", seen.request.path).into_bytes())));
        world.send(&get("/anna"));
        world.send(&get("/ben"));
        let tier = world.tiers()[place];
        tier.fail_gets(GetFault::Foreign);
        others(&world, place).for_each(|tier| world.clear(tier));
        world.send(&get("/ben")).says("fwd=uri-miss; ttl=60; stored").reads("for /ben");
        assert_eq!(world.count(Event::Corrupt), 1);

        tier.heal();
        others(&world, place).for_each(|tier| world.clear(tier));
        let calls = world.site.calls();
        world.send(&get("/ben")).reads("for /ben");
        assert_eq!(world.site.calls(), calls);
    }
}

#[test]
fn a_truncated_entry_is_a_miss() {
    for place in 0..3 {
        let world = World::new(Policy::ttl(MINUTE));
        world.site.always(200, &[("content-length", "5")], "hello");
        world.send(&get("/a"));
        others(&world, place).for_each(|tier| world.clear(tier));
        world.tiers()[place].fail_gets(GetFault::Truncated);
        world.send(&get("/a")).reads("hello");
        assert_eq!(world.count(Event::Corrupt), 1, "at {place}");
    }
}

#[test]
fn a_tier_whose_small_body_does_not_come_is_a_missing_one() {
    for place in 1..3 {
        let world = filled();
        world.tiers()[..place].iter().for_each(|tier| world.clear(tier));
        world.tiers()[place].fail_gets(GetFault::Stalled);
        let got = world.try_send(&get("/a")).unwrap();
        got.reads("call 2");
        assert_eq!(world.count(Event::TierFailed), 1, "at {place}");
    }
}

#[test]
fn faults_are_logged_sparingly() {
    let world = World::new(Policy::ttl(MINUTE));
    world.l1.fail_gets(GetFault::Fail);
    for n in 0..20 {
        world.send(&get(&format!("/{n}")));
    }
    // After five in a row it is not asked any more.
    let counts = [Event::TierFailed, Event::TierSkipped].map(|event| world.count(event));
    assert_eq!((counts[0], world.runtime.log_lines().len()), (if RESILIENT { 5 } else { 20 }, 1));
    assert_eq!(counts[1] >= 15, RESILIENT);
    world.pass(secs(10));
    world.send(&get("/more"));
    assert_eq!(world.runtime.log_lines().len(), 2);
}

#[test]
fn a_stale_refresh_survives_faulty_tiers() {
    for fault in [GetFault::Fail, GetFault::Hang, GetFault::Slow(SLOW), GetFault::Corrupt] {
        let world = World::new(stale_policy());
        world.send(&get("/a"));
        world.pass(secs(65));
        world.l2.fail_gets(fault);
        world.send(&get("/a")).reads("call 1");
        world.send(&get("/a")).reads("call 2");
        assert_eq!(world.count(Event::Revalidated), 1, "{fault:?}");
    }
}

#[test]
fn an_l1_without_effect_is_passed_over_by_the_next_stream() {
    let world = World::new(Policy::ttl(MINUTE));
    world.l1.fail_puts(PutFault::Lose);
    world.site.answer(|_| {
        let body = scripted((0..8).map(|_| Ok(Bytes::from(vec![b'x'; 64 << 10]))));
        Ok(response(200, &[], body))
    });
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored");
    assert!(!world.holds(&world.l2));
    assert_eq!(world.count(Event::StoreFailed), 1);
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored");
    assert!(world.holds(&world.l2));
    world.send(&get("/a")).says("hit; ttl=60; detail=l2");
}
