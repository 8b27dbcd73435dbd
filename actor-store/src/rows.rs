//! `journal.redb`: the journal as a table with one row per commit, in recycled row keys.
//!
//! Owns the rows between the watermark and the last commit. A row whose batch is folded is not
//! deleted; its key, a slot, is taken by a later commit, so trimming writes nothing. Only what a long journal
//! leaves beyond that is deleted, after a fold, because a start reads every row three times. Never looks into
//! a batch.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{Database, TableDefinition};

use crate::batch::{self, Batch};
use crate::dialogs::write_header;
use crate::fault::{Boundary, StoreFault, lock};
use crate::header::{Header, Kind};
use crate::journal::TailError;
use crate::recovery::{Progress, Recovery, Row};

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");

#[derive(Debug, Default)]
struct Slots {
    /// Slots and bytes of rows that are folded, the next to be used last: it is the newest batch's, if no row is taken.
    free: VecDeque<(u64, u64)>,
    free_bytes: u64,
    /// Batch, slot and bytes of the rows not yet folded, oldest first.
    taken: VecDeque<(u64, u64, u64)>,
    /// The first slot that was never used.
    next: u64,
}

impl Slots {
    fn free(&mut self, slot: u64, bytes: u64) {
        self.free.push_back((slot, bytes));
        self.free_bytes += bytes;
    }

    fn take(&mut self) -> u64 {
        if let Some((slot, bytes)) = self.free.pop_back() {
            self.free_bytes -= bytes;
            return slot;
        }
        self.next += 1;
        self.next - 1
    }

    /// Slots that are free for longest, until no more than so many bytes are left: some of them, and never the newest.
    fn surplus(&mut self, bytes: u64) -> Vec<u64> {
        let mut surplus = Vec::new();
        while self.free_bytes > bytes
            && surplus.len() < DELETED_AT_ONCE
            && self.free.len() > 1
            && let Some((slot, bytes)) = self.free.pop_front()
        {
            self.free_bytes -= bytes;
            surplus.push(slot);
        }
        surplus
    }
}

/// The journal of an open store, in a database.
#[derive(Debug)]
pub(crate) struct Rows {
    boundary: Boundary,
    // `None` only while it is being dropped.
    db: Option<Database>,
    slots: Mutex<Slots>,
    bytes: AtomicU64,
    /// Rows not yet folded.
    outstanding: AtomicU64,
}

/// Rows from which folding begins: as many as lie in a tree of two levels. Each further level is a page more in every
/// commit.
const MANY_ROWS: u64 = 1024;
/// Rows that one transaction deletes: a millisecond or two, for which a commit may wait.
const DELETED_AT_ONCE: usize = 64;

impl Rows {
    pub(crate) fn new(boundary: Boundary, db: Database) -> Self {
        Self {
            boundary,
            db: Some(db),
            slots: Mutex::default(),
            bytes: AtomicU64::new(0),
            outstanding: AtomicU64::new(0),
        }
    }

    /// Reads all rows, those after `watermark` into `tail`, and demands that none is missing. Hands back the last one's
    /// number.
    pub(crate) fn recover(&self, watermark: u64, tail: &mut Recovery) -> Result<u64, TailError> {
        let mut rows = self.read_rows(watermark, tail)?;
        rows.sort_unstable_by_key(|row| row.number);
        let last = rows.last().map_or(0, |row| row.number);
        if last < watermark {
            return Err(TailError::Gap(format!(
                "the tables contain batch {watermark}, the journal ends at batch {last}"
            )));
        }
        let mut slots = lock(&self.slots);
        let mut expected = watermark + 1;
        for row in rows {
            slots.next = slots.next.max(row.slot + 1);
            if row.number <= watermark {
                slots.free(row.slot, row.bytes);
                continue;
            }
            if row.number != expected {
                return Err(TailError::Gap(format!(
                    "the tables end at batch {watermark} and the journal lacks batch {expected}"
                )));
            }
            expected += 1;
            slots.taken.push_back((row.number, row.slot, row.bytes));
            self.bytes.fetch_add(row.bytes, Ordering::Relaxed);
            self.outstanding.fetch_add(1, Ordering::Relaxed);
        }
        Ok(last)
    }

