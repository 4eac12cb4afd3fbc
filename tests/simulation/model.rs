//! The simulated world behaves like the one it stands for.

use crate::table::secs;
use layercake::policy::{Level, Tiers};
use layercake::sim::{
    Bill, EdgeModel, Faults, History, Hosting, KvModel, Load, Mix, OriginScript, Outcome, Page, Request, Visit,
    Weather, World, WorldBuilder,
};
use layercake::stats::Event;
use layercake::{CacheConfig, Policy, SchemaVersion, StatusForm};
use std::time::Duration;

fn hour() -> CacheConfig {
    of(Policy::ttl(secs(3600)))
}

fn of(policy: Policy) -> CacheConfig {
    let builder = CacheConfig::new("sim", SchemaVersion(1)).cache_status(StatusForm::Full).fallback(policy);
    builder.build().expect("the table is right")
}

fn builder() -> WorldBuilder {
    World::builder(1, hour)
}

/// The results of requests for `/a` at these places and times, as `Cache-Status` has them.
fn told(builder: WorldBuilder, requests: &[(u64, usize, usize)]) -> (Vec<String>, History) {
    let mut world = builder.build();
    for (at, data_centre, isolate) in requests {
        world.request(secs(*at), *data_centre, *isolate, Request::get("/a"));
    }
    let history = world.run();
    let told = history.exchanges.iter().map(|exchange| {
        let status = exchange.answer().map(|answer| answer.field("cache-status")).unwrap_or_default();
        status.rsplit([';', '=']).next().unwrap_or_default().trim().to_owned()
    });
    (told.collect(), history)
}

#[test]
fn isolates_have_memories_of_their_own_and_data_centres_an_l1() {
    let kv = KvModel { propagation: secs(0), ..KvModel::default() };
    let places = [(0, 0, 0), (1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 1, 1)];
    let (told, history) = told(builder().data_centres(2).isolates(2).kv(kv), &places);
    assert_eq!(told, ["stored", "hot", "l1", "l2", "l1"]);
    assert_eq!(history.calls.len(), 1);
    let bill = Bill { reads: 2, writes: 1, ..Bill::default() };
    assert_eq!((history.bill(), history.bill().nanodollars()), (bill, 6000));
    assert_eq!((history.isolates.len(), history.count(Event::Miss)), (4, 1));
}

#[test]
fn kv_shows_a_write_elsewhere_after_a_while_and_goes_on_with_a_miss() {
    let slow = KvModel { propagation: secs(60), ..KvModel::default() };
    for (seed, _) in (0..10).zip([(); 10]) {
        let places = [(0, 0, 0), (61, 1, 0)];
        let (late, _) = told(World::builder(seed, hour).data_centres(2).kv(slow.clone()), &places);
        assert_eq!(late, ["stored", "l2"]);
    }
    // Having asked before it was there, the other data centre does not see it for as long as it goes on with that.
    let at_once = KvModel { propagation: secs(0), ..KvModel::default() };
    let bypassing_l1 = Tiers::ALL.without_l1().without_hot();
    let never = || of(Policy::ttl(secs(3600)));
    let mut world = World::builder(1, never).data_centres(2).kv(at_once).tiers(bypassing_l1).build();
    let no_store = Request::get("/a").with("cache-control", "no-store");
    world.request(secs(0), 1, 0, no_store);
    for (at, data_centre) in [(1, 0), (30, 0), (50, 1), (62, 1)] {
        world.request(secs(at), data_centre, 0, Request::get("/a"));
    }
    let history = world.run();
    let hits: Vec<bool> = history.answers().map(|(_, answer)| answer.field("cache-status").contains("; hit")).collect();
    assert_eq!(hits, [false, false, true, false, true], "{history}");
}

#[test]
fn kv_refuses_a_second_write_of_a_key_within_a_second_and_what_is_over_the_quota() {
    let kv = KvModel { write: (secs(0), secs(0)), ..KvModel::default() };
    let only_kv = || builder().tiers(Tiers::ALL.without_l1().without_hot());
    let run = |kv: KvModel, requests: &[(u64, &str)]| {
        let mut world = only_kv().kv(kv).build();
        for (at, target) in requests {
            world.request(Duration::from_millis(*at), 0, 0, Request::get(target));
        }
        world.run()
    };
    // Both ask before either has stored.
    let history = run(kv.clone(), &[(0, "/a"), (1, "/a")]);
    assert!(history.bill.writes <= 1 && history.calls.len() <= 2, "{history}");
    let poor = KvModel { writes_per_day: Some(2), reads_per_day: Some(3), ..kv };
    let history = run(poor, &[(0, "/a"), (5_000, "/b"), (10_000, "/c"), (15_000, "/a"), (86_400_000, "/d")]);
    // The third write and the fourth read are over it; the next day is a new one.
    assert_eq!(history.bill, Bill { reads: 4, writes: 3, ..Bill::default() }, "{history}");
    assert_eq!((history.count(Event::StoreFailed), history.count(Event::TierFailed)), (1, 1), "{history}");
}

#[test]
fn what_the_edge_evicts_is_gone() {
    let crowded = EdgeModel { evicts_permille: 1000, ..EdgeModel::default() };
    let (told, history) = told(builder().edge(crowded).tiers(Tiers::ALL.without_hot()), &[(0, 0, 0), (10, 0, 0)]);
    assert_eq!(told, ["stored", "l2"]);
    assert_eq!(history.tiers[&(0, Level::L1)].found, 0);
}

