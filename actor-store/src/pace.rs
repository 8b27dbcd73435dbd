//! How much a fold writes before it syncs.
//!
//! Owns the balance of two costs. Each page of a fold has a place of its own, and the sync of a commit waits behind all that
//! are not synced yet: 32 of them are a millisecond, 256 are five to ten. More and smaller syncs fold less in a second, and
//! whoever falls behind makes everybody wait. Never folds, and never syncs.

/// Bytes between two syncs while nearly everything is folded.
const LEAST: u64 = 128 * 1024;
/// With a journal of more than an eighth of what it may be. Not more: each commit that waits for longer has more messages
/// wait behind it, for which the fold gives way.
const MORE: u64 = 2 * LEAST;
/// Shortly before it is as long as it may be.
const MOST: u64 = 32 * LEAST;

/// Bytes of a fold's pages after which they are synced, with a journal of `journal` bytes that may have `most`.
pub(crate) const fn sync_every(journal: u64, most: u64) -> u64 {
    if journal > most / 4 * 3 {
        MOST
    } else if journal > most / 8 {
        MORE
    } else {
        LEAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_further_folding_is_behind_the_more_is_synced_at_a_time() {
        let most = 64 * 1024 * 1024;
        let steps: Vec<_> = (0..=64)
            .map(|part| sync_every(most / 64 * part, most))
            .collect();
        assert!(steps.is_sorted());
        assert_eq!((steps[0], steps[64]), (LEAST, MOST));
        let distinct: std::collections::BTreeSet<_> = steps.iter().collect();
        assert_eq!(distinct.len(), 3);
        // A store that may have no journal at all folds as fast as it can.
        assert_eq!(sync_every(1, 0), MOST);
    }
}
