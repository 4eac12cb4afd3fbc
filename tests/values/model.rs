//! Random histories of values: several isolates in two data centres that share one KV, with loaders and tiers that misbehave,
//! held against what a cache may do.
//!
//! `LAYERCAKE_SEED=7 cargo test --test values model` replays one history and prints it.

mod book;
mod rules;
mod scenario;

use scenario::Mode;

/// How many histories of each mode a run has.
const HISTORIES: u64 = 120;

fn check(mode: Mode) {
    let seeds = match std::env::var("LAYERCAKE_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).expect("a number"),
        Err(_) => 0..histories(),
    };
    let mut asked = 0;
    for seed in seeds.clone() {
        let story = scenario::run(mode, seed);
        asked += story.visits.len();
        let broken = rules::broken(mode, &story);
        let told = if seeds.end - seeds.start == 1 || !broken.is_empty() { story.to_string() } else { String::new() };
        if seeds.end - seeds.start == 1 {
            println!("{told}");
        }
        assert!(broken.is_empty(), "{told}\n{mode:?}, LAYERCAKE_SEED={seed}:\n{}", broken.join("\n"));
    }
    assert!(asked > 0);
}

fn histories() -> u64 {
    std::env::var("LAYERCAKE_HISTORIES").ok().and_then(|many| many.parse().ok()).unwrap_or(HISTORIES)
}

#[test]
fn all_is_well() {
    check(Mode::Well);
}

#[test]
fn tiers_misbehave() {
    check(Mode::Trouble);
}

#[test]
fn no_tier_does_anything() {
    check(Mode::Outage);
}
