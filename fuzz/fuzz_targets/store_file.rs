#![no_main]
//! A store with changed bytes in its files. Opening and reading it ends in data or in a typed error.

use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use actor_store::{MemoryDisk, Options, Store, Table, Value, Write};
use libfuzzer_sys::fuzz_target;

type Files = Vec<(String, Vec<u8>)>;

fn options() -> Options {
    Options {
        cache_bytes: 256 * 1024,
        // As a node opens it.
        verify: actor_store::Verification::AtOpen,
        ..Options::default()
    }
}

/// Some rows folded, some in the journal.
fn store() -> Files {
    let disk = MemoryDisk::new();
    let store = Store::open(Arc::new(disk.clone()), options(), [7; 16]).expect("a new store opens");
    for number in 0..40_u8 {
        let write = Write {
            table: Table::ALL[usize::from(number) % Table::ALL.len()],
            key: vec![number; 9].into(),
            value: Some(Value::new(vec![number; 40 * usize::from(number)])),
        };
        store.publish(vec![write]);
        store.commit(store.cut()).expect("there are no faults");
        if number == 30 {
            while store.stats().overlay_records > 0 {
                let _more = store.fold_step(true).expect("there are no faults");
            }
        }
    }
    drop(store);
    disk.images()
}

fuzz_target!(|bytes: &[u8]| {
    static STORE: OnceLock<Files> = OnceLock::new();
    let mut files = STORE.get_or_init(store).clone();
    let count = files.len();
    for change in bytes.chunks_exact(8) {
        let (_, file) = &mut files[usize::from(change[0]) % count];
        let offset = u32::from_be_bytes([0, change[1], change[2], change[3]]) as usize;
        let offset = (offset * 16 + usize::from(change[4] & 15)) % (file.len() + 1);
        let length = usize::from(change[5]);
        // Half of the changes fill, half flip; one of no bytes cuts the file.
        if length == 0 {
            file.truncate(offset);
        }
        for byte in file.iter_mut().skip(offset).take(length) {
            *byte = if change[7] & 1 == 0 {
                change[6]
            } else {
                *byte ^ change[6]
            };
        }
    }
    let disk = MemoryDisk::from_images(files);
    let Ok(store) = Store::open(Arc::new(disk), options(), [7; 16]) else {
        return;
    };
    for table in Table::ALL {
        let _ = store.range(table, &[], Bound::Unbounded, usize::MAX);
    }
    let _ = store.due(u64::MAX, usize::MAX);
    let _ = store.busy(None, usize::MAX);
    let _ = store.fold_step(true);
});
