//! The records of one table in one generation.
//!
//! Owns how they are found: by hash where single records are asked for, in order where applications ask for ranges. Where
//! a hashed table must be gone through in order, its keys are sorted once, and again only after another key came or went.

use std::collections::{BTreeMap, HashMap, btree_map, hash_map};
use std::ops::Bound;
use std::slice;
use std::sync::{Arc, OnceLock};

use crate::key::{Key, KeyHash};
use crate::overlay::Entry;
use crate::table::Table;

/// Records for which room is made at once because somebody expects them.
const MAX_ESTIMATED: usize = 1_000_000;

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

    /// Puts them in order now, so that whoever goes through them next need not.
    pub(crate) fn sort(&self) {
        self.range(Bound::Unbounded, Bound::Unbounded);
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
