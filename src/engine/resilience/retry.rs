//! A write to L2 that failed is tried again, where it can still matter.
//!
//! What the nearer tiers do not keep the next request brings again; L2 is what other data centres and the next deployment live
//! on, and it says 429 to the second write of a key within a second.

use crate::body::Body;
use crate::engine::is_l2;
use crate::engine::lookup::SMALL_BODY;
use crate::engine::store::Store;
use crate::entry::StoredResponse;
use crate::semantics::freshness::Timestamp;
use crate::stats::{Event, Trouble};
use crate::tier::Tier;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The pauses before each trial, in milliseconds; up to half as much again is added at random. All of them fit what a Worker's
/// `waitUntil` lasts.
const PAUSES: [u64; 3] = [1100, 3000, 7000];

/// How long an entry must be of use yet to be worth another write.
const WORTH: Duration = Duration::from_secs(30);

/// How many writes of one isolate may wait to be tried again.
const MOST: usize = 16;

/// After what time one that waits is taken for gone: on Workers a request may vanish without a word.
const GONE: Duration = Duration::from_secs(120);

/// When the writes that wait to be tried again began to.
#[derive(Default)]
pub(in crate::engine) struct Retries(Mutex<Vec<Timestamp>>);

impl Retries {
    fn begin(&self, now: Timestamp) -> Option<Waiting<'_>> {
        let mut waiting = self.waiting();
        waiting.retain(|since| now.since(*since) < GONE);
        (waiting.len() < MOST).then(|| {
            waiting.push(now);
            Waiting { all: self, since: now }
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the entry is taken from once more.
enum Source {
    /// It is in a buffer.
    Entry(StoredResponse),
    /// It was committed to this tier, and has these fields.
    Tier(Arc<dyn Tier>, StoredResponse),
}

impl Source {
    const fn entry(&self) -> &StoredResponse {
        match self {
            Self::Entry(entry) | Self::Tier(_, entry) => entry,
        }
    }
}

/// Whether a write that failed so may succeed a little later, and is missed if it does not.
fn is_worth_another_try(tier: &Arc<dyn Tier>, trouble: Trouble) -> bool {
    is_l2(tier) && !tier.tries_again() && matches!(trouble, Trouble::Failed | Trouble::TimedOut | Trouble::Throttled)
}

/// What is left to be done about a write that failed.
#[derive(Default)]
pub(in crate::engine) struct Again {
    /// Where it failed and is worth another try.
    tier: Option<Arc<dyn Tier>>,
    /// Where the entry can be taken from then.
    from: Option<Arc<dyn Tier>>,
}

impl Again {
    /// The entry was committed to `tier`, which may be asked for it as a stream.
    pub(in crate::engine) fn taken_by(&mut self, tier: &Arc<dyn Tier>) {
        self.from.get_or_insert_with(|| Arc::clone(tier));
    }

    /// The write to `tier` failed so.
    pub(in crate::engine) fn refused_by(&mut self, tier: &Arc<dyn Tier>, trouble: Trouble) {
        if is_worth_another_try(tier, trouble) {
            self.tier = Some(Arc::clone(tier));
        }
    }
}

/// One of the writes that wait.
struct Waiting<'a> {
    all: &'a Retries,
    since: Timestamp,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.all.waiting();
        if let Some(place) = waiting.iter().position(|since| *since == self.since) {
            waiting.swap_remove(place);
        }
    }
}

impl Store {
    /// Writes `entry`, whose body is in a buffer, once more where that is left to be done.
    pub(in crate::engine) fn write_again(self, again: Again, entry: StoredResponse) {
        // No large body waits in memory.
        if entry.body.len().is_some_and(|length| length <= SMALL_BODY) {
            if let Some(tier) = again.tier {
                self.retry_behind(tier, Source::Entry(entry));
            }
        } else {
            self.copy_again(again, entry.with_body(Body::empty()));
        }
    }

    /// The same for an entry with these `fields`, from where it was committed.
    pub(in crate::engine) fn copy_again(self, again: Again, fields: StoredResponse) {
        if let (Some(tier), Some(from)) = (again.tier, again.from) {
            self.retry_behind(tier, Source::Tier(from, fields));
        }
    }

    /// Tries again behind the response until it is done, no longer worth it, or hopeless.
    fn retry_behind(self, tier: Arc<dyn Tier>, source: Source) {
        let runtime = Arc::clone(&self.cache.runtime);
        runtime.spawn(Box::pin(self.retry(tier, source)));
    }

    async fn retry(self, tier: Arc<dyn Tier>, source: Source) {
        let tier = &tier;
        let runtime = &self.cache.runtime;
        let Some(_waiting) = self.cache.config.0.living.guard.retries.begin(runtime.now()) else { return };
        for pause in PAUSES {
            // Half of the pause, in parts of 2^16.
            let more = (pause * u64::from(runtime.random() >> 16)) >> 17;
            runtime.sleep(Duration::from_millis(pause + more)).await;
            let head = Arc::clone(&source.entry().head);
            if self.is_overtaken() || head.freshness.usable_left(runtime.now()) < WORTH {
                return;
            }
            // Somebody may have written a newer one: a read costs a tenth of a write.
            let there = self.cache.look(self.route, &self.key, tier, &mut runtime.now()).await;
            if there.is_ok_and(|there| there.is_some_and(|there| there.head.received >= head.received)) {
                return;
            }
            self.cache.config.record(self.route, Event::StoreRetried);
            let (first, copy) = match &source {
                Source::Entry(entry) => (None, entry.try_clone()),
                Source::Tier(first, fields) => (Some(Arc::clone(first)), fields.try_clone()),
            };
            let done = match (first, copy) {
                (Some(first), Some(fields)) => self.copy(&first, tier, fields).await,
                (None, Some(entry)) => Some(self.put(tier, entry, tier.write_timeout()).await),
                _ => None,
            };
            match done {
                Some(Err(trouble)) if is_worth_another_try(tier, trouble) || trouble == Trouble::Skipped => {}
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_wait_and_those_that_vanish_are_forgotten() {
        let retries = Retries::default();
        let at = |secs: u64| Timestamp::from_secs(1000 + secs);
        let waiting: Vec<_> = (0..20).filter_map(|_| retries.begin(at(0))).collect();
        assert_eq!(waiting.len(), MOST);
        drop(waiting);
        let vanished: Vec<_> = (0..20).filter_map(|_| retries.begin(at(1))).collect();
        assert_eq!(vanished.len(), MOST, "those before have ended");
        vanished.into_iter().for_each(std::mem::forget);
        assert!(retries.begin(at(120)).is_none());
        assert!(retries.begin(at(121)).is_some());
    }
}
