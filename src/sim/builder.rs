use super::core::Core;
use super::edge::Edge;
use super::isolate::{Isolates, Parts};
use super::kv::{Kv, KvTier};
use super::site::Site;
use super::unreliable::Unreliable;
use crate::engine::CacheConfig;
use crate::policy::{Level, Tiers};
use crate::sim::{EdgeModel, Faults, Hosting, KvModel, OriginScript, Random, SimRuntime, World};
use crate::tier::Tier;
use std::sync::Arc;

/// What makes a tier of a tier.
pub(super) type Wrap = Arc<dyn Fn(Arc<dyn Tier>) -> Arc<dyn Tier> + Send + Sync>;

/// A world under construction.
#[must_use]
pub struct WorldBuilder {
    seed: u64,
    table: Box<dyn Fn() -> CacheConfig>,
    data_centres: usize,
    isolates: usize,
    hosting: Hosting,
    edge: EdgeModel,
    kv: KvModel,
    origin: OriginScript,
    faults: Faults,
    tiers: Tiers,
    bare: bool,
    wrap: Option<Wrap>,
    retrying: bool,
}

impl WorldBuilder {
    pub(super) fn new(seed: u64, table: impl Fn() -> CacheConfig + 'static) -> Self {
        Self {
            seed,
            table: Box::new(table),
            data_centres: 1,
            isolates: 1,
            hosting: Hosting::WORKERS,
            edge: EdgeModel::default(),
            kv: KvModel::default(),
            origin: OriginScript::default(),
            faults: Faults::none(),
            tiers: Tiers::ALL,
            bare: false,
            wrap: None,
            retrying: false,
        }
    }

    /// How many data centres there are, at least one. Default: 1.
    pub fn data_centres(mut self, many: usize) -> Self {
        self.data_centres = many.max(1);
        self
    }

    /// How many isolates each data centre has, at least one. Default: 1.
    pub fn isolates(mut self, many: usize) -> Self {
        self.isolates = many.max(1);
        self
    }

    /// What the isolates run on. Default: [`Hosting::WORKERS`].
    pub fn hosting(mut self, hosting: Hosting) -> Self {
        self.hosting = hosting;
        self
    }

    /// The edge cache of each data centre. Default: [`EdgeModel::default`].
    pub fn edge(mut self, model: EdgeModel) -> Self {
        self.edge = model;
        self
    }

    /// Workers KV. Default: [`KvModel::default`].
    pub fn kv(mut self, model: KvModel) -> Self {
        self.kv = model;
        self
    }

    /// What is behind the cache. Default: [`OriginScript::default`].
    pub fn origin(mut self, script: OriginScript) -> Self {
        self.origin = script;
        self
    }

    /// What goes wrong. Default: nothing.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Which tiers there are. Default: all; without a hot budget in the table no hot one.
    pub fn tiers(mut self, tiers: Tiers) -> Self {
        self.tiers = tiers;
        self
    }

    /// Leaves out the cache altogether: each request goes to the origin as it came, to compare with. Default: off.
    pub fn bare(mut self, bare: bool) -> Self {
        self.bare = bare;
        self
    }

    /// Puts something around each tier: L1 and L2 once for each data centre, the hot tier once for each life of an isolate.
    /// What goes wrong by the script of faults goes wrong outside of it. Default: nothing.
    pub fn around_tiers(mut self, wrap: impl Fn(Arc<dyn Tier>) -> Arc<dyn Tier> + Send + Sync + 'static) -> Self {
        self.wrap = Some(Arc::new(wrap));
        self
    }

    /// Asks L2 through a [`RetryingTier`](crate::tier::RetryingTier), whose writes each isolate keeps in order. Default: as it is.
    pub fn retrying(mut self, retrying: bool) -> Self {
        self.retrying = retrying;
        self
    }

    /// The world, at its beginning.
    #[must_use]
    pub fn build(self) -> World {
        let mut random = Random::new(self.seed);
        let runtime = SimRuntime::new().shuffled(random.next_u64());
        let runtime = if self.hosting.borders { runtime.with_borders() } else { runtime };
        let core = Arc::new(Core::new(runtime, self.faults, &mut random));
        let kv = Kv::new(Arc::clone(&core), self.kv, self.data_centres);
        let around = |data_centre: usize, tier: Arc<dyn Tier>| -> Arc<dyn Tier> {
            let tier = match &self.wrap {
                Some(wrap) => wrap(tier),
                None => tier,
            };
            Arc::new(Unreliable::new(Arc::clone(&core), data_centre, tier))
        };
        let shared = (0..self.data_centres).map(|data_centre| {
            let mut tiers: Vec<Arc<dyn Tier>> = Vec::new();
            if self.tiers.contains(Level::L1) {
                tiers.push(around(data_centre, Arc::new(Edge::new(Arc::clone(&core), self.edge.clone()))));
            }
            if self.tiers.contains(Level::L2) {
                tiers.push(around(data_centre, Arc::new(KvTier { store: Arc::clone(&kv), data_centre })));
            }
            tiers
        });
        let shared = shared.collect();
        let hot = self.tiers.contains(Level::Hot);
        let parts = Parts {
            core: Arc::clone(&core),
            table: self.table,
            shared,
            hot,
            wrap: self.wrap.clone(),
            retrying: self.retrying,
        };
        let isolates = Isolates::new(parts, self.isolates);
        let site = Site::new(Arc::clone(&core), self.origin);
        World::assemble(core, isolates, site, self.hosting, self.bare, random)
    }
}
