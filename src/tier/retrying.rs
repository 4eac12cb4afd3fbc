//! A tier that asks its store again.

use super::pace::{Step, Turn};
#[cfg(any(feature = "data", feature = "sim"))]
use super::{Found, Page};
use super::{Pace, Takes, Tier, TierError};
use crate::entry::StoredResponse;
use crate::policy::{CacheKey, Level};
use crate::runtime::{Runtime, within};
use crate::semantics::freshness::{Timestamp, millis};
use crate::stats::{Effort, Operation, RetryObserver};
use futures::channel::oneshot;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// How long reads and writes may take where neither the owner nor the tier within says so.
const READS: Duration = Duration::from_secs(2);
const WRITES: Duration = Duration::from_secs(10);

/// What a store that wants fewer writes of a key waits for.
const SECOND: Duration = Duration::from_secs(1);

/// How long a body that streams keeps other writes of its key waiting.
const STREAMS: Duration = Duration::from_secs(30);

const SILENT: &str = "no answer in time";

/// A tier around another one that asks again what a store such as Workers KV refuses for the moment (429) or fails at (5xx).
///
/// An operation is tried again after [`TierError::Throttled`], [`TierError::Failed`] and silence, never after
/// [`Corrupt`](TierError::Corrupt), [`Refused`](TierError::Refused) or [`Exhausted`](TierError::Exhausted): up to
/// [`trials`](Self::trials) times, and only while its [`deadline`](Self::deadline) leaves time for the pause. The pauses are drawn
/// from nothing up to a bound that doubles each time ([`backoff`](Self::backoff)); after a write that was throttled a second comes on
/// top. The engine sees one outcome for each operation, that of the last trial.
///
/// An entry is put again only if its body is a buffer; a stream has one trial. A write may take half of the deadline for one trial,
/// after which it is taken for lost; it may be made all the same. A deletion goes on behind the response when whoever asked for it no
/// longer waits.
///
/// The tier itself is made for each request, because it waits by the request's own timers; what requests share is the
/// [`Pace`], which keeps the writes of each key in order and a second apart.
///
/// ```
/// use layercake::CacheConfig;
/// use layercake::policy::Level;
/// use layercake::runtime::Runtime;
/// use layercake::tier::{Pace, RetryingTier, Tier};
/// use std::sync::Arc;
///
/// fn patient(config: &CacheConfig, pace: &Arc<Pace>, kv: Arc<dyn Tier>, runtime: Arc<dyn Runtime>) -> RetryingTier {
///     RetryingTier::new(kv, runtime).pace(Arc::clone(pace)).observer(config.observer(Level::L2))
/// }
/// ```
#[derive(Clone)]
pub struct RetryingTier {
    tier: Arc<dyn Tier>,
    runtime: Arc<dyn Runtime>,
    pace: Option<Arc<Pace>>,
    observer: Option<Arc<dyn RetryObserver>>,
    deadline: Option<Duration>,
    trials: u32,
    backoff: (Duration, Duration),
}

impl RetryingTier {
    /// `tier`, asked again as the defaults say; without a [`Pace`].
    #[must_use]
    pub fn new(tier: Arc<dyn Tier>, runtime: Arc<dyn Runtime>) -> Self {
        let backoff = (Duration::from_millis(100), Duration::from_secs(2));
        Self { tier, runtime, pace: None, observer: None, deadline: None, trials: 4, backoff }
    }

    /// How long an operation may take with all its trials, from when it is asked for. It is the tier's
    /// [`timeout`](Tier::timeout) and [`write_timeout`](Tier::write_timeout); the last twentieth is kept free, so that the operation ends
    /// by itself. A single trial of a read takes at most what the tier within gives it. Default: for reads the timeout of the tier within, for
    /// writes its write timeout; 2 s and 10 s where it has none.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How often the store is asked at most, the first time included; at least once. Default: 4.
    #[must_use]
    pub const fn trials(mut self, most: u32) -> Self {
        self.trials = most;
        self
    }

