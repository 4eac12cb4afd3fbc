//! A store that is asked again, and the order of its writes.

use crate::support::{MINUTE, RESILIENT, get, scripted, secs, table};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use layercake::body::Body;
use layercake::entry::{Head, StoredResponse};
use layercake::policy::key::Keyed;
use layercake::policy::{CacheKey, KeyPrefix, Level, SchemaVersion};
use layercake::runtime::Runtime as _;
use layercake::semantics::freshness::{Freshness, Timestamp};
use layercake::sim::{FaultyTier, GetFault, KvModel, Random, SimRuntime, StreamTier};
use layercake::stats::{Effort, Operation, Trouble};
use layercake::tier::{MemoryTier, Pace, RetryingTier, Takes, Tier, TierError};
use layercake::{Cache, Policy};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Error = fn(String) -> TierError;

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What a store makes of being asked.
#[derive(Clone, Copy)]
enum Says {
    Yes,
    No(Error),
    Nothing,
}

/// A store that says what it is told to, in order and then for good, and writes down what it is asked.
struct Store {
    runtime: SimRuntime,
    inner: Arc<dyn Tier>,
    takes: Box<dyn Fn() -> Duration + Send + Sync>,
    says: Box<dyn Fn() -> Says + Send + Sync>,
    asked: Mutex<Vec<(Operation, Timestamp)>>,
    committed: Mutex<Vec<(Operation, String)>>,
}

impl Store {
    fn new(runtime: &SimRuntime, says: impl IntoIterator<Item = Says>) -> Arc<Self> {
        let says: Mutex<VecDeque<Says>> = Mutex::new(says.into_iter().collect());
        let next = move || {
            let mut says = says.lock().unwrap();
            if says.len() > 1 { says.pop_front().unwrap() } else { says[0] }
        };
        Self::of(runtime, Arc::new(MemoryTier::new(Level::L2, 1 << 20)), next, || Duration::ZERO)
    }

    fn of(
        runtime: &SimRuntime,
        inner: Arc<dyn Tier>,
        says: impl Fn() -> Says + Send + Sync + 'static,
        takes: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (runtime, takes, says) = (runtime.clone(), Box::new(takes), Box::new(says));
        Arc::new(Self { runtime, inner, takes, says, asked: Mutex::default(), committed: Mutex::default() })
    }

    async fn ask<T>(
        &self,
        operation: Operation,
        what: String,
        call: BoxFuture<'_, Result<T, TierError>>,
    ) -> Result<T, TierError> {
        self.asked.lock().unwrap().push((operation, self.runtime.now()));
        let (says, takes) = ((self.says)(), (self.takes)());
        if !takes.is_zero() {
            self.runtime.sleep(takes).await;
        }
        match says {
            Says::Yes => {
                let done = call.await?;
                self.committed.lock().unwrap().push((operation, what));
                Ok(done)
            }
            Says::No(error) => Err(error("simulated".to_owned())),
            Says::Nothing => std::future::pending().await,
        }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// The times between one question and the next.
    fn gaps(&self) -> Vec<Duration> {
        self.asked.lock().unwrap().windows(2).map(|pair| pair[1].1.since(pair[0].1)).collect()
    }

    fn committed(&self) -> Vec<(Operation, String)> {
        self.committed.lock().unwrap().clone()
    }
}

impl Tier for Store {
    fn level(&self) -> Level {
        Level::L2
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        self.inner.takes(length)
    }

    fn timeout(&self) -> Option<Duration> {
        Some(secs(2))
    }

    fn get<'a>(
        &'a self,
        key: &'a CacheKey,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        Box::pin(self.ask(Operation::Get, String::new(), self.inner.get(key, now)))
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        let body = entry.body.try_clone().and_then(|body| body.into_bytes(1 << 20).now_or_never()?.ok());
        let what = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
        Box::pin(self.ask(Operation::Put, what, self.inner.put(key, entry, now)))
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(self.ask(Operation::Delete, String::new(), self.inner.delete(key)))
    }
}

#[derive(Clone, Default)]
struct Efforts(Arc<Mutex<Vec<(Operation, Effort)>>>);

impl Efforts {
    fn of(&self, tier: RetryingTier) -> RetryingTier {
        let seen = Arc::clone(&self.0);
        tier.observer(Arc::new(move |operation, effort| seen.lock().unwrap().push((operation, effort))))
    }

