//! The store as the node sees it.
//!
//! Owns how the parts work together: which lock is held over what. The overlay's lock is the short one
//! of the hot path and never held over a sync; the fold's lock is held over a whole chunk; a view of the
//! tables is opened under the overlay's lock, so that memory and tables fit together.

use std::any::Any;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::batch::Batch;
use crate::beside::Beside;
use crate::dialogs::{Dialogs, View, Wanted};
use crate::disk::Disk;
use crate::fault::{Stop, StoreFault, lock};
use crate::fold::{FoldProgress, FoldState};
use crate::header::Header;
use crate::index_rows::{self, Forgotten, IndexRow};
use crate::journal::Journal;
use crate::key::Key;
use crate::open::{self, Parts};
use crate::open_error::OpenError;
use crate::options::{Options, StoreStats};
use crate::overlay::{Entry, Frozen, Overlay};
use crate::pace;
use crate::slots::{LastEnd, SlotBytes, Slots};
use crate::snapshot::Snapshot;
use crate::table::{Index, StoreId, Table, TypeRecord, Value, Write};
use crate::tree::{BUSY, DEADLINES};
use crate::type_check;
use crate::verify::VerifyProgress;
use crate::witness::Witness;

/// A store that is open. Clones share it; it closes when the last clone and snapshot are dropped.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

// The fields drop in this order: databases first, then the lock.
#[derive(Debug)]
pub(crate) struct Shared {
    journal: Journal,
    dialogs: Dialogs,
    witness: Witness,
    slots: Slots,
    overlay: Mutex<Overlay>,
    /// For the row of the next batch, where that of the last one lay.
    room: Mutex<Vec<u8>>,
    fold: Mutex<FoldState>,
    forgotten: Mutex<Forgotten>,
    header: Header,
    options: Options,
    counters: Counters,
    stop: Arc<Stop>,
    _lock: Box<dyn Any + Send + Sync>,
}

#[derive(Debug, Default)]
struct Counters {
    commits: AtomicU64,
    folds: AtomicU64,
    fold_chunks: AtomicU64,
    folded_records: AtomicU64,
    folded_batch: AtomicU64,
    healed: AtomicU64,
}

