//! Stores in real files.

use std::fs;
use std::sync::Arc;

use actor_store::{Disk, FileDisk, LockError, OpenError, Options, Store, Table, Value, Write};

fn open(dir: &std::path::Path) -> Result<Store, OpenError> {
    Store::open(Arc::new(FileDisk::new(dir)), Options::default(), [1; 16])
}

fn commit(store: &Store, key: &[u8]) {
    store.publish(vec![Write {
        table: Table::Actors,
        key: key.into(),
        value: Some(Value::new(key)),
    }]);
    store.commit(store.cut()).expect("commit");
}

#[test]
fn a_store_in_a_new_directory_is_there_again_when_it_is_opened_again() {
    let dir = tempfile::tempdir().expect("tempdir");
    let dir = dir.path().join("not/yet/there");
    for life in 1..=3_u64 {
        let store = open(&dir).expect("open");
        assert_eq!(store.incarnation(), life);
        for earlier in 1..life {
            let key = earlier.to_be_bytes();
            assert!(store.get(Table::Actors, &key).expect("get").is_some());
        }
        let before = store.stats().journal_syncs;
        commit(&store, &life.to_be_bytes());
        assert_eq!(store.stats().journal_syncs - before, 1);
        if life == 2 {
            let _ = store.fold_step(true).expect("fold");
        }
    }
}

#[test]
fn a_second_open_of_a_directory_is_refused_whoever_asks() {
    let dir = tempfile::tempdir().expect("tempdir");
    let store = open(dir.path()).expect("open");
    let error = open(dir.path()).expect_err("in use");
    assert!(
        matches!(error, OpenError::Lock(LockError::Held { .. })),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains(&*dir.path().display().to_string()) && text.contains("already open"));
    drop(store);
    open(dir.path()).expect("closed");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().expect("tempdir");
    let file = dir.path().join("a-file");
    fs::write(&file, "").expect("write");
    let error = open(&file.join("store")).expect_err("a file is in the way");
    let text = error.to_string();
    assert!(
        text.contains("a-file/store") && text.contains("choose a directory"),
        "{text}"
    );
    fs::create_dir(dir.path().join("journal.redb")).expect("mkdir");
    let error = open(dir.path()).expect_err("a directory is in the way");
    assert!(
        matches!(&error, OpenError::Io { path, .. } if path.ends_with("journal.redb")),
        "{error:?}"
    );
}

#[test]
fn after_a_failed_sync_the_files_are_rewritten_once() {
    let dir = tempfile::tempdir().expect("tempdir");
    commit(&open(dir.path()).expect("open"), b"kept");
    let disk = FileDisk::new(dir.path());
    disk.mark_unsettled();
    assert!(dir.path().join("SYNC-FAILED").exists());
    let store = open(dir.path()).expect("open");
    assert!(store.get(Table::Actors, b"kept").expect("get").is_some());
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .expect("list")
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .into_string()
                .expect("name")
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["LOCK", "dialogs.redb", "journal.redb", "newest", "running"]
    );
}
