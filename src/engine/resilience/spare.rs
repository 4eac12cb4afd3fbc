//! What stands in for L2 while there is none that does well.

use crate::engine::plan::Plan;
use crate::engine::tiers::Way;
use crate::engine::{Cache, is_l2};
use crate::policy::{Level, Tiers};
use crate::tier::Tier;
use std::sync::Arc;

/// Whether a tier stands in for L2.
pub(in crate::engine) fn is_spare(tier: &Arc<dyn Tier>) -> bool {
    tier.is_spare()
}

impl Cache {
    /// The spare tiers the policy allows, while they are not needed: what they have is not kept for when they are.
    pub(in crate::engine) fn idle_spares(&self, tiers: Tiers) -> impl Iterator<Item = &Arc<dyn Tier>> {
        let all = self.everywhere(tiers).map(|(_, tier)| tier);
        all.filter(|tier| is_spare(tier) && !self.needs_spares())
    }

    /// Whether there is no L2, or it is known to fail.
    pub(in crate::engine) fn needs_spares(&self) -> bool {
        let fails = |way| self.config.0.living.guard.breakers.is_open(Level::L2, way);
        !self.tiers.iter().any(is_l2) || fails(Way::Read) || fails(Way::Write)
    }

    /// Whether another tier may have a more recent answer than the one found in `tier`: L2 and what stands in for it take turns.
    pub(in crate::engine) fn has_rival(&self, plan: &Plan, tier: &Arc<dyn Tier>, place: usize) -> bool {
        let mut behind =
            self.allowed(plan.policy.terms.tiers).filter(|(other, _)| *other > place).map(|(_, tier)| tier);
        if is_spare(tier) {
            !self.config.0.living.guard.breakers.is_open(Level::L2, Way::Read) && behind.any(is_l2)
        } else {
            is_l2(tier) && behind.any(is_spare)
        }
    }
}
