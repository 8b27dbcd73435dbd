//! The records of one table in one generation.
//!
//! Owns how they are found: by hash where single records are asked for, in order where applications ask for ranges. Where
//! a hashed table must be gone through in order, its keys are sorted once, and again only after another key came or went.
//! Sorting and freeing many of them takes tens of milliseconds: whoever does it for a fold does it piece by piece.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, binary_heap, btree_map, hash_map};
use std::ops::Bound;
use std::slice;
use std::sync::{Arc, OnceLock};

use crate::key::{Key, KeyHash};
use crate::overlay::Entry;
use crate::table::Table;

/// Records for which room is made at once because somebody expects them.
const MAX_ESTIMATED: usize = 1_000_000;
/// Records that are sorted or freed between two pauses: a quarter of a millisecond of work.
const PIECE_RECORDS: usize = 256;

#[derive(Clone, Debug)]
pub(crate) enum Records {
    Hashed {
        map: HashMap<Key, Entry, KeyHash>,
        sorted: OnceLock<Arc<[Key]>>,
    },
    Ordered(BTreeMap<Key, Entry>),
}

impl Records {
    pub(crate) fn of(table: Table) -> Self {
        match table {
            Table::Endpoints | Table::Actors | Table::Inbox | Table::Outbox => Self::Hashed {
                map: HashMap::default(),
                sorted: OnceLock::new(),
            },
            Table::Node | Table::Types | Table::Keys | Table::DeadLetters | Table::App => {
                Self::Ordered(BTreeMap::new())
            }
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Entry> {
        match self {
            Self::Hashed { map, .. } => map.get(key),
            Self::Ordered(map) => map.get(key),
        }
    }

    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut Entry> {
        match self {
            Self::Hashed { map, .. } => map.get_mut(key),
            Self::Ordered(map) => map.get_mut(key),
        }
    }

    pub(crate) fn insert(&mut self, key: Key, entry: Entry) -> Option<Entry> {
        match self {
            Self::Hashed { map, sorted } => {
                sorted.take();
                map.insert(key, entry)
            }
            Self::Ordered(map) => map.insert(key, entry),
        }
    }

    /// Puts what `new` makes of the record that is there, if it makes anything. Looks once.
    pub(crate) fn put(&mut self, key: Key, new: impl FnOnce(Option<&Entry>) -> Option<Entry>) {
        match self {
            Self::Hashed { map, sorted } => {
                sorted.take();
                match map.entry(key) {
                    hash_map::Entry::Occupied(mut known) => {
                        let new = new(Some(known.get()));
                        new.map(|new| known.insert(new));
                    }
                    hash_map::Entry::Vacant(free) => {
                        let new = new(None);
                        new.map(|new| free.insert(new));
                    }
                }
            }
            Self::Ordered(map) => match map.entry(key) {
                btree_map::Entry::Occupied(mut known) => {
                    let new = new(Some(known.get()));
                    new.map(|new| known.insert(new));
                }
                btree_map::Entry::Vacant(free) => {
                    let new = new(None);
                    new.map(|new| free.insert(new));
                }
            },
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        match self {
            Self::Hashed { map, sorted } => {
                sorted.take();
                map.remove(key);
            }
            Self::Ordered(map) => {
                map.remove(key);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Hashed { map, .. } => map.len(),
            Self::Ordered(map) => map.len(),
        }
    }

    /// Room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        if let Self::Hashed { map, .. } = self {
            map.reserve(more);
        }
    }

    /// Room for as many as there will be, if there is none for one more: `estimate` says how many, from how many there
    /// are. A table that grows step by step moves each record twice.
    pub(crate) fn make_room(&mut self, estimate: impl FnOnce(usize) -> usize) {
        if let Self::Hashed { map, .. } = self
            && map.len() == map.capacity()
        {
            let estimate = estimate(map.len()).min(MAX_ESTIMATED);
            map.reserve(estimate.saturating_sub(map.len()).max(1));
        }
    }

    /// Calls `each` with all records, in no order that means anything.
    pub(crate) fn each<'r>(&'r self, mut each: impl FnMut(&'r Key, &'r Entry)) {
        match self {
            Self::Hashed { map, .. } => map.iter().for_each(|(key, entry)| each(key, entry)),
            Self::Ordered(map) => map.iter().for_each(|(key, entry)| each(key, entry)),
        }
    }

    /// Puts them in order now, so that whoever goes through them next need not. Calls `pause` between pieces; somebody
    /// else may go through them meanwhile.
    pub(crate) fn sort(&self, pause: &dyn Fn()) {
        if let Self::Hashed { map, sorted } = self
            && sorted.get().is_none()
        {
            let _ = sorted.set(sorted_in_pieces(map, pause));
        }
    }

    /// The same in one go, which is faster, where there is nobody to let through.
    pub(crate) fn sort_at_once(&self) {
        self.range(Bound::Unbounded, Bound::Unbounded);
    }

    /// Frees them, and calls `pause` between pieces.
    pub(crate) fn free(self, pause: &dyn Fn()) {
        match self {
            Self::Hashed { map, sorted } => {
                drop(sorted);
                drop_each(map.into_iter(), pause);
            }
            Self::Ordered(map) => drop_each(map.into_iter(), pause),
        }
    }

    /// Records within the bounds, in the order of their keys. The caller sees to it that the bounds are in order, too.
    pub(crate) fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Range<'_> {
        match self {
            Self::Ordered(map) => Range::Ordered(map.range::<[u8], _>((from, to))),
            Self::Hashed { map, sorted } => {
                let keys = sorted.get_or_init(|| {
                    let mut keys: Vec<_> = map.keys().cloned().collect();
                    keys.sort_unstable();
                    keys.into()
                });
                let start = match from {
                    Bound::Unbounded => 0,
                    Bound::Included(from) => keys.partition_point(|key| key.as_slice() < from),
                    Bound::Excluded(from) => keys.partition_point(|key| key.as_slice() <= from),
                };
                let end = match to {
                    Bound::Unbounded => keys.len(),
                    Bound::Included(to) => keys.partition_point(|key| key.as_slice() <= to),
                    Bound::Excluded(to) => keys.partition_point(|key| key.as_slice() < to),
                };
                Range::Hashed {
                    keys: keys[start..end.max(start)].iter(),
                    map,
                }
            }
        }
    }
}

