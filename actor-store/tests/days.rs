//! Files that do not belong together, by store or by time: refused, never merged.
#![cfg(feature = "test-util")]

mod support;

use std::sync::Arc;

use actor_store::{Crash, FoldProgress, MemoryDisk, OpenError, Store, Table};
use support::raw::{read_row, write_row};
use support::{
    FILES, Work, commit, dump, fold_all, journal_file, open, options, put, with_each_journal,
};

fn copy(disk: &MemoryDisk) -> MemoryDisk {
    disk.crash(Crash::KeepAll)
}

/// Demands that the journal is refused as older than the tables, in these words.
fn refuses_for_its_days(disk: &MemoryDisk, words: &str) {
    let error = open(disk).map(drop).expect_err("the journal lacks a batch");
    assert!(
        matches!(error, OpenError::DifferentDays { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn files_of_two_stores_are_refused() {
    let one = MemoryDisk::new();
    drop(open(&one).expect("open"));
    let two = MemoryDisk::new();
    let store = Store::open(Arc::new(two.clone()), options(), [9; 16]).expect("open");
    assert_eq!(store.id(), [9; 16]);
    drop(store);
    let mixed = MemoryDisk::from_images([
        (FILES[0].to_owned(), one.image(FILES[0])),
        (FILES[1].to_owned(), two.image(FILES[1])),
    ]);
    let error = open(&mixed).map(drop).expect_err("two stores");
    assert!(
        matches!(error, OpenError::DifferentStores { .. }),
        "{error:?}"
    );
}

#[test]
fn files_of_different_days_are_refused_unless_nothing_is_lost() {
    let disk = MemoryDisk::new();
    let mut work = Work::new(10);
    let mut days = Vec::new();
    for _ in 0..6 {
        let store = open(&disk).expect("open");
        work.run(&store, 15).expect("work");
        work.commit(&store).expect("commit");
        drop(store);
        days.push((copy(&disk), work.committed.clone()));
    }
    let mut refused = 0;
    for (journal_day, (journal, model)) in days.iter().enumerate() {
        for (dialogs_day, (dialogs, _)) in days.iter().enumerate() {
            let mixed = MemoryDisk::from_images([
                (FILES[0].to_owned(), journal.image(FILES[0])),
                (FILES[1].to_owned(), dialogs.image(FILES[1])),
            ]);
            match open(&mixed) {
                // Old tables and a journal that still has all that happened since are no loss.
                Ok(store) => {
                    assert!(dialogs_day <= journal_day);
                    assert_eq!(&dump(&store).expect("dump"), model);
                }
                Err(OpenError::DifferentDays { .. }) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    assert!(
        refused >= 15,
        "a journal older than its tables was accepted"
    );
}

#[test]
fn a_journal_from_before_the_last_fold_is_refused_even_on_the_same_day() {
    let disk = MemoryDisk::new();
    let store = open(&disk).expect("open");
    commit(&store, vec![put(Table::Actors, b"key", b"morning")]);
    let morning = copy(&disk);
    commit(&store, vec![put(Table::Actors, b"key", b"evening")]);
    fold_all(&store).expect("fold");
    let evening = copy(&disk);
    let mixed = MemoryDisk::from_images([
        (FILES[0].to_owned(), morning.image(FILES[0])),
        (FILES[1].to_owned(), evening.image(FILES[1])),
    ]);
    refuses_for_its_days(&mixed, "batch 2, the journal ends at batch 1");
}

/// The first chunk has put newer records into the tables, and neither the life nor the watermark tells.
#[test]
fn a_journal_from_before_a_fold_that_is_half_done_is_refused_even_without_the_witness() {
    with_each_journal(|| {
        let disk = MemoryDisk::new();
        let store = open(&disk).expect("open");
        let records = options().fold_chunk as u8 + 2;
        let all = |value: &[u8]| {
            let keys = (0..records).map(|n| [n]);
            keys.map(|key| put(Table::Actors, &key, value)).collect()
        };
        commit(&store, all(b"morning"));
        let morning = disk.image(journal_file());
        commit(&store, all(b"evening"));
        assert_eq!(store.fold_step(true).expect("fold"), FoldProgress::Worked);
        let evening = disk.crash(Crash::LoseUnsynced);
        drop(open(&copy(&evening)).expect("the files of one evening belong together"));
        let mixed = MemoryDisk::from_images([
            (journal_file().to_owned(), morning),
            (FILES[1].to_owned(), evening.image(FILES[1])),
        ]);
        refuses_for_its_days(
            &mixed,
            "through batch 2 has begun in the tables, the journal ends at batch 1",
        );
    });
}

#[test]
fn a_damaged_row_that_says_how_far_a_fold_goes_is_refused_by_name() {
    let disk = MemoryDisk::new();
    let store = open(&disk).expect("open");
    for n in 0..options().fold_chunk as u8 + 2 {
        commit(&store, vec![put(Table::Actors, &[n], b"value")]);
    }
    fold_all(&store).expect("fold");
    drop(store);
    let row = read_row(&disk, FILES[1], "header", "reach");
    for bit in 0..row.len() * 8 {
        let mut bad = row.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let damaged = copy(&disk);
        write_row(&damaged, FILES[1], "header", "reach", &bad);
        let error = open(&damaged).map(drop).expect_err("damaged");
        assert!(
            matches!(&error, OpenError::Damaged { detail, .. } if detail.contains("how far a fold goes")),
            "{error:?}"
        );
    }
}
