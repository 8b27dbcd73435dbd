//! The records that share a row, read together.
//!
//! Owns for how long what was read beside a record may be used: while the tables are the very same. Records in memory come
//! first, as for every read; see [`crate::Store::read_beside`].

use std::ops::{Bound, Range};

use redb::{ReadOnlyTable, ReadableTable};

use crate::fault::Trouble;
use crate::joint::{self, Joint};
use crate::stored;
use crate::table::Table;
use crate::tree::{Bytes, SharedKey};

/// Bytes of room that are kept for the next row.
const KEPT_BYTES: usize = 16 * 1024;

/// What lay beside the record that was read last, copied where that before it lay. It belongs to one reader.
#[derive(Debug, Default)]
pub struct Beside {
    /// Of the tables; 0 before anything was read.
    view: u64,
    group: Vec<u8>,
    records: Vec<Place>,
    /// The rests of their keys, behind the group, and their payloads.
    bytes: Vec<u8>,
    /// Nothing of the group is in the tables: it is a new dialog's.
    is_nothing: bool,
}

#[derive(Debug)]
struct Place {
    table: Table,
    rest: Range<usize>,
    payload: Range<usize>,
}

/// What is known of a record.
pub(crate) enum Known<'b> {
    Payload(&'b [u8]),
    Absent,
    /// It may lie alone, or be damaged: whoever looks for it hears it.
    Nothing,
}

impl Beside {
    /// Reads the row that the small records of this group share.
    pub(crate) fn read(
        &mut self,
        view: u64,
        rows: &ReadOnlyTable<SharedKey, Bytes>,
        group: &[u8],
    ) -> Result<(), Trouble> {
        self.view = 0;
        self.records.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.group.clear();
        self.group.extend_from_slice(group);
        let row = SharedKey::with_tag(group, joint::TAG, |row| rows.get(row))?;
        self.is_nothing = row.is_none() && is_nothing_there(rows, group)?;
        let joint = row
            .as_ref()
            .and_then(|row| Joint::parse(group, row.value()));
        for record in joint.into_iter().flat_map(Joint::records) {
            self.group.truncate(group.len());
            self.group.extend_from_slice(record.rest);
            if let Ok((_, payload)) = stored::decode(record.table, &self.group, record.value) {
                let place = Place {
                    table: record.table,
                    rest: self.keep(record.rest),
                    payload: self.keep(payload),
                };
                self.records.push(place);
            }
        }
        self.group.truncate(group.len());
        self.view = view;
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        from..self.bytes.len()
    }

    /// Is this what the row of the group was in this view?
    pub(crate) fn is_of(&self, view: u64, group: &[u8]) -> bool {
        self.view == view && self.group == group
    }

    /// What is known of a record of the group.
    pub(crate) fn find(&self, table: Table, rest: &[u8]) -> Known<'_> {
        let mut records = self.records.iter();
        let place = records.find(|of| of.table == table && self.bytes[of.rest.clone()] == *rest);
        match place {
            Some(place) => Known::Payload(&self.bytes[place.payload.clone()]),
            None if self.is_nothing => Known::Absent,
            None => Known::Nothing,
        }
    }
}

/// Whether no key begins with the group.
fn is_nothing_there(rows: &ReadOnlyTable<SharedKey, Bytes>, group: &[u8]) -> Result<bool, Trouble> {
    let from = SharedKey::with_tag(group, 0, |from| rows.lower_bound(Bound::Included(from)));
    let next = from?.next()?;
    Ok(next.is_none_or(|(key, _)| !key.value().starts_with(group)))
}
