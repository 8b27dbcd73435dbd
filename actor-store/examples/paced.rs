//! Open loop over uniform dialogs of an existing store, with a folder beside it.
//! `paced DIR RATE SECONDS CHUNK [FOLD_RECORDS]`
use std::{path::Path, sync::{Arc, atomic::{AtomicBool, Ordering}}, time::{Duration, Instant}};
use actor_store::{FileDisk, FoldProgress, Options, Store, Table, Value, Write};
fn key(dialog: u64) -> Vec<u8> {
    let mut key = vec![0; 19];
    key[..8].copy_from_slice(&dialog.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}
fn write(table: Table, dialog: u64, bytes: usize) -> Write {
    let mut value = Value::new(vec![dialog as u8; bytes]);
    value.index.deadline = (table == Table::Endpoints).then_some(1_900_000_000_000 + dialog);
    Write { table, key: key(dialog), value: Some(value) }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let num = |at: usize, or: f64| args.get(at).map_or(or, |text| text.parse().unwrap());
    let (rate, seconds) = (num(2, 20_000.0), num(3, 10.0));
    let options = Options { fold_chunk: num(4, 2000.0) as usize, fold_records: num(5, 20_000.0) as usize, ..Options::default() };
    let store = Store::open(Arc::new(FileDisk::new(Path::new(&args[1]))), options, [7; 16]).unwrap();
    while store.fold_step(true).unwrap() != FoldProgress::Idle { if store.stats().overlay_records == 0 { break; } }
    let before = store.stats();
    let stop = Arc::new(AtomicBool::new(false));
    let folder = { let (store, stop) = (store.clone(), stop.clone()); std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            if store.fold_step(false).unwrap() == FoldProgress::Idle { std::thread::sleep(Duration::from_millis(1)); }
        }
    }) };
    let begun = Instant::now();
    let mut done = 0u64;
    let mut latencies: Vec<f32> = vec![];
    let mut seed = 12345u64;
    while begun.elapsed().as_secs_f64() < seconds {
        let due = if rate == 0.0 { done + 200 } else { (begun.elapsed().as_secs_f64() * rate) as u64 };
        if rate == 0.0 { while store.journal_bytes() > store.options().max_journal_bytes { std::thread::sleep(Duration::from_micros(200)); } }
        if due == done { std::thread::yield_now(); continue; }
        let due = due.min(done + 1000);
        let mut writes = vec![];
        for _ in done..due {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let d = (seed >> 20) % 1_000_000;
            writes.push(write(Table::Endpoints, d, 90));
            writes.push(write(Table::Actors, d, 210));
        }
        store.publish(writes);
        store.commit(store.cut()).unwrap();
        let now = begun.elapsed().as_secs_f64();
        if rate > 0.0 { for n in done..due { latencies.push(((now - (n + 1) as f64 / rate) * 1e3) as f32); } }
        done = due;
    }
    let took = begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    folder.join().unwrap();
    let s = store.stats();
    print!("{:.0} msgs/s, {} commits, {} folds {} chunks {} records, journal {} dialogs {} bytes a message, overlay {}", done as f64 / took, s.commits, s.folds - before.folds, s.fold_chunks - before.fold_chunks, s.folded_records - before.folded_records,
        (s.journal_bytes_written - before.journal_bytes_written) / done, (s.dialogs_bytes_written - before.dialogs_bytes_written) / done, s.overlay_records);
    if latencies.is_empty() { println!(); return; }
    latencies.sort_by(f32::total_cmp);
    let at = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize];
    println!("; ms p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.2}", at(0.5), at(0.99), at(0.999), at(1.0));
}
