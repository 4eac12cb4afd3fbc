//! `count NAME`: does one thing of those in `OPERATIONS` a number of times inside [`measured`], for callgrind to count
//! (`report budget` runs it so), and prints how often it asked for memory; `count` alone lists the names.

mod allocator;

use allocator::Counting;
use futures::FutureExt as _;
use layercake::QueryKey;
use layercake::entry::wire;
use layercake::semantics::freshness::Timestamp;
use layercake::semantics::storage::StoreRules;
use layercake::tier::Tier as _;
use layercake_bench_native::decision::{decide, store};
use layercake_bench_native::fields::{ETAG, RECEIVED, request, response};
use layercake_bench_native::host::Host;
use layercake_bench_native::walk::{View, World, asked, past};
use layercake_bench_native::{key, memory, wire as head};
use std::hint::black_box;

/// How often each operation is done. `report` divides by it.
const TIMES: usize = 64;

const OPERATIONS: [&str; 12] = [
    "decision",
    "storable",
    "key",
    "routes-1000",
    "wire-decode",
    "memory-get",
    "hit",
    "hit-tower",
    "not-modified",
    "miss",
    "miss-tower",
    "bypass",
];

#[global_allocator]
static MEMORY: Counting = Counting::new();

/// What callgrind counts. One call of it a run.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    for _ in 0..TIMES {
        work();
    }
}

/// Once before, for what is made at the first call, then measured.
fn count<T>(mut work: impl FnMut() -> T) {
    let mut work = || drop(black_box(work()));
    work();
    let before = MEMORY.asked();
    measured(&mut work);
    println!("{}", MEMORY.asked() - before);
}

/// As [`count`], with something made before for each time.
fn count_with<I, T>(mut make: impl FnMut() -> I, mut work: impl FnMut(I) -> T) {
    let mut things: Vec<I> = (0..=TIMES).map(|_| make()).collect();
    count(|| work(things.pop().expect("one for each time")));
}

fn main() {
    let Some(name) = std::env::args().nth(1) else {
        return println!("{TIMES} {}", OPERATIONS.join(" "));
    };
    let mut n = 0;
    let mut next = || {
        n += 1;
        n
    };
    match &*name {
        "decision" => {
            let freshness = store(&StoreRules::by_the_letter(), &response(())).freshness;
            let (request, now) = (request(None), Timestamp::from_secs(RECEIVED + 17));
            count(|| decide(&freshness, black_box(&request), now));
        }
        "storable" => {
            let (rules, response) = (StoreRules::by_the_letter(), response(()));
            count(|| store(&rules, black_box(&response)));
        }
        "key" => {
            let (prefix, by) = (key::prefix(), QueryKey::without_tracking().sort());
            count(|| key::key(&prefix, &by));
        }
        "routes-1000" => {
            let (table, [_, _, (_, path), ..]) = (key::table(1000, &[]), key::paths(1000));
            count(|| table.routes().find(black_box(&path)).0);
        }
        "wire-decode" => {
            let text = wire::encode(&head::head(), head::fields());
            count(|| wire::decode(black_box(text.as_bytes())));
        }
        "memory-get" => {
            let keys = memory::keys();
            let (tier, last) = (memory::filled(&keys), &keys[memory::KEYS - 1]);
            count(|| tier.get(last, memory::NOW).now_or_never());
        }
        "hit" | "not-modified" | "bypass" => {
            let (world, request) = walk(&name);
            let view = View::of(request);
            count(|| world.handle(&view));
        }
        "hit-tower" => {
            let (mut world, request) = walk("hit");
            count_with(|| request.clone(), |request| world.call(request));
        }
        "miss" => {
            let world = full(&mut next);
            count_with(|| View::of(asked(next(), &[])), |view| world.handle(&view));
        }
        "miss-tower" => {
            let mut world = full(&mut next);
            count_with(|| asked(next(), &[]), |request| world.call_and_read(request));
        }
        _ => {
            eprintln!("count: no operation {name}");
            std::process::exit(2);
        }
    }
}

fn walk(name: &str) -> (World, http::Request<http_body_util::Empty<bytes::Bytes>>) {
    let mut world = World::new(Host::standing_still());
    let (request, status, said) = match name {
        "hit" => (asked(0, &[]), 200, "layercake; hit; ttl=600"),
        "not-modified" => (asked(0, &[("if-none-match", ETAG)]), 304, "layercake; hit; ttl=600"),
        _ => (past(), 200, "layercake; fwd=bypass"),
    };
    world.expect(&request, status, said);
    (world, request)
}

/// A world whose tier is full, so that each new answer pushes another out.
fn full(next: &mut impl FnMut() -> usize) -> World {
    let world = World::new(Host::standing_still());
    for _ in 0..3000 {
        world.handle(&View::of(asked(next(), &[])));
    }
    world
}
