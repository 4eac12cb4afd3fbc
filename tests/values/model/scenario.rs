//! One random history.

use super::super::*;
use super::book::{Act, Book, End, Outcome, Run, Story, Terms};
use futures::future::{BoxFuture, Either, select};
use layercake::Body;
use layercake::data::{Bundle, Json};
use layercake::policy::CacheKey;
use layercake::sim::{KvModel, Random};
use layercake::tier::{Found, Pace, RetryingTier, Takes, TierError};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Loaders alone.
    Well,
    /// Tiers too, now and then.
    Trouble,
    /// All tiers, all the time; nothing is changed.
    Outage,
}

/// The keys: values, a bundle, bytes.
const VALUES: usize = 3;
const BUNDLE: usize = VALUES;
const RAW: usize = VALUES + 1;
const KEYS: usize = RAW + 1;

const ISOLATES: usize = 4;
const CENTRES: usize = 2;

/// How many visits a history has, over how long.
const VISITS: u64 = 70;
const SPAN: Duration = secs(100);

/// A loader's error.
#[derive(Debug)]
struct Failure(u64);

/// One store as a tier: KV as a data centre sees it.
struct Seen(Arc<dyn Tier>);

impl Tier for Seen {
    fn level(&self) -> Level {
        self.0.level()
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        self.0.takes(length)
    }

    fn get<'a>(&'a self, key: &'a CacheKey, now: Timestamp) -> BoxFuture<'a, Found> {
        self.0.get(key, now)
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        self.0.put(key, entry, now)
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        self.0.delete(key)
    }

    fn get_many<'a>(&'a self, keys: &'a [CacheKey], now: Timestamp) -> BoxFuture<'a, Vec<Found>> {
        self.0.get_many(keys, now)
    }
}

/// A store that may fail, and how to make it.
#[derive(Clone)]
struct Store(Arc<FaultyTier>, Deletes);

impl Store {
    fn new(runtime: &SimRuntime, timeout: Duration, tier: impl Tier + 'static) -> Self {
        let deletes = Deletes::default();
        let faulty = FaultyTier::new(deletes.watch(tier), runtime.clone()).lookup_timeout(Some(timeout));
        Self(Arc::new(faulty), deletes)
    }

    fn misbehave(&self, random: &mut Random) {
        let slow = random.between((secs(0), secs(4)));
        let gets = [
            GetFault::Fail,
            GetFault::Hang,
            GetFault::Slow(slow),
            GetFault::Corrupt,
            GetFault::Foreign,
            GetFault::Truncated,
            GetFault::Stalled,
        ];
        let puts = [PutFault::Fail, PutFault::Hang, PutFault::Slow(slow), PutFault::Lose];
        if random.permille(600) {
            random.choose(&gets).into_iter().for_each(|fault| self.0.fail_gets(*fault));
        }
        if random.permille(600) {
            random.choose(&puts).into_iter().for_each(|fault| self.0.fail_puts(*fault));
        }
        if random.permille(300) {
            self.1.fail(random.choose(&[DeleteFault::Fail, DeleteFault::Hang]).copied());
        }
    }

    fn fail(&self, random: &mut Random) {
        random.choose(&[GetFault::Fail, GetFault::Hang]).into_iter().for_each(|fault| self.0.fail_gets(*fault));
        random.choose(&[PutFault::Fail, PutFault::Hang]).into_iter().for_each(|fault| self.0.fail_puts(*fault));
    }

    fn heal(&self) {
        self.0.heal();
        self.1.fail(None);
    }
}

#[derive(Clone)]
struct Isolate {
    number: usize,
    /// The caller may leave half-way.
    leaves: bool,
    runtime: SimRuntime,
    config: CacheConfig,
    data: DataCache,
    book: Book,
}

/// A policy and what it allows.
fn policy(random: &mut Random) -> (DataPolicy, Terms) {
    let second = |n| Duration::from_secs(n);
    let (ttl, hard) = (second(1 + random.below(20)), second(5));
    let (swr, sie) = (second([0, 0, 20][random.below(3) as usize]), second([0, 0, 40][random.below(3) as usize]));
    let mut policy = DataPolicy::ttl(ttl).stale_while_revalidate(swr).stale_if_error(sie).hard_timeout(hard);
    let negative = random.permille(500).then(|| second(1 + random.below(6)));
    if let Some(negative) = negative {
        policy = policy.negative_ttl(negative);
    }
    if random.permille(200) {
        policy = policy.soft_timeout(second(1));
    }
    if random.permille(200) {
        policy = policy.refresh_early(second(3)).jitter(20);
    }
    let collapse = second([5, 5, 5, 0][random.below(4) as usize]);
    let terms = Terms { ttl, negative, window: swr.max(sie), hard, collapse };
    (policy.collapse_wait(collapse), terms)
}

