//! What went wrong with the tiers, why, and what was done about it.

use super::json_string;
use crate::policy::Level;
use crate::semantics::push_decimal;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a tier was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A look-up.
    Get,
    /// Keeping an entry.
    Put,
    /// Forgetting an entry.
    Delete,
}

/// Why a tier did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// It failed.
    Failed,
    /// It took too long.
    TimedOut,
    /// It wants fewer requests (429).
    Throttled,
    /// What the account may ask of it is used up.
    Exhausted,
    /// The entry could not be read, or was another key's.
    Corrupt,
    /// The entry was not one it keeps.
    Refused,
    /// It was not asked, because it had been failing.
    Skipped,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Get, Self::Put, Self::Delete];

    /// Its name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Failed, Self::TimedOut, Self::Throttled, Self::Exhausted, Self::Corrupt, Self::Refused, Self::Skipped];

    /// Its name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Throttled => "throttled",
            Self::Exhausted => "exhausted",
            Self::Corrupt => "corrupt",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
        }
    }
}

/// What a [`RetryingTier`](crate::tier::RetryingTier) did beside asking its store once. Words of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effort {
    /// It asked once more.
    Retried,
    /// A write waited for its turn.
    Paced,
    /// A write was not made, because a later one of the same key took its place.
    Superseded,
    /// It gave up what might have succeeded later: the trials or the time were used up.
    GaveUp,
}

impl Effort {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Retried, Self::Paced, Self::Superseded, Self::GaveUp];

    /// Its name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retried => "retried",
            Self::Paced => "paced",
            Self::Superseded => "superseded",
            Self::GaveUp => "gave_up",
        }
    }
}

/// Hears what a [`RetryingTier`](crate::tier::RetryingTier) does to get its work done. `CacheConfig::observer` has one that
/// counts; a function of these parameters is one too.
pub trait RetryObserver: Send + Sync {
    /// The tier made this `effort` for an `operation`.
    fn observe(&self, operation: Operation, effort: Effort);
}

impl<F: Fn(Operation, Effort) + Send + Sync> RetryObserver for F {
    fn observe(&self, operation: Operation, effort: Effort) {
        self(operation, effort);
    }
}

const LEVELS: [Level; 3] = [Level::Hot, Level::L1, Level::L2];
const OPERATIONS: usize = Operation::ALL.len();
const TROUBLES: usize = Trouble::ALL.len();
const EFFORTS: usize = Effort::ALL.len();

/// Counts of one tier: for each operation what went wrong, and what was done about it.
type Counts<N> = [([N; TROUBLES], [N; EFFORTS]); OPERATIONS];

/// Counts per tier, operation and trouble or effort.
#[derive(Debug, Default)]
pub(super) struct TierCounts([Counts<AtomicU64>; LEVELS.len()]);

impl TierCounts {
    pub(super) fn count(&self, level: Level, operation: Operation, trouble: Trouble) {
        self.add(level, operation, trouble, 1);
    }

    pub(super) fn effort(&self, level: Level, operation: Operation, effort: Effort) {
        self.add_effort(level, operation, effort, 1);
    }

    fn add(&self, level: Level, operation: Operation, trouble: Trouble, n: u64) {
        let of_level = self.0.get(level as usize).and_then(|counts| counts.get(operation as usize));
        if let Some(count) = of_level.and_then(|(troubles, _)| troubles.get(trouble as usize)) {
            count.fetch_add(n, Ordering::Relaxed);
        }
    }

    fn add_effort(&self, level: Level, operation: Operation, effort: Effort, n: u64) {
        let of_level = self.0.get(level as usize).and_then(|counts| counts.get(operation as usize));
        if let Some(count) = of_level.and_then(|(_, efforts)| efforts.get(effort as usize)) {
            count.fetch_add(n, Ordering::Relaxed);
        }
    }

    pub(super) fn carry(&self, old: &[TierStats]) {
        for tier in old {
            for (operation, trouble, n) in tier.troubles() {
                self.add(tier.level, operation, trouble, n);
            }
            for (operation, effort, n) in tier.efforts() {
                self.add_effort(tier.level, operation, effort, n);
            }
        }
    }

    pub(super) fn snapshot(&self) -> Vec<TierStats> {
        let mut all = Vec::new();
        for (level, counts) in LEVELS.iter().zip(&self.0) {
            let (mut tier, mut anything) = (TierStats { level: *level, counts: Counts::default() }, 0);
            for ((troubles, efforts), (to_troubles, to_efforts)) in counts.iter().zip(&mut tier.counts) {
                let to = to_troubles.iter_mut().chain(to_efforts);
                for (n, to) in troubles.iter().chain(efforts).zip(to) {
                    *to = n.load(Ordering::Relaxed);
                    anything |= *to;
                }
            }
            if anything > 0 {
                all.push(tier);
            }
        }
        all
    }
}

