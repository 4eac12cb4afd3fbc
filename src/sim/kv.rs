use super::core::{Core, lock};
use super::stream::Chunks;
use crate::body::Body;
use crate::entry::{Head, StoredResponse};
use crate::message::{HeaderFields as _, Lines};
use crate::policy::{CacheKey, Level, key::KeyName};
use crate::runtime::Runtime as _;
use crate::semantics::freshness::Timestamp;
use crate::sim::{Bill, Faults, Random, SimRuntime};
use crate::tier::{Found, Listed, Page, Takes, Tier, TierError};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How the simulated Workers KV behaves.
///
/// ```
/// use layercake::sim::KvModel;
/// use std::time::Duration;
///
/// let strict = KvModel { writes_per_day: Some(1000), ..KvModel::default() };
/// assert_eq!(strict.cache_ttl, Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvModel {
    /// How long at most a write takes to be seen in each other data centre; each draws its own time. The writer's own sees
    /// it at once. Default: 60 s.
    pub propagation: Duration,
    /// How long a data centre goes on with what it has read, and with having found nothing. Default: 60 s.
    pub cache_ttl: Duration,
    /// How long a read takes, least and most. Default: 5 to 60 ms.
    pub read: (Duration, Duration),
    /// How long a write or deletion takes, least and most. Default: 50 to 400 ms.
    pub write: (Duration, Duration),
    /// How long a key is not written again after a write (429). Default: 1 s.
    pub write_gap: Duration,
    /// The shortest time a value is kept. Default: 60 s.
    pub shortest_stay: Duration,
    /// How many reads a day are allowed. Default: any number.
    pub reads_per_day: Option<u64>,
    /// How many writes a day are allowed; as many deletions, and as many lists. Default: any number.
    pub writes_per_day: Option<u64>,
}

impl Default for KvModel {
    fn default() -> Self {
        let (millis, minute) = (Duration::from_millis, Duration::from_secs(60));
        Self {
            propagation: minute,
            cache_ttl: minute,
            read: (millis(5), millis(60)),
            write: (millis(50), millis(400)),
            write_gap: Duration::from_secs(1),
            shortest_stay: minute,
            reads_per_day: None,
            writes_per_day: None,
        }
    }
}

impl KvModel {
    /// A store of its own on the clock of `runtime`, as each of so many data centres sees it; how long things take follows from `seed`.
    ///
    /// ```
    /// use layercake::policy::Level;
    /// use layercake::sim::{KvModel, SimRuntime};
    ///
    /// let tiers = KvModel::default().tiers(&SimRuntime::new(), 1, 2);
    /// assert_eq!((tiers.len(), tiers[0].level()), (2, Level::L2));
    /// ```
    #[must_use]
    pub fn tiers(self, runtime: &SimRuntime, seed: u64, data_centres: usize) -> Vec<Arc<dyn Tier>> {
        let core = Core::new(runtime.clone(), Faults::none(), &mut Random::new(seed));
        let store = Kv::new(Arc::new(core), self, data_centres);
        let tier = |data_centre| Arc::new(KvTier { store: Arc::clone(&store), data_centre }) as Arc<dyn Tier>;
        (0..data_centres).map(tier).collect()
    }
}

/// A value, or that there is none any more.
type Written = Option<Arc<Value>>;

struct Value {
    name: String,
    head: Arc<Head>,
    fields: Lines,
    body: Bytes,
    until: Timestamp,
}

/// One write of a key, and when each data centre sees it.
struct Write {
    what: Written,
    seen: Vec<Timestamp>,
}

#[derive(Default)]
struct State {
    keys: HashMap<KeyName, (Timestamp, Vec<Write>)>,
    /// What each data centre goes on with, and until when.
    regional: HashMap<(usize, KeyName), (Written, Timestamp)>,
    today: (u64, Bill),
}

/// The whole store.
pub(super) struct Kv {
    core: Arc<Core>,
    model: KvModel,
    data_centres: usize,
    state: Mutex<State>,
}

const DAY: u64 = 86_400;

impl Kv {
    pub(super) fn new(core: Arc<Core>, model: KvModel, data_centres: usize) -> Arc<Self> {
        Arc::new(Self { core, model, data_centres, state: Mutex::default() })
    }

    async fn take_time(&self, span: (Duration, Duration)) {
        let pause = self.core.numbers().latency.between(span);
        self.core.runtime.sleep(pause).await;
    }