fn name(key: usize) -> DataKey {
    DataKey::of("cache:model").with(key)
}

/// How a loader's run goes.
#[derive(Clone, Copy)]
struct Script {
    delay: Duration,
    end: End,
    lifetime: Option<Duration>,
}

impl Script {
    fn new(random: &mut Random, may_be_none: bool) -> Self {
        let millis = Duration::from_millis;
        let delay = match random.below(10) {
            0..=3 => Duration::ZERO,
            4..=6 => random.between((millis(1), millis(300))),
            7 | 8 => random.between((millis(300), secs(4))),
            _ => random.between((secs(4), secs(12))),
        };
        let end = match random.below(10) {
            0 | 1 => End::Error,
            2 if may_be_none => End::Nothing,
            _ => End::Value,
        };
        let lifetime = random.permille(150).then(|| secs(random.below(30)));
        Self { delay, end, lifetime }
    }

    /// Runs it: the number that it gives, if it is one.
    async fn play(self, runtime: SimRuntime, run: Run, terms: Terms) -> Result<Loaded<Option<u64>>, Failure> {
        let number = run.number;
        match (self.end, self.lifetime) {
            (End::Nothing, None) => run.good_for(terms.negative.unwrap_or_default()),
            (_, Some(lifetime)) => run.good_for(lifetime),
            _ => {}
        }
        if !self.delay.is_zero() {
            runtime.sleep(self.delay).await;
        }
        run.end(self.end);
        match self.end {
            End::Value => Ok(with_value(Some(number), self.lifetime)),
            End::Nothing => Ok(with_value(None, self.lifetime)),
            _ => Err(Failure(number)),
        }
    }
}

/// The same with another value.
fn with_value<T>(value: T, lifetime: Option<Duration>) -> Loaded<T> {
    let loaded = Loaded::new(value);
    match lifetime {
        Some(lifetime) => loaded.lifetime(lifetime),
        None => loaded,
    }
}

fn outcome(got: Result<Option<u64>, LoadError<Failure>>) -> Outcome {
    match got {
        Ok(Some(number)) => Outcome::Value(number),
        Ok(None) => Outcome::Nothing,
        Err(LoadError::Loader(Failure(number))) => Outcome::Error(number),
        Err(_) => Outcome::TimedOut,
    }
}

fn bundle(number: Option<u64>) -> Bundle {
    let mut bundle = Bundle::new(Json);
    bundle.insert("", &number).expect("a number");
    bundle
}

/// What a body holds; nothing for one that does not come, as the bytes of a stream may.
async fn bytes(runtime: &SimRuntime, body: Body) -> Option<u64> {
    let read = Box::pin(body.into_bytes(1 << 20));
    let Either::Left((Ok(bytes), _)) = select(read, runtime.sleep(secs(5))).await else { return None };
    Some(std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX))
}

impl Isolate {
    async fn load(self, key: usize, (policy, terms): (DataPolicy, Terms), script: Script) {
        let visit = self.book.begin((self.number, self.leaves), &[key], Act::Load, terms);
        let (book, place, runtime) = (self.book.clone(), visit[0], self.runtime.clone());
        let play = move || script.play(runtime, book.source(place, terms.ttl), terms);
        let (name, data, lifetime) = (name(key), self.data.clone(), script.lifetime);
        let got = match key {
            BUNDLE => {
                let loader = move || async move { Ok(with_value(bundle(play().await?.value), lifetime)) };
                let got = data.get_or_fetch_bundle(&name, &policy, loader).await;
                got.map(|bundle| bundle.get("").expect("a number").flatten())
            }
            RAW => {
                let loader = move || async move {
                    let number = play().await?.value.unwrap_or_default();
                    Ok(with_value(Body::from(number.to_string().into_bytes()), lifetime))
                };
                match data.get_or_fetch_raw(&name, &policy, loader).await {
                    Ok(body) => match bytes(&self.runtime, body).await {
                        Some(number) => Ok(Some(number)),
                        None => return self.book.end(&visit, &[Outcome::Absent]),
                    },
                    Err(error) => Err(error),
                }
            }
            _ => data.get_or_fetch_with(&name, &policy, play).await,
        };
        self.book.end(&visit, &[outcome(got)]);
    }

