//! What spreads the calls of the origin in time.

use super::{Policy, Problem};
use std::time::Duration;

/// What a policy says of when entries are refreshed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) refresh_early: Option<Duration>,
    /// In percent.
    pub(crate) jitter: u8,
}

impl Policy {
    /// Refreshes answers that are asked for often before they expire: in this last part of its lifetime each use refreshes an
    /// entry behind the response with a probability that doubles every eighth of the part, from 1 in 128 up to certainty. So the busier the key
    /// the earlier, and nobody needs to agree on who. Zero is an error when the table is built. Default: off.
    pub fn refresh_early(mut self, window: Duration) -> Self {
        self.terms.spread.refresh_early = Some(window);
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
        self.terms.spread.jitter = percent;
        self
    }

    pub(super) fn check_limit(&mut self, field: &'static str, limit: Duration) {
        self.check(field, limit);
        if limit.is_zero() {
            let expected = "more than zero; leave it out for none";
            self.terms.problem = Some(Problem { field, value: "0 s".to_owned(), expected });
        }
    }
}
