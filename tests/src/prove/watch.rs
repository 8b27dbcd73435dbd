//! How long it takes. The only file here that reads the machine's clock.

use std::time::{Duration, Instant};

/// Running since the start of the gate.
#[derive(Debug)]
pub(super) struct Watch {
    begun: Instant,
}

impl Watch {
    #[expect(
        clippy::disallowed_methods,
        reason = "says how long the gate takes; decides nothing that is tested"
    )]
    pub(super) fn start() -> Self {
        Self {
            begun: Instant::now(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn seconds(&self) -> u64 {
        self.elapsed().as_secs()
    }
}
