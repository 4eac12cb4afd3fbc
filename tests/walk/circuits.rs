//! Tiers in trouble: what is counted, when they are left alone, and what is tried again.

use crate::support::*;
use bytes::Bytes;
use layercake::policy::{Level, Tiers};
use layercake::runtime::Runtime;
use layercake::sim::{GetFault, PutFault, StreamTier};
use layercake::stats::{Event, Operation, Trouble};
use layercake::tier::{MemoryTier, TierError};
use layercake::{CacheConfig, Policy};
use std::sync::Arc;
use std::time::Duration;

type Error = fn(String) -> TierError;

const ERRORS: [(Error, Trouble); 5] = [
    (TierError::Failed, Trouble::Failed),
    (TierError::Throttled, Trouble::Throttled),
    (TierError::Exhausted, Trouble::Exhausted),
    (TierError::Corrupt, Trouble::Corrupt),
    (TierError::Refused, Trouble::Refused),
];

fn minute() -> Policy {
    Policy::ttl(MINUTE)
}

fn hour() -> Policy {
    Policy::ttl(60 * MINUTE)
}

/// A world whose L2 says what it is told to.
fn moody(config: CacheConfig) -> (World, Mood) {
    let mood = Mood::default();
    let world = World::with_tiers(
        config,
        MemoryTier::new(Level::Hot, 1 << 20).max_stay(secs(5)),
        StreamTier::new(Level::L1, 64 << 20),
        mood.of(StreamTier::new(Level::L2, 64 << 20)),
    );
    (world, mood)
}

fn trouble(world: &World, level: Level, operation: Operation, trouble: Trouble) -> u64 {
    let stats = world.stats();
    stats.tiers.iter().find(|tier| tier.level == level).map_or(0, |tier| tier.count(operation, trouble))
}

/// All that went wrong, over all tiers.
fn troubles(world: &World) -> u64 {
    world.stats().tiers.iter().flat_map(|tier| tier.troubles().map(|(_, _, n)| n).collect::<Vec<_>>()).sum()
}

/// Asks for something new, and leaves the work behind it where it is.
fn ask(world: &World, n: usize) {
    world.try_send(&get(&format!("/{n}"))).unwrap();
}

#[test]
fn each_trouble_is_counted_by_tier_operation_and_reason() {
    for (error, reason) in ERRORS {
        let (world, mood) = moody(table(minute()));
        mood.get(Some(error));
        ask(&world, 1);
        assert_eq!(trouble(&world, Level::L2, Operation::Get, reason), 1, "{reason:?}");
        let event = if reason == Trouble::Corrupt { Event::Corrupt } else { Event::TierFailed };
        let skipped = trouble(&world, Level::L2, Operation::Put, Trouble::Skipped);
        assert_eq!((world.count(event), troubles(&world) - skipped), (1, 1), "{reason:?}");
        assert_eq!(skipped, u64::from(reason == Trouble::Exhausted), "what is not read need not be written");
        mood.get(None);

        let (world, mood) = moody(table(minute()));
        mood.put(Some(error));
        world.send(&get("/1"));
        let retried = world.count(Event::StoreRetried);
        assert_eq!(trouble(&world, Level::L2, Operation::Put, reason), 1 + retried, "{reason:?}");
        assert_eq!((world.count(Event::StoreFailed), troubles(&world)), (1 + retried, 1 + retried), "{reason:?}");
        let expected = if matches!(reason, Trouble::Failed | Trouble::Throttled) { 3 } else { 0 };
        assert_eq!(retried, expected, "{reason:?}");
    }
}

#[test]
fn what_takes_too_long_is_counted_for_each_tier() {
    for (place, level) in [Level::Hot, Level::L1, Level::L2].into_iter().enumerate() {
        let world = World::new(minute());
        world.tiers()[place].fail_gets(GetFault::Hang);
        world.send(&get("/a"));
        assert_eq!(trouble(&world, level, Operation::Get, Trouble::TimedOut), 1 + world.count(Event::StoreRetried));
        world.tiers()[place].heal();

        let world = World::new(minute());
        world.tiers()[place].fail_puts(PutFault::Hang);
        world.send(&get("/a"));
        let times = 1 + world.count(Event::StoreRetried);
        assert_eq!(trouble(&world, level, Operation::Put, Trouble::TimedOut), times, "{level:?}");
        world.tiers()[place].heal();
    }
}

