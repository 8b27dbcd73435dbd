//! A model of a store, and random work on both.
#![allow(dead_code, unreachable_pub)]

pub mod raw;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use actor_store::{
    FoldProgress, Index, JournalKind, MemoryDisk, OpenError, Options, Store, StoreFault, Table,
    Value, VerifyProgress, Write,
};

pub const ID: [u8; 16] = *b"the store's name";

/// What a store should contain.
pub type Model = BTreeMap<(Table, Vec<u8>), Value>;

/// A linear congruential generator: the same seed gives the same run on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635);
        random.below(2);
        random
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

thread_local! {
    static JOURNAL: Cell<JournalKind> = const { Cell::new(JournalKind::Database) };
}

/// Runs a test with each kind of journal in the stores it creates.
pub fn with_each_journal(test: impl Fn()) {
    for kind in [JournalKind::Database, JournalKind::Log] {
        JOURNAL.set(kind);
        test();
    }
}

/// The journal's file in the stores of [`with_each_journal`].
pub fn journal_file() -> &'static str {
    match JOURNAL.get() {
        JournalKind::Log => "journal.log",
        _ => "journal.redb",
    }
}

pub fn options() -> Options {
    Options {
        journal: JOURNAL.get(),
        // Three blocks: some batches need more than a segment.
        log_segment_bytes: 3 * 4096,
        fold_journal_bytes: 64 * 1024,
        cache_bytes: 1024 * 1024,
        fold_records: 12,
        fold_chunk: 5,
        ..Options::default()
    }
}

pub fn open(disk: &MemoryDisk) -> Result<Store, OpenError> {
    Store::open(Arc::new(disk.clone()), options(), ID)
}

pub fn put(table: Table, key: &[u8], value: &[u8]) -> Write {
    Write {
        table,
        key: key.into(),
        value: Some(Value::new(value)),
    }
}

pub fn delete(table: Table, key: &[u8]) -> Write {
    Write {
        table,
        key: key.into(),
        value: None,
    }
}

pub fn commit(store: &Store, writes: Vec<Write>) {
    store.publish(writes);
    store.commit(store.cut()).expect("commit");
}

pub fn fold_all(store: &Store) -> Result<(), StoreFault> {
    while store.fold_step(true)? != FoldProgress::Idle {
        if store.stats().overlay_records == 0 {
            break;
        }
    }
    Ok(())
}

/// Everything a store contains.
pub fn dump(store: &Store) -> Result<Model, StoreFault> {
    let mut model = Model::new();
    for table in Table::ALL {
        for (key, value) in store.range(table, b"", Bound::Unbounded, usize::MAX)? {
            assert_eq!(
                store.get(table, &key)?.as_ref(),
                Some(&value),
                "get and range disagree"
            );
            model.insert((table, key), value);
        }
    }
    Ok(model)
}

/// Demands that the indexes in the file are exactly those of the model, which must be folded.
pub fn check_indexes(store: &Store, model: &Model) {
    let mut due: Vec<_> = model
        .iter()
        .filter_map(|((table, key), value)| Some((value.index.deadline?, *table, key.clone())))
        .collect();
    due.sort();
    let found = store.due(u64::MAX, usize::MAX).expect("due");
    let found: Vec<_> = found
        .into_iter()
        .map(|row| (row.time, row.table, row.key))
        .collect();
    assert_eq!(found, due);
    assert_eq!(
        store.next_due().expect("next due"),
        due.first().map(|row| row.0)
    );
    let busy: Vec<_> = model
        .iter()
        .filter(|(_, value)| value.index.busy)
        .map(|(place, _)| place.clone())
        .collect();
    let mut found = Vec::new();
    while let page = store.busy(found.last().cloned(), 3).expect("busy")
        && !page.is_empty()
    {
        found.extend(page);
    }
    assert_eq!(found, busy);
}

/// The journal and the tables.
pub const FILES: [&str; 2] = ["journal.redb", "dialogs.redb"];

