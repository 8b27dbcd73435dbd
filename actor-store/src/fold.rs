//! Folding: moving a frozen generation into the tables, chunk by chunk.
//!
//! Owns the order in which this happens and the derivation of both indexes. Each chunk is a small
//! durable transaction, so that a commit of the journal never waits long; the watermark goes with the
//! last chunk. A crash in between costs nothing: the journal still has every row, and folding a record
//! twice gives the same record.

use std::iter;
use std::ops::Bound;
use std::sync::Arc;

use redb::{ReadableTable, Table as RedbTable, WriteTransaction};

use crate::dialogs::write_header;
use crate::fault::Trouble;
use crate::header::{Header, Kind};
use crate::index_rows::{IndexRow, busy_key, deadline_key};
use crate::key::Key;
use crate::options::Options;
use crate::overlay::{Entry, Frozen, Generation};
use crate::stored;
use crate::table::{Index, Table};
use crate::tree::{BUSY, Bytes, DEADLINES, DIALOGS, SharedKey, Tree, definition};
use crate::verify::Verify;

/// What a call of [`crate::Store::fold_step`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum FoldProgress {
    /// Nothing to fold now.
    Idle,
    /// One chunk was folded; more of this generation is left.
    Worked,
    /// One chunk was folded and it was the last of its generation.
    Finished,
}

/// Where folding stands.
#[derive(Debug, Default)]
pub(crate) struct FoldState {
    current: Option<Current>,
    /// The search for damage goes on between chunks, under the same lock.
    pub(crate) verify: Verify,
}

#[derive(Debug)]
struct Current {
    frozen: Arc<Frozen>,
    // Everything up to here is in the tables.
    done: Option<(Table, Key)>,
}

/// What one chunk wrote.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) records: u64,
    pub(crate) healed: u64,
    /// Deadline rows whose record was folded: they are worth reporting again.
    pub(crate) refreshed: Vec<Vec<u8>>,
    /// Rows added where the search for damage has been, less those taken away.
    pub(crate) added_behind: i64,
    /// Set if this was the last chunk: the watermark it wrote.
    pub(crate) watermark: Option<u64>,
}

impl FoldState {
    pub(crate) fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    pub(crate) fn begin(&mut self, frozen: Arc<Frozen>) {
        self.current = Some(Current { frozen, done: None });
    }

    pub(crate) fn end(&mut self) {
        self.current = None;
    }

    /// The next records to fold, and whether they are the last.
    pub(crate) fn next(&mut self, options: &Options) -> Option<Part> {
        let current = self.current.as_mut()?;
        let mut records = Vec::new();
        let mut bytes = 0;
        let mut is_full = false;
        let mut is_last = true;
        let mut done = current.done.as_ref();
        let mut tree = Some(done.map_or(Tree::FIRST, |(table, _)| Tree::holding(*table)));
        'all: while let Some(this) = tree {
            for (table, key, entry) in records_behind(&current.frozen.generation, this, done) {
                if is_full {
                    is_last = false;
                    break 'all;
                }
                bytes += entry.value.as_ref().map_or(0, |value| value.bytes.len());
                records.push((table, key.clone(), entry.clone()));
                is_full = records.len() >= options.fold_chunk.max(1)
                    || bytes >= Options::MAX_FOLD_CHUNK_BYTES;
            }
            tree = this.next();
            done = None;
        }
        if let Some((table, key, _)) = records.last() {
            current.done = Some((*table, key.clone()));
        }
        Some(Part {
            records,
            watermark: is_last.then_some(current.frozen.through),
        })
    }
}

/// The records of a tree, behind one of them, in the order in which they lie there.
fn records_behind<'g>(
    generation: &'g Generation,
    tree: Tree,
    done: Option<&'g (Table, Key)>,
) -> impl Iterator<Item = (Table, &'g Key, &'g Entry)> {
    let mut tables: Vec<_> = tree
        .tables()
        .map(|table| {
            let from = match done {
                // A record of the same key in a later table lies behind it.
                Some((last, key)) if table > *last => Bound::Included(key.as_slice()),
                Some((_, key)) => Bound::Excluded(key.as_slice()),
                None => Bound::Unbounded,
            };
            let rows = generation.rows(table).range(from, Bound::Unbounded);
            (table, rows.peekable())
        })
        .collect();
    iter::from_fn(move || {
        let next = tables.iter_mut().filter_map(|(table, rows)| {
            let key = rows.peek()?.0;
            Some((key, *table, rows))
        });
        let (_, table, rows) = next.min_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)))?;
        rows.next().map(|(key, entry)| (table, key, entry))
    })
}

/// Records of one chunk.
#[derive(Debug)]
pub(crate) struct Part {
    records: Vec<(Table, Key, Entry)>,
    watermark: Option<u64>,
}

