//! A tier that stands in for L2.

use crate::support::*;
use layercake::policy::{Level, Tiers};
use layercake::sim::{GetFault, PutFault, StreamTier};
use layercake::tier::MemoryTier;
use layercake::{CacheConfig, Policy};

fn policy() -> Policy {
    Policy::ttl(30 * MINUTE).tiers(Tiers::ALL.without_hot())
}

/// The spare tier is in the place of L1, before L2.
fn world(config: CacheConfig) -> World {
    let spare = MemoryTier::new(Level::L2, 1 << 20).spare();
    World::with_tiers(config, MemoryTier::new(Level::Hot, 1 << 20), spare, StreamTier::new(Level::L2, 64 << 20))
}

/// The same with the spare tier behind L2.
fn behind(config: CacheConfig) -> World {
    let spare = MemoryTier::new(Level::L2, 1 << 20).spare();
    World::with_tiers(config, MemoryTier::new(Level::Hot, 1 << 20), StreamTier::new(Level::L2, 64 << 20), spare)
}

/// Opens the circuit of L2's reads.
fn break_reads(world: &World) {
    world.l2.fail_gets(GetFault::Fail);
    (0..5).for_each(|n| drop(world.send(&get(&format!("/broken/{n}")))));
}

/// Opens the circuit of L2's writes.
fn break_writes(world: &World) {
    world.l2.fail_puts(PutFault::Fail);
    (0..5).for_each(|n| drop(world.try_send(&get(&format!("/broken/{n}"))).unwrap()));
    world.runtime.run(async {});
}

/// Lets L2's circuits close.
fn recover(world: &World) {
    world.l2.heal();
    world.runtime.run_background();
    for n in 0..3 {
        world.pass(secs(61));
        world.send(&get(&format!("/recovered/{n}")));
    }
}

fn spare_has_nothing(world: &World) -> bool {
    let get = |key| world.runtime.run(world.l1.inner().get(key, world.now())).unwrap();
    world.l1.keys().iter().all(|key| get(key).is_none())
}

#[test]
fn it_is_neither_read_nor_written_while_l2_does_well() {
    let world = world(table(policy()));
    for _ in 0..3 {
        world.send(&get("/a")).reads("call 1");
    }
    assert_eq!((world.l1.gets(), world.l1.puts()), (0, 0));
    assert!(world.send(&get("/a")).cache_status().ends_with("detail=l2"));
}

#[test]
fn it_is_used_where_there_is_no_l2() {
    let spare = MemoryTier::new(Level::L2, 1 << 20).spare();
    let (hot, l1) = (MemoryTier::new(Level::Hot, 1 << 20), StreamTier::new(Level::L1, 1 << 20));
    let world = World::with_tiers(table(policy().tiers(Tiers::ALL.without_hot().without_l1())), hot, l1, spare);
    world.send(&get("/a")).reads("call 1");
    world.send(&get("/a")).reads("call 1");
    assert_eq!(world.l2.puts(), 1);
    world.pass(secs(60));
    world.send(&get("/a")).reads("call 2");
}

#[test]
fn it_is_used_while_l2_fails_and_no_longer() {
    let world = world(table(policy()));
    break_reads(&world);
    let puts = world.l1.puts();
    world.send(&get("/a")).reads("call 6");
    assert!(world.l1.puts() > puts);
    world.send(&get("/a")).reads("call 6").says("hit; ttl=1800; detail=l2");
    recover(&world);
    let asked = (world.l1.gets(), world.l1.puts());
    world.send(&get("/b"));
    world.send(&get("/b"));
    assert_eq!((world.l1.gets(), world.l1.puts()), asked);
}

#[test]
fn it_is_used_while_l2_takes_no_writes() {
    for make in [world, behind] {
        let world = make(table(policy()));
        let (l2, spare) = if world.l1.inner().is_spare() { (&world.l2, &world.l1) } else { (&world.l1, &world.l2) };
        l2.fail_puts(PutFault::Fail);
        (0..5).for_each(|n| drop(world.try_send(&get(&format!("/{n}"))).unwrap()));
        assert_eq!(spare.puts(), 0, "not yet known to fail");
        world.try_send(&get("/a")).unwrap().reads("call 6");
        assert_eq!(spare.puts(), 1);
        world.try_send(&get("/a")).unwrap().reads("call 6");
        l2.heal();
        world.runtime.run_background();
    }
}

