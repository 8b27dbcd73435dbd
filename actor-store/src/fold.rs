//! Folding: moving a frozen generation into the tables, chunk by chunk.
//!
//! Owns the order in which this happens. Each chunk is a small
//! durable transaction, so that a commit of the journal never waits long; the watermark goes with the
//! last chunk. A crash in between costs nothing: the journal still has every row, and folding a record
//! twice gives the same record.

use std::iter::{self, Peekable};
use std::ops::Bound;
use std::sync::Arc;

use redb::{Table as RedbTable, WriteTransaction};

use crate::dialogs::{write_header, write_reach};
use crate::fault::Trouble;
use crate::fold_dialog::{DialogFold, Member};
use crate::header::{Header, Kind};
use crate::index_rows::IndexRow;
use crate::indexes::{Chunk, Indexes};
use crate::joint;
use crate::key::Key;
use crate::options::Options;
use crate::overlay::{Frozen, Generation};
use crate::stored;
use crate::table::Table;
use crate::tree::{Bytes, DIALOGS, SharedKey, Tree, definition};
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
) -> impl Iterator<Item = Member<'g>> {
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
    /// Writes the chunk into the transaction, and `header` with the first chunk of a life; the first one of several of a
    /// generation says how far it goes, the last one counts up the header's watermark. Calls `give_way` every now and
    /// then: it may take its time.
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
            indexes: Indexes::open(txn, verify)?,
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
        chunk.added_behind = indexes.added_behind();
        chunk.watermark = is_last.then_some(self.frozen.through);
        if is_last || !self.is_counted {
            let watermark = chunk.watermark.unwrap_or(header.watermark);
            let header = Header {
                watermark,
                ..header
            };
            write_header(txn, Kind::Dialogs, &header)?;
        }
        if !is_last && self.done.is_none() {
            // The watermark follows with the last chunk. Until then this alone tells an older journal of the same life.
            write_reach(txn, self.frozen.through)?;
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
    let value = entry.value.as_ref();
    if value.is_none() && entry.is_fresh {
        // Inserted and deleted between two folds: the tables never heard of it.
        return Ok(());
    }
    if let Some(value) = value {
        stored::encode_into(table, key, value, new);
    }
    let stored = value.map(|_| new.as_slice());
    let old = indexes.write(rows, row, (table, key), stored, chunk)?;
    debug_assert!(
        !(entry.is_fresh && old.is_some()),
        "keys of `{table}` are used once: a rewritten one could come back after its deletion"
    );
    let index = value.map(|value| value.index).unwrap_or_default();
    indexes.change(table, key, old.unwrap_or_default(), index, chunk)
}