#[test]
fn what_cannot_be_deleted_is_counted_and_tried_each_time() {
    for fault in [DeleteFault::Fail, DeleteFault::Hang] {
        let deletes = Deletes::default();
        let hot = MemoryTier::new(Level::Hot, 1 << 20);
        let l1 = deletes.watch(StreamTier::new(Level::L1, 1 << 20));
        let world = World::with_tiers(table(minute()), hot, l1, StreamTier::new(Level::L2, 1 << 20));
        world.send(&get("/a"));
        // Reads and writes are given up by now.
        world.l1.fail_gets(GetFault::Fail);
        world.l1.fail_puts(PutFault::Fail);
        (0..9).for_each(|n| ask(&world, n));
        deletes.fail(Some(fault));
        for n in 1..9 {
            world.send(&get("/a").method("POST"));
            assert_eq!(deletes.count(), n, "{fault:?}");
        }
        let reason = if fault == DeleteFault::Hang { Trouble::TimedOut } else { Trouble::Failed };
        assert_eq!(trouble(&world, Level::L1, Operation::Delete, reason), 8);
        assert_eq!(trouble(&world, Level::L1, Operation::Delete, Trouble::Skipped), 0);
        deletes.fail(None);
        world.l1.heal();
    }
}

#[test]
fn after_five_failures_a_tier_is_not_asked_and_one_request_tries_it() {
    for fault in [GetFault::Fail, GetFault::Hang] {
        let world = World::new(minute().tiers(Tiers::ALL.without_hot().without_l1()));
        world.l2.fail_gets(fault);
        (0..5).for_each(|n| ask(&world, n));
        assert_eq!(world.l2.gets(), 5);
        let (before, puts) = (world.now(), world.l2.puts());
        (5..50).for_each(|n| ask(&world, n));
        assert_eq!((world.l2.gets(), world.l2.puts()), (5, puts), "{fault:?}: neither read nor written");
        assert_eq!(world.now(), before, "{fault:?}: nobody waits for it");
        let mut asked = 5;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            world.pass(secs(pause) - Duration::from_millis(1));
            (50..55).for_each(|n| ask(&world, n));
            assert_eq!(world.l2.gets(), asked, "{fault:?}: too early after {pause} s");
            world.pass(Duration::from_millis(1));
            asked += 1;
            (55..60).for_each(|n| ask(&world, n));
            assert_eq!(world.l2.gets(), asked, "{fault:?}: one tries after {pause} s");
        }
        world.l2.heal();
        world.pass(MINUTE);
        (60..65).for_each(|n| ask(&world, n));
        assert_eq!(world.l2.gets(), asked + 5, "{fault:?}: closed");
        world.runtime.run_background();
        world.send(&get("/64")).says("hit; ttl=60; detail=l2");
    }
}

#[test]
fn a_tier_that_takes_nothing_is_still_read() {
    let world = World::new(hour().tiers(Tiers::ALL.without_hot().without_l1()));
    world.send(&get("/kept"));
    world.l2.fail_puts(PutFault::Fail);
    for n in 0..9 {
        world.send(&get(&format!("/{n}")));
    }
    let puts = world.l2.puts();
    world.try_send(&get("/more")).unwrap();
    assert_eq!(world.l2.puts(), puts, "its circuit is open");
    assert!(world.send(&get("/kept")).reads("call 1").cache_status().ends_with("detail=l2"));
    assert!(trouble(&world, Level::L2, Operation::Put, Trouble::Skipped) > 0);
    assert_eq!(trouble(&world, Level::L2, Operation::Get, Trouble::Skipped), 0);
    // It recovers.
    world.l2.heal();
    world.pass(secs(61));
    world.send(&get("/new"));
    world.send(&get("/newer"));
    for path in ["/new", "/newer"] {
        assert!(world.send(&get(path)).cache_status().starts_with("layercake; hit"), "{path}");
    }
}