    fn count(&self, effort: Effort) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, seen)| *seen == effort).count()
    }

    fn all(&self) -> Vec<(Operation, Effort)> {
        self.0.lock().unwrap().clone()
    }
}

fn key() -> CacheKey {
    let prefix = KeyPrefix::new("shop", SchemaVersion(1), "").unwrap();
    CacheKey::of(&prefix, &Keyed::target(&get("/a")))
}

fn entry(body: impl Into<Body>) -> StoredResponse {
    let freshness = Freshness { born: SimRuntime::START, lifetime: 60 * MINUTE, ..Freshness::default() };
    let (key_check, received) = (key().check(), SimRuntime::START);
    let head = Head { key_check, status: 200, freshness, received, ..Head::default() };
    StoredResponse { head: Arc::new(head), headers: Box::new(http::HeaderMap::new()), body: body.into() }
}

fn text(number: u64) -> StoredResponse {
    entry(number.to_string().into_bytes())
}

fn patient(store: &Arc<Store>, runtime: &SimRuntime) -> RetryingTier {
    RetryingTier::new(Arc::clone(store) as Arc<dyn Tier>, Arc::new(runtime.clone()))
}

/// Has `tier` do it; what came of it and how long it took.
fn ask(runtime: &SimRuntime, tier: &dyn Tier, operation: Operation) -> (Result<(), TierError>, Duration) {
    let (key, began) = (key(), runtime.now());
    let done = match operation {
        Operation::Get => runtime.run(tier.get(&key, began)).map(drop),
        Operation::Put => runtime.run(tier.put(&key, text(1), began)),
        _ => runtime.run(tier.delete(&key)),
    };
    (done, runtime.now().since(began))
}

const FAILED: Says = Says::No(TierError::Failed);
const THROTTLED: Says = Says::No(TierError::Throttled);

// ---- trials

#[test]
fn it_asks_until_the_store_says_yes() {
    for operation in [Operation::Get, Operation::Put, Operation::Delete] {
        let (runtime, efforts) = (SimRuntime::new(), Efforts::default());
        let store = Store::new(&runtime, [FAILED, THROTTLED, FAILED, Says::Yes]);
        let tier = efforts.of(patient(&store, &runtime));
        assert!(ask(&runtime, &tier, operation).0.is_ok(), "{operation:?}");
        assert_eq!(store.asked(), 4);
        assert_eq!(efforts.all(), [(operation, Effort::Retried); 3]);
        assert_eq!(store.committed().len(), 1);
    }
}

#[test]
fn what_will_not_change_is_not_asked_again() {
    for operation in [Operation::Get, Operation::Put, Operation::Delete] {
        for error in [TierError::Corrupt as Error, TierError::Refused, TierError::Exhausted] {
            let (runtime, efforts) = (SimRuntime::new(), Efforts::default());
            let store = Store::new(&runtime, [Says::No(error)]);
            let (done, took) = ask(&runtime, &efforts.of(patient(&store, &runtime)), operation);
            assert_eq!(done.unwrap_err().to_string(), error("simulated".to_owned()).to_string());
            assert_eq!((store.asked(), took, efforts.all()), (1, Duration::ZERO, vec![]));
        }
    }
}

#[test]
fn it_gives_up_after_so_many_trials() {
    for operation in [Operation::Get, Operation::Put, Operation::Delete] {
        for most in [0, 1, 2, 7] {
            let (runtime, efforts) = (SimRuntime::new(), Efforts::default());
            let store = Store::new(&runtime, [FAILED]);
            let tier = efforts.of(patient(&store, &runtime).trials(most).backoff(millis(10), millis(10)));
            let (done, _) = ask(&runtime, &tier, operation);
            assert!(matches!(done, Err(TierError::Failed(_))));
            assert_eq!(store.asked(), most.max(1) as usize);
            assert_eq!(efforts.count(Effort::GaveUp), usize::from(most > 1), "{operation:?}, {most}");
        }
    }
}