    /// The longest pause before the second trial, which doubles for each further one up to `cap`. Each pause is drawn from nothing to its
    /// bound. Default: 100 ms, up to 2 s.
    #[must_use]
    pub const fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.backoff = (base, cap);
        self
    }

    /// Keeps writes and deletions in the order of `pace`, which is that of the store. Default: none is kept.
    #[must_use]
    pub fn pace(mut self, pace: Arc<Pace>) -> Self {
        self.pace = Some(pace);
        self
    }

    /// Lets `observer` know of each further trial, each write that waits or is superseded, and of what is given up.
    /// `CacheConfig::observer` counts. Default: nobody hears of it.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn RetryObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    fn observe(&self, operation: Operation, effort: Effort) {
        if let Some(observer) = &self.observer {
            observer.observe(operation, effort);
        }
    }

    /// Begins an operation that may take so long and be tried so often.
    fn begin(&self, operation: Operation, since: Timestamp, limit: Duration, most: u32) -> Trials<'_> {
        Trials { tier: self, operation, since, until: since.plus(limit.saturating_sub(limit / 20)), made: 0, most }
    }

    /// Queues a write that is asked for now. Without `again` there is one trial, which does not wait for its turn.
    fn queue(&self, operation: Operation, key: &CacheKey, again: bool) -> Result<Queued, TierError> {
        let (since, limit) = (self.runtime.now(), self.write_timeout().unwrap_or(WRITES));
        let Some(pace) = &self.pace else { return Ok(Queued { operation, since, limit, again, turn: None }) };
        let until = since.plus(if again { limit } else { STREAMS });
        match pace.enter(key.name(), operation == Operation::Delete, since, until) {
            Some(turn) => Ok(Queued { operation, since, limit, again, turn: Some(turn) }),
            None => Err(TierError::Throttled("too many keys are being written".to_owned())),
        }
    }

    /// Reads what `ask` asks of the tier within, however often.
    async fn read<'a, T>(
        &'a self,
        operation: Operation,
        now: Timestamp,
        ask: impl Fn(Timestamp) -> BoxFuture<'a, Result<T, TierError>>,
    ) -> Result<T, TierError> {
        let (limit, single) = (self.timeout().unwrap_or(READS), self.tier.timeout());
        let mut trials = self.begin(operation, self.runtime.now(), limit, self.trials);
        loop {
            // While the first trial may take all of the time, the engine's timer does for it.
            let left = trials.left();
            let timed = trials.made > 0 || single.is_some_and(|single| single < limit);
            let limit = timed.then(|| single.map_or(left, |single| single.min(left)));
            let call = ask(now.plus(trials.elapsed()));
            match in_time(&*self.runtime, limit, call).await {
                Ok(found) => return Ok(found),
                Err(error) => trials.again(error).await?,
            }
        }
    }

    /// Reads several entries: those that the tier within says no to for the moment are asked for again.
    #[cfg(any(feature = "data", feature = "sim"))]
    async fn read_many(&self, keys: &[CacheKey], now: Timestamp) -> Vec<Found> {
        let (limit, single) = (self.timeout().unwrap_or(READS), self.tier.timeout());
        let mut trials = self.begin(Operation::Get, self.runtime.now(), limit, self.trials);
        let first = single.filter(|single| *single < limit);
        let mut found = match within(&*self.runtime, first, self.tier.get_many(keys, now)).await {
            Some(found) => found,
            None => keys.iter().map(|_| Err(TierError::Failed(SILENT.to_owned()))).collect(),
        };
        loop {
            let is_open = |found: &Found| matches!(found, Err(TierError::Failed(_) | TierError::Throttled(_)));
            let Some(open) = found.iter_mut().find(|found| is_open(found)) else { return found };
            let Err(error) = std::mem::replace(open, Ok(None)) else { return found };
            let copy = match &error {
                TierError::Throttled(why) => TierError::Throttled(why.clone()),
                error => TierError::Failed(error.to_string()),
            };
            *open = Err(error);
            if trials.again(copy).await.is_err() {
                return found;
            }
            let (slots, again): (Vec<&mut Found>, Vec<CacheKey>) = found
                .iter_mut()
                .zip(keys)
                .filter(|(found, _)| is_open(found))
                .map(|(slot, key)| (slot, key.clone()))
                .unzip();
            let (left, at) = (trials.left(), now.plus(trials.elapsed()));
            let limit = Some(single.map_or(left, |single| single.min(left)));
            let answers = within(&*self.runtime, limit, self.tier.get_many(&again, at)).await;
            slots.into_iter().zip(answers.unwrap_or_default()).for_each(|(slot, answer)| *slot = answer);
        }
    }

    /// Has the tier within write, by `ask`, until it is done.
    async fn write<'a>(
        &'a self,
        Queued { operation, since, limit, again, turn }: Queued,
        now: Timestamp,
        mut ask: impl FnMut(Timestamp, bool) -> BoxFuture<'a, Result<(), TierError>>,
    ) -> Result<(), TierError> {
        let mut trials = self.begin(operation, since, limit, if again { self.trials } else { 1 });
        let single = self.tier.write_timeout().map_or(limit / 2, |own| own.min(limit / 2));
        loop {
            let claim = if again { single } else { STREAMS };
            if let Some(turn) = &turn {
                match trials.turn(turn, claim, again).await {
                    Ok(true) => {}
                    Ok(false) => {
                        self.observe(operation, Effort::Superseded);
                        return Ok(());
                    }
                    Err(error) => {
                        trials.give_up();
                        return Err(error);
                    }
                }
            }
            // The engine's own limit does for a stream.
            let limit = again.then(|| single.min(trials.left()));
            let call = ask(now.plus(trials.elapsed()), trials.is_last());
            let done = in_time(&*self.runtime, limit, call).await;
            if let Some(turn) = &turn {
                turn.end(self.runtime.now(), done.is_ok(), matches!(done, Err(TierError::Throttled(_))));
            }
            match done {
                Ok(()) => return Ok(()),
                Err(error) => trials.again(error).await?,
            }
        }
    }
}

