//! What in a table is allowed and hardly meant (feature `lint`); [`CacheConfig::lint`](crate::CacheConfig::lint) asks.
//!
//! A finding is advice: no table is refused for one. Paths are judged by their words, cookies and request fields by their names.

mod paths;
mod patience;
mod policies;
mod settings;
mod storage;
mod words;

use super::{Policy, Routes};
use std::fmt;
use std::time::Duration;

/// Something that is allowed and hardly meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The rule's number, from 1, the fallback's the last; `None` for what holds for the whole table.
    pub rule: Option<usize>,
    /// The rule's pattern; empty for the whole table.
    pub pattern: String,
    /// A short name for the kind of finding, which stays the same from release to release.
    pub code: &'static str,
    /// What was found, in one sentence.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Some(rule) => write!(f, "rule {rule}, pattern {:?}", self.pattern)?,
            None => f.write_str("table")?,
        }
        write!(f, ": {}: {} {}", self.code, self.message, self.advice)
    }
}

/// What is looked at.
pub(crate) struct Table<'a> {
    pub(crate) routes: &'a Routes,
    pub(crate) harmless_cookies: &'a [Box<str>],
    pub(crate) unkeyed_headers: Option<&'a [Box<str>]>,
    /// How long the in-isolate tier keeps an entry at most.
    pub(crate) hot_stay: Duration,
    /// Whether there is an in-isolate tier.
    pub(crate) has_hot: bool,
}

/// A rule, or the fallback.
pub(super) struct Rule<'a> {
    pattern: &'a str,
    policy: &'a Policy,
    is_fallback: bool,
    /// Whether some rule or the fallback stores, and looks at cookies before it does.
    beside_cautious: bool,
}

/// A finding, still without its rule.
pub(super) struct Found {
    code: &'static str,
    message: String,
    advice: &'static str,
}

/// Looks for one kind of finding in one rule.
pub(super) type Check = fn(&Rule, &Table) -> Option<Found>;

#[allow(clippy::unnecessary_wraps, reason = "what every check ends with")]
pub(super) fn found(code: &'static str, message: impl Into<String>, advice: &'static str) -> Option<Found> {
    Some(Found { code, message: message.into(), advice })
}

/// All findings, in the order of the rules; what holds for the whole table comes first.
pub(crate) fn lint(table: &Table) -> Vec<Finding> {
    let whole = settings::CHECKS.iter().filter_map(|check| check(table));
    let whole = whole.map(|Found { code, message, advice }| Finding {
        rule: None,
        pattern: String::new(),
        code,
        message,
        advice,
    });
    let mut findings: Vec<Finding> = whole.collect();
    let policies: Vec<Option<&Policy>> = paths::policies(table.routes).collect();
    let beside_cautious = policies.iter().flatten().any(|policy| policies::is_cautious(policy));
    for ((place, pattern), policy) in table.routes.patterns().enumerate().zip(&policies) {
        let found = match policy {
            None => paths::unreachable(pattern).into_iter().collect(),
            Some(policy) => {
                let is_fallback = place + 1 == policies.len();
                let rule = Rule { pattern, policy, is_fallback, beside_cautious };
                examine(&rule, table)
            }
        };
        findings.extend(found.into_iter().map(|Found { code, message, advice }| Finding {
            rule: Some(place + 1),
            pattern: pattern.to_owned(),
            code,
            message,
            advice,
        }));
    }
    findings
}

fn examine(rule: &Rule, table: &Table) -> Vec<Found> {
    let checks = if rule.policy.terms.bypass { policies::BYPASS } else { policies::CHECKS };
    let (storage, patience) =
        if rule.policy.terms.bypass { (&[][..], &[][..]) } else { (storage::CHECKS, patience::CHECKS) };
    paths::CHECKS.iter().chain(checks).chain(storage).chain(patience).filter_map(|check| check(rule, table)).collect()
}