#[test]
fn it_ends_by_itself_before_its_deadline() {
    for seed in 0..20 {
        for (operation, says, limit) in [
            (Operation::Get, FAILED, secs(2)),
            (Operation::Get, THROTTLED, secs(2)),
            (Operation::Put, FAILED, secs(10)),
            (Operation::Put, THROTTLED, secs(10)),
            (Operation::Delete, THROTTLED, secs(10)),
            (Operation::Put, Says::Nothing, secs(10)),
            (Operation::Delete, Says::Nothing, secs(10)),
        ] {
            let (runtime, efforts) = (SimRuntime::seeded(seed), Efforts::default());
            let store = Store::new(&runtime, [says]);
            let tier = efforts.of(patient(&store, &runtime).trials(u32::MAX).backoff(secs(1), secs(1)));
            assert_eq!((tier.timeout(), tier.write_timeout()), (Some(secs(2)), Some(secs(10))));
            let (done, took) = ask(&runtime, &tier, operation);
            assert!(done.is_err() && took < limit && store.asked() > 1, "{operation:?}: {took:?}, {}", store.asked());
            assert_eq!(efforts.count(Effort::GaveUp), 1, "{operation:?}");
            runtime.run_background();

            // The owner's own limit goes for all.
            let tier = patient(&store, &runtime).deadline(millis(700)).trials(u32::MAX);
            assert_eq!((tier.timeout(), tier.write_timeout()), (Some(millis(700)), Some(millis(700))));
            let (done, took) = ask(&runtime, &tier, operation);
            assert!(done.is_err() && took < millis(700), "{operation:?}: {took:?}");
        }
    }
}

#[test]
fn a_later_trial_of_a_read_that_hangs_ends_in_time() {
    let (runtime, efforts) = (SimRuntime::new(), Efforts::default());
    let store = Store::new(&runtime, [FAILED, Says::Nothing]);
    let (done, took) = ask(&runtime, &efforts.of(patient(&store, &runtime)), Operation::Get);
    assert!(done.unwrap_err().to_string().contains("no answer in time"));
    assert_eq!((took, efforts.count(Effort::GaveUp)), (millis(1900), 1));
}

#[test]
fn with_time_for_more_a_read_that_hangs_is_asked_again() {
    let runtime = SimRuntime::new();
    let store = Store::new(&runtime, [Says::Nothing, Says::Yes]);
    let (done, took) = ask(&runtime, &patient(&store, &runtime).deadline(secs(5)), Operation::Get);
    assert!(done.is_ok() && took >= secs(2) && took <= millis(2100), "{took:?}");
}

#[test]
fn pauses_are_drawn_from_nothing_to_a_bound_that_doubles() {
    let mut sums = [Duration::ZERO; 5];
    for seed in 0..200 {
        for (says, least) in [(FAILED, Duration::ZERO), (THROTTLED, secs(1))] {
            let runtime = SimRuntime::seeded(seed);
            let store = Store::new(&runtime, [says]);
            let tier = patient(&store, &runtime).trials(6).deadline(MINUTE).backoff(millis(100), millis(500));
            assert!(ask(&runtime, &tier, Operation::Put).0.is_err());
            let gaps = store.gaps();
            assert_eq!(gaps.len(), 5);
            for (n, (gap, bound)) in gaps.into_iter().zip([100, 200, 400, 500, 500]).enumerate() {
                assert!(gap >= least && gap <= least + millis(bound), "{gap:?}, {bound}");
                sums[n] += gap - least;
            }
        }
    }
    for (sum, bound) in sums.into_iter().zip([100, 200, 400, 500, 500]) {
        let mean = sum / 400;
        assert!(mean > millis(bound * 4 / 10) && mean < millis(bound * 6 / 10), "{mean:?} of {bound}");
    }
    // A read that was throttled need not wait for the second.
    let runtime = SimRuntime::new();
    let store = Store::new(&runtime, [THROTTLED, Says::Yes]);
    assert!(ask(&runtime, &patient(&store, &runtime), Operation::Get).1 <= millis(100));
}

#[test]
fn of_several_only_those_that_failed_are_asked_for_again() {
    let (runtime, efforts) = (SimRuntime::new(), Efforts::default());
    let store = Store::new(
        &runtime,
        [Says::Yes, Says::Yes, FAILED, Says::No(TierError::Refused), THROTTLED, FAILED, Says::Yes],
    );
    let tier = efforts.of(patient(&store, &runtime));
    runtime.run(tier.put(&key(), text(7), runtime.now())).unwrap();
    let keys = [key(), key(), key().lease(), key()];
    let found = runtime.run(tier.get_many(&keys, runtime.now()));
    assert!(matches!(&found[..], [Ok(Some(_)), Ok(Some(_)), Err(TierError::Refused(_)), Ok(Some(_))]), "{found:?}");
    // Four at first, two that failed, then one.
    assert_eq!((store.asked(), efforts.count(Effort::Retried)), (1 + 4 + 2 + 1, 2));

    let store = Store::new(&runtime, [FAILED, Says::Yes]);
    assert!(runtime.run(patient(&store, &runtime).list("", None, 10)).is_err(), "a list that is refused");
    let store = Store::new(&runtime, [FAILED]);
    let found = runtime.run(patient(&store, &runtime).get_many(&keys, runtime.now()));
    assert!(found.len() == 4 && found.iter().all(Result::is_err));
    assert_eq!(store.asked(), 16);
}

