//! What durable dialogs keep on disk: one journal, one set of tables, and the way back after a crash.
//!
//! This crate knows bytes and keys. It never knows what a dialog, a stage or a message is; whoever
//! sits above decides what a value means and when it may leave the process.
//!
//! # How a write becomes durable
//!
//! [`Store::publish`] makes writes visible to every reader at once and queues them. [`Store::cut`]
//! takes all that is queued as one [`Batch`], and [`Store::commit`] writes it as one row of
//! `journal.redb`, or one record of `journal.log` ([`JournalKind`]), with one sync: from then on it survives everything but the loss of the disk.
//! [`Store::fold_step`] later moves committed values, in small durable transactions, into the tables
//! of `dialogs.redb`, where the deadline and busy indexes are derived from them. A journal row whose
//! batch is folded is simply overwritten by a later commit.
//!
//! ```
//! use std::sync::Arc;
//! use actor_store::{FileDisk, Options, Store, Table, Value, Write};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let disk = Arc::new(FileDisk::new(dir.path()));
//! let store = Store::open(disk, Options::default(), *b"a store for ever")?;
//! store.publish(vec![Write {
//!     table: Table::App,
//!     key: b"greeting"[..].into(),
//!     value: Some(Value::new(*b"hello")),
//! }]);
//! store.commit(store.cut())?; // one row, one sync
//! let value = store.get(Table::App, b"greeting")?;
//! assert_eq!(value.map(|value| value.bytes.to_vec()).as_deref(), Some(&b"hello"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! - [`Store`], [`Snapshot`], [`Batch`]: the whole of it, for the node.
//! - [`Disk`], [`FileDisk`] and, with feature `test-util`, `MemoryDisk`: where the bytes lie.
//! - [`codec`], [`shape`], [`keys`]: how values, types and table keys become bytes.
//! - [`OpenError`], [`StoreFault`]: what can go wrong, in one sentence with the way out.
//!
//! # What is kept and what is not
//!
//! A failed write or sync stops the store for ever: what the disk then holds is unknown, and only a
//! new [`Store::open`] may look at it. Every stored value carries its own checksum, verified at every
//! read, so damage is reported and never served as data.
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod backend;
mod batch;
mod beside;
mod decoder;
mod dialogs;
mod disk;
mod fault;
mod file_disk;
mod fold;
mod fold_dialog;
mod header;
#[cfg(feature = "test-util")]
mod image;
mod index_rows;
mod indexes;
mod joint;
mod journal;
mod key;
mod log;
mod log_record;
#[cfg(feature = "test-util")]
mod memory_disk;
#[cfg(feature = "test-util")]
mod memory_file;
mod merge;
mod open;
mod open_error;
mod options;
mod overlay;
mod pace;
mod pack;
#[cfg(feature = "test-util")]
mod pages;
mod payload;
mod reading;
#[cfg(feature = "test-util")]
mod recording;
mod records;
mod recovery;
mod rows;
mod slots;
mod snapshot;
mod store;
mod stored;
mod table;
mod tree;
mod type_check;
mod verify;
mod witness;

pub mod codec;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod fuzz;
pub mod keys;
pub mod shape;

pub use batch::Batch;
pub use beside::Beside;
pub use disk::{Disk, LockError};
pub use fault::StoreFault;
pub use file_disk::FileDisk;
pub use fold::FoldProgress;
#[cfg(feature = "test-util")]
pub use image::Image;
pub use index_rows::IndexRow;
pub use joint::GROUP_BYTES;
pub use key::Key;
#[cfg(feature = "test-util")]
pub use memory_disk::{Counts, Crash, MemoryDisk};
pub use open_error::OpenError;
pub use options::{JournalKind, Options, StoreStats, Verification};
pub use pack::Pack;
pub use payload::Payload;
#[cfg(feature = "test-util")]
pub use recording::{Arrived, Deed, Event, Recording, Replay};
pub use slots::{LastEnd, SLOT_BYTES, SlotBytes};
pub use snapshot::Snapshot;
pub use store::Store;
pub use table::{Index, StoreId, Table, TypeKind, TypeRecord, Value, Write};
pub use verify::VerifyProgress;
