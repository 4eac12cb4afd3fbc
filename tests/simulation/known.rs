//! Promises that were broken once, each in the smallest world that shows it.

use crate::invalidation;
use crate::scenario::Scenario;
use crate::table::{page, secs, table};
use crate::{endings, produced};
use layercake::policy::{Level, Tiers};
use layercake::sim::{EdgeModel, Faults, GetFault, OriginScript, PutFault, Request, TierFaults, World};
use std::time::Duration;

#[test]
fn l2_gets_the_body_that_belongs_to_the_head() {
    // L1 says that it took the second version, and has the first still: L2 is given the second one's head and the
    // first one's body. Two isolates of a data centre that fetch the same page at a time do it without any fault.
    let lossy = TierFaults::default().put(1000, PutFault::Lose);
    let mut world = World::builder(1, table)
        .origin(OriginScript::new(page))
        .tiers(Tiers::ALL.without_hot())
        .faults(Faults::none().then(secs(30), Faults::none().tier(Level::L1, lossy)))
        .build();
    for at in [0, 35, 45] {
        world.request(secs(at), 0, 0, Request::get("/large/1"));
    }
    let history = world.run();
    assert_eq!(produced::find(&history), [""; 0], "{history}");
}

#[test]
fn a_trusted_tier_that_hangs_holds_nobody_for_ever() {
    // It is asked without a timer. The next request sees to it that the one that hangs goes on.
    let hang = TierFaults::default().get(1000, GetFault::Hang);
    let mut world = World::builder(1, table)
        .origin(OriginScript::new(page))
        .tiers(Tiers::ALL.without_hot())
        .faults(Faults::none().then(secs(30), Faults::none().tier(Level::L1, hang)))
        .build();
    for at in 0..32 {
        world.request(secs(at), 0, 0, Request::get("/stale/1"));
    }
    let history = world.run();
    assert_eq!(endings::check(&history, &Scenario::of(0)), [""; 0], "{history}");
}

#[test]
fn what_another_isolate_asked_for_before_a_change_is_not_served_after_it() {
    // Isolate 1 asks, isolate 0 changes, isolate 1's answer, which is of before, comes and is stored in the L1 of both.
    let millis = Duration::from_millis;
    let edge = EdgeModel { read: (millis(1), millis(1)), write: (millis(1), millis(1)), ..EdgeModel::default() };
    let found = (0..20).find_map(|seed| {
        let mut world = World::builder(seed, table)
            .isolates(2)
            .edge(edge.clone())
            .origin(OriginScript::new(page).latency(millis(500), millis(500)))
            .build();
        world.request(millis(1000), 0, 1, Request::get("/stale/1"));
        world.request(millis(800), 0, 0, Request::new("POST", "/stale/1"));
        world.request(millis(3000), 0, 0, Request::get("/stale/1"));
        let history = world.run();
        let wrong = invalidation::find(&history, false);
        (!wrong.is_empty()).then(|| format!("{}\n{history}", wrong.concat()))
    });
    assert_eq!(found, None);
}

#[test]
fn a_change_is_no_failure() {
    // An entry beyond its while-revalidating window; one request asks, another waits for it, a third changes the page before
    // the answer comes. The second gets the old page, as if the origin had failed.
    let millis = Duration::from_millis;
    let mut world = World::builder(1, table)
        .origin(OriginScript::new(page).latency(millis(500), millis(500)))
        .tiers(Tiers::ALL.without_l2())
        .build();
    world.request(secs(0), 0, 0, Request::get("/stale/1"));
    world.request(millis(39_900), 0, 0, Request::new("POST", "/stale/1"));
    world.request(millis(40_000), 0, 0, Request::get("/stale/1"));
    world.request(millis(40_100), 0, 0, Request::get("/stale/1"));
    let history = world.run();
    assert_eq!(history.count(layercake::stats::Event::StaleIfError), 0, "{history}");
}

#[test]
fn slow_tiers_do_not_use_up_the_handlers_time() {
    // All tiers hang for as long as they may, 4 s in all, which is what the handler may take. It would answer at once.
    let faults = Faults::everywhere(GetFault::Hang, PutFault::Hang, layercake::sim::DeleteFault::Hang);
    let mut world = World::builder(1, table).origin(OriginScript::new(page)).faults(faults).build();
    world.request(secs(0), 0, 0, Request::get("/patient/1"));
    let history = world.run();
    let statuses: Vec<u16> = history.answers().map(|(_, answer)| answer.status).collect();
    assert_eq!(statuses, [200], "{history}");
}

#[test]
fn l2_gets_the_body_that_belongs_to_the_head_without_any_fault() {
    // Three isolates of a data centre miss the same page, which changes all the time. KV wants no second write within a
    // second; when it is tried again, L1 has another one's answer.
    let large =
        |_: &str| layercake::sim::Page::new().changes_every(Duration::from_millis(50)).size(300 << 10).streamed();
    let found = (0..200).find_map(|seed| {
        let mut world = World::builder(seed, table)
            .isolates(3)
            .data_centres(2)
            .kv(layercake::sim::KvModel { propagation: secs(0), ..Default::default() })
            .origin(OriginScript::new(large))
            .build();
        for (at, isolate) in [(0, 0), (300, 1), (600, 2)] {
            world.request(Duration::from_millis(at), 0, isolate, Request::get("/large/1"));
        }
        // Elsewhere it comes out of L2.
        world.request(secs(15), 1, 0, Request::get("/large/1"));
        let history = world.run();
        let wrong = produced::find(&history);
        (!wrong.is_empty()).then(|| format!("seed {seed}: {}\n{history}", wrong.concat()))
    });
    assert_eq!(found, None);
}
