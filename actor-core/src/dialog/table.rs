//! The application's own tables, written in the same transaction as the message that changes them.
//!
//! Owns types and key bytes; where rows are kept is behind [`TableAccess`](super::TableAccess).

use std::{
    fmt,
    marker::PhantomData,
    ops::{Bound, RangeBounds},
};

use actor_store::{codec, keys::TableKey};

use super::{Durable, Step, StepFault};

/// A typed table of the node's store, shared by all its dialogs. Declare it as a constant and name it in the dialogs
/// that use it: `#[dialog(timeout = "..", tables(LEDGER))]`.
///
/// Reads and writes of a handler are serializable with those of every other dialog: the first access takes the node's
/// table lock and the step keeps it until its place in the commit order is fixed. A handler that returns `Err` or
/// panics leaves no row behind.
pub struct Table<K, V> {
    name: &'static str,
    row: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Table<K, V> {
    /// The table called `name`.
    ///
    /// # Panics
    ///
    /// When compiled, as a constant, if the name has no bytes or more than 255.
    pub const fn new(name: &'static str) -> Self {
        assert!(
            !name.is_empty() && name.len() <= 255,
            "a table's name has 1 to 255 bytes"
        );
        Self {
            name,
            row: PhantomData,
        }
    }

    /// Its name on disk.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Table<K, V> {}

impl<K, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.name)
    }
}

/// A table as a read-only handler sees it.
pub struct TableRef<'a, K, V> {
    pub(super) step: &'a Step<'a>,
    pub(super) table: Table<K, V>,
}

/// A table as an established handler sees it.
pub struct TableMut<'a, K, V> {
    pub(super) step: &'a Step<'a>,
    pub(super) table: Table<K, V>,
}

impl<K, V> fmt::Debug for TableRef<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}

impl<K, V> fmt::Debug for TableMut<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}

impl<K: TableKey, V: Durable> TableRef<'_, K, V> {
    /// The row of `key`.
    pub fn get(&self, key: &K) -> Option<V> {
        get(self.step, self.table, key)
    }

    /// The rows whose keys lie in `range`, in the order of their keys.
    pub fn range(&self, range: impl RangeBounds<K>) -> Vec<(K, V)> {
        rows(self.step, self.table, &range)
    }
}

impl<K: TableKey, V: Durable> TableMut<'_, K, V> {
    /// The row of `key`, with this handler's own writes.
    pub fn get(&self, key: &K) -> Option<V> {
        get(self.step, self.table, key)
    }

    /// The rows whose keys lie in `range`, in the order of their keys, with this handler's own writes.
    pub fn range(&self, range: impl RangeBounds<K>) -> Vec<(K, V)> {
        rows(self.step, self.table, &range)
    }

    /// Writes the row of `key`, replacing what was there.
    pub fn insert(&mut self, key: &K, value: &V) {
        let row = codec::encode(value).map_err(|cause| StepFault::Row {
            table: self.table.name,
            cause,
        });
        let put = row.and_then(|row| {
            self.step
                .tables
                .put(self.table.name, key.encode(), Some(row.into()))
        });
        put.unwrap_or_else(|fault| self.step.fail(fault));
    }

    /// Removes the row of `key`.
    pub fn remove(&mut self, key: &K) {
        let put = self.step.tables.put(self.table.name, key.encode(), None);
        put.unwrap_or_else(|fault| self.step.fail(fault));
    }
}

// A read that fails answers `None` and fails the step: nothing the handler concludes from it can be committed.
fn get<K: TableKey, V: Durable>(step: &Step<'_>, table: Table<K, V>, key: &K) -> Option<V> {
    let bytes = step
        .tables
        .get(table.name, &key.encode())
        .map_err(|fault| step.fail(fault))
        .ok()??;
    codec::decode(&bytes)
        .map_err(|cause| {
            step.fail(StepFault::Row {
                table: table.name,
                cause,
            })
        })
        .ok()
}

fn rows<K: TableKey, V: Durable>(
    step: &Step<'_>,
    table: Table<K, V>,
    range: &impl RangeBounds<K>,
) -> Vec<(K, V)> {
    let (from, to) = key_range(range);
    let found = step
        .tables
        .range(table.name, &from, to.as_ref().map(Vec::as_slice));
    match found.and_then(|rows| decode_rows(table, rows)) {
        Ok(rows) => rows,
        Err(fault) => {
            step.fail(fault);
            Vec::new()
        }
    }
}

fn decode_rows<K: TableKey, V: Durable>(
    table: Table<K, V>,
    rows: Vec<super::step::Row>,
) -> Result<Vec<(K, V)>, StepFault> {
    let broken = |cause| StepFault::Row {
        table: table.name,
        cause,
    };
    rows.into_iter()
        .map(|(key, bytes)| {
            let key = K::decode(&key).map_err(|_| StepFault::Key { table: table.name })?;
            Ok((key, codec::decode(&bytes).map_err(broken)?))
        })
        .collect()
}

/// The bytes from which on, and up to which, the keys of `range` lie.
pub(crate) fn key_range<K: TableKey>(range: &impl RangeBounds<K>) -> (Vec<u8>, Bound<Vec<u8>>) {
    let from = match range.start_bound() {
        Bound::Included(key) => key.encode(),
        // The least key above: keys are compared byte by byte, and a longer key is greater than its prefix.
        Bound::Excluded(key) => {
            let mut key = key.encode();
            key.push(0);
            key
        }
        Bound::Unbounded => Vec::new(),
    };
    let to = match range.end_bound() {
        Bound::Included(key) => Bound::Included(key.encode()),
        Bound::Excluded(key) => Bound::Excluded(key.encode()),
        Bound::Unbounded => Bound::Unbounded,
    };
    (from, to)
}
