//! Chance from a seed: the same seed, the same choices, on every machine.

/// A small generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The choices that belong to this seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Self(seed ^ 0x6e0b_5eed_6e0b_5eed);
        // Neighbouring seeds begin alike only until here.
        rng.next();
        rng
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        // Multiply and shift: no division, and no bias that matters for numbers as small as these.
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// True this many times in a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// True this many times in a thousand.
    pub fn permille(&mut self, permille: u64) -> bool {
        permille > 0 && self.below(1000) < permille
    }
}
