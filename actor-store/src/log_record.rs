//! How a commit lies in `journal.log`: whole blocks, a head, the batch's row, zeros up to the next block.
//!
//! Owns this layout, and that of the header at the beginning of the file. A head names its batch and carries a checksum
//! over the store and its own place as well, so that a copy of a record, in another store or within a payload, is none.
//! Never reads a file.

use crate::batch::ROOM_BYTES;
use crate::header::{Header, HeaderError, Kind, LENGTH as HEADER_BYTES};
use crate::table::StoreId;

/// Records begin at multiples of it. A block is written by one commit only: a torn write damages no other, and nothing
/// has to be read before it.
pub(crate) const BLOCK_BYTES: usize = 4096;
/// The header twice, each in a block of its own.
pub(crate) const HEADERS: u64 = 2;
/// Where the segments begin.
pub(crate) const START: u64 = HEADERS * BLOCK_BYTES as u64;

const MAGIC: [u8; 4] = *b"DLGR";

/// What a record's head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// The number of its batch.
    pub(crate) number: u64,
    /// Bytes of its row.
    pub(crate) row_bytes: usize,
}

impl Head {
    /// Bytes of the whole record.
    pub(crate) const fn record_bytes(self) -> u64 {
        record_bytes(self.row_bytes)
    }
}

/// Bytes of a record with a row of so many.
pub(crate) const fn record_bytes(row_bytes: usize) -> u64 {
    (ROOM_BYTES + row_bytes).next_multiple_of(BLOCK_BYTES) as u64
}

/// Makes a record for the place `at` of [`ROOM_BYTES`] and a row.
pub(crate) fn frame(framed: &mut Vec<u8>, store: &StoreId, at: u64, number: u64) {
    let row_bytes = framed.len() - ROOM_BYTES;
    framed[..4].copy_from_slice(&MAGIC);
    framed[4..8].copy_from_slice(&(row_bytes as u32).to_le_bytes());
    framed[8..16].copy_from_slice(&number.to_le_bytes());
    // 16..20 stay zero.
    let sum = checksum(store, at, &framed[..20]);
    framed[20..ROOM_BYTES].copy_from_slice(&sum.to_le_bytes());
    framed.resize(record_bytes(row_bytes) as usize, 0);
}

/// The head of the record at the place `at`, if one begins there.
pub(crate) fn head(block: &[u8], store: &StoreId, at: u64) -> Option<Head> {
    let head = block.first_chunk::<ROOM_BYTES>()?;
    if !head.starts_with(&MAGIC) {
        return None;
    }
    let sum = u32::from_le_bytes(head[20..].try_into().ok()?);
    if sum != checksum(store, at, &head[..20]) {
        return None;
    }
    Some(Head {
        row_bytes: u32::from_le_bytes(head[4..8].try_into().ok()?) as usize,
        number: u64::from_le_bytes(head[8..16].try_into().ok()?),
    })
}

fn checksum(store: &StoreId, at: u64, head: &[u8]) -> u32 {
    let sum = crc32c::crc32c(store);
    let sum = crc32c::crc32c_append(sum, &at.to_le_bytes());
    crc32c::crc32c_append(sum, head)
}

/// A block with the file's header.
pub(crate) fn header_block(header: &Header, segment_bytes: u32) -> Vec<u8> {
    let mut block = header.encode(Kind::Log);
    block.extend_from_slice(&segment_bytes.to_le_bytes());
    block.extend_from_slice(&crc32c::crc32c(&block).to_le_bytes());
    block.resize(BLOCK_BYTES, 0);
    block
}

/// Header and bytes of a segment.
pub(crate) fn read_header_block(block: &[u8]) -> Result<(Header, u32), HeaderError> {
    let row = block.get(..HEADER_BYTES).ok_or(HeaderError::Damaged)?;
    let header = Header::decode(Kind::Log, row)?;
    let rest = &block[HEADER_BYTES..];
    let (size, rest) = rest.split_first_chunk().ok_or(HeaderError::Damaged)?;
    let (sum, _) = rest.split_first_chunk().ok_or(HeaderError::Damaged)?;
    let size = u32::from_le_bytes(*size);
    let is_whole = crc32c::crc32c(&block[..HEADER_BYTES + 4]) == u32::from_le_bytes(*sum);
    if !is_whole || size == 0 || !(size as usize).is_multiple_of(BLOCK_BYTES) {
        return Err(HeaderError::Damaged);
    }
    Ok((header, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(row: &[u8], at: u64) -> Vec<u8> {
        let mut framed = [&[0; ROOM_BYTES], row].concat();
        frame(&mut framed, &[7; 16], at, 42);
        framed
    }

    #[test]
    fn a_head_speaks_for_one_place_of_one_store_and_only_when_whole() {
        let record = record(&[9; 5000], 8192);
        assert_eq!(record.len(), 2 * BLOCK_BYTES);
        let expected = Head {
            number: 42,
            row_bytes: 5000,
        };
        assert_eq!(head(&record, &[7; 16], 8192), Some(expected));
        assert_eq!(head(&record, &[8; 16], 8192), None, "of another store");
        assert_eq!(head(&record, &[7; 16], 4096), None, "of another place");
        for bit in 0..ROOM_BYTES * 8 {
            let mut damaged = record.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(head(&damaged, &[7; 16], 8192), None, "bit {bit}");
        }
        assert_eq!(head(&[0; BLOCK_BYTES], &[0; 16], 0), None, "never written");
    }

    #[test]
    fn a_record_fills_whole_blocks_and_no_more_than_it_needs() {
        for (row, blocks) in [(1, 1), (4072, 1), (4073, 2), (8168, 2), (8169, 3)] {
            assert_eq!(
                record(&vec![1; row], 0).len(),
                blocks * BLOCK_BYTES,
                "{row}"
            );
        }
    }

    #[test]
    fn a_header_block_comes_back_and_every_flipped_bit_of_it_is_noticed() {
        let header = Header {
            store: [7; 16],
            incarnation: 3,
            watermark: 0,
        };
        let block = header_block(&header, 8192);
        assert_eq!(read_header_block(&block), Ok((header, 8192)));
        for bit in 0..(HEADER_BYTES + 8) * 8 {
            let mut bad = block.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read_header_block(&bad).is_err(), "bit {bit}");
        }
    }
}
