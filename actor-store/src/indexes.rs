//! The two indexes while a chunk of a fold is written.
//!
//! Owns how deadlines and busy marks follow the records, and what a chunk reports of what it wrote. Never chooses what is
//! written.

use redb::{ReadableTable, Table as RedbTable, WriteTransaction};

use crate::fault::{StoreFault, Trouble};
use crate::index_rows::{IndexRow, busy_key, deadline_key};
use crate::key::Key;
use crate::reading;
use crate::stored;
use crate::table::{Index, Table};
use crate::tree::{BUSY, Bytes, DEADLINES, DIALOGS, Tree, definition};
use crate::verify::Verify;

/// What one chunk wrote.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) records: u64,
    pub(crate) healed: u64,
    /// Deadline rows whose record was folded: they are worth reporting again.
    pub(crate) refreshed: Vec<Key>,
    /// Rows added where the search for damage has been, less those taken away.
    pub(crate) added_behind: i64,
    /// Its last record, if it has any.
    pub(crate) done: Option<(Table, Key)>,
    /// Set if this was the last chunk: the watermark it wrote.
    pub(crate) watermark: Option<u64>,
}

/// What the indexes knew of a record before it was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldIndex {
    Known(Index),
    Unknown,
}

impl OldIndex {
    /// A damaged old value is replaced by a good one; only its index rows are unknown. A deadline row left behind is stale,
    /// which readers of the index expect.
    pub(crate) fn of(table: Table, key: &[u8], stored: &[u8], chunk: &mut Chunk) -> Self {
        if let Ok((index, _)) = stored::decode(table, key, stored) {
            return Self::Known(index);
        }
        chunk.healed += 1;
        Self::Unknown
    }
}

impl Default for OldIndex {
    fn default() -> Self {
        Self::Known(Index::default())
    }
}

/// The two indexes while a chunk is written.
pub(crate) struct Indexes<'txn> {
    deadlines: RedbTable<'txn, Bytes, ()>,
    busy: RedbTable<'txn, Bytes, ()>,
    verify: &'txn Verify,
    added_behind: i64,
}

impl<'txn> Indexes<'txn> {
    pub(crate) fn open(txn: &'txn WriteTransaction, verify: &'txn Verify) -> Result<Self, Trouble> {
        Ok(Self {
            deadlines: txn.open_table(DEADLINES)?,
            busy: txn.open_table(BUSY)?,
            verify,
            added_behind: 0,
        })
    }

    /// Rows added where the search for damage has been, less those taken away.
    pub(crate) const fn added_behind(&self) -> i64 {
        self.added_behind
    }

    /// Writes what is stored of a record under `row`, its key in its tree, or removes it. What the indexes knew of what was
    /// there, if anything was.
    pub(crate) fn write<K>(
        &mut self,
        rows: &mut RedbTable<'_, K, Bytes>,
        row: &[u8],
        (table, key): (Table, &[u8]),
        stored: Option<&[u8]>,
        chunk: &mut Chunk,
    ) -> Result<Option<OldIndex>, Trouble>
    where
        K: for<'k> redb::Key<SelfType<'k> = &'k [u8]> + 'static,
    {
        let old = match stored {
            Some(stored) => rows.insert(row, stored)?,
            None => rows.remove(row)?,
        };
        let added = i64::from(stored.is_some()) - i64::from(old.is_some());
        self.count(Tree::holding(table), row, added);
        Ok(old.map(|old| OldIndex::of(table, key, old.value(), chunk)))
    }

    /// So many rows were added there.
    pub(crate) fn count(&mut self, tree: Tree, key: &[u8], added: i64) {
        if self.verify.is_behind(tree, key) {
            self.added_behind += added;
        }
    }

    fn insert_deadline(&mut self, row: &[u8]) -> Result<(), Trouble> {
        if self.deadlines.insert(row, ())?.is_none() {
            self.count(Tree::Deadlines, row, 1);
        }
        Ok(())
    }

    fn remove_deadline(&mut self, row: &[u8]) -> Result<(), Trouble> {
        if self.deadlines.remove(row)?.is_some() {
            self.count(Tree::Deadlines, row, -1);
        }
        Ok(())
    }

    /// The rows of a record that has changed.
    pub(crate) fn change(
        &mut self,
        table: Table,
        key: &[u8],
        old: OldIndex,
        new: Index,
        chunk: &mut Chunk,
    ) -> Result<(), Trouble> {
        let known = match old {
            OldIndex::Known(index) => Some(index),
            OldIndex::Unknown => None,
        };
        let old_deadline = known.and_then(|index| index.deadline);
        if let Some(time) = old_deadline {
            let row = deadline_key(time, table, key);
            if new.deadline != Some(time) {
                self.remove_deadline(&row)?;
            }
            chunk.refreshed.push(row);
        }
        if let Some(time) = new.deadline
            && old_deadline != Some(time)
        {
            let row = deadline_key(time, table, key);
            self.insert_deadline(&row)?;
            chunk.refreshed.push(row);
        }
        if known.map(|index| index.busy) != Some(new.busy) {
            let row = busy_key(table, key);
            if new.busy {
                if self.busy.insert(&*row, ())?.is_none() {
                    self.count(Tree::Busy, &row, 1);
                }
            } else if self.busy.remove(&*row)?.is_some() {
                self.count(Tree::Busy, &row, -1);
            }
        }
        Ok(())
    }

    /// Removes a row unless the record stands by it: then it would be missed after a restart.
    pub(crate) fn forget(&mut self, txn: &WriteTransaction, row: &IndexRow) -> Result<(), Trouble> {
        let (table, key) = (row.table, row.key.as_slice());
        let deadline_in = |stored: &[u8]| {
            let index = stored::decode(table, key, stored).map(|(index, _)| index);
            Ok(index.ok().and_then(|index| index.deadline))
        };
        let deadline = if Tree::holding(table) == Tree::Dialogs {
            match reading::find(&txn.open_table(DIALOGS)?, table, key, deadline_in) {
                // It may be there: a row that is too much is stale, and one that lacks would be missed.
                Err(Trouble::Fault(StoreFault::Corrupt { .. })) => return Ok(()),
                found => found?,
            }
        } else {
            let rows = txn.open_table(definition(table))?;
            let stored = rows.get(key)?;
            stored
                .map(|stored| deadline_in(stored.value()))
                .transpose()?
        };
        let deadline = deadline.flatten();
        if deadline != Some(row.time) {
            self.remove_deadline(&row.encode())?;
        }
        Ok(())
    }
}
