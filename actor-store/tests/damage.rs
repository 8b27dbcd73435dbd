//! Damaged, foreign, newer and mismatched files: one clear refusal or a reported fault, never a wrong value.
#![cfg(feature = "test-util")]

mod support;

use std::ops::Bound;
use std::sync::Arc;

use actor_store::{
    Crash, Index, JournalKind, MemoryDisk, OpenError, Options, Store, Table, Value, Verification,
    VerifyProgress, Write,
};
use support::raw::{read_row, write_row};
use support::{FILES, ID, Model, Random, Work, commit, dump, fold_all, open, options, put, search};

/// A store with records in both files, closed cleanly; and what is in it.
fn filled(seed: u64) -> (MemoryDisk, Model) {
    let (disk, work) = worked(seed);
    (disk, work.committed)
}

fn worked(seed: u64) -> (MemoryDisk, Work) {
    let disk = MemoryDisk::new();
    let store = open(&disk).expect("open");
    let mut work = Work::new(seed);
    work.run(&store, 60).expect("work");
    work.commit(&store).expect("commit");
    drop(store);
    (disk, work)
}

fn copy(disk: &MemoryDisk) -> MemoryDisk {
    disk.crash(Crash::KeepAll)
}

fn refusal(disk: &MemoryDisk) -> OpenError {
    let before = disk.images();
    let error = open(disk).expect_err("this must not open");
    let text = error.to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    assert!(text.contains(".redb"), "names the file: {text}");
    let mut refused = before.into_iter().filter(|(name, _)| text.contains(name));
    assert!(
        refused.all(|(name, image)| disk.image(&name) == image),
        "changed: {text}"
    );
    error
}

#[test]
fn a_file_cut_at_any_length_is_refused_or_whole() {
    let (disk, model) = filled(1);
    let mut random = Random::new(2);
    for file in FILES {
        let whole = disk.image(file).len();
        for round in 0..100 {
            // The ends of the file are the interesting places.
            let length = match round % 4 {
                0 => random.below(5_000).min(whole as u64 - 1) as usize,
                1 => whole - 1 - random.below(5_000) as usize % whole,
                _ => random.below(whole as u64) as usize,
            };
            let cut = copy(&disk);
            cut.truncate(file, length);
            let error = open(&cut).expect_err("a part is missing");
            let text = error.to_string();
            let is_named = text.contains(file) && text.contains("restore both");
            assert!(is_named, "{length}: {text}");
        }
    }
    assert_eq!(dump(&open(&disk).expect("whole")).expect("dump"), model);
}

#[test]
fn a_file_cut_within_its_pages_is_called_truncated() {
    let (disk, _) = filled(1);
    for file in FILES {
        let cut = copy(&disk);
        cut.truncate(file, disk.image(file).len() - 4096);
        let error = refusal(&cut);
        assert!(matches!(error, OpenError::Truncated { .. }), "{error:?}");
    }
}

#[test]
fn a_first_page_of_zeros_is_refused_in_one_line() {
    let (disk, _) = filled(3);
    for file in FILES {
        let blank = copy(&disk);
        blank.corrupt(file, 0, |bytes| bytes[..4096].fill(0));
        let error = refusal(&blank);
        assert!(matches!(error, OpenError::Blank { .. }), "{error:?}");
    }
}

#[test]
fn a_missing_file_is_refused_and_not_created_anew() {
    let (disk, _) = filled(4);
    for file in FILES {
        let images = disk.images().into_iter().filter(|(name, _)| name != file);
        let error = open(&MemoryDisk::from_images(images)).expect_err("half a store");
        assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
        assert!(error.to_string().contains("restore both files"), "{error}");
    }
}

