//! What is published, cut, committed and folded, seen from outside.
#![cfg(feature = "test-util")]

mod support;

use std::cell::Cell;
use std::ops::Bound;
use std::sync::Arc;

use actor_store::{
    Beside, Crash, FoldProgress, Index, IndexRow, MemoryDisk, OpenError, Options, Store,
    StoreFault, Table, TypeKind, TypeRecord, Value, Write,
};
use support::{ID, Work, check_indexes, commit, delete, dump, fold_all, open, options, put};

fn indexed(key: &[u8], deadline: Option<u64>, busy: bool) -> Write {
    let mut write = put(Table::Endpoints, key, b"record");
    write.value = write.value.map(|value| Value {
        index: Index { deadline, busy },
        ..value
    });
    write
}

fn fresh() -> (MemoryDisk, Store) {
    let disk = MemoryDisk::new();
    let store = open(&disk).expect("open");
    (disk, store)
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
            key: b"b".to_vec(),
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
fn snapshots_stay_as_they_were_while_others_write_and_fold() {
    support::with_each_journal(|| {
        for seed in 0..10 {
            let (_, store) = fresh();
            let mut work = Work::new(seed);
            let mut taken = Vec::new();
            for _ in 0..25 {
                work.run(&store, 3).expect("work");
                taken.push((store.snapshot().expect("snapshot"), work.published.clone()));
            }
            work.commit(&store).expect("commit");
            fold_all(&store).expect("fold");
            for (snapshot, model) in &taken {
                for table in Table::ALL {
                    let rows = snapshot
                        .range(table, b"", Bound::Unbounded, usize::MAX)
                        .expect("range");
                    let found: Vec<_> =
                        rows.into_iter().map(|(key, v)| ((table, key), v)).collect();
                    let wanted = model.iter().filter(|((of, _), _)| *of == table);
                    let wanted: Vec<_> = wanted.map(|(k, v)| (k.clone(), v.clone())).collect();
                    assert_eq!(found, wanted);
                }
                for (table, key) in work.published.keys().chain(model.keys()) {
                    let found = snapshot.get(*table, key).expect("get");
                    assert_eq!(found.as_ref(), model.get(&(*table, key.clone())));
                }
            }
        }
    });
}

#[test]
fn a_range_merges_memory_and_tables_within_its_bounds_and_limit() {
    support::with_each_journal(|| {
        for seed in 0..20 {
            let (_, store) = fresh();
            let mut work = Work::new(seed);
            work.run(&store, 40).expect("work");
            for low in 0..9_u8 {
                for high in 0..9_u8 {
                    for limit in [0, 1, 2, 3, 100] {
                        let (from, to) = ([b'k', low], [b'k', high]);
                        for bound in [
                            Bound::Excluded(&to[..]),
                            Bound::Included(&to[..]),
                            Bound::Unbounded,
                        ] {
                            let found =
                                store.range(Table::App, &from, bound, limit).expect("range");
                            let wanted = work.published.iter().filter(|((table, key), _)| {
                                let is_before = match bound {
                                    Bound::Excluded(to) => key.as_slice() < to,
                                    Bound::Included(to) => key.as_slice() <= to,
                                    Bound::Unbounded => true,
                                };
                                *table == Table::App && key.as_slice() >= &from[..] && is_before
                            });
                            let wanted: Vec<_> = wanted
                                .take(limit)
                                .map(|((_, k), v)| (k.clone(), v.clone()))
                                .collect();
                            assert_eq!(found, wanted);
                        }
                    }
                }
            }
        }
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

fn checkout(version: u32, shape: u64, past: &[(u32, u64)]) -> [TypeRecord; 1] {
    [TypeRecord {
        name: "Checkout".to_owned(),
        version,
        shape,
        past: past.to_vec(),
        kind: TypeKind::State,
    }]
}

#[test]
fn a_changed_type_is_refused_whatever_its_version_says_as_long_as_the_store_holds_it() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        let held = &mut |_: &TypeRecord, _| Ok(3);
        store.check_types(&checkout(1, 7, &[]), held).expect("new");
        let commits = store.stats().commits;
        store.check_types(&checkout(1, 7, &[]), held).expect("same");
        assert_eq!(
            store.stats().commits,
            commits,
            "nothing new, nothing written"
        );
        let again = open(&disk.crash(Crash::LoseUnsynced)).expect("open");
        let refused = again.check_types(&checkout(1, 8, &[]), held);
        let refused = refused.expect_err("changed");
        assert!(matches!(refused, OpenError::TypeChanged { .. }));
        assert!(
            refused
                .to_string()
                .contains("say `version = 2, from = CheckoutV1`"),
            "{refused}"
        );
        let refused = again.check_types(&checkout(2, 8, &[]), held);
        let refused = refused.expect_err("changed");
        assert!(matches!(
            refused,
            OpenError::TypeOlder {
                stored: 1,
                held: 3,
                ..
            }
        ));
        assert!(
            refused.to_string().contains("add `from(1 => CheckoutV1)`"),
            "{refused}"
        );
        let refused = again.check_types(&checkout(2, 8, &[(1, 9)]), held);
        assert!(matches!(
            refused.expect_err("another past"),
            OpenError::TypePastDiffers { version: 1, .. }
        ));
        again
            .check_types(&checkout(2, 7, &[]), held)
            .expect("the same under a new version");
        let refused = again.check_types(&checkout(1, 7, &[]), held);
        assert!(matches!(
            refused.expect_err("older than the store"),
            OpenError::TypeNewer {
                stored: 2,
                known: 1,
                ..
            }
        ));
        // Of what nothing is left nothing can be misread.
        let nothing = &mut |_: &TypeRecord, _| Ok(0);
        again
            .check_types(&checkout(2, 8, &[]), nothing)
            .expect("nothing of it is left");
        again
            .check_types(&checkout(1, 7, &[]), nothing)
            .expect("and nothing of a newer version");
    });
}

#[test]
fn earlier_versions_stay_listed_until_a_start_that_cannot_read_them_finds_none() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        let held = &mut |_: &TypeRecord, _| Ok(1);
        store.check_types(&checkout(1, 7, &[]), held).expect("new");
        store
            .check_types(&checkout(2, 8, &[(1, 7)]), held)
            .expect("version 1 is read");
        store
            .check_types(&checkout(3, 9, &[(1, 7), (2, 8)]), held)
            .expect("both are read");
        drop(store);
        let store = open(&disk.crash(Crash::LoseUnsynced)).expect("open");
        let refused = store.check_types(&checkout(3, 9, &[(2, 8)]), held);
        assert!(matches!(
            refused.expect_err("version 1 may still lie here"),
            OpenError::TypeOlder { stored: 1, .. }
        ));
        let mut asked = Vec::new();
        store
            .check_types(&checkout(3, 9, &[(2, 8)]), &mut |_, version| {
                asked.push(version);
                Ok(0)
            })
            .expect("nothing of version 1 is left");
        assert_eq!(asked, [1]);
        // And it is not asked for again.
        store
            .check_types(&checkout(3, 9, &[(2, 8)]), held)
            .expect("version 1 is not listed any more");
    });
}

