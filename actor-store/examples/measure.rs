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

use actor_store::{FileDisk, FoldProgress, Options, Store, Table, Value, Write};

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
    let disk = FileDisk::new(scratch.path().join("store"));
    let store = Store::open(Arc::new(disk), Options::default(), [7; 16]).unwrap();
    let fold = |store: &Store| {
        if store.wants_fold() {
            while store.fold_step(false).unwrap() != FoldProgress::Idle {}
        }
    };
    for group in groups {
        let bytes = 360;
        let floor_bytes = if group == 1 { 4096 } else { group * 400 };
        let (mut floors, mut commit_all, mut whole_all) = (vec![], vec![], vec![]);
        let (mut floor_means, mut whole_means) = (vec![], vec![]);
        for round in 0..rounds {
            let block = vec![0x5A; floor_bytes];
            let mut times = vec![];
            for _ in 0..commits {
                let begun = Instant::now();
                floor.append(&block);
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
            floor_means.push(times.iter().sum::<f64>() / commits as f64);
            floors.push(median(times));
            let (mut commit_times, mut times) = (vec![], vec![]);
            for batch in 0..commits {
                let writes = writes(group, round * commits + batch, bytes);
                let begun = Instant::now();
                store.publish(writes);
                let cut = store.cut();
                let cut_at = Instant::now();
                store.commit(cut).unwrap();
                commit_times.push(cut_at.elapsed().as_secs_f64() * 1e6);
                times.push(begun.elapsed().as_secs_f64() * 1e6);
                fold(&store);
            }
            whole_means.push(times.iter().sum::<f64>() / commits as f64);
            commit_all.push(median(commit_times));
            whole_all.push(median(times));
        }
        let (f, c, w) = (median(floors), median(commit_all), median(whole_all));
        let (fm, wm) = (median(floor_means), median(whole_means));
        println!(
            "g={group}: floor p50 {f:.1} mean {fm:.1} us; commit p50 {c:.1}; publish+cut+commit p50 {w:.1} mean {wm:.1}; p50 ratio {:.2}x, rate ratio {:.2}",
            w / f,
            fm / wm
        );
    }
    println!("{:?}", store.stats());
}
