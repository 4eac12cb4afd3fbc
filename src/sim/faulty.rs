use crate::body::Body;
use crate::entry::StoredResponse;
use crate::policy::{CacheKey, Level};
use crate::runtime::Runtime;
use crate::semantics::freshness::Timestamp;
use crate::sim::SimRuntime;
use crate::tier::{Found, Page, Takes, Tier, TierError};
use bytes::Bytes;
use futures::future::{BoxFuture, poll_fn};
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What goes wrong when a tier is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetFault {
    /// It says that it failed.
    Fail,
    /// It does not answer. A call that hangs when the tier is healed fails then.
    Hang,
    /// It answers after this time.
    Slow(Duration),
    /// It says that the entry cannot be read.
    Corrupt,
    /// It answers with an entry that was put under another key, where it has one.
    Foreign,
    /// It answers with all but the last byte of the body.
    Truncated,
    /// It answers at once, with a body of the right length that never comes.
    Stalled,
}

/// What goes wrong when a tier is given an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutFault {
    /// It says that it failed.
    Fail,
    /// It does not answer. A call that hangs when the tier is healed fails then.
    Hang,
    /// It commits after this time.
    Slow(Duration),
    /// It says that it committed, and forgets the entry.
    Lose,
}

/// A tier around another that fails on demand, and remembers what it was asked.
///
/// ```
/// use layercake::policy::Level;
/// use layercake::sim::{FaultyTier, GetFault, SimRuntime};
/// use layercake::tier::{MemoryTier, Tier};
///
/// let runtime = SimRuntime::new();
/// let tier = FaultyTier::new(MemoryTier::new(Level::L2, 1 << 20), runtime);
/// tier.fail_gets(GetFault::Fail);
/// assert_eq!((tier.level(), tier.gets()), (Level::L2, 0));
/// tier.heal();
/// ```
pub struct FaultyTier {
    inner: Box<dyn Tier>,
    runtime: SimRuntime,
    timeout: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    get: Option<GetFault>,
    put: Option<PutFault>,
    healed: u64,
    hanging: Vec<Waker>,
    gets: u64,
    puts: u64,
    keys: Vec<CacheKey>,
}

impl FaultyTier {
    /// `inner`, healthy at first, whose look-ups may take one second.
    #[must_use]
    pub fn new(inner: impl Tier + 'static, runtime: SimRuntime) -> Self {
        let timeout = Some(Duration::from_secs(1));
        Self { inner: Box::new(inner), runtime, timeout, state: Mutex::default() }
    }

    /// How long a look-up may take. Default: 1 s.
    #[must_use]
    pub fn lookup_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Every look-up from now on has this fault.
    pub fn fail_gets(&self, fault: GetFault) {
        self.state().get = Some(fault);
    }

    /// Every put from now on has this fault.
    pub fn fail_puts(&self, fault: PutFault) {
        self.state().put = Some(fault);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        let hanging = {
            let mut state = self.state();
            (state.get, state.put) = (None, None);
            state.healed += 1;
            std::mem::take(&mut state.hanging)
        };
        hanging.into_iter().for_each(Waker::wake);
    }

    /// How often it was asked, for one entry or for many.
    #[must_use]
    pub fn gets(&self) -> u64 {
        self.state().gets
    }

    /// How often it was given an entry.
    #[must_use]
    pub fn puts(&self) -> u64 {
        self.state().puts
    }

    /// The keys it was given entries under, each once.
    #[must_use]
    pub fn keys(&self) -> Vec<CacheKey> {
        self.state().keys.clone()
    }

    /// The tier itself, without its faults.
    #[must_use]
    pub fn inner(&self) -> &dyn Tier {
        &*self.inner
    }

    async fn faulty_get(&self, key: &CacheKey, now: Timestamp) -> Result<Option<StoredResponse>, TierError> {
        let fault = {
            let mut state = self.state();
            state.gets += 1;
            state.get
        };
        self.answer(fault, key, now).await
    }

