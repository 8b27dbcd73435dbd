//! The gnomes: "Machiavellian gnomes who are watching your messages float by so they can interject a copy of a message at
//! precisely the worst time" (Helland).
//!
//! Owns the seeded decision what happens to a frame, and the frames held back. Time is handed in.

use std::{collections::VecDeque, time::Duration};

/// How a network treats frames. Calm until told otherwise; the seed decides everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gnomes {
    seed: u64,
    lose: f64,
    repeat: f64,
    reorder: u32,
    delay: Duration,
}

impl Gnomes {
    /// The worst that a test should expect: a third is lost, half comes twice, and hardly anything in order.
    pub const HOSTILE: Self = Self {
        seed: 0x60d5,
        lose: 0.3,
        repeat: 0.5,
        reorder: 6,
        delay: Duration::from_millis(400),
    };

    /// A calm network with the seed of later mischief.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            lose: 0.0,
            repeat: 0.0,
            reorder: 0,
            delay: Duration::ZERO,
        }
    }

    /// Loses this part of all frames, 0.0 to 1.0.
    #[must_use]
    pub fn lose(mut self, rate: f64) -> Self {
        self.lose = rate.clamp(0.0, 1.0);
        self
    }

    /// Delivers this part of all frames once more, at another time, 0.0 to 1.0.
    #[must_use]
    pub fn repeat(mut self, rate: f64) -> Self {
        self.repeat = rate.clamp(0.0, 1.0);
        self
    }

    /// Lets up to this many later frames overtake a frame.
    #[must_use]
    pub fn reorder(mut self, frames: u32) -> Self {
        self.reorder = frames;
        self
    }

    /// Delays each frame by up to this long.
    #[must_use]
    pub fn delay(mut self, at_most: Duration) -> Self {
        self.delay = at_most;
        self
    }
}

/// A frame held back by the wish to reorder is let go after this long without traffic.
const OVERTAKEN_AT_LATEST: Duration = Duration::from_millis(5);

/// What becomes of one copy of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldBack {
    /// Later frames that go first.
    pub(crate) frames: u32,
    pub(crate) delay: Duration,
}

/// The gnomes at work: seeded decisions and a bag of frames held back. Deterministic for a sequence of offers.
#[derive(Debug)]
pub(crate) struct Mischief<T> {
    gnomes: Gnomes,
    state: u64,
    held: VecDeque<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    item: T,
    frames: u32,
    due_ms: u64,
    /// Goes as soon as enough frames have passed, or at `due_ms`; otherwise at `due_ms` only.
    overtakable: bool,
}

impl<T: Clone> Mischief<T> {
    pub(crate) fn new(gnomes: Gnomes) -> Self {
        Self {
            gnomes,
            state: gnomes.seed,
            held: VecDeque::new(),
        }
    }

    /// The copies of the next frame; none if it is lost.
    pub(crate) fn fate(&mut self) -> Vec<HoldBack> {
        if self.chance() < self.gnomes.lose {
            return Vec::new();
        }
        let mut copies = vec![self.hold_back()];
        if self.chance() < self.gnomes.repeat {
            copies.push(self.hold_back());
        }
        copies
    }

    /// Keeps a copy for later.
    pub(crate) fn hold(&mut self, item: T, by: HoldBack, now_ms: u64) {
        let wait = if by.delay.is_zero() {
            OVERTAKEN_AT_LATEST
        } else {
            by.delay
        };
        self.held.push_back(Held {
            item,
            frames: by.frames,
            due_ms: now_ms + wait.as_millis() as u64,
            overtakable: by.delay.is_zero(),
        });
    }

    /// A frame has passed: those that waited for it go now, and those whose time has come.
    pub(crate) fn passed(&mut self, now_ms: u64) -> Vec<T> {
        for held in &mut self.held {
            held.frames = held.frames.saturating_sub(1);
        }
        self.due(now_ms)
    }

    /// Those whose time has come.
    pub(crate) fn due(&mut self, now_ms: u64) -> Vec<T> {
        let mut free = Vec::new();
        for _ in 0..self.held.len() {
            match self.held.pop_front() {
                Some(held) if held.due_ms <= now_ms || (held.overtakable && held.frames == 0) => {
                    free.push(held.item)
                }
                Some(held) => self.held.push_back(held),
                None => break,
            }
        }
        free
    }

    /// When the next one is due at the latest.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.held.iter().map(|held| held.due_ms).min()
    }

    fn hold_back(&mut self) -> HoldBack {
        let frames = if self.gnomes.reorder == 0 {
            0
        } else {
            (self.next() % u64::from(self.gnomes.reorder + 1)) as u32
        };
        let delay_ms = self.gnomes.delay.as_millis() as u64;
        let delay = if delay_ms == 0 {
            0
        } else {
            self.next() % (delay_ms + 1)
        };
        HoldBack {
            frames,
            delay: Duration::from_millis(delay),
        }
    }

    fn chance(&mut self) -> f64 {
        // 53 bits fill a double's fraction.
        #[expect(clippy::cast_precision_loss, reason = "2^53 is exact in a double")]
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }

    // SplitMix64: small, seedable, and good enough to be nasty.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliveries(gnomes: Gnomes) -> Vec<u32> {
        let mut mischief = Mischief::new(gnomes);
        let mut out = Vec::new();
        for frame in 0..1000_u32 {
            for copy in mischief.fate() {
                if copy.frames == 0 && copy.delay.is_zero() {
                    out.push(frame);
                } else {
                    mischief.hold(frame, copy, 0);
                }
            }
            out.extend(mischief.passed(0));
        }
        out.extend(mischief.due(u64::MAX));
        out
    }

    #[test]
    fn a_calm_network_delivers_everything_once_in_order() {
        assert_eq!(deliveries(Gnomes::seeded(1)), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn the_same_seed_does_the_same_mischief_and_another_seed_other() {
        let gnomes = |seed| Gnomes::seeded(seed).lose(0.3).repeat(0.3).reorder(5);
        assert_eq!(deliveries(gnomes(7)), deliveries(gnomes(7)));
        assert_ne!(deliveries(gnomes(7)), deliveries(gnomes(8)));
    }

    #[test]
    fn rates_are_kept_and_nothing_is_overtaken_by_more_frames_than_allowed() {
        let out = deliveries(Gnomes::seeded(3).lose(0.2).reorder(5));
        assert!(
            (700..900).contains(&out.len()),
            "{} of 1000 arrived",
            out.len()
        );
        for (at, frame) in out.iter().enumerate() {
            assert!(out[at..].iter().all(|later| later + 6 >= *frame));
        }
        assert!(
            out.windows(2).any(|pair| pair[0] > pair[1]),
            "something was reordered"
        );
        let repeated = deliveries(Gnomes::seeded(3).repeat(0.2));
        assert!(
            (1100..1300).contains(&repeated.len()),
            "{} copies arrived",
            repeated.len()
        );
    }
}
