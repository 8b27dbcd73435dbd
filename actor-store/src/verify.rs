//! Looking at every row of the tables while the store is in use.
//!
//! A value carries its own checksum and is verified wherever it is read. What no read notices is a page that should name
//! rows and does not, and a key that is another: such rows look as if they had never been. Owns the search for them, slice
//! by slice, between the chunks of the fold: every row must match its checksum, which covers its key; going through a tree must meet its keys in ascending order, looking up each of them must find the
//! same row, and their number must be the one that the tree's root states. Holds no view of the tables between slices, so
//! it keeps no page from being used again; what a fold changes behind it is counted instead. Never changes a row.

use std::ops::Bound;

use redb::ReadableTableMetadata;

use crate::dialogs::View;
use crate::fault::{Hex, StoreFault, Trouble};
use crate::joint::Joint;
use crate::stored;
use crate::tree::{BUSY, DEADLINES, DIALOGS, Shared, SharedKey, Tree, definition};

/// What a call of [`crate::Store::verify_step`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum VerifyProgress {
    /// There are more rows to look at.
    Worked,
    /// That was the last row: the next call begins anew.
    Finished,
}

/// How far the search has come.
#[derive(Debug)]
pub(crate) struct Verify {
    tree: Tree,
    /// The last key of this tree that was looked at.
    after: Option<Vec<u8>>,
    /// Rows of this tree that were looked at, and how many a fold has since added there, or taken away.
    seen: u64,
    added: i64,
}

impl Default for Verify {
    fn default() -> Self {
        Self::at(Tree::FIRST)
    }
}

impl Verify {
    const fn at(tree: Tree) -> Self {
        Self {
            tree,
            after: None,
            seen: 0,
            added: 0,
        }
    }

    /// Whether the rows around this key were looked at already, and are counted.
    pub(crate) fn is_behind(&self, tree: Tree, key: &[u8]) -> bool {
        let after = self.after.as_deref().filter(|_| tree == self.tree);
        after.is_some_and(|after| tree.compare(key, after).is_le())
    }

    /// A fold has added so many rows behind, or taken them away.
    pub(crate) fn note(&mut self, added: i64) {
        self.added += added;
    }

    /// Looks at up to `limit` more rows.
    pub(crate) fn step(&mut self, view: &View, limit: usize) -> Result<VerifyProgress, StoreFault> {
        let tree = self.tree;
        let is_through = match tree {
            Tree::Of(table) => view.with_tree(definition(table), |rows| {
                self.look(view.path(), rows, limit, |key, row| {
                    stored::decode(table, key, row).is_ok()
                })
            })?,
            Tree::Dialogs => view.with_tree(DIALOGS, |rows| {
                self.look(
                    view.path(),
                    rows,
                    limit,
                    |row_key, row| match SharedKey::split(row_key) {
                        Some(Shared::Alone(table, key)) => stored::decode(table, key, row).is_ok(),
                        Some(Shared::Joint(group)) => {
                            Joint::parse(group, row).is_some_and(|joint| joint.is_whole(group))
                        }
                        None => false,
                    },
                )
            })?,
            Tree::Deadlines => view.with_tree(DEADLINES, |rows| {
                self.look(view.path(), rows, limit, |_, ()| true)
            })?,
            Tree::Busy => view.with_tree(BUSY, |rows| {
                self.look(view.path(), rows, limit, |_, ()| true)
            })?,
        };
        if !is_through {
            return Ok(VerifyProgress::Worked);
        }
        let next = tree.next();
        *self = next.map_or_else(Self::default, Self::at);
        Ok(next.map_or(VerifyProgress::Finished, |_| VerifyProgress::Worked))
    }

    // True if that was the last row of the tree.
    fn look<K, V>(
        &mut self,
        path: &str,
        rows: &redb::ReadOnlyTable<K, V>,
        limit: usize,
        is_whole: impl Fn(&[u8], V::SelfType<'_>) -> bool,
    ) -> Result<bool, Trouble>
    where
        K: for<'k> redb::Key<SelfType<'k> = &'k [u8]> + 'static,
        V: redb::Value + 'static,
    {
        let from = self
            .after
            .as_deref()
            .map_or(Bound::Unbounded, Bound::Excluded);
        let mut last = self.after.clone();
        let mut count = 0;
        for row in rows.range::<&[u8]>((from, Bound::Unbounded))? {
            let (key, value) = row?;
            let key = key.value();
            if last
                .as_deref()
                .is_some_and(|last| K::compare(key, last).is_le())
            {
                return Err(self.damage(path, "its keys are out of order"));
            }
            let found = rows.get(key)?;
            let bytes = V::as_bytes(&value.value()).as_ref().to_vec();
            if found.is_none_or(|found| V::as_bytes(&found.value()).as_ref() != bytes) {
                return Err(self.damage(path, "a key that is there cannot be looked up"));
            }
            if !is_whole(key, value.value()) {
                // It may be the key that is damaged, and then a row is missing under the true one.
                return Err(self.damage(path, &format!("the row of key {} is damaged", Hex(key))));
            }
            last = Some(key.to_vec());
            count += 1;
            if count == limit {
                break;
            }
        }
        self.seen += count as u64;
        self.after = last;
        if count == limit {
            return Ok(false);
        }
        let stated = rows.len()?;
        if self.seen.checked_add_signed(self.added) != Some(stated) {
            let found = self.seen.saturating_add_signed(self.added);
            return Err(self.damage(path, &format!("it states {stated} rows and holds {found}")));
        }
        Ok(true)
    }

    fn damage(&self, path: &str, what: &str) -> Trouble {
        Trouble::Fault(StoreFault::Damaged {
            path: path.to_owned(),
            detail: format!("table `{}`: {what}", self.tree.name()),
        })
    }
}