/// What went wrong with one tier, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierStats {
    /// The tier.
    pub level: Level,
    counts: Counts<u64>,
}

impl TierStats {
    /// How often `trouble` kept `operation` from being done.
    #[must_use]
    pub fn count(&self, operation: Operation, trouble: Trouble) -> u64 {
        let of_operation = self.counts.get(operation as usize);
        of_operation.and_then(|(troubles, _)| troubles.get(trouble as usize)).copied().unwrap_or(0)
    }

    /// How often `effort` was made for `operation`.
    #[must_use]
    pub fn count_effort(&self, operation: Operation, effort: Effort) -> u64 {
        let of_operation = self.counts.get(operation as usize);
        of_operation.and_then(|(_, efforts)| efforts.get(effort as usize)).copied().unwrap_or(0)
    }

    /// What happened at all, and how often.
    pub fn troubles(&self) -> impl Iterator<Item = (Operation, Trouble, u64)> + '_ {
        let each = move |operation: Operation| {
            Trouble::ALL.iter().map(move |trouble| (operation, *trouble, self.count(operation, *trouble)))
        };
        Operation::ALL.into_iter().flat_map(each).filter(|(_, _, n)| *n > 0)
    }

    /// What was done about it at all, and how often.
    pub fn efforts(&self) -> impl Iterator<Item = (Operation, Effort, u64)> + '_ {
        let each = move |operation: Operation| {
            Effort::ALL.iter().map(move |effort| (operation, *effort, self.count_effort(operation, *effort)))
        };
        Operation::ALL.into_iter().flat_map(each).filter(|(_, _, n)| *n > 0)
    }

    /// All of it, by the names of the log.
    fn named(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let name = |operation: Operation, what: &str| [operation.as_str(), "_", what].concat();
        let troubles = self.troubles().map(move |(operation, trouble, n)| (name(operation, trouble.as_str()), n));
        troubles.chain(self.efforts().map(move |(operation, effort, n)| (name(operation, effort.as_str()), n)))
    }
}

/// The member `tiers` of the log line, when there was any trouble: `,"tiers":{"l2":{"get_timed_out":3}}`.
pub(super) fn push_log(out: &mut String, tiers: &[TierStats]) {
    let mut separator = ",\"tiers\":{";
    for tier in tiers {
        out.push_str(separator);
        separator = ",";
        json_string(out, tier.level.as_str());
        let mut separator = ":{";
        for (name, n) in tier.named() {
            out.push_str(separator);
            separator = ",";
            json_string(out, &name);
            out.push(':');
            push_decimal(out, n);
        }
        out.push('}');
    }
    if separator == "," {
        out.push('}');
    }
}

#[cfg(feature = "json")]
impl serde::Serialize for TierStats {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tier", self.level.as_str())?;
        for (name, n) in self.named() {
            map.serialize_entry(&name, &n)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_are_counted_logged_and_carried_on() {
        let counts = TierCounts::default();
        assert_eq!(counts.snapshot(), []);
        counts.count(Level::L2, Operation::Get, Trouble::TimedOut);
        counts.count(Level::L2, Operation::Get, Trouble::TimedOut);
        counts.count(Level::L2, Operation::Put, Trouble::Throttled);
        counts.count(Level::L1, Operation::Delete, Trouble::Failed);
        counts.effort(Level::L2, Operation::Put, Effort::Superseded);
        counts.effort(Level::L2, Operation::Put, Effort::Superseded);
        counts.effort(Level::L2, Operation::Get, Effort::GaveUp);
        let seen = counts.snapshot();
        assert_eq!(seen.len(), 2);
        let mut log = String::new();
        push_log(&mut log, &seen);
        let l2 = r#"{"get_timed_out":2,"put_throttled":1,"get_gave_up":1,"put_superseded":2}"#;
        assert_eq!(log, [r#","tiers":{"l1":{"delete_failed":1},"l2":"#, l2, "}"].concat());
        assert_eq!(seen[1].count_effort(Operation::Put, Effort::Superseded), 2);
        assert_eq!(seen[1].count_effort(Operation::Put, Effort::Retried), 0);
        let next = TierCounts::default();
        next.carry(&seen);
        assert_eq!(next.snapshot(), seen);
        let mut nothing = String::new();
        push_log(&mut nothing, &[]);
        assert_eq!(nothing, "");
    }
}
