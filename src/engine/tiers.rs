//! Asking the tiers: in time, not when they are known to fail, and with everything that goes wrong counted.

use super::Cache;
use super::plan::Plan;
use super::resilience::is_spare;
use crate::entry::StoredResponse;
use crate::policy::{CacheKey, RouteId};
use crate::runtime::within;
use crate::semantics::freshness::Timestamp;
use crate::stats::{Event, Operation, Trouble};
use crate::tier::{Tier, TierError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// What is asked of a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Read,
    Write,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Well,
    Badly,
    /// There is nothing left of the quota.
    Exhausted,
}

/// An entry whose body is of another length than its head says is cut short, whatever the tier made of it.
fn is_whole(entry: &StoredResponse) -> bool {
    entry.body.len().is_none_or(|length| entry.head.length.is_none_or(|expected| expected == length))
}

impl Cache {
    /// The entry a tier has under `key`, whatever its age; a tier that fails, is slow or has been failing has none.
    pub(super) fn get<'a>(
        &'a self,
        plan: &Plan,
        key: &'a CacheKey,
        tier: &'a Arc<dyn Tier>,
    ) -> BoxFuture<'a, Option<StoredResponse>> {
        let route = plan.route;
        Box::pin(async move { self.look(route, key, tier, &mut self.now()).await.ok().flatten() })
    }

    /// The same for the walk, as its plan reads it. `clock` shows when the tier is asked, and then when it has answered.
    pub(super) async fn take(
        &self,
        plan: &Plan,
        key: &CacheKey,
        tier: &Arc<dyn Tier>,
        clock: &mut Timestamp,
    ) -> Option<StoredResponse> {
        let entry = self.look(plan.route, key, tier, clock).await.ok()??;
        #[cfg(feature = "data")]
        if plan.is_for_a_value() {
            let entry = self.read(plan, entry).await;
            *clock = self.now();
            return entry;
        }
        Some(entry)
    }

    /// The same on account of a route, with the reason where a tier does not say what it has.
    pub(super) fn look<'a>(
        &'a self,
        route: RouteId,
        key: &'a CacheKey,
        tier: &'a Arc<dyn Tier>,
        clock: &'a mut Timestamp,
    ) -> BoxFuture<'a, Result<Option<StoredResponse>, Trouble>> {
        Box::pin(self.look_in_time(route, key, tier, clock))
    }

    async fn look_in_time(
        &self,
        route: RouteId,
        key: &CacheKey,
        tier: &Arc<dyn Tier>,
        clock: &mut Timestamp,
    ) -> Result<Option<StoredResponse>, Trouble> {
        let (since, level, living) = (*clock, tier.level(), &self.config.0.living);
        let Some(limit) = tier.timeout() else {
            let mut asked = tier.get(key, since);
            let mut got = asked.as_mut().now_or_never();
            if got.is_none() {
                got = Some(asked.await);
                *clock = self.now();
            }
            return self.found(route, key, tier, got);
        };
        // What stands in for L2 has no circuit, least of all L2's.
        let guarded = !is_spare(tier);
        if guarded && !living.guard.breakers.lets_through(level, Way::Read, since) {
            self.skipped(route, tier, Operation::Get);
            return Err(Trouble::Skipped);
        }
        let end_overdue = || tier.end_overdue(limit);
        let trusted = tier.earns_trust() && !living.trust.begin(level, since, limit, end_overdue);
        let got = within(&*self.runtime, (!trusted).then_some(limit), tier.get(key, since)).await;
        let now = self.now();
        *clock = now;
        if tier.earns_trust() {
            living.trust.end(level, since, now, limit, matches!(got, Some(Ok(_))));
        }
        let found = self.found(route, key, tier, got);
        if guarded {
            living.guard.breakers.note(level, Way::Read, since, now, verdict(found.as_ref().err()));
        }
        found
    }

    /// The entries that a tier has under `keys`, asked for at once.
    #[cfg(feature = "data")]
    pub(super) async fn look_many(
        &self,
        route: RouteId,
        keys: &[CacheKey],
        tier: &Arc<dyn Tier>,
    ) -> Vec<Option<StoredResponse>> {
        let (since, level, living) = (self.now(), tier.level(), &self.config.0.living);
        let guarded = tier.timeout().is_some() && !is_spare(tier);
        if guarded && !living.guard.breakers.lets_through(level, Way::Read, since) {
            self.skipped(route, tier, Operation::Get);
            return Vec::new();
        }
        // A hundred have the time of one, and each further hundred as much again.
        let hundreds = u32::try_from(keys.len() / 100 + 1).unwrap_or(u32::MAX);
        let limit = tier.timeout().map(|limit| limit.saturating_mul(hundreds));
        let got = within(&*self.runtime, limit, tier.get_many(keys, since)).await;
        let Some(got) = got else {
            self.failed(route, tier, Operation::Get, Trouble::TimedOut, Event::TierFailed, None);
            if guarded {
                living.guard.breakers.note(level, Way::Read, since, self.now(), Verdict::Badly);
            }
            return Vec::new();
        };
        let mut worst = None;
        let found = keys.iter().zip(got).map(|(key, got)| {
            let found = self.found(route, key, tier, Some(got));
            // What speaks against the tier counts before what does not.
            let trouble = found.as_ref().err().copied();
            if verdict(worst.as_ref()) == Verdict::Well {
                worst = trouble.or(worst);
            }
            found.ok().flatten()
        });
        let found = found.collect();
        if guarded {
            living.guard.breakers.note(level, Way::Read, since, self.now(), verdict(worst.as_ref()));
        }
        found
    }

    fn found(
        &self,
        route: RouteId,
        key: &CacheKey,
        tier: &Arc<dyn Tier>,
        got: Option<Result<Option<StoredResponse>, TierError>>,
    ) -> Result<Option<StoredResponse>, Trouble> {
        let (trouble, error) = match outcome(got) {
            Ok(None) => return Ok(None),
            Ok(Some(entry)) if entry.head.key_check == key.check() && is_whole(&entry) => {
                return Ok(Some(entry));
            }
            Ok(Some(_)) => {
                self.config.trouble(tier.level(), Operation::Get, Trouble::Corrupt);
                self.config.record(route, Event::Corrupt);
                return Err(Trouble::Corrupt);
            }
            Err(failure) => failure,
        };
        let event = if trouble == Trouble::Corrupt { Event::Corrupt } else { Event::TierFailed };
        self.failed(route, tier, Operation::Get, trouble, event, error.as_ref());
        Err(trouble)
    }

    /// Puts `entry` into a tier, within `limit`.
    pub(super) fn put<'a>(
        &'a self,
        route: RouteId,
        key: &'a CacheKey,
        tier: &'a Arc<dyn Tier>,
        entry: StoredResponse,
        limit: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(self.put_in_time(route, key, tier, entry, limit))
    }

    async fn put_in_time(
        &self,
        route: RouteId,
        key: &CacheKey,
        tier: &Arc<dyn Tier>,
        entry: StoredResponse,
        limit: Option<Duration>,
    ) -> Result<(), Trouble> {
        let (since, level, breakers) = (self.now(), tier.level(), &self.config.0.living.guard.breakers);
        let guarded = tier.timeout().is_some() && !is_spare(tier);
        // What is not read need not be written.
        if guarded && (breakers.is_open(level, Way::Read) || !breakers.lets_through(level, Way::Write, since)) {
            self.skipped(route, tier, Operation::Put);
            return Err(Trouble::Skipped);
        }
        let put = within(&*self.runtime, limit, tier.put(key, entry, since)).await;
        let done = outcome(put).map_err(|(trouble, error)| {
            self.failed(route, tier, Operation::Put, trouble, Event::StoreFailed, error.as_ref());
            trouble
        });
        if guarded {
            breakers.note(level, Way::Write, since, self.now(), verdict(done.as_ref().err()));
        }
        done
    }

    /// Deletes what a tier has under `key`, however it has been doing: what is not deleted comes back.
    pub(super) fn delete<'a>(
        &'a self,
        route: RouteId,
        key: &'a CacheKey,
        tier: &'a Arc<dyn Tier>,
        limit: Option<Duration>,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Err((trouble, error)) = outcome(within(&*self.runtime, limit, tier.delete(key)).await) else {
                return true;
            };
            self.failed(route, tier, Operation::Delete, trouble, Event::TierFailed, error.as_ref());
            false
        })
    }

    fn skipped(&self, route: RouteId, tier: &Arc<dyn Tier>, operation: Operation) {
        self.config.trouble(tier.level(), operation, Trouble::Skipped);
        self.config.record(route, Event::TierSkipped);
    }

    #[inline(never)]
    fn failed(
        &self,
        route: RouteId,
        tier: &Arc<dyn Tier>,
        operation: Operation,
        trouble: Trouble,
        event: Event,
        error: Option<&TierError>,
    ) {
        self.config.trouble(tier.level(), operation, trouble);
        self.config.record(route, event);
        let why: &dyn Display = error.map_or(&"no answer in time", |error| error);
        self.complain(&[tier.level().as_str(), ", ", operation.as_str()].concat(), why);
    }
}

