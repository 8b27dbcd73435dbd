//! What the disk does beside a workload: how long a sync of another file takes there.
//!
//! Owns a thread that appends a block and syncs it, a hundred times a second. A durable answer cannot come sooner than its
//! sync: where the slowest sync of this file took as long as the slowest message, the machine's disk has stopped, and not
//! the workload.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::disk_floor::Floor;

const PAUSE: Duration = Duration::from_millis(10);
const BLOCK_BYTES: usize = 4096;

pub(crate) struct DiskWatch {
    is_over: Arc<AtomicBool>,
    // `None` only while it ends.
    thread: Option<JoinHandle<Result<f64, String>>>,
}

impl DiskWatch {
    /// Watches the disk of this directory until [`Self::slowest_millis`].
    pub(crate) fn begin(directory: &Path) -> Result<Self, String> {
        let mut floor = Floor::new(directory)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut slowest = 0.0_f64;
            while !over.load(Ordering::Relaxed) {
                let took = floor.latencies(BLOCK_BYTES, 1)?;
                slowest = took.into_iter().fold(slowest, f64::max);
                std::thread::sleep(PAUSE);
            }
            Ok(slowest / 1e3)
        });
        let thread = Some(thread);
        Ok(Self { is_over, thread })
    }

    /// The slowest sync since the beginning, in milliseconds.
    pub(crate) fn slowest_millis(mut self) -> Result<f64, String> {
        self.end().unwrap_or(Ok(0.0))
    }

    fn end(&mut self) -> Option<Result<f64, String>> {
        self.is_over.store(true, Ordering::Relaxed);
        let watched = self.thread.take()?.join();
        Some(
            watched.unwrap_or_else(|_| {
                Err("the thread that watches the disk has panicked".to_owned())
            }),
        )
    }
}

impl Drop for DiskWatch {
    fn drop(&mut self) {
        self.end();
    }
}
