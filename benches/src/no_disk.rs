//! A disk that costs nothing: files in memory, syncs that do nothing. What is left is the node itself.

use std::{
    any::Any,
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use actor_store::{Disk, LockError};
use redb::{StorageBackend, backends::InMemoryBackend};

/// Files in memory, each there for as long as the disk.
#[derive(Debug, Default)]
pub(crate) struct NoDisk {
    files: Mutex<BTreeMap<String, Arc<InMemoryBackend>>>,
}

#[derive(Debug)]
struct NoFile(Arc<InMemoryBackend>);

impl StorageBackend for NoFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

impl Disk for NoDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.entry(name.to_owned()).or_default();
        Ok(Box::new(NoFile(Arc::clone(file))))
    }

    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, LockError> {
        Ok(Box::new(()))
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}
