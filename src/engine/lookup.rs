//! Tiers in order; a failing or slow tier is a missing one.

use super::Cache;
use super::plan::{Plan, Question};
use crate::body::BodyError;
use crate::entry::StoredResponse;
use crate::policy::Level;
use crate::runtime::within;
use crate::semantics::reuse::{Reuse, reuse};
use crate::semantics::status::ForwardReason;
use crate::stats::Event;
use crate::tier::{Takes, Tier, TierError};
use std::sync::Arc;
use std::time::Duration;

/// An entry and the tier that had it.
pub(super) struct Hit {
    pub(super) entry: StoredResponse,
    /// The tier's place in the order.
    pub(super) place: usize,
    pub(super) level: Level,
}

pub(super) enum Found {
    /// Serve it.
    Fresh(Hit),
    /// Serve it and refresh behind the response.
    Stale(Hit),
    /// Ask the origin; the youngest entry seen may stand in for an error.
    Nothing { reason: ForwardReason, stand_in: Option<Hit> },
}

/// Bodies up to this size are read once and shared by all tiers; larger ones stream.
pub(crate) const SMALL_BODY: u64 = 256 << 10;

/// How long a tier may take over the body of a small entry before the entry counts as missing.
const BODY_LIMIT: Duration = Duration::from_secs(2);

/// An entry whose body is of another length than its head says is cut short, whatever the tier made of it.
fn is_whole(entry: &StoredResponse) -> bool {
    entry.body.len().is_none_or(|length| entry.head.length.is_none_or(|expected| expected == length))
}

impl Cache {
    pub(super) async fn lookup(&self, plan: &Plan, question: &Question) -> Found {
        let (mut reason, mut stand_in) = (ForwardReason::UriMiss, None::<Hit>);
        for (place, tier) in self.allowed(plan.policy.tiers) {
            let Some(entry) = self.get(plan, question, tier).await else { continue };
            // RFC 9111 section 3.5
            if question.authorization && !entry.head.shared {
                reason = ForwardReason::Request;
                continue;
            }
            let now = self.runtime.now();
            let hit = Hit { entry, place, level: tier.level() };
            match reuse(&hit.entry.head.freshness, question.directives.as_ref(), now) {
                Reuse::Fresh => return Found::Fresh(hit),
                Reuse::StaleWhileRevalidate => return Found::Stale(hit),
                Reuse::Forward(why) => {
                    reason = why;
                    let born = |hit: &Hit| hit.entry.head.freshness.born;
                    if stand_in.as_ref().is_none_or(|other| born(other) < born(&hit)) {
                        stand_in = Some(hit);
                    }
                }
            }
        }
        Found::Nothing { reason, stand_in }
    }

    /// The entry a tier has for the question, whatever its age; faults are counted and are misses.
    pub(super) async fn get(&self, plan: &Plan, question: &Question, tier: &Arc<dyn Tier>) -> Option<StoredResponse> {
        let (since, trust) = (self.runtime.now(), &self.config.0.trust);
        let limit = tier.timeout().filter(|limit| !tier.earns_trust() || trust.begin(tier.level(), since, *limit));
        let got = within(&*self.runtime, limit, tier.get(&question.key, since)).await;
        if let (true, Some(limit)) = (tier.earns_trust(), tier.timeout()) {
            let answered = matches!(got, Some(Ok(_)));
            trust.end(tier.level(), since, self.runtime.now(), limit, answered);
        }
        let level = tier.level().as_str();
        match got {
            Some(Ok(Some(entry))) if entry.head.key_check == question.key.check() && is_whole(&entry) => {
                return Some(entry);
            }
            Some(Ok(None)) => {}
            Some(Ok(Some(_))) => self.config.record(plan.route, Event::Corrupt),
            Some(Err(error @ TierError::Corrupt(_))) => {
                self.config.record(plan.route, Event::Corrupt);
                self.complain(level, &error);
            }
            Some(Err(error)) => {
                self.config.record(plan.route, Event::TierFailed);
                self.complain(level, &error);
            }
            None => {
                self.config.record(plan.route, Event::TierFailed);
                self.complain(level, &"no answer in time");
            }
        }
        None
    }

    /// Puts a hit into the nearer tiers, behind the response; it keeps its birth time. Comes back with the entry to
    /// serve, or with nothing when its body turned out to be broken.
    pub(super) async fn promote(&self, plan: &Plan, question: &Question, hit: Hit) -> Option<Hit> {
        let Hit { mut entry, place, level } = hit;
        let length = entry.body.len().or(entry.head.length);
        let nearer = self.allowed(plan.policy.tiers).take_while(|(other, _)| *other < place);
        let takes: Vec<Takes> = nearer.map(|(_, tier)| tier.takes(length)).filter(|t| *t != Takes::Nothing).collect();
        if question.no_store || takes.is_empty() {
            return Some(Hit { entry, place, level });
        }
        if entry.body.try_clone().is_none() && length.is_some_and(|length| length <= SMALL_BODY) {
            let buffered = within(&*self.runtime, Some(BODY_LIMIT), Box::pin(entry.body.buffer(SMALL_BODY))).await;
            let buffered = buffered.unwrap_or(Err(BodyError::Incomplete));
            let Ok(body) = buffered.inspect_err(|error| self.complain(level.as_str(), error)) else {
                self.config.record(plan.route, Event::TierFailed);
                return None;
            };
            if body.len() != length {
                self.config.record(plan.route, Event::Corrupt);
                return None;
            }
            entry.body = body;
        }
        if entry.body.try_clone().is_none() && !takes.contains(&Takes::Stream) {
            return Some(Hit { entry, place, level });
        }
        match std::mem::take(&mut entry.body).tee(plan.policy.store.max_body) {
            Ok((body, copy)) => {
                self.store_behind(plan, question, entry.with_body(copy), 0..place);
                entry.body = body;
            }
            Err(body) => entry.body = body,
        }
        Some(Hit { entry, place, level })
    }
}
