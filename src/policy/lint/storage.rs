//! Lifetimes, windows and tiers: what is kept, and whether it pays.

use super::words::is_static;
use super::{Check, Found, Rule, Table, found};
use crate::policy::{Level, Policy};
use crate::semantics::storage::{Lifetime, StoreRules};
use std::time::Duration;

pub(super) const CHECKS: &[Check] = &[
    no_tier,
    no_method,
    idle_default,
    short_for_kv,
    short_for_l1,
    outlives_hot,
    outlives_l1,
    long_ttl,
    long_error,
    body_for_kv,
    browser_outlasts,
];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// The largest value that Workers KV takes, in bytes.
const MAX_KV: u64 = 25 << 20;

fn allows(policy: &Policy, level: Level) -> bool {
    policy.terms.tiers.contains(level)
}

/// The lifetime that the owner gives.
fn ttl(policy: &Policy) -> Option<Duration> {
    match policy.terms.store.lifetime {
        Lifetime::Owner(ttl) => Some(ttl),
        Lifetime::Fields(_) => None,
    }
}

/// Whether answers are stored that say nothing of it.
pub(super) fn stores_unasked(policy: &Policy) -> bool {
    let store = &policy.terms.store;
    let by_fields = matches!(store.lifetime, Lifetime::Fields(None)) && store.heuristics.is_none();
    !policy.terms.bypass && !by_fields
}

/// The longer of the owner's stale windows.
pub(super) fn window(store: &StoreRules) -> Duration {
    store.stale_while_revalidate.max(store.stale_if_error).unwrap_or_default()
}

/// How long an answer can be used without being validated, as the owner says.
fn usable(policy: &Policy) -> Option<Duration> {
    Some(ttl(policy)?.saturating_add(window(&policy.terms.store)))
}

/// In the largest unit that is whole.
fn said(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        _ if time.subsec_millis() > 0 || seconds == 0 => format!("{} ms", time.as_millis()),
        _ if seconds.is_multiple_of(86_400) => format!("{} d", seconds / 86_400),
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

fn no_tier(rule: &Rule, table: &Table) -> Option<Found> {
    let far = allows(rule.policy, Level::L1) || allows(rule.policy, Level::L2);
    if far || (allows(rule.policy, Level::Hot) && table.has_hot) {
        return None;
    }
    found("no-tier", "No tier may hold the answers.", "Allow a tier, or take bypass, which says the same at less cost.")
}

fn no_method(rule: &Rule, _: &Table) -> Option<Found> {
    if rule.policy.terms.methods.get {
        return None;
    }
    found("no-get", "GET is not among the methods, and nothing else fills the cache.", "Add GET, or take bypass.")
}

fn idle_default(rule: &Rule, _: &Table) -> Option<Found> {
    if !rule.policy.terms.idle_default {
        return None;
    }
    found(
        "idle-default-ttl",
        "default_ttl has no effect beside ttl, which holds for every answer.",
        "Take it out, or take from_headers in place of ttl.",
    )
}

/// KV keeps each entry for a minute at least, and other data centres may see the write as late as a minute after it.
fn short_for_kv(rule: &Rule, _: &Table) -> Option<Found> {
    let usable = usable(rule.policy).filter(|usable| *usable < MINUTE)?;
    if !allows(rule.policy, Level::L2) {
        return None;
    }
    let message = format!(
        "Answers are of use for {} and are written to KV, where others see them up to a minute later.",
        said(usable)
    );
    found(
        "short-for-kv",
        message,
        "Leave l2 out of the tiers, or give a stale window: such writes cost and hardly serve.",
    )
}

/// The Cache API counts in whole seconds.
fn short_for_l1(rule: &Rule, _: &Table) -> Option<Found> {
    let usable = usable(rule.policy).filter(|usable| *usable < SECOND)?;
    if !allows(rule.policy, Level::L1) {
        return None;
    }
    let message =
        format!("Answers are of use for {}, hardly longer than storing them in the edge cache takes.", said(usable));
    found("short-for-l1", message, "Give a second at least, or a stale window.")
}

fn outlives_hot(rule: &Rule, table: &Table) -> Option<Found> {
    let far = allows(rule.policy, Level::L1) || allows(rule.policy, Level::L2);
    let wanted = usable(rule.policy).unwrap_or_else(|| window(&rule.policy.terms.store));
    if far || !allows(rule.policy, Level::Hot) || wanted <= table.hot_stay {
        return None;
    }
    let message = format!(
        "Answers are to be of use for {}, and the only tier keeps them for {}.",
        said(wanted),
        said(table.hot_stay)
    );
    found("outlives-hot", message, "Allow l1, or let entries stay longer in the in-isolate tier (hot_ttl).")
}

fn outlives_l1(rule: &Rule, _: &Table) -> Option<Found> {
    let window = window(&rule.policy.terms.store);
    if allows(rule.policy, Level::L2) || !allows(rule.policy, Level::L1) || window <= DAY {
        return None;
    }
    let message = format!(
        "A stale window of {} is longer than the edge cache can be trusted to keep what is seldom asked for.",
        said(window)
    );
    found("outlives-l1", message, "Allow l2, or do not count on the window.")
}

fn long_ttl(rule: &Rule, _: &Table) -> Option<Found> {
    let ttl = ttl(rule.policy).filter(|ttl| *ttl > DAY && !is_static(rule.pattern))?;
    let message = format!(
        "Answers are fresh for {}; what changes meanwhile is seen only where an unsafe request to the same path makes them void.",
        said(ttl)
    );
    found("long-ttl", message, "Take a shorter ttl with a stale window, unless what is at a path never changes.")
}

fn long_error(rule: &Rule, _: &Table) -> Option<Found> {
    let statuses = &rule.policy.terms.store.statuses;
    let (status, ttl) = statuses.iter().find(|(status, ttl)| *status >= 500 && *ttl > MINUTE)?;
    let message =
        format!("A {status} is stored for {}, and goes out for that long after the trouble is over.", said(*ttl));
    found("long-error", message, "A minute at most protects the handler as well.")
}

fn body_for_kv(rule: &Rule, _: &Table) -> Option<Found> {
    let near = allows(rule.policy, Level::L1) || allows(rule.policy, Level::Hot);
    let most = rule.policy.terms.store.max_body;
    // The default is not anybody's wish.
    let is_wish = most != Policy::from_headers().terms.store.max_body;
    if near || !allows(rule.policy, Level::L2) || most <= MAX_KV || !is_wish {
        return None;
    }
    found(
        "body-for-kv",
        format!("Bodies up to {most} bytes may be stored, and the only tier, KV, takes 25 MiB at most."),
        "Allow l1, or lower max_body.",
    )
}

fn browser_outlasts(rule: &Rule, _: &Table) -> Option<Found> {
    let (ttl, browser) = (ttl(rule.policy)?, rule.policy.terms.browser_ttl?);
    if browser <= ttl {
        return None;
    }
    let message = format!(
        "Browsers keep answers for {}, longer than the {} for which they are fresh here.",
        said(browser),
        said(ttl)
    );
    found("browser-outlasts", message, "Lower browser_ttl: what browsers hold nothing can make void.")
}
