//! The node's time: the only place that reads the machine's clocks.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A source of time, in milliseconds since the epoch. Callers rely on it never going back.
pub(crate) trait Clock: Send + Sync + fmt::Debug {
    fn now_ms(&self) -> u64;

    /// What the machine's clock shows at this moment, which may have been set since.
    fn wall_ms(&self) -> u64 {
        self.now_ms()
    }
}

/// The machine's clock: the wall's time at the start, then monotonic, so that a step of the wall clock is not mistaken
/// for a partner's silence.
#[derive(Debug)]
pub(crate) struct MachineClock {
    wall_ms: u64,
    since: Instant,
    last: AtomicU64,
}

impl MachineClock {
    #[expect(clippy::disallowed_methods, reason = "this is the shell's one clock")]
    pub(crate) fn new() -> Self {
        Self {
            wall_ms: wall_ms(),
            since: Instant::now(),
            last: AtomicU64::new(0),
        }
    }
}

impl Clock for MachineClock {
    fn now_ms(&self) -> u64 {
        let now = self.wall_ms + self.since.elapsed().as_millis() as u64;
        // Written once in a millisecond: many threads ask, and one that writes takes it from all others.
        let last = self.last.load(Ordering::Relaxed);
        if now <= last {
            return last;
        }
        self.last.fetch_max(now, Ordering::Relaxed).max(now)
    }

    fn wall_ms(&self) -> u64 {
        wall_ms()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the shell's one clock")]
fn wall_ms() -> u64 {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    wall.as_millis() as u64
}
