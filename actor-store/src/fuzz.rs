//! Doors to the readers of stored bytes, for fuzzers and checkers. Not for anybody else: they change without notice.
//!
//! Each takes bytes that anybody may have written, and gives them back as the reader understood them.

use std::sync::Arc;

use crate::batch::{self, Batch};
use crate::header::{Header, Kind};
use crate::joint::{self, Builder, GROUP_BYTES, Joint, Record};
use crate::key::Key;
use crate::stored;
use crate::table::{Table, Value};

/// Key and new value of one changed record.
pub type Change = (Table, Arc<[u8]>, Option<Value>);

/// A record of a shared row: its table, the rest of its key, its value as it would lie alone.
pub type Shared = (Table, Vec<u8>, Vec<u8>);

/// The number and the changes of a journal row; `None` if it is damaged.
pub fn journal_row(row: &[u8]) -> Option<(u64, Vec<Change>)> {
    let (number, changes) = batch::decode_row(row)?;
    let changes = changes.into_iter();
    let changes = changes.map(|(table, key, value)| (table, key.as_slice().into(), value));
    Some((number, changes.collect()))
}

/// The journal row of these changes.
pub fn encode_journal_row(number: u64, changes: &[Change]) -> Vec<u8> {
    let changes: Vec<_> = changes
        .iter()
        .map(|(table, key, value)| (*table, Key::from(&**key), value.clone()))
        .collect();
    Batch::new(Vec::new(), number, &changes, changes.len(), 0)
        .row()
        .to_vec()
}

/// The value in a row of a table; `None` if it is damaged or not of this key.
pub fn table_row(table: Table, key: &[u8], row: &[u8]) -> Option<Value> {
    stored::decode_value(table, key, row).ok()
}

/// The row of a value in a table.
pub fn encode_table_row(table: Table, key: &[u8], value: &Value) -> Vec<u8> {
    stored::encode(table, key, value)
}

/// The records of a row that a dialog's small records share; `None` if its head is damaged.
pub fn joint_row(group: &[u8; GROUP_BYTES], row: &[u8]) -> Option<Vec<Shared>> {
    let records = Joint::parse(group, row)?.records();
    let owned = |of: Record<'_>| (of.table, of.rest.to_vec(), of.value.to_vec());
    Some(records.map(owned).collect())
}

/// The row of as many of these as share one.
pub fn encode_joint_row(group: &[u8; GROUP_BYTES], records: &[Shared]) -> Vec<u8> {
    let (mut builder, mut row) = (Builder::default(), Vec::new());
    builder.begin(false);
    for (table, rest, value) in records {
        builder.take(Record {
            table: *table,
            rest,
            value,
        });
    }
    builder.encode(group, &mut row);
    row
}

/// Gives a mutated one the checksum that it should have.
pub fn seal_joint_row(group: &[u8; GROUP_BYTES], row: &mut [u8]) {
    joint::seal(group, row);
}

/// The header of a file as it would be written again; `None` if it is no header of the journal, or of the tables.
pub fn header_row(row: &[u8]) -> Option<Vec<u8>> {
    [Kind::Journal, Kind::Dialogs].into_iter().find_map(|kind| {
        let header = Header::decode(kind, row).ok()?;
        Some(header.encode(kind))
    })
}

/// The checksum of all rows and frames: a mutated one that is to be read further needs it anew.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// A header row of the journal.
pub fn encode_header_row(incarnation: u64) -> Vec<u8> {
    let header = Header {
        store: [7; 16],
        incarnation,
        watermark: 0,
    };
    header.encode(Kind::Journal)
}
