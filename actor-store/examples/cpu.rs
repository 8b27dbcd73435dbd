//! Publish and cut without a disk.
use actor_store::{Disk, FoldProgress, LockError, Options, Store, Table, Value, Write};
use redb::{StorageBackend, backends::InMemoryBackend};
use std::{any::Any, collections::BTreeMap, io, sync::Arc, sync::Mutex, time::Instant};
#[derive(Debug, Default)]
struct NoDisk {
    files: Mutex<BTreeMap<String, Arc<InMemoryBackend>>>,
}
#[derive(Debug)]
struct NoFile(Arc<InMemoryBackend>);
impl StorageBackend for NoFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, o: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(o, out)
    }
    fn set_len(&self, l: u64) -> io::Result<()> {
        self.0.set_len(l)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, o: u64, d: &[u8]) -> io::Result<()> {
        self.0.write(o, d)
    }
}
impl Disk for NoDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(NoFile(
            self.files
                .lock()
                .unwrap()
                .entry(name.into())
                .or_insert_with(|| Arc::new(InMemoryBackend::new()))
                .clone(),
        )))
    }
    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, LockError> {
        Ok(Box::new(()))
    }
    fn describe(&self) -> String {
        "none".into()
    }
}
fn main() {
    let args: Vec<usize> = std::env::args()
        .skip(1)
        .map(|a| a.parse().unwrap())
        .collect();
    let (group, batches, dialogs) = (args[0], args[1], args[2] as u64);
    let store = Store::open(Arc::new(NoDisk::default()), Options::default(), [7; 16]).unwrap();
    let (mut publish, mut cut, mut commit, mut fold) = (0.0, 0.0, 0.0, 0.0);
    let mut n = 0u64;
    for _ in 0..batches {
        let writes: Vec<Write> = (0..group)
            .map(|_| {
                n += 1;
                let dialog = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % dialogs;
                let mut key = vec![0; 19];
                key[..8].copy_from_slice(&dialog.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
                Write {
                    table: Table::Endpoints,
                    key,
                    value: Some(Value::new(vec![5; 360])),
                }
            })
            .collect();
        let t = Instant::now();
        store.publish(writes);
        publish += t.elapsed().as_secs_f64();
        let t = Instant::now();
        let batch = store.cut();
        cut += t.elapsed().as_secs_f64();
        let t = Instant::now();
        store.commit(batch).unwrap();
        commit += t.elapsed().as_secs_f64();
        if store.wants_fold() {
            let t = Instant::now();
            while store.fold_step(false).unwrap() != FoldProgress::Idle {}
            fold += t.elapsed().as_secs_f64();
        }
    }
    let per = 1e9 / (batches * group) as f64;
    println!(
        "ns per row: publish {:.0} cut {:.0} commit {:.0} fold {:.0}",
        publish * per,
        cut * per,
        commit * per,
        fold * per
    );
    println!("{:?}", store.stats());
}