    /// Counts one more of something unless the day's allowance is used up.
    fn charge(&self, one: Bill) -> Result<(), TierError> {
        let mut state = lock(&self.state);
        let day = self.core.runtime.now().as_secs() / DAY;
        if state.today.0 != day {
            state.today = (day, Bill::default());
        }
        let after = state.today.1 + one;
        let over = |count: u64, most: Option<u64>| most.is_some_and(|most| count > most);
        if over(after.reads, self.model.reads_per_day)
            || over(after.writes, self.model.writes_per_day)
            || over(after.deletes, self.model.writes_per_day)
            || over(after.lists, self.model.writes_per_day)
        {
            return Err(TierError::Exhausted("the day's allowance".to_owned()));
        }
        state.today.1 = after;
        drop(state);
        let mut history = self.core.history();
        history.bill = history.bill + one;
        Ok(())
    }

    fn read(&self, data_centre: usize, name: KeyName) -> Written {
        let now = self.core.runtime.now();
        let mut state = lock(&self.state);
        let kept = state.regional.get(&(data_centre, name)).filter(|(_, until)| *until > now);
        let what = if let Some((what, _)) = kept {
            what.clone()
        } else {
            let what = state.keys.get(&name).and_then(|(_, writes)| latest(writes, data_centre, now));
            state.regional.insert((data_centre, name), (what.clone(), now.plus(self.model.cache_ttl)));
            what
        };
        what.filter(|value| value.until > now)
    }

    /// What has come to the data centre; a list is never out of its regional cache.
    fn listed(&self, data_centre: usize, prefix: &str) -> Vec<Listed> {
        let now = self.core.runtime.now();
        let state = lock(&self.state);
        let values = state.keys.values().filter_map(|(_, writes)| latest(writes, data_centre, now));
        let listed = values.filter(|value| value.until > now && value.name.starts_with(prefix)).map(|value| {
            let head = Some((*value.head).clone());
            Listed { name: value.name.clone(), expires: Some(value.until), head }
        });
        listed.collect()
    }

    fn write(&self, data_centre: usize, name: KeyName, what: Written) -> Result<(), TierError> {
        let now = self.core.runtime.now();
        let one =
            if what.is_some() { Bill { writes: 1, ..Bill::default() } } else { Bill { deletes: 1, ..Bill::default() } };
        let gap = self.model.write_gap;
        if lock(&self.state).keys.get(&name).is_some_and(|(last, _)| now.since(*last) < gap) {
            return Err(TierError::Throttled("one write a second for each key".to_owned()));
        }
        self.charge(one)?;
        let seen = (0..self.data_centres).map(|other| {
            let wait = self.core.numbers().kv.between((Duration::ZERO, self.model.propagation));
            now.plus(if other == data_centre { Duration::ZERO } else { wait })
        });
        let write = Write { what: what.clone(), seen: seen.collect() };
        let mut state = lock(&self.state);
        let (last, writes) = state.keys.entry(name).or_default();
        // What is behind one that all see is seen by nobody any more.
        if let Some(place) = writes.iter().rposition(|write| write.seen.iter().all(|seen| *seen <= now)) {
            writes.drain(..place);
        }
        *last = now;
        writes.push(write);
        state.regional.insert((data_centre, name), (what, now.plus(self.model.cache_ttl)));
        Ok(())
    }
}

/// What a data centre sees of the writes of a key.
fn latest(writes: &[Write], data_centre: usize, now: Timestamp) -> Written {
    let sees = |write: &&Write| write.seen.get(data_centre).is_some_and(|seen| *seen <= now);
    writes.iter().rev().find(sees).and_then(|write| write.what.clone())
}

/// The store as one data centre sees it.
pub(super) struct KvTier {
    pub(super) store: Arc<Kv>,
    pub(super) data_centre: usize,
}

/// The largest value, in bytes.
const MAX_VALUE: u64 = 25 << 20;

/// How many keys one operation reads at most, and how many entries one lists.
pub(super) const MAX_BULK: usize = 100;
const MAX_LIST: usize = 1000;

/// Bodies up to this size come as bytes, larger ones as a stream.
const IN_ONE_PIECE: usize = 256 << 10;

impl KvTier {
    async fn read(&self, key: &CacheKey) -> Result<Option<StoredResponse>, TierError> {
        self.store.take_time(self.store.model.read).await;
        self.look(key)
    }

