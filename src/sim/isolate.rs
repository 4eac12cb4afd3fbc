//! The isolates of all data centres, each with its own table, counters and memory.

use super::builder::Wrap;
use super::core::Core;
use super::unreliable::Unreliable;
use crate::engine::CacheConfig;
use crate::policy::Level;
use crate::runtime::Runtime;
use crate::sim::IsolateBooks;
use crate::tier::{MemoryTier, Pace, RetryingTier, Tier};
use std::sync::Arc;

/// What isolates are made of.
pub(super) struct Parts {
    pub(super) core: Arc<Core>,
    pub(super) table: Box<dyn Fn() -> CacheConfig>,
    /// The tiers that the isolates of each data centre share, nearest first.
    pub(super) shared: Vec<Vec<Arc<dyn Tier>>>,
    pub(super) hot: bool,
    pub(super) wrap: Option<Wrap>,
    pub(super) retrying: bool,
}

/// One isolate in one of its lives.
#[derive(Clone)]
pub(super) struct Isolate {
    /// Its place in the history's books.
    pub(super) life: usize,
    pub(super) config: CacheConfig,
    tiers: Arc<[Arc<dyn Tier>]>,
    /// The order of the writes to L2, where they are tried again.
    pace: Option<Arc<Pace>>,
}

impl Isolate {
    /// The tiers as a request on `host` has them.
    pub(super) fn tiers(&self, host: &Arc<dyn Runtime>) -> Arc<[Arc<dyn Tier>]> {
        let Some(pace) = &self.pace else { return Arc::clone(&self.tiers) };
        let patient = |tier: &Arc<dyn Tier>| -> Arc<dyn Tier> {
            if tier.level() != Level::L2 {
                return Arc::clone(tier);
            }
            let (pace, observer) = (Arc::clone(pace), self.config.observer(Level::L2));
            Arc::new(RetryingTier::new(Arc::clone(tier), Arc::clone(host)).pace(pace).observer(observer))
        };
        self.tiers.iter().map(patient).collect()
    }
}

pub(super) struct Isolates {
    parts: Parts,
    /// For each data centre.
    running: Vec<Vec<Isolate>>,
}

impl Isolates {
    pub(super) fn new(parts: Parts, many: usize) -> Self {
        let start = |data_centre| (0..many).map(|isolate| parts.start(data_centre, isolate)).collect();
        let running = (0..parts.shared.len()).map(start).collect();
        Self { parts, running }
    }

    pub(super) fn data_centres(&self) -> usize {
        self.running.len()
    }

    pub(super) fn in_each(&self) -> usize {
        self.running.first().map_or(0, Vec::len)
    }

    /// The isolate in this place, if there is one.
    pub(super) fn at(&self, data_centre: usize, isolate: usize) -> Option<&Isolate> {
        self.running.get(data_centre)?.get(isolate)
    }

    /// Starts the isolate anew; comes back with the number of the life that has ended.
    pub(super) fn restart(&mut self, data_centre: usize, isolate: usize) -> Option<usize> {
        let place = self.running.get_mut(data_centre)?.get_mut(isolate)?;
        let old = std::mem::replace(place, self.parts.start(data_centre, isolate));
        self.parts.close(&old);
        Some(old.life)
    }

    /// Writes down what all have counted.
    pub(super) fn close(&self) {
        self.running.iter().flatten().for_each(|isolate| self.parts.close(isolate));
    }
}

impl Parts {
    fn start(&self, data_centre: usize, isolate: usize) -> Isolate {
        let config = (self.table)();
        let mut tiers: Vec<Arc<dyn Tier>> = Vec::new();
        let hot = config.hot();
        if self.hot && hot.budget > 0 {
            let tier = MemoryTier::new(Level::Hot, hot.budget).max_entry(hot.max_body).max_stay(hot.max_stay);
            let tier: Arc<dyn Tier> = match &self.wrap {
                Some(wrap) => wrap(Arc::new(tier)),
                None => Arc::new(tier),
            };
            tiers.push(Arc::new(Unreliable::new(Arc::clone(&self.core), data_centre, tier)));
        }
        tiers.extend(self.shared.get(data_centre).into_iter().flatten().cloned());
        let mut history = self.core.history();
        history.isolates.push(IsolateBooks { data_centre, isolate, stats: config.stats() });
        let pace = self.retrying.then(Arc::default);
        Isolate { life: history.isolates.len() - 1, config, tiers: tiers.into(), pace }
    }

    fn close(&self, isolate: &Isolate) {
        if let Some(books) = self.core.history().isolates.get_mut(isolate.life) {
            books.stats = isolate.config.stats();
        }
    }
}