/// What a tier that was given so much time has done, or the reason that is counted and its error, if it had the time for one.
fn outcome<T>(done: Option<Result<T, TierError>>) -> Result<T, (Trouble, Option<TierError>)> {
    match done {
        Some(Ok(done)) => Ok(done),
        Some(Err(error)) => Err((trouble(&error), Some(error))),
        None => Err((Trouble::TimedOut, None)),
    }
}

/// The reason that is counted for an error.
const fn trouble(error: &TierError) -> Trouble {
    match error {
        TierError::Failed(_) => Trouble::Failed,
        TierError::Throttled(_) => Trouble::Throttled,
        TierError::Exhausted(_) => Trouble::Exhausted,
        TierError::Corrupt(_) => Trouble::Corrupt,
        TierError::Refused(_) => Trouble::Refused,
    }
}

/// What it says of the tier. That an entry is no good is no fault of the tier's.
const fn verdict(trouble: Option<&Trouble>) -> Verdict {
    match trouble {
        None | Some(Trouble::Corrupt | Trouble::Refused | Trouble::Skipped) => Verdict::Well,
        Some(Trouble::Exhausted) => Verdict::Exhausted,
        Some(Trouble::Failed | Trouble::TimedOut | Trouble::Throttled) => Verdict::Badly,
    }
}
