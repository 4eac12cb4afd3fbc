//! Limits to waiting that have no effect, or more than is meant.

use super::{Check, Found, Rule, Table, found};
use crate::policy::Policy;
use crate::semantics::storage::Lifetime;
use std::time::Duration;

pub(super) const CHECKS: &[Check] = &[soft_in_vain, soft_behind_hard, early_always, patient];

/// The owner gives no window in which a stale answer may stand in, and no response is to be asked for one.
fn never_stands_in(policy: &Policy) -> bool {
    let store = &policy.terms.store;
    store.stale_if_error.is_none_or(|window| window.is_zero()) && matches!(store.lifetime, Lifetime::Owner(_))
}

fn soft_in_vain(rule: &Rule, _: &Table) -> Option<Found> {
    rule.policy.terms.patience.soft_timeout.filter(|_| never_stands_in(rule.policy))?;
    found(
        "soft-timeout-in-vain",
        "soft_timeout serves what is stale in place of a slow handler's answer, and stale_if_error allows nothing stale.",
        "Give stale_if_error a window, or take soft_timeout out.",
    )
}

fn soft_behind_hard(rule: &Rule, _: &Table) -> Option<Found> {
    let patience = &rule.policy.terms.patience;
    let (soft, hard) = (patience.soft_timeout?, patience.hard_timeout?);
    if soft < hard {
        return None;
    }
    found(
        "soft-behind-hard",
        "soft_timeout is not shorter than hard_timeout, at which stale answers go out anyway.",
        "Make it shorter, or take it out.",
    )
}

fn early_always(rule: &Rule, _: &Table) -> Option<Found> {
    let (window, ttl) = (
        rule.policy.terms.patience.refresh_early?,
        match rule.policy.terms.store.lifetime {
            Lifetime::Owner(ttl) => ttl,
            Lifetime::Fields(_) => return None,
        },
    );
    if window < ttl / 2 {
        return None;
    }
    found(
        "early-always",
        "refresh_early covers half of the lifetime or more: a busy key is refreshed far more often than the lifetime says.",
        "Take a tenth of the lifetime.",
    )
}

fn patient(rule: &Rule, _: &Table) -> Option<Found> {
    if rule.policy.terms.patience.collapse_wait <= Duration::from_secs(15) {
        return None;
    }
    found(
        "patient-followers",
        "When the request that asks the handler hangs, others wait for longer than 15 s before the next one asks.",
        "Take a little more than what the handler usually needs.",
    )
}