/// Random work: what was published, committed, and in doubt after a fault.
pub struct Work {
    pub random: Random,
    next_fresh: u64,
    pub published: Model,
    pub committed: Model,
    /// Set while a commit is under way: what holds if it became durable after all.
    pub in_doubt: Option<Model>,
    /// All values there ever were.
    pub ever: Vec<((Table, Vec<u8>), Value)>,
}

impl Work {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            next_fresh: 0,
            published: Model::new(),
            committed: Model::new(),
            in_doubt: None,
            ever: Vec::new(),
        }
    }

    pub fn resume(&mut self, model: &Model) {
        self.published.clone_from(model);
        self.committed.clone_from(model);
        self.in_doubt = None;
    }

    pub fn value(&mut self) -> Value {
        let len = match self.random.below(20) {
            0 => 9_000,
            1..4 => 900,
            _ => self.random.below(60),
        };
        let byte = self.random.below(256) as u8;
        let mut value = Value::new(vec![byte; len as usize]);
        value.index = Index {
            deadline: self.random.one_in(3).then(|| self.random.below(1_000)),
            busy: self.random.one_in(3),
        };
        value
    }

    pub fn write(&mut self) -> Write {
        if self.random.one_in(3) {
            return self.fresh_write();
        }
        let tables = [Table::Endpoints, Table::Actors, Table::App];
        let table = tables[self.random.below(3) as usize];
        // Some lie alone, some with others of their dialog, of which there may be more than one row has room for.
        let mut key = vec![b'k'; if self.random.one_in(3) { 1 } else { 17 }];
        key.push(self.random.below(3) as u8);
        key.extend((!self.random.one_in(3)).then(|| self.random.below(6) as u8));
        let value = (!self.random.one_in(4)).then(|| self.value());
        Write {
            table,
            key: key.into(),
            value,
        }
    }

    // Keys of these tables are used once: insert the next one, or delete one there is.
    fn fresh_write(&mut self) -> Write {
        let table = if self.random.one_in(2) {
            Table::Inbox
        } else {
            Table::Outbox
        };
        let mut living = self.published.keys().filter(|(of, _)| *of == table);
        let count = living.clone().count() as u64;
        if count > 0 && self.random.one_in(2) {
            let at = self.random.below(count) as usize;
            let key = living.nth(at).expect("counted").1.clone();
            return Write {
                table,
                key: key.into(),
                value: None,
            };
        }
        self.next_fresh += 1;
        Write {
            table,
            key: self.next_fresh.to_be_bytes().into(),
            value: Some(self.value()),
        }
    }

    pub fn publish(&mut self, store: &Store) {
        let count = 1 + self.random.below(4);
        let writes: Vec<_> = (0..count)
            .map(|_| {
                let write = self.write();
                let place = (write.table, write.key.to_vec());
                match &write.value {
                    Some(value) => {
                        self.ever.push((place.clone(), value.clone()));
                        self.published.insert(place, value.clone())
                    }
                    None => self.published.remove(&place),
                };
                write
            })
            .collect();
        store.publish(writes);
    }

    pub fn commit(&mut self, store: &Store) -> Result<(), StoreFault> {
        self.in_doubt = Some(self.published.clone());
        store.commit(store.cut())?;
        self.in_doubt = None;
        self.committed.clone_from(&self.published);
        Ok(())
    }

    /// Some rounds of publishing, committing, folding and reading, until a fault.
    pub fn run(&mut self, store: &Store, rounds: u64) -> Result<(), StoreFault> {
        for _ in 0..rounds {
            self.publish(store);
            if !self.random.one_in(3) {
                self.commit(store)?;
            }
            if self.random.one_in(3) {
                let force = self.random.one_in(3);
                let _progress = store.fold_step(force)?;
            }
            if self.random.one_in(8) {
                assert_eq!(dump(store)?, self.published);
            }
        }
        Ok(())
    }
}

/// A new store in memory.
pub fn fresh() -> (MemoryDisk, Store) {
    let disk = MemoryDisk::new();
    let store = open(&disk).expect("open");
    (disk, store)
}

/// Goes through all tables once, in small slices.
pub fn search(store: &Store) -> Result<(), StoreFault> {
    while store.verify_step(97)? != VerifyProgress::Finished {}
    Ok(())
}
