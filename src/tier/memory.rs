#[cfg(any(feature = "data", feature = "sim"))]
use super::{Listed, Page};
use super::{Takes, Tier, TierError};
use crate::entry::StoredResponse;
use crate::policy::{
    CacheKey, Level,
    key::{KeyName, NameMap},
};
use crate::semantics::freshness::Timestamp;
use futures::future::{BoxFuture, ready};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A tier in memory, bounded by bytes; the entry not used for the longest time gives way.
///
/// Natively it is the ordinary tier. On Workers it is the hot tier: bodies are JavaScript buffers there, shared by all
/// answers, and [`max_stay`](Self::max_stay) bounds how long an entry may outlive an invalidation made elsewhere.
///
/// ```
/// use layercake::policy::Level;
/// use layercake::tier::MemoryTier;
/// use std::time::Duration;
///
/// let tier = MemoryTier::new(Level::L1, 64 << 20);
/// let hot = MemoryTier::new(Level::Hot, 2 << 20).max_entry(64 << 10).max_stay(Duration::from_secs(5));
/// # let _ = (tier, hot);
/// ```
pub struct MemoryTier {
    level: Level,
    budget: u64,
    max_entry: u64,
    max_stay: Option<Duration>,
    spare: bool,
    shelf: Mutex<Shelf>,
}

/// What an entry is taken to weigh beside its body and header fields: head and bookkeeping.
const OVERHEAD: u64 = 512;

/// How long an entry stays at most in a tier that stands in for L2.
const SPARE_STAY: Duration = Duration::from_secs(60);

impl MemoryTier {
    /// A tier that keeps at most `budget` bytes, each entry counted with its header fields and 512 bytes on top of its body.
    #[must_use]
    pub fn new(level: Level, budget: u64) -> Self {
        Self { level, budget, max_entry: budget / 4, max_stay: None, spare: false, shelf: Mutex::default() }
    }

    /// The largest body taken, in bytes. Default: a quarter of the budget.
    #[must_use]
    pub const fn max_entry(mut self, bytes: u64) -> Self {
        self.max_entry = bytes;
        self
    }

    /// How long an entry stays at most, however fresh. Default: as long as its retention.
    #[must_use]
    pub const fn max_stay(mut self, stay: Duration) -> Self {
        self.max_stay = Some(stay);
        self
    }

    /// Makes it stand in for L2: it is read and written only where the cache has no L2, or L2 is being left alone because its reads or
    /// writes have been failing. An entry stays for 60 s at most, so that what L2 has got since is not kept from anybody for longer.
    /// With the feature `resilience`. Default: it is used at any time.
    ///
    /// ```
    /// use layercake::policy::Level;
    /// use layercake::tier::{MemoryTier, Tier};
    ///
    /// let spare = MemoryTier::new(Level::L2, 8 << 20).spare();
    /// assert!(spare.is_spare());
    /// ```
    #[cfg(feature = "resilience")]
    #[must_use]
    pub const fn spare(mut self) -> Self {
        self.spare = true;
        self
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.shelf().used
    }

    /// Entries held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shelf().slots.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.shelf() = Shelf::default();
    }

    /// A panic elsewhere leaves the shelf as it was between two whole operations.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tier for MemoryTier {
    fn level(&self) -> Level {
        self.level
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        match length {
            Some(length) if length > self.max_entry => Takes::Nothing,
            // The hot tier is for answers known to be small.
            None if self.level == Level::Hot => Takes::Nothing,
            _ => Takes::Buffer,
        }
    }

    #[cfg(feature = "resilience")]
    fn is_spare(&self) -> bool {
        self.spare
    }

    fn get<'a>(
        &'a self,
        key: &'a CacheKey,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        Box::pin(ready(Ok(self.shelf().get(key.name(), now))))
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        let retention = entry.head.freshness.retention_left(now);
        let stay = self.max_stay.map_or(retention, |stay| stay.min(retention));
        let stay = if self.spare { stay.min(SPARE_STAY) } else { stay };
        let weight = entry
            .body
            .len()
            .filter(|length| *length <= self.max_entry && entry.head.length.is_none_or(|l| l == *length))
            .map(|length| {
                let mut weight = length + OVERHEAD;
                entry.headers.for_each(&mut |name, value| weight += (name.len() + value.len()) as u64);
                weight
            });
        Box::pin(ready(match weight {
            Some(weight) if entry.body.try_clone().is_some() => {
                let slot = Slot {
                    #[cfg(any(feature = "data", feature = "sim"))]
                    key: key.clone(),
                    entry,
                    weight,
                    until: now.plus(stay),
                    last_use: 0,
                };
                self.shelf().put(key.name(), slot, self.budget);
                Ok(())
            }
            _ => Err(TierError::Refused("the memory tier takes buffers up to its limit".to_owned())),
        }))
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        self.shelf().remove(&key.name());
        Box::pin(ready(Ok(())))
    }

    /// An entry whose time is up is listed until it is asked for, with the time it had.
    #[cfg(any(feature = "data", feature = "sim"))]
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, TierError>> {
        Box::pin(ready(Ok(Page::of(self.shelf().listed(prefix), cursor, limit))))
    }
}

