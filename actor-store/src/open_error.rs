//! Why a store could not be opened, one line each, with the way out.
//!
//! Owns the sentences an operator reads first. Opening never repairs by throwing away: each of these
//! leaves in the files all that was in them.

use std::fmt;
use std::io;

use crate::disk::LockError;
use crate::fault::StoreFault;

const BACKUP: &str = "restore both files from the same backup";

/// Why [`crate::Store::open`] or [`crate::Store::check_types`] refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The store is open elsewhere, or its lock could not be tried.
    Lock(LockError),
    /// A file could not be opened, read or written.
    Io {
        /// The file.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is something else: no database, or somebody else's.
    NotAStore {
        /// The file.
        path: String,
        /// What it lacks.
        detail: &'static str,
    },
    /// The file begins with zeros where its header should be.
    Blank {
        /// The file.
        path: String,
    },
    /// The file is shorter than its header says.
    Truncated {
        /// The file.
        path: String,
        /// Its length in bytes.
        length: u64,
    },
    /// The file is damaged.
    Damaged {
        /// The file.
        path: String,
        /// What was found.
        detail: String,
    },
    /// The file was written by a later version of this library.
    Newer {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
        /// The newest format this build knows.
        known: u32,
    },
    /// One of the two files is missing or empty while the other is in use.
    Missing {
        /// The missing file.
        path: String,
        /// The file that is there.
        other: String,
    },
    /// There are two journals, of which the store can only have written one.
    TwoJournals {
        /// Where they lie.
        at: String,
    },
    /// The two files belong to two stores.
    DifferentStores {
        /// Where they lie.
        at: String,
    },
    /// The two files were not saved at the same time, and committed work would be lost.
    DifferentDays {
        /// Where they lie.
        at: String,
        /// What does not fit.
        detail: String,
    },
    /// The journal lacks batches that were committed: it is damaged where its newest commit stands, or an older copy.
    WentBack {
        /// The journal's file.
        path: String,
        /// The newest batch in it.
        last: u64,
        /// The newest batch that was committed.
        newest: u64,
    },
    /// A type's layout changed without a new version.
    TypeChanged {
        /// The type.
        name: String,
        /// The version both layouts claim.
        version: u32,
    },
    /// The store holds an earlier version of a type, of another layout.
    TypeOlder {
        /// The type.
        name: String,
        /// The stored version.
        stored: u32,
        /// The version this build knows.
        known: u32,
        /// Values of it in the store.
        held: u64,
    },
    /// What is said to be an earlier version of a type is not what the store was written with.
    TypePastDiffers {
        /// The type.
        name: String,
        /// The earlier version.
        version: u32,
    },
    /// A message or a continuation has another layout under its old name, while dialogs that may use it live.
    MessageChanged {
        /// The dialog and the method, `Checkout.pay`.
        name: String,
        /// Dialogs in the store that may have such messages under way.
        held: u64,
    },
    /// The rows of a table have another layout.
    TableChanged {
        /// The table.
        name: String,
    },
    /// The store holds a later version of a type than this build knows.
    TypeNewer {
        /// The type.
        name: String,
        /// The stored version.
        stored: u32,
        /// The version this build knows.
        known: u32,
    },
    /// The store failed while it was being opened.
    Fault(StoreFault),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => error.fmt(f),
            Self::Io { path, cause } => write!(
                f,
                "cannot use {path}: {cause}; check that the directory exists, is writable and has space left"
            ),
            Self::NotAStore { path, detail } => write!(
                f,
                "{path} is not part of a dialog store ({detail}): move it away, or point to another directory"
            ),
            Self::Blank { path } => write!(
                f,
                "{path} begins with zeros where its header should be: {BACKUP}"
            ),
            Self::Truncated { path, length } => {
                write!(f, "{path} is cut short at {length} bytes: {BACKUP}")
            }
            Self::Damaged { path, detail } => write!(f, "{path} is damaged ({detail}): {BACKUP}"),
            Self::Newer { path, found, known } => write!(
                f,
                "{path} has format {found} and this build knows up to {known}: start the newer build again, or {BACKUP}"
            ),
            Self::Missing { path, other } => write!(
                f,
                "{path} is missing or empty although {other} is in use: {BACKUP}"
            ),
            Self::TwoJournals { at } => write!(
                f,
                "{at} holds both journal.redb and journal.log, and the store was only ever written with one of them: move away the one that was not"
            ),
            Self::DifferentStores { at } => write!(
                f,
                "journal.redb and dialogs.redb in {at} belong to two different stores: {BACKUP}"
            ),
            Self::DifferentDays { at, detail } => write!(
                f,
                "journal.redb and dialogs.redb in {at} were saved at different times ({detail}): {BACKUP}"
            ),
            Self::WentBack { path, last, newest } => write!(
                f,
                "{path} ends at batch {last}, and batch {newest} was committed: restore the whole directory from one backup, \
                 or, to go on from this older state, delete the file `newest` in it"
            ),
            Self::TypeChanged { name, version } => write!(
                f,
                "`{name}` changed since this store was written, under the same version {version}: keep the old struct as \
                 `{name}V{version}` with `impl From<{name}V{version}> for {name}` and say `version = {}, from = {name}V{version}`, \
                 or let its dialogs end with the program that wrote them",
                version.saturating_add(1)
            ),
            Self::TypeOlder {
                name,
                stored,
                known,
                held,
            } => write!(
                f,
                "this store holds version {stored} of `{name}`, {held} of it, and this build writes version {known}: keep the old \
                 struct as `{name}V{stored}` with `impl From<{name}V{stored}> for {name}` and add \
                 `from({stored} => {name}V{stored})`, or let its dialogs end with the build that wrote them"
            ),
            Self::TypePastDiffers { name, version } => write!(
                f,
                "version {version} of `{name}` is not what `from` says: give the old struct the fields, the names and the types \
                 with which this store was written; a type inside it that was renamed keeps its name by `#[serde(rename = \"..\")]`"
            ),
            Self::MessageChanged { name, held } => write!(
                f,
                "`{name}` takes or gives something else than when this store was written, and {held} dialogs may have it under \
                 way: give the new method another name and keep the old one for them"
            ),
            Self::TableChanged { name } => write!(
                f,
                "the rows of {name} changed since this store was written: undo the change, or give the new table another name \
                 and copy what you need"
            ),
            Self::TypeNewer {
                name,
                stored,
                known,
            } => write!(
                f,
                "this store holds version {stored} of `{name}` and this build knows version {known}: start the newer build again"
            ),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lock(error) => Some(error),
            Self::Io { cause, .. } => Some(cause),
            Self::Fault(fault) => Some(fault),
            _ => None,
        }
    }
}

impl From<LockError> for OpenError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

// While opening, a database that panics or finds itself damaged is a damaged file.
impl From<StoreFault> for OpenError {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Io { path, cause } => Self::Io {
                path,
                cause: io::Error::other(cause),
            },
            StoreFault::Damaged { path, detail } | StoreFault::Panicked { path, detail } => {
                Self::Damaged { path, detail }
            }
            other => Self::Fault(other),
        }
    }
}
