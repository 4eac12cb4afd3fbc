//! What went wrong with the tiers, and why.

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

const LEVELS: [Level; 3] = [Level::Hot, Level::L1, Level::L2];
const OPERATIONS: usize = Operation::ALL.len();
const TROUBLES: usize = Trouble::ALL.len();

/// Counts per tier, operation and trouble.
#[derive(Debug, Default)]
pub(super) struct TierCounts([[[AtomicU64; TROUBLES]; OPERATIONS]; LEVELS.len()]);

impl TierCounts {
    pub(super) fn count(&self, level: Level, operation: Operation, trouble: Trouble) {
        self.add(level, operation, trouble, 1);
    }

    fn add(&self, level: Level, operation: Operation, trouble: Trouble, n: u64) {
        let of_level = self.0.get(level as usize).and_then(|counts| counts.get(operation as usize));
        if let Some(count) = of_level.and_then(|counts| counts.get(trouble as usize)) {
            count.fetch_add(n, Ordering::Relaxed);
        }
    }

    pub(super) fn carry(&self, old: &[TierStats]) {
        for tier in old {
            for (operation, trouble, n) in tier.troubles() {
                self.add(tier.level, operation, trouble, n);
            }
        }
    }

    pub(super) fn snapshot(&self) -> Vec<TierStats> {
        let read = |counts: &[[AtomicU64; TROUBLES]; OPERATIONS]| {
            counts.each_ref().map(|counts| counts.each_ref().map(|n| n.load(Ordering::Relaxed)))
        };
        let all = LEVELS.iter().zip(&self.0).map(|(level, counts)| TierStats { level: *level, counts: read(counts) });
        all.filter(|tier| tier.troubles().next().is_some()).collect()
    }
}

/// What went wrong with one tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierStats {
    /// The tier.
    pub level: Level,
    counts: [[u64; TROUBLES]; OPERATIONS],
}

impl TierStats {
    /// How often `trouble` kept `operation` from being done.
    #[must_use]
    pub fn count(&self, operation: Operation, trouble: Trouble) -> u64 {
        let of_operation = self.counts.get(operation as usize);
        of_operation.and_then(|counts| counts.get(trouble as usize)).copied().unwrap_or(0)
    }

    /// What happened at all, and how often.
    pub fn troubles(&self) -> impl Iterator<Item = (Operation, Trouble, u64)> + '_ {
        let each = move |operation: Operation| {
            Trouble::ALL.iter().map(move |trouble| (operation, *trouble, self.count(operation, *trouble)))
        };
        Operation::ALL.into_iter().flat_map(each).filter(|(_, _, n)| *n > 0)
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
        for (operation, trouble, n) in tier.troubles() {
            out.push_str(separator);
            separator = ",";
            json_string(out, &[operation.as_str(), "_", trouble.as_str()].concat());
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
        for (operation, trouble, n) in self.troubles() {
            map.serialize_entry(&[operation.as_str(), "_", trouble.as_str()].concat(), &n)?;
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
        let seen = counts.snapshot();
        assert_eq!(seen.len(), 2);
        let mut log = String::new();
        push_log(&mut log, &seen);
        assert_eq!(log, r#","tiers":{"l1":{"delete_failed":1},"l2":{"get_timed_out":2,"put_throttled":1}}"#);
        let next = TierCounts::default();
        next.carry(&seen);
        assert_eq!(next.snapshot(), seen);
        let mut nothing = String::new();
        push_log(&mut nothing, &[]);
        assert_eq!(nothing, "");
    }
}
