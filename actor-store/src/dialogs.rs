//! `dialogs.redb`: the tables, the two indexes and the header.
//!
//! Owns how rows lie in the database and how they are read. Only a fold writes them; see [`crate::fold`].

use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction,
};

use crate::beside::{Beside, Known};
use crate::fault::{Boundary, StoreFault, Trouble, lock};
use crate::header::{HEADER_KEY, HEADER_TABLE, Header, Kind, REACH_KEY, encode_reach};
use crate::joint;
use crate::merge;
use crate::reading;
use crate::stored;
use crate::table::{Table, Value};
use crate::tree::{BUSY, Bytes, DEADLINES, DIALOGS, SharedKey, Tree, definition};

const HEADERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new(HEADER_TABLE);
/// The tables of an open store.
#[derive(Debug)]
pub(crate) struct Dialogs {
    boundary: Boundary,
    /// The tables as the last commit left them. It holds back no page that could be used again: the next commit may only
    /// use what this one has freed, and with it this is replaced.
    newest: Mutex<Option<Arc<Opened>>>,
    views: AtomicU64,
    // `None` only while it is being dropped.
    db: Option<Database>,
}

/// Tables opened once, for the lookups between two commits: opening costs more than a lookup.
struct Opened {
    boundary: Boundary,
    /// No other has it, from 1.
    view: u64,
    // `None` only while they are being dropped.
    trees: Option<Trees>,
}

struct Trees {
    dialogs: ReadOnlyTable<SharedKey, Bytes>,
    // In the order of their tags, without those of the tree of dialogs.
    tables: Vec<(Table, ReadOnlyTable<Bytes, Bytes>)>,
}

impl Dialogs {
    pub(crate) fn new(boundary: Boundary, db: Database) -> Self {
        Self {
            boundary,
            newest: Mutex::default(),
            views: AtomicU64::new(0),
            db: Some(db),
        }
    }

    /// Creates all tables and the header, in one durable transaction.
    pub(crate) fn create(&self, header: &Header) -> Result<(), StoreFault> {
        self.write(|txn| {
            for table in own_trees() {
                txn.open_table(definition(table))?;
            }
            txn.open_table(DIALOGS)?;
            txn.open_table(DEADLINES)?;
            txn.open_table(BUSY)?;
            write_header(txn, Kind::Dialogs, header)
        })
    }

    /// The row that says through which batch the fold goes that was begun last; none if no fold had more than one chunk.
    pub(crate) fn reach(&self) -> Result<Option<Vec<u8>>, StoreFault> {
        let view = self.view()?;
        view.with_tree(HEADERS, |headers| {
            Ok(headers.get(REACH_KEY)?.map(|row| row.value().to_vec()))
        })
    }