#[test]
fn a_version_counted_up_without_keeping_the_old_struct_reads_what_was_before() {
    support::with_each_journal(|| {
        let (_, store) = fresh();
        let held = &mut |_: &TypeRecord, _| Ok(1);
        store.check_types(&checkout(1, 7, &[]), held).expect("new");
        store
            .check_types(&checkout(2, 7, &[]), held)
            .expect("the same layout");
        // Records of version 1 are of version 2 as well, so the one line covers both.
        store
            .check_types(&checkout(3, 8, &[(2, 7)]), held)
            .expect("both are read as version 2");
    });
}

#[test]
fn a_message_that_changed_is_refused_while_dialogs_live() {
    support::with_each_journal(|| {
        let (_, store) = fresh();
        let pay = |shape| {
            [TypeRecord {
                name: "Checkout.pay".to_owned(),
                version: 1,
                shape,
                past: Vec::new(),
                kind: TypeKind::Message,
            }]
        };
        store.check_types(&pay(1), &mut |_, _| Ok(4)).expect("new");
        let refused = store.check_types(&pay(2), &mut |_, _| Ok(4));
        assert!(matches!(
            refused.expect_err("changed"),
            OpenError::MessageChanged { held: 4, .. }
        ));
        store
            .check_types(&pay(2), &mut |_, _| Ok(0))
            .expect("nobody has it under way");
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

/// Two ends of a dialog and its actor are read together. What is published, folded or deleted between two of the reads is
/// never missed by the second.
#[test]
fn what_was_read_beside_a_row_is_used_only_while_the_tables_are_the_same() {
    support::with_each_journal(|| {
        let (_, store) = fresh();
        let keys = [
            (Table::Actors, &b"dialog"[..]),
            (Table::Endpoints, b"dialog0"),
            (Table::Endpoints, b"dialog1"),
        ];
        for name in [b"dialoG", b"dialog", b"dialoh"] {
            let row = |(table, key): (Table, &[u8])| {
                put(table, &[name, &key[name.len()..]].concat(), b"old")
            };
            store.publish(keys.map(row).to_vec());
        }
        commit(&store, Vec::new());
        fold_all(&store).expect("fold");
        let mut beside = Beside::default();
        let mut read = |(table, key): (Table, &[u8])| {
            let value = store
                .get_beside(table, key, b"dialog", &mut beside)
                .expect("read");
            assert_eq!(Ok(value.clone()), store.get(table, key));
            value.map(|value| value.bytes.to_vec())
        };
        for key in keys {
            assert_eq!(read(key).expect("there"), b"old");
        }
        assert_eq!(read((Table::Endpoints, b"dialog2")), None);
        // In memory, then in the tables.
        let (table, key) = keys[1];
        store.publish(vec![put(table, key, b"new")]);
        assert_eq!(read(keys[0]).expect("there"), b"old");
        assert_eq!(read(keys[1]).expect("there"), b"new");
        commit(&store, Vec::new());
        fold_all(&store).expect("fold");
        assert_eq!(read(keys[1]).expect("there"), b"new");
        let (table, key) = keys[2];
        store.publish(vec![
            delete(table, key),
            put(Table::Endpoints, b"dialog2", b"late"),
        ]);
        commit(&store, Vec::new());
        assert_eq!(read(keys[2]), None);
        fold_all(&store).expect("fold");
        assert_eq!(read(keys[2]), None);
        assert_eq!(
            read((Table::Endpoints, b"dialog2")).expect("there"),
            b"late"
        );
        // More than are read at once, and those of others.
        let many: Vec<_> = (b'3'..b'9')
            .map(|n| [b"dialog", &[n][..]].concat())
            .collect();
        store.publish(
            many.iter()
                .map(|key| put(Table::Endpoints, key, b"many"))
                .collect(),
        );
        commit(&store, Vec::new());
        fold_all(&store).expect("fold");
        for key in &many {
            assert_eq!(read((Table::Endpoints, key)).expect("there"), b"many");
        }
        assert_eq!(read((Table::Endpoints, b"dialoh0")).expect("there"), b"old");
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
