//! Without the feature `resilience`: nobody waits for another, and nothing is left alone.

use crate::support::*;
use layercake::Policy;
use layercake::sim::{GetFault, PutFault};
use layercake::stats::Event;

#[test]
fn each_miss_asks_for_itself() {
    on_each(&Policy::ttl(MINUTE), |world, kind| {
        world.site.delay(secs(1));
        world.site.numbered(&[]);
        let requests = vec![get("/a"); 5];
        let mut texts: Vec<_> = world.send_all(&requests).iter().map(|got| got.text().to_owned()).collect();
        texts.sort_unstable();
        assert_eq!(texts, ["call 1", "call 2", "call 3", "call 4", "call 5"], "{kind:?}");
        assert_eq!([Event::Miss, Event::Collapsed].map(|event| world.count(event)), [5, 0], "{kind:?}");
        world.runtime.run_background();
        assert!(world.send(&get("/a")).cache_status().contains("hit"), "{kind:?}: it is stored all the same");
        assert_eq!(world.site.calls(), 5, "{kind:?}");
    });
}

#[test]
fn a_slow_origin_is_waited_for() {
    let policy = Policy::ttl(MINUTE).stale_if_error(600 * MINUTE);
    on_each(&policy, |world, kind| {
        world.site.numbered(&[]);
        world.send(&get("/a")).reads("call 1");
        world.pass(secs(65));
        world.site.delay(secs(600));
        let before = world.now();
        world.send(&get("/a")).reads("call 2");
        assert_eq!(world.now().since(before), secs(600), "{kind:?}");
        assert_eq!(world.count(Event::TimedOut), 0);
    });
}

#[test]
fn a_tier_that_fails_is_asked_each_time() {
    let world = World::new(Policy::ttl(MINUTE));
    world.l2.fail_gets(GetFault::Fail);
    for n in 0..20 {
        world.send(&get(&format!("/{n}")));
    }
    assert_eq!([Event::TierFailed, Event::TierSkipped].map(|event| world.count(event)), [20, 0]);
}

#[test]
fn a_write_that_fails_is_not_tried_again() {
    let world = World::new(Policy::ttl(MINUTE));
    world.l2.fail_puts(PutFault::Fail);
    world.send(&get("/a"));
    world.pass(MINUTE);
    let counts = [Event::Stored, Event::StoreFailed, Event::StoreRetried].map(|event| world.count(event));
    assert_eq!(counts, [2, 1, 0]);
}

#[test]
fn each_isolate_of_a_data_centre_refreshes_once() {
    let policy = || Policy::ttl(MINUTE).stale_while_revalidate(600 * MINUTE);
    let one = World::new(policy());
    one.site.numbered(&[]);
    one.send(&get("/a")).reads("call 1");
    let other = one.isolate(table(policy()));
    other.site.numbered(&[]);
    one.pass(secs(65));
    for world in [&one, &other] {
        world.site.delay(secs(20));
    }
    let visits = [&one, &one, &other, &other].map(|world| world.visit(&get("/a")));
    one.run_all(visits).into_iter().for_each(|got| {
        got.unwrap().reads("call 1");
    });
    one.runtime.run_background();
    assert_eq!((one.site.calls(), other.site.calls()), (2, 1));
}
