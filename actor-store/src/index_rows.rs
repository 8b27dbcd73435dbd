//! Rows of the deadline and busy indexes.
//!
//! Owns their layout, and the rows the caller asked to forget. A row may be early or stale; the record
//! decides. Never writes: the fold does.

use std::collections::BTreeSet;

use crate::key::Key;
use crate::table::Table;

/// One row of the deadline index: a record that wants to be looked at.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IndexRow {
    /// When, in milliseconds since the epoch.
    pub time: u64,
    /// The record's table.
    pub table: Table,
    /// The record's key.
    pub key: Vec<u8>,
}

const TIME_BYTES: usize = 8;

impl IndexRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        deadline_key(self.time, self.table, &self.key).to_vec()
    }

    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let (time, rest) = row.split_first_chunk::<TIME_BYTES>()?;
        let (table, key) = decode_busy(rest)?;
        Some(Self {
            time: u64::from_be_bytes(*time),
            table,
            key,
        })
    }
}

pub(crate) fn deadline_key(time: u64, table: Table, key: &[u8]) -> Key {
    Key::of([&time.to_be_bytes(), &[table.tag()], key])
}

/// The time of a deadline row's key.
pub(crate) fn time_of(row: &[u8]) -> Option<u64> {
    row.first_chunk().map(|time| u64::from_be_bytes(*time))
}

pub(crate) fn busy_key(table: Table, key: &[u8]) -> Key {
    Key::of([&[table.tag()], key])
}

pub(crate) fn decode_busy(row: &[u8]) -> Option<(Table, Vec<u8>)> {
    let (tag, key) = row.split_first()?;
    Some((Table::from_tag(*tag)?, key.to_vec()))
}

/// Deadline rows the caller looked at and does not want to see again.
#[derive(Debug, Default)]
pub(crate) struct Forgotten {
    /// Encoded rows hidden from `due` until their record is folded again.
    hidden: BTreeSet<Vec<u8>>,
    /// The part of them that the next fold chunk must look at.
    fresh: Vec<IndexRow>,
}

impl Forgotten {
    pub(crate) fn add(&mut self, row: &IndexRow) {
        if self.hidden.insert(row.encode()) {
            self.fresh.push(row.clone());
        }
    }

    pub(crate) fn hides(&self, row: &[u8]) -> bool {
        self.hidden.contains(row)
    }

    /// Rows forgotten since the last call.
    pub(crate) fn take_fresh(&mut self) -> Vec<IndexRow> {
        std::mem::take(&mut self.fresh)
    }

    /// The row's record was folded again, or the row is gone.
    pub(crate) fn settle(&mut self, row: &[u8]) {
        self.hidden.remove(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hidden.is_empty()
    }
}
