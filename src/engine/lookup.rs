//! Tiers in order; a failing or slow tier is a missing one.

use super::plan::{Plan, Question};
use super::{Cache, is_l2};
use crate::body::BodyError;
use crate::entry::StoredResponse;
use crate::policy::Level;
use crate::runtime::within;
use crate::semantics::freshness::Timestamp;
use crate::semantics::range::{Part, Wanted};
use crate::semantics::reuse::{Reuse, reuse};
use crate::semantics::status::ForwardReason;
use crate::stats::Event;
use crate::tier::Takes;
use std::sync::Arc;
use std::time::Duration;

/// An entry and the tier that had it.
pub(super) struct Hit {
    pub(super) entry: StoredResponse,
    /// The tier's place in the order.
    pub(super) place: usize,
    pub(super) level: Level,
    /// When it was found.
    pub(super) at: Timestamp,
}

pub(super) enum Found {
    /// Serve it.
    Fresh(Hit),
    /// Serve it and refresh behind the response.
    Refresh(Hit),
    /// Serve it stale.
    Stale(Hit),
    /// Ask the origin; the newest entry seen may be validated, or stand in for an error.
    Nothing { reason: ForwardReason, stored: Option<Hit> },
    /// The origin would have to be asked, and the client said not to.
    Unsatisfiable,
}

impl Found {
    pub(super) const NOTHING: Self = Self::Nothing { reason: ForwardReason::UriMiss, stored: None };
}

/// Bodies up to this size are read once and shared by all tiers; larger ones stream.
pub(crate) const SMALL_BODY: u64 = 256 << 10;

/// How long a tier may take over the body of a small entry before the entry counts as missing.
const BODY_LIMIT: Duration = Duration::from_secs(2);

impl Cache {
    pub(super) async fn lookup(&self, plan: &Plan, question: &mut Question) -> Found {
        'slot: loop {
            let missing = if question.variant.is_some() { ForwardReason::VaryMiss } else { ForwardReason::UriMiss };
            let (mut reason, mut stored) = (missing, None::<Hit>);
            // Whether what is stored is fresh, and only compared with what another tier may have.
            let mut fresh = false;
            let mut now = self.now();
            for (place, tier) in self.allowed(plan.policy.terms.tiers) {
                let Some(entry) = self.take(plan, question.slot(), tier, &mut now).await else { continue };
                let (head, level) = (&entry.head, tier.level());
                if self.is_void(question, head) {
                    continue;
                }
                // RFC 9111 section 4.1
                if !question.selects(plan, head) {
                    if question.variant.is_none() {
                        question.turn_to_variant(plan, Arc::clone(head));
                        self.bring_nearer(plan, question, Hit { entry, place, level, at: now });
                        continue 'slot;
                    }
                    continue;
                }
                question.in_l2 |= is_l2(tier) || head.l2_until > now;
                if question.variant.is_none() && question.primary.is_none() {
                    question.primary = Some(Arc::clone(head));
                }
                // 3.5
                if question.authorization && !head.shared {
                    reason = ForwardReason::Request;
                    continue;
                }
                // 4: the most recent of several counts.
                if stored.as_ref().is_some_and(|newer| newer.entry.head.received > head.received) {
                    continue;
                }
                let part = head.part;
                let hit = Hit { entry, place, level, at: now };
                // 3.3: a part answers only those who want some of it.
                if part.is_some_and(|part| !question.wants_some_of(&hit.entry, part, now)) {
                    if !fresh {
                        (reason, stored) = (ForwardReason::Partial, Some(hit));
                    }
                    continue;
                }
                fresh = false;
                match reuse(&hit.entry.head.freshness, question.directives.as_ref(), now) {
                    Reuse::Fresh if self.has_rival(plan, tier, place) => (fresh, stored) = (true, Some(hit)),
                    Reuse::Fresh => return Found::Fresh(hit),
                    Reuse::StaleWhileRevalidate if part.is_none() => return Found::Refresh(hit),
                    Reuse::Stale => return Found::Stale(hit),
                    Reuse::Validate(why) => (reason, stored) = (why, Some(hit)),
                    Reuse::StaleWhileRevalidate | Reuse::Unsatisfiable => {
                        (reason, stored) = (ForwardReason::Stale, Some(hit));
                    }
                }
            }
            if let Some(hit) = stored.take_if(|_| fresh) {
                return Found::Fresh(hit);
            }
            // 5.2.1.7
            if question.directives.as_ref().is_some_and(|cc| cc.only_if_cached) {
                return Found::Unsatisfiable;
            }
            return Found::Nothing { reason, stored };
        }
    }

    /// Puts what the primary slot of a further tier holds into the nearer ones, so that the other variants are found without it;
    /// what is stale only where it stays as long.
    fn bring_nearer(&self, plan: &Plan, question: &Question, Hit { entry, place, at, .. }: Hit) {
        let fresh = entry.head.freshness.is_fresh(at);
        let from = self.tiers.iter().position(|tier| fresh || tier.level() != Level::Hot).unwrap_or(place);
        if from < place && !question.no_store {
            self.store_behind(plan, question, &question.key, entry, from..place);
        }
    }

    /// Puts a hit into the nearer tiers, behind the response; it keeps its birth time. Comes back with the entry to
    /// serve, or with nothing when its body turned out to be broken.
    pub(super) async fn promote(&self, plan: &Plan, question: &Question, hit: Hit) -> Option<Hit> {
        let Hit { mut entry, place, level, mut at } = hit;
        let length = entry.body.len().or(entry.head.length);
        let (mut taken, mut streams) = (false, false);
        for (_, tier) in self.allowed(plan.policy.terms.tiers).take_while(|(other, _)| *other < place) {
            let takes = tier.takes(length);
            taken |= takes != Takes::Nothing;
            streams |= takes == Takes::Stream;
        }
        // Whoever reads only a part of a stream leaves no copy of the rest.
        let cut = question.conditions.has_range() && entry.body.stops_short();
        if question.no_store || cut || !taken {
            return Some(Hit { entry, place, level, at });
        }
        if entry.body.try_clone().is_none() && length.is_some_and(|length| length <= SMALL_BODY) {
            let buffered = within(&*self.runtime, Some(BODY_LIMIT), Box::pin(entry.body.buffer(SMALL_BODY))).await;
            at = self.now();
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
        if entry.body.try_clone().is_none() && !streams {
            return Some(Hit { entry, place, level, at });
        }
        match std::mem::take(&mut entry.body).tee(plan.policy.terms.store.max_body) {
            Ok((body, copy)) => {
                self.store_behind(plan, question, question.slot(), entry.with_body(copy), 0..place);
                entry.body = body;
            }
            Err(body) => entry.body = body,
        }
        Some(Hit { entry, place, level, at })
    }
}

impl Question {
    /// Whether the client wants a range that lies in the `part` stored.
    fn wants_some_of(&self, entry: &StoredResponse, part: Part, now: Timestamp) -> bool {
        let wanted = self.conditions.wanted(&entry.headers, part.total, now);
        matches!(wanted, Wanted::Part(wanted) if part.contains(&wanted))
    }
}