#[test]
fn a_file_that_is_no_database_or_not_ours_is_refused_and_left_alone() {
    let text = b"dear diary, this is not a database\n".repeat(500);
    let other = MemoryDisk::new();
    write_row(&other, "journal.redb", "mine", "row", b"theirs");
    for foreign in [text, other.image("journal.redb")] {
        let alone = MemoryDisk::from_images([("journal.redb".to_owned(), foreign.clone())]);
        let error = open(&alone).expect_err("foreign");
        assert!(matches!(error, OpenError::NotAStore { .. }), "{error:?}");
        assert!(alone.image("journal.redb").starts_with(&foreign[..9]));
        for file in FILES {
            let (disk, _) = filled(5);
            disk.corrupt(file, 0, |_| {});
            let images = disk.images().into_iter().map(|(name, image)| {
                let image = if name == file { foreign.clone() } else { image };
                (name, image)
            });
            let error = open(&MemoryDisk::from_images(images)).expect_err("foreign");
            assert!(matches!(error, OpenError::NotAStore { .. }), "{error:?}");
        }
    }
}

#[test]
fn swapped_files_are_refused() {
    let (disk, _) = filled(6);
    let swapped = MemoryDisk::from_images([
        (FILES[0].to_owned(), disk.image(FILES[1])),
        (FILES[1].to_owned(), disk.image(FILES[0])),
    ]);
    assert!(matches!(open(&swapped), Err(OpenError::NotAStore { .. })));
}