#[test]
fn a_reset_isolate_has_nothing_in_memory_and_new_books() {
    let mut world = builder().tiers(Tiers::ALL.without_l1().without_l2()).build();
    for at in [0, 1, 3] {
        world.request(secs(at), 0, 0, Request::get("/a"));
    }
    world.reset(secs(2), 0, 0);
    let history = world.run();
    assert_eq!(history.calls.len(), 2);
    let requests: Vec<u64> = history.isolates.iter().map(|books| books.stats.requests()).collect();
    assert_eq!(requests, [2, 1]);
}

#[test]
fn a_reset_takes_requests_with_it() {
    let origin = || OriginScript::default().latency(secs(10), secs(10));
    for seed in 0..4 {
        let mut world = World::builder(seed, hour).origin(origin()).build();
        world.request(secs(0), 0, 0, Request::get("/a"));
        world.reset(secs(5), 0, 0);
        let history = world.run();
        assert_eq!(history.exchanges[0].outcome, Outcome::Lost { at: secs(5), begun: false });
        assert_eq!(history.isolates[0].stats.requests(), 0);
    }
}

#[test]
fn a_client_that_leaves_gets_nothing() {
    for (hosting, ended) in [(Hosting::NATIVE, true), (Hosting::WORKERS, false)] {
        let policy = || of(Policy::ttl(secs(60)).collapse_wait(secs(0)));
        let origin = OriginScript::default().latency(secs(10), secs(10));
        let mut world = World::builder(1, policy).hosting(hosting).origin(origin).build();
        world.visit(0, 0, Visit { at: secs(0), request: Request::get("/a"), stays: Some(secs(2)), reset: false });
        let history = world.run();
        assert_eq!(history.exchanges[0].outcome, Outcome::Disconnected { at: secs(2), begun: false });
        // Dropped, the call ends; forgotten, nobody hears of it again.
        assert_eq!(history.calls[0].ended().is_some(), ended, "{history}");
    }
}

#[test]
fn work_behind_a_response_is_cut_off() {
    let policy = || of(Policy::ttl(secs(10)).stale_while_revalidate(secs(600)));
    let origin = OriginScript::default().from(secs(5), Weather::Slow(secs(100)));
    let run = |hosting| {
        let mut world = World::builder(1, policy).hosting(hosting).origin(origin.clone()).build();
        world.request(secs(0), 0, 0, Request::get("/a"));
        world.request(secs(20), 0, 0, Request::get("/a"));
        world.run()
    };
    let native = run(Hosting::NATIVE);
    assert_eq!((native.cut_off, native.count(Event::Revalidated)), (0, 1));
    let workers = run(Hosting::WORKERS);
    assert_eq!((workers.cut_off, workers.count(Event::Revalidated)), (1, 0));
}

#[test]
fn the_origin_keeps_to_its_script() {
    let page = |path: &str| match path {
        "/etag" => Page::new().etag(),
        "/moved" => Page::new().status(404),
        _ => Page::new().changes_every(secs(10)),
    };
    let origin = OriginScript::new(page)
        .latency(secs(0), secs(0))
        .from(secs(10), Weather::Status(503))
        .from(secs(20), Weather::Unreachable)
        .from(secs(30), Weather::Torn)
        .from(secs(40), Weather::Up);
    let mut world = builder().bare(true).origin(origin).build();
    for at in [0, 10, 20, 30, 40] {
        world.request(secs(at), 0, 0, Request::get("/a"));
    }
    world.request(secs(41), 0, 0, Request::new("POST", "/a"));
    world.request(secs(42), 0, 0, Request::get("/a"));
    world.request(secs(43), 0, 0, Request::get("/etag").with("if-none-match", "\"1--\""));
    world.request(secs(44), 0, 0, Request::get("/moved"));
    let history = world.run();
    let seen: Vec<(u16, bool)> =
        history.exchanges.iter().map(|e| e.answer().map_or((0, false), |a| (a.status, a.body.is_some()))).collect();
    let expected = [
        (200, true),
        (503, true),
        (0, false),
        (200, false),
        (200, true),
        (200, true),
        (200, true),
        (304, true),
        (404, true),
    ];
    assert_eq!(seen, expected, "{history}");
    let versions: Vec<u64> = history.calls.iter().map(|call| call.version).collect();
    assert!(versions[0] < versions[4] && versions[4] < versions[6], "{versions:?}");
}

#[test]
fn popular_paths_are_asked_for_more_often() {
    let mix = Mix { head: 100, post: 100, ..Mix::default() };
    let load = Load::zipf(["/1", "/2", "/3", "/4"], 1.0).every(Duration::from_millis(10)).mix(mix);
    let visits = load.visits(&mut layercake::sim::Random::new(3));
    let many = |is: &dyn Fn(&Request) -> bool| visits.iter().filter(|visit| is(&visit.request)).count();
    let [first, second, last] = ["/1", "/2", "/4"].map(|path| many(&|request| &*request.path == path));
    assert!(first > second * 3 / 2 && second > last * 3 / 2, "{first} {second} {last}");
    assert!(many(&|request| &*request.method == "POST") > visits.len() / 20);
    assert!(visits.is_sorted_by_key(|visit| visit.at));
}

#[test]
fn faults_begin_and_end_as_the_script_says() {
    use layercake::sim::{GetFault, TierFaults};
    let broken = TierFaults::default().get(1000, GetFault::Fail);
    let outage = Faults::none().tier(Level::L1, broken);
    let faults = Faults::none().then(secs(10), outage).then(secs(20), Faults::none());
    let (told, history) =
        told(builder().tiers(Tiers::ALL.without_hot()).faults(faults), &[(0, 0, 0), (5, 0, 0), (15, 0, 0), (25, 0, 0)]);
    assert_eq!(told, ["stored", "l1", "l2", "l1"]);
    assert_eq!(history.count(Event::TierFailed), 1);
}
