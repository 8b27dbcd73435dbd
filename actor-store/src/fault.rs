//! The boundary around redb: every call into it passes through [`Boundary::run`].
//!
//! Owns the rule "a fault stops the store for ever" and the catching of redb's panics, which damaged
//! pages provoke. Never tries again and never lets a panic through.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io::ErrorKind;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use crate::backend::Meter;
use crate::disk::Disk;
use crate::table::Table;

/// Why an operation of an open store failed.
///
/// Every fault but [`StoreFault::Corrupt`] stops the store: what was not reported committed before is
/// in doubt, nothing more is written, and only a new open tells what the disk holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFault {
    /// The store stopped at an earlier fault; [`crate::Store::stopped_because`] tells which.
    Stopped,
    /// A file could not be read or written.
    Io {
        /// The file.
        path: String,
        /// What was being done, and what the system said.
        cause: String,
    },
    /// A stored value does not match its checksum. The store goes on; this value is never served.
    Corrupt {
        /// The table of the value.
        table: Table,
        /// The key of the value.
        key: Vec<u8>,
    },
    /// The database found its own structure damaged.
    Damaged {
        /// The file.
        path: String,
        /// What the database said.
        detail: String,
    },
    /// The database panicked, which it does on some damaged pages.
    Panicked {
        /// The file.
        path: String,
        /// The panic's message.
        detail: String,
    },
    /// A batch was committed out of turn, or one before it was dropped.
    OutOfTurn {
        /// The batch that should have come.
        expected: u64,
        /// The batch that came.
        found: u64,
    },
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str(
                "the store stopped at an earlier fault and does nothing more: restart the process to open it again",
            ),
            Self::Io { path, cause } => write!(
                f,
                "{path}: {cause}; the store has stopped: free space or repair the disk, then restart"
            ),
            Self::Corrupt { table, key } => write!(
                f,
                "the value of key {} in table `{table}` is damaged on disk: restore both files from the same backup",
                Hex(key)
            ),
            Self::Damaged { path, detail } | Self::Panicked { path, detail } => write!(
                f,
                "{path} is damaged ({detail}); the store has stopped: restore both files from the same backup"
            ),
            Self::OutOfTurn { expected, found } => write!(
                f,
                "batch {found} was committed where batch {expected} was due; the store has stopped: commit every batch once, in the order of cutting"
            ),
        }
    }
}

impl std::error::Error for StoreFault {}

/// Bytes as lower-case hex digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Locks a mutex whose holders leave it consistent even when they panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shared by all parts of one store: whether it has stopped, and why.
#[derive(Debug)]
pub(crate) struct Stop {
    disk: Arc<dyn Disk>,
    meters: Vec<Arc<Meter>>,
    stopped: AtomicBool,
    because: Mutex<Option<StoreFault>>,
}

impl Stop {
    pub(crate) fn new(disk: Arc<dyn Disk>, meters: Vec<Arc<Meter>>) -> Self {
        Self {
            disk,
            meters,
            stopped: AtomicBool::new(false),
            because: Mutex::new(None),
        }
    }

    pub(crate) fn check(&self) -> Result<(), StoreFault> {
        if self.stopped.load(Ordering::SeqCst) {
            Err(StoreFault::Stopped)
        } else {
            Ok(())
        }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    pub(crate) fn because(&self) -> Option<StoreFault> {
        lock(&self.because).clone()
    }

    /// Stops the store for ever; the first reason is kept.
    pub(crate) fn stop(&self, fault: &StoreFault) {
        let is_first = !self.stopped.swap(true, Ordering::SeqCst);
        lock(&self.because).get_or_insert_with(|| fault.clone());
        for meter in &self.meters {
            meter.seal();
        }
        if is_first && self.meters.iter().any(|meter| meter.writing_failed()) {
            self.disk.mark_unsettled();
        }
    }
}

/// What the work inside the boundary may fail with.
#[derive(Debug)]
pub(crate) enum Trouble {
    Redb(Box<redb::Error>),
    Fault(StoreFault),
}

impl From<StoreFault> for Trouble {
    fn from(fault: StoreFault) -> Self {
        Self::Fault(fault)
    }
}

macro_rules! trouble_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Trouble {
            fn from(error: $error) -> Self {
                Self::Redb(Box::new(error.into()))
            }
        }
    )*};
}

trouble_from!(
    redb::Error,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError
);

/// One file's way into redb.
#[derive(Clone, Debug)]
pub(crate) struct Boundary {
    path: Arc<str>,
    meter: Arc<Meter>,
    stop: Arc<Stop>,
}

