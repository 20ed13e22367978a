//! A small generator of numbers that a seed determines: the same seed, the same hospital.
//! (Steele, Lea and Flood's `SplitMix64` step.)

/// Dice that always fall the same way for the same seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice for a seed.
    pub const fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Other dice that depend on these and on a label, so that one part of a simulation can roll
    /// more often without disturbing another.
    #[must_use]
    pub const fn fork(&self, label: u64) -> Dice {
        let mut other = Dice(self.0 ^ label.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let seed = other.roll();
        Dice(seed)
    }

    /// 64 even bits.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        self.roll() % bound
    }

    /// A number from `low` to `high`, both possible.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high.saturating_sub(low)).unwrap_or(0);
        low.saturating_add(i64::try_from(self.below(width.saturating_add(1))).unwrap_or(0))
    }

    /// Whether something that happens in `in_thousand` of 1,000 cases happens now.
    pub const fn chance(&mut self, in_thousand: u64) -> bool {
        self.below(1000) < in_thousand
    }

    /// An even number in 0..1.
    pub fn unit(&mut self) -> f64 {
        let bits = u32::try_from(self.roll() >> 32).unwrap_or(0);
        f64::from(bits) / 4_294_967_296.0
    }

    /// A bell-shaped number of mean 0 and standard deviation 1, never beyond 6 (sum of twelve).
    pub fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// One of `items`; the default value if there are none.
    pub fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        self.pick_from(items).copied().unwrap_or_default()
    }

    /// One of `items`, if there are any.
    pub fn pick_from<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let place = self.below(u64::try_from(items.len()).unwrap_or(0));
        items.get(usize::try_from(place).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rolls_the_same() {
        let (mut one, mut two) = (Dice::new(7), Dice::new(7));
        assert!((0..100).all(|_| one.roll() == two.roll()));
        assert_ne!(Dice::new(7).roll(), Dice::new(8).roll());
        assert_ne!(Dice::new(7).fork(1).roll(), Dice::new(7).fork(2).roll());
    }

    #[test]
    fn numbers_stay_in_their_bounds() {
        let mut dice = Dice::new(1);
        for _ in 0..1000 {
            assert!(dice.below(6) < 6);
            assert!((-3..=3).contains(&dice.between(-3, 3)));
            assert!((0.0..1.0).contains(&dice.unit()));
            assert!(dice.bell().abs() <= 6.0);
        }
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.pick::<u8>(&[]), 0);
    }
}
