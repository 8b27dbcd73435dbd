//! Counters of a node since its start.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What a node has done since its start. Repeated work is counted apart from work.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Stats {
                Stats { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Gate commits: one journal row and one sync each.
    commits,
    /// Messages handled by the application, timers and continuations included.
    handled,
    /// Handlers that panicked and were rolled back.
    panicked,
    /// Frames handed to the transport.
    frames_sent,
    /// Frames that arrived whole.
    frames_received,
    /// Frames that arrived damaged and were dropped.
    frames_damaged,
    /// Messages said again because nobody acknowledged them in time.
    retransmitted,
    /// Messages that arrived again after they had been handled.
    duplicates_dropped,
    /// Targets that dropped their pending work: another instance was chosen, or nobody confirmed in time.
    discarded_pending,
    /// Resets sent for endpoints that do not exist here.
    resets_sent,
    /// Dialogs that ended closed.
    completed,
    /// Dialogs that were abandoned, by either side.
    abandoned,
    /// Dialogs put aside with a dead letter.
    quarantined,
    /// Dialogs whose work was held for an operator.
    held,
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
