//! Several variants of one target (RFC 9111 section 4.1).
//!
//! The primary slot holds the variant that came first, whole, with its selecting fields: a target with one variant never
//! costs a second read. Every other variant has a slot whose key is derived from the family's number and its selecting
//! values. What makes the primary slot void so makes all of them void: the next first variant begins a new family.

use super::plan::{Plan, Question};
use super::store::own;
use super::{Cache, CacheConfig};
use crate::entry::{Family, Head, Selecting};
use crate::policy::{CacheKey, Level};
use crate::semantics::freshness::Timestamp;
use crate::semantics::storage::NotStored;
use crate::semantics::vary::{is_selecting_value, selecting_value};
use std::sync::Arc;

/// Where a response is stored.
pub(super) struct Slot {
    pub(super) key: CacheKey,
    pub(super) selecting: Selecting,
    pub(super) family: Family,
    /// The mark of a variant that its family does not know yet.
    pub(super) newcomer: Option<u32>,
}

/// What the handler gets to see of a selecting field.
enum Shown<'p> {
    /// What the client sent.
    AsSent,
    /// The value that the policy puts in its place, or nothing.
    Instead(Option<&'p str>),
}

impl Question {
    /// Whether an entry with this head was selected by a request like ours.
    pub(super) fn selects(&self, plan: &Plan, head: &Head) -> bool {
        head.selecting.iter().all(|(name, value)| match self.shown(plan, name) {
            Shown::AsSent => is_selecting_value(self.fields.as_ref(), name, value.as_deref()),
            Shown::Instead(shown) => shown == value.as_deref(),
        })
    }

    /// The primary slot holds another variant: ours has a slot of its own.
    pub(super) fn turn_to_variant(&mut self, plan: &Plan, primary: Arc<Head>) {
        let wanted = primary.selecting.iter().map(|(name, _)| (name.clone(), self.value(plan, name))).collect();
        self.variant = Some(self.key.variant(primary.family.id, &wanted));
        self.primary = Some(primary);
    }

    /// A selecting field's value as the handler gets to see it.
    fn value(&self, plan: &Plan, name: &str) -> Option<Box<str>> {
        match self.shown(plan, name) {
            Shown::AsSent => selecting_value(self.fields.as_ref(), name),
            Shown::Instead(shown) => shown.map(Into::into),
        }
    }

    fn shown<'p>(&self, plan: &'p Plan, name: &str) -> Shown<'p> {
        if let Some(narrow) = plan.policy.terms.narrow.iter().find(|narrow| narrow.field() == name) {
            return Shown::Instead(Some(narrow.choose(self.fields.field(name).as_deref())));
        }
        if self.ask.hides(name) { Shown::Instead(None) } else { Shown::AsSent }
    }

    /// Where a response goes that varies on the fields `varies`.
    pub(super) fn slot_for(
        &self,
        plan: &Plan,
        config: &CacheConfig,
        varies: &[Box<str>],
        now: Timestamp,
    ) -> Result<Slot, NotStored> {
        let selecting: Selecting = varies.iter().map(|name| (name.clone(), self.value(plan, name))).collect();
        let in_primary = |selecting, family| Slot { key: self.key.clone(), selecting, family, newcomer: None };
        if selecting.is_empty() {
            return Ok(in_primary(selecting, Family::default()));
        }
        let alike = |primary: &&Arc<Head>| primary.selecting.iter().map(|(name, _)| name).eq(varies);
        // A target that varies now on these fields and now on those would have its slot written by each request.
        if self.variant.is_some() && self.primary.iter().any(|p| !alike(&p) && p.freshness.is_fresh(now)) {
            return Err(NotStored::Variants);
        }
        let Some(primary) = self.primary.as_ref().filter(alike) else {
            // The first of its kind. What varied on other fields cannot be told apart by these.
            return Ok(in_primary(selecting, Family { id: config.0.living.next_family(now), others: Vec::new() }));
        };
        if primary.selecting == selecting {
            return Ok(in_primary(selecting, primary.family.clone()));
        }
        let key = self.key.variant(primary.family.id, &selecting);
        let (mark, others) = (key.mark(), &primary.family.others);
        let known = others.contains(&mark);
        if !known && others.len() + 1 >= plan.policy.terms.store.max_variants {
            return Err(NotStored::Variants);
        }
        Ok(Slot { key, selecting, family: Family::default(), newcomer: (!known).then_some(mark) })
    }
}

impl Cache {
    /// Lets the primary slot know of another variant: a write that costs nothing, so L2 learns of it only with the next
    /// version that it is given.
    pub(super) async fn introduce(&self, plan: &Plan, question: &Question, newcomer: u32) {
        let Some(family) = question.primary.as_ref().map(|primary| primary.family.id) else { return };
        for (_, tier) in self.allowed(plan.policy.terms.tiers).filter(|(_, tier)| tier.level() != Level::L2) {
            let Some(mut entry) = self.get(plan, &question.key, tier).await else { continue };
            let known = &entry.head.family;
            let void = self.is_void(question, &entry.head);
            if known.id == family && !void && !known.others.contains(&newcomer) {
                own(&mut entry.head).family.others.push(newcomer);
                // Failing, it is counted again later; the variant itself is stored.
                let _ = self.put(plan.route, &question.key, tier, entry, tier.write_timeout()).await;
            }
        }
    }
}