impl Part {
    /// Writes the chunk into the transaction; `header` is written with the last one.
    pub(crate) fn write(
        self,
        txn: &WriteTransaction,
        forgotten: &[IndexRow],
        header: Header,
        verify: &Verify,
    ) -> Result<Chunk, Trouble> {
        let mut chunk = Chunk {
            watermark: self.watermark,
            records: self.records.len() as u64,
            ..Chunk::default()
        };
        let mut indexes = Indexes {
            deadlines: txn.open_table(DEADLINES)?,
            busy: txn.open_table(BUSY)?,
            verify,
            added_behind: 0,
        };
        let tree_of = |record: &(Table, Key, Entry)| Tree::holding(record.0);
        for of_one_tree in self.records.chunk_by(|a, b| tree_of(a) == tree_of(b)) {
            if let Some(Tree::Of(table)) = of_one_tree.first().map(tree_of) {
                let mut rows = txn.open_table(definition(table))?;
                for (table, key, entry) in of_one_tree {
                    let record = (*table, key.as_slice(), entry);
                    fold_record(&mut rows, key.as_slice(), record, &mut indexes, &mut chunk)?;
                }
            } else {
                let mut rows = txn.open_table(DIALOGS)?;
                for (table, key, entry) in of_one_tree {
                    let record = (*table, key.as_slice(), entry);
                    SharedKey::with(*table, key.as_slice(), |row| {
                        fold_record(&mut rows, row, record, &mut indexes, &mut chunk)
                    })?;
                }
            }
        }
        for row in forgotten {
            indexes.forget(txn, row)?;
        }
        chunk.added_behind = indexes.added_behind;
        if let Some(watermark) = self.watermark {
            let header = Header {
                watermark,
                ..header
            };
            write_header(txn, Kind::Dialogs, &header)?;
        }
        Ok(chunk)
    }
}

/// Writes a record under `row`, its key in its tree.
fn fold_record<K>(
    rows: &mut RedbTable<'_, K, Bytes>,
    row: &[u8],
    (table, key, entry): (Table, &[u8], &Entry),
    indexes: &mut Indexes<'_>,
    chunk: &mut Chunk,
) -> Result<(), Trouble>
where
    K: for<'k> redb::Key<SelfType<'k> = &'k [u8]> + 'static,
{
    let Some(value) = &entry.value else {
        if entry.is_fresh {
            // Inserted and deleted between two folds: the tables never heard of it.
            return Ok(());
        }
        let old = rows.remove(row)?;
        if old.is_some() {
            indexes.count(Tree::holding(table), row, -1);
        }
        let old = old.map(|old| old_index(table, key, old.value(), chunk));
        return indexes.change(table, key, old.unwrap_or_default(), Index::default(), chunk);
    };
    let new = stored::encode(table, key, value);
    let old = rows.insert(row, new.as_slice())?;
    debug_assert!(
        !(entry.is_fresh && old.is_some()),
        "keys of `{table}` are used once: a rewritten one could come back after its deletion"
    );
    if old.is_none() {
        indexes.count(Tree::holding(table), row, 1);
    }
    let old = old.map(|old| old_index(table, key, old.value(), chunk));
    indexes.change(table, key, old.unwrap_or_default(), value.index, chunk)
}

// A damaged old value is replaced by a good one; only its index rows are unknown. A deadline row left
// behind is stale, which readers of the index expect.
fn old_index(table: Table, key: &[u8], row: &[u8], chunk: &mut Chunk) -> OldIndex {
    if let Ok((index, _)) = stored::decode(table, key, row) {
        return OldIndex::Known(index);
    }
    chunk.healed += 1;
    OldIndex::Unknown
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OldIndex {
    Known(Index),
    Unknown,
}

impl Default for OldIndex {
    fn default() -> Self {
        Self::Known(Index::default())
    }
}

struct Indexes<'txn> {
    deadlines: RedbTable<'txn, Bytes, ()>,
    busy: RedbTable<'txn, Bytes, ()>,
    verify: &'txn Verify,
    added_behind: i64,
}

impl Indexes<'_> {
    fn count(&mut self, tree: Tree, key: &[u8], added: i64) {
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

    fn change(
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
                if self.busy.insert(row.as_slice(), ())?.is_none() {
                    self.count(Tree::Busy, &row, 1);
                }
            } else if self.busy.remove(row.as_slice())?.is_some() {
                self.count(Tree::Busy, &row, -1);
            }
        }
        Ok(())
    }

    /// Removes a row unless the record stands by it: then it would be missed after a restart.
    fn forget(&mut self, txn: &WriteTransaction, row: &IndexRow) -> Result<(), Trouble> {
        let (table, key) = (row.table, row.key.as_slice());
        let deadline_in = |stored: &[u8]| stored::decode(table, key, stored).ok()?.0.deadline;
        let deadline = if Tree::holding(table) == Tree::Dialogs {
            let rows = txn.open_table(DIALOGS)?;
            let stored = SharedKey::with(table, key, |row| rows.get(row))?;
            stored.and_then(|stored| deadline_in(stored.value()))
        } else {
            let rows = txn.open_table(definition(table))?;
            let stored = rows.get(key)?;
            stored.and_then(|stored| deadline_in(stored.value()))
        };
        if deadline != Some(row.time) {
            self.remove_deadline(&row.encode())?;
        }
        Ok(())
    }
}
