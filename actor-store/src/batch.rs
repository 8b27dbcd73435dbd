//! One commit's worth of writes, as one journal row.
//!
//! Owns the layout of a row: `crc32c | batch number | entries`, each entry `table | flags | key | value`
//! with lengths before the bytes. Never orders or filters entries; the overlay has done that.

use crate::key::Key;
use crate::log_record;
use crate::stored;
use crate::table::{Index, Table, Value};

/// Bytes left free before a row, for whoever frames it: a journal that writes a record at once copies nothing.
pub(crate) const ROOM_BYTES: usize = 24;
const SUM_BYTES: usize = 4;
const HEAD_BYTES: usize = SUM_BYTES + 8;
/// Bytes of room that are kept for the next row.
const KEPT_BYTES: usize = 1024 * 1024;
/// Set in an entry's table byte when it deletes; a value follows otherwise.
const DELETES: u8 = 0x80;

/// Key and new value of one changed record.
pub(crate) type Change = (Table, Key, Option<Value>);

/// All writes published between two cuts, ready to be committed as one.
#[derive(Debug)]
#[must_use = "a batch that is not committed stops the store at the next commit"]
pub struct Batch {
    number: u64,
    /// [`ROOM_BYTES`] and the row.
    framed: Vec<u8>,
    row_bytes: usize,
    entries: usize,
    unsynced_bytes: u64,
}

impl Batch {
    /// `count` of changes, and the bytes of their keys and values; `row` is empty, and has room if it can.
    pub(crate) fn new<'c>(
        mut row: Vec<u8>,
        number: u64,
        changes: impl IntoIterator<Item = &'c Change>,
        count: usize,
        unsynced_bytes: u64,
    ) -> Self {
        // 16: table, flags and two lengths, with room for a deadline.
        let size = ROOM_BYTES + HEAD_BYTES + unsynced_bytes as usize + 16 * count;
        // Room behind it, too: a log fills its last block.
        row.reserve(size.next_multiple_of(log_record::BLOCK_BYTES));
        row.extend_from_slice(&[0; ROOM_BYTES + SUM_BYTES]);
        row.extend_from_slice(&number.to_le_bytes());
        for (table, key, value) in changes {
            put_entry(&mut row, *table, key.as_slice(), value.as_ref());
        }
        let sum = crc32c::crc32c(&row[ROOM_BYTES + SUM_BYTES..]);
        row[ROOM_BYTES..ROOM_BYTES + SUM_BYTES].copy_from_slice(&sum.to_le_bytes());
        Self {
            number,
            row_bytes: row.len() - ROOM_BYTES,
            framed: row,
            entries: count,
            unsynced_bytes,
        }
    }

    /// Nothing was published since the last cut: committing it costs nothing.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes of the journal row.
    pub fn bytes(&self) -> usize {
        if self.is_empty() { 0 } else { self.row_bytes }
    }

    /// Records changed.
    pub fn records(&self) -> usize {
        self.entries
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn row(&self) -> &[u8] {
        &self.framed[ROOM_BYTES..ROOM_BYTES + self.row_bytes]
    }

    /// The row with [`ROOM_BYTES`] before it, for whoever writes it to fill and to pad.
    pub(crate) fn framed(&mut self) -> &mut Vec<u8> {
        &mut self.framed
    }

    pub(crate) fn unsynced_bytes(&self) -> u64 {
        self.unsynced_bytes
    }

    /// The room in which it lay, empty, once nobody wants it any more.
    pub(crate) fn into_room(mut self) -> Vec<u8> {
        self.framed.clear();
        self.framed.shrink_to(KEPT_BYTES);
        self.framed
    }
}

/// Whether a row matches its checksum.
pub(crate) fn is_whole(row: &[u8]) -> bool {
    row.split_first_chunk::<SUM_BYTES>()
        .is_some_and(|(sum, rest)| u32::from_le_bytes(*sum) == crc32c::crc32c(rest))
}

/// The number of a row's batch; `None` if the row is damaged.
pub(crate) fn number(row: &[u8]) -> Option<u64> {
    is_whole(row).then(|| number_of(row))?
}

