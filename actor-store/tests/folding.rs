//! What is published, cut, committed and folded, seen from outside.
#![cfg(feature = "test-util")]

mod support;

use std::cell::Cell;
use std::sync::Arc;

use actor_store::{
    Crash, FoldProgress, Index, IndexRow, MemoryDisk, Options, Store, StoreFault, Table, Value,
    Write,
};
use support::{ID, Work, check_indexes, commit, delete, dump, fold_all, fresh, open, options, put};

fn indexed(key: &[u8], deadline: Option<u64>, busy: bool) -> Write {
    let mut write = put(Table::Endpoints, key, b"record");
    write.value = write.value.map(|value| Value {
        index: Index { deadline, busy },
        ..value
    });
    write
}

#[test]
fn a_put_and_delete_in_one_batch_leaves_nothing() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        store.publish(vec![put(Table::Inbox, b"1", b"message")]);
        assert!(store.get(Table::Inbox, b"1").expect("get").is_some());
        store.publish(vec![delete(Table::Inbox, b"1")]);
        assert_eq!(store.get(Table::Inbox, b"1"), Ok(None));
        assert_eq!((store.overlay_bytes(), store.unsynced_bytes()), (0, 0));
        let batch = store.cut();
        assert!(batch.is_empty() && batch.bytes() == 0);
        let syncs = disk.syncs();
        store.commit(batch).expect("nothing to do");
        assert_eq!(disk.syncs(), syncs, "an empty batch was synced");
        // In other tables the key may be in the file: the deletion counts.
        store.publish(vec![
            put(Table::Actors, b"1", b"state"),
            delete(Table::Actors, b"1"),
        ]);
        assert_eq!(store.cut().records(), 1);
    });
}

#[test]
fn a_message_inserted_deleted_and_inserted_again_is_there_once() {
    support::with_each_journal(|| {
        let (_, store) = fresh();
        store.publish(vec![
            put(Table::Outbox, b"1", b"first"),
            delete(Table::Outbox, b"1"),
            put(Table::Outbox, b"1", b"second"),
        ]);
        let batch = store.cut();
        assert_eq!(batch.records(), 1);
        store.commit(batch).expect("commit");
        let found = store.get(Table::Outbox, b"1").expect("get").expect("there");
        assert_eq!(&*found.bytes, b"second");
    });
}

#[test]
fn a_message_deleted_in_a_later_batch_is_gone_after_a_crash_too() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        commit(&store, vec![put(Table::Inbox, b"1", b"message")]);
        commit(&store, vec![delete(Table::Inbox, b"1")]);
        let again = open(&disk.crash(Crash::LoseUnsynced)).expect("open");
        assert!(dump(&again).expect("dump").is_empty() && again.recovered(u64::MAX).is_empty());
        fold_all(&store).expect("fold");
        assert!(dump(&store).expect("dump").is_empty());
    });
}

#[test]
fn a_message_deleted_twice_in_a_later_batch_does_not_come_back() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        commit(&store, vec![put(Table::Inbox, b"1", b"message")]);
        commit(
            &store,
            vec![delete(Table::Inbox, b"1"), delete(Table::Inbox, b"1")],
        );
        let again = open(&disk.crash(Crash::LoseUnsynced)).expect("open");
        assert!(dump(&again).expect("dump").is_empty());
    });
}

#[test]
fn one_commit_is_one_sync() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        for round in 0..30_u8 {
            let before = disk.counts(support::journal_file()).syncs;
            commit(&store, vec![put(Table::Actors, &[round], &[round; 300])]);
            assert_eq!(disk.counts(support::journal_file()).syncs - before, 1);
        }
        assert_eq!(store.stats().commits, 30);
        let total = disk.total();
        assert_eq!(
            store.stats().journal_syncs + store.stats().dialogs_syncs,
            total.syncs
        );
    });
}

#[test]
fn the_journal_does_not_grow_over_ten_thousand_commits_with_folds() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        let mut length = 0;
        for round in 0..10_000_u32 {
            commit(
                &store,
                vec![put(Table::Actors, &(round % 64).to_be_bytes(), &[7; 200])],
            );
            while store.wants_fold() {
                assert_ne!(store.fold_step(false).expect("fold"), FoldProgress::Idle);
            }
            if round == 500 {
                length = disk.image(support::journal_file()).len();
            }
        }
        assert_eq!(disk.image(support::journal_file()).len(), length);
        let stats = store.stats();
        assert!(stats.journal_slots <= 30, "{stats:?}");
        assert!(stats.folds > 500 && stats.last_batch == 10_000, "{stats:?}");
    });
}