#[test]
fn a_newer_format_is_refused_by_name() {
    for file in FILES {
        let (disk, _) = filled(7);
        let mut row = read_row(&disk, file, "header", "store");
        row[11] += 1;
        write_row(&disk, file, "header", "store", &row);
        let error = open(&disk).expect_err("newer");
        assert!(
            matches!(
                error,
                OpenError::Newer {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("start the newer build"),
            "{error}"
        );
    }
}

/// Zeroes, flips or shuffles a page or a few bits. Whether it has put one page in the place of another.
fn damage(disk: &MemoryDisk, random: &mut Random) -> bool {
    let file = FILES[random.below(2) as usize];
    let len = disk.image(file).len() as u64;
    let page = (random.below(len / 4096) * 4096) as usize;
    let from = (random.below(len / 4096) * 4096) as usize;
    let at = random.below(len) as usize;
    let image = disk.image(file);
    let kind = random.below(4);
    match kind {
        0 if page > 0 => disk.corrupt(file, page, |bytes| bytes[..4096].fill(0)),
        1 => disk.corrupt(file, at, |bytes| bytes[0] ^= 1 << random.below(8)),
        2 => disk.corrupt(file, page, |bytes| {
            bytes[..4096].copy_from_slice(&image[from..from + 4096]);
        }),
        _ => disk.corrupt(file, page, |bytes| {
            bytes[..4096]
                .iter_mut()
                .for_each(|byte| *byte = random.below(256) as u8);
        }),
    }
    kind == 2
}

/// A page in whose place an older one of its own lies is whole: what is read there may be what it once was. Only a verified
/// open knows, from the checksum of the page above.
#[test]
fn any_damage_gives_an_error_or_a_value_that_the_key_has_or_had() {
    let (small, large) = (worked(11), filled_large());
    let (small, large) = (
        (small.0, small.1.committed, small.1.ever),
        (large.0, large.1, Vec::new()),
    );
    let mut random = Random::new(12);
    let (mut refused, mut faults, mut hidden, mut right) = (0, 0, 0, 0);
    for round in 0..600 {
        // In a small store damage is met where it opens, in a large one where it reads.
        let (disk, model, ever) = if round % 2 == 0 { &small } else { &large };
        let damaged = copy(disk);
        let copied = (0..=round % 8)
            .filter(|_| damage(&damaged, &mut random))
            .count();
        let Ok(store) = open(&damaged) else {
            refused += 1;
            continue;
        };
        let had = |place: &(Table, Vec<u8>), found: &Value| {
            model.get(place) == Some(found)
                || copied > 0 && ever.iter().any(|(of, value)| of == place && value == found)
        };
        for (place, value) in model {
            match store.get(place.0, &place.1) {
                Ok(Some(found)) => {
                    assert!(had(place, &found), "a wrong value");
                    right += u32::from(&found == value);
                }
                // Only a verified open promises that a damaged page hides no key.
                Ok(None) => hidden += 1,
                Err(_) => faults += 1,
            }
        }
        for table in Table::ALL {
            let Ok(rows) = store.range(table, b"", Bound::Unbounded, 100) else {
                continue;
            };
            for (key, value) in rows {
                assert!(had(&(table, key), &value), "a wrong row");
            }
        }
    }
    assert!(right > 50_000, "{right} right");
    assert!(
        refused > 20 && faults > 5,
        "{refused} refused, {faults} faults, {hidden} hidden"
    );
}

#[test]
fn a_verified_open_refuses_all_damage_that_matters() {
    let (disk, model) = filled(13);
    let mut random = Random::new(14);
    let mut verifying: Options = options();
    verifying.verify = Verification::AtOpen;
    let mut refused = 0;
    for _ in 0..200 {
        let damaged = copy(&disk);
        damage(&damaged, &mut random);
        match Store::open(Arc::new(damaged), verifying.clone(), ID) {
            Ok(store) => assert_eq!(dump(&store).expect("dump"), model),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 20, "{refused}");
}

/// Tables of some levels, all of it folded.
fn filled_large() -> (MemoryDisk, Model) {
    let disk = MemoryDisk::new();
    let store = open(&disk).expect("open");
    let mut model = Model::new();
    for number in 0..2_000_u32 {
        let value = Value {
            bytes: vec![number as u8; 150].into(),
            index: Index {
                deadline: Some(u64::from(number)),
                busy: number.is_multiple_of(2),
            },
        };
        let key = number.wrapping_mul(0x9e37_79b9).to_be_bytes().to_vec();
        let table = if number.is_multiple_of(3) {
            Table::Actors
        } else {
            Table::Endpoints
        };
        model.insert((table, key.clone()), value.clone());
        store.publish(vec![Write {
            table,
            key: key.into(),
            value: Some(value),
        }]);
    }
    store.commit(store.cut()).expect("commit");
    fold_all(&store).expect("fold");
    drop(store);
    (disk, model)
}

#[test]
fn a_search_in_use_finds_all_damage_that_hides_rows_and_stops_the_store() {
    let (disk, model) = filled_large();
    let mut random = Random::new(22);
    let (mut stopped, mut fine) = (0, 0);
    for round in 0..400 {
        let damaged = copy(&disk);
        for _ in 0..=round % 3 {
            damage(&damaged, &mut random);
        }
        let Ok(store) = open(&damaged) else { continue };
        match search(&store) {
            Ok(()) => {
                assert_eq!(dump(&store).as_ref(), Ok(&model), "round {round}");
                fine += 1;
            }
            Err(fault) => {
                assert!(
                    fault.to_string().contains("dialogs.redb is damaged"),
                    "{fault}"
                );
                assert_eq!(store.stopped_because(), Some(fault));
                stopped += 1;
            }
        }
    }
    assert!(stopped > 20 && fine > 20, "{stopped} stopped, {fine} fine");
}

#[test]
fn a_search_between_folds_takes_none_of_their_changes_for_damage() {
    let (mut passes, mut folded) = (0, 0);
    for seed in 0..30 {
        let disk = MemoryDisk::new();
        let (store, mut work) = (open(&disk).expect("open"), Work::new(seed));
        for _ in 0..300 {
            work.run(&store, 1).expect("no faults");
            let progress = store.verify_step(1 + work.random.below(4) as usize);
            let progress = progress.expect("there is no damage");
            passes += usize::from(progress == VerifyProgress::Finished);
        }
        folded += store.stats().folded_records;
    }
    assert!(
        passes > 30 && folded > 1000,
        "{passes} passes, {folded} folded"
    );
}

#[test]
fn any_damage_of_a_plain_journal_is_refused_or_does_no_harm() {
    let disk = MemoryDisk::new();
    let options = Options {
        journal: JournalKind::Log,
        log_segment_bytes: 3 * 4096,
        fold_journal_bytes: 24 * 1024,
        ..options()
    };
    let store = Store::open(Arc::new(disk.clone()), options.clone(), ID).expect("open");
    let mut work = Work::new(31);
    work.run(&store, 60).expect("no faults");
    work.commit(&store).expect("no faults");
    let disk = disk.crash(Crash::KeepAll);
    let image = disk.image("journal.log");
    let (mut refused, mut opened) = (0, 0);
    let places = [0, 5, 9, 21, 26, 40, 60];
    let blocks = (0..image.len()).step_by(4096);
    for at in blocks.flat_map(|block| places.map(|place| block + place)) {
        let damaged = copy(&disk);
        damaged.corrupt("journal.log", at, |bytes| bytes[0] ^= 1);
        match Store::open(Arc::new(damaged), options.clone(), ID) {
            Ok(store) => {
                assert_eq!(dump(&store).expect("dump"), work.committed, "byte {at}");
                opened += 1;
            }
            Err(
                OpenError::Damaged { .. } | OpenError::WentBack { .. } | OpenError::Newer { .. },
            ) => refused += 1,
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    assert!(
        refused > 3 && opened > 3,
        "{refused} refused, {opened} opened"
    );
    for length in (0..image.len()).step_by(4096) {
        let damaged = copy(&disk);
        damaged.truncate("journal.log", length);
        if let Ok(store) = Store::open(Arc::new(damaged), options.clone(), ID) {
            assert_eq!(
                dump(&store).expect("dump"),
                work.committed,
                "cut at {length}"
            );
        }
    }
}

#[test]
fn a_store_keeps_the_journal_it_was_created_with_and_two_are_refused() {
    let open_as = |disk: &MemoryDisk, journal| {
        let options = Options {
            journal,
            ..options()
        };
        Store::open(Arc::new(disk.clone()), options, ID)
    };
    for (created, later) in [
        (JournalKind::Log, JournalKind::Database),
        (JournalKind::Database, JournalKind::Log),
    ] {
        let disk = MemoryDisk::new();
        let store = open_as(&disk, created).expect("open");
        commit(&store, vec![put(Table::App, b"key", b"value")]);
        drop(store);
        let store = open_as(&disk, later).expect("open again");
        assert!(store.get(Table::App, b"key").expect("get").is_some());
        drop(store);
        let other = MemoryDisk::new();
        drop(open_as(&other, later).expect("open"));
        let both = disk.images().into_iter().chain(other.images());
        let both = MemoryDisk::from_images(both.collect::<Vec<_>>());
        let error = open_as(&both, created).expect_err("which one is it?");
        assert!(matches!(error, OpenError::TwoJournals { .. }), "{error}");
    }
}

#[test]
fn a_damaged_commit_slot_does_not_take_the_last_batch_with_it() {
    let disk = MemoryDisk::new();
    let store = open(&disk).expect("open");
    for n in 0..20_u8 {
        commit(&store, vec![put(Table::App, b"newest", &[n])]);
    }
    // Killed, not closed: the newest commit stands in one slot of the header.
    let killed = disk.crash(Crash::KeepAll);
    let mut went_back = 0;
    for at in 0..512 {
        let damaged = copy(&killed);
        damaged.corrupt("journal.redb", at, |image| image[0] ^= 1);
        match open(&damaged) {
            Ok(store) => {
                let value = store.get(Table::App, b"newest").expect("readable");
                assert_eq!(value.expect("there").bytes[..], [19], "byte {at}");
            }
            Err(OpenError::WentBack { last, newest, .. }) => {
                assert!(last < newest);
                went_back += 1;
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
    assert!(went_back > 0, "the slot's checksum is among these bytes");
    // The way out that the sentence names.
    let images = killed.images().into_iter();
    let without = images.filter(|(name, _)| name != "newest");
    open(&MemoryDisk::from_images(without)).expect("without its witness it opens");
}
