//! The trees of `dialogs.redb`, and which rows lie side by side in them.
//!
//! Owns the names and keys of the trees, which are on disk for ever. The records of one dialog are wanted together: both
//! endpoints and the actor lie in one tree, the small ones of a dialog in one row (see [`crate::joint`]), the others
//! behind it. All other tables are trees of their own. Never interprets a value.

use std::borrow::Cow;
use std::cmp::Ordering;

use redb::{TableDefinition, TypeName};

use crate::joint;
use crate::table::Table;

pub(crate) type Bytes = &'static [u8];

/// `time BE | table | key`, see [`crate::index_rows`].
pub(crate) const DEADLINES: TableDefinition<'_, Bytes, ()> = TableDefinition::new("deadlines");
/// `table | key`.
pub(crate) const BUSY: TableDefinition<'_, Bytes, ()> = TableDefinition::new("busy");
/// `key | table`, in the order of the keys; the key of a joint row is its group.
pub(crate) const DIALOGS: TableDefinition<'_, SharedKey, Bytes> = TableDefinition::new("dialogs");

/// One of the trees, in the order in which they are gone through.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Tree {
    Of(Table),
    /// Endpoints and actors.
    Dialogs,
    Deadlines,
    Busy,
}

impl Tree {
    pub(crate) const FIRST: Self = Self::Of(Table::Node);

    /// Where the rows of a table lie.
    pub(crate) const fn holding(table: Table) -> Self {
        match table {
            Table::Endpoints | Table::Actors => Self::Dialogs,
            _ => Self::Of(table),
        }
    }

    /// The tree behind this one.
    pub(crate) fn next(self) -> Option<Self> {
        match self {
            Self::Of(table) => {
                let mut later = Table::ALL.into_iter().filter(|later| *later > table);
                let later = later.find(|later| Self::holding(*later) == Self::Of(*later));
                Some(later.map_or(Self::Dialogs, Self::Of))
            }
            Self::Dialogs => Some(Self::Deadlines),
            Self::Deadlines => Some(Self::Busy),
            Self::Busy => None,
        }
    }

    /// The tables whose rows lie there.
    pub(crate) fn tables(self) -> impl Iterator<Item = Table> {
        let all = Table::ALL.into_iter();
        all.filter(move |table| Self::holding(*table) == self)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Of(table) => table.name(),
            Self::Dialogs => "dialogs",
            Self::Deadlines => "deadlines",
            Self::Busy => "busy",
        }
    }

    /// The order of two keys as they lie there.
    pub(crate) fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Self::Dialogs => <SharedKey as redb::Key>::compare(a, b),
            _ => a.cmp(b),
        }
    }
}

/// The tree of a table that has one of its own.
pub(crate) fn definition(table: Table) -> TableDefinition<'static, Bytes, Bytes> {
    debug_assert_eq!(Tree::holding(table), Tree::Of(table));
    TableDefinition::new(table.name())
}

/// Whose row it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shared<'k> {
    /// One record's: its table and its key.
    Alone(Table, &'k [u8]),
    /// That of the small records whose keys begin with this.
    Joint(&'k [u8]),
}

/// The key of a row in a tree of several tables: the record's key and the table's tag. In order of the records' keys, and
/// records with the same key in the order of their tables.
#[derive(Debug)]
pub(crate) struct SharedKey;

/// Keys up to this length are put together without an allocation: those of endpoints and actors are shorter.
const SHORT_BYTES: usize = 32;

impl SharedKey {
    /// Calls `then` with the key of a record.
    pub(crate) fn with<T>(table: Table, key: &[u8], then: impl FnOnce(&[u8]) -> T) -> T {
        Self::with_tag(key, table.tag(), then)
    }

    /// The same with a tag that may be one that no table has, as a bound.
    pub(crate) fn with_tag<T>(key: &[u8], tag: u8, then: impl FnOnce(&[u8]) -> T) -> T {
        let mut short = [0; SHORT_BYTES];
        match short.get_mut(..=key.len()) {
            Some(row) => {
                row[..key.len()].copy_from_slice(key);
                row[key.len()] = tag;
                then(row)
            }
            None => then(&Self::join(key, tag)),
        }
    }

    /// `tag` may be one that no table has, as a bound.
    pub(crate) fn join(key: &[u8], tag: u8) -> Vec<u8> {
        let mut row = Vec::with_capacity(key.len() + 1);
        row.extend_from_slice(key);
        row.push(tag);
        row
    }

    /// Whose row lies under this key; `None` if nobody has such a key.
    pub(crate) fn split(row: &[u8]) -> Option<Shared<'_>> {
        let (tag, key) = row.split_last()?;
        if *tag == joint::TAG {
            return (key.len() == joint::GROUP_BYTES).then_some(Shared::Joint(key));
        }
        let table = Table::from_tag(*tag)?;
        (Tree::holding(table) == Tree::Dialogs).then_some(Shared::Alone(table, key))
    }
}