/// Entries by name, and a line of uses, oldest first. A use whose tick is no longer its entry's last is void; the line is
/// swept when void uses outnumber the entries.
#[derive(Default)]
struct Shelf {
    slots: NameMap<Slot>,
    uses: VecDeque<(u64, KeyName)>,
    used: u64,
    tick: u64,
}

struct Slot {
    #[cfg(any(feature = "data", feature = "sim"))]
    key: CacheKey,
    entry: StoredResponse,
    weight: u64,
    until: Timestamp,
    last_use: u64,
}

impl Shelf {
    fn get(&mut self, name: KeyName, now: Timestamp) -> Option<StoredResponse> {
        let slot = self.slots.get_mut(&name)?;
        if slot.until <= now {
            self.remove(&name);
            return None;
        }
        self.tick += 1;
        slot.last_use = self.tick;
        let entry = slot.entry.try_clone();
        self.note_use(name);
        entry
    }

    fn put(&mut self, name: KeyName, mut slot: Slot, budget: u64) {
        // The same response again stays no longer for it.
        if let Some(same) = self.slots.get(&name).filter(|old| old.entry.head.received == slot.entry.head.received) {
            slot.until = slot.until.min(same.until);
        }
        self.remove(&name);
        self.tick += 1;
        slot.last_use = self.tick;
        self.used += slot.weight;
        self.slots.insert(name, slot);
        self.note_use(name);
        while self.used > budget {
            let Some((tick, oldest)) = self.uses.pop_front() else { break };
            if self.slots.get(&oldest).is_some_and(|slot| slot.last_use == tick) {
                self.remove(&oldest);
            }
        }
    }

    #[cfg(any(feature = "data", feature = "sim"))]
    fn listed(&self, prefix: &str) -> Vec<Listed> {
        let named = self.slots.values().map(|slot| (slot.key.store_name(), slot));
        let listed = named.filter(|(name, _)| name.starts_with(prefix)).map(|(name, slot)| {
            let head = Some((*slot.entry.head).clone());
            Listed { name, expires: Some(slot.until), head }
        });
        listed.collect()
    }

    /// Notes that the last tick was a use of this entry.
    fn note_use(&mut self, name: KeyName) {
        if self.uses.len() > 2 * self.slots.len() + 16 {
            let slots = &self.slots;
            self.uses.retain(|(tick, name)| slots.get(name).is_some_and(|slot| slot.last_use == *tick));
        }
        self.uses.push_back((self.tick, name));
    }