/// Commits so many batches of 4 KiB, none of which is folded.
fn commit_large(store: &Store, batches: u16) {
    for batch in 0..batches {
        commit(
            store,
            vec![put(Table::Actors, &batch.to_be_bytes(), &[7; 4096])],
        );
    }
}

#[test]
fn what_a_long_journal_leaves_is_given_up_until_it_is_no_more_than_twice_what_begins_a_fold() {
    let (disk, store) = fresh();
    commit_large(&store, 200);
    assert_eq!(store.stats().journal_slots, 200);
    fold_all(&store).expect("fold");
    let last = store.stats().journal_slots;
    assert!((29..=31).contains(&last), "128 KiB: {last}");
    let all = dump(&store).expect("read");
    drop(store);
    let store = open(&disk).expect("open");
    assert_eq!(store.stats().journal_slots, last);
    assert_eq!(dump(&store).expect("read"), all);
    commit_large(&store, 40);
    assert_eq!(store.stats().journal_slots, 40);
    drop(store);
    let store = open(&disk).expect("open");
    assert_eq!(store.stats().journal_rows, 40);
}

#[test]
fn the_newest_row_stays_however_large_it_is() {
    let (disk, store) = fresh();
    commit(&store, vec![put(Table::App, b"small", b"value")]);
    commit(&store, vec![put(Table::App, b"large", &[7; 200_000])]);
    fold_all(&store).expect("fold");
    assert_eq!(store.stats().journal_slots, 1);
    drop(store);
    // Without it the journal would end before the tables.
    let store = open(&disk).expect("open");
    assert_eq!(store.stats().last_batch, 2);
}

#[test]
fn index_rows_follow_their_records() {
    support::with_each_journal(|| {
        let (_, store) = fresh();
        commit(
            &store,
            vec![
                indexed(b"a", Some(30), true),
                indexed(b"b", Some(10), false),
            ],
        );
        assert_eq!(
            store.next_due(),
            Ok(None),
            "indexes are derived by the fold"
        );
        fold_all(&store).expect("fold");
        check_indexes(&store, &dump(&store).expect("dump"));
        let row = IndexRow {
            time: 10,
            table: Table::Endpoints,
            key: b"b"[..].into(),
        };
        assert_eq!(store.due(29, 9), Ok(vec![row]));
        commit(
            &store,
            vec![
                indexed(b"a", Some(5), false),
                delete(Table::Endpoints, b"b"),
            ],
        );
        fold_all(&store).expect("fold");
        check_indexes(&store, &dump(&store).expect("dump"));
        assert_eq!(store.next_due(), Ok(Some(5)));
        assert_eq!(store.busy(None, 9), Ok(vec![]));
    });
}

#[test]
fn index_rows_follow_random_records_through_folds_of_every_size() {
    support::with_each_journal(|| {
        for seed in 0..30 {
            let (_, store) = fresh();
            let mut work = Work::new(seed);
            for _ in 0..4 {
                work.run(&store, 20).expect("work");
                work.commit(&store).expect("commit");
                fold_all(&store).expect("fold");
                check_indexes(&store, &work.published);
            }
        }
    });
}

#[test]
fn a_forgotten_row_is_hidden_until_its_record_is_folded_again() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        commit(
            &store,
            vec![
                indexed(b"a", Some(10), false),
                indexed(b"b", Some(20), false),
            ],
        );
        fold_all(&store).expect("fold");
        let row = store.due(10, 1).expect("due").remove(0);
        store.forget_index_row(&row);
        assert_eq!(store.next_due(), Ok(Some(20)));
        commit(&store, vec![indexed(b"b", Some(20), true)]);
        fold_all(&store).expect("fold");
        assert_eq!(store.next_due(), Ok(Some(20)));
        // The record still says 10, so a restart finds the row again.
        let again = open(&disk.crash(Crash::LoseUnsynced)).expect("open");
        assert_eq!(again.next_due(), Ok(Some(10)));
        commit(&store, vec![indexed(b"a", Some(10), true)]);
        fold_all(&store).expect("fold");
        assert_eq!(store.next_due(), Ok(Some(10)));
    });
}