impl redb::Value for SharedKey {
    type SelfType<'a> = &'a [u8];
    type AsBytes<'a> = &'a [u8];

    fn fixed_width() -> Option<usize> {
        None
    }

    fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
    where
        Self: 'a,
    {
        data
    }

    fn as_bytes<'a, 'b: 'a>(value: &'a Self::SelfType<'b>) -> &'a [u8]
    where
        Self: 'b,
    {
        value
    }

    fn type_name() -> TypeName {
        TypeName::new("key, table")
    }
}

/// A damaged page may hold an empty key: that is the smallest.
fn parts(row: &[u8]) -> (&[u8], Option<u8>) {
    row.split_last()
        .map_or((row, None), |(tag, key)| (key, Some(*tag)))
}

impl redb::Key for SharedKey {
    fn compare(a: &[u8], b: &[u8]) -> Ordering {
        parts(a).cmp(&parts(b))
    }

    // The shortest beginning of the right key that the left one does not have.
    fn separator<'a>(left: &'a [u8], right: &'a [u8]) -> Cow<'a, [u8]> {
        let ((low, _), (high, _)) = (parts(left), parts(right));
        let alike = low.iter().zip(high).take_while(|(a, b)| a == b).count();
        // A whole right key with the smallest tag would do as well, and is not shorter than the left one.
        if alike + 1 < high.len() && alike + 2 < left.len() {
            Cow::Owned(Self::join(&high[..=alike], 0))
        } else {
            Cow::Borrowed(left)
        }
    }
}

#[cfg(test)]
mod tests {
    use redb::Key;

    use super::*;

    fn keys() -> Vec<Vec<u8>> {
        let letters = [0_u8, 1, 2, 3, 0xff];
        let mut keys = vec![Vec::new()];
        for length in 0..3 {
            let longest: Vec<_> = keys
                .iter()
                .filter(|key| key.len() == length)
                .cloned()
                .collect();
            for key in longest {
                keys.extend(letters.map(|letter| [&key[..], &[letter]].concat()));
            }
        }
        keys
    }

    #[test]
    fn rows_of_two_tables_lie_in_the_order_of_their_records_keys() {
        for a in keys() {
            for b in keys() {
                let row = |table, key: &[u8]| SharedKey::with(table, key, <[u8]>::to_vec);
                for (s, t) in [
                    (Table::Endpoints, Table::Endpoints),
                    (Table::Endpoints, Table::Actors),
                    (Table::Actors, Table::Actors),
                ] {
                    let order = SharedKey::compare(&row(s, &a), &row(t, &b));
                    assert_eq!(order, (&a, s).cmp(&(&b, t)));
                }
            }
            let row = SharedKey::join(&a, Table::Actors.tag());
            let alone = Shared::Alone(Table::Actors, &a);
            assert_eq!(SharedKey::split(&row), Some(alone));
        }
        let group = [7; joint::GROUP_BYTES];
        let row = SharedKey::join(&group, joint::TAG);
        assert_eq!(SharedKey::split(&row), Some(Shared::Joint(&group)));
        let long = [7; 2 * SHORT_BYTES];
        SharedKey::with(Table::Actors, &long, |row| {
            assert_eq!(row, SharedKey::join(&long, Table::Actors.tag()));
        });
    }

    #[test]
    fn a_separator_lies_between_its_neighbours_and_is_never_longer_than_the_left_one() {
        let rows: Vec<_> = keys()
            .iter()
            .flat_map(|key| [2, 3].map(|tag| SharedKey::join(key, tag)))
            .collect();
        for left in &rows {
            for right in &rows {
                if SharedKey::compare(left, right).is_lt() {
                    let between = SharedKey::separator(left, right);
                    assert!(
                        SharedKey::compare(left, &between).is_le(),
                        "{left:?} {right:?}"
                    );
                    assert!(
                        SharedKey::compare(&between, right).is_lt(),
                        "{left:?} {right:?}"
                    );
                    assert!(between.len() <= left.len());
                }
            }
        }
    }

    #[test]
    fn all_trees_are_gone_through_once() {
        let trees: Vec<_> = std::iter::successors(Some(Tree::FIRST), |tree| tree.next()).collect();
        assert_eq!(trees.len(), Table::ALL.len() + 1);
        assert!(trees.is_sorted());
        assert!(
            Table::ALL
                .iter()
                .all(|table| trees.contains(&Tree::holding(*table)))
        );
    }

    #[test]
    fn a_row_of_no_table_is_no_record() {
        assert_eq!(SharedKey::split(b""), None);
        assert_eq!(SharedKey::split(&SharedKey::join(b"key", 250)), None);
        assert_eq!(SharedKey::split(&SharedKey::join(b"key", joint::TAG)), None);
        assert_eq!(
            SharedKey::split(&SharedKey::join(b"key", Table::Inbox.tag())),
            None
        );
    }
}
