use crate::policy::Level;
use crate::sim::{GetFault, PutFault, Random};
use std::time::Duration;

/// What goes wrong when a tier is to forget an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteFault {
    /// It says that it failed.
    Fail,
    /// It does not answer.
    Hang,
    /// It forgets after this time.
    Slow(Duration),
    /// It says that it forgot, and has it still.
    Lose,
}

/// How often which fault happens in one tier, each in a thousand calls.
///
/// ```
/// use layercake::sim::{GetFault, PutFault, TierFaults};
///
/// let flaky = TierFaults::default().get(20, GetFault::Fail).put(1000, PutFault::Lose);
/// assert_ne!(flaky, TierFaults::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct TierFaults {
    gets: Vec<(u64, GetFault)>,
    puts: Vec<(u64, PutFault)>,
    deletes: Vec<(u64, DeleteFault)>,
}

impl TierFaults {
    /// So many look-ups in a thousand have this fault. Default: none.
    pub fn get(mut self, permille: u64, fault: GetFault) -> Self {
        self.gets.push((permille, fault));
        self
    }

    /// So many writes in a thousand have this fault. Default: none.
    pub fn put(mut self, permille: u64, fault: PutFault) -> Self {
        self.puts.push((permille, fault));
        self
    }

    /// So many deletions in a thousand have this fault. Default: none.
    pub fn delete(mut self, permille: u64, fault: DeleteFault) -> Self {
        self.deletes.push((permille, fault));
        self
    }

    pub(super) fn draw_get(&self, random: &mut Random) -> Option<GetFault> {
        draw(&self.gets, random)
    }

    pub(super) fn draw_put(&self, random: &mut Random) -> Option<PutFault> {
        draw(&self.puts, random)
    }

    pub(super) fn draw_delete(&self, random: &mut Random) -> Option<DeleteFault> {
        draw(&self.deletes, random)
    }
}

/// One of the faults, each as often as it says.
fn draw<T: Copy>(faults: &[(u64, T)], random: &mut Random) -> Option<T> {
    if faults.is_empty() {
        return None;
    }
    let mut place = random.below(1000);
    for (often, fault) in faults {
        if place < *often {
            return Some(*fault);
        }
        place -= often;
    }
    None
}

/// What goes wrong in a world beside its origin: in the tiers, by rate, and in the host, which may begin the work behind a
/// response late.
///
/// ```
/// use layercake::policy::Level;
/// use layercake::sim::{Faults, GetFault, TierFaults};
/// use std::time::Duration;
///
/// // L2 fails from the tenth to the twentieth second.
/// let outage = Faults::none().tier(Level::L2, TierFaults::default().get(1000, GetFault::Fail));
/// let script = Faults::none().then(Duration::from_secs(10), outage).then(Duration::from_secs(20), Faults::none());
/// assert_ne!(script, Faults::none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Faults {
    tiers: [TierFaults; 3],
    late_tasks: Option<(u64, Duration)>,
    later: Vec<(Duration, Self)>,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// A bad day: L1 and L2 fail, are slow, lose or garble something now and then, and work behind responses may begin late.
    /// Look-ups in L2 may hang; those in L1 do not, because the engine asks a trusted L1 without a timer.
    pub fn mild() -> Self {
        let (slow, slower) = (Duration::from_millis(300), Duration::from_secs(3));
        let tier = TierFaults::default()
            .get(10, GetFault::Fail)
            .get(5, GetFault::Corrupt)
            .get(5, GetFault::Truncated)
            .get(5, GetFault::Foreign)
            .get(20, GetFault::Slow(slow))
            .get(5, GetFault::Slow(slower))
            .put(20, PutFault::Fail)
            .put(20, PutFault::Lose)
            .put(5, PutFault::Hang)
            .put(20, PutFault::Slow(slower))
            .delete(20, DeleteFault::Fail)
            .delete(20, DeleteFault::Lose)
            .delete(5, DeleteFault::Hang)
            .delete(20, DeleteFault::Slow(slow));
        let l2 = tier.clone().get(5, GetFault::Hang);
        Self { tiers: [TierFaults::default(), tier, l2], late_tasks: Some((50, slow)), later: Vec::new() }
    }

    /// Every call of every tier has these faults.
    pub fn everywhere(get: GetFault, put: PutFault, delete: DeleteFault) -> Self {
        let tier = TierFaults::default().get(1000, get).put(1000, put).delete(1000, delete);
        Self { tiers: [tier.clone(), tier.clone(), tier], ..Self::default() }
    }

    /// The faults of the tiers at `level`. Default: none.
    pub fn tier(mut self, level: Level, faults: TierFaults) -> Self {
        let [hot, l1, l2] = &mut self.tiers;
        *match level {
            Level::Hot => hot,
            Level::L1 => l1,
            Level::L2 => l2,
        } = faults;
        self
    }

    /// So many tasks behind responses in a thousand begin late, by up to `most`. Default: none.
    pub fn late_tasks(mut self, permille: u64, most: Duration) -> Self {
        self.late_tasks = Some((permille, most));
        self
    }

    /// From `at` on, counted from the beginning of the world, `faults` hold instead. Default: the same all the time.
    pub fn then(mut self, at: Duration, faults: Self) -> Self {
        self.later.push((at, faults));
        self
    }

    fn at(&self, at: Duration) -> &Self {
        self.later.iter().rev().find(|(from, _)| *from <= at).map_or(self, |(_, faults)| faults)
    }

    pub(super) fn of_tier(&self, at: Duration, level: Level) -> &TierFaults {
        let [hot, l1, l2] = &self.at(at).tiers;
        match level {
            Level::Hot => hot,
            Level::L1 => l1,
            Level::L2 => l2,
        }
    }

    /// How late a task begins.
    pub(super) fn delay(&self, at: Duration, random: &mut Random) -> Duration {
        match self.at(at).late_tasks {
            Some((often, most)) if random.permille(often) => random.between((Duration::ZERO, most)),
            _ => Duration::ZERO,
        }
    }
}
