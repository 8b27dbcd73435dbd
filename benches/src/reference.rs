//! The reference, printed first: the chosen layout as it is, a journal and a state database with folds in chunks, at the
//! priority of everybody. Once as the store alone, driven by two threads as the node drives it, and once inside the real
//! gate of a node; each beside a plain log that writes as many bytes in as many syncs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actor_store::{FileDisk, FoldProgress, Options, Store, Table as StoreTable, Value, Write};

use crate::{
    args::Args,
    disk_floor::Floor,
    ours,
    prepared::Uniform,
    rounds::{Contender, column, interleave, percentile},
    table::Table,
    w2,
};

/// Bytes that a message leaves: state, answer, and what names them.
const MESSAGE_BYTES: usize = 400;
/// Of them, in the key.
const KEY_BYTES: usize = 19;
/// Dialogs that everything falls on where it is hot.
const HOT: u64 = 10_000;

pub(crate) fn run(args: &Args, table: &mut Table) -> Result<(), String> {
    let records = args.scaled(1_000_000) as u64;
    let time = Duration::from_millis(if args.quick { 300 } else { 2000 });
    let scratch = args.scratch()?;
    let floor = std::cell::RefCell::new(Floor::new(scratch.path())?);
    let driven = Driven::new(scratch.path(), records)?;
    let mut contenders = Vec::new();
    for group in [1, 100, 1000] {
        let floor = &floor;
        contenders.push(Contender::columns(
            format!("a plain log, g={group}"),
            move || {
                let count = if group == 1000 { 200 } else { 1000 };
                let mut floor = floor.borrow_mut();
                let latencies = floor.latencies(group * MESSAGE_BYTES, count)?;
                Ok(rates(group, latencies))
            },
        ));
        for (over, dialogs) in [("uniform", records), ("10,000 hot", HOT)] {
            let driven = &driven;
            let mut order = Uniform::over(dialogs.min(records), group as u64);
            contenders.push(Contender::columns(
                format!("the store with its folds, g={group}, {over}"),
                move || driven.run(group, &mut order, time),
            ));
        }
    }
    let outcomes = interleave(args.rounds, &mut contenders);
    drop(contenders);
    drop(driven);
    let what = format!("reference, {records} records of {MESSAGE_BYTES} B");
    table.figures(&what, "msgs/s", &column(&outcomes, 0));
    table.figures("reference, commit p50", "us", &column(&outcomes, 1));
    table.figures("reference, commit p99", "us", &column(&outcomes, 2));
    in_the_gate(args, &floor, table)
}

/// The same inside a node: its own batches, and a plain log with as many bytes in as many syncs.
fn in_the_gate(
    args: &Args,
    floor: &std::cell::RefCell<Floor>,
    table: &mut Table,
) -> Result<(), String> {
    let scratch = args.scratch()?;
    let runtime = ours::runtime()?;
    let node = ours::node(scratch.path())?;
    let messages = args.scaled(100);
    let rate = |pipelined| {
        let (before, stats) = (node.store().stats(), node.stats());
        let rate = w2::rate(&runtime, &node, messages, pipelined)?;
        let (after, done) = (node.store().stats(), node.stats());
        let commits = (after.commits - before.commits).max(1);
        let handled = (done.handled - stats.handled) as f64;
        let bytes = (after.journal_bytes_written - before.journal_bytes_written) / commits;
        let syncs = commits.min(500) as usize;
        let latencies = floor.borrow_mut().latencies(bytes as usize, syncs)?;
        let each = latencies.iter().sum::<f64>() / 1e6 / syncs as f64;
        let group = handled / commits as f64;
        Ok(vec![rate, group, bytes as f64 / 1e3, group / each])
    };
    let outcomes = interleave(
        args.rounds,
        &mut [
            Contender::columns("in the gate, 1,000 dialogs pipelined", || rate(true)),
            Contender::columns("in the gate, 1,000 dialogs one by one", || rate(false)),
        ],
    );
    let what = "reference, node and gate";
    table.figures(what, "msgs/s", &column(&outcomes, 0));
    let what = "reference, node and gate: messages in a commit";
    table.figures(what, "msgs", &column(&outcomes, 1));
    let what = "reference, node and gate: journal in a commit";
    table.figures(what, "kB", &column(&outcomes, 2));
    let what = "reference, a plain log with these commits";
    table.figures(what, "msgs/s", &column(&outcomes, 3));
    Ok(())
}

/// Messages a second, and p50 and p99 of a commit in microseconds.
fn rates(group: usize, mut micros: Vec<f64>) -> Vec<f64> {
    let seconds = micros.iter().sum::<f64>() / 1e6;
    let rate = (micros.len() * group) as f64 / seconds;
    vec![
        rate,
        percentile(&mut micros, 0.5),
        percentile(&mut micros, 0.99),
    ]
}

/// A store that one thread commits to and another folds, as in a node.
struct Driven {
    store: Store,
    stop: Arc<AtomicBool>,
    folder: Option<thread::JoinHandle<()>>,
}

impl Driven {
    fn new(directory: &std::path::Path, records: u64) -> Result<Self, String> {
        let disk = Arc::new(FileDisk::new(directory.join("reference")));
        let store = Store::open(disk, Options::default(), [7; 16]);
        let store = store.map_err(|why| why.to_string())?;
        let all: Vec<u64> = (0..records).collect();
        for some in all.chunks(20_000) {
            store.publish(some.iter().copied().map(write).collect());
            store.commit(store.cut()).map_err(|why| why.to_string())?;
            ours::fold(&store, true)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (mine, ring) = (store.clone(), Arc::clone(&stop));
        let folder = thread::spawn(move || {
            while !ring.load(Ordering::Relaxed) {
                // A store that fails is met by whoever commits.
                if !matches!(mine.fold_step(false), Ok(FoldProgress::Worked)) {
                    thread::park_timeout(Duration::from_millis(100));
                }
            }
        });
        Ok(Self {
            store,
            stop,
            folder: Some(folder),
        })
    }

    fn run(&self, group: usize, order: &mut Uniform, time: Duration) -> Result<Vec<f64>, String> {
        let folder = self.folder.as_ref().ok_or("no folder")?.thread();
        let begun = Instant::now();
        let (mut micros, mut commits) = (Vec::new(), 0);
        while begun.elapsed() < time {
            self.store
                .publish(order.by_ref().take(group).map(write).collect());
            let cut = Instant::now();
            let committed = self.store.commit(self.store.cut());
            committed.map_err(|why| why.to_string())?;
            micros.push(cut.elapsed().as_secs_f64() * 1e6);
            commits += 1;
            if self.store.wants_fold() {
                folder.unpark();
            }
            // The node's shards wait here as well.
            while self.store.journal_bytes() > self.store.options().max_journal_bytes {
                thread::yield_now();
            }
        }
        let rate = (commits * group) as f64 / begun.elapsed().as_secs_f64();
        ours::fold(&self.store, true)?;
        let mut all = rates(group, micros);
        all[0] = rate;
        Ok(all)
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(folder) = self.folder.take() {
            folder.thread().unpark();
            // It returns nothing, and panics nowhere.
            let _ = folder.join();
        }
    }
}

/// The record of a dialog, under a key that lies anywhere.
fn write(dialog: u64) -> Write {
    let mut key = vec![0; KEY_BYTES];
    let scattered = dialog.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    key[..8].copy_from_slice(&scattered.to_be_bytes());
    Write {
        table: StoreTable::Endpoints,
        key: key.into(),
        value: Some(Value::new(vec![5; MESSAGE_BYTES - KEY_BYTES])),
    }
}
