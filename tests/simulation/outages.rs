//! With every tier failing in whatever way, visitors see what the bare origin gives: the same statuses and bodies as the same
//! requests get without a cache.
//!
//! The pages do not change here, because a look-up that fails late moves the call of the origin; and nobody asks for ranges, which this
//! origin does not know and the cache cuts itself.

use crate::table::{page, rule, secs, table};
use layercake::sim::{DeleteFault, Faults, GetFault, History, Hosting, Load, Mix, OriginScript, Page, PutFault, World};
use std::time::Duration;

const TARGETS: [&str; 11] = [
    "/stale/1",
    "/short/503",
    "/mine/1",
    "/vary/1",
    "/auth/1",
    "/anon/1",
    "/large/1",
    "/said/404",
    "/never/1",
    "/past/500",
    "/patient/1",
];

/// The page of this path, as it was at first.
fn settled(path: &str) -> Page {
    // Where the handler does not see who asks, it cannot answer by it.
    let page = if rule(path).anonymous { Page::new().streamed() } else { page(path) };
    let page = page.changes_every(secs(1_000_000));
    match path.rsplit_once('/').and_then(|(_, name)| name.parse().ok()) {
        Some(status @ 400..) => page.status(status),
        _ => page,
    }
}

fn run(seed: u64, faults: Faults, hosting: Hosting, bare: bool) -> History {
    let mix = Mix { head: 50, authorization: 200, cookie: 50, conditional: 100, language: 500, ..Mix::default() };
    let load = Load::zipf(TARGETS, 0.5).every(Duration::from_millis(500)).lasting(secs(40)).mix(mix);
    let builder = World::builder(seed, table).data_centres(2).isolates(2).hosting(hosting).bare(bare);
    let mut world = builder.faults(faults).origin(OriginScript::new(settled)).build();
    world.load(&load);
    world.run()
}

/// Where the two differ for the visitors.
pub fn compare(cached: &History, bare: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    if cached.exchanges.len() != bare.exchanges.len() {
        wrong.push("not the same requests".to_owned());
    }
    for (n, (one, other)) in cached.exchanges.iter().zip(&bare.exchanges).enumerate() {
        match (one.answer(), other.answer()) {
            (Some(one), Some(other)) if (one.status, &one.body) == (other.status, &other.body) => {}
            (None, None) => {}
            _ => wrong.push(format!("request {n}, {}: not what the origin gives", one.request)),
        }
    }
    wrong
}

fn kinds() -> Vec<(GetFault, PutFault, DeleteFault)> {
    let slow = secs(20);
    vec![
        (GetFault::Fail, PutFault::Fail, DeleteFault::Fail),
        (GetFault::Hang, PutFault::Hang, DeleteFault::Hang),
        (GetFault::Slow(slow), PutFault::Slow(slow), DeleteFault::Slow(slow)),
        (GetFault::Corrupt, PutFault::Lose, DeleteFault::Lose),
        (GetFault::Foreign, PutFault::Slow(slow), DeleteFault::Fail),
        (GetFault::Slow(Duration::from_millis(900)), PutFault::Fail, DeleteFault::Hang),
        (GetFault::Stalled, PutFault::Lose, DeleteFault::Fail),
    ]
}

#[test]
fn with_every_tier_failing_visitors_see_the_origin() {
    for (get, put, delete) in kinds() {
        for seed in 0..8 {
            for hosting in [Hosting::WORKERS, Hosting::NATIVE] {
                let cached = run(seed, Faults::everywhere(get, put, delete), hosting, false);
                let wrong = compare(&cached, &run(seed, Faults::none(), hosting, true));
                assert!(wrong.is_empty(), "seed {seed}, {get:?}, {put:?}: {}\n{cached}", wrong.join("\n"));
            }
        }
    }
}

#[test]
fn with_healthy_tiers_they_do_too() {
    for seed in 0..20 {
        let cached = run(seed, Faults::none(), Hosting::WORKERS, false);
        let wrong = compare(&cached, &run(seed, Faults::none(), Hosting::WORKERS, true));
        assert!(wrong.is_empty(), "seed {seed}: {}\n{cached}", wrong.join("\n"));
        assert!(cached.hit_permille() > Some(100), "{cached}");
        assert!(cached.exchanges.iter().any(|exchange| rule(&exchange.request.path).anonymous));
    }
}

#[test]
fn a_difference_is_found() {
    let bare = run(1, Faults::none(), Hosting::WORKERS, true);
    let mut other = bare.clone();
    assert_eq!(compare(&bare, &other), [""; 0]);
    let answer = other.exchanges.iter_mut().find_map(|exchange| match &mut exchange.outcome {
        layercake::sim::Outcome::Answered(answer) => Some(answer),
        _ => None,
    });
    answer.expect("an answer").status = 418;
    assert_eq!(compare(&bare, &other).len(), 1);
}
