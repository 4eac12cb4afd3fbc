//! How long the origin is waited for, and what keeps it from being asked by everybody at once (feature `resilience`).

use super::{Policy, Problem};
use std::time::Duration;

/// What a policy says of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) hard_timeout: Option<Duration>,
    /// Zero: requests are not collapsed.
    pub(crate) collapse_wait: Duration,
    pub(crate) refresh_early: Option<Duration>,
    /// In percent.
    pub(crate) jitter: u8,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            soft_timeout: None,
            hard_timeout: None,
            collapse_wait: Duration::from_secs(5),
            refresh_early: None,
            jitter: 0,
        }
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

    /// Refreshes answers that are asked for often before they expire: in this last part of its lifetime each use refreshes an
    /// entry behind the response with a probability that doubles every eighth of the part, from 1 in 128 up to certainty. So the busier the key
    /// the earlier, and nobody needs to agree on who. Zero is an error when the table is built. Default: off.
    pub fn refresh_early(mut self, window: Duration) -> Self {
        self.terms.patience.refresh_early = Some(window);
        self.check_limit("refresh_early", window);
        self
    }

    /// Shortens each stored lifetime at random by up to so many percent, so that what was stored together does not expire
    /// together. More than 50 is an error when the table is built. Default: 0.
    pub fn jitter(mut self, percent: u8) -> Self {
        if percent > 50 {
            let expected = "a percentage from 0 to 50";
            self.terms.problem = Some(Problem { field: "jitter", value: percent.to_string(), expected });
        }
        self.terms.patience.jitter = percent;
        self
    }

    fn check_limit(&mut self, field: &'static str, limit: Duration) {
        self.check(field, limit);
        if limit.is_zero() {
            let expected = "more than zero; leave it out for none";
            self.terms.problem = Some(Problem { field, value: "0 s".to_owned(), expected });
        }
    }
}
