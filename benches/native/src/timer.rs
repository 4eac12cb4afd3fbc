//! Times candidates in turn, so that whatever else the machine does hits all of them alike.

#![allow(clippy::disallowed_methods, reason = "a native program may read the clock")]

use std::time::{Duration, Instant};

/// How often each candidate gets its turn.
const TURNS: usize = 301;
/// How long one turn lasts.
const TURN: Duration = Duration::from_micros(500);

/// Something to time. It hides what it does from the optimiser ([`std::hint::black_box`]).
pub struct Candidate<'a> {
    name: &'a str,
    run: Box<dyn Fn() + 'a>,
}

pub fn candidate<'a, T: 'a>(name: &'a str, run: impl Fn() -> T + 'a) -> Candidate<'a> {
    Candidate { name, run: Box::new(move || drop(std::hint::black_box(run()))) }
}

fn turn(candidate: &Candidate<'_>, times: u32) -> f64 {
    let begin = Instant::now();
    for _ in 0..times {
        (candidate.run)();
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

fn times_per_turn(candidate: &Candidate<'_>) -> u32 {
    let mut times = 16;
    while turn(candidate, times) * f64::from(times) < TURN.as_secs_f64() * 1e9 {
        times *= 2;
    }
    times
}

/// Prints the median of each candidate in nanoseconds, and the share of the last one's that it is.
pub fn compare(title: &str, candidates: &[Candidate<'_>]) {
    let medians = medians(candidates);
    println!("{title}");
    for (candidate, median) in candidates.iter().zip(&medians) {
        println!("  {:<48} {median:>6.0} ns {:>6.2}", candidate.name, median / medians[medians.len() - 1]);
    }
}

/// Prints the median of each candidate in nanoseconds.
pub fn list(title: &str, candidates: &[Candidate<'_>]) {
    println!("{title}");
    for (candidate, median) in candidates.iter().zip(medians(candidates)) {
        println!("  {:<48} {median:>6.0} ns", candidate.name);
    }
}

fn medians(candidates: &[Candidate<'_>]) -> Vec<f64> {
    let times: Vec<u32> = candidates.iter().map(times_per_turn).collect();
    let mut turns = vec![Vec::with_capacity(TURNS); candidates.len()];
    for _ in 0..TURNS {
        for (at, candidate) in candidates.iter().enumerate() {
            turns[at].push(turn(candidate, times[at]));
        }
    }
    let medians = turns.into_iter().map(|mut all| {
        all.sort_by(f64::total_cmp);
        all[TURNS / 2]
    });
    medians.collect()
}
