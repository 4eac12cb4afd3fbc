//! The route table: patterns to policies, matched exactly as `worker::Router` matches.

use super::Policy;
use std::sync::Arc;

/// The place of a route in the table; the fallback is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteId(pub(crate) usize);

impl RouteId {
    /// Its position in the table, from 0; the fallback stands behind the last route.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Patterns to policies.
///
/// The matching is that of `worker::Router` itself (the crate `matchit`, same version): `:name` takes one segment,
/// `*name` the rest of the path, the most specific pattern wins whatever the order. `/b/*rest` does not match `/b/`
/// nor `/b`: give them a route of their own where they are wanted.
#[derive(Clone)]
pub struct Routes {
    matcher: matchit::Router<RouteId>,
    rules: Vec<Rule>,
}

#[derive(Clone)]
struct Rule {
    pattern: Box<str>,
    policy: Arc<Policy>,
}

impl Routes {
    /// One policy for every path.
    pub(crate) fn only(policy: Policy) -> Self {
        Self {
            matcher: matchit::Router::new(),
            rules: vec![Rule { pattern: "(fallback)".into(), policy: Arc::new(policy) }],
        }
    }

    /// The rules in order of their patterns; `Err` has the place of the rule that cannot be taken, its pattern, and why.
    pub(crate) fn build(rules: Vec<(String, Policy)>, fallback: Policy) -> Result<Self, (usize, String, String)> {
        let mut matcher = matchit::Router::new();
        for (place, (pattern, _)) in rules.iter().enumerate() {
            let taken = if pattern.starts_with('/') {
                matcher.insert(pattern.as_str(), RouteId(place)).map_err(|error| error.to_string())
            } else {
                Err("a pattern begins with \"/\"".to_owned())
            };
            taken.map_err(|why| (place, pattern.clone(), why))?;
        }
        let mut all = Vec::with_capacity(rules.len() + 1);
        for (pattern, policy) in rules {
            all.push(Rule { pattern: pattern.into_boxed_str(), policy: Arc::new(policy) });
        }
        all.extend(Self::only(fallback).rules);
        Ok(Self { matcher, rules: all })
    }

    /// The route of `path` and its policy.
    #[must_use]
    pub fn find(&self, path: &str) -> (RouteId, &Arc<Policy>) {
        let fallback = RouteId(self.rules.len() - 1);
        let id = self.matcher.at(path).map_or(fallback, |found| *found.value);
        (id, &self.rules[id.0].policy)
    }

    /// The policy of `route`.
    #[must_use]
    pub fn policy(&self, route: RouteId) -> Option<&Arc<Policy>> {
        self.rules.get(route.0).map(|rule| &rule.policy)
    }

    /// The pattern of `route`.
    #[must_use]
    pub fn pattern(&self, route: RouteId) -> &str {
        self.rules.get(route.0).map_or("", |rule| &rule.pattern)
    }

    /// The patterns with their policies, the fallback's last.
    #[cfg(feature = "verify")]
    pub(crate) fn rules(&self) -> impl ExactSizeIterator<Item = (&str, &Policy)> {
        self.rules.iter().map(|rule| (&*rule.pattern, &*rule.policy))
    }

    /// The patterns, the fallback's name last.
    pub fn patterns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.pattern)
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.rules.iter().map(|rule| (&rule.pattern, &rule.policy))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(patterns: &[&str]) -> Result<Routes, (usize, String, String)> {
        let rules = patterns.iter().map(|p| ((*p).to_owned(), Policy::from_headers())).collect();
        Routes::build(rules, Policy::from_headers())
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let routes = table(&["/api/:id", "/api/new", "/b/*rest"]).unwrap();
        for (path, place) in [("/api/7", 0), ("/api/new", 1), ("/b/x/y", 2), ("/b/", 3), ("/b", 3), ("/api/7/x", 3)] {
            assert_eq!(routes.find(path).0.index(), place, "{path}");
        }
    }

    #[test]
    fn what_cannot_be_taken_is_named() {
        assert_eq!(table(&["/a", "/a"]).unwrap_err().0, 1);
        assert_eq!(table(&["/a", "b"]).unwrap_err().0, 1);
        assert_eq!(table(&["/a/*x/y"]).unwrap_err().0, 0);
    }
}
