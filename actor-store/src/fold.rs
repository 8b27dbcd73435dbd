//! Folding: moving a frozen generation into the tables, chunk by chunk.
//!
//! Owns the order in which this happens and the derivation of both indexes. Each chunk is a small
//! durable transaction, so that a commit of the journal never waits long; the watermark goes with the
//! last chunk. A crash in between costs nothing: the journal still has every row, and folding a record
//! twice gives the same record.

use std::iter::{self, Peekable};
use std::ops::Bound;
use std::sync::Arc;

use redb::{ReadableTable, Table as RedbTable, WriteTransaction};

use crate::dialogs::write_header;
use crate::fault::{StoreFault, Trouble};
use crate::fold_dialog::{DialogFold, Member};
use crate::header::{Header, Kind};
use crate::index_rows::{IndexRow, busy_key, deadline_key};
use crate::joint;
use crate::key::Key;
use crate::options::Options;
use crate::overlay::{Entry, Frozen, Generation};
use crate::reading;
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
    /// Whether the tables say that this life has folded. They do from its first chunk on: what that has put there must not
    /// be taken for the past by a journal of an earlier life.
    is_counted: bool,
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
    pub(crate) refreshed: Vec<Key>,
    /// Rows added where the search for damage has been, less those taken away.
    pub(crate) added_behind: i64,
    /// Its last record, if it has any.
    pub(crate) done: Option<(Table, Key)>,
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

    /// The next records to fold.
    pub(crate) fn next(&self, options: &Options) -> Option<Part> {
        let current = self.current.as_ref()?;
        Some(Part {
            frozen: Arc::clone(&current.frozen),
            done: current.done.clone(),
            most: options.fold_chunk.max(1),
            is_counted: self.is_counted,
        })
    }

    /// Everything up to here is in the tables.
    pub(crate) fn advance(&mut self, done: Option<(Table, Key)>) {
        self.is_counted = true;
        if let (Some(current), Some(done)) = (&mut self.current, done) {
            current.done = Some(done);
        }
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

/// Records between two calls of [`Part::write`]'s `give_way`: a quarter of a millisecond of work.
const GIVE_WAY_RECORDS: u64 = 12;

/// Records of one chunk: those behind `done`, `most` of them.
#[derive(Debug)]
pub(crate) struct Part {
    frozen: Arc<Frozen>,
    done: Option<(Table, Key)>,
    most: usize,
    is_counted: bool,
}

/// What a chunk has room for.
struct Room {
    records: usize,
    bytes: usize,
}

impl Room {
    fn is_full(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }
}

impl Part {
    /// Writes the chunk into the transaction, and `header` with the first chunk of a life; the last one of a generation
    /// counts up its watermark. Calls `give_way` every now and then:
    /// it may take its time.
    pub(crate) fn write(
        &self,
        txn: &WriteTransaction,
        forgotten: &[IndexRow],
        header: Header,
        verify: &Verify,
        give_way: &dyn Fn(),
    ) -> Result<Chunk, Trouble> {
        let mut writing = Writing {
            chunk: Chunk::default(),
            indexes: Indexes {
                deadlines: txn.open_table(DEADLINES)?,
                busy: txn.open_table(BUSY)?,
                verify,
                added_behind: 0,
            },
            room: Room {
                records: self.most,
                bytes: Options::MAX_FOLD_CHUNK_BYTES,
            },
            row: Vec::new(),
            dialog: DialogFold::default(),
            give_way,
        };
        let mut done = self.done.as_ref();
        let mut tree = Some(done.map_or(Tree::FIRST, |(table, _)| Tree::holding(*table)));
        let mut is_last = true;
        while let Some(this) = tree {
            let mut records = records_behind(&self.frozen.generation, this, done).peekable();
            if records.peek().is_some() && !writing.room.is_full() {
                if let Tree::Of(table) = this {
                    let mut rows = txn.open_table(definition(table))?;
                    writing.fold(&mut rows, &mut records)?;
                } else {
                    let mut rows = txn.open_table(DIALOGS)?;
                    writing.fold_dialogs(&mut rows, &mut records)?;
                }
            }
            if records.peek().is_some() {
                is_last = false;
                break;
            }
            tree = this.next();
            done = None;
        }
        let Writing {
            mut chunk,
            mut indexes,
            ..
        } = writing;
        for row in forgotten {
            indexes.forget(txn, row)?;
        }
        chunk.added_behind = indexes.added_behind;
        chunk.watermark = is_last.then_some(self.frozen.through);
        if is_last || !self.is_counted {
            let watermark = chunk.watermark.unwrap_or(header.watermark);
            let header = Header {
                watermark,
                ..header
            };
            write_header(txn, Kind::Dialogs, &header)?;
        }
        Ok(chunk)
    }
}

/// A chunk while it is written.
struct Writing<'txn, 'w> {
    chunk: Chunk,
    indexes: Indexes<'txn>,
    room: Room,
    /// The row that is written, where the one before it was.
    row: Vec<u8>,
    dialog: DialogFold,
    give_way: &'w dyn Fn(),
}

impl Writing<'_, '_> {
    /// Writes records of a tree of one table until there is no more room.
    fn fold<'g>(
        &mut self,
        rows: &mut RedbTable<'_, Bytes, Bytes>,
        records: &mut Peekable<impl Iterator<Item = Member<'g>>>,
    ) -> Result<(), Trouble> {
        while !self.room.is_full()
            && let Some(record) = records.next()
        {
            let (chunk, indexes, new) = (&mut self.chunk, &mut self.indexes, &mut self.row);
            fold_record(rows, record.1, record, new, indexes, chunk)?;
            self.note(&[record], records.peek().is_none());
        }
        Ok(())
    }

    /// The same for the tree of dialogs: what belongs together is written together.
    fn fold_dialogs<'g>(
        &mut self,
        rows: &mut RedbTable<'_, SharedKey, Bytes>,
        records: &mut Peekable<impl Iterator<Item = Member<'g>>>,
    ) -> Result<(), Trouble> {
        let mut members = Vec::new();
        while !self.room.is_full()
            && let Some(record) = records.next()
        {
            let (table, key, _) = record;
            members.clear();
            members.push(record);
            let (chunk, indexes) = (&mut self.chunk, &mut self.indexes);
            if let Some(group) = joint::group(key) {
                while members.len() < self.room.records
                    && let Some(next) = records.next_if(|(_, key, _)| key.starts_with(group))
                {
                    members.push(next);
                }
                self.dialog.fold(rows, group, &members, indexes, chunk)?;
            } else {
                let new = &mut self.row;
                SharedKey::with(table, key, |row| {
                    fold_record(rows, row, record, new, indexes, chunk)
                })?;
            }
            self.note(&members, records.peek().is_none());
        }
        Ok(())
    }

    /// These are written.
    fn note(&mut self, members: &[Member<'_>], are_last: bool) {
        let before = self.chunk.records;
        for (_, _, entry) in members {
            let bytes = entry.value.as_ref().map_or(0, |value| value.bytes.len());
            self.room.bytes = self.room.bytes.saturating_sub(bytes);
        }
        self.room.records -= members.len();
        self.chunk.records += members.len() as u64;
        if let Some((table, key, _)) = members.last()
            && (self.room.is_full() || are_last)
        {
            self.chunk.done = Some((*table, (*key).clone()));
        }
        if before / GIVE_WAY_RECORDS != self.chunk.records / GIVE_WAY_RECORDS {
            (self.give_way)();
        }
    }
}

/// Writes a record under `row`, its key in its tree. `new` is room for what is written.
fn fold_record<K>(
    rows: &mut RedbTable<'_, K, Bytes>,
    row: &[u8],
    (table, key, entry): Member<'_>,
    new: &mut Vec<u8>,
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
    stored::encode_into(table, key, value, new);
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
pub(crate) fn old_index(table: Table, key: &[u8], row: &[u8], chunk: &mut Chunk) -> OldIndex {
    if let Ok((index, _)) = stored::decode(table, key, row) {
        return OldIndex::Known(index);
    }
    chunk.healed += 1;
    OldIndex::Unknown
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldIndex {
    Known(Index),
    Unknown,
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

impl Indexes<'_> {
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
    fn forget(&mut self, txn: &WriteTransaction, row: &IndexRow) -> Result<(), Trouble> {
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
