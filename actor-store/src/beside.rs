//! Rows that lie side by side in the tables, read together.
//!
//! Owns for how long what was read beside a row may be used: while the tables are the very same. Records in memory come
//! first, as for every read; see [`crate::Store::get_beside`].

use std::ops::Bound;

use redb::{ReadOnlyTable, ReadableTable};

use crate::fault::Trouble;
use crate::stored;
use crate::table::{Table, Value};
use crate::tree::{Bytes, SharedKey};

/// Rows read at a time: both ends of a dialog and its actor, and one more to see that there are no others.
const MOST: usize = 4;

/// What lay beside the row that was read last. It belongs to one reader.
#[derive(Debug, Default)]
pub struct Beside {
    /// Of the tables; 0 before anything was read.
    pub(crate) view: u64,
    prefix: Vec<u8>,
    /// Keys in their tree, and values; none where the row is damaged.
    rows: Vec<(Vec<u8>, Option<Value>)>,
    is_whole: bool,
}

/// What is known of a row.
pub(crate) enum Known {
    /// That it is there, or that it is not.
    Row(Option<Value>),
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
            let value = stored::decode_value(table, of, row.value()).ok();
            self.rows.push((key.value().to_vec(), value));
        }
        self.view = view;
        Ok(())
    }

    /// Do these rows begin with it, in this view?
    pub(crate) fn is_of(&self, view: u64, prefix: &[u8]) -> bool {
        self.view == view && self.prefix == prefix
    }

    pub(crate) fn find(&self, table: Table, key: &[u8]) -> Known {
        let row = SharedKey::with(table, key, |key| {
            self.rows.iter().find(|(known, _)| known == key)
        });
        match row {
            Some((_, Some(value))) => Known::Row(Some(value.clone())),
            None if self.is_whole => Known::Row(None),
            _ => Known::Nothing,
        }
    }
}
