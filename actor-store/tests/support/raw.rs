//! The files of a store as another program sees them.

use actor_store::MemoryDisk;
use redb::{Database, ReadableDatabase, StorageBackend, TableDefinition};

#[derive(Debug)]
struct Boxed(Box<dyn StorageBackend>);

impl StorageBackend for Boxed {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}

fn database(disk: &MemoryDisk, file: &str) -> Database {
    let backend = actor_store::Disk::open(disk, file).expect("file");
    Database::builder()
        .create_with_backend(Boxed(backend))
        .expect("database")
}

pub fn read_row(disk: &MemoryDisk, file: &str, table: &str, key: &str) -> Vec<u8> {
    let db = database(disk, file);
    let txn = db.begin_read().expect("read");
    let table = txn
        .open_table(TableDefinition::<&str, &[u8]>::new(table))
        .expect("table");
    table.get(key).expect("get").expect("row").value().to_vec()
}

pub fn write_row(disk: &MemoryDisk, file: &str, table: &str, key: &str, row: &[u8]) {
    let db = database(disk, file);
    let txn = db.begin_write().expect("write");
    {
        let definition = TableDefinition::<&str, &[u8]>::new(table);
        txn.open_table(definition)
            .expect("table")
            .insert(key, row)
            .expect("insert");
    }
    txn.commit().expect("commit");
}
