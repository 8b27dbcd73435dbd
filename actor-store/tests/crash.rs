//! No committed batch is lost and no part of another appears, wherever the machine stops.
#![cfg(feature = "test-util")]

mod support;

use actor_store::{Crash, MemoryDisk, OpenError, Store, StoreFault, Table};
use support::{Model, Work, check_indexes, dump, fold_all, open};

fn crashes(seed: u64) -> [Crash; 5] {
    [
        Crash::LoseUnsynced,
        Crash::KeepAll,
        Crash::TearLast(seed),
        Crash::KeepSome(seed),
        Crash::KeepSome(seed + 1),
    ]
}

/// What may be found after a crash.
struct Expected {
    committed: Model,
    in_doubt: Option<Model>,
    incarnation: u64,
}

impl Expected {
    fn check(&self, store: &Store, how: &str) -> Model {
        let found = dump(store).expect("reading after recovery");
        let is_committed = found == self.committed;
        let is_in_doubt = self.in_doubt.as_ref() == Some(&found);
        assert!(
            is_committed || is_in_doubt,
            "{how}: neither the committed state nor the next"
        );
        assert!(
            store.incarnation() > self.incarnation,
            "{how}: incarnation was reused"
        );
        found
    }
}

/// Works on a disk until something fails; what may be there afterwards.
fn work_until_failure(disk: &MemoryDisk, seed: u64, rounds: u64) -> (Expected, bool) {
    let mut work = Work::new(seed);
    let mut incarnation = 0;
    let mut failed = true;
    // Closing and opening in between is part of the work.
    for _ in 0..2 {
        match open(disk) {
            Ok(store) => {
                incarnation = store.incarnation();
                assert_eq!(dump(&store).unwrap_or_default(), work.committed);
                let committed = work.committed.clone();
                work.resume(&committed);
                failed = work.run(&store, rounds).is_err();
                if failed {
                    assert_eq!(store.commit(store.cut()), Err(StoreFault::Stopped));
                    assert_eq!(store.get(Table::App, b""), Err(StoreFault::Stopped));
                }
            }
            Err(OpenError::Io { .. }) => failed = true,
            Err(other) => panic!("{other}"),
        }
        if failed {
            break;
        }
    }
    let expected = Expected {
        committed: work.committed,
        in_doubt: work.in_doubt,
        incarnation,
    };
    (expected, failed)
}

fn check_every_crash(disk: &MemoryDisk, expected: &Expected, seed: u64) {
    for how in crashes(seed) {
        let wreck = disk.crash(how);
        let name = format!("seed {seed}, {how:?}");
        // Crashing again while recovering, at each of its first syncs, must change nothing.
        let mut found = None;
        for again in (1 + seed % 4..9).step_by(4) {
            let wreck = wreck.crash(Crash::KeepAll);
            wreck.fail_sync_at(again);
            if let Ok(store) = open(&wreck) {
                let _ = fold_all(&store);
            }
            let store = open(&wreck.crash(how)).expect("opening after two crashes");
            let now = expected.check(&store, &name);
            assert_eq!(found.get_or_insert_with(|| now.clone()), &now, "{name}");
        }
        let store = open(&wreck).unwrap_or_else(|error| panic!("{name}: {error}"));
        let model = expected.check(&store, &name);
        fold_all(&store).expect("folding after recovery");
        assert_eq!(
            dump(&store).expect("reading folded records"),
            model,
            "{name}"
        );
        check_indexes(&store, &model);
    }
}

#[test]
fn a_crash_at_every_sync_loses_no_committed_batch_and_shows_no_partial_one() {
    support::with_each_journal(|| {
        for seed in 0..2 {
            for sync in 1.. {
                let disk = MemoryDisk::new();
                disk.fail_sync_at(sync);
                let (expected, failed) = work_until_failure(&disk, seed, 12);
                check_every_crash(&disk, &expected, seed * 1000 + sync);
                if !failed {
                    break;
                }
            }
        }
    });
}

#[test]
fn running_out_of_space_at_any_byte_loses_nothing_that_was_committed() {
    support::with_each_journal(|| {
        for seed in 0..60 {
            let disk = MemoryDisk::new();
            disk.fail_write_after(seed * 7_919);
            let (expected, _) = work_until_failure(&disk, seed, 12);
            check_every_crash(&disk, &expected, seed);
        }
    });
}

