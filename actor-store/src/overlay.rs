//! What is published and not yet in the tables: generations of records in memory.
//!
//! Owns visibility, coalescing and the decision which records may be folded. Never touches a file.
//! Reads go active, frozen, tables. The frozen generation holds whole batches only and becomes
//! foldable once the last of them is committed: a future that a crash may still take back never
//! reaches the tables.

use std::ops::Bound;
use std::sync::Arc;

use crate::batch::{Batch, Change};
use crate::merge;
use crate::options::Options;
use crate::records::Records;
use crate::table::{Index, TABLES, Table, Value, Write};

/// The state of one key in one generation.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// `None`: deleted.
    pub(crate) value: Option<Value>,
    /// The key is known to be absent from everything older than this generation.
    pub(crate) is_fresh: bool,
    /// The last batch that changed it; and whether that one created it.
    batch: u64,
    is_new: bool,
    /// Where it is among the changes of that batch, until it is cut.
    place: u32,
}

impl Entry {
    /// What the journal has of it, up to this batch.
    pub(crate) fn recovered(batch: u64, value: Option<Value>) -> Self {
        Self {
            value,
            is_fresh: false,
            batch,
            is_new: false,
            place: 0,
        }
    }

    pub(crate) fn batch(&self) -> u64 {
        self.batch
    }
}

/// Records of consecutive batches. Each table is shared with the snapshots that saw it and copied at
/// the next write to it while one of them lives.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    tables: [Arc<Records>; TABLES],
    pub(crate) records: usize,
    pub(crate) bytes: u64,
}

impl Default for Generation {
    fn default() -> Self {
        Self {
            tables: Table::ALL.map(|table| Arc::new(Records::of(table))),
            records: 0,
            bytes: 0,
        }
    }
}

impl Generation {
    /// These records, by the tags of their tables, and the bytes of their keys and values.
    pub(crate) fn of(tables: [Arc<Records>; TABLES], bytes: u64) -> Self {
        Self {
            records: tables.iter().map(|records| records.len()).sum(),
            tables,
            bytes,
        }
    }

    pub(crate) fn rows(&self, table: Table) -> &Records {
        &self.tables[usize::from(table.tag())]
    }

    fn rows_mut(&mut self, table: Table) -> &mut Records {
        Arc::make_mut(&mut self.tables[usize::from(table.tag())])
    }

    fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Puts the records of all tables in order, and calls `pause` between pieces.
    pub(crate) fn sort(&self, pause: &dyn Fn()) {
        self.tables.iter().for_each(|records| records.sort(pause));
    }

    /// Frees all records that no snapshot has, and calls `pause` between pieces.
    pub(crate) fn free(self, pause: &dyn Fn()) {
        let own = self.tables.into_iter().filter_map(Arc::into_inner);
        own.for_each(|records| records.free(pause));
    }

    /// The generation after this one, with room for as many: a table that grows moves all of its records at once, while
    /// everybody waits for the next one.
    fn next(&self) -> Self {
        let mut next = Self::default();
        for table in Table::ALL {
            let room = self.rows(table).len().min(MAX_RESERVED);
            next.rows_mut(table).reserve(room);
        }
        next
    }
}

/// A generation that takes no more writes.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) generation: Generation,
    /// Its last batch: the watermark once it is folded.
    pub(crate) through: u64,
}

/// The generations of a moment, for a snapshot or a read.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    pub(crate) active: Generation,
    pub(crate) frozen: Option<Arc<Frozen>>,
}

/// Records of a table for which room is made at once.
const MAX_RESERVED: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Overlay {
    active: Generation,
    frozen: Option<Arc<Frozen>>,
    /// What was changed since the last cut, each key once; `None` where a record vanished again.
    pending: Vec<Option<Change>>,
    pending_bytes: u64,
    /// Bytes cut and not yet committed.
    in_flight_bytes: u64,
    /// The batch that the next cut will close, and the last one that is durable.
    next: u64,
    committed: u64,
    freeze_asked: bool,
}

