//! Ordered reads over several layers, the newer hiding the older.
//!
//! Owns the merging of memory with memory and of memory with a table. Never reads a file itself.

use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use crate::overlay::{Entry, Rows};
use crate::table::Value;

/// Records in memory within a range, deleted ones included: they hide the table's.
#[derive(Debug)]
pub(crate) struct Layered {
    pub(crate) records: Vec<(Arc<[u8]>, Option<Value>)>,
    /// Collecting ended early, with enough living records up to the last key here.
    pub(crate) is_cut_short: bool,
}

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
    newer: &Rows,
    older: Option<&Rows>,
    from: &[u8],
    to: Bound<&[u8]>,
    limit: usize,
) -> Layered {
    let mut records = Vec::new();
    if is_void(from, to) || limit == 0 {
        return Layered {
            records,
            is_cut_short: false,
        };
    }
    let range = (Bound::Included(from), to);
    let mut newer = newer.range::<[u8], _>(range).peekable();
    let mut older = older.map(|rows| rows.range::<[u8], _>(range).peekable());
    let mut living = 0;
    while let Some((key, entry)) = next_of_two(&mut newer, older.as_mut()) {
        records.push((Arc::clone(key), entry.value.clone()));
        living += usize::from(entry.value.is_some());
        if living == limit {
            return Layered {
                records,
                is_cut_short: true,
            };
        }
    }
    Layered {
        records,
        is_cut_short: false,
    }
}

type Item<'a> = (&'a Arc<[u8]>, &'a Entry);

fn next_of_two<'a, I: Iterator<Item = Item<'a>>>(
    newer: &mut Peekable<I>,
    older: Option<&mut Peekable<I>>,
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
pub(crate) fn over_table<E>(
    memory: Layered,
    table: impl Iterator<Item = Result<(Vec<u8>, Value), E>>,
    limit: usize,
) -> Result<Vec<(Vec<u8>, Value)>, E> {
    // Beyond the last key in memory nothing is known of newer records, and nothing is needed.
    let end = memory
        .is_cut_short
        .then(|| memory.records.last().map(|(key, _)| Arc::clone(key)))
        .flatten();
    let mut memory = memory.records.into_iter().peekable();
    let mut rows = Vec::new();
    for row in table {
        let (key, value) = row?;
        if rows.len() >= limit || end.as_ref().is_some_and(|end| key.as_slice() > &**end) {
            break;
        }
        while let Some((newer, newest)) = memory.next_if(|(newer, _)| **newer < *key) {
            rows.extend(newest.map(|value| (newer.to_vec(), value)));
        }
        match memory.next_if(|(newer, _)| **newer == *key) {
            Some((_, newest)) => rows.extend(newest.map(|value| (key, value))),
            None => rows.push((key, value)),
        }
    }
    while rows.len() < limit
        && let Some((key, newest)) = memory.next()
    {
        rows.extend(newest.map(|value| (key.to_vec(), value)));
    }
    rows.truncate(limit);
    Ok(rows)
}
