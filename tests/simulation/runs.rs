//! Many seeds, and each promise looked at in each.

use crate::scenario::Scenario;
use crate::{books, duplicates, economy, endings, freshness, invalidation, newest, produced};
use layercake::sim::History;
use std::sync::atomic::{AtomicU64, Ordering};

type Check = fn(&History, &Scenario) -> Vec<String>;

pub const CHECKS: [(&str, Check); 8] = [
    ("produced by the origin", produced::check),
    ("young enough", freshness::check),
    ("newest wins", newest::check),
    ("no duplicates", duplicates::check),
    ("everybody is answered", endings::check),
    ("the books balance", books::check),
    ("changes are seen", invalidation::check),
    ("no more calls than requests", economy::check),
];

/// Seeds that found something once.
const REGRESSIONS: [u64; 14] = [116, 309, 334, 339, 483, 573, 795, 903, 1096, 1407, 1410, 1819, 5761, 7133];

/// How many seeds are looked at.
const SEEDS: u64 = 1000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What is wrong in the history of a seed, if anything.
fn examine(seed: u64, print: bool) -> Option<String> {
    let scenario = Scenario::of(seed);
    judge(&scenario, &scenario.run(), print)
}

/// What is wrong in a history of `scenario`.
fn judge(scenario: &Scenario, history: &History, print: bool) -> Option<String> {
    let seed = scenario.seed;
    if print {
        println!("{scenario:#?}\n{history}");
    }
    let wrong = CHECKS
        .iter()
        .flat_map(|(name, check)| check(history, scenario).into_iter().map(move |what| format!("  {name}: {what}\n")));
    let wrong: String = wrong.collect();
    (!wrong.is_empty()).then(|| {
        format!("seed {seed}:\n{wrong}  replay: SEED={seed} cargo test --features sim --test simulation random -- --nocapture\n")
    })
}

#[test]
fn random_histories_keep_every_promise() {
    if let Some(seed) = from_environment("SEED") {
        if let Some(wrong) = examine(seed, true) {
            panic!("{wrong}");
        }
        return;
    }
    let from = from_environment("FROM").unwrap_or(0);
    let seeds: Vec<u64> = (from..from + from_environment("SEEDS").unwrap_or(SEEDS)).chain(REGRESSIONS).collect();
    let next = AtomicU64::new(0);
    let take = || seeds.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok()?).copied();
    let work = || std::iter::from_fn(take).filter_map(|seed| examine(seed, false)).take(20).collect::<Vec<_>>();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let found: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no check panics")).collect()
    });
    assert!(found.is_empty(), "{}", found.concat());
}

#[test]
fn the_same_seed_has_the_same_history() {
    for seed in 0..50 {
        let (one, same) = (Scenario::of(seed).run(), Scenario::of(seed).run());
        assert!(one == same, "seed {seed}:\n{one}\n\n{same}");
        assert_eq!(one.to_string(), same.to_string());
    }
    assert_ne!(Scenario::of(1).run(), Scenario::of(2).run());
}

#[test]
fn promises_are_kept_where_l2_is_asked_again() {
    let mut efforts = 0;
    for seed in 20_000..20_250 {
        let scenario = Scenario::of(seed);
        let history = scenario.run_in(scenario.builder().retrying(true));
        if let Some(wrong) = judge(&scenario, &history, false) {
            panic!("with retrying(true): {wrong}");
        }
        let tiers = history.isolates.iter().flat_map(|isolate| &isolate.stats.tiers);
        efforts += tiers.flat_map(|tier| tier.efforts().map(|(_, _, n)| n).collect::<Vec<_>>()).sum::<u64>();
    }
    assert!(efforts > 250, "{efforts}");
}
