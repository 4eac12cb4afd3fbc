//! One entry on its way into the tiers, behind the response.

use super::lookup::SMALL_BODY;
use super::parts::joined;
use super::plan::{Plan, Question};
use super::resilience::{Again, Landing, is_spare};
use super::tiers::Way;
use super::{Cache, is_l2};
use crate::body::Body;
use crate::entry::{Head, StoredResponse};
use crate::policy::{CacheKey, Level, RouteId, key::KeyName};
use crate::runtime::within;
use crate::semantics::validation::{Validators, strengthen};
use crate::stats::{Event, Trouble};
use crate::tier::{Takes, Tier};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

impl Cache {
    /// Stores `entry` in the tiers of `places`, behind the response. Whether any of them takes it.
    pub(super) fn store_behind(
        &self,
        plan: &Plan,
        question: &Question,
        key: &CacheKey,
        entry: StoredResponse,
        places: Range<usize>,
    ) -> bool {
        let store = self.store(plan, question, key, &entry, places);
        store.is_some_and(|store| store.run_behind(entry))
    }

    /// Runs `store` behind the response. A part is joined with the `old` one first; the entry in the primary slot learns of
    /// a variant that its family did not know yet.
    pub(super) fn run_behind(
        &self,
        plan: &Plan,
        question: &Arc<Question>,
        store: Store,
        entry: StoredResponse,
        old: Option<StoredResponse>,
    ) {
        let (cache, plan, question) = (self.clone(), plan.clone(), Arc::clone(question));
        self.runtime.spawn(Box::pin(async move {
            let (store, entry) = match old {
                None => (store, entry),
                Some(old) => {
                    let Some(entry) = joined(&*cache.runtime, old, entry).await else { return };
                    // What has become whole is for all tiers.
                    let all = cache.store(&plan, &question, &store.key, &entry, 0..cache.tiers.len());
                    match all {
                        Some(all) => (Store { landing: store.landing, newcomer: store.newcomer, ..all }, entry),
                        None => (store, entry),
                    }
                }
            };
            cache.run_store(&plan, &question, store, entry).await;
        }));
    }

    /// Runs `store`; whether any tier has the entry.
    pub(super) fn run_store<'a>(
        &'a self,
        plan: &'a Plan,
        question: &'a Question,
        store: Store,
        entry: StoredResponse,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let newcomer = store.newcomer;
            let stored = store.run(entry).await;
            if let (true, Some(mark)) = (stored, newcomer) {
                self.introduce(plan, question, mark).await;
            }
            stored
        })
    }

    /// The work of storing `entry` under `key`, when any tier of `places` takes it.
    pub(super) fn store(
        &self,
        plan: &Plan,
        question: &Question,
        key: &CacheKey,
        entry: &StoredResponse,
        places: Range<usize>,
    ) -> Option<Store> {
        let length = entry.body.len().or(entry.head.length);
        let l2 = belongs_in_l2(&entry.head);
        let (mut takers, mut leavers) = (Vec::new(), Vec::new());
        for (place, tier) in self.allowed(plan.policy.terms.tiers) {
            if !places.contains(&place) || (!l2 && tier.level() == Level::L2) {
                continue;
            }
            match tier.takes(length) {
                Takes::Nothing if tier.level() == Level::Hot || is_spare(tier) => leavers.push(Arc::clone(tier)),
                Takes::Nothing => {}
                takes => takers.push((takes, Arc::clone(tier))),
            }
        }
        for spare in self.idle_spares(plan.policy.terms.tiers) {
            leavers.push(Arc::clone(spare));
        }
        (!takers.is_empty() || !leavers.is_empty()).then(|| Store {
            cache: self.clone(),
            route: plan.route,
            key: key.clone(),
            names: [question.key.name(), key.name()],
            begun: question.begun,
            is_value: plan.is_for_a_value(),
            limit: plan.policy.terms.store.max_body,
            takers,
            leavers,
            landing: None,
            newcomer: None,
        })
    }

    /// The work of storing `entry`, in the nearer tiers alone where L2's copy of the one that it renews will do. What else L2 has
    /// of the question it must not go on with, even where the entry is not for L2.
    pub(super) fn store_in_place(
        &self,
        plan: &Plan,
        question: &Question,
        key: &CacheKey,
        entry: &StoredResponse,
        l2_keeps: bool,
    ) -> Option<Store> {
        if l2_keeps {
            return self.store(plan, question, key, entry, self.free_places());
        }
        let mut store = self.store(plan, question, key, entry, 0..self.tiers.len())?;
        if question.in_l2 && !belongs_in_l2(&entry.head) {
            for (_, tier) in self.allowed(plan.policy.terms.tiers) {
                if is_l2(tier) {
                    store.leavers.push(Arc::clone(tier));
                }
            }
        }
        Some(store)
    }

    /// The tiers that writing to costs nothing.
    pub(super) fn free_places(&self) -> Range<usize> {
        0..self.tiers.iter().position(is_l2).unwrap_or(self.tiers.len())
    }
}

