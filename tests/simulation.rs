//! The engine's promises in thousands of random histories: many isolates and data centres, tiers and origins that fail,
//! clients that leave. What each promise is, and why it is not stronger, stands above its check.
//!
//! `SEEDS=20000 cargo test --features sim --test simulation` looks at more of them, with `FROM=1000` at others, `SEED=123`
//! at one, which it prints.

#[path = "simulation/books.rs"]
mod books;
#[path = "simulation/duplicates.rs"]
mod duplicates;
#[path = "simulation/economy.rs"]
mod economy;
#[path = "simulation/endings.rs"]
mod endings;
#[path = "simulation/freshness.rs"]
mod freshness;
#[path = "simulation/invalidation.rs"]
mod invalidation;
#[path = "simulation/known.rs"]
mod known;
#[path = "simulation/model.rs"]
mod model;
#[path = "simulation/newest.rs"]
mod newest;
#[path = "simulation/outages.rs"]
mod outages;
#[path = "simulation/planted.rs"]
mod planted;
#[path = "simulation/produced.rs"]
mod produced;
#[path = "simulation/runs.rs"]
mod runs;
#[path = "simulation/scenario.rs"]
mod scenario;
#[path = "simulation/table.rs"]
mod table;