    async fn load_many(self, keys: Vec<usize>, (policy, terms): (DataPolicy, Terms), script: Script) {
        let visits = self.book.begin((self.number, self.leaves), &keys, Act::LoadMany, terms);
        let (book, places, of, runtime) = (self.book.clone(), visits.clone(), keys.clone(), self.runtime.clone());
        let script = Script { lifetime: None, ..script };
        let loader = move |asked: Vec<DataKey>| async move {
            let place = |asked: &DataKey| of.iter().position(|key| name(*key) == *asked).expect("a key asked for");
            let runs = asked
                .iter()
                .map(|asked| script.play(runtime.clone(), book.source(places[place(asked)], terms.ttl), terms));
            let loaded: Result<Vec<_>, Failure> = join_all(runs).await.into_iter().collect();
            Ok(loaded?.into_iter().map(|loaded| loaded.value).collect())
        };
        let names: Vec<DataKey> = keys.iter().map(|key| name(*key)).collect();
        let outcomes = match self.data.get_many_or_fetch(&names, &policy, loader).await {
            Ok(values) => values.into_iter().map(|value| outcome(Ok(value))).collect(),
            Err(LoadError::Loader(Failure(number))) => vec![Outcome::Error(number); keys.len()],
            Err(LoadError::TimedOut { .. }) => vec![Outcome::TimedOut; keys.len()],
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(outcomes.len(), keys.len());
        self.book.end(&visits, &outcomes);
    }

    async fn get(self, key: usize, terms: Terms) {
        let visit = self.book.begin((self.number, self.leaves), &[key], Act::Get, terms);
        let got = match key {
            BUNDLE => self.data.get_bundle(&name(key)).await.map(|bundle| bundle.get("").expect("a number").flatten()),
            RAW => match self.data.get_raw(&name(key)).await {
                Some(body) => bytes(&self.runtime, body).await.map(Some),
                None => None,
            },
            _ => self.data.get::<u64>(&name(key)).await.map(Some),
        };
        self.book.end(&visit, &[got.map_or(Outcome::Absent, |got| outcome(Ok(got)))]);
    }

    async fn get_many(self, keys: Vec<usize>, terms: Terms) {
        let visits = self.book.begin((self.number, self.leaves), &keys, Act::GetMany, terms);
        let names: Vec<DataKey> = keys.iter().map(|key| name(*key)).collect();
        let got = self.data.get_many::<u64>(&names).await;
        assert_eq!(got.len(), keys.len());
        let outcomes: Vec<_> = got.into_iter().map(|got| got.map_or(Outcome::Absent, Outcome::Value)).collect();
        self.book.end(&visits, &outcomes);
    }

    async fn set(self, key: usize, terms: Terms) {
        let visit = self.book.begin((self.number, self.leaves), &[key], Act::Set, terms);
        let run = self.book.source(visit[0], terms.ttl);
        let number = run.number;
        let done = match key {
            BUNDLE => self.data.set_bundle(&name(key), &bundle(Some(number)), terms.ttl).await,
            RAW => self.data.set_raw(&name(key), number.to_string().into_bytes().into(), terms.ttl).await,
            _ if number.is_multiple_of(2) => self.data.set(&name(key), &number, terms.ttl).await,
            _ => self.data.set_under(&name(key), &number, &DataPolicy::ttl(terms.ttl).tag("odd")).await,
        };
        run.end(End::Value);
        self.book.end(&visit, &[if done.is_ok() { Outcome::Done } else { Outcome::Undone }]);
    }

    async fn touch(self, key: usize, terms: Terms) {
        let visit = self.book.begin((self.number, self.leaves), &[key], Act::Touch(terms.ttl), terms);
        let outcome = match self.data.touch(&name(key), terms.ttl).await {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Absent,
            Err(_) => Outcome::Undone,
        };
        self.book.end(&visit, &[outcome]);
    }

    async fn delete(self, keys: Vec<usize>, terms: Terms) {
        let visits = self.book.begin((self.number, self.leaves), &keys, Act::Delete, terms);
        let names: Vec<DataKey> = keys.iter().map(|key| name(*key)).collect();
        let done = match &names[..] {
            [name] => self.data.delete(name).await,
            names => self.data.delete_many(names).await,
        };
        let outcome = if done.is_ok() { Outcome::Done } else { Outcome::Undone };
        self.book.end(&visits, &vec![outcome; keys.len()]);
    }

    /// Something random.
    fn act(&self, mode: Mode, random: &mut Random) -> BoxFuture<'static, ()> {
        let this = self.clone();
        let key = random.below(KEYS as u64) as usize;
        let keys: Vec<usize> = (0..VALUES).filter(|_| random.permille(700)).collect();
        let (policy, terms) = policy(random);
        let script = Script::new(random, key < VALUES);
        let several = !keys.is_empty();
        match random.below(if mode == Mode::Outage { 60 } else { 100 }) {
            0..=34 => Box::pin(this.load(key, (policy, terms), script)),
            35..=44 if several => Box::pin(this.load_many(keys, (policy, terms), Script::new(random, true))),
            45..=49 if several => Box::pin(this.get_many(keys, terms)),
            35..=59 => Box::pin(this.get(key, terms)),
            60..=77 => Box::pin(this.set(key, terms)),
            78..=85 => Box::pin(this.touch(key, terms)),
            86..=89 if several => Box::pin(this.delete(keys, terms)),
            _ => Box::pin(this.delete(vec![key], terms)),
        }
    }
}

