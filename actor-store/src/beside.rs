//! Rows that lie side by side in the tables, read together.
//!
//! Owns for how long what was read beside a row may be used: while the tables are the very same. Records in memory come
//! first, as for every read; see [`crate::Store::read_beside`].

use std::ops::{Bound, Range};

use redb::{ReadOnlyTable, ReadableTable};

use crate::fault::Trouble;
use crate::stored;
use crate::table::Table;
use crate::tree::{Bytes, SharedKey};

/// Rows read at a time: both ends of a dialog and its actor, and one more to see that there are no others.
const MOST: usize = 4;
/// Bytes of room that are kept for the next rows.
const KEPT_BYTES: usize = 16 * 1024;

/// What lay beside the row that was read last, copied where the rows before it lay. It belongs to one reader.
#[derive(Debug, Default)]
pub struct Beside {
    /// Of the tables; 0 before anything was read.
    view: u64,
    prefix: Vec<u8>,
    rows: Vec<Row>,
    /// Their keys and payloads.
    bytes: Vec<u8>,
    is_whole: bool,
}

#[derive(Debug)]
struct Row {
    table: Table,
    key: Range<usize>,
    /// `None` where it is damaged.
    payload: Option<Range<usize>>,
}

/// What is known of a row.
pub(crate) enum Known<'b> {
    /// Its payload, or that it is not there.
    Row(Option<&'b [u8]>),
    /// Nothing: it must be looked for.
    Nothing,
}

impl Beside {
    /// Reads the rows of the tree of dialogs whose keys begin with `prefix`.
    pub(crate) fn read(
        &mut self,
        view: u64,
        rows: &ReadOnlyTable<SharedKey, Bytes>,
        prefix: &[u8],
    ) -> Result<(), Trouble> {
        self.view = 0;
        self.rows.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.prefix.clear();
        self.prefix.extend_from_slice(prefix);
        self.is_whole = false;
        let found = SharedKey::with_tag(prefix, 0, |from| rows.lower_bound(Bound::Included(from)));
        let mut found = found?;
        while self.rows.len() < MOST {
            let Some((key, row)) = found.next()? else {
                self.is_whole = true;
                break;
            };
            let Some((table, of)) = SharedKey::split(key.value()) else {
                break;
            };
            if !of.starts_with(prefix) {
                self.is_whole = true;
                break;
            }
            let payload = stored::decode(table, of, row.value()).ok();
            let row = Row {
                table,
                key: self.keep(of),
                payload: payload.map(|(_, payload)| self.keep(payload)),
            };
            self.rows.push(row);
        }
        self.view = view;
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        from..self.bytes.len()
    }

    /// Do these rows begin with it, in this view?
    pub(crate) fn is_of(&self, view: u64, prefix: &[u8]) -> bool {
        self.view == view && self.prefix == prefix
    }

    pub(crate) fn find(&self, table: Table, key: &[u8]) -> Known<'_> {
        let mut rows = self.rows.iter();
        let row = rows.find(|row| row.table == table && self.bytes[row.key.clone()] == *key);
        match row.map(|row| row.payload.clone()) {
            Some(Some(payload)) => Known::Row(Some(&self.bytes[payload])),
            None if self.is_whole => Known::Row(None),
            _ => Known::Nothing,
        }
    }
}