/// Bytes of a record in memory, as they are counted.
pub(crate) fn size(key: &[u8], value: Option<&Value>) -> u64 {
    (key.len() + value.map_or(0, |value| value.bytes.len())) as u64
}

impl Overlay {
    /// Starts after batch `committed`, with the records of the batches that are not yet folded.
    pub(crate) fn recover(committed: u64, active: Generation) -> Self {
        Self {
            active,
            frozen: None,
            pending: Vec::new(),
            pending_bytes: 0,
            in_flight_bytes: 0,
            next: committed + 1,
            committed,
            freeze_asked: false,
        }
    }

    pub(crate) fn publish(&mut self, write: Write) {
        let Write { table, key, value } = write;
        let bytes = size(&key, value.as_ref());
        let next = self.next;
        let place = self.pending.len() as u32;
        let active = &mut self.active;
        let rows = Arc::make_mut(&mut active.tables[usize::from(table.tag())]);
        if let Some(entry) = rows.get_mut(&key) {
            let old_bytes = size(&key, entry.value.as_ref());
            active.bytes -= old_bytes;
            let is_pending = entry.batch == next;
            if is_pending {
                self.pending_bytes -= old_bytes;
                let change = self.pending.get_mut(entry.place as usize);
                if value.is_none() && entry.is_fresh && entry.is_new {
                    // Nobody else has seen it: neither the journal nor the tables will.
                    if let Some(change) = change {
                        *change = None;
                    }
                    rows.remove(&key);
                    active.records -= 1;
                    return;
                }
                if let Some(Some((.., newest))) = change {
                    newest.clone_from(&value);
                }
            } else {
                entry.batch = next;
                entry.is_new = false;
                entry.place = place;
                self.pending.push(Some((table, key, value.clone())));
            }
            entry.value = value;
            active.bytes += bytes;
            self.pending_bytes += bytes;
            return;
        }
        let is_fresh = table.has_fresh_keys()
            && value.is_some()
            && self
                .frozen
                .as_ref()
                .is_none_or(|frozen| frozen.generation.rows(table).get(&key).is_none());
        let change = (table, key.clone(), value.clone());
        let entry = Entry {
            value,
            is_fresh,
            batch: next,
            is_new: true,
            place,
        };
        rows.insert(key, entry);
        active.records += 1;
        active.bytes += bytes;
        self.pending_bytes += bytes;
        self.pending.push(Some(change));
    }

    /// Closes the batch: its number and changes, to be encoded without the lock. Freezes the active
    /// generation if the thresholds say so, which is sound just here: every record in it belongs to a
    /// batch that is now closed.
    pub(crate) fn cut(&mut self, options: &Options, is_journal_long: bool) -> Cut {
        let mut changes = std::mem::take(&mut self.pending);
        changes.retain(Option::is_some);
        self.pending = Vec::with_capacity(changes.len());
        let number = self.next;
        let unsynced_bytes = std::mem::take(&mut self.pending_bytes);
        if !changes.is_empty() {
            self.next += 1;
            self.in_flight_bytes += unsynced_bytes;
        }
        if self.freeze_asked || self.is_large(options, is_journal_long) {
            self.freeze();
        }
        Cut {
            number,
            changes,
            unsynced_bytes,
        }
    }

    /// The batch that must be committed next.
    pub(crate) fn due_batch(&self) -> u64 {
        self.committed + 1
    }

    pub(crate) fn committed(&mut self, batch: &Batch) {
        self.committed = batch.number();
        self.in_flight_bytes -= batch.unsynced_bytes();
    }

    /// The frozen generation if it may be folded now. `force` and the thresholds freeze one, at once if
    /// everything is durable and else with the next cut.
    pub(crate) fn foldable(
        &mut self,
        options: &Options,
        is_journal_long: bool,
        force: bool,
    ) -> Option<Arc<Frozen>> {
        if self.frozen.is_none() && (force || self.is_large(options, is_journal_long)) {
            let is_all_durable = self.pending.is_empty() && self.committed + 1 == self.next;
            if is_all_durable {
                self.freeze();
            } else {
                self.freeze_asked = true;
            }
        }
        self.frozen
            .as_ref()
            .filter(|frozen| frozen.through <= self.committed)
            .map(Arc::clone)
    }

