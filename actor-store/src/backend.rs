//! The layer between redb and a disk.
//!
//! Owns the counters of one file and the memory of its first I/O error, which redb reports only once
//! and then calls "previous error". Never retries.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use crate::fault::lock;

/// What went through one backend.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) syncs: AtomicU64,
    pub(crate) bytes_written: AtomicU64,
    first_error: Mutex<Option<String>>,
    writing_failed: AtomicBool,
    /// Bytes after which a sync follows that nobody asked for; 0 for never.
    sync_every: AtomicU64,
    sealed: AtomicBool,
}

impl Meter {
    /// Refuses every write from now on. A stopped store must not write, and redb would when it closes.
    pub(crate) fn seal(&self) {
        self.sealed.store(true, Ordering::SeqCst);
    }

    /// Syncs after every so many bytes from now on. The disk is then never busy for long with what waits for one sync, and
    /// the sync of another file does not wait for all of it.
    pub(crate) fn sync_every(&self, bytes: u64) {
        self.sync_every.store(bytes, Ordering::Relaxed);
    }

    fn writable(&self) -> io::Result<()> {
        if self.sealed.load(Ordering::SeqCst) {
            return Err(io::Error::other(
                "the store has stopped and writes nothing more",
            ));
        }
        Ok(())
    }

    /// The first I/O error of this file, in words.
    pub(crate) fn first_error(&self) -> Option<String> {
        lock(&self.first_error).clone()
    }

    /// Whether a write or sync of this file ever failed.
    pub(crate) fn writing_failed(&self) -> bool {
        self.writing_failed.load(Ordering::SeqCst)
    }

    fn note<T>(&self, doing: &str, is_write: bool, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            lock(&self.first_error).get_or_insert_with(|| format!("{doing} failed: {error}"));
            if is_write {
                self.writing_failed.store(true, Ordering::SeqCst);
            }
        }
        result
    }
}

/// A [`crate::Disk`]'s backend as redb wants it: sized, and counted.
#[derive(Debug)]
pub(crate) struct Backend {
    inner: Box<dyn StorageBackend>,
    meter: Arc<Meter>,
    /// Bytes written since the last sync.
    unsynced: AtomicU64,
}

impl Backend {
    pub(crate) fn new(inner: Box<dyn StorageBackend>, meter: Arc<Meter>) -> Self {
        Self {
            inner,
            meter,
            unsynced: AtomicU64::new(0),
        }
    }
}

// The locking methods keep their default, "unsupported": the store is guarded by `Disk::lock`,
// whatever the backend.
impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.meter
            .note("asking for the length", false, self.inner.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.meter
            .note("reading", false, self.inner.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.meter.writable()?;
        self.meter.note("resizing", true, self.inner.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.meter.writable()?;
        self.unsynced.store(0, Ordering::Relaxed);
        self.meter.syncs.fetch_add(1, Ordering::Relaxed);
        self.meter.note("syncing", true, self.inner.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.meter.writable()?;
        let len = data.len() as u64;
        self.meter.bytes_written.fetch_add(len, Ordering::Relaxed);
        self.meter
            .note("writing", true, self.inner.write(offset, data))?;
        let unsynced = self.unsynced.fetch_add(len, Ordering::Relaxed) + len;
        let every = self.meter.sync_every.load(Ordering::Relaxed);
        if every > 0 && unsynced >= every {
            self.sync_data()?;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
}