#[test]
fn it_has_no_circuit_and_says_nothing_of_l2s() {
    let world = world(table(policy()));
    break_reads(&world);
    // Its own answers do not close L2's.
    (0..9).for_each(|n| drop(world.send(&get(&format!("/{n}")))));
    let asked = world.l2.gets();
    (0..9).for_each(|n| drop(world.try_send(&get(&format!("/{n}"))).unwrap()));
    assert_eq!(world.l2.gets(), asked);
    // Its failures do not keep it from being asked.
    world.l1.fail_gets(GetFault::Fail);
    let asked = world.l1.gets();
    (0..9).for_each(|n| drop(world.try_send(&get(&format!("/{n}"))).unwrap()));
    assert_eq!(world.l1.gets(), asked + 9);
    world.l1.heal();
    world.l2.heal();
    world.runtime.run_background();
}

#[test]
fn invalidation_reaches_it_at_any_time() {
    for recovers in [false, true] {
        let world = world(table(policy()));
        break_reads(&world);
        world.send(&get("/a")).reads("call 6");
        if recovers {
            // Two trials of L2 bring it back long before the spare's minute is over.
            world.l2.heal();
            for n in 0..3 {
                world.pass(secs(5));
                world.send(&get(&format!("/recovered/{n}")));
            }
            let asked = world.l1.gets();
            world.send(&get("/other"));
            assert_eq!(world.l1.gets(), asked, "it is passed over");
        }
        let key = world.l1.keys().into_iter().find(|key| {
            let found = world.runtime.run(world.l1.inner().get(key, world.now())).unwrap();
            found.is_some_and(|entry| world.runtime.run(entry.body.into_bytes(100)).unwrap() == "call 6")
        });
        let key = key.expect("it is there");
        world.send(&get("/a").method("POST"));
        assert!(world.runtime.run(world.l1.inner().get(&key, world.now())).unwrap().is_none(), "{recovers}");
        world.l2.heal();
    }
}

#[test]
fn what_l2_takes_again_leaves_it() {
    let world = world(table(Policy::ttl(secs(10)).tiers(Tiers::ALL.without_hot())));
    break_reads(&world);
    let first = world.send(&get("/a"));
    first.reads("call 6");
    world.l2.heal();
    for n in 0..3 {
        world.pass(secs(5));
        world.send(&get(&format!("/recovered/{n}")));
    }
    world.send(&get("/a")).reads("call 10");
    // L2 goes away again: the old one does not come back.
    world.l2.fail_gets(GetFault::Fail);
    (0..5).for_each(|n| drop(world.send(&get(&format!("/broken/again/{n}")))));
    world.send(&get("/a")).reads("call 16");
    world.l2.heal();
}

#[test]
fn the_newest_of_both_is_served() {
    for make in [world, behind] {
        let config = table(policy());
        let here = make(config);
        let (l2, spare) = if here.l1.inner().is_spare() { (&here.l2, &here.l1) } else { (&here.l1, &here.l2) };
        // What L2 takes no more is in the spare ...
        l2.fail_puts(PutFault::Fail);
        (0..5).for_each(|n| drop(here.try_send(&get(&format!("/{n}"))).unwrap()));
        here.try_send(&get("/a")).unwrap().reads("call 6");
        here.runtime.run(async {});
        assert_eq!(spare.puts(), 1);
        // ... and another isolate has a newer one in L2.
        here.pass(secs(1));
        let key = spare.keys().into_iter().next().expect("one");
        let mut newer = here.runtime.run(spare.inner().get(&key, here.now())).unwrap().expect("one");
        let head = std::sync::Arc::make_mut(&mut newer.head);
        (head.received, head.freshness.born, head.length) = (here.now(), here.now(), Some(5));
        newer.body = "newer".into();
        here.runtime.run(l2.inner().put(&key, newer, here.now())).unwrap();
        here.try_send(&get("/a")).unwrap().reads("newer");
        // The other way round.
        here.pass(secs(1));
        let mut newest = here.runtime.run(spare.inner().get(&key, here.now())).unwrap().expect("one");
        let head = std::sync::Arc::make_mut(&mut newest.head);
        (head.received, head.freshness.born, head.length) = (here.now(), here.now(), Some(6));
        newest.body = "newest".into();
        here.runtime.run(spare.inner().put(&key, newest, here.now())).unwrap();
        here.try_send(&get("/a")).unwrap().reads("newest");
        l2.heal();
        here.runtime.run_background();
    }
}

#[test]
fn what_was_in_it_when_l2_came_back_is_gone_after_a_minute() {
    let world = world(table(policy()));
    break_reads(&world);
    world.send(&get("/a"));
    world.pass(secs(60));
    assert!(spare_has_nothing(&world));
    world.l2.heal();
}

#[test]
fn writes_that_fail_open_it_too() {
    let world = world(table(policy()));
    break_writes(&world);
    let puts = world.l1.puts();
    world.try_send(&get("/a")).unwrap();
    assert_eq!(world.l1.puts(), puts + 1);
    world.l2.heal();
    world.runtime.run_background();
}
