//! redb commits alone: plain, coalesced, ring sizes.
use redb::{
    Database, StorageBackend, TableDefinition,
    backends::{FileBackend, InMemoryBackend},
};
use std::{
    collections::BTreeMap, fs::File, io, io::Write as _, os::unix::fs::FileExt, path::Path,
    sync::Mutex, time::Instant,
};

#[derive(Debug)]
struct Collect {
    file: File,
    pending: Mutex<BTreeMap<u64, Vec<u8>>>,
    len: Mutex<u64>,
    keep: bool,
}
impl Collect {
    fn flush(&self) -> io::Result<()> {
        let mut pending = self.pending.lock().unwrap();
        let all = std::mem::take(&mut *pending);
        let mut run: Option<(u64, Vec<u8>)> = None;
        for (at, mut data) in all {
            match &mut run {
                Some((start, bytes)) if *start + bytes.len() as u64 == at => {
                    bytes.append(&mut data)
                }
                _ => {
                    if let Some((s, b)) = run.take() {
                        self.file.write_all_at(&b, s)?;
                    }
                    run = Some((at, data));
                }
            }
        }
        if let Some((s, b)) = run {
            self.file.write_all_at(&b, s)?;
        }
        Ok(())
    }
}
impl StorageBackend for Collect {
    fn len(&self) -> io::Result<u64> {
        Ok(*self.len.lock().unwrap())
    }
    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.flush()?;
        self.file.read_exact_at(out, at)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.flush()?;
        *self.len.lock().unwrap() = len;
        if !self.keep || self.file.metadata()?.len() < len {
            self.file.set_len(len)?;
        }
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }
    fn write(&self, at: u64, data: &[u8]) -> io::Result<()> {
        self.pending.lock().unwrap().insert(at, data.to_vec());
        Ok(())
    }
}
const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");

#[derive(Debug)]
struct NoSync(InMemoryBackend);
impl StorageBackend for NoSync {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(at, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, at: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(at, data)
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = Path::new(&args[1]);
    let bytes: usize = args[2].parse().unwrap();
    let n = 1000;
    let mut floor = File::create(dir.join("rawfloor")).unwrap();
    for _ in 0..64 {
        floor.write_all(&vec![0xA5; 1 << 20]).unwrap();
    }
    floor.sync_all().unwrap();
    let pre = |name: &str| {
        let mut f = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(dir.join(name))
            .unwrap();
        for _ in 0..64 {
            f.write_all(&vec![0xA5; 1 << 20]).unwrap();
        }
        f.sync_all().unwrap();
        f
    };
    let plain = |name: &str| {
        File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(dir.join(name))
            .unwrap()
    };
    let mk = |b: Box<dyn Fn() -> Database>| b();
    let mut dbs: Vec<(String, Database, u64)> = vec![];
    for ring in [4u64, 64, 5000] {
        dbs.push((
            format!("plain ring {ring}"),
            mk(Box::new(move || {
                Database::builder()
                    .create_with_backend(FileBackend::new(plain(&format!("a{ring}"))).unwrap())
                    .unwrap()
            })),
            ring,
        ));
        dbs.push((
            format!("collect ring {ring}"),
            mk(Box::new(move || {
                Database::builder()
                    .create_with_backend(Collect {
                        file: plain(&format!("b{ring}")),
                        pending: Mutex::default(),
                        len: Mutex::new(0),
                        keep: false,
                    })
                    .unwrap()
            })),
            ring,
        ));
        dbs.push((
            format!("collect+prealloc ring {ring}"),
            mk(Box::new(move || {
                Database::builder()
                    .create_with_backend(Collect {
                        file: pre(&format!("c{ring}")),
                        pending: Mutex::default(),
                        len: Mutex::new(0),
                        keep: true,
                    })
                    .unwrap()
            })),
            ring,
        ));
        dbs.push((
            format!("memory ring {ring}"),
            mk(Box::new(move || {
                Database::builder()
                    .create_with_backend(NoSync(InMemoryBackend::new()))
                    .unwrap()
            })),
            ring,
        ));
    }
    let mut results: Vec<Vec<f64>> = vec![vec![]; dbs.len() + 1];
    let mut at = 0u64;
    let mut number = 0u64;
    for _ in 0..4 {
        let mut t = vec![];
        let block = vec![1; bytes.max(4096)];
        for _ in 0..n {
            let b = Instant::now();
            if at + block.len() as u64 > 64 << 20 {
                at = 0
            }
            floor.write_all_at(&block, at).unwrap();
            at += block.len() as u64;
            floor.sync_data().unwrap();
            t.push(b.elapsed().as_secs_f64() * 1e6);
        }
        t.sort_by(f64::total_cmp);
        results[0].push(t[n / 2]);
        for (i, (_, db, ring)) in dbs.iter().enumerate() {
            let mut t = vec![];
            let row = vec![7u8; bytes];
            for _ in 0..n {
                number += 1;
                let b = Instant::now();
                let txn = db.begin_write().unwrap();
                txn.open_table(ROWS)
                    .unwrap()
                    .insert(number % ring, row.as_slice())
                    .unwrap();
                txn.commit().unwrap();
                t.push(b.elapsed().as_secs_f64() * 1e6);
            }
            t.sort_by(f64::total_cmp);
            results[i + 1].push(t[n / 2]);
        }
    }
    let med = |v: &mut Vec<f64>| {
        v.sort_by(f64::total_cmp);
        (v[0], v[v.len() / 2], v[v.len() - 1])
    };
    println!("floor {:?}", med(&mut results[0]));
    for (i, (name, ..)) in dbs.iter().enumerate() {
        println!("{name}: {:?}", med(&mut results[i + 1]));
    }
}
