//! A time that may never come, in as few bytes as it takes: each cell in memory has several of them.
//!
//! Owns the width of a time in memory, and nothing on disk.

use std::fmt;

/// Bytes of a time: milliseconds since the epoch until the year 10889.
const BYTES: usize = 6;

/// In milliseconds since the epoch, or never.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct When([u8; BYTES]);

impl When {
    pub(crate) const NEVER: Self = Self([u8::MAX; BYTES]);

    /// The latest there is: what is later than that is then.
    pub(crate) const LAST_MS: u64 = (1 << (8 * BYTES as u32)) - 2;

    pub(crate) fn at(ms: u64) -> Self {
        let [low @ .., _, _] = ms.min(Self::LAST_MS).to_le_bytes();
        Self(low)
    }

    pub(crate) fn ms(self) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes[..BYTES].copy_from_slice(&self.0);
        let ms = u64::from_le_bytes(bytes);
        (ms <= Self::LAST_MS).then_some(ms)
    }

    /// Is it set, and no later?
    pub(crate) fn is_by(self, ms: u64) -> bool {
        self.ms().is_some_and(|at| at <= ms)
    }

    pub(crate) fn is_set(self) -> bool {
        self != Self::NEVER
    }

    /// What was set, which is not any more.
    pub(crate) fn take(&mut self) -> Option<u64> {
        std::mem::replace(self, Self::NEVER).ms()
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ms().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_one_that_was_set_or_the_latest_there_is() {
        let mut when = When::NEVER;
        assert_eq!((when.ms(), when.is_set(), when.take()), (None, false, None));
        for ms in [0, 1, 255, 256, 1 << 40, When::LAST_MS] {
            when = When::at(ms);
            assert_eq!((when.ms(), when.is_set()), (Some(ms), true));
            assert!(when.is_by(ms) && (ms == 0 || !when.is_by(ms - 1)));
        }
        for ms in [When::LAST_MS + 1, u64::MAX] {
            assert_eq!(When::at(ms).ms(), Some(When::LAST_MS));
        }
        assert_eq!((when.take(), when.ms()), (Some(When::LAST_MS), None));
    }
}
