//! Openings whose initiators have not come back: how many, how large, and from whom, so that a flood of them costs a
//! bounded amount of disk and next to no memory.
//!
//! Owns the counts of a node. Knows no record: shards say what they wrote. Counts begin at zero with each start and grow
//! as records of earlier lives are read; one that nobody reads is counted when its deadline is due, so after a restart
//! there can be twice as many for as long as such a deadline is.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::protocol::{Limits, StoreId};

/// What is half-open on a node.
#[derive(Debug, Default)]
pub(crate) struct HalfOpen {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    targets: u64,
    bytes: u64,
    by_peer: BTreeMap<StoreId, u64>,
}

/// One opening, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) peer: StoreId,
    /// Pending state and messages, as they are written.
    pub(crate) bytes: u64,
}

impl HalfOpen {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why one more is refused, in words; `None` if it is not.
    pub(crate) fn refusal(&self, opening: Opening, limits: &Limits) -> Option<String> {
        let counts = self.lock();
        let from_peer = counts.by_peer.get(&opening.peer).copied().unwrap_or(0);
        let full = [
            (counts.targets, limits.max_half_open, "dialogs"),
            (from_peer, limits.max_half_open_per_peer, "dialogs of yours"),
            (
                counts.bytes + opening.bytes,
                limits.max_half_open_bytes,
                "bytes of dialogs",
            ),
        ];
        let (_, limit, what) = full.into_iter().find(|(is, limit, _)| is >= limit)?;
        Some(format!(
            "{limit} {what} wait for their initiators here; try again later"
        ))
    }

    /// An opening is half-open with these bytes, was with those, or no longer is.
    pub(crate) fn change(&self, before: Option<Opening>, now: Option<Opening>) {
        if before == now {
            return;
        }
        let mut counts = self.lock();
        if let Some(before) = before {
            counts.targets = counts.targets.saturating_sub(1);
            counts.bytes = counts.bytes.saturating_sub(before.bytes);
            if let Some(count) = counts.by_peer.get_mut(&before.peer) {
                *count -= 1;
                if *count == 0 {
                    counts.by_peer.remove(&before.peer);
                }
            }
        }
        if let Some(now) = now {
            counts.targets += 1;
            counts.bytes += now.bytes;
            *counts.by_peer.entry(now.peer).or_default() += 1;
        }
    }

    /// How many there are.
    #[cfg(feature = "test-util")]
    pub(crate) fn targets(&self) -> u64 {
        self.lock().targets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            max_half_open: 3,
            max_half_open_per_peer: 2,
            max_half_open_bytes: 100,
            ..Limits::default()
        }
    }

    fn opening(peer: u8, bytes: u64) -> Opening {
        Opening {
            peer: StoreId([peer; 16]),
            bytes,
        }
    }

    #[test]
    fn each_limit_refuses_by_itself_and_what_is_over_makes_room() {
        let (counts, limits) = (HalfOpen::default(), limits());
        let refusal = |opening| counts.refusal(opening, &limits);
        counts.change(None, Some(opening(1, 10)));
        counts.change(None, Some(opening(1, 10)));
        assert!(refusal(opening(1, 10)).is_some_and(|why| why.contains("of yours")));
        assert_eq!(refusal(opening(2, 10)), None);
        assert!(refusal(opening(2, 80)).is_some_and(|why| why.contains("bytes")));
        counts.change(None, Some(opening(2, 10)));
        assert!(refusal(opening(3, 10)).is_some_and(|why| why.starts_with("3 dialogs wait")));
        counts.change(Some(opening(1, 10)), Some(opening(1, 70)));
        counts.change(Some(opening(1, 10)), None);
        assert!(refusal(opening(1, 20)).is_some_and(|why| why.contains("bytes")));
        counts.change(Some(opening(1, 70)), None);
        assert_eq!(refusal(opening(1, 10)), None);
        assert_eq!(counts.lock().by_peer.len(), 1, "nobody is remembered");
    }
}