    pub(crate) fn wants_fold(&self, options: &Options, is_journal_long: bool) -> bool {
        match &self.frozen {
            Some(frozen) => frozen.through <= self.committed,
            None => self.is_large(options, is_journal_long),
        }
    }

    /// The frozen generation is in the tables. The caller drops what it gets outside the lock.
    pub(crate) fn folded(&mut self) -> Option<Arc<Frozen>> {
        self.frozen.take()
    }

    fn is_large(&self, options: &Options, is_journal_long: bool) -> bool {
        self.active.records >= options.fold_records.max(1)
            || (is_journal_long && !self.active.is_empty())
    }

    fn freeze(&mut self) {
        if self.frozen.is_some() {
            return;
        }
        self.freeze_asked = false;
        let through = self.next - 1;
        if self.active.is_empty() {
            // Every batch leaves a record, if only of a deletion: nothing was committed since.
            return;
        }
        let next = self.active.next();
        self.frozen = Some(Arc::new(Frozen {
            generation: std::mem::replace(&mut self.active, next),
            through,
        }));
    }

    /// The newest state of a key, if it is in memory.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Option<&Entry> {
        self.active
            .rows(table)
            .get(key)
            .or_else(|| self.frozen_rows(table)?.get(key))
    }

    /// See [`merge::layered`].
    pub(crate) fn range(
        &self,
        table: Table,
        from: &[u8],
        to: Bound<&[u8]>,
        limit: usize,
    ) -> merge::Layered {
        let frozen = self.frozen_rows(table);
        merge::layered(self.active.rows(table), frozen, from, to, limit)
    }

    fn frozen_rows(&self, table: Table) -> Option<&Records> {
        Some(self.frozen.as_ref()?.generation.rows(table))
    }

    pub(crate) fn layers(&self) -> Layers {
        Layers {
            active: self.active.clone(),
            frozen: self.frozen.clone(),
        }
    }

    /// The records in memory that are busy or have a deadline up to `up_to`.
    pub(crate) fn indexed(&self, up_to: u64) -> Vec<(Table, Vec<u8>, Index)> {
        let mut indexed = Vec::new();
        let mut note = |table, key, entry: &Entry| {
            let index = entry.value.as_ref().map(|value| value.index);
            let index =
                index.filter(|index| index.busy || index.deadline.is_some_and(|at| at <= up_to));
            indexed.extend(index.map(|index| (table, key, index)));
        };
        for table in Table::ALL {
            let active = self.active.rows(table);
            active.each(|key, entry| note(table, key, entry));
            if let Some(frozen) = self.frozen_rows(table) {
                frozen.each(|key, entry| {
                    if active.get(key.as_slice()).is_none() {
                        note(table, key, entry);
                    }
                });
            }
        }
        indexed.sort_unstable_by_key(|(table, key, _)| (*table, *key));
        let owned = indexed.into_iter();
        owned
            .map(|(table, key, index)| (table, key.as_slice().to_vec(), index))
            .collect()
    }

    pub(crate) fn records(&self) -> usize {
        let frozen = self.frozen.as_ref();
        self.active.records + frozen.map_or(0, |frozen| frozen.generation.records)
    }

    pub(crate) fn bytes(&self) -> u64 {
        let frozen = self.frozen.as_ref();
        self.active.bytes + frozen.map_or(0, |frozen| frozen.generation.bytes)
    }

    pub(crate) fn unsynced_bytes(&self) -> u64 {
        self.pending_bytes + self.in_flight_bytes
    }

    pub(crate) fn last_committed(&self) -> u64 {
        self.committed
    }
}

/// What a cut took, not yet encoded.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) number: u64,
    pub(crate) changes: Vec<Option<Change>>,
    pub(crate) unsynced_bytes: u64,
}
