//! Finding records in the trees, wherever they lie.
//!
//! Owns the two places of a record in the tree of dialogs: the row that it shares with the small records of its dialog, or
//! one of its own. It is in one of them at most. Never writes.

use std::collections::VecDeque;
use std::ops::{Bound, RangeBounds};

use redb::{AccessGuard, ReadableTable, StorageError};

use crate::fault::{StoreFault, Trouble};
use crate::joint::{self, Joint};
use crate::stored;
use crate::table::{Table, Value};
use crate::tree::{Bytes, Shared, SharedKey};

/// What `decode` makes of a record of the tree of dialogs.
pub(crate) fn find<T>(
    rows: &impl ReadableTable<SharedKey, Bytes>,
    table: Table,
    key: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<T, StoreFault>,
) -> Result<Option<T>, Trouble> {
    let mut may_be_hidden = false;
    if let Some(group) = joint::group(key)
        && let Some(row) = SharedKey::with_tag(group, joint::TAG, |row| rows.get(row))?
    {
        let joint = Joint::parse(group, row.value());
        let rest = &key[group.len()..];
        if let Some(value) = joint.and_then(|joint| joint.find(table, rest)) {
            return Ok(Some(decode(value)?));
        }
        may_be_hidden = joint.is_none_or(|joint| joint.is_torn);
    }
    match SharedKey::with(table, key, |row| rows.get(row))? {
        Some(row) => Ok(Some(decode(row.value())?)),
        None if may_be_hidden => Err(corrupt(table, key)),
        None => Ok(None),
    }
}

fn corrupt(table: Table, key: &[u8]) -> Trouble {
    let key = key.to_vec();
    Trouble::Fault(StoreFault::Corrupt { table, key })
}

/// The records of one table in the tree of dialogs, from `from` on and before `to`, in the order of their keys.
pub(crate) fn range<'t>(
    rows: &'t impl ReadableTable<SharedKey, Bytes>,
    table: Table,
    from: &'t [u8],
    to: Bound<&'t [u8]>,
) -> Result<impl Iterator<Item = Result<(Vec<u8>, Value), Trouble>> + 't, Trouble> {
    // A joint row lies before all of its records but one with the very same key.
    let first = SharedKey::join(joint::group(from).unwrap_or(from), 0);
    // With the last key, if it belongs to them, all tags behind it.
    let last = match to {
        Bound::Included(to) => Bound::Included(SharedKey::join(to, u8::MAX)),
        to => to.map(|to| SharedKey::join(to, 0)),
    };
    let bounds = (
        Bound::Included(&first[..]),
        last.as_ref().map(Vec::as_slice),
    );
    let rows = rows.range::<&[u8]>(bounds)?;
    Ok(Records {
        rows,
        table,
        from,
        to,
        joint: VecDeque::new(),
        ready: VecDeque::new(),
    })
}

struct Records<'t, R> {
    rows: R,
    table: Table,
    from: &'t [u8],
    to: Bound<&'t [u8]>,
    /// Of the last joint row, what may come behind a record that lies alone.
    joint: VecDeque<(Vec<u8>, Value)>,
    ready: VecDeque<(Vec<u8>, Value)>,
}

type Row<'t> = (AccessGuard<'t, SharedKey>, AccessGuard<'t, Bytes>);

impl<'t, R: Iterator<Item = Result<Row<'t>, StorageError>>> Records<'_, R> {
    fn is_within(&self, key: &[u8]) -> bool {
        (Bound::Included(self.from), self.to).contains(key)
    }

    fn take(&mut self, row: &Row<'t>) -> Result<(), Trouble> {
        match SharedKey::split(row.0.value()) {
            Some(Shared::Alone(table, key)) if table == self.table && self.is_within(key) => {
                let before = self.joint.partition_point(|(joint, _)| **joint < *key);
                self.ready.extend(self.joint.drain(..before));
                let value = stored::decode_value(table, key, row.1.value())?;
                self.ready.push_back((key.to_vec(), value));
            }
            Some(Shared::Joint(group)) => {
                self.ready.append(&mut self.joint);
                let joint = Joint::parse(group, row.1.value()).filter(|joint| !joint.is_torn);
                let joint = joint.ok_or_else(|| corrupt(self.table, group))?;
                for record in joint.records().filter(|of| of.table == self.table) {
                    let key = [group, record.rest].concat();
                    if self.is_within(&key) {
                        let value = stored::decode_value(record.table, &key, record.value)?;
                        self.joint.push_back((key, value));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl<'t, R: Iterator<Item = Result<Row<'t>, StorageError>>> Iterator for Records<'_, R> {
    type Item = Result<(Vec<u8>, Value), Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(Ok(ready));
            }
            let Some(row) = self.rows.next() else {
                return self.joint.pop_front().map(Ok);
            };
            let taken = row.map_err(Trouble::from).and_then(|row| self.take(&row));
            if let Err(trouble) = taken {
                return Some(Err(trouble));
            }
        }
    }
}
