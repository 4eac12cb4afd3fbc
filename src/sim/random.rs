use crate::semantics::freshness::millis;
use std::time::Duration;

/// Random numbers that follow from a seed (`SplitMix64`: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// 2014). The same seed gives the same numbers on every machine.
///
/// ```
/// use layercake::sim::Random;
///
/// let (mut one, mut same) = (Random::new(7), Random::new(7));
/// assert_eq!(one.next_u64(), same.next_u64());
/// assert!(one.below(10) < 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random(u64);

impl Random {
    /// The numbers of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next_u64() >> 32).unwrap_or_default()
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of the remainder is below 1 in 2^32 for what simulations draw.
        self.next_u64().checked_rem(end).unwrap_or_default()
    }

    /// Whether something happens that happens so often in a thousand.
    pub fn permille(&mut self, often: u64) -> bool {
        self.below(1000) < often
    }

    /// A time from `least` to `most`, both included, in whole milliseconds.
    pub fn between(&mut self, (least, most): (Duration, Duration)) -> Duration {
        let (least, most) = (millis(least), millis(most));
        Duration::from_millis(least + self.below(most.saturating_sub(least).saturating_add(1)))
    }

    /// One of `choices`; `None` when there are none.
    pub fn choose<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let place = self.below(choices.len() as u64);
        choices.get(usize::try_from(place).unwrap_or_default())
    }

    /// Numbers of their own for another part of the simulation, so that what one part draws does not move the other's.
    #[must_use]
    pub const fn split(&mut self) -> Self {
        Self(self.next_u64())
    }
}
