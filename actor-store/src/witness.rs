//! A witness outside the databases: the number of the newest batch that was reported committed.
//!
//! A damaged commit slot of the journal looks like a commit that was never finished, so the database falls back to the one
//! before it and all its checksums hold. The witness tells the difference. It is written after each commit and never
//! synced: it survives the death of the process, and after a power loss it may be old or gone, which claims nothing. Owns
//! one small file; never decides what a contradiction means.

use std::io;

use redb::StorageBackend;

use crate::disk::Disk;
use crate::table::StoreId;

/// Its name in the store's directory.
pub(crate) const FILE: &str = "newest";

const LENGTH: usize = 16 + 8 + 4;

/// The open witness. Best effort: one that cannot be read or written says nothing.
#[derive(Debug)]
pub(crate) struct Witness {
    store: StoreId,
    file: Option<Box<dyn StorageBackend>>,
}

impl Witness {
    pub(crate) fn open(disk: &dyn Disk, store: StoreId) -> Self {
        let file = disk.open(FILE).and_then(|file| {
            if file.len()? < LENGTH as u64 {
                file.set_len(LENGTH as u64)?;
            }
            Ok(file)
        });
        Self {
            store,
            file: file.ok(),
        }
    }

    /// The newest batch of this store that it knows of; 0 if it knows of none.
    pub(crate) fn newest(&self) -> u64 {
        self.read().ok().flatten().unwrap_or(0)
    }

    fn read(&self) -> io::Result<Option<u64>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let mut row = [0; LENGTH];
        file.read(0, &mut row)?;
        Ok(decode(&self.store, &row))
    }

    /// This batch was committed.
    pub(crate) fn note(&self, batch: u64) {
        if let Some(file) = &self.file {
            // Nothing depends on it: what it does not say, nobody misses before something is damaged.
            let _ = file.write(0, &encode(&self.store, batch));
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = file.close();
        }
    }
}

fn encode(store: &StoreId, batch: u64) -> [u8; LENGTH] {
    let mut row = [0; LENGTH];
    row[..16].copy_from_slice(store);
    row[16..24].copy_from_slice(&batch.to_be_bytes());
    let sum = crc32c::crc32c(&row[..24]);
    row[24..].copy_from_slice(&sum.to_be_bytes());
    row
}

fn decode(store: &StoreId, row: &[u8; LENGTH]) -> Option<u64> {
    let (known, rest) = row.split_first_chunk::<16>()?;
    let (batch, sum) = rest.split_first_chunk::<8>()?;
    let sum = u32::from_be_bytes(sum.try_into().ok()?);
    (known == store && sum == crc32c::crc32c(&row[..24])).then(|| u64::from_be_bytes(*batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_speaks_for_its_own_store_and_only_when_whole() {
        let row = encode(&[7; 16], 42);
        assert_eq!(decode(&[7; 16], &row), Some(42));
        assert_eq!(decode(&[8; 16], &row), None, "of another store");
        for at in 0..LENGTH {
            let mut damaged = row;
            damaged[at] ^= 1;
            assert_eq!(decode(&[7; 16], &damaged), None, "byte {at}");
        }
        assert_eq!(decode(&[0; 16], &[0; LENGTH]), None, "never written");
    }
}