#[test]
fn a_used_up_quota_is_left_alone_for_a_minute_at_once() {
    let (world, mood) = moody(table(hour()));
    mood.put(Some(TierError::Exhausted));
    world.send(&get("/1"));
    assert_eq!(world.l2.puts(), 1);
    world.pass(secs(59));
    world.send(&get("/2"));
    assert_eq!(world.l2.puts(), 1);
    world.pass(secs(1));
    mood.put(None);
    world.send(&get("/3"));
    world.send(&get("/4"));
    assert_eq!(world.l2.puts(), 3);
    assert_eq!(world.count(Event::StoreRetried), 0);
}

#[test]
fn without_l2_the_other_tiers_go_on_and_it_comes_back() {
    let world = World::new(hour());
    world.l2.fail_gets(GetFault::Hang);
    world.l2.fail_puts(PutFault::Hang);
    for n in 0..9 {
        world.send(&get(&format!("/{n}")));
    }
    for n in 0..9 {
        let before = world.now();
        assert!(world.try_send(&get(&format!("/{n}"))).unwrap().cache_status().contains("hit"));
        assert_eq!(world.now(), before);
    }
    world.l2.heal();
    world.runtime.run_background();
    world.pass(2 * MINUTE);
    world.send(&get("/probe"));
    world.send(&get("/new"));
    world.clear(&world.hot);
    world.clear(&world.l1);
    assert!(world.send(&get("/new")).cache_status().ends_with("detail=l2"));
}

#[test]
fn each_tier_has_circuits_of_its_own() {
    let world = World::new(hour());
    world.l1.fail_gets(GetFault::Fail);
    (0..9).for_each(|n| drop(world.send(&get(&format!("/{n}")))));
    world.clear(&world.hot);
    assert!(world.send(&get("/8")).cache_status().ends_with("detail=l2"));
    assert_eq!(trouble(&world, Level::L2, Operation::Get, Trouble::Skipped), 0);
    assert_eq!(trouble(&world, Level::Hot, Operation::Get, Trouble::Skipped), 0);
}

// ---- writes that are tried again

#[test]
fn a_write_to_l2_is_tried_again_until_it_succeeds() {
    for (failing, retried) in [(secs(1), 1), (secs(4), 2), (secs(9), 3)] {
        let world = World::new(hour());
        world.l2.fail_puts(PutFault::Fail);
        world.try_send(&get("/a")).unwrap();
        world.runtime.run(Runtime::sleep(&world.runtime, failing));
        world.l2.heal();
        world.runtime.run_background();
        assert!(world.count(Event::StoreRetried) <= retried && world.holds(&world.l2), "{failing:?}");
        assert_eq!(world.count(Event::Stored), 3);
    }
}

#[test]
fn other_tiers_are_not_written_to_again() {
    for place in 0..2 {
        let world = World::new(hour());
        world.tiers()[place].fail_puts(PutFault::Fail);
        world.send(&get("/a"));
        assert_eq!((world.tiers()[place].puts(), world.count(Event::StoreRetried)), (1, 0));
    }
}

#[test]
fn a_write_is_given_up_when_it_no_longer_matters() {
    // It is hardly of use any more.
    let world = World::new(Policy::ttl(secs(29)));
    world.l2.fail_puts(PutFault::Fail);
    world.send(&get("/a"));
    assert_eq!((world.l2.puts(), world.count(Event::StoreRetried)), (1, 0));

    // It was made void.
    let world = World::new(hour());
    world.l2.fail_puts(PutFault::Fail);
    world.try_send(&get("/a")).unwrap();
    world.try_send(&get("/a").method("POST")).unwrap();
    world.l2.heal();
    world.runtime.run_background();
    assert_eq!((world.l2.puts(), world.holds(&world.l2)), (1, false));

    // Another data centre has written a newer one.
    let here = World::new(hour());
    let there = here.far_away(table(hour()));
    here.l2.fail_puts(PutFault::Fail);
    here.try_send(&get("/a")).unwrap();
    here.l2.heal();
    here.pass(Duration::from_millis(500));
    there.site.always(200, &[], "newer");
    there.try_send(&get("/a")).unwrap();
    here.runtime.run_background();
    assert_eq!(here.l2.puts(), 2);
    here.clear(&here.hot);
    here.clear(&here.l1);
    here.send(&get("/a")).reads("newer");
}

