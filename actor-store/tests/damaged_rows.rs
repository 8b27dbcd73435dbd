//! Damaged rows of the tables: each is an error of its own record, and never another value or none.
#![cfg(feature = "test-util")]

mod support;

use std::ops::Bound;
use std::sync::Arc;

use actor_store::{MemoryDisk, OpenError, Store, StoreFault, Table, Verification};
use support::{FILES, ID, commit, delete, dump, fold_all, open, options, put, search};

#[test]
fn a_flipped_byte_in_a_stored_value_is_an_error_and_not_another_value() {
    let disk = MemoryDisk::new();
    let store = open(&disk).expect("open");
    let needle = b"a value nobody else would think of";
    commit(
        &store,
        vec![
            put(Table::Actors, b"key", needle),
            put(Table::Actors, b"other", b"fine"),
        ],
    );
    fold_all(&store).expect("fold");
    drop(store);
    let image = disk.image(FILES[1]);
    flip_near(&disk, needle, 5);
    let store = open(&disk).expect("open");
    let fault = store.get(Table::Actors, b"key").expect_err("damaged");
    let key = b"key".to_vec();
    assert_eq!(
        fault,
        StoreFault::Corrupt {
            table: Table::Actors,
            key
        }
    );
    assert!(
        fault.to_string().contains("0x6b6579 in table `actors`"),
        "{fault}"
    );
    // One damaged value stops its reader only; writing a good one heals it.
    assert!(store.get(Table::Actors, b"other").expect("fine").is_some());
    commit(&store, vec![put(Table::Actors, b"key", b"new")]);
    fold_all(&store).expect("fold");
    assert_eq!(store.stats().healed, 1);
    assert_eq!(
        &*store
            .get(Table::Actors, b"key")
            .expect("healed")
            .expect("there")
            .bytes,
        b"new"
    );
    drop(store);

    let mut verifying = options();
    verifying.verify = Verification::AtOpen;
    disk.corrupt(FILES[1], image.len() / 2, |bytes| bytes.fill(0x55));
    let opened = Store::open(Arc::new(disk), verifying, ID);
    assert!(
        matches!(opened, Err(OpenError::Damaged { .. })),
        "{opened:?}"
    );
}

/// Flips a bit so many bytes before or behind each place where these bytes lie in the tables.
fn flip_near(disk: &MemoryDisk, needle: &[u8], by: isize) {
    let image = disk.image(FILES[1]);
    let places = image.windows(needle.len()).enumerate();
    let places: Vec<_> = places.filter(|(_, bytes)| *bytes == needle).collect();
    assert!(!places.is_empty());
    for (at, _) in places {
        let at = at.checked_add_signed(by).expect("within the file");
        disk.corrupt(FILES[1], at, |bytes| bytes[0] ^= 4);
    }
}

const STATE: (Table, &[u8]) = (Table::Actors, b"one dialog's name.");
const TARGET: (Table, &[u8]) = (Table::Endpoints, b"one dialog's name.0");

/// A store with one dialog whose records share a row, and another one.
fn two_dialogs() -> (MemoryDisk, Store) {
    let (disk, store) = support::fresh();
    let writes = vec![
        put(STATE.0, STATE.1, b"the state of an actor"),
        put(TARGET.0, TARGET.1, b"its end of the dialog"),
        put(STATE.0, b"other dialog's name", b"fine"),
    ];
    commit(&store, writes);
    fold_all(&store).expect("fold");
    (disk, store)
}

fn is_corrupt(store: &Store, (table, key): (Table, &[u8])) -> bool {
    let key_of = key.to_vec();
    let corrupt = StoreFault::Corrupt { table, key: key_of };
    store.get(table, key).is_err_and(|fault| fault == corrupt)
}

#[test]
fn of_a_row_that_records_share_one_damaged_value_is_one_record() {
    let (disk, store) = two_dialogs();
    drop(store);
    flip_near(&disk, b"the state of an actor", 3);
    let store = open(&disk).expect("open");
    assert!(is_corrupt(&store, STATE));
    let target = |store: &Store| {
        store
            .get(TARGET.0, TARGET.1)
            .expect("whole")
            .map(|value| value.bytes.to_vec())
    };
    assert_eq!(target(&store).expect("there"), b"its end of the dialog");
    commit(&store, vec![put(TARGET.0, TARGET.1, b"changed")]);
    fold_all(&store).expect("fold");
    assert_eq!(target(&store).expect("there"), b"changed");
    assert!(is_corrupt(&store, STATE));
    commit(&store, vec![put(STATE.0, STATE.1, b"new")]);
    fold_all(&store).expect("fold");
    assert_eq!(store.stats().healed, 1);
    assert_eq!(
        &*store
            .get(STATE.0, STATE.1)
            .expect("healed")
            .expect("there")
            .bytes,
        b"new"
    );
}

#[test]
fn records_of_a_row_whose_head_is_damaged_are_never_taken_for_absent() {
    let (disk, store) = two_dialogs();
    drop(store);
    // The state is the first value: before its checksum and its flags lie the places of both, of 4 and 5 bytes.
    flip_near(&disk, b"the state of an actor", -5 - 9);
    let store = open(&disk).expect("open");
    assert!(is_corrupt(&store, STATE) && is_corrupt(&store, TARGET));
    let other = store.get(STATE.0, b"other dialog's name").expect("whole");
    assert!(other.is_some());
    let listed = store.range(TARGET.0, b"", Bound::Unbounded, 9);
    assert!(listed.is_err(), "{listed:?}");
    // One of them is written: what the other was is still unknown, and what the third would be.
    commit(&store, vec![put(TARGET.0, TARGET.1, b"new")]);
    fold_all(&store).expect("fold");
    assert!(is_corrupt(&store, STATE) && !is_corrupt(&store, TARGET));
    assert!(is_corrupt(
        &store,
        (Table::Endpoints, b"one dialog's name.1")
    ));
    assert!(search(&store).is_ok(), "it is known");
    // Once all that is left is deleted, the dialog is gone.
    let ends = vec![delete(STATE.0, STATE.1), delete(TARGET.0, TARGET.1)];
    commit(&store, ends);
    fold_all(&store).expect("fold");
    assert_eq!(store.get(STATE.0, STATE.1).expect("gone"), None);
    assert!(dump(&store).is_ok_and(|left| left.len() == 1));
}
