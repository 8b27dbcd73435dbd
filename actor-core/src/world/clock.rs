//! Time and randomness of a world: both move only when told.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::dialog::Ids;

/// Where time begins, in milliseconds since the epoch. Any day will do.
pub(super) const BEGIN_MS: u64 = 1_700_000_000_000;

/// A clock that stands still.
#[derive(Debug)]
pub(super) struct VirtualClock(AtomicU64);

impl Default for VirtualClock {
    fn default() -> Self {
        Self(AtomicU64::new(BEGIN_MS))
    }
}

impl VirtualClock {
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, now: u64) {
        self.0.fetch_max(now, Ordering::Relaxed);
    }
}

/// Ids from a seed.
#[derive(Debug)]
pub(super) struct SeededIds(Mutex<u64>);

impl SeededIds {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed ^ 0x5eed))
    }
}

impl Ids for SeededIds {
    fn random(&self) -> [u8; 16] {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&next(&mut state).to_be_bytes());
        id[8..].copy_from_slice(&next(&mut state).to_be_bytes());
        id
    }
}

/// The next of a seeded sequence of numbers (splitmix64).
pub(super) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Numbers from a seed, of one purpose.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// Streams of one seed for different purposes have nothing to do with each other.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut state = seed ^ purpose.wrapping_mul(0xd1ce_d1ce_d1ce_d1cf);
        next(&mut state);
        Self(state)
    }

    pub(super) fn any(&mut self) -> u64 {
        next(&mut self.0)
    }

    /// Less than `n`; 0 if `n` is 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.any().checked_rem(n).unwrap_or(0)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 1
    }
}

/// Milliseconds of a world's life, as a person says them.
pub(super) struct Moments(pub(super) u64);

impl fmt::Display for Moments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (hours, rest) = (rest / 3_600_000, rest % 3_600_000);
        let (minutes, rest) = (rest / 60_000, rest % 60_000);
        let (seconds, millis) = (rest / 1000, rest % 1000);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{seconds}.{millis:03}s"),
            (0, 0, _) => write!(f, "{minutes}m{seconds:02}.{millis:03}s"),
            (0, ..) => write!(f, "{hours}h{minutes:02}m{seconds:02}s"),
            _ => write!(f, "{days}d{hours:02}h{minutes:02}m"),
        }
    }
}
