//! The files of a store as they were written when the format was fixed. A build that reads them otherwise has another
//! format, whatever it calls it.
#![cfg(feature = "test-util")]

mod support;

use std::fs;
use std::path::PathBuf;

use actor_store::{FileDisk, Index, MemoryDisk, Store, Table, TypeKind, TypeRecord, Value, Write};
use support::{Model, check_indexes, dump, fold_all, options};

/// Batches that are folded into the tables, and all of them; the rest lies in the journal.
const FOLDED: u64 = 12;
const BATCHES: u64 = 20;
const FILES: [&str; 3] = ["dialogs.redb", "journal.redb", "newest"];

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn shop() -> TypeRecord {
    TypeRecord {
        name: "Shop".to_owned(),
        version: 3,
        shape: 0x1234_5678_9abc_def0,
        past: Vec::new(),
        kind: TypeKind::State,
    }
}

/// What each batch but the first, which is of the types, writes.
fn writes(batch: u64) -> Vec<Write> {
    let number = batch as u8;
    let value = Value {
        bytes: vec![number; 3 + usize::from(number) * 7].into(),
        index: Index {
            deadline: batch.is_multiple_of(3).then_some(1_700_000_000_000 + batch),
            busy: batch.is_multiple_of(4),
        },
    };
    let tables = Table::ALL
        .into_iter()
        .filter(|table| *table != Table::Types);
    let table = tables.clone().nth(usize::from(number) % tables.count());
    let table = table.expect("there are several");
    let mut writes = vec![Write {
        table,
        key: vec![number, 0, 0xff].into(),
        value: Some(value),
    }];
    // Two of them after each other belong together.
    let mut name = vec![number / 2; 18];
    let dialog = if batch.is_multiple_of(2) {
        Table::Actors
    } else {
        name.push(1);
        Table::Endpoints
    };
    writes.push(Write {
        table: dialog,
        key: name.into(),
        value: Some(Value::new(vec![number; 20])),
    });
    if batch.is_multiple_of(5) {
        // Also a deletion, of what the batch before the last one wrote.
        let earlier = self::writes(batch - 2).swap_remove(0);
        writes.push(Write {
            value: None,
            ..earlier
        });
    }
    writes
}

fn expected() -> Model {
    let mut model = Model::new();
    let mut row = shop().version.to_be_bytes().to_vec();
    row.extend_from_slice(&shop().shape.to_be_bytes());
    model.insert((Table::Types, b"Shop".to_vec()), Value::new(row));
    for write in (2..=BATCHES).flat_map(writes) {
        let place = (write.table, write.key.to_vec());
        match write.value {
            Some(value) => model.insert(place, value),
            None => model.remove(&place),
        };
    }
    model
}

/// Writes the golden store anew, below `UPDATE_GOLDEN`: for a format that has another number.
fn update() {
    let disk = std::sync::Arc::new(FileDisk::new(golden()));
    let store = Store::open(disk, options(), *b"a golden store's").expect("it opens");
    store
        .check_types(&[shop()], &mut |_, _| Ok(0))
        .expect("the first batch");
    for batch in 2..=BATCHES {
        support::commit(&store, writes(batch));
        if batch == FOLDED {
            fold_all(&store).expect("a fold");
        }
    }
    drop(store);
    for left in ["LOCK", "running"] {
        fs::remove_file(golden().join(left)).expect("nobody uses the store any more");
    }
}

#[test]
fn a_store_of_the_first_format_is_read_as_it_was_written() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::remove_dir_all(golden()).ok();
        update();
    }
    // A copy: opening counts an incarnation.
    let images = FILES.map(|name| {
        let image = fs::read(golden().join(name)).expect("the golden file is there");
        (name.to_owned(), image)
    });
    let disk = MemoryDisk::from_images(images);
    let store = support::open(&disk).expect("the golden store opens");
    assert_eq!(store.id(), *b"a golden store's");
    assert_eq!(store.incarnation(), 2);
    let stats = store.stats();
    assert_eq!((stats.last_batch, stats.folded_batch), (BATCHES, FOLDED));
    assert_eq!(stats.journal_rows, BATCHES - FOLDED);
    assert_eq!(dump(&store).expect("it is read"), expected());
    store
        .check_types(&[shop()], &mut |_, _| Ok(0))
        .expect("the type is known");
    assert_eq!(
        store.stats().last_batch,
        BATCHES,
        "nothing new is to be said of it"
    );
    fold_all(&store).expect("it is folded");
    assert_eq!(dump(&store).expect("it is read"), expected());
    check_indexes(&store, &expected());
}
