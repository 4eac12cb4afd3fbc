//! How long the origin is waited for (feature `resilience`).

use super::Policy;
use std::time::Duration;

/// What a policy says of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) hard_timeout: Option<Duration>,
    /// Zero: requests are not collapsed.
    pub(crate) collapse_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { soft_timeout: None, hard_timeout: None, collapse_wait: Duration::from_secs(5) }
    }
}

/// With the feature `resilience`.
impl Policy {
    /// How long the handler may take before a stale answer goes out in its place, where
    /// [`stale_if_error`](Self::stale_if_error) allows one; the handler finishes behind it, and its answer is stored. Zero is
    /// an error when the table is built. Default: none, the handler is waited for.
    pub fn soft_timeout(mut self, limit: Duration) -> Self {
        self.terms.patience.soft_timeout = Some(limit);
        self.check_limit("soft_timeout", limit);
        self
    }

    /// How long the handler may take at most. After it a stale answer goes out where [`stale_if_error`](Self::stale_if_error)
    /// allows one, else a 504 that says so; the handler may finish behind it, and its answer is stored. What goes past the
    /// cache (another method, a cookie, ...) is not limited. Zero is an error when the table is built. Default: none, the handler is waited for.
    pub fn hard_timeout(mut self, limit: Duration) -> Self {
        self.terms.patience.hard_timeout = Some(limit);
        self.check_limit("hard_timeout", limit);
        self
    }

    /// How long requests that find nothing stored wait for the answer that another one of the same isolate is fetching already.
    /// After this time one of them asks too, after twice this time each one that still waits. Answers that
    /// turn out not to be for others, and bodies that take longer than a second, are not waited for, and neither are later ones
    /// under the same key for half a minute. Zero turns it off. Default: 5 s.
    pub fn collapse_wait(mut self, limit: Duration) -> Self {
        self.terms.patience.collapse_wait = limit;
        self.check("collapse_wait", limit);
        self
    }
}