/// The number of the batch of a row that matches its checksum.
pub(crate) fn number_of(row: &[u8]) -> Option<u64> {
    let number = row.get(SUM_BYTES..)?.first_chunk()?;
    Some(u64::from_le_bytes(*number))
}

/// Number of a row's batch and its changes; `None` if the row is damaged.
#[cfg(any(test, feature = "test-util"))]
pub(crate) fn decode_row(row: &[u8]) -> Option<(u64, Vec<Change>)> {
    let number = number(row)?;
    let changes = entries(row)?.map(|entry| {
        let entry = entry?;
        Some((entry.table, entry.key.into(), entry.value()))
    });
    Some((number, changes.collect::<Option<_>>()?))
}

/// A change as it lies in a row.
#[derive(Debug)]
pub(crate) struct Entry<'r> {
    pub(crate) table: Table,
    pub(crate) key: &'r [u8],
    /// `None`: deleted.
    value: Option<(Index, &'r [u8])>,
}

impl Entry<'_> {
    /// What it becomes; `None` if it is deleted.
    pub(crate) fn value(&self) -> Option<Value> {
        let (index, bytes) = self.value?;
        let bytes = bytes.into();
        Some(Value { bytes, index })
    }
}

/// The changes of a row that matches its checksum; `None` in place of one that makes no sense, after which there are no
/// more.
pub(crate) fn entries(row: &[u8]) -> Option<impl Iterator<Item = Option<Entry<'_>>>> {
    let mut rest = row.get(HEAD_BYTES..)?;
    Some(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = take_entry(&mut rest);
        if entry.is_none() {
            rest = &[];
        }
        Some(entry)
    }))
}

fn put_entry(row: &mut Vec<u8>, table: Table, key: &[u8], value: Option<&Value>) {
    let Some(value) = value else {
        row.push(table.tag() | DELETES);
        put_bytes(row, key);
        return;
    };
    row.push(table.tag());
    put_bytes(row, key);
    stored::put_index(row, value.index);
    put_bytes(row, &value.bytes);
}

fn take_entry<'r>(rest: &mut &'r [u8]) -> Option<Entry<'r>> {
    let (tag, after) = rest.split_first()?;
    *rest = after;
    let table = Table::from_tag(tag & !DELETES)?;
    let key = take_bytes(rest)?;
    let mut value = None;
    if tag & DELETES == 0 {
        let (index, after) = stored::take_index(rest)?;
        *rest = after;
        value = Some((index, take_bytes(rest)?));
    }
    Some(Entry { table, key, value })
}

// Lengths in groups of seven bits, lowest first: one byte for nearly every key.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut left = bytes.len();
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
    out.extend_from_slice(bytes);
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut len: u64 = 0;
    let mut shift = 0;
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        len |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
        if shift > 56 {
            return None;
        }
    }
    let (bytes, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = after;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Vec<Change> {
        let long = Value {
            bytes: vec![5; 70_000].into(),
            index: Index {
                deadline: Some(u64::MAX),
                busy: true,
            },
        };
        vec![
            (Table::App, Key::from(&b""[..]), Some(Value::new(*b""))),
            (Table::Inbox, Key::from(&[0; 300][..]), None),
            (Table::Node, Key::from(&b"k"[..]), Some(long)),
        ]
    }

    #[test]
    fn a_row_comes_back_as_it_was_and_any_damage_is_noticed() {
        let batch = Batch::new(Vec::new(), 42, &changes(), 3, 0);
        assert_eq!(decode_row(batch.row()), Some((42, changes())));
        for at in (0..batch.row().len()).step_by(97).chain(0..64) {
            let mut bad = batch.row().to_vec();
            bad[at] ^= 1;
            assert_eq!(decode_row(&bad), None, "byte {at}");
            assert_eq!(decode_row(&batch.row()[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_small_change_costs_four_bytes_besides_key_and_value() {
        let one = [(
            Table::Actors,
            Key::from(&b"key"[..]),
            Some(Value::new(*b"value")),
        )];
        assert_eq!(
            Batch::new(Vec::new(), 1, &one, 1, 8).bytes(),
            HEAD_BYTES + 4 + 8
        );
    }
}