#[test]
fn what_a_store_holds_is_what_the_model_holds_over_many_lives() {
    support::with_each_journal(|| {
        for seed in 100..110 {
            let mut disk = MemoryDisk::new();
            let mut work = Work::new(seed);
            for life in 0..6 {
                let store = open(&disk).expect("open");
                assert_eq!(store.incarnation(), life + 1);
                assert_eq!(dump(&store).expect("dump"), work.committed);
                let committed = work.committed.clone();
                work.resume(&committed);
                work.run(&store, 40).expect("no faults here");
                let after = disk.crash(Crash::KeepSome(seed + life));
                drop(store);
                if life % 2 == 0 {
                    disk = after;
                }
            }
        }
    });
}

#[test]
fn when_the_kth_sync_fails_nothing_of_its_batch_was_reported_committed() {
    support::with_each_journal(|| {
        for k in 1..=50 {
            let disk = MemoryDisk::new();
            let (store, mut work) = (open(&disk).expect("open"), Work::new(k));
            disk.fail_sync_at(k);
            let fault = work.run(&store, 200).expect_err("the sync fails");
            assert!(
                fault.to_string().contains("syncing failed: injected"),
                "{fault}"
            );
            assert_eq!(store.stopped_because(), Some(fault));
            let written = disk.bytes_written();
            drop(store);
            assert_eq!(
                disk.bytes_written(),
                written,
                "a stopped store wrote something"
            );
            let store = open(&disk.crash(Crash::LoseUnsynced)).expect("open again");
            assert_eq!(dump(&store).expect("dump"), work.committed, "sync {k}");
        }
    });
}

#[test]
fn what_was_running_is_known_after_a_dead_process_and_not_after_a_power_loss() {
    support::with_each_journal(|| {
        let disk = MemoryDisk::new();
        let store = open(&disk).expect("open");
        assert!(store.last_end().well, "there was no life before");
        let what = |n| [n; actor_store::SLOT_BYTES];
        store.say_running(0, Some(&what(1)));
        store.say_running(2, Some(&what(3)));
        store.say_running(1, Some(&what(2)));
        store.say_running(1, None);
        let (died, power) = (disk.crash(Crash::KeepAll), disk.crash(Crash::LoseUnsynced));
        let after = open(&died).expect("open");
        assert!(!after.last_end().well);
        assert_eq!(after.last_end().running, [what(1), what(3)]);
        drop(after);
        let again = open(&died).expect("open");
        assert!(
            again.last_end().running.is_empty(),
            "it was of the life before"
        );
        drop(again);
        let after = open(&power).expect("open");
        assert!(!after.last_end().well);
        assert!(after.last_end().running.is_empty());
    });
}

#[test]
fn a_good_end_is_durable_and_speaks_of_one_life() {
    support::with_each_journal(|| {
        let disk = MemoryDisk::new();
        let store = open(&disk).expect("open");
        store.say_running(0, Some(&[7; actor_store::SLOT_BYTES]));
        store.end_well(42).expect("it can be said");
        drop(store);
        let disk = disk.crash(Crash::LoseUnsynced);
        let store = open(&disk).expect("open");
        let end = store.last_end().clone();
        assert!(end.well && end.running.is_empty());
        assert_eq!(end.mark, Some(42));
        drop(store);
        assert!(!open(&disk).expect("open").last_end().well);
        disk.corrupt("running", 3, |bytes| bytes.fill(0xa5));
        let store = open(&disk).expect("garbage is not read");
        assert!(store.last_end().running.is_empty());
    });
}

#[test]
fn a_machine_that_stops_while_the_journal_gives_up_rows_loses_nothing() {
    let mut stopped = 0;
    for at in 1.. {
        let disk = MemoryDisk::new();
        let store = open(&disk).expect("open");
        for key in 0..90_u8 {
            support::commit(
                &store,
                vec![support::put(Table::Actors, &[key], &[key; 4096])],
            );
        }
        let expected = dump(&store).expect("read");
        disk.fail_sync_at(at);
        let folded = fold_all(&store);
        for how in crashes(at) {
            let wreck = disk.crash(how);
            let store = open(&wreck).expect("recovery");
            assert_eq!(dump(&store).expect("read"), expected, "sync {at}, {how:?}");
            assert_eq!(store.stats().last_batch, 90);
            support::commit(&store, vec![support::put(Table::App, b"", b"more")]);
            fold_all(&store).expect("fold");
        }
        if folded.is_ok() {
            assert!(store.stats().journal_slots < 40, "{:?}", store.stats());
            break;
        }
        stopped += 1;
    }
    assert!(stopped > 1);
}