/// Whether L2's copy of the `old` entry will do: it is still there when the new one has to be validated, and may not be used
/// for longer, or more freely, than the new one.
pub(super) fn outlasts(old: &Head, new: &Head) -> bool {
    let (before, after) = (&old.freshness, &new.freshness);
    old.l2_until > new.received.plus(after.lifetime)
        && before.born.plus(before.usable()) <= after.born.plus(after.usable())
        && before.born.plus(before.lifetime) <= after.born.plus(after.lifetime)
        && before.never_stale >= after.never_stale
        && old.shared <= new.shared
        && old.selecting == new.selecting
}

/// Whether an entry earns a write to L2: one that has to be validated before each use does not, nor does a part.
pub(super) fn belongs_in_l2(head: &Head) -> bool {
    head.part.is_none() && !head.freshness.usable_left(head.received).is_zero()
}

/// One entry to be stored: who takes it, and how.
pub(super) struct Store {
    pub(super) cache: Cache,
    pub(super) route: RouteId,
    pub(super) key: CacheKey,
    /// What makes the entry void while it is on its way: the target's key, and its own.
    names: [KeyName; 2],
    begun: u64,
    is_value: bool,
    limit: u64,
    takers: Vec<(Takes, Arc<dyn Tier>)>,
    /// Tiers that do not take it, and must not go on with its predecessor.
    leavers: Vec<Arc<dyn Tier>>,
    /// Others wait for it.
    pub(super) landing: Option<Landing>,
    /// The mark of a variant that its family does not know yet.
    pub(super) newcomer: Option<u32>,
}

/// How long a tier may take over an entry whose body streams, from the first byte to the last.
const STREAM_LIMIT: Duration = Duration::from_secs(5 * 60);

impl Store {
    /// Does the work behind the response. Whether any tier takes the entry.
    pub(super) fn run_behind(self, entry: StoredResponse) -> bool {
        let (taken, runtime) = (self.is_taken(), Arc::clone(&self.cache.runtime));
        runtime.spawn(Box::pin(self.run(entry).map(drop)));
        taken
    }

    /// Whether any tier takes the entry.
    pub(super) fn is_taken(&self) -> bool {
        !self.takers.is_empty()
    }