/// A write that has been asked for.
struct Queued {
    operation: Operation,
    since: Timestamp,
    limit: Duration,
    again: bool,
    turn: Option<Turn>,
}

/// The outcome of `call`; silence is a failure.
async fn in_time<T>(
    runtime: &dyn Runtime,
    limit: Option<Duration>,
    call: BoxFuture<'_, Result<T, TierError>>,
) -> Result<T, TierError> {
    within(runtime, limit, call).await.unwrap_or_else(|| Err(TierError::Failed(SILENT.to_owned())))
}

/// The trials of one operation.
struct Trials<'a> {
    tier: &'a RetryingTier,
    operation: Operation,
    since: Timestamp,
    until: Timestamp,
    made: u32,
    most: u32,
}

impl Trials<'_> {
    fn elapsed(&self) -> Duration {
        self.tier.runtime.now().since(self.since)
    }

    fn left(&self) -> Duration {
        self.until.since(self.tier.runtime.now())
    }

    /// Whether the trial that comes is the last one allowed.
    const fn is_last(&self) -> bool {
        self.made.saturating_add(1) >= self.most
    }

    fn give_up(&self) {
        self.tier.observe(self.operation, Effort::GaveUp);
    }

    /// Waits for the next trial after one that ended with `error`; comes back with the error when there is none.
    async fn again(&mut self, error: TierError) -> Result<(), TierError> {
        let throttled = match &error {
            TierError::Failed(_) => false,
            TierError::Throttled(_) => true,
            TierError::Corrupt(_) | TierError::Refused(_) | TierError::Exhausted(_) => return Err(error),
        };
        self.made = self.made.saturating_add(1);
        let pause = self.pause(throttled);
        if self.made >= self.most || pause >= self.left() {
            if self.most > 1 {
                self.give_up();
            }
            return Err(error);
        }
        self.tier.runtime.sleep(pause).await;
        self.tier.observe(self.operation, Effort::Retried);
        Ok(())
    }

    /// Full jitter (Brooker, "Exponential Backoff And Jitter", 2015), behind the store's own second.
    fn pause(&self, throttled: bool) -> Duration {
        let (base, cap) = self.tier.backoff;
        let doubled = 1_u32 << self.made.saturating_sub(1).min(16);
        let bound = millis(base.saturating_mul(doubled).min(cap)).min(u64::from(u32::MAX));
        let drawn = (bound * u64::from(self.tier.runtime.random())) >> 32;
        let writes = matches!(self.operation, Operation::Put | Operation::Delete);
        let least = if throttled && writes { SECOND } else { Duration::ZERO };
        least + Duration::from_millis(drawn)
    }

    /// Waits for the turn of a write whose trial is taken for gone after `claim`; whether it has come, or a later write has taken its place.
    async fn turn(&self, turn: &Turn, claim: Duration, waits: bool) -> Result<bool, TierError> {
        let mut told = false;
        loop {
            let now = self.tier.runtime.now();
            let at = match turn.step(now, claim) {
                Step::Begin => return Ok(true),
                Step::Superseded => return Ok(false),
                Step::Wait(at) => at,
            };
            if !waits || at >= self.until {
                return Err(TierError::Throttled(
                    "the key was written just now, and its next turn comes too late".to_owned(),
                ));
            }
            if !told {
                self.tier.observe(self.operation, Effort::Paced);
                told = true;
            }
            self.tier.runtime.sleep(at.since(now)).await;
        }
    }
}