    /// Runs `work` in one durable transaction from which opening after a crash takes milliseconds.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Trouble>,
    ) -> Result<T, StoreFault> {
        self.boundary.run(|| {
            let db = self.db.as_ref().ok_or(StoreFault::Stopped)?;
            // A reader of the last commit. Without one, redb frees what this one replaces in a commit of its own behind it,
            // whose pages wait in memory for the next; as long as they do, each read that misses its cache writes out pages
            // of the next fold, which are written once more at its end.
            let before = db.begin_read()?;
            let mut txn = db.begin_write()?;
            // Only valid if the last commit had it, so every commit of this file has it.
            txn.set_quick_repair(true);
            let done = work(&txn)?;
            // Who asks meanwhile opens them anew, and hands them out until the commit is over.
            drop(lock(&self.newest).take());
            txn.commit()?;
            drop(before);
            drop(lock(&self.newest).take());
            Ok(done)
        })
    }

    /// The newest row of a key.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreFault> {
        self.row(table, key, |row| stored::decode_value(table, key, row))
    }

    /// What `read` makes of the payload of the newest row of a key.
    pub(crate) fn read<T>(
        &self,
        table: Table,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StoreFault> {
        self.row(table, key, |row| {
            let (_, payload) = stored::decode(table, key, row)?;
            Ok(read(payload))
        })
    }

    fn row<T>(
        &self,
        table: Table,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, StoreFault>,
    ) -> Result<Option<T>, StoreFault> {
        let opened = self.opened()?;
        self.boundary.run(|| {
            let trees = opened.trees.as_ref().ok_or(StoreFault::Stopped)?;
            if Tree::holding(table) == Tree::Dialogs {
                return reading::find(&trees.dialogs, table, key, decode);
            }
            let at = trees.tables.binary_search_by_key(&table, |(of, _)| *of);
            let rows = at.ok().and_then(|at| trees.tables.get(at));
            let row = rows.ok_or(StoreFault::Stopped)?.1.get(key)?;
            let row = row.map(|row| decode(row.value()));
            Ok(row.transpose()?)
        })
    }

    /// The same as [`Dialogs::read`], for a reader that will ask for others of the same dialog, too.
    pub(crate) fn read_beside<T>(
        &self,
        table: Table,
        key: &[u8],
        beside: &mut Beside,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StoreFault> {
        let group = joint::group(key).filter(|_| Tree::holding(table) == Tree::Dialogs);
        let Some(group) = group else {
            return self.read(table, key, read);
        };
        let opened = self.opened()?;
        if !beside.is_of(opened.view, group) {
            self.boundary.run(|| {
                let trees = opened.trees.as_ref().ok_or(StoreFault::Stopped)?;
                beside.read(opened.view, &trees.dialogs, group)
            })?;
        }
        match beside.find(table, &key[group.len()..]) {
            Known::Payload(payload) => Ok(Some(read(payload))),
            Known::Absent => Ok(None),
            Known::Nothing => self.read(table, key, read),
        }
    }

    fn opened(&self) -> Result<Arc<Opened>, StoreFault> {
        let mut newest = lock(&self.newest);
        if let Some(opened) = &*newest {
            return Ok(Arc::clone(opened));
        }
        // Under the lock, so that a commit that ends meanwhile finds it and drops it.
        let trees = self.boundary.run(|| {
            let db = self.db.as_ref().ok_or(StoreFault::Stopped)?;
            let txn = db.begin_read()?;
            let mut tables = Vec::with_capacity(Table::ALL.len());
            for table in own_trees() {
                tables.push((table, txn.open_table(definition(table))?));
            }
            let dialogs = txn.open_table(DIALOGS)?;
            Ok(Trees { dialogs, tables })
        })?;
        let opened = Arc::new(Opened {
            boundary: self.boundary.clone(),
            view: 1 + self.views.fetch_add(1, Ordering::Relaxed),
            trees: Some(trees),
        });
        *newest = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// A view of the tables as they are now.
    pub(crate) fn view(&self) -> Result<View, StoreFault> {
        let txn = self.boundary.run(|| {
            let db = self.db.as_ref().ok_or(StoreFault::Stopped)?;
            Ok(db.begin_read()?)
        })?;
        Ok(View {
            boundary: self.boundary.clone(),
            txn: Some(txn),
        })
    }

    pub(crate) fn boundary(&self) -> &Boundary {
        &self.boundary
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let trees = self.trees.take();
        self.boundary.release(trees);
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

impl Drop for Dialogs {
    fn drop(&mut self) {
        drop(lock(&self.newest).take());
        let db = self.db.take();
        self.boundary.release(db);
    }
}

/// A consistent view of the tables. Keep it short: pages freed meanwhile cannot be used again.
#[derive(Debug)]
pub(crate) struct View {
    boundary: Boundary,
    // `None` only while it is being dropped.
    txn: Option<ReadTransaction>,
}

impl View {
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreFault> {
        self.boundary.run(|| {
            let decode = |row: &[u8]| stored::decode_value(table, key, row);
            if Tree::holding(table) == Tree::Dialogs {
                return reading::find(&self.open(DIALOGS)?, table, key, decode);
            }
            let row = self.open(definition(table))?.get(key)?;
            let row = row.map(|row| decode(row.value()));
            Ok(row.transpose()?)
        })
    }

    /// The rows of `[from, to)` under the records of memory.
    pub(crate) fn range(
        &self,
        table: Table,
        memory: merge::Layered,
        from: &[u8],
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, StoreFault> {
        if merge::is_void(from, to) || limit == 0 {
            return Ok(Vec::new());
        }
        self.boundary.run(|| {
            if Tree::holding(table) == Tree::Dialogs {
                let rows = self.open(DIALOGS)?;
                return merge::over_table(memory, reading::range(&rows, table, from, to)?, limit);
            }
            let rows = self.open(definition(table))?;
            let decoded = rows
                .range::<&[u8]>((Bound::Included(from), to))?
                .map(|row| {
                    let (key, row) = row?;
                    let value = stored::decode_value(table, key.value(), row.value())?;
                    Ok::<_, Trouble>((key.value().to_vec(), value))
                });
            merge::over_table(memory, decoded, limit)
        })
    }

    /// Up to `limit` keys of an index from `from` on, while `wanted` says so.
    pub(crate) fn index(
        &self,
        index: TableDefinition<'static, Bytes, ()>,
        from: Bound<&[u8]>,
        limit: usize,
        mut wanted: impl FnMut(&[u8]) -> Wanted,
    ) -> Result<Vec<Vec<u8>>, StoreFault> {
        self.boundary.run(|| {
            let mut keys = Vec::new();
            if limit == 0 {
                return Ok(keys);
            }
            let rows = self.open(index)?;
            for row in rows.range::<&[u8]>((from, Bound::Unbounded))? {
                let (key, ()) = (row?.0, ());
                match wanted(key.value()) {
                    Wanted::Yes => keys.push(key.value().to_vec()),
                    Wanted::Skip => {}
                    Wanted::End => break,
                }
                if keys.len() == limit {
                    break;
                }
            }
            Ok(keys)
        })
    }

    pub(crate) fn path(&self) -> &str {
        self.boundary.path()
    }

    /// Reads one tree as it lies in the file.
    pub(crate) fn with_tree<K: redb::Key + 'static, V: redb::Value + 'static, T>(
        &self,
        definition: TableDefinition<'static, K, V>,
        read: impl FnOnce(&ReadOnlyTable<K, V>) -> Result<T, Trouble>,
    ) -> Result<T, StoreFault> {
        self.boundary.run(|| read(&self.open(definition)?))
    }

    fn open<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, Trouble> {
        let txn = self.txn.as_ref().ok_or(StoreFault::Stopped)?;
        Ok(txn.open_table(definition)?)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let txn = self.txn.take();
        self.boundary.release(txn);
    }
}

/// Tables that are a tree of their own.
fn own_trees() -> impl Iterator<Item = Table> {
    let all = Table::ALL.into_iter();
    all.filter(|table| Tree::holding(*table) == Tree::Of(*table))
}

/// What to do with a row of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    Yes,
    Skip,
    End,
}

/// Puts the header row into the transaction.
pub(crate) fn write_header(
    txn: &WriteTransaction,
    kind: Kind,
    header: &Header,
) -> Result<(), Trouble> {
    let row = header.encode(kind);
    txn.open_table(HEADERS)?
        .insert(HEADER_KEY, row.as_slice())?;
    Ok(())
}

/// Puts into the transaction through which batch the fold goes that it begins.
pub(crate) fn write_reach(txn: &WriteTransaction, through: u64) -> Result<(), Trouble> {
    let row = encode_reach(through);
    txn.open_table(HEADERS)?.insert(REACH_KEY, row.as_slice())?;
    Ok(())
}

/// What a database contains, as far as opening cares.
#[derive(Debug)]
pub(crate) enum Content {
    /// No table at all: its creation was interrupted.
    Nothing,
    /// Tables, and no header row among them.
    Foreign,
    /// A header row, not yet decoded.
    Row(Vec<u8>),
}

pub(crate) fn read_header(db: &Database, boundary: &Boundary) -> Result<Content, StoreFault> {
    boundary.run(|| {
        let txn = db.begin_read()?;
        let headers = match txn.open_table(HEADERS) {
            Ok(headers) => headers,
            Err(redb::TableError::Storage(error)) => return Err(error.into()),
            Err(redb::TableError::TableDoesNotExist(_)) if txn.list_tables()?.next().is_none() => {
                return Ok(Content::Nothing);
            }
            // A table of this name and another type is somebody else's.
            Err(_) => return Ok(Content::Foreign),
        };
        let row = headers.get(HEADER_KEY)?;
        Ok(row.map_or(Content::Foreign, |row| Content::Row(row.value().to_vec())))
    })
}
