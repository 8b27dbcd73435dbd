//! The machine's clock of each node: it can be set, while the world's own time goes on.
//!
//! Owns how far each of them is off. As on a machine, a running process does not notice; its next life begins with what
//! the clock then shows.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use super::{World, clock::VirtualClock};
use crate::node::Clock;

/// How far a machine's clock is ahead of the world, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Off(Arc<AtomicI64>);

/// The clock of one life: the machine's at its start, then as time goes by.
#[derive(Debug)]
pub(super) struct LifeClock {
    world: Arc<VirtualClock>,
    off_at_start: i64,
    off: Off,
}

impl LifeClock {
    pub(super) fn new(world: &Arc<VirtualClock>, off: &Off) -> Self {
        Self {
            world: Arc::clone(world),
            off_at_start: off.0.load(Ordering::Relaxed),
            off: off.clone(),
        }
    }
}

impl Clock for LifeClock {
    fn now_ms(&self) -> u64 {
        self.world.now().saturating_add_signed(self.off_at_start)
    }

    fn wall_ms(&self) -> u64 {
        let off = self.off.0.load(Ordering::Relaxed);
        self.world.now().saturating_add_signed(off)
    }
}

impl World {
    /// Sets the clock of a node's machine ahead or back by so many milliseconds.
    pub fn step_clock(&mut self, name: &str, millis: i64) {
        self.home(name).off.0.fetch_add(millis, Ordering::Relaxed);
    }
}
