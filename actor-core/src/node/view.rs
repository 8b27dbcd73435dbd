//! The application's tables as plain code reads them: one consistent, durable picture.

use std::{fmt, ops::RangeBounds};

use actor_store::{Snapshot, StoreFault, codec, keys::TableKey};

use super::tables::{key_of, row_key, table_bounds};
use crate::dialog::{Durable, Table, key_range};

/// All application tables as they were at one point of the commit order. Everything in it is durable.
pub struct View {
    snapshot: Snapshot,
}

/// Why a row could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ViewError {
    /// The store failed.
    Store(StoreFault),
    /// The rows are not of the declared types.
    Row {
        /// The table.
        table: &'static str,
        /// Why.
        why: String,
    },
    /// The node has stopped.
    Stopped,
}

impl View {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }

    /// The row of `key`.
    pub fn get<K: TableKey, V: Durable>(
        &self,
        table: Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, ViewError> {
        let key = row_key(table.name(), &key.encode());
        let value = self
            .snapshot
            .get(actor_store::Table::App, &key)
            .map_err(ViewError::Store)?;
        value.map(|value| row(table, &value.bytes)).transpose()
    }

    /// The rows whose keys lie in `range`, in the order of their keys.
    pub fn range<K: TableKey, V: Durable>(
        &self,
        table: Table<K, V>,
        range: impl RangeBounds<K>,
    ) -> Result<Vec<(K, V)>, ViewError> {
        let (from, to) = key_range(&range);
        let (from, to) = table_bounds(table.name(), &from, to.as_ref().map(Vec::as_slice));
        let rows = self
            .snapshot
            .range(
                actor_store::Table::App,
                &from,
                to.as_ref().map(Vec::as_slice),
                usize::MAX,
            )
            .map_err(ViewError::Store)?;
        let decoded = rows.into_iter().map(|(key, value)| {
            let key = K::decode(&key_of(table.name(), &key)).map_err(|why| ViewError::Row {
                table: table.name(),
                why: why.to_string(),
            })?;
            Ok((key, row(table, &value.bytes)?))
        });
        decoded.collect()
    }
}

fn row<K, V: Durable>(table: Table<K, V>, bytes: &[u8]) -> Result<V, ViewError> {
    codec::decode(bytes).map_err(|why| ViewError::Row {
        table: table.name(),
        why: why.to_string(),
    })
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View")
    }
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(fault) => fault.fmt(f),
            Self::Row { table, why } => write!(
                f,
                "a row of table `{table}` is not of the declared type: {why}"
            ),
            Self::Stopped => {
                f.write_str("this node has stopped; start it again to read its tables")
            }
        }
    }
}

impl std::error::Error for ViewError {}