    fn remove(&mut self, name: &KeyName) {
        if let Some(slot) = self.slots.remove(name) {
            self.used -= slot.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Head;
    use crate::semantics::freshness::Freshness;
    use futures::FutureExt;
    use std::sync::Arc;

    const START: Timestamp = Timestamp::from_secs(1000);

    fn entry(body: &'static str, lifetime: u64) -> StoredResponse {
        let freshness = Freshness { born: START, lifetime: Duration::from_secs(lifetime), ..Freshness::default() };
        let length = Some(body.len() as u64);
        let head = Head { status: 200, freshness, received: START, length, ..Head::default() };
        StoredResponse { head: Arc::new(head), headers: Box::new(http::HeaderMap::new()), body: body.into() }
    }

    fn key(n: u32) -> CacheKey {
        CacheKey::for_tests(n)
    }

    fn put(tier: &MemoryTier, n: u32, body: &'static str) -> Result<(), TierError> {
        tier.put(&key(n), entry(body, 60), START).now_or_never().unwrap()
    }

    fn holds(tier: &MemoryTier, n: u32, at: u64) -> bool {
        tier.get(&key(n), START.plus(Duration::from_secs(at))).now_or_never().unwrap().unwrap().is_some()
    }

    #[test]
    fn the_least_recently_used_entry_gives_way() {
        let tier = MemoryTier::new(Level::L1, 2 * (OVERHEAD + 4)).max_entry(10);
        put(&tier, 1, "aaaa").unwrap();
        put(&tier, 2, "bbbb").unwrap();
        assert!(holds(&tier, 1, 0));
        put(&tier, 3, "cccc").unwrap();
        assert!(holds(&tier, 1, 0) && !holds(&tier, 2, 0) && holds(&tier, 3, 0));
        put(&tier, 3, "d").unwrap();
        assert_eq!((tier.len(), tier.used()), (2, 2 * OVERHEAD + 5));
        tier.delete(&key(1)).now_or_never().unwrap().unwrap();
        tier.delete(&key(3)).now_or_never().unwrap().unwrap();
        assert_eq!((tier.is_empty(), tier.used()), (true, 0));
    }

    #[test]
    fn entries_leave_when_their_time_is_up() {
        let tier = MemoryTier::new(Level::L1, 10_000);
        put(&tier, 1, "a").unwrap();
        assert!(holds(&tier, 1, 59) && !holds(&tier, 1, 60));
        let hot = MemoryTier::new(Level::Hot, 10_000).max_stay(Duration::from_secs(5));
        put(&hot, 1, "a").unwrap();
        assert!(holds(&hot, 1, 4) && !holds(&hot, 1, 5));
        assert_eq!(hot.used(), 0);
    }

    #[cfg(feature = "resilience")]
    #[test]
    fn a_spare_tier_keeps_nothing_for_more_than_a_minute() {
        for tier in [
            MemoryTier::new(Level::L2, 10_000).spare(),
            MemoryTier::new(Level::L2, 10_000).spare().max_stay(Duration::from_secs(600)),
        ] {
            let long = || tier.put(&key(1), entry("a", 3600), START).now_or_never().unwrap().unwrap();
            long();
            assert!(holds(&tier, 1, 59) && !holds(&tier, 1, 60));
        }
    }

    #[test]
    fn the_line_of_uses_stays_short() {
        let tier = MemoryTier::new(Level::L1, 10_000);
        put(&tier, 1, "a").unwrap();
        for _ in 0..1000 {
            assert!(holds(&tier, 1, 0));
        }
        assert!(tier.shelf().uses.len() < 25);
    }

    #[test]
    fn what_it_has_is_listed_in_pages() {
        let tier = MemoryTier::new(Level::L1, 100_000);
        for n in [3, 1, 0x0100_0000, 2] {
            put(&tier, n, "a").unwrap();
        }
        let list = |prefix: &str, cursor: Option<&str>, limit| {
            let page = tier.list(prefix, cursor, limit).now_or_never().unwrap().unwrap();
            (page.entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>(), page.cursor)
        };
        let names: Vec<_> = [1, 2, 3, 0x0100_0000].map(|n| key(n).store_name()).into();
        assert_eq!(list("lc1:test:v1:", None, 10), (names.clone(), None));
        assert_eq!(list("", None, 4), (names.clone(), None));
        assert_eq!(list("lc1:test:v1:00", None, 10), (names[..3].to_vec(), None));
        assert_eq!(list("lc1:test:v2:", None, 10), (Vec::new(), None));
        let (first, cursor) = list("", None, 3);
        assert_eq!(first, names[..3]);
        assert_eq!(list("", cursor.as_deref(), 3), (names[3..].to_vec(), None));
        // A page has at least one entry; one that is gone meanwhile is no obstacle.
        let (first, cursor) = list("", None, 0);
        assert_eq!(first, names[..1]);
        tier.delete(&key(1)).now_or_never().unwrap().unwrap();
        assert_eq!(list("", cursor.as_deref(), 9), (names[1..].to_vec(), None));
        let page = tier.list(&names[1], None, 9).now_or_never().unwrap().unwrap();
        let expected = tier.get(&key(2), START).now_or_never().unwrap().unwrap().unwrap().head;
        assert_eq!(page.entries[0].head.as_ref(), Some(&*expected));
        assert_eq!(page.entries[0].expires, Some(START.plus(Duration::from_secs(60))));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let tier = MemoryTier::new(Level::L1, 10_000).max_entry(3);
        assert!(matches!(put(&tier, 1, "aaaa"), Err(TierError::Refused(_))));
        assert_eq!(tier.takes(Some(4)), Takes::Nothing);
        assert_eq!(tier.takes(None), Takes::Buffer);
    }
}