impl Tier for RetryingTier {
    fn level(&self) -> Level {
        self.tier.level()
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        self.tier.takes(length)
    }

    fn timeout(&self) -> Option<Duration> {
        self.deadline.or_else(|| self.tier.timeout())
    }

    fn write_timeout(&self) -> Option<Duration> {
        self.deadline.or_else(|| self.tier.write_timeout())
    }

    fn earns_trust(&self) -> bool {
        self.tier.earns_trust()
    }

    fn end_overdue(&self, limit: Duration) {
        self.tier.end_overdue(limit);
    }

    fn tries_again(&self) -> bool {
        true
    }

    fn keeps_order(&self) -> bool {
        self.pace.is_some() || self.tier.keeps_order()
    }

    #[cfg(feature = "resilience")]
    fn is_spare(&self) -> bool {
        self.tier.is_spare()
    }

    fn get<'a>(
        &'a self,
        key: &'a CacheKey,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        Box::pin(self.read(Operation::Get, now, move |now| self.tier.get(key, now)))
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        let again = entry.body.try_clone().is_some();
        let mut kept = Some(entry);
        let ask = move |now, last: bool| {
            let entry = if last { kept.take() } else { kept.as_ref().and_then(StoredResponse::try_clone) };
            entry.map_or_else(
                || Box::pin(async { Err(TierError::Refused("its body is gone".to_owned())) }) as BoxFuture<'a, _>,
                |entry| self.tier.put(key, entry, now),
            )
        };
        Box::pin(async move { self.write(self.queue(Operation::Put, key, again)?, now, ask).await })
    }

    #[cfg(any(feature = "data", feature = "sim"))]
    fn get_many<'a>(&'a self, keys: &'a [CacheKey], now: Timestamp) -> BoxFuture<'a, Vec<Found>> {
        Box::pin(self.read_many(keys, now))
    }

    #[cfg(any(feature = "data", feature = "sim"))]
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, TierError>> {
        Box::pin(self.read(Operation::Get, Timestamp::default(), move |_| self.tier.list(prefix, cursor, limit)))
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        let queued = match self.queue(Operation::Delete, key, true) {
            Ok(queued) => queued,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        let (tier, key, (sender, receiver)) = (self.clone(), key.clone(), oneshot::channel());
        self.runtime.spawn(Box::pin(async move {
            let done = tier.write(queued, Timestamp::default(), |_, _| tier.tier.delete(&key)).await;
            let _ = sender.send(done);
        }));
        Box::pin(async {
            receiver.await.unwrap_or_else(|_| Err(TierError::Failed("the request has ended".to_owned())))
        })
    }
}
