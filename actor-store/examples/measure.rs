//! Where a commit's microseconds go: the store's journal beside the bare disk, interleaved.
//!
//! `measure DIR ROUNDS COMMITS` prints medians for batches of several sizes.

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write as _},
    path::Path,
    sync::Arc,
    time::Instant,
};

use actor_store::{FileDisk, FoldProgress, JournalKind, Options, Store, Table, Value, Write};

struct Floor {
    file: File,
    at: u64,
}

const SIZE: u64 = 64 << 20;

impl Floor {
    fn new(dir: &Path) -> Self {
        let mut file = File::create(dir.join("floor")).unwrap();
        for _ in 0..SIZE >> 20 {
            file.write_all(&vec![0xA5; 1 << 20]).unwrap();
        }
        file.sync_all().unwrap();
        Self { file, at: 0 }
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.at + bytes.len() as u64 > SIZE {
            self.at = 0;
        }
        self.file.seek(SeekFrom::Start(self.at)).unwrap();
        self.file.write_all(bytes).unwrap();
        self.at += bytes.len() as u64;
        self.file.sync_data().unwrap();
    }
}

fn writes(group: usize, batch: usize, bytes: usize) -> Vec<Write> {
    (0..group)
        .map(|n| {
            let dialog = ((batch * group + n) % 5000) as u64;
            let mut key = vec![0; 19];
            key[..8].copy_from_slice(&dialog.to_be_bytes());
            Write {
                table: Table::Endpoints,
                key,
                value: Some(Value::new(vec![5; bytes])),
            }
        })
        .collect()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = Path::new(&args[1]);
    let rounds: usize = args[2].parse().unwrap();
    let commits: usize = args[3].parse().unwrap();
    let groups: Vec<usize> = args.get(4).map_or(vec![1, 100], |text| {
        text.split(',').map(|word| word.parse().unwrap()).collect()
    });
    std::fs::create_dir_all(dir).unwrap();
    let scratch = tempfile::tempdir_in(dir).unwrap();
    let mut floor = Floor::new(scratch.path());
    let stores: Vec<(JournalKind, Store)> = [JournalKind::Database, JournalKind::Log]
        .into_iter()
        .map(|journal| {
            let disk = FileDisk::new(scratch.path().join(format!("{journal:?}")));
            let options = Options {
                journal,
                ..Options::default()
            };
            (
                journal,
                Store::open(Arc::new(disk), options, [7; 16]).unwrap(),
            )
        })
        .collect();
    let fold = |store: &Store| {
        if store.wants_fold() {
            while store.fold_step(false).unwrap() != FoldProgress::Idle {}
        }
    };
    for group in groups {
        let bytes = 360;
        let floor_bytes = if group == 1 { 4096 } else { group * 400 };
        let mut floors = (vec![], vec![]);
        let mut figures = vec![(vec![], vec![], vec![]); stores.len()];
        for round in 0..rounds {
            let block = vec![0x5A; floor_bytes];
            let mut times = vec![];
            for _ in 0..commits {
                let begun = Instant::now();
                floor.append(&block);
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
            floors.1.push(times.iter().sum::<f64>() / commits as f64);
            floors.0.push(median(times));
            for ((_, store), figures) in stores.iter().zip(&mut figures) {
                let (mut commit_times, mut times) = (vec![], vec![]);
                for batch in 0..commits {
                    let writes = writes(group, round * commits + batch, bytes);
                    let begun = Instant::now();
                    store.publish(writes);
                    let published = Instant::now();
                    store.commit(store.cut()).unwrap();
                    commit_times.push(published.elapsed().as_secs_f64() * 1e6);
                    times.push(begun.elapsed().as_secs_f64() * 1e6);
                    fold(store);
                }
                figures
                    .2
                    .push(commit_times.iter().sum::<f64>() / commits as f64);
                figures.0.push(median(commit_times));
                figures.1.push(median(times));
            }
        }
        let (f, fm) = (median(floors.0), median(floors.1));
        println!("g={group}: floor p50 {f:.1} mean {fm:.1} us");
        for ((kind, _), (commit, whole, mean)) in stores.iter().zip(figures) {
            let (c, w, m) = (median(commit), median(whole), median(mean));
            println!(
                "  {kind:?}: cut+commit p50 {c:.1} mean {m:.1}, with publish p50 {w:.1}: p50 {:.2}x, rate {:.2}",
                w / f,
                fm / m
            );
        }
    }
    for (kind, store) in &stores {
        println!("{kind:?} {:?}", store.stats());
    }
}
