//! The progress line on standard error.

use std::io::{self, IsTerminal as _, Write as _};

use crate::run::Progress;

/// Ticks between two lines where lines cannot be overwritten: every two seconds.
const TICKS_PER_LINE: u64 = 8;

/// One line that is overwritten on a terminal, and now and then a line elsewhere.
pub struct ProgressLine {
    terminal: bool,
    ticks: u64,
}

impl ProgressLine {
    /// Nothing is printed before the first progress.
    pub fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            ticks: 0,
        }
    }

    /// Shows how far the run is.
    pub fn show(&mut self, progress: &Progress, restarts: u64) {
        let Progress {
            settled,
            orders,
            counters,
        } = progress;
        let frames = counters.retransmitted;
        let line = format!(
            "{settled} of {orders} orders, {frames} frames retransmitted, {restarts} restarts"
        );
        self.ticks += 1;
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            // A progress line that cannot be shown is not worth an error.
            let _ = io::stderr().flush();
        } else if self.ticks.is_multiple_of(TICKS_PER_LINE) {
            eprintln!("{line}");
        }
    }

    /// Makes room for other lines.
    pub fn clear(&self) {
        if self.terminal && self.ticks > 0 {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}
