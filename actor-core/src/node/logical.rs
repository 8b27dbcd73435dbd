//! The time a store lives in: it goes on from life to life, whatever the machine's clock was set to in between.
//!
//! Owns how far the machine's clock is believed at a start. It never goes back: a clock that was set back is overtaken by
//! what the store remembers. A clock that is far ahead of what the store remembers is not believed before somebody says
//! so, since nobody can take back what lapsed deadlines have ended; until then time goes on from where it was.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actor_store::{Store, StoreFault, Table, Value, Write};
use tracing::warn;

use super::{
    clock::Clock,
    record::{decode, encode},
};
use crate::coverage::{self, Rare};

/// How far ahead of the store's memory a clock is believed, where nothing else is said.
pub(crate) const CLOCK_HOLD: Duration = Duration::from_secs(7 * 86_400);
/// The row of the high-water mark in the node's own table.
const MARK_KEY: &[u8] = b"clock";

/// The time of one life of a store.
#[derive(Debug)]
pub(crate) struct LogicalClock {
    machine: Arc<dyn Clock>,
    /// The machine's time at which `from` was, and by how much we are beyond `from`.
    since: u64,
    from: AtomicU64,
    is_held: AtomicBool,
}

impl LogicalClock {
    /// For a store that opens.
    pub(crate) fn begin(
        store: &Store,
        machine: Arc<dyn Clock>,
        hold: Duration,
    ) -> Result<Self, StoreFault> {
        let row = store.get(Table::Node, MARK_KEY)?;
        let row = row.and_then(|row| decode::<u64>(&row.bytes).ok());
        // What was committed last, or what a good end left.
        let mark = row.max(store.last_end().mark);
        let now = machine.now_ms();
        let hold = u64::try_from(hold.as_millis()).unwrap_or(u64::MAX);
        let (from, is_held) = match mark {
            Some(mark) if now <= mark => (mark, false),
            Some(mark) if now - mark > hold => {
                coverage::sometimes(Rare::ClockHeld);
                warn!(
                    target: "actor_core::node", days = (now - mark) / 86_400_000,
                    "the clock is far ahead of the store's last commit: nothing is given up before `node.trust_clock()`"
                );
                (mark, true)
            }
            _ => (now, false),
        };
        Ok(Self {
            machine,
            since: now,
            from: AtomicU64::new(from),
            is_held: AtomicBool::new(is_held),
        })
    }

    /// Milliseconds since the epoch, never going back.
    pub(crate) fn now_ms(&self) -> u64 {
        let passed = self.machine.now_ms().saturating_sub(self.since);
        self.from.load(Ordering::SeqCst).saturating_add(passed)
    }

    /// Nothing is given up, because the machine's clock is not believed.
    pub(crate) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::SeqCst)
    }

    /// Somebody says that the machine's clock is right. False if nobody doubted it.
    pub(crate) fn trust(&self) -> bool {
        if !self.is_held.load(Ordering::SeqCst) {
            return false;
        }
        let behind = self.machine.wall_ms().saturating_sub(self.now_ms());
        self.from.fetch_add(behind, Ordering::SeqCst);
        self.is_held.swap(false, Ordering::SeqCst)
    }

    /// The high-water mark, written with each commit and never for its own sake: nothing in the commit is later.
    pub(crate) fn mark(&self) -> Option<Write> {
        let bytes = encode(&self.now_ms()).ok()?;
        Some(Write {
            table: Table::Node,
            key: MARK_KEY.into(),
            value: Some(Value::new(bytes)),
        })
    }
}