    fn look(&self, key: &CacheKey) -> Found {
        self.store.charge(Bill { reads: 1, ..Bill::default() })?;
        Ok(self.store.read(self.data_centre, key.name()).map(|value| {
            let body = match value.body.len() {
                length if length > IN_ONE_PIECE => Body::stream(Chunks(value.body.clone())),
                _ => value.body.clone().into(),
            };
            StoredResponse { head: Arc::clone(&value.head), headers: Box::new(value.fields.clone()), body }
        }))
    }

    async fn write(&self, key: &CacheKey, entry: StoredResponse, now: Timestamp) -> Result<(), TierError> {
        let StoredResponse { head, headers, body } = entry;
        let body = body.into_bytes(MAX_VALUE).await.map_err(|error| TierError::Refused(error.to_string()))?;
        if head.length.is_some_and(|length| length != body.len() as u64) {
            return Err(TierError::Refused("the body is not of the length announced".to_owned()));
        }
        let until = now.plus(head.freshness.retention_left(now).max(self.store.model.shortest_stay));
        let mut fields = Lines::default();
        headers.for_each(&mut |name, value| fields.append(name, &String::from_utf8_lossy(value)));
        self.store.take_time(self.store.model.write).await;
        self.store.write(
            self.data_centre,
            key.name(),
            Some(Arc::new(Value { name: key.store_name(), head, fields, body, until })),
        )
    }

    /// Each hundred keys take the time of one read.
    async fn read_many(&self, keys: &[CacheKey]) -> Vec<Found> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MAX_BULK) {
            self.store.take_time(self.store.model.read).await;
            found.extend(keys.iter().map(|key| self.look(key)));
        }
        found
    }
}

impl Tier for KvTier {
    fn level(&self) -> Level {
        Level::L2
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        match length {
            Some(length) if length > MAX_VALUE => Takes::Nothing,
            Some(_) => Takes::Stream,
            None => Takes::Buffer,
        }
    }

    fn timeout(&self) -> Option<Duration> {
        Some(Duration::from_secs(2))
    }