impl Boundary {
    pub(crate) fn new(path: &str, meter: Arc<Meter>, stop: Arc<Stop>) -> Self {
        install_hook();
        Self {
            path: path.into(),
            meter,
            stop,
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Runs `work` unless the store has stopped. A panic becomes a fault; every fault but a damaged
    /// value stops the store.
    pub(crate) fn run<T>(
        &self,
        work: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, StoreFault> {
        self.stop.check()?;
        let fault = match contained(work) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(Trouble::Fault(fault))) => fault,
            Ok(Err(Trouble::Redb(error))) => self.translate(*error),
            Err(detail) => StoreFault::Panicked {
                path: self.path.to_string(),
                detail,
            },
        };
        if !matches!(fault, StoreFault::Corrupt { .. }) {
            self.stop.stop(&fault);
        }
        Err(fault)
    }

    /// Drops something of redb's. Works on a stopped store too: files must be closed.
    pub(crate) fn release<T>(&self, thing: T) {
        let released = contained(|| drop(thing));
        if let Err(detail) = released {
            self.stop.stop(&StoreFault::Panicked {
                path: self.path.to_string(),
                detail,
            });
        }
    }

    fn translate(&self, error: redb::Error) -> StoreFault {
        let path = self.path.to_string();
        // redb hands out an I/O error once and calls it "previous" afterwards: the meter remembers.
        let remembered = self.meter.first_error();
        match error {
            // These two are said of the bytes, not of the device.
            redb::Error::Io(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::InvalidData
                ) =>
            {
                let detail = match error.kind() {
                    ErrorKind::UnexpectedEof => "the file is truncated".to_owned(),
                    _ => error.to_string(),
                };
                StoreFault::Damaged { path, detail }
            }
            redb::Error::Io(error) => StoreFault::Io {
                path,
                cause: remembered.unwrap_or_else(|| error.to_string()),
            },
            redb::Error::PreviousIo => StoreFault::Io {
                path,
                cause: remembered.unwrap_or_else(|| "an earlier I/O error".to_owned()),
            },
            other => StoreFault::Damaged {
                path,
                detail: other.to_string(),
            },
        }
    }
}

thread_local! {
    // Counts, because dropping a view may happen while another call is under way.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// Runs `work`, giving a panic's message as the error and printing nothing.
fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.with(|inside| inside.set(inside.get() - 1));
        }
    }
    INSIDE.with(|inside| inside.set(inside.get() + 1));
    let _leave = Leave;
    // What `work` touched is not used again: its owner stops at any panic.
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    // One line, whatever redb wrote into it.
    text.map_or_else(
        || "panic without a message".to_owned(),
        |text| text.split_whitespace().collect::<Vec<_>>().join(" "),
    )
}

/// Puts a panic hook before the present one, once a process: silent for panics inside the boundary,
/// which become a [`StoreFault`] with the same message, and unchanged for all others. Without it an
/// operator would see "thread panicked" for what is a damaged file.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    if thread::panicking() {
        // Hooks cannot be changed while panicking; the next store will do it.
        return;
    }
    INSTALLED.call_once(|| {
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_inside = INSIDE.try_with(Cell::get).unwrap_or(0) > 0;
            if !is_inside {
                earlier(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_disk::FileDisk;

    fn boundary() -> (Boundary, Arc<Stop>) {
        let disk = Arc::new(FileDisk::new("nowhere"));
        let meter = Arc::new(Meter::default());
        let stop = Arc::new(Stop::new(disk, vec![Arc::clone(&meter)]));
        (
            Boundary::new("a.redb", meter, Arc::clone(&stop)),
            Arc::clone(&stop),
        )
    }

    #[test]
    fn a_panic_inside_becomes_a_fault_and_stops_the_store() {
        let (boundary, stop) = boundary();
        let fault = boundary
            .run(|| -> Result<(), Trouble> { panic!("page 7\n  is odd") })
            .unwrap_err();
        let expected = StoreFault::Panicked {
            path: "a.redb".to_owned(),
            detail: "page 7 is odd".to_owned(),
        };
        assert_eq!(fault, expected);
        assert_eq!(boundary.run(|| Ok(())), Err(StoreFault::Stopped));
        assert_eq!(stop.because(), Some(expected));
        assert_eq!(INSIDE.get(), 0);
    }

    #[test]
    fn a_panic_while_closing_stops_the_store_and_goes_no_further() {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("closing");
            }
        }
        let (boundary, stop) = boundary();
        boundary.release(Bad);
        assert_eq!(stop.check(), Err(StoreFault::Stopped));
    }

    #[test]
    fn a_damaged_value_does_not_stop_the_store() {
        let (boundary, stop) = boundary();
        let corrupt = StoreFault::Corrupt {
            table: Table::App,
            key: vec![1],
        };
        let fault = boundary.run(|| -> Result<(), Trouble> { Err(corrupt.clone().into()) });
        assert_eq!(fault, Err(corrupt));
        assert_eq!(stop.check(), Ok(()));
    }
}
