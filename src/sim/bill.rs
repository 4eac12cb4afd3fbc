use std::fmt;
use std::ops::Add;

/// What Workers KV was asked, and what that costs.
///
/// Prices of 2026: 0.50 dollars for a million reads, those that find nothing and those out of its regional cache included;
/// 5 dollars for a million writes, deletions or lists. A bulk read costs as many reads as it has keys. Requests that were refused (429) cost nothing.
///
/// ```
/// use layercake::sim::Bill;
///
/// let bill = Bill { reads: 2_000_000, writes: 100_000, ..Bill::default() };
/// assert_eq!(bill.nanodollars(), 1_500_000_000);
/// assert_eq!(bill.to_string(), "2000000 reads, 100000 writes, 0 deletes: $1.500000");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Values read, or looked for.
    pub reads: u64,
    /// Values written.
    pub writes: u64,
    /// Values deleted.
    pub deletes: u64,
    /// Pages listed.
    pub lists: u64,
}

impl Bill {
    /// The price, in billionths of a dollar.
    #[must_use]
    pub const fn nanodollars(&self) -> u64 {
        self.reads * 500 + (self.writes + self.deletes + self.lists) * 5_000
    }
}

impl Add for Bill {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (reads, writes) = (self.reads + other.reads, self.writes + other.writes);
        Self { reads, writes, deletes: self.deletes + other.deletes, lists: self.lists + other.lists }
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let price = self.nanodollars();
        let (dollars, millionths) = (price / 1_000_000_000, price / 1000 % 1_000_000);
        let Self { reads, writes, deletes, lists } = self;
        write!(f, "{reads} reads, {writes} writes, {deletes} deletes")?;
        if *lists > 0 {
            write!(f, ", {lists} lists")?;
        }
        write!(f, ": ${dollars}.{millionths:06}")
    }
}