/// A body of a megabyte of this letter that streams.
fn large(letter: u8) -> layercake::Body {
    scripted((0..16).map(move |_| Ok(Bytes::from(vec![letter; 64 << 10]))))
}

const LARGE: &[(&str, &str)] = &[("content-length", "1048576")];

#[test]
fn a_stream_that_l2_did_not_take_is_read_from_l1_again() {
    let world = World::new(hour());
    world.site.answer(|_| Ok(response(200, LARGE, large(b'x'))));
    world.l2.fail_puts(PutFault::Fail);
    world.try_send(&get("/a")).unwrap();
    world.l2.heal();
    world.runtime.run_background();
    assert_eq!((world.count(Event::StoreRetried), world.holds(&world.l2)), (1, true));
    world.clear(&world.l1);
    let got = world.send(&get("/a"));
    assert!(got.text().len() == 1 << 20 && got.cache_status().ends_with("detail=l2"));
}

#[test]
fn but_not_when_something_else_is_there_by_then() {
    let world = World::new(hour());
    world.site.answer(|seen| {
        let (tag, letter) = if seen.number == 1 { ("\"x\"", b'x') } else { ("\"y\"", b'y') };
        Ok(response(200, &[LARGE[0], ("etag", tag)], large(letter)))
    });
    world.l2.fail_puts(PutFault::Fail);
    world.try_send(&get("/a")).unwrap();
    // L1 loses it, and is given another version, which L2 does not take either.
    world.clear(&world.l1);
    world.pass(Duration::from_millis(500));
    world.try_send(&get("/a")).unwrap();
    world.l2.heal();
    while world.count(Event::StoreRetried) == 0 {
        world.runtime.run(Runtime::sleep(&world.runtime, Duration::from_millis(10)));
    }
    is_of_one_version(&world);
}

/// What L2 holds.
fn is_of_one_version(world: &World) {
    world.clear(&world.l1);
    let got = world.send(&get("/a"));
    let letter = if got.field("etag") == "\"x\"" { "x" } else { "y" };
    assert!(got.text().starts_with(letter), "{}: the body of another version", got.field("etag"));
}

#[test]
fn two_streams_of_different_versions_at_once_are_not_mixed() {
    let world = World::new(hour().collapse_wait(Duration::ZERO));
    world.site.answer(|seen| {
        let (tag, letter) = if seen.number == 1 { ("\"x\"", b'x') } else { ("\"y\"", b'y') };
        Ok(response(200, &[LARGE[0], ("etag", tag)], large(letter)))
    });
    // Both are in L1 before L2 is given either.
    let ms = Duration::from_millis;
    world.site.delay(ms(300));
    let visits = [0, 1].map(|_| world.wait(world.visit(&get("/a")), ms(100)).unwrap_err());
    world.l1.fail_gets(GetFault::Slow(ms(500)));
    world.run_all(visits);
    world.runtime.run(Runtime::sleep(&world.runtime, Duration::from_millis(450)));
    world.l1.heal();
    is_of_one_version(&world);
}

#[test]
fn another_keys_body_does_not_get_into_l2() {
    let world = World::new(hour());
    world.site.answer(|seen| Ok(response(200, LARGE, large(if seen.request.path == "/anna" { b'a' } else { b'b' }))));
    world.send(&get("/anna"));
    world.l1.fail_gets(GetFault::Foreign);
    world.send(&get("/ben"));
    world.l1.heal();
    world.clear(&world.l1);
    let got = world.send(&get("/ben"));
    assert!(got.text().starts_with('b'), "ben got anna's");
}

