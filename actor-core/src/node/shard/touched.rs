//! What a transaction has touched: few things, in order, each once.
//!
//! Owns the order in which endpoints are flushed and written, which is that of their keys wherever it runs.

use smallvec::SmallVec;

/// A small ordered set. A message touches one or two endpoints; a tree would cost an allocation for each set of them.
#[derive(Debug, Clone)]
pub(super) struct Touched<T>(SmallVec<[T; 2]>);

impl<T> Default for Touched<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T: Ord + Copy> Touched<T> {
    pub(super) fn reserve(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// True if it was not there.
    pub(super) fn insert(&mut self, item: T) -> bool {
        match self.0.binary_search(&item) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, item);
                true
            }
        }
    }

    pub(super) fn contains(&self, item: T) -> bool {
        self.0.binary_search(&item).is_ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// One after the other, also while others are added.
    pub(super) fn get(&self, at: usize) -> Option<T> {
        self.0.get(at).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.0.iter().copied()
    }
}

impl<T> IntoIterator for Touched<T> {
    type Item = T;
    type IntoIter = smallvec::IntoIter<[T; 2]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Ord + Copy> Extend<T> for Touched<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.insert(item);
        }
    }
}
