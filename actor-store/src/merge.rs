//! Ordered reads over several layers, the newer hiding the older.
//!
//! Owns the merging of memory with memory and of memory with a table. Never reads a file itself.

use std::iter::Peekable;
use std::ops::Bound;

use crate::key::Key;
use crate::overlay::Entry;
use crate::records::{Range, Records};
use crate::table::Value;

/// Records in memory within a range, in order, deleted ones included: they hide the table's.
pub(crate) type Layered = Vec<(Key, Option<Value>)>;

/// Whether `[from, to)` can hold no key; ordered maps panic on such a range.
pub(crate) fn is_void(from: &[u8], to: Bound<&[u8]>) -> bool {
    match to {
        Bound::Unbounded => false,
        Bound::Included(to) => from > to,
        Bound::Excluded(to) => from >= to,
    }
}

/// The two layers merged, up to `limit` living records. Memory only, so it may run under a lock.
pub(crate) fn layered(
    newer: &Records,
    older: Option<&Records>,
    from: &[u8],
    to: Bound<&[u8]>,
    limit: usize,
) -> Layered {
    let mut records = Vec::new();
    if is_void(from, to) {
        return records;
    }
    let from = Bound::Included(from);
    let mut newer = newer.range(from, to).peekable();
    let mut older = older.map(|rows| rows.range(from, to).peekable());
    let mut living = 0;
    while living < limit
        && let Some((key, entry)) = next_of_two(&mut newer, older.as_mut())
    {
        records.push((key.clone(), entry.value.clone()));
        living += usize::from(entry.value.is_some());
    }
    records
}

type Item<'a> = (&'a Key, &'a Entry);

fn next_of_two<'a>(
    newer: &mut Peekable<Range<'a>>,
    older: Option<&mut Peekable<Range<'a>>>,
) -> Option<Item<'a>> {
    let Some(older) = older else {
        return newer.next();
    };
    match (newer.peek(), older.peek()) {
        (Some(a), Some(b)) if b.0 < a.0 => older.next(),
        (Some(a), Some(b)) => {
            if a.0 == b.0 {
                older.next();
            }
            newer.next()
        }
        (Some(_), None) => newer.next(),
        (None, _) => older.next(),
    }
}

/// The records of memory over those of a table, both in order, up to `limit` rows.
///
/// Memory may have been cut short at `limit` living records: whatever the table has behind the last of
/// them comes too late for this range.
pub(crate) fn over_table<E>(
    memory: Layered,
    table: impl Iterator<Item = Result<(Vec<u8>, Value), E>>,
    limit: usize,
) -> Result<Vec<(Vec<u8>, Value)>, E> {
    let mut memory = memory.into_iter().peekable();
    let mut rows = Vec::new();
    for row in table {
        let (key, value) = row?;
        while let Some((newer, newest)) = memory.next_if(|(newer, _)| *newer.as_slice() < *key) {
            rows.extend(newest.map(|value| (newer.as_slice().to_vec(), value)));
        }
        match memory.next_if(|(newer, _)| *newer.as_slice() == *key) {
            Some((_, newest)) => rows.extend(newest.map(|value| (key, value))),
            None => rows.push((key, value)),
        }
        if rows.len() >= limit {
            break;
        }
    }
    for (key, newest) in memory {
        rows.extend(newest.map(|value| (key.as_slice().to_vec(), value)));
    }
    rows.truncate(limit);
    Ok(rows)
}
