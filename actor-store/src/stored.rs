//! How a value lies in a table: checksum, index fields, payload.
//!
//! Owns this layout. A row that does not match its checksum, or lies under another key than it was
//! written for, is an error and never a value.

use crate::fault::StoreFault;
use crate::table::{Index, Table, Value};

const SUM_BYTES: usize = 4;
const FLAG_DEADLINE: u8 = 1;
const FLAG_BUSY: u8 = 2;

/// `crc32c | flags | deadline, if any | payload`; the checksum covers table, key and all that follows it. In place of
/// whatever was in `row`.
pub(crate) fn encode_into(table: Table, key: &[u8], value: &Value, row: &mut Vec<u8>) {
    row.clear();
    row.extend_from_slice(&[0; SUM_BYTES]);
    put_index(row, value.index);
    row.extend_from_slice(&value.bytes);
    let sum = checksum(table, key, &row[SUM_BYTES..]);
    row[..SUM_BYTES].copy_from_slice(&sum.to_le_bytes());
}

/// The same as a row of its own.
#[cfg(any(test, feature = "test-util"))]
pub(crate) fn encode(table: Table, key: &[u8], value: &Value) -> Vec<u8> {
    let mut row = Vec::new();
    encode_into(table, key, value, &mut row);
    row
}

/// Index fields and payload of a row, its checksum verified.
pub(crate) fn decode<'a>(
    table: Table,
    key: &[u8],
    row: &'a [u8],
) -> Result<(Index, &'a [u8]), StoreFault> {
    let parse = || {
        let (sum, rest) = row.split_first_chunk::<SUM_BYTES>()?;
        if u32::from_le_bytes(*sum) != checksum(table, key, rest) {
            return None;
        }
        take_index(rest)
    };
    parse().ok_or_else(|| StoreFault::Corrupt {
        table,
        key: key.to_vec(),
    })
}

/// The same as a value of its own.
pub(crate) fn decode_value(table: Table, key: &[u8], row: &[u8]) -> Result<Value, StoreFault> {
    let (index, payload) = decode(table, key, row)?;
    Ok(Value {
        bytes: payload.into(),
        index,
    })
}

fn checksum(table: Table, key: &[u8], rest: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&[table.tag()]);
    // The length keeps a byte from moving between key and value unnoticed.
    let sum = crc32c::crc32c_append(sum, &(key.len() as u64).to_le_bytes());
    let sum = crc32c::crc32c_append(sum, key);
    crc32c::crc32c_append(sum, rest)
}

pub(crate) fn put_index(out: &mut Vec<u8>, index: Index) {
    let mut flags = 0;
    if index.deadline.is_some() {
        flags |= FLAG_DEADLINE;
    }
    if index.busy {
        flags |= FLAG_BUSY;
    }
    out.push(flags);
    if let Some(deadline) = index.deadline {
        out.extend_from_slice(&deadline.to_le_bytes());
    }
}

pub(crate) fn take_index(bytes: &[u8]) -> Option<(Index, &[u8])> {
    let (flags, mut rest) = bytes.split_first()?;
    if flags & !(FLAG_DEADLINE | FLAG_BUSY) != 0 {
        return None;
    }
    let mut deadline = None;
    if flags & FLAG_DEADLINE != 0 {
        let (time, after) = rest.split_first_chunk()?;
        deadline = Some(u64::from_le_bytes(*time));
        rest = after;
    }
    let busy = flags & FLAG_BUSY != 0;
    Some((Index { deadline, busy }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value() -> Value {
        Value {
            bytes: (*b"payload").into(),
            index: Index {
                deadline: Some(77),
                busy: true,
            },
        }
    }

    #[test]
    fn a_value_comes_back_with_its_index() {
        let row = encode(Table::Actors, b"key", &value());
        assert_eq!(decode_value(Table::Actors, b"key", &row), Ok(value()));
    }

    #[test]
    fn a_flipped_bit_another_key_or_another_table_is_an_error() {
        let row = encode(Table::Actors, b"key", &value());
        for bit in 0..row.len() * 8 {
            let mut bad = row.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(Table::Actors, b"key", &bad).is_err(), "bit {bit}");
        }
        assert!(decode(Table::Actors, b"kez", &row).is_err());
        assert!(decode(Table::App, b"key", &row).is_err());
        let fault = decode(Table::App, b"key", &row).unwrap_err().to_string();
        assert!(
            fault.contains("`app`") && fault.contains("0x6b6579"),
            "{fault}"
        );
    }
}
