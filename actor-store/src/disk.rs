//! Where a store's files and its lock live.
//!
//! Owns the contract between a store and a place to keep it. Never reads or writes a byte itself.

use std::any::Any;
use std::fmt;
use std::io;

use redb::StorageBackend;

/// A place for the files of one store.
///
/// Durability rests on it: `sync_data` of a backend must return only when everything written to it
/// before is on the medium, and `open` must make a newly created file's name durable.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Opens the file `name`, creating it empty if absent.
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>>;

    /// Whether there is a file `name` with anything in it. One that was absent should stay so, and need not.
    fn holds(&self, name: &str) -> io::Result<bool> {
        Ok(self.open(name)?.len()? > 0)
    }

    /// Locks the whole store until the guard is dropped.
    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, LockError>;

    /// What to call this place in messages, e.g. its path.
    fn describe(&self) -> String;

    /// Hears that a batch is durable and about to be reported, with its journal row. A disk that is to be checked
    /// notes it; others need not care.
    fn committed(&self, batch: u64, row: &[u8]) {
        let _ = (batch, row);
    }

    /// Remembers that a sync failed, so that the next [`Disk::settle`] rewrites the files. Best effort.
    ///
    /// After a failed sync the page cache may show bytes that never reached the medium and that no
    /// later sync will write.
    fn mark_unsettled(&self) {}

    /// Called under the lock before the files are opened: if [`Disk::mark_unsettled`] was ever called,
    /// makes all that is visible durable by rewriting it.
    fn settle(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a store could not be locked.
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody has the store open: another process, or another node of this one.
    Held {
        /// The place, see [`Disk::describe`].
        at: String,
    },
    /// The lock could not be tried.
    Io {
        /// The file concerned.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { at } => write!(
                f,
                "the store at {at} is already open, by another process or by another node of this one: \
                 stop that one first, or give this one a directory of its own"
            ),
            Self::Io { path, cause } => write!(
                f,
                "cannot lock {path}: {cause}; choose a directory on a local disk that this process may write"
            ),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Held { .. } => None,
            Self::Io { cause, .. } => Some(cause),
        }
    }
}
