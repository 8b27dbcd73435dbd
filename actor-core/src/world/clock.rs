//! Time and randomness of a world: both move only when told.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::{dialog::Ids, node::Clock};

/// Where time begins, in milliseconds since the epoch. Any day will do.
const BEGIN_MS: u64 = 1_700_000_000_000;

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

impl Clock for VirtualClock {
    fn now_ms(&self) -> u64 {
        self.now()
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
