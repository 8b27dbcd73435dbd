//! Cells on shelves: what a shard has in memory, in parts that are gone through one at a time.
//!
//! Owns which part a cell lies in. One table of tens of thousands of cells is swept, and grows, in one go, and every
//! message waits meanwhile; a part of it is done with between two messages. Both ends of a dialog and its actor lie on
//! shelves of the same number.

use std::{collections::hash_map, hash::Hash};

use foldhash::{HashMap, HashMapExt};

use crate::{node::address::Address, protocol::DialogId};

/// Shelves, a power of two.
pub(super) const SHELVES: usize = 64;

/// A key that tells its shelf.
pub(super) trait Shelved: Copy + Eq + Hash {
    fn shelf(self) -> usize;
}

impl Shelved for DialogId {
    fn shelf(self) -> usize {
        let [.., last] = self.0;
        usize::from(last) % SHELVES
    }
}

impl Shelved for Address {
    fn shelf(self) -> usize {
        self.key.dialog.shelf()
    }
}

/// Cells by key.
#[derive(Debug)]
pub(super) struct Shelves<K, V> {
    shelves: Box<[HashMap<K, V>]>,
    len: usize,
}

impl<K: Shelved, V> Shelves<K, V> {
    pub(super) fn new() -> Self {
        Self {
            shelves: (0..SHELVES).map(|_| HashMap::new()).collect(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.shelves[key.shelf()].get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.shelves[key.shelf()].get_mut(key)
    }

    pub(super) fn contains_key(&self, key: &K) -> bool {
        self.shelves[key.shelf()].contains_key(key)
    }

    pub(super) fn insert(&mut self, key: K, cell: V) -> Option<V> {
        let old = self.shelves[key.shelf()].insert(key, cell);
        self.len += usize::from(old.is_none());
        old
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.shelves[key.shelf()].remove(key);
        self.len -= usize::from(old.is_some());
        old
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shelves.iter().flatten()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.shelves.iter().flat_map(HashMap::keys)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.shelves.iter_mut().flat_map(HashMap::values_mut)
    }

    /// The cells of one shelf.
    pub(super) fn on(&self, shelf: usize) -> hash_map::Iter<'_, K, V> {
        self.shelves[shelf].iter()
    }

    /// Keeps what `is_kept` says of one shelf.
    pub(super) fn retain_on(&mut self, shelf: usize, is_kept: impl FnMut(&K, &mut V) -> bool) {
        let cells = &mut self.shelves[shelf];
        let before = cells.len();
        cells.retain(is_kept);
        self.len -= before - cells.len();
    }
}
