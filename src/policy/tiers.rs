/// Where a tier stands: nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// In the isolate's own memory, for seconds.
    Hot,
    /// Near the visitor: the edge Cache API.
    L1,
    /// Everywhere: Workers KV.
    L2,
}

impl Level {
    /// The name in `Cache-Status` and the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::L1 => "l1",
            Self::L2 => "l2",
        }
    }
}

/// A set of tiers.
///
/// ```
/// use layercake::policy::{Level, Tiers};
/// let edge_only = Tiers::ALL.without_l2();
/// assert!(edge_only.contains(Level::L1) && !edge_only.contains(Level::L2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiers {
    hot: bool,
    l1: bool,
    l2: bool,
}

impl Tiers {
    /// All of them.
    pub const ALL: Self = Self { hot: true, l1: true, l2: true };

    /// Without the in-isolate tier.
    #[must_use]
    pub const fn without_hot(self) -> Self {
        Self { hot: false, ..self }
    }

    /// Without the edge cache.
    #[must_use]
    pub const fn without_l1(self) -> Self {
        Self { l1: false, ..self }
    }

    /// Without KV: its writes cost money.
    #[must_use]
    pub const fn without_l2(self) -> Self {
        Self { l2: false, ..self }
    }

    /// Whether `level` is in the set.
    #[must_use]
    pub const fn contains(self, level: Level) -> bool {
        match level {
            Level::Hot => self.hot,
            Level::L1 => self.l1,
            Level::L2 => self.l2,
        }
    }
}
