//! Refreshes behind answers: one of a key in an isolate, and how often one that fails is tried.

use crate::support::*;
use layercake::Policy;
use layercake::runtime::Runtime;
use layercake::stats::Event;
use std::time::Duration;

/// Fresh for a minute, then stale for ten hours.
pub fn policy() -> Policy {
    Policy::ttl(MINUTE).stale_while_revalidate(600 * MINUTE)
}

/// Has something five seconds past its lifetime.
pub fn stale(kind: Kind) -> World {
    let world = World::new(policy()).on(kind);
    world.site.numbered(&[]);
    world.send(&get("/a")).reads("call 1");
    world.pass(secs(65));
    world
}

/// Lets time pass and the work behind the responses go on.
pub fn go_on(world: &World, time: Duration) {
    world.runtime.run(world.runtime.sleep(time));
}

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