/// Sorts pieces and merges them.
fn sorted_in_pieces(map: &HashMap<Key, Entry, KeyHash>, pause: &dyn Fn()) -> Arc<[Key]> {
    let mut keys = Vec::with_capacity(map.len());
    for key in map.keys() {
        keys.push(key.clone());
        if keys.len().is_multiple_of(PIECE_RECORDS) {
            pause();
        }
    }
    let mut pieces = Vec::new();
    for piece in keys.chunks_mut(PIECE_RECORDS) {
        piece.sort_unstable();
        pieces.push(piece.iter());
        pause();
    }
    let mut least = BinaryHeap::with_capacity(pieces.len());
    for (at, piece) in pieces.iter_mut().enumerate() {
        least.extend(piece.next().map(|key| Reverse((key, at))));
    }
    let mut sorted = Vec::with_capacity(map.len());
    while let Some(mut top) = least.peek_mut() {
        let Reverse((key, at)) = &mut *top;
        sorted.push((*key).clone());
        match pieces[*at].next() {
            Some(next) => *key = next,
            None => drop(binary_heap::PeekMut::pop(top)),
        }
        if sorted.len().is_multiple_of(PIECE_RECORDS) {
            pause();
        }
    }
    sorted.into()
}

fn drop_each<T>(records: impl Iterator<Item = T>, pause: &dyn Fn()) {
    for (count, record) in (1_usize..).zip(records) {
        drop(record);
        if count.is_multiple_of(PIECE_RECORDS) {
            pause();
        }
    }
}

/// See [`Records::range`].
#[derive(Debug)]
pub(crate) enum Range<'r> {
    Ordered(btree_map::Range<'r, Key, Entry>),
    Hashed {
        keys: slice::Iter<'r, Key>,
        map: &'r HashMap<Key, Entry, KeyHash>,
    },
}

impl<'r> Iterator for Range<'r> {
    type Item = (&'r Key, &'r Entry);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Ordered(range) => range.next(),
            Self::Hashed { keys, map } => {
                let key = keys.next()?;
                Some((key, map.get(key)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn whoever_sorts_and_frees_many_records_pauses_after_each_piece() {
        let count = 3 * PIECE_RECORDS + 7;
        for table in [Table::Endpoints, Table::App] {
            let mut records = Records::of(table);
            for n in 0..count as u64 {
                let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
                records.insert(Key::from(&key[..]), Entry::recovered(n, None));
            }
            let pauses = Cell::new(0);
            let pause = || pauses.set(pauses.get() + 1);
            records.sort(&pause);
            if table == Table::Endpoints {
                // Keys are read, pieces sorted, and pieces merged.
                assert_eq!(pauses.take(), 3 + 4 + 3);
            }
            let keys = || records.range(Bound::Unbounded, Bound::Unbounded);
            assert!(keys().map(|(key, _)| key).is_sorted());
            assert_eq!(keys().count(), count);
            records.sort(&pause);
            assert_eq!(pauses.get(), 0, "they are in order");
            records.free(&pause);
            assert_eq!(pauses.get(), 3);
        }
    }
}