    // Of those up to the watermark only the numbers are of use: the file has rows of all that was ever outstanding at once.
    fn read_rows(&self, watermark: u64, tail: &mut Recovery) -> Result<Vec<Found>, TailError> {
        let rows = self.boundary.run(|| {
            let mut rows = Vec::new();
            let txn = redb::ReadableDatabase::begin_read(self.db()?)?;
            let table = match txn.open_table(TABLE) {
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(rows),
                table => table?,
            };
            let of = redb::ReadableTableMetadata::len(&table)?;
            for (done, row) in (1..).zip(table.range::<u64>(..)?) {
                let (slot, row) = row?;
                let slot = slot.value();
                let bytes = row.value().len() as u64;
                let read = batch::number(row.value()).and_then(|number| {
                    if number > watermark {
                        tail.take(number, Row::Page(row), Progress { done, of })?;
                    }
                    Some(Found {
                        number,
                        slot,
                        bytes,
                    })
                });
                rows.push(read.ok_or(slot));
            }
            Ok(rows)
        })?;
        let whole = rows.into_iter().map(|row| {
            row.map_err(|slot| {
                TailError::Damaged(format!("row {slot} does not match its checksum"))
            })
        });
        whole.collect()
    }

    /// Writes the header row in a transaction of its own.
    pub(crate) fn write_header(&self, header: &Header) -> Result<(), StoreFault> {
        self.boundary.run(|| {
            let txn = self.db()?.begin_write()?;
            write_header(&txn, Kind::Journal, header)?;
            txn.open_table(TABLE)?;
            txn.commit()?;
            Ok(())
        })
    }

    /// One row, one transaction, one sync.
    pub(crate) fn append(&self, batch: &Batch) -> Result<(), StoreFault> {
        let (number, row) = (batch.number(), batch.row());
        let slot = lock(&self.slots).take();
        self.boundary.run(|| {
            // A reader of the last commit. Without one, redb frees what this one replaces in a commit of its own behind it,
            // and the next one writes a page more.
            let before = redb::ReadableDatabase::begin_read(self.db()?)?;
            let txn = self.db()?.begin_write()?;
            txn.open_table(TABLE)?.insert(slot, row)?;
            txn.commit()?;
            drop(before);
            Ok(())
        })?;
        let bytes = row.len() as u64;
        lock(&self.slots).taken.push_back((number, slot, bytes));
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Frees the slots of all rows up to `watermark`, which is durable in the tables.
    pub(crate) fn trim(&self, watermark: u64) {
        let mut slots = lock(&self.slots);
        while let Some(&(number, slot, bytes)) = slots.taken.front()
            && number <= watermark
        {
            slots.taken.pop_front();
            slots.free(slot, bytes);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.outstanding.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Deletes some of the rows that are folded if they take more than `keep` bytes, and says whether there are more to
    /// delete. While as much is not folded their places will soon be wanted, and nothing is deleted. The newest row of all
    /// stays, whatever it takes: a start wants to know that the journal did not end before the tables.
    pub(crate) fn shrink(&self, keep: u64) -> Result<bool, StoreFault> {
        if self.bytes() > keep {
            return Ok(false);
        }
        let surplus = lock(&self.slots).surplus(keep);
        if surplus.is_empty() {
            return Ok(false);
        }
        self.boundary.run(|| {
            let txn = self.db()?.begin_write()?;
            let mut table = txn.open_table(TABLE)?;
            for slot in surplus {
                table.remove(slot)?;
            }
            drop(table);
            txn.commit()?;
            Ok(())
        })?;
        Ok(true)
    }

    /// Whether there are so many that a commit touches more pages than it must.
    pub(crate) fn has_many(&self) -> bool {
        self.outstanding.load(Ordering::Relaxed) >= MANY_ROWS
    }

    /// Bytes of the rows not yet folded.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Rows not yet folded, and rows there are.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let slots = lock(&self.slots);
        let taken = slots.taken.len() as u64;
        (taken, taken + slots.free.len() as u64)
    }

    pub(crate) fn boundary(&self) -> &Boundary {
        &self.boundary
    }

    fn db(&self) -> Result<&Database, StoreFault> {
        self.db.as_ref().ok_or(StoreFault::Stopped)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        let db = self.db.take();
        self.boundary.release(db);
    }
}

/// A row that was there at open.
#[derive(Debug)]
struct Found {
    number: u64,
    slot: u64,
    bytes: u64,
}
