//! Which rule takes which paths.

use super::storage::stores_unasked;
use super::words::is_static;
use super::{Check, Found, Rule, Table, found};
use crate::policy::path::is_ambiguous;
use crate::policy::{Policy, RouteId, Routes};

pub(super) const CHECKS: &[Check] = &[past_cache, hidden_fallback, gap];

/// What stands for parameters in a path that is to reach a rule: no pattern begins with any of them.
const FILLERS: [&str; 3] = ["\u{1}", "~", "\u{2}\u{3}"];

/// A path that the pattern takes, with `filler` in place of its parameters.
fn path_of(pattern: &str, filler: &str) -> String {
    let filled = |segment: &str| match segment.find([':', '*']) {
        Some(begin) => [&segment[..begin], filler].concat(),
        None => segment.to_owned(),
    };
    pattern.split('/').map(filled).collect::<Vec<_>>().join("/")
}

/// The policies of the rules and of the fallback; `None` for a rule that no path reaches.
pub(super) fn policies(routes: &Routes) -> impl Iterator<Item = Option<&Policy>> {
    let fallback = routes.patterns().len() - 1;
    routes.patterns().enumerate().map(move |(place, pattern)| {
        if place == fallback {
            return Some(&**routes.find("").1);
        }
        let reached = |filler: &&str| routes.find(&path_of(pattern, filler));
        let mut reached = FILLERS.iter().map(reached).filter(|_| is_sent(pattern));
        reached.find(|(route, _)| route.index() == place).map(|(_, policy)| &**policy)
    })
}

/// Whether a path can look so, its parameters aside: clients send other characters percent-encoded.
fn is_sent(pattern: &str) -> bool {
    path_of(pattern, "").bytes().all(|b| b.is_ascii_graphic() && !b"?#{}<>\"`^|".contains(&b))
}

/// A rule that no path reaches.
pub(super) fn unreachable(pattern: &str) -> Option<Found> {
    let (message, advice) = if pattern.contains(['{', '}']) {
        (
            "Braces are no parameters here, and no path is sent with them.",
            "Write \":name\" for a segment and \"*name\" for the rest.",
        )
    } else if pattern.contains('?') {
        (
            "A pattern is compared with the path alone, and no path holds \"?\".",
            "Leave the query off; how it counts is said with query.",
        )
    } else if is_sent(pattern) {
        ("Other rules take every path that it would take.", "Take the rule out, or those that hide it.")
    } else {
        ("No path is sent with the characters of this pattern.", "Write them percent-encoded, as clients send them.")
    };
    found("unreachable", message, advice)
}

fn past_cache(rule: &Rule, _: &Table) -> Option<Found> {
    let terms = &rule.policy.terms;
    let cached = !terms.bypass && !terms.store.to_the_letter && !terms.keyer.path.ambiguous;
    if !cached || rule.is_fallback || !is_ambiguous(&path_of(rule.pattern, "x")) {
        return None;
    }
    found(
        "past-cache",
        "Paths of this pattern may be read in two ways, and such paths go past the cache.",
        "Write the pattern without \"//\", \";\", dot segments and encoded slashes, or take cache_ambiguous_paths where the handler never decodes paths.",
    )
}

/// The rule that takes `path`, when it is not one for that path alone and its policy is another than that of `rule`.
fn other<'t>(rule: &Rule, table: &'t Table, path: &str) -> Option<(RouteId, &'t Policy)> {
    let (route, policy) = table.routes.find(path);
    let pattern = table.routes.patterns().nth(route.index())?;
    (path_of(pattern, FILLERS[0]) != *path && **policy != *rule.policy).then_some((route, policy))
}

fn name(table: &Table, route: RouteId) -> String {
    let patterns = table.routes.patterns();
    if route.index() + 1 == patterns.len() { "the fallback".to_owned() } else { format!("rule {}", route.index() + 1) }
}

fn hidden_fallback(rule: &Rule, table: &Table) -> Option<Found> {
    let is_rest = rule.pattern.strip_prefix("/*").is_some_and(|name| !name.contains('/'));
    let (_, fallback) = table.routes.find("");
    if !is_rest || **fallback == *rule.policy || **fallback == Policy::from_headers() {
        return None;
    }
    found(
        "hidden-fallback",
        "This pattern takes every path that no other rule takes, so that the fallback is left with \"/\" at most.",
        "Make its policy the fallback, or take the fallback out.",
    )
}

fn gap(rule: &Rule, table: &Table) -> Option<Found> {
    let (stem, rest) = rule.pattern.rsplit_once("/*")?;
    if rule.is_fallback || rest.contains('/') {
        return None;
    }
    let stem = path_of(stem, FILLERS[0]);
    let bare = if stem.is_empty() { "/" } else { stem.as_str() };
    let slash = format!("{stem}/");
    let shown = |path: &str| path.replace(FILLERS[0], ":x");
    let (path, (route, _)) = if rule.policy.terms.bypass {
        // What is to go past the cache must not be stored without saying so.
        let stored =
            |path| other(rule, table, path).filter(|(_, policy)| stores_unasked(policy)).map(|found| (path, found));
        stored(bare).or_else(|| stored(&slash))?
    } else if stores_unasked(rule.policy) && !is_static(rule.pattern) {
        (bare, other(rule, table, bare)?)
    } else {
        return None;
    };
    let (pattern, path, other) = (rule.pattern, shown(path), name(table, route));
    let message = format!("{pattern:?} does not take {path:?}, which goes to {other} and its other policy.");
    found("catch-all-gap", message, "Give that path, with and without its last slash, a rule of its own.")
}