    fn get<'a>(&'a self, key: &'a CacheKey, _: Timestamp) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        Box::pin(self.read(key))
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(self.write(key, entry, now))
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(async move {
            self.store.take_time(self.store.model.write).await;
            self.store.write(self.data_centre, key.name(), None)
        })
    }

    fn get_many<'a>(&'a self, keys: &'a [CacheKey], _: Timestamp) -> BoxFuture<'a, Vec<Found>> {
        Box::pin(self.read_many(keys))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, TierError>> {
        Box::pin(async move {
            self.store.take_time(self.store.model.read).await;
            self.store.charge(Bill { lists: 1, ..Bill::default() })?;
            Ok(Page::of(self.store.listed(self.data_centre, prefix), cursor, limit.min(MAX_LIST)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::freshness::Freshness;
    use crate::sim::unreliable::Unreliable;
    use crate::sim::{Faults, GetFault, Random, SimRuntime, TierFaults};

    const HOUR: Duration = Duration::from_secs(3600);

    fn world(faults: Faults, model: KvModel) -> (SimRuntime, Arc<Core>, [KvTier; 2]) {
        let runtime = SimRuntime::new();
        let core = Arc::new(Core::new(runtime.clone(), faults, &mut Random::new(1)));
        let store = Kv::new(Arc::clone(&core), model, 2);
        (runtime, core, [0, 1].map(|data_centre| KvTier { store: Arc::clone(&store), data_centre }))
    }

    fn put(runtime: &SimRuntime, tier: &impl Tier, n: u32) {
        let now = runtime.now();
        let freshness = Freshness { born: now, lifetime: HOUR, ..Freshness::default() };
        let head = Head { freshness, received: now, length: Some(1), ..Head::default() };
        let entry = StoredResponse { head: Arc::new(head), headers: Box::new(Lines::default()), body: "a".into() };
        runtime.run(tier.put(&CacheKey::for_tests(n), entry, now)).unwrap();
    }

    fn keys(numbers: impl Iterator<Item = u32>) -> Vec<CacheKey> {
        numbers.map(CacheKey::for_tests).collect()
    }

    fn has(found: &[Found]) -> Vec<bool> {
        found.iter().map(|found| matches!(found, Ok(Some(_)))).collect()
    }

    #[test]
    fn a_hundred_keys_take_the_time_of_one_read_and_cost_a_hundred() {
        let read = (Duration::from_millis(10), Duration::from_millis(10));
        let (runtime, core, [tier, _]) = world(Faults::none(), KvModel { read, ..KvModel::default() });
        put(&runtime, &tier, 7);
        let before = runtime.now();
        let found = runtime.run(tier.get_many(&keys((0..249).chain([7])), before));
        assert_eq!(has(&found), (0..249).chain([7]).map(|n| n == 7).collect::<Vec<_>>());
        assert_eq!(runtime.now().since(before), Duration::from_millis(30));
        assert_eq!(core.history().bill, Bill { reads: 250, writes: 1, ..Bill::default() });
    }

    #[test]
    fn reads_over_the_quota_fail_one_by_one() {
        let (runtime, _, [tier, _]) = world(Faults::none(), KvModel { reads_per_day: Some(3), ..KvModel::default() });
        let found = runtime.run(tier.get_many(&keys(0..5), runtime.now()));
        let exhausted = |found: &Found| matches!(found, Err(TierError::Exhausted(_)));
        assert_eq!(found.iter().map(exhausted).collect::<Vec<_>>(), [false, false, false, true, true]);
    }

    #[test]
    fn a_list_shows_what_has_come_to_the_data_centre() {
        let (runtime, core, [here, there]) = world(Faults::none(), KvModel::default());
        for n in [3, 1, 2] {
            put(&runtime, &here, n);
        }
        let names = |tier: &KvTier, cursor: Option<&str>| {
            let page = runtime.run(tier.list("lc1:test:v1:", cursor, 2)).unwrap();
            (page.entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>(), page.cursor)
        };
        let expected: Vec<_> = keys(1..4).iter().map(CacheKey::store_name).collect();
        let (first, cursor) = names(&here, None);
        assert_eq!(first, expected[..2]);
        assert_eq!(names(&here, cursor.as_deref()), (expected[2..].to_vec(), None));
        runtime.run(runtime.sleep(Duration::from_secs(61)));
        assert_eq!(names(&there, None), names(&here, None));
        runtime.run(here.delete(&CacheKey::for_tests(1))).unwrap();
        assert_eq!(names(&here, None).0, expected[1..]);
        assert_eq!(names(&there, None).0, expected[..2]);
        runtime.run(runtime.sleep(HOUR));
        assert_eq!(names(&there, None), (Vec::new(), None));
        assert_eq!(core.history().bill, Bill { writes: 3, deletes: 1, lists: 7, ..Bill::default() });
    }

    #[test]
    fn a_fault_strikes_an_operation_and_all_of_its_keys() {
        let faulty = |fault| Faults::none().tier(Level::L2, TierFaults::default().get(1000, fault));
        for fault in [GetFault::Fail, GetFault::Corrupt, GetFault::Truncated, GetFault::Foreign] {
            let (runtime, core, [tier, _]) = world(faulty(fault), KvModel::default());
            put(&runtime, &tier, 7);
            let tier = Unreliable::new(Arc::clone(&core), 0, Arc::new(tier));
            let found = runtime.run(tier.get_many(&keys(0..150), runtime.now()));
            assert_eq!(found.len(), 150);
            let tally = core.history().tiers[&(0, Level::L2)];
            assert_eq!((tally.gets, tally.faults), (2, 2), "{fault:?}");
            let whole = |found: &Found| matches!(found, Ok(Some(entry)) if entry.body.len() == Some(1));
            assert!(!found.iter().any(whole), "{fault:?}");
            assert_eq!(
                found.iter().all(Result::is_err),
                matches!(fault, GetFault::Fail | GetFault::Corrupt),
                "{fault:?}"
            );
            assert_eq!(runtime.run(tier.list("", None, 9)).is_err(), fault == GetFault::Fail);
        }
        let (runtime, core, [tier, _]) = world(faulty(GetFault::Slow(HOUR / 2)), KvModel::default());
        put(&runtime, &tier, 7);
        let (tier, before) = (Unreliable::new(core, 0, Arc::new(tier)), runtime.now());
        let found = runtime.run(tier.get_many(&keys(0..50), before));
        assert_eq!(has(&found), (0..50).map(|n| n == 7).collect::<Vec<_>>());
        assert!(runtime.now().since(before) >= HOUR / 2);
    }
}
