//! A store with many dialogs and a full tail, killed; and how long its next opening takes.
//! `restart build DIR log|database DIALOGS TAIL_BYTES`, `restart open DIR`.
use actor_store::{
    FileDisk, FoldProgress, JournalKind, Options, Store, Table, Value, VerifyProgress, Write,
};
use std::{path::Path, sync::Arc, time::Instant};
fn key(dialog: u64) -> Vec<u8> {
    let mut key = vec![0; 19];
    key[..8].copy_from_slice(&dialog.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}
fn write(table: Table, dialog: u64, bytes: usize) -> Write {
    let mut value = Value::new(vec![dialog as u8; bytes]);
    value.index.deadline = (table == Table::Endpoints).then_some(1_900_000_000_000 + dialog);
    Write {
        table,
        key: key(dialog),
        value: Some(value),
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = Path::new(&args[2]);
    if args[1] == "build" {
        let journal = if args[3] == "log" {
            JournalKind::Log
        } else {
            JournalKind::Database
        };
        let dialogs: u64 = args[4].parse().unwrap();
        let tail: u64 = args[5].parse().unwrap();
        let options = Options {
            journal,
            fold_records: 400_000,
            fold_chunk: 50_000,
            ..Options::default()
        };
        let store = Store::open(Arc::new(FileDisk::new(dir)), options, [7; 16]).unwrap();
        let begun = Instant::now();
        // In the order of keys, as bulk loading does.
        let mut order: Vec<u64> = (0..dialogs).collect();
        order.sort_by_key(|d| d.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for some in order.chunks(20_000) {
            for part in some.chunks(500) {
                store.publish(
                    part.iter()
                        .map(|d| write(Table::Endpoints, *d, 90))
                        .collect(),
                );
                store.publish(part.iter().map(|d| write(Table::Actors, *d, 210)).collect());
                store.commit(store.cut()).unwrap();
            }
            while store.fold_step(true).unwrap() != FoldProgress::Idle {
                if store.stats().overlay_records == 0 {
                    break;
                }
            }
        }
        eprintln!("built in {:?}", begun.elapsed());
        let mut n = 0u64;
        while store.journal_bytes() < tail {
            let writes = (0..50)
                .flat_map(|_| {
                    n += 1;
                    let d = n.wrapping_mul(0x2545_f491_4f6c_dd1d) % dialogs;
                    [write(Table::Endpoints, d, 90), write(Table::Actors, d, 210)]
                })
                .collect();
            store.publish(writes);
            store.commit(store.cut()).unwrap();
        }
        eprintln!("{n} messages in the tail; {:?}", store.stats());
        std::process::abort();
    }
    let begun = Instant::now();
    let store = Store::open(Arc::new(FileDisk::new(dir)), Options::default(), [7; 16]).unwrap();
    let opened = begun.elapsed();
    let recovered = store.recovered().len();
    let due = store.due(1_000, 10).unwrap().len();
    let busy = store.busy(None, 10).unwrap().len();
    let indexes = begun.elapsed();
    let _ = store.get(Table::Actors, &key(77)).unwrap().unwrap();
    store.publish(vec![write(Table::Actors, 77, 210)]);
    store.commit(store.cut()).unwrap();
    let answered = begun.elapsed();
    println!(
        "open {opened:?}, indexes {indexes:?}, answered {answered:?}; {recovered} recovered, {due} due, {busy} busy, rss {}",
        rss()
    );
    if args.get(3).is_some() {
        let begun = Instant::now();
        let mut steps = 0;
        while store.verify_step(256).unwrap() != VerifyProgress::Finished {
            steps += 1;
        }
        println!(
            "verified in {:?}, {steps} steps, rss {}",
            begun.elapsed(),
            rss()
        );
    }
    std::process::abort();
}
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find(|l| l.starts_with("VmRSS"))
        .unwrap()
        .to_owned()
}
