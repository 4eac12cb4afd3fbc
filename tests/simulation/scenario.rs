//! Worlds drawn from a seed.

use crate::table::{page, secs, table};
use layercake::policy::Tiers;
use layercake::sim::{
    EdgeModel, Faults, History, Hosting, KvModel, Load, Mix, OriginScript, Random, Weather, World, WorldBuilder,
};
use std::time::Duration;

/// What is so in the world of a seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub data_centres: usize,
    pub isolates: usize,
    pub hosting: Hosting,
    pub faults: Faults,
    pub evicts_permille: u64,
    pub weather: Vec<(Duration, Weather)>,
    pub now_and_then: Vec<(u64, Weather)>,
    pub latency: (Duration, Duration),
    pub mix: Mix,
    pub every: Duration,
    pub kv: KvModel,
    pub tiers: Tiers,
}

const TARGETS: [&str; 18] = [
    "/stale/1",
    "/stale/2",
    "/said/1",
    "/vary/1",
    "/mine/1",
    "/short/1",
    "/patient/1",
    "/error/1",
    "/large/1",
    "/anon/1",
    "/stale/3?a=1",
    "/stale/3?a=2",
    "/auth/1",
    "/vary/2",
    "/short/2",
    "/never/1",
    "/past/1",
    "/patient/2",
];

/// How long requests come.
pub const LASTING: Duration = secs(90);

impl Scenario {
    pub fn of(seed: u64) -> Self {
        let random = &mut Random::new(seed ^ 0x5ce0);
        let mut one_of = |choices: &[u64]| random.choose(choices).copied().unwrap_or_default();
        let tame = one_of(&[0, 0, 0, 1]) == 1;
        let data_centres = one_of(&[1, 1, 2, 3]);
        let isolates = one_of(&[1, 2, 3]);
        let hosting = if one_of(&[0, 1]) == 1 { Hosting::WORKERS } else { Hosting::NATIVE };
        let hosting = Hosting { signals: one_of(&[0, 1, 1]) == 1, ..hosting };
        let faults = if tame || one_of(&[0, 1]) == 0 { Faults::none() } else { Faults::mild() };
        let evicts_permille = if tame { 0 } else { one_of(&[0, 0, 20, 200]) };
        let sometimes = if tame { 0 } else { one_of(&[0, 1]) };
        let mix = Mix {
            head: one_of(&[0, 50]),
            post: one_of(&[0, 20]),
            authorization: 100,
            cookie: 30,
            no_store: 20,
            range: one_of(&[0, 30]),
            conditional: 30,
            language: 500,
            burst: one_of(&[0, 50]),
            disconnect: if tame { 0 } else { one_of(&[0, 50]) },
            reset: if tame { 0 } else { one_of(&[0, 0, 5]) },
        };
        let every = Duration::from_millis(one_of(&[400, 1000, 2000]));
        let latency = (Duration::from_millis(one_of(&[0, 20])), Duration::from_millis(one_of(&[0, 200, 200, 3000])));
        let kv = KvModel {
            propagation: secs(one_of(&[0, 10, 60])),
            cache_ttl: secs(one_of(&[30, 60])),
            writes_per_day: (one_of(&[0, 0, 0, 1]) == 1).then_some(20),
            ..KvModel::default()
        };
        let tiers = match one_of(&[0, 0, 0, 1, 2, 3]) {
            1 => Tiers::ALL.without_hot(),
            2 => Tiers::ALL.without_l2(),
            3 => Tiers::ALL.without_l1(),
            _ => Tiers::ALL,
        };
        let mut weather = Vec::new();
        let kinds = [
            Weather::Up,
            Weather::Up,
            Weather::Slow(secs(2)),
            Weather::Slow(secs(40)),
            Weather::Status(503),
            Weather::Status(500),
            Weather::Unreachable,
            Weather::Silent,
            Weather::Torn,
        ];
        if !tame {
            for from in [15, 25, 45, 60] {
                let kind = random.choose(&kinds).copied().unwrap_or(Weather::Up);
                weather.push((secs(from), kind));
            }
        }
        let now_and_then = if sometimes == 1 {
            vec![
                (20, Weather::Unreachable),
                (20, Weather::Status(502)),
                (10, Weather::Slow(secs(7))),
                (20, Weather::Torn),
            ]
        } else {
            Vec::new()
        };
        let (data_centres, isolates) = (usize::try_from(data_centres).unwrap(), usize::try_from(isolates).unwrap());
        Self {
            seed,
            data_centres,
            isolates,
            hosting,
            faults,
            evicts_permille,
            weather,
            now_and_then,
            latency,
            mix,
            every,
            kv,
            tiers,
        }
    }

    /// Nothing fails in the tiers, and nothing gets lost.
    pub fn is_healthy(&self) -> bool {
        self.faults == Faults::none() && self.evicts_permille == 0 && self.kv.writes_per_day.is_none()
    }

    pub fn builder(&self) -> WorldBuilder {
        let mut origin = OriginScript::new(page).latency(self.latency.0, self.latency.1);
        for (from, weather) in &self.weather {
            origin = origin.from(*from, *weather);
        }
        for (permille, weather) in &self.now_and_then {
            origin = origin.sometimes(*permille, *weather);
        }
        World::builder(self.seed, table)
            .data_centres(self.data_centres)
            .isolates(self.isolates)
            .hosting(self.hosting)
            .edge(EdgeModel { evicts_permille: self.evicts_permille, ..EdgeModel::default() })
            .kv(self.kv.clone())
            .origin(origin)
            .faults(self.faults.clone())
            .tiers(self.tiers)
    }

    pub fn load(&self) -> Load {
        Load::zipf(TARGETS, 1.0).every(self.every).lasting(LASTING).mix(self.mix.clone())
    }

    pub fn run(&self) -> History {
        self.run_in(self.builder())
    }

    pub fn run_in(&self, builder: WorldBuilder) -> History {
        let mut world = builder.build();
        world.load(&self.load());
        world.run()
    }
}