#[test]
fn a_stream_has_one_trial() {
    for paced in [false, true] {
        let runtime = SimRuntime::new();
        let inner = Arc::new(StreamTier::new(Level::L2, 1 << 20));
        let store = Store::of(&runtime, inner, || FAILED, || Duration::ZERO);
        let tier = patient(&store, &runtime);
        let tier = if paced { tier.pace(Arc::default()) } else { tier };
        let stream = || entry(scripted([Ok(Bytes::from_static(b"abc"))]));
        assert!(runtime.run(tier.put(&key(), stream(), runtime.now())).is_err());
        assert_eq!(store.asked(), 1);
        // Nor does it wait for its turn: the client reads the same body.
        let again = runtime.run(tier.put(&key(), stream(), runtime.now()));
        assert_eq!((matches!(again, Err(TierError::Throttled(_))), store.asked()), (paced, 2 - usize::from(paced)));
        assert_eq!(runtime.now(), SimRuntime::START);
    }
}

#[test]
fn a_deletion_goes_on_without_whoever_asked_for_it() {
    let runtime = SimRuntime::new();
    let store = Store::new(&runtime, [THROTTLED, Says::Yes]);
    let tier = patient(&store, &runtime);
    drop(tier.delete(&key()));
    runtime.run_background();
    assert_eq!(store.committed().len(), 1);
}

// ---- the order of writes

/// The number that a store holds.
fn held(runtime: &SimRuntime, tier: &dyn Tier) -> Option<u64> {
    let found = runtime.run(tier.get(&key(), runtime.now())).unwrap()?;
    let bytes = runtime.run(found.body.into_bytes(100)).unwrap();
    String::from_utf8_lossy(&bytes).parse().ok()
}

#[test]
fn a_burst_of_writes_of_one_key_ends_with_the_last_and_one_write_a_second() {
    for seed in 0..50 {
        let (runtime, efforts) = (SimRuntime::seeded(seed), Efforts::default());
        let kv = KvModel::default().tiers(&runtime, seed, 1).remove(0);
        let store = Store::of(&runtime, kv, || Says::Yes, || Duration::ZERO);
        let pace = Arc::new(Pace::new());
        let (key, now) = (key(), runtime.now());
        // Each request has a tier of its own.
        let tiers: Vec<_> = (0..10).map(|_| efforts.of(patient(&store, &runtime).pace(Arc::clone(&pace)))).collect();
        let writes = tiers.iter().zip(0..).map(|(tier, n)| tier.put(&key, text(n), now));
        assert!(runtime.run(join_all(writes)).iter().all(Result::is_ok));
        assert_eq!(held(&runtime, &*store), Some(9));
        assert!(runtime.now().since(now) < secs(4));
        let commits = store.committed().into_iter().filter(|(operation, _)| *operation == Operation::Put).count();
        assert!(commits <= 2, "{commits}");
        assert_eq!(efforts.count(Effort::Superseded), 10 - commits);
        let asked: Vec<_> = store.asked.lock().unwrap().iter().filter(|(o, _)| *o == Operation::Put).copied().collect();
        assert!(asked.windows(2).all(|pair| pair[1].1.since(pair[0].1) >= secs(1)), "{asked:?}");
    }
}

#[test]
fn writes_apart_are_all_made() {
    let (runtime, efforts) = (SimRuntime::new(), Efforts::default());
    let store = Store::new(&runtime, [Says::Yes]);
    let tier = efforts.of(patient(&store, &runtime).pace(Arc::default()));
    for n in 0..5 {
        runtime.run(tier.put(&key(), text(n), runtime.now())).unwrap();
        runtime.advance(millis(600));
    }
    let values: Vec<_> = store.committed().into_iter().map(|(_, what)| what).collect();
    assert_eq!(values, ["0", "1", "2", "3", "4"]);
    assert!(store.gaps().iter().all(|gap| *gap >= secs(1)));
    assert_eq!((efforts.count(Effort::Paced), efforts.count(Effort::Superseded)), (4, 0));
}