impl Store {
    /// Locks the store, opens or creates its files, checks that they belong together, reads the
    /// journal's tail back into memory and counts the incarnation, durably.
    ///
    /// `fresh_id` names the store if it is created now. A refusal loses nothing.
    #[expect(clippy::needless_pass_by_value, reason = "the store keeps its disk")]
    pub fn open(
        disk: Arc<dyn Disk>,
        options: Options,
        fresh_id: StoreId,
    ) -> Result<Self, OpenError> {
        let Parts {
            journal,
            dialogs,
            witness,
            slots,
            overlay,
            header,
            stop,
            lock,
        } = open::open(&disk, &options, fresh_id)?;
        let counters = Counters {
            folded_batch: AtomicU64::new(header.watermark),
            ..Counters::default()
        };
        let shared = Shared {
            journal,
            dialogs,
            witness,
            slots,
            overlay: Mutex::new(overlay),
            room: Mutex::default(),
            fold: Mutex::default(),
            forgotten: Mutex::default(),
            header,
            options,
            counters,
            stop,
            _lock: lock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The store's name, the same for ever.
    pub fn id(&self) -> StoreId {
        self.shared.header.store
    }

    /// How often the store was opened, this time included; durable before `open` returned.
    pub fn incarnation(&self) -> u64 {
        self.shared.header.incarnation
    }

    /// How the life before this one ended.
    pub fn last_end(&self) -> &LastEnd {
        self.shared.slots.last_end()
    }

    /// Says in a place of its own what a thread is about to do, and `None` once it is done: a start that follows the
    /// death of this process finds it, see [`Store::last_end`]. Never synced.
    pub fn say_running(&self, place: usize, content: Option<&SlotBytes>) {
        self.shared.slots.say(place, content);
    }

    /// Says, durably, that this life ends in good order. Call it when nothing more will be committed. A store that has
    /// stopped does not end in good order, and says nothing.
    pub fn end_well(&self, mark: u64) -> Result<(), StoreFault> {
        self.shared.stop.check()?;
        let said = self.shared.slots.end_well(mark);
        said.map_err(|cause| StoreFault::Io {
            path: crate::slots::FILE.to_owned(),
            cause: cause.to_string(),
        })
    }

    /// Why the store stopped, if it did.
    pub fn stopped_because(&self) -> Option<StoreFault> {
        self.shared.stop.because()
    }

    /// The options it was opened with.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Compares name, version and shape of all types with those stored, and stores the new ones,
    /// durably. Refuses a version or a layout that this build cannot read as long as `held` counts values of it: it is
    /// asked with the type and the stored version.
    ///
    /// Call it before anything else is published: it cuts and commits a batch of its own.
    pub fn check_types(
        &self,
        types: &[TypeRecord],
        held: &mut dyn FnMut(&TypeRecord, u32) -> Result<u64, OpenError>,
    ) -> Result<(), OpenError> {
        let writes = type_check::compare(self, types, held)?;
        self.publish(writes);
        self.commit(self.cut()).map_err(OpenError::from)
    }

    /// Makes writes visible to every reader and queues them for the next cut. The order of calls is the
    /// order of commit. Takes one short lock and copies nothing but keys.
    pub fn publish(&self, writes: Vec<Write>) {
        let mut overlay = lock(&self.shared.overlay);
        for write in writes {
            overlay.publish(write);
        }
    }

    /// Takes everything published since the last cut as one batch, the last write of each key only. An
    /// insert into a table of fresh keys that was deleted again is not part of it.
    pub fn cut(&self) -> Batch {
        let is_long = self.shared.journal.is_long(&self.shared.options);
        let cut = lock(&self.shared.overlay).cut(&self.shared.options, is_long);
        let count = cut.changes.len();
        let changes = cut.changes.iter().flatten();
        let room = std::mem::take(&mut *lock(&self.shared.room));
        Batch::new(room, cut.number, changes, count, cut.unsynced_bytes)
    }

    /// Makes a batch durable: one journal row, one sync. Batches are committed in the order of cutting,
    /// each once, by one thread at a time.
    ///
    /// On any error the store is stopped for ever, and whether the batch is durable is in doubt until
    /// the store is opened again.
    pub fn commit(&self, mut batch: Batch) -> Result<(), StoreFault> {
        let shared = &*self.shared;
        shared.stop.check()?;
        if batch.is_empty() {
            *lock(&shared.room) = batch.into_room();
            return Ok(());
        }
        let expected = lock(&shared.overlay).due_batch();
        if expected != batch.number() {
            let fault = StoreFault::OutOfTurn {
                expected,
                found: batch.number(),
            };
            shared.stop.stop(&fault);
            return Err(fault);
        }
        shared.journal.append(&mut batch)?;
        shared.stop.disk().committed(batch.number(), batch.row());
        shared.witness.note(batch.number());
        lock(&shared.overlay).committed(&batch);
        *lock(&shared.room) = batch.into_room();
        shared.counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The newest published value of a key.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreFault> {
        if let Some(newest) = self.in_memory(table, key)? {
            return Ok(newest.value);
        }
        // Whatever is folded meanwhile is newer, and was published before this returns.
        self.shared.dialogs.get(table, key)
    }

    /// The same, read where it lies: calls `read` with the payload, which must not ask the store for anything. What
    /// panics there is taken for damage.
    pub fn read<T>(
        &self,
        table: Table,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StoreFault> {
        if let Some(newest) = self.in_memory(table, key)? {
            return Ok(newest.value.map(|value| read(&value.bytes)));
        }
        self.shared.dialogs.read(table, key, read)
    }

    /// The same as [`Store::read`], for a reader that will soon ask for others of the same dialog: what of them lies in the
    /// same row is read at once and kept in `beside`. It is used only while the tables are the same.
    pub fn read_beside<T>(
        &self,
        table: Table,
        key: &[u8],
        beside: &mut Beside,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StoreFault> {
        if let Some(newest) = self.in_memory(table, key)? {
            return Ok(newest.value.map(|value| read(&value.bytes)));
        }
        // What was in memory when `beside` was read and has been folded since is in newer tables than those.
        self.shared.dialogs.read_beside(table, key, beside, read)
    }

    /// The newest state of a key in memory. It hides the table's also where it is a deletion.
    fn in_memory(&self, table: Table, key: &[u8]) -> Result<Option<Entry>, StoreFault> {
        self.shared.stop.check()?;
        Ok(lock(&self.shared.overlay).get(table, key).cloned())
    }

    /// The newest published keys from `from` on and before `to`, in the order of their bytes, `limit`
    /// at most.
    pub fn range(
        &self,
        table: Table,
        from: &[u8],
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, StoreFault> {
        let (view, memory) = self.with_view(|overlay| overlay.range(table, from, to, limit))?;
        view.range(table, memory, from, to, limit)
    }

    /// A consistent view of everything published so far, whether or not it is durable yet: hand it out
    /// once everything published before is.
    pub fn snapshot(&self) -> Result<Snapshot, StoreFault> {
        let (view, layers) = self.with_view(Overlay::layers)?;
        Ok(Snapshot::new(view, layers, Arc::clone(&self.shared)))
    }

    // A view of the tables that fits what `read` finds in memory: a fold drops its generation from
    // memory under this lock, after the tables have it.
    fn with_view<T>(&self, read: impl FnOnce(&Overlay) -> T) -> Result<(View, T), StoreFault> {
        let overlay = lock(&self.shared.overlay);
        let view = self.shared.dialogs.view()?;
        Ok((view, read(&overlay)))
    }

    /// Folds one chunk if a generation is frozen, or the thresholds freeze one, or `force` does. With
    /// uncommitted writes about, freezing waits for the next cut.
    ///
    /// Call it from a thread of its own: a chunk takes milliseconds and syncs `dialogs.redb` twice or more.
    pub fn fold_step(&self, force: bool) -> Result<FoldProgress, StoreFault> {
        self.fold_step_giving_way(force, &|| {})
    }

    /// The same, and calls `give_way` after every quarter of a millisecond of work, about. It may wait for a while: nobody
    /// waits for a fold, unless [`Store::journal_bytes`] is close to what it may be.
    pub fn fold_step_giving_way(
        &self,
        force: bool,
        give_way: &dyn Fn(),
    ) -> Result<FoldProgress, StoreFault> {
        let shared = &*self.shared;
        shared.stop.check()?;
        let mut fold = lock(&shared.fold);
        if !fold.is_busy() {
            let is_long = shared.journal.is_long(&shared.options);
            let foldable = lock(&shared.overlay).foldable(&shared.options, is_long, force);
            match foldable {
                Some(frozen) => {
                    frozen.generation.sort(give_way);
                    fold.begin(frozen);
                }
                None => return Ok(FoldProgress::Idle),
            }
        }
        let Some(part) = fold.next(&shared.options) else {
            return Ok(FoldProgress::Idle);
        };
        let bytes = pace::sync_every(shared.journal.bytes(), shared.options.max_journal_bytes);
        shared.dialogs.boundary().meter().sync_every(bytes);
        let forgotten = lock(&shared.forgotten).take_fresh();
        let header = Header {
            watermark: shared.counters.folded_batch.load(Ordering::Relaxed),
            ..shared.header
        };
        let chunk = shared
            .dialogs
            .write(|txn| part.write(txn, &forgotten, header, &fold.verify, give_way))?;
        fold.verify.note(chunk.added_behind);
        fold.advance(chunk.done);

        let counters = &shared.counters;
        counters.fold_chunks.fetch_add(1, Ordering::Relaxed);
        counters
            .folded_records
            .fetch_add(chunk.records, Ordering::Relaxed);
        counters.healed.fetch_add(chunk.healed, Ordering::Relaxed);
        shared.show_again(&chunk.refreshed);
        let Some(watermark) = chunk.watermark else {
            return Ok(FoldProgress::Worked);
        };
        fold.end();
        let folded: Option<Arc<Frozen>> = lock(&shared.overlay).folded();
        shared.journal.trim(watermark);
        counters.folded_batch.store(watermark, Ordering::Relaxed);
        counters.folds.fetch_add(1, Ordering::Relaxed);
        // Whoever waits for a shorter journal need not wait for what follows.
        give_way();
        // Not under the overlay's lock, and once nobody else has it: freeing many records takes tens of milliseconds. Under
        // the fold's, so that whoever finds nothing to fold finds it freed.
        drop(part);
        if let Some(folded) = folded.and_then(Arc::into_inner) {
            folded.generation.free(give_way);
        }
        while shared.journal.shrink(&shared.options)? {
            give_way();
        }
        Ok(FoldProgress::Finished)
    }

    /// Looks at up to `limit` rows of the tables, from where the last call stopped, for damage that may hide rows. It
    /// stops the store.
    ///
    /// It shares a lock with [`Store::fold_step`]: call it from the same thread, with limits of some hundred rows.
    pub fn verify_step(&self, limit: usize) -> Result<VerifyProgress, StoreFault> {
        let shared = &*self.shared;
        shared.stop.check()?;
        let mut fold = lock(&shared.fold);
        let view = shared.dialogs.view()?;
        fold.verify.step(&view, limit.max(1))
    }

    /// Whether [`Store::fold_step`] would find work without being forced.
    pub fn wants_fold(&self) -> bool {
        let is_long = self.shared.journal.is_long(&self.shared.options);
        lock(&self.shared.overlay).wants_fold(&self.shared.options, is_long)
    }

    /// Bytes of journal rows whose batches are not yet folded; what a restart would read.
    pub fn journal_bytes(&self) -> u64 {
        self.shared.journal.bytes()
    }

    /// Bytes of keys and values in memory that are not yet in the tables.
    pub fn overlay_bytes(&self) -> u64 {
        lock(&self.shared.overlay).bytes()
    }

    /// Bytes of keys and values published and not yet durable.
    pub fn unsynced_bytes(&self) -> u64 {
        lock(&self.shared.overlay).unsynced_bytes()
    }

    /// Rows of the deadline index with a time up to `up_to`, earliest first. It knows folded records
    /// only, and a row may be early or stale: the record decides.
    pub fn due(&self, up_to: u64, limit: usize) -> Result<Vec<IndexRow>, StoreFault> {
        let view = self.shared.dialogs.view()?;
        let forgotten = lock(&self.shared.forgotten);
        let rows = view.index(DEADLINES, Bound::Unbounded, limit, |row| {
            if index_rows::time_of(row).is_none_or(|time| time > up_to) {
                Wanted::End
            } else if forgotten.hides(row) {
                Wanted::Skip
            } else {
                Wanted::Yes
            }
        })?;
        Ok(rows
            .iter()
            .filter_map(|row| IndexRow::decode(row))
            .collect())
    }

    /// The time of the earliest row of the deadline index.
    pub fn next_due(&self) -> Result<Option<u64>, StoreFault> {
        Ok(self.due(u64::MAX, 1)?.first().map(|row| row.time))
    }

    /// Hides a row that turned out early or stale until its record is folded again, and has the next
    /// fold chunk remove it. A row the folded record still stands by stays in the file, so that it is
    /// found again after a restart.
    pub fn forget_index_row(&self, row: &IndexRow) {
        lock(&self.shared.forgotten).add(row);
    }

    /// Folded records that were busy, in the order of table and key, from behind `after` on. The record
    /// decides whether it still is.
    pub fn busy(
        &self,
        after: Option<(Table, Vec<u8>)>,
        limit: usize,
    ) -> Result<Vec<(Table, Vec<u8>)>, StoreFault> {
        let after = after.map(|(table, key)| index_rows::busy_key(table, &key));
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let view = self.shared.dialogs.view()?;
        let rows = view.index(BUSY, from, limit, |_| Wanted::Yes)?;
        Ok(rows
            .iter()
            .filter_map(|row| index_rows::decode_busy(row))
            .collect())
    }

    /// Records that are busy or have a deadline up to `up_to`, of those that opening found in the journal's tail and that
    /// the indexes may not know: the caller arms them. What is due later is in the index once everything is folded.
    /// Deleted records are not among them.
    ///
    /// Call it before anything else is published: it tells of all that is not folded.
    pub fn recovered(&self, up_to: u64) -> Vec<(Table, Vec<u8>, Index)> {
        lock(&self.shared.overlay).indexed(up_to)
    }

    /// What the store has done since it was opened.
    pub fn stats(&self) -> StoreStats {
        let shared = &*self.shared;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let journal = shared.journal.boundary().meter();
        let dialogs = shared.dialogs.boundary().meter();
        let (journal_rows, journal_slots) = shared.journal.counts();
        let overlay = lock(&shared.overlay);
        StoreStats {
            commits: read(&shared.counters.commits),
            journal_syncs: read(&journal.syncs),
            dialogs_syncs: read(&dialogs.syncs),
            journal_bytes_written: read(&journal.bytes_written),
            dialogs_bytes_written: read(&dialogs.bytes_written),
            folds: read(&shared.counters.folds),
            fold_chunks: read(&shared.counters.fold_chunks),
            folded_records: read(&shared.counters.folded_records),
            healed: read(&shared.counters.healed),
            journal_rows,
            journal_slots,
            last_batch: overlay.last_committed(),
            folded_batch: read(&shared.counters.folded_batch),
            overlay_records: overlay.records() as u64,
        }
    }
}

impl Shared {
    fn show_again(&self, refreshed: &[Key]) {
        let mut forgotten = lock(&self.forgotten);
        if !forgotten.is_empty() {
            for row in refreshed {
                forgotten.settle(row);
            }
        }
    }
}