/// Plays the history of a seed.
pub fn run(mode: Mode, seed: u64) -> Story {
    let mut random = Random::new(seed);
    let runtime = SimRuntime::seeded(random.next_u64()).shuffled(random.next_u64());
    let book = Book::new(runtime.clone());
    let model = KvModel { propagation: secs(20), cache_ttl: secs(20), ..KvModel::default() };
    let kv = model.tiers(&runtime, random.next_u64(), CENTRES);
    let kv: Vec<Store> = kv.into_iter().map(|kv| Store::new(&runtime, secs(2), Seen(kv))).collect();
    let l1 = |_| Store::new(&runtime, secs(1), StreamTier::new(Level::L1, 1 << 20));
    let l1: Vec<Store> = (0..CENTRES).map(l1).collect();
    let mut stores: Vec<Store> = kv.iter().chain(&l1).cloned().collect();
    let mut isolates = Vec::new();
    for number in 0..ISOLATES {
        let (centre, config) = (number % CENTRES, CacheConfig::new("model", SchemaVersion(1)));
        let config = config.log_every(u64::MAX, 10_000 * MINUTE).build().expect("the table is right");
        let hot = Store::new(&runtime, secs(1), MemoryTier::new(Level::Hot, 1 << 20).max_stay(secs(5)));
        let l2 = RetryingTier::new(kv[centre].0.clone(), Arc::new(runtime.clone())).pace(Arc::new(Pace::new()));
        let spare = MemoryTier::new(Level::L2, 1 << 20).spare();
        let tiers: [Arc<dyn Tier>; 4] = [hot.0.clone(), l1[centre].0.clone(), Arc::new(l2), Arc::new(spare)];
        let tiers = if mode == Mode::Outage { tiers[..3].to_vec() } else { tiers.to_vec() };
        let cache = Cache::new(config.clone(), tiers, Arc::new(runtime.clone()));
        let data = DataCache::new(cache, "https://model.example");
        stores.push(hot);
        isolates.push(Isolate { number, leaves: false, runtime: runtime.clone(), config, data, book: book.clone() });
    }
    if mode == Mode::Outage {
        stores.iter().for_each(|store| store.fail(&mut random));
    }
    for _ in 0..VISITS {
        let patience = random.permille(60).then(|| random.between((secs(0), secs(3))));
        let isolate = random.choose(&isolates).expect("some").clone();
        let isolate = Isolate { leaves: patience.is_some(), ..isolate };
        let (act, host) = (isolate.act(mode, &mut random), runtime.clone());
        // Some come at the same time.
        let at = random.between((secs(0), SPAN));
        let at = if random.permille(400) { secs(at.as_secs() / 10 * 10) } else { at };
        runtime.spawn(Box::pin(async move {
            host.sleep(at).await;
            match patience {
                None => act.await,
                Some(patience) => match select(act, host.sleep(patience)).await {
                    Either::Left(_) | Either::Right(_) => {}
                },
            }
        }));
    }
    if mode == Mode::Trouble {
        for _ in 0..random.below(6) {
            let store = random.choose(&stores).expect("some").clone();
            let (host, mut random) = (runtime.clone(), random.split());
            runtime.spawn(Box::pin(async move {
                host.sleep(random.between((secs(0), SPAN))).await;
                store.misbehave(&mut random);
                host.sleep(random.between((secs(1), secs(40)))).await;
                store.heal();
            }));
        }
    }
    runtime.run_background();
    stores.iter().for_each(Store::heal);
    runtime.run_background();
    let mut story = book.close();
    for isolate in isolates {
        let asked = story.visits.iter().filter(|visit| visit.isolate == isolate.number && visit.act.looks()).count();
        story.counted.push((isolate.config.stats().requests(), asked as u64));
    }
    story
}