#[test]
fn only_committed_batches_are_folded() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        commit(&store, vec![put(Table::Actors, b"a", b"old")]);
        store.publish(vec![put(Table::Actors, b"a", b"new")]);
        assert_eq!(
            store.fold_step(true),
            Ok(FoldProgress::Idle),
            "a write is not durable yet"
        );
        let batch = store.cut();
        assert_eq!(
            store.fold_step(true),
            Ok(FoldProgress::Idle),
            "frozen, and not committed"
        );
        let lost = open(&disk.crash(Crash::LoseUnsynced)).expect("open");
        assert_eq!(
            &*lost
                .get(Table::Actors, b"a")
                .expect("get")
                .expect("there")
                .bytes,
            b"old"
        );
        store.commit(batch).expect("commit");
        assert_eq!(store.fold_step(false), Ok(FoldProgress::Finished));
        assert_eq!(store.stats().overlay_records, 0);
        assert_eq!(store.journal_bytes(), 0);
    });
}

#[test]
fn what_the_journal_held_is_named_after_a_restart_with_its_index() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        commit(&store, vec![indexed(b"folded", Some(1), true)]);
        fold_all(&store).expect("fold");
        commit(
            &store,
            vec![
                indexed(b"tail", Some(2), true),
                delete(Table::Endpoints, b"folded"),
            ],
        );
        store.publish(vec![indexed(b"lost", Some(3), true)]);
        let again = open(&disk.crash(Crash::LoseUnsynced)).expect("open");
        let index = Index {
            deadline: Some(2),
            busy: true,
        };
        let tail = vec![(Table::Endpoints, b"tail".to_vec(), index)];
        assert_eq!(again.recovered(u64::MAX), tail);
        assert_eq!((again.id(), again.incarnation()), (ID, 2));
    });
}

#[test]
fn what_the_journal_held_and_is_due_later_is_named_by_the_index_once_it_is_folded() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        commit(
            &store,
            vec![
                indexed(b"busy", Some(900), true),
                indexed(b"gone", Some(3), false),
                indexed(b"later", Some(11), false),
                indexed(b"never", None, false),
                indexed(b"nor this", None, false),
                indexed(b"soon", Some(10), false),
            ],
        );
        commit(&store, vec![delete(Table::Endpoints, b"gone")]);
        let again = open(&disk.crash(Crash::LoseUnsynced)).expect("open");
        let named = |store: &Store| -> Vec<_> {
            let found = store.recovered(10).into_iter();
            found.map(|(_, key, _)| key).collect()
        };
        assert_eq!(named(&again), [b"busy".to_vec(), b"soon".to_vec()]);
        // A generation that is frozen and not yet folded tells of them, too.
        assert_eq!(again.fold_step(true), Ok(FoldProgress::Worked));
        assert_eq!(named(&again), [b"busy".to_vec(), b"soon".to_vec()]);
        fold_all(&again).expect("fold");
        assert!(named(&again).is_empty());
        let due = again.due(u64::MAX, usize::MAX).expect("due").into_iter();
        let due: Vec<_> = due.map(|row| (row.time, row.key)).collect();
        let expected = [(10, &b"soon"[..]), (11, b"later"), (900, b"busy")];
        assert_eq!(due, expected.map(|(time, key)| (time, key.to_vec())));
    });
}

#[test]
fn a_batch_out_of_turn_stops_the_store() {
    support::with_each_journal(|| {
        let (_, store) = fresh();
        store.publish(vec![put(Table::Actors, b"a", b"1")]);
        let first = store.cut();
        store.publish(vec![put(Table::Actors, b"a", b"2")]);
        let second = store.cut();
        let fault = StoreFault::OutOfTurn {
            expected: 1,
            found: 2,
        };
        assert_eq!(store.commit(second), Err(fault.clone()));
        assert_eq!(store.commit(first), Err(StoreFault::Stopped));
        assert_eq!(store.stopped_because(), Some(fault));
    });
}

