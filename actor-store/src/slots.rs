//! A plain file beside the databases that tells a start how the last life ended: in good order, or in the middle of what.
//!
//! Its first row is written and synced when a store is closed in good order. The rows behind it are places of 32 bytes,
//! one for each thread that says there what it is about to do, without a sync: the page cache survives the death of a
//! process, and a power loss is nobody's fault. The checksum of a row covers the store and the life that wrote it, so rows
//! of earlier lives and of other stores are not there. Owns this layout; never knows what a row means.

use std::io;

use redb::StorageBackend;

use crate::disk::Disk;
use crate::table::StoreId;

/// Its name in the store's directory.
pub(crate) const FILE: &str = "running";

/// What fits into one place.
pub const SLOT_BYTES: usize = 28;
/// Places that are read at a start. Nobody has more threads.
const MAX_SLOTS: usize = 4096;
const ROW: usize = SLOT_BYTES + 4;
/// Begins the row that says a life ended in good order.
const WELL: [u8; 8] = *b"the end\n";

/// One row's content.
pub type SlotBytes = [u8; SLOT_BYTES];

/// How the life before this one ended.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct LastEnd {
    /// It was closed in good order, or there was none.
    pub well: bool,
    /// What it left at its end, where that was in good order.
    pub mark: Option<u64>,
    /// What its threads were about to do, where it was not.
    pub running: Vec<SlotBytes>,
}

/// The open file. Best effort: one that cannot be read or written tells of an end that nobody knows.
#[derive(Debug)]
pub(crate) struct Slots {
    store: StoreId,
    life: u64,
    file: Option<Box<dyn StorageBackend>>,
    last: LastEnd,
}

impl Slots {
    /// For the life with this number; reads what the one before it has left.
    pub(crate) fn open(disk: &dyn Disk, store: StoreId, life: u64) -> Self {
        let file = disk.open(FILE).ok();
        let rows = file.as_deref().and_then(|file| read(file).ok());
        let last = last_end(&store, life - 1, &rows.unwrap_or_default());
        Self {
            store,
            life,
            file,
            last,
        }
    }

    pub(crate) fn last_end(&self) -> &LastEnd {
        &self.last
    }

    /// Says what the thread of this place is about to do; `None` once it is done.
    pub(crate) fn say(&self, place: usize, content: Option<&SlotBytes>) {
        let (Some(file), true) = (&self.file, place < MAX_SLOTS) else {
            return;
        };
        let row = content.map_or([0; ROW], |content| encode(&self.store, self.life, content));
        // A thread whose place cannot be written is not blamed for what it does.
        let _ = write_row(file.as_ref(), place + 1, &row);
    }

    /// This life ends in good order, and everything before it is durable.
    pub(crate) fn end_well(&self, mark: u64) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut content = [0; SLOT_BYTES];
        content[..8].copy_from_slice(&WELL);
        content[8..16].copy_from_slice(&mark.to_be_bytes());
        write_row(file.as_ref(), 0, &encode(&self.store, self.life, &content))?;
        file.sync_data()
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = file.close();
        }
    }
}

fn write_row(file: &dyn StorageBackend, row: usize, bytes: &[u8; ROW]) -> io::Result<()> {
    let offset = (row * ROW) as u64;
    let end = offset + ROW as u64;
    if file.len()? < end {
        file.set_len(end)?;
    }
    file.write(offset, bytes)
}

fn read(file: &dyn StorageBackend) -> io::Result<Vec<[u8; ROW]>> {
    let rows = usize::try_from(file.len()?).unwrap_or(usize::MAX) / ROW;
    (0..rows.min(MAX_SLOTS + 1))
        .map(|row| {
            let mut bytes = [0; ROW];
            file.read((row * ROW) as u64, &mut bytes)?;
            Ok(bytes)
        })
        .collect()
}

fn last_end(store: &StoreId, life: u64, rows: &[[u8; ROW]]) -> LastEnd {
    let mut contents = rows.iter().map(|row| decode(store, life, row));
    let end = contents.next().flatten();
    let mark = end
        .filter(|content| content.starts_with(&WELL))
        .and_then(|content| content[8..16].try_into().ok())
        .map(u64::from_be_bytes);
    LastEnd {
        // Before the first life nothing went wrong.
        well: mark.is_some() || life == 0,
        running: if mark.is_some() {
            Vec::new()
        } else {
            contents.flatten().collect()
        },
        mark,
    }
}

fn checksum(store: &StoreId, life: u64, content: &[u8]) -> u32 {
    let sum = crc32c::crc32c(store);
    let sum = crc32c::crc32c_append(sum, &life.to_be_bytes());
    crc32c::crc32c_append(sum, content)
}

fn encode(store: &StoreId, life: u64, content: &SlotBytes) -> [u8; ROW] {
    let mut row = [0; ROW];
    row[..SLOT_BYTES].copy_from_slice(content);
    row[SLOT_BYTES..].copy_from_slice(&checksum(store, life, content).to_be_bytes());
    row
}

fn decode(store: &StoreId, life: u64, row: &[u8; ROW]) -> Option<SlotBytes> {
    let (content, sum) = row.split_first_chunk::<SLOT_BYTES>()?;
    let sum = u32::from_be_bytes(sum.try_into().ok()?);
    (sum == checksum(store, life, content)).then_some(*content)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: StoreId = [7; 16];

    #[test]
    fn a_row_is_of_one_life_of_one_store_and_only_when_whole() {
        let row = encode(&STORE, 3, &[9; SLOT_BYTES]);
        assert_eq!(decode(&STORE, 3, &row), Some([9; SLOT_BYTES]));
        assert_eq!(decode(&STORE, 2, &row), None, "of another life");
        assert_eq!(decode(&[8; 16], 3, &row), None, "of another store");
        for at in 0..ROW {
            let mut damaged = row;
            damaged[at] ^= 1;
            assert_eq!(decode(&STORE, 3, &damaged), None, "byte {at}");
        }
        assert_eq!(decode(&STORE, 3, &[0; ROW]), None, "nothing was said");
    }

    #[test]
    fn an_end_is_good_only_if_the_last_life_says_so() {
        let mut content = [0; SLOT_BYTES];
        content[..8].copy_from_slice(&WELL);
        content[8..16].copy_from_slice(&42_u64.to_be_bytes());
        let good = encode(&STORE, 3, &content);
        let said = encode(&STORE, 3, &[9; SLOT_BYTES]);
        let end = last_end(&STORE, 3, &[good, said]);
        assert!(end.well && end.running.is_empty());
        assert_eq!(end.mark, Some(42));
        let end = last_end(&STORE, 4, &[good, said]);
        assert!(!end.well && end.running.is_empty(), "it speaks of life 3");
        let end = last_end(&STORE, 3, &[[0; ROW], [0; ROW], said]);
        assert!(!end.well);
        assert_eq!(end.running, [[9; SLOT_BYTES]]);
        assert!(last_end(&STORE, 0, &[]).well, "there was none");
        assert!(!last_end(&STORE, 1, &[]).well, "nobody knows");
    }
}
