//! Sizes and thresholds of a store, and the counters it keeps.
//!
//! Owns the numbers and their units; never acts on them.

/// What the journal of a new store is. One that is there stays what it is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum JournalKind {
    /// A database, `journal.redb`: a commit is a transaction of some pages in as many places.
    #[default]
    Database,
    /// A plain file, `journal.log`: a commit is one write behind the last one, into blocks that are there already.
    Log,
}

/// When the tables are searched for damage that no read would notice: a page that should name rows and does not.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Verification {
    /// While the store is in use, by calls of [`crate::Store::verify_step`]. Opening takes no longer for a large store.
    #[default]
    InUse,
    /// At open, every page against its checksum: about a second for each million small dialogs, three from a cold disk.
    /// A damaged store is not opened.
    AtOpen,
    /// Not at all.
    Never,
}

/// Sizes and thresholds. [`Options::default`] suits a node with some thousand messages a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What the journal is, if the store is created now.
    pub journal: JournalKind,
    /// Bytes in which `journal.log` grows and is used again, if it is created now: a multiple of 4096, and never less.
    pub log_segment_bytes: u32,
    /// Bytes of page cache for both files together; `journal.redb` takes an eighth of it.
    pub cache_bytes: usize,
    /// Records in memory from which folding begins.
    pub fold_records: usize,
    /// Records a fold transaction writes at most. A transaction costs some hundred KiB beside its records, so larger chunks
    /// fold faster; they take more memory.
    pub fold_chunk: usize,
    /// Bytes of journal from which folding begins. In a database it begins at 1,024 commits, too, unless this is `u64::MAX`.
    pub fold_journal_bytes: u64,
    /// Bytes of journal from which the caller should admit no new work; bounds the time of a restart.
    pub max_journal_bytes: u64,
    /// When `dialogs.redb` is searched for pages that hide rows. `journal.redb` is always verified at open, and a damaged
    /// value is always reported where it is read.
    pub verify: Verification,
}

impl Options {
    /// Bytes of values a fold transaction writes at most, whatever [`Options::fold_chunk`] says: a
    /// chunk of large values would hold up the journal's sync just as many small ones do.
    pub const MAX_FOLD_CHUNK_BYTES: usize = 4 * 1024 * 1024;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            journal: JournalKind::default(),
            log_segment_bytes: 4 * 1024 * 1024,
            cache_bytes: 64 * 1024 * 1024,
            fold_records: 20_000,
            fold_chunk: 3_000,
            fold_journal_bytes: 8 * 1024 * 1024,
            max_journal_bytes: 64 * 1024 * 1024,
            verify: Verification::default(),
        }
    }
}

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Batches committed.
    pub commits: u64,
    /// Syncs of `journal.redb` since the store was opened, those of opening included.
    pub journal_syncs: u64,
    /// Syncs of `dialogs.redb` since the store was opened, those of opening included.
    pub dialogs_syncs: u64,
    /// Bytes written to `journal.redb`.
    pub journal_bytes_written: u64,
    /// Bytes written to `dialogs.redb`.
    pub dialogs_bytes_written: u64,
    /// Generations folded to the end.
    pub folds: u64,
    /// Fold transactions.
    pub fold_chunks: u64,
    /// Records folded.
    pub folded_records: u64,
    /// Damaged values that a fold replaced by good ones.
    pub healed: u64,
    /// Journal rows whose batch is not yet folded.
    pub journal_rows: u64,
    /// Rows of the journal, those included whose places wait for later batches.
    pub journal_slots: u64,
    /// Number of the last committed batch, counted from the store's creation.
    pub last_batch: u64,
    /// Number of the last batch that is wholly in the tables.
    pub folded_batch: u64,
    /// Records in memory that are not yet in the tables.
    pub overlay_records: u64,
}