#[test]
fn a_second_open_is_refused_until_the_first_is_closed() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        let error = open(&disk).expect_err("in use");
        assert!(error.to_string().contains("already open"), "{error}");
        let snapshot = store.snapshot().expect("snapshot");
        drop(store);
        assert!(open(&disk).is_err(), "a snapshot keeps the store open");
        drop(snapshot);
        open(&disk).expect("closed");
    });
}

#[test]
fn a_fold_is_wanted_by_records_and_by_bytes_and_done_in_chunks() {
    support::with_each_journal(|| {
        let disk = MemoryDisk::new();
        let mut options: Options = options();
        options.fold_records = 100;
        options.fold_journal_bytes = 10_000;
        let store = Store::open(Arc::new(disk), options, ID).expect("open");
        commit(&store, vec![put(Table::App, b"large", &[0; 20_000])]);
        assert!(store.wants_fold(), "by bytes");
        assert_eq!(store.fold_step(false), Ok(FoldProgress::Finished));
        assert!(!store.wants_fold());
        let writes = (0..12_u8).map(|n| put(Table::App, &[n], &[n])).collect();
        commit(&store, writes);
        assert!(!store.wants_fold());
        assert_eq!(store.fold_step(true), Ok(FoldProgress::Worked));
        assert_eq!(store.fold_step(false), Ok(FoldProgress::Worked));
        assert_eq!(store.fold_step(false), Ok(FoldProgress::Finished));
        assert_eq!(store.fold_step(true), Ok(FoldProgress::Idle));
    });
}

#[test]
fn many_threads_publish_read_and_fold_while_one_commits() {
    support::with_each_journal(|| {
        let disk = MemoryDisk::new();
        let store = open(&disk).expect("open");
        std::thread::scope(|scope| {
            for thread in 0..3_u8 {
                let store = store.clone();
                scope.spawn(move || {
                    for round in 0..200_u32 {
                        let value = round.to_be_bytes();
                        store.publish(vec![
                            put(Table::Actors, &[thread, 0], &value),
                            put(Table::App, &[thread, 1], &value),
                        ]);
                        let snapshot = store.snapshot().expect("snapshot");
                        let of = |table, part| {
                            let value = snapshot.get(table, &[thread, part]).expect("get");
                            value.expect("published").bytes
                        };
                        assert_eq!(of(Table::Actors, 0), of(Table::App, 1));
                        assert_eq!(&*of(Table::App, 1), value);
                    }
                });
            }
            let folder = store.clone();
            scope.spawn(move || {
                for _ in 0..100 {
                    let _ = folder.fold_step(true).expect("fold");
                }
            });
            for _ in 0..200 {
                store.commit(store.cut()).expect("commit");
            }
        });
        store.commit(store.cut()).expect("commit");
        let model = dump(&store).expect("dump");
        assert_eq!(model.len(), 6);
        assert_eq!(
            dump(&open(&disk.crash(Crash::LoseUnsynced)).expect("open")),
            Ok(model)
        );
    });
}

/// Nobody waits for a fold, and it lets others go first all along: a chunk of many records is not a burst of work.
#[test]
fn a_fold_gives_way_all_along() {
    support::with_each_journal(|| {
        let options = Options {
            fold_chunk: 1000,
            ..options()
        };
        let store = Store::open(Arc::new(MemoryDisk::new()), options, ID).expect("open");
        let records = 1000_u32;
        let rows = (0..records).map(|n| put(Table::Endpoints, &n.to_be_bytes(), b"record"));
        commit(&store, rows.collect());
        let before = store.stats().folded_records;
        let calls = Cell::new(0);
        let give_way = || {
            // Whoever goes first reads and commits: nothing that they need is held.
            let key = calls.get().to_string();
            let write = put(Table::Actors, key.as_bytes(), b"meanwhile");
            commit(&store, vec![write]);
            assert!(
                store
                    .get(Table::Actors, key.as_bytes())
                    .expect("get")
                    .is_some()
            );
            let folded = store.get(Table::Endpoints, &0_u32.to_be_bytes());
            assert!(folded.expect("get").is_some());
            calls.set(calls.get() + 1);
        };
        while store.stats().folded_records - before < records.into() {
            let progress = store.fold_step_giving_way(true, &give_way);
            assert_ne!(progress.expect("fold"), FoldProgress::Idle);
        }
        assert!((10..100).contains(&calls.get()), "{}", calls.get());
    });
}
