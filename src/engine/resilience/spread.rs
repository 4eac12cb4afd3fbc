//! What spreads the refreshes of entries in time.

use crate::engine::Cache;
use crate::engine::lookup::Hit;
use crate::engine::plan::{Plan, Question};
use crate::semantics::freshness::{Freshness, millis};
use std::time::Duration;

/// Whether a use of an entry with so much of its lifetime left refreshes it early. The probability doubles every eighth of the
/// window, from 1 in 128 in its first to certainty in its last, so that of many uses one of the first does and of few one of the last.
fn is_due_early(window: Duration, left: Duration, random: impl FnOnce() -> u32) -> bool {
    if left >= window {
        return false;
    }
    let eighths = (8 * millis(left)).checked_div(millis(window)).unwrap_or(u64::MAX);
    u64::from(random().leading_zeros()) >= eighths
}

impl Cache {
    /// Whether this use of a fresh entry refreshes it.
    pub(in crate::engine) fn wants_refresh(&self, plan: &Plan, question: &Question, hit: &Hit) -> bool {
        let Some(window) = plan.policy.terms.patience.refresh_early else { return false };
        let head = &hit.entry.head;
        let left = head.freshness.lifetime.saturating_sub(head.freshness.age(hit.at));
        head.part.is_none() && !question.no_store && is_due_early(window, left, || self.runtime.random())
    }

    /// Takes off what the policy's jitter may take.
    pub(in crate::engine) fn shorten(&self, plan: &Plan, freshness: &mut Freshness) {
        let percent = u64::from(plan.policy.terms.patience.jitter);
        if percent > 0 {
            // In parts of 2^8; ten years in milliseconds times 50 times 2^8 are far below 2^64.
            let part = percent * u64::from(self.runtime.random() >> 24);
            freshness.lifetime -= Duration::from_millis(millis(freshness.lifetime) * part / (100 << 8));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_the_end_the_likelier() {
        let window = Duration::from_secs(8);
        let share = |left: u64| {
            let mut due = 0;
            for n in 0..1024_u32 {
                due += u32::from(is_due_early(window, Duration::from_millis(left), || n << 22));
            }
            due
        };
        assert_eq!([9000, 8000, 7999, 7000, 1000, 999, 0].map(share), [0, 0, 8, 8, 512, 1024, 1024]);
    }

    #[test]
    fn a_window_of_nothing_refreshes_nothing() {
        assert!(!is_due_early(Duration::ZERO, Duration::ZERO, || 0));
    }
}
