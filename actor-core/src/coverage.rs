//! Which rare states a run has reached: rows of the transition table by circumstance, and named situations.
//!
//! Owns counters, for a whole process. Nothing here changes what the plumbing does; without the feature `test-util` each
//! mark is an empty function.

/// How an input came to an endpoint, as the harness that hands it over knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Circumstance {
    /// For the first time, in order.
    Normal,
    /// For the second time.
    Duplicated,
    /// Overtaken by something that was sent later.
    Reordered,
    /// For the first time since the endpoint was read back from its durable bytes.
    AfterCrash,
}

macro_rules! rare {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// A situation that a good run reaches now and then. One that no run reaches is one that nobody tests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rare {
            $($(#[doc = $doc])* $name,)*
        }

        impl Rare {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

rare! {
    /// An initiator was answered by a second instance after it had bound to a first.
    TwinAnswered,
    /// An initiator bound on an answer that was not the first of its partner.
    BoundOnLaterAnswer,
    /// A currency value was superseded in the outbox before it was ever in a frame.
    SupersededBeforeSaid,
    /// A currency value was superseded in the outbox while a copy of it was on its way, or had arrived.
    SupersededAfterSaid,
    /// A currency value was superseded in its receiver's backlog.
    SupersededWhileHeld,
}

#[cfg(feature = "test-util")]
mod counters {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::{Circumstance, Rare};

    /// Rows of the transition table, from 1.
    const ROWS: usize = 32;
    const CIRCUMSTANCES: usize = 4;

    static ROW_HITS: [[AtomicU64; CIRCUMSTANCES]; ROWS] =
        [const { [const { AtomicU64::new(0) }; CIRCUMSTANCES] }; ROWS];
    static RARE_HITS: [AtomicU64; Rare::ALL.len()] = [const { AtomicU64::new(0) }; Rare::ALL.len()];

    thread_local! {
        static CIRCUMSTANCE: Cell<Circumstance> = const { Cell::new(Circumstance::Normal) };
    }

    /// How the inputs that follow on this thread came.
    pub fn set_circumstance(circumstance: Circumstance) {
        CIRCUMSTANCE.set(circumstance);
    }

    /// Marks a row of the transition table, from 1 to 32.
    pub fn row(row: usize) {
        let column = CIRCUMSTANCE.get() as usize;
        ROW_HITS[row - 1][column].fetch_add(1, Ordering::Relaxed);
    }

    /// Marks a rare situation.
    pub fn sometimes(rare: Rare) {
        RARE_HITS[rare as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often a row was taken under a circumstance.
    pub fn row_hits(row: usize, circumstance: Circumstance) -> u64 {
        ROW_HITS[row - 1][circumstance as usize].load(Ordering::Relaxed)
    }

    /// How often a rare situation was met.
    pub fn rare_hits(rare: Rare) -> u64 {
        RARE_HITS[rare as usize].load(Ordering::Relaxed)
    }
}

#[cfg(feature = "test-util")]
pub use counters::{rare_hits, row, row_hits, set_circumstance, sometimes};

/// Marks a row of the transition table.
#[cfg(not(feature = "test-util"))]
pub(crate) fn row(_row: usize) {}

/// Marks a rare situation.
#[cfg(not(feature = "test-util"))]
pub(crate) fn sometimes(_rare: Rare) {}