    /// A small or shareable body is read once and shared; another streams into the nearest tier that takes streams, and
    /// the rest is filled from what was committed there, so that an incomplete body reaches none.
    pub(super) fn run(mut self, mut entry: StoredResponse) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let mut length = entry.body.len().or(entry.head.length);
            if length.is_none() {
                // What turns out to be small is for all tiers, and for those who wait.
                match entry.body.gather(SMALL_BODY, self.limit).await {
                    Ok(body) => entry.body = body,
                    Err(error) => return self.broken(&error),
                }
                length = entry.body.len();
                self.reconsider(length);
            }
            for tier in &self.leavers {
                self.cache.delete(self.route, &self.key, tier, tier.write_timeout()).await;
            }
            if self.takers.is_empty() && self.landing.is_none() {
                return true;
            }
            let shared = entry.body.try_clone().is_some() || length.is_some_and(|length| length <= SMALL_BODY);
            if shared {
                return self.share(entry).await;
            }
            match self.source() {
                Some(source) => self.stream(entry, source).await,
                None => self.share(entry).await,
            }
        })
    }

    /// Lets the hot tier have what has turned out to be of this length.
    fn reconsider(&mut self, length: Option<u64>) {
        let leavers = std::mem::take(&mut self.leavers);
        for tier in leavers {
            match tier.takes(length) {
                takes if tier.level() == Level::Hot && !is_spare(&tier) && takes != Takes::Nothing => {
                    self.takers.insert(0, (takes, tier));
                }
                _ => self.leavers.push(tier),
            }
        }
    }

    /// The place of the tier that a stream goes into. An L1 seen to be without effect, or known to fail, is passed over when
    /// another can take the stream.
    fn source(&self) -> Option<usize> {
        let living = &self.cache.config.0.living;
        let fails = |way| living.guard.breakers.is_open(Level::L1, way);
        let streams = |skip_l1: bool| {
            self.takers
                .iter()
                .position(|(takes, tier)| *takes == Takes::Stream && !(skip_l1 && tier.level() == Level::L1))
        };
        streams(living.l1_is_inert() || fails(Way::Read) || fails(Way::Write)).or_else(|| streams(false))
    }

    /// The tier that a stream goes into.
    #[cfg(feature = "data")]
    pub(super) fn streaming(&self) -> Option<Arc<dyn Tier>> {
        self.source().and_then(|place| self.takers.get(place)).map(|(_, tier)| Arc::clone(tier))
    }

    async fn share(mut self, entry: StoredResponse) -> bool {
        let StoredResponse { head, headers, body } = entry;
        let body = match body.buffer(self.limit).await {
            Ok(body) if head.length.is_none_or(|length| body.len() == Some(length)) => body,
            Ok(_) => return self.broken(&"the body is not of the length announced"),
            Err(error) => return self.broken(&error),
        };
        let entry = StoredResponse { head: with_length(head, body.len()), headers, body };
        if let Some(landing) = self.landing.take() {
            let now = self.cache.now();
            match entry.try_clone().filter(|_| !self.is_overtaken()) {
                Some(copy) => landing.share(copy, now),
                None => landing.release(now),
            }
        }
        let (mut stored, mut again) = (false, Again::default());
        for (takes, tier) in &self.takers {
            let Some(copy) = entry.try_clone() else { continue };
            match self.put(tier, copy, tier.write_timeout()).await {
                Ok(()) => {
                    stored = true;
                    if *takes == Takes::Stream {
                        again.taken_by(tier);
                    }
                }
                Err(trouble) => again.refused_by(tier, trouble),
            }
        }
        self.write_again(again, entry);
        stored
    }

    async fn stream(mut self, entry: StoredResponse, source: usize) -> bool {
        let Some((_, first)) = self.takers.get(source) else { return false };
        let first = Arc::clone(first);
        let fields = entry.with_body(Body::empty());
        let taken = self.put(&first, entry, Some(STREAM_LIMIT)).await.is_ok();
        if let Some(landing) = self.landing.take() {
            let now = self.cache.now();
            match taken {
                true => landing.stored(now),
                // The origin has not failed. What the tier does not take now it hardly takes soon.
                false if !self.is_overtaken() => landing.apart(now),
                false => landing.release(now),
            }
        }
        if !taken {
            return false;
        }
        let mut again = Again::default();
        again.taken_by(&first);
        for (place, (_, tier)) in self.takers.iter().enumerate() {
            // What is passed over gets it with a hit.
            if place == source || (place < source && tier.level() == Level::L1) {
                continue;
            }
            match self.copy(&first, tier, fields.with_body(Body::empty())).await {
                Some(Err(trouble)) => again.refused_by(tier, trouble),
                Some(Ok(())) => {}
                None => return false,
            }
        }
        self.copy_again(again, fields);
        true
    }

    /// Fills `tier` from what was committed to `first`; nothing when that is not there.
    pub(super) async fn copy(
        &self,
        first: &Arc<dyn Tier>,
        tier: &Arc<dyn Tier>,
        fields: StoredResponse,
    ) -> Option<Result<(), Trouble>> {
        let get = first.get(&self.key, self.cache.now());
        let committed = match within(&*self.cache.runtime, first.timeout(), get).await {
            Some(Ok(committed)) => committed,
            Some(Err(error)) => return self.lost(first.level().as_str(), &error),
            None => return self.lost(first.level().as_str(), &"no answer in time"),
        };
        if first.level() == Level::L1 {
            self.cache.config.0.living.note_l1(committed.is_none());
        }
        // Another may have been put there meanwhile: its body is not for this head.
        let of = |entry: &StoredResponse| {
            let (head, Validators { etag, last_modified }) = (&entry.head, entry.validators());
            // A cache may weaken a tag on the way.
            let etag = etag.map(|etag| strengthen(&etag).to_owned());
            (head.key_check, head.received, head.freshness.born, head.family.id, etag, last_modified)
        };
        let Some(committed) = committed.filter(|committed| of(committed) == of(&fields)) else {
            return self.lost(first.level().as_str(), &"the entry just stored is not there");
        };
        let body = match tier.takes(committed.body.len().or(fields.head.length)) {
            Takes::Buffer => committed.body.buffer(self.limit).await,
            _ => Ok(committed.body),
        };
        match body {
            Ok(body) => {
                let head = with_length(Arc::clone(&fields.head), body.len());
                Some(self.put(tier, StoredResponse { head, ..fields.with_body(body) }, Some(STREAM_LIMIT)).await)
            }
            Err(error) => self.lost(tier.level().as_str(), &error),
        }
    }

    /// Puts the entry into one tier, unless what it answers was changed meanwhile.
    pub(super) async fn put(
        &self,
        tier: &Arc<dyn Tier>,
        entry: StoredResponse,
        limit: Option<Duration>,
    ) -> Result<(), Trouble> {
        // RFC 9111 section 4.4: what was asked for before a change is not there after it.
        if self.is_overtaken() {
            return Err(Trouble::Refused);
        }
        let done = self.cache.put(self.route, &self.key, tier, entry, limit).await;
        if self.is_overtaken() {
            // Behind a change of a value each tier is written to, or told to forget it.
            if !(self.is_value && tier.keeps_order()) {
                self.cache.delete(self.route, &self.key, tier, tier.write_timeout()).await;
            }
            return Err(Trouble::Refused);
        }
        if done.is_ok() {
            self.cache.config.record(self.route, Event::Stored);
        }
        done
    }

    pub(super) fn is_overtaken(&self) -> bool {
        self.cache.config.0.living.voids.overtook(&self.names, self.begun)
    }

    fn lost<T>(&self, what: &str, why: &dyn std::fmt::Display) -> Option<T> {
        self.cache.config.record(self.route, Event::StoreFailed);
        self.cache.complain(what, why);
        None
    }

    /// Nothing is stored of a body that broke off.
    fn broken(&self, why: &dyn std::fmt::Display) -> bool {
        self.lost::<()>("storing", why).is_some()
    }
}

/// The head for changing.
#[inline(never)]
pub(super) fn own(head: &mut Arc<Head>) -> &mut Head {
    Arc::make_mut(head)
}

/// The head of an entry whose length has become known.
fn with_length(mut head: Arc<Head>, length: Option<u64>) -> Arc<Head> {
    if head.length.is_none() && length.is_some() {
        own(&mut head).length = length;
    }
    head
}
