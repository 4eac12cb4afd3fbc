//! Random histories of values: several isolates in two data centres that share one KV, with loaders and tiers that misbehave,
//! held against what a cache may do.
//!
//! `LAYERCAKE_SEED=7 cargo test --test values model` replays one history and prints it.

mod book;
mod rules;
mod scenario;

use book::{Act, End, Outcome, Source, Story, Visit};
use scenario::Mode;

/// How many histories of each mode a run has.
const HISTORIES: u64 = 80;

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
fn one_isolate_leaves_nothing_old_in_the_stores() {
    check(Mode::Alone);
}

#[test]
fn tiers_misbehave() {
    check(Mode::Trouble);
}

#[test]
fn no_tier_does_anything() {
    check(Mode::Outage);
}

/// Changes a history so that it says what must not be; whether there was something to change.
type Lie = fn(&mut Story) -> bool;

fn outcome_of(
    story: &mut Story,
    is: impl Fn(Outcome) -> bool,
    becomes: impl Fn(&Story, &Visit) -> Option<Outcome>,
) -> bool {
    let loads = |visit: &Visit| visit.act == Act::Load && is(visit.outcome);
    let places: Vec<usize> = (0..story.visits.len()).filter(|n| loads(&story.visits[*n])).collect();
    let lie = places.into_iter().find_map(|n| Some((n, becomes(story, &story.visits[n])?)));
    lie.is_some_and(|(n, outcome)| {
        story.visits[n].outcome = outcome;
        true
    })
}

/// The number of a source other than the visit's own.
fn other(story: &Story, visit: &Visit, is: impl Fn(&Source) -> bool) -> Option<u64> {
    let own = |source: &Source| story.visits[source.visit].begun == visit.begun;
    let place = story.sources.iter().position(|source| !own(source) && is(source))?;
    Some(place as u64 + 1)
}

const LIES: [(&str, Lie); 7] = [
    ("an error is a value", |story| {
        outcome_of(
            story,
            |outcome| matches!(outcome, Outcome::Value(_)),
            |story, visit| {
                let failed = |source: &Source| source.key == visit.key && matches!(source.ended, Some((_, End::Error)));
                other(story, visit, failed).map(Outcome::Value)
            },
        )
    }),
    ("an error is another caller's", |story| {
        outcome_of(
            story,
            |outcome| matches!(outcome, Outcome::Error(_)),
            |story, visit| {
                other(story, visit, |source| matches!(source.ended, Some((_, End::Error)))).map(Outcome::Error)
            },
        )
    }),
    ("nobody made it", |story| {
        outcome_of(story, |outcome| matches!(outcome, Outcome::Value(_)), |_, _| Some(Outcome::Value(1 << 40)))
    }),
    ("it is none where there was a value", |story| {
        outcome_of(
            story,
            |outcome| matches!(outcome, Outcome::Value(_)),
            |story, visit| {
                let none = |source: &Source| source.key == visit.key && matches!(source.ended, Some((_, End::Nothing)));
                (!story.sources.iter().any(none)).then_some(Outcome::Nothing)
            },
        )
    }),
    ("it is given up at once", |story| {
        outcome_of(
            story,
            |outcome| matches!(outcome, Outcome::Value(_)),
            |_, visit| (visit.ended.is_some_and(|ended| ended.at == visit.begun.at)).then_some(Outcome::TimedOut),
        )
    }),
    ("it never ends", |story| outcome_of(story, |_| true, |_, _| Some(Outcome::Open))),
    ("it is counted twice", |story| {
        story.counted[0].0 = story.counted[0].1 + 1;
        true
    }),
];

#[test]
fn a_history_that_lies_is_seen_through() {
    for (name, lie) in LIES {
        let mut told = 0;
        for seed in 0..10 {
            let mut story = scenario::run(Mode::Well, seed);
            if lie(&mut story) {
                told += 1;
                assert!(!rules::broken(Mode::Well, &story).is_empty(), "{name}, {seed}");
            }
        }
        assert!(told > 0, "{name}");
    }
    let kept = (0..10).any(|seed| !rules::broken(Mode::Outage, &scenario::run(Mode::Well, seed)).is_empty());
    assert!(kept, "what is kept where nobody keeps anything");
}