#[test]
fn a_turn_that_comes_too_late_is_refused_at_once() {
    let (runtime, efforts) = (SimRuntime::new(), Efforts::default());
    let store = Store::new(&runtime, [Says::Yes]);
    let tier = efforts.of(patient(&store, &runtime).pace(Arc::default()).deadline(millis(500)));
    runtime.run(tier.put(&key(), text(1), runtime.now())).unwrap();
    let refused = runtime.run(tier.put(&key(), text(2), runtime.now())).unwrap_err();
    assert!(matches!(&refused, TierError::Throttled(why) if why.contains("turn")), "{refused}");
    assert_eq!((runtime.now(), store.asked(), efforts.count(Effort::GaveUp)), (SimRuntime::START, 1, 1));
}

#[test]
fn two_isolates_write_the_same_key_by_trying_again() {
    for seed in 0..50 {
        let runtime = SimRuntime::seeded(seed);
        let kv = KvModel::default().tiers(&runtime, seed, 1).remove(0);
        let store = Store::of(&runtime, kv, || Says::Yes, || Duration::ZERO);
        let (key, now, throttled) = (key(), runtime.now(), Efforts::default());
        let isolates: Vec<_> =
            (0..2).map(|_| throttled.of(patient(&store, &runtime).trials(6).pace(Arc::default()))).collect();
        let writes = isolates.iter().zip(0..).map(|(tier, n)| tier.put(&key, text(n), now));
        let done = runtime.run(join_all(writes));
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        assert_eq!(store.committed().len(), 2);
        assert!(throttled.count(Effort::Retried) > 0);
    }
}

#[test]
fn a_request_that_vanishes_blocks_nobody_for_ever() {
    for hangs in [true, false] {
        let runtime = SimRuntime::new();
        let store = Store::new(&runtime, if hangs { [Says::Nothing, Says::Yes] } else { [Says::Yes, Says::Yes] });
        let (key, pace) = (key(), Arc::<Pace>::default());
        let tier = patient(&store, &runtime).pace(Arc::clone(&pace));
        if !hangs {
            runtime.run(tier.put(&key, text(0), runtime.now())).unwrap();
        }
        // It writes, or waits for its turn, and is never heard of again.
        let mut gone = tier.put(&key, text(1), runtime.now());
        runtime.run(async { assert!((&mut gone).now_or_never().is_none()) });
        std::mem::forget(gone);
        let began = runtime.now();
        runtime.run(tier.put(&key, text(2), began)).unwrap();
        assert!(runtime.now().since(began) <= secs(6), "{:?}", runtime.now().since(began));
        assert_eq!(held(&runtime, &*store), Some(2));
        runtime.advance(MINUTE);
        runtime.run(tier.put(&CacheKey::lease(&key), text(3), runtime.now())).unwrap();
        assert!(pace.len() <= 2);
    }
}

/// A write or deletion, its number, and what came of it.
type Ended = (u64, bool, Result<(), TierError>);