    async fn answer(&self, fault: Option<GetFault>, key: &CacheKey, now: Timestamp) -> Found {
        match fault {
            None => self.inner.get(key, now).await,
            Some(GetFault::Fail) => Err(failed()),
            Some(GetFault::Hang) => Err(self.hang().await),
            Some(GetFault::Slow(delay)) => {
                self.runtime.sleep(delay).await;
                self.inner.get(key, now).await
            }
            Some(GetFault::Corrupt) => Err(TierError::Corrupt("simulated".to_owned())),
            Some(GetFault::Foreign) => match self.keys().into_iter().rev().find(|other| other != key) {
                Some(other) => self.inner.get(&other, now).await,
                None => Ok(None),
            },
            Some(GetFault::Truncated) => match self.inner.get(key, now).await? {
                Some(entry) => cut(entry).await.map(Some),
                None => Ok(None),
            },
            Some(GetFault::Stalled) => {
                let found = self.inner.get(key, now).await?;
                Ok(found.map(|entry| entry.with_body(Body::stream(Stalled(entry.body.len())))))
            }
        }
    }

    /// What goes wrong with an operation goes wrong once for all of its keys.
    async fn faulty_get_many(&self, keys: &[CacheKey], now: Timestamp) -> Vec<Found> {
        let fault = {
            let mut state = self.state();
            state.gets += 1;
            state.get
        };
        match fault {
            None => return self.inner.get_many(keys, now).await,
            Some(GetFault::Fail) => return keys.iter().map(|_| Err(failed())).collect(),
            Some(GetFault::Hang) => {
                self.hang().await;
                return keys.iter().map(|_| Err(failed())).collect();
            }
            Some(GetFault::Slow(delay)) => {
                self.runtime.sleep(delay).await;
                return self.inner.get_many(keys, now).await;
            }
            _ => {}
        }
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.answer(fault, key, now).await);
        }
        found
    }

    async fn faulty_list(&self, prefix: &str, cursor: Option<&str>, limit: usize) -> Result<Page, TierError> {
        let fault = self.state().get;
        match fault {
            Some(GetFault::Fail) => return Err(failed()),
            Some(GetFault::Hang) => return Err(self.hang().await),
            Some(GetFault::Slow(delay)) => self.runtime.sleep(delay).await,
            _ => {}
        }
        self.inner.list(prefix, cursor, limit).await
    }

    async fn faulty_put(&self, key: &CacheKey, entry: StoredResponse, now: Timestamp) -> Result<(), TierError> {
        let fault = {
            let mut state = self.state();
            state.puts += 1;
            if !state.keys.contains(key) {
                state.keys.push(key.clone());
            }
            state.put
        };
        match fault {
            None => self.inner.put(key, entry, now).await,
            Some(PutFault::Fail) => Err(failed()),
            Some(PutFault::Hang) => Err(self.hang().await),
            Some(PutFault::Slow(delay)) => {
                self.runtime.sleep(delay).await;
                self.inner.put(key, entry, self.runtime.now()).await
            }
            Some(PutFault::Lose) => match entry.body.into_bytes(u64::MAX).await {
                Ok(_) => Ok(()),
                Err(error) => Err(TierError::Refused(error.to_string())),
            },
        }
    }

    /// Waits for the next [`heal`](Self::heal).
    async fn hang(&self) -> TierError {
        let begun = self.state().healed;
        poll_fn(|cx| {
            let mut state = self.state();
            if state.healed > begun {
                return Poll::Ready(());
            }
            state.hanging.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
        failed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tier for FaultyTier {
    fn level(&self) -> Level {
        self.inner.level()
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        self.inner.takes(length)
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    #[cfg(feature = "resilience")]
    fn is_spare(&self) -> bool {
        self.inner.is_spare()
    }

    fn get<'a>(
        &'a self,
        key: &'a CacheKey,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        Box::pin(self.faulty_get(key, now))
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(self.faulty_put(key, entry, now))
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        self.inner.delete(key)
    }

    fn get_many<'a>(&'a self, keys: &'a [CacheKey], now: Timestamp) -> BoxFuture<'a, Vec<Found>> {
        Box::pin(self.faulty_get_many(keys, now))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, TierError>> {
        Box::pin(self.faulty_list(prefix, cursor, limit))
    }
}

/// The entry without the last byte of its body.
pub(super) async fn cut(mut entry: StoredResponse) -> Result<StoredResponse, TierError> {
    let body = std::mem::take(&mut entry.body).into_bytes(u64::MAX).await;
    let bytes = body.map_err(|error| TierError::Failed(error.to_string()))?;
    entry.body = Body::from(bytes.slice(..bytes.len().saturating_sub(1)));
    Ok(entry)
}

/// A body of known length that never comes.
pub(super) struct Stalled(pub(super) Option<u64>);

impl http_body::Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        self.0.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

pub(super) fn failed() -> TierError {
    TierError::Failed("simulated".to_owned())
}