#[test]
fn a_large_stream_goes_past_an_l1_that_is_known_to_fail() {
    let world = World::new(hour());
    world.l1.fail_puts(PutFault::Fail);
    (0..6).for_each(|n| drop(world.send(&get(&format!("/{n}")))));
    world.site.answer(|_| Ok(response(200, LARGE, large(b'x'))));
    world.send(&get("/large"));
    let got = world.send(&get("/large"));
    assert!(got.cache_status().ends_with("detail=l2"), "{}", got.cache_status());
    world.l1.heal();
}

#[test]
fn how_many_writes_wait_is_bounded() {
    let world = World::new(hour());
    world.l2.fail_puts(PutFault::Slow(secs(11)));
    // So slow that all are under way before one has failed.
    world.run_all((0..40).map(|n| world.visit(&get(&format!("/{n}")))));
    world.runtime.run_background();
    assert!(world.l2.puts() <= 40 + 16 * 3, "{}", world.l2.puts());
    world.l2.heal();
}

#[test]
fn nothing_is_left_hanging_wherever_a_tier_hangs() {
    for kind in HOSTS {
        for place in 0..3 {
            for (gets, puts) in [(true, false), (false, true), (true, true)] {
                let policy = minute().stale_while_revalidate(MINUTE).stale_if_error(MINUTE).hard_timeout(secs(20));
                let world = World::new(policy).on(kind);
                world.site.answer(|seen| {
                    let large = seen.request.path == "/large";
                    let body = if large { large_text() } else { "small".into() };
                    Ok(response(200, &[("etag", "\"v\"")], body))
                });
                let tier = world.tiers()[place];
                let all = || (0..3).map(|_| get("/a")).chain([get("/large"), head("/a"), get("/b")]);
                for wait in [0, 61, 100, 200] {
                    world.pass(secs(wait));
                    if gets {
                        tier.fail_gets(GetFault::Hang);
                    }
                    if puts {
                        tier.fail_puts(PutFault::Hang);
                    }
                    let visits = all().map(|request| world.visit(&request)).collect::<Vec<_>>();
                    let before = world.now();
                    for got in world.run_all(visits) {
                        assert_eq!(got.unwrap().status, 200);
                    }
                    assert!(world.now().since(before) <= secs(3), "{kind:?} {place} {gets} {puts}");
                    world.runtime.run_background();
                    assert_eq!(world.runtime.pending(), 0, "{kind:?} {place} {gets} {puts}");
                }
                tier.heal();
            }
        }
    }
}

fn large_text() -> layercake::Body {
    vec![b'x'; 1 << 20].into()
}

#[test]
fn what_waits_to_be_written_again_is_small_or_read_from_l1() {
    struct Counted(#[allow(dead_code, reason = "it counts")] Arc<()>);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &[b'x'; 1 << 20]
        }
    }
    for l1 in [None, Some(PutFault::Lose)] {
        let world = World::new(hour().collapse_wait(Duration::ZERO));
        let alive = Arc::new(());
        let counter = Arc::clone(&alive);
        world.site.answer(move |_| Ok(response(200, &[], Bytes::from_owner(Counted(Arc::clone(&counter))))));
        l1.into_iter().for_each(|fault| world.l1.fail_puts(fault));
        world.l2.fail_puts(PutFault::Fail);
        (0..4).for_each(|n| drop(world.try_send(&get(&format!("/{n}")))));
        go_on(&world, secs(3));
        world.l1.keys().iter().for_each(|key| world.runtime.run(world.l1.inner().delete(key)).unwrap());
        assert_eq!(Arc::strong_count(&alive), 2, "{l1:?}: bodies wait in memory");
        world.l2.heal();
    }
    let world = World::new(hour());
    world.site.answer(|_| Ok(response(200, &[], vec![b'x'; 1 << 20])));
    world.l2.fail_puts(PutFault::Fail);
    world.try_send(&get("/a")).unwrap();
    world.l2.heal();
    world.runtime.run_background();
    assert!(world.holds(&world.l2) && world.count(Event::StoreRetried) == 1);
}

fn go_on(world: &World, time: Duration) {
    world.runtime.run(Runtime::sleep(&world.runtime, time));
}