/// A history of one key under writers that come, fail and vanish at random.
fn random_history(seed: u64) {
    let mut random = Random::new(seed);
    let runtime = SimRuntime::seeded(seed).shuffled(seed);
    let (fails, throttles) = (random.below(2) * 250, random.below(2) * 150);
    let vanish = random.below(2) * 200;
    let longest = [1, 400, 3000][usize::try_from(random.below(3)).unwrap()];
    let (latency, luck) = (Mutex::new(random.split()), Mutex::new(random.split()));
    let says = move || {
        let mut luck = luck.lock().unwrap();
        match () {
            () if luck.permille(fails) => FAILED,
            () if luck.permille(throttles) => THROTTLED,
            () => Says::Yes,
        }
    };
    let takes = move || latency.lock().unwrap().between((Duration::ZERO, millis(longest)));
    let inner = Arc::new(MemoryTier::new(Level::L2, 1 << 20));
    let store = Store::of(&runtime, inner, says, takes);
    let (pace, numbers, ended) =
        (Arc::<Pace>::default(), Arc::new(AtomicU64::new(0)), Arc::<Mutex<Vec<Ended>>>::default());
    let mut vanished = 0;
    for _ in 0..12 {
        let tier = patient(&store, &runtime).pace(Arc::clone(&pace));
        let (wait, deletes) = (random.between((Duration::ZERO, millis(6000))), random.permille(200));
        let vanishes = random.permille(vanish).then(|| random.between((Duration::ZERO, millis(3000))));
        vanished += u64::from(vanishes.is_some());
        let (host, numbers, ended) = (runtime.clone(), Arc::clone(&numbers), Arc::clone(&ended));
        runtime.spawn(Box::pin(async move {
            host.sleep(wait).await;
            let (number, key, now) = (numbers.fetch_add(1, Ordering::SeqCst), key(), host.now());
            let work = if deletes { tier.delete(&key) } else { tier.put(&key, text(number), now) };
            let done = match vanishes {
                None => work.await,
                Some(after) => match futures::future::select(work, host.sleep(after)).await {
                    futures::future::Either::Left((done, _)) => done,
                    futures::future::Either::Right((_, work)) => {
                        // Its memory is not freed, its claims are not given back.
                        let work: BoxFuture<'_, _> = work;
                        std::mem::forget(work);
                        return;
                    }
                },
            };
            assert!(host.now().since(now) < secs(10), "it ends in time");
            ended.lock().unwrap().push((number, deletes, done));
        }));
    }
    runtime.run_background();
    assert_eq!(runtime.pending(), 0);
    let committed = store.committed();
    let values: Vec<u64> = committed.iter().filter_map(|(_, what)| what.parse().ok()).collect();
    assert!(values.is_sorted(), "seed {seed}: an older value came behind a newer one: {values:?}");
    let ended = ended.lock().unwrap();
    if vanished == 0 {
        assert!(store.gaps().iter().all(|gap| *gap >= secs(1)), "seed {seed}: {:?}", store.gaps());
        // What the last one wrote is there, or what it deleted is not.
        let (number, deletes, done) = ended.iter().max_by_key(|(number, ..)| number).expect("somebody wrote");
        if done.is_ok() {
            let expected = (!deletes).then_some(*number);
            assert_eq!(held(&runtime, &*store.inner), expected, "seed {seed}: {committed:?} {ended:?}");
        }
    }
}

#[test]
fn whatever_the_order_the_newest_wins() {
    for seed in 0..1500 {
        random_history(seed);
    }
}

// ---- in the engine

#[test]
fn the_engine_sees_one_outcome_for_each_operation() {
    let runtime = SimRuntime::new();
    let config = table(Policy::ttl(MINUTE));
    let l2 = Arc::new(FaultyTier::new(StreamTier::new(Level::L2, 1 << 20), runtime.clone()));
    let tier = RetryingTier::new(Arc::clone(&l2) as Arc<dyn Tier>, Arc::new(runtime.clone()));
    let tier = tier.pace(Arc::default()).observer(config.observer(Level::L2)).backoff(millis(10), millis(10));
    let tiers: [Arc<dyn Tier>; 1] = [Arc::new(tier)];
    let cache = Cache::new(config.clone(), tiers, Arc::new(runtime.clone()));
    let site = crate::support::Site::new(runtime.clone());
    let send = |path: &str| {
        let request = get(path);
        let response = runtime.run(cache.handle(&request, site.origin(&request))).expect("an answer");
        runtime.run(response.body.into_bytes(u64::MAX)).expect("a body");
    };
    l2.fail_gets(GetFault::Fail);
    for n in 0..9 {
        send(&format!("/{n}"));
    }
    let asked = if RESILIENT { 5 } else { 9 };
    assert_eq!(l2.gets(), 4 * asked, "its circuit is open after five");
    let stats = config.stats();
    let l2 = &stats.tiers[0];
    assert_eq!((l2.count(Operation::Get, Trouble::Failed), l2.count(Operation::Get, Trouble::TimedOut)), (asked, 0));
    assert_eq!(l2.count_effort(Operation::Get, Effort::Retried), 3 * asked);
    assert_eq!(l2.count_effort(Operation::Get, Effort::GaveUp), asked);
    let said = format!(r#""get_retried":{},"get_gave_up":{asked}"#, 3 * asked);
    assert!(config.to_log_line().contains(&said), "{}", config.to_log_line());
    runtime.run_background();
}
