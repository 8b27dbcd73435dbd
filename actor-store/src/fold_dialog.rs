//! Folding the records of one dialog: into the row that they share, or into rows of their own.
//!
//! Owns where each of them lies, and that it is in one place only. What of a shared row is not folded now stays in it; what
//! was damaged there stays known as such, and is never taken for absent. Never chooses what is folded.

use redb::Table as RedbTable;

use crate::fault::Trouble;
use crate::indexes::{Chunk, Indexes, OldIndex};
use crate::joint::{self, Builder, Joint, Record};
use crate::key::Key;
use crate::overlay::Entry;
use crate::stored;
use crate::table::Table;
use crate::tree::{Bytes, SharedKey, Tree};

type Rows<'txn> = RedbTable<'txn, SharedKey, Bytes>;

/// A record to be folded.
pub(crate) type Member<'g> = (Table, &'g Key, &'g Entry);

/// Folds one dialog after the other, in the same room.
#[derive(Debug, Default)]
pub(crate) struct DialogFold {
    stored: Stored,
    shared: SharedRow,
    /// The shared row as it was.
    old: Vec<u8>,
}

impl DialogFold {
    /// Folds records whose keys begin with `group`, each table and key once.
    pub(crate) fn fold(
        &mut self,
        rows: &mut Rows<'_>,
        group: &[u8],
        members: &[Member<'_>],
        indexes: &mut Indexes<'_>,
        chunk: &mut Chunk,
    ) -> Result<(), Trouble> {
        let Self {
            stored,
            shared,
            old,
        } = self;
        let at = SharedKey::join(group, joint::TAG);
        stored.encode(members);
        // As if nothing else lay there: mostly all of it has changed, and to look first is one more way down the tree.
        shared.arrange(group, members, stored, &[], false);
        let was_any = shared.write(rows, &at, Some(old))?;
        let joint = was_any.then(|| Joint::parse(group, old));
        let is_damaged = matches!(joint, Some(None));
        let joint = joint.flatten();
        let others: Vec<_> = joint
            .into_iter()
            .flat_map(Joint::records)
            .filter(|record| !is_among(members, group, record))
            .collect();
        let is_torn = is_damaged || joint.is_some_and(|joint| joint.is_torn);
        if is_torn || !others.is_empty() {
            shared.arrange(group, members, stored, &others, is_torn);
            shared.write(rows, &at, None)?;
        }
        chunk.healed += u64::from(is_damaged);
        let change = i64::from(shared.is_any) - i64::from(was_any);
        indexes.count(Tree::Dialogs, &at, change);
        for (place, &(table, key, entry)) in members.iter().enumerate() {
            let rest = &key.as_slice()[group.len()..];
            let was_joint = joint.and_then(|joint| joint.find(table, rest));
            let mut before = was_joint.map(|row| OldIndex::of(table, key, row, chunk));
            let row = stored.get(place).filter(|_| !shared.has[place]);
            if row.is_some() || was_joint.is_none() {
                let was_alone = SharedKey::with(table, key, |at| {
                    indexes.write(rows, at, (table, key), row, chunk)
                });
                before = before.or(was_alone?);
            }
            let unknown = is_damaged.then_some(OldIndex::Unknown);
            let before = before.or(unknown).unwrap_or_default();
            let after = entry.value.as_ref().map(|value| value.index);
            indexes.change(table, key, before, after.unwrap_or_default(), chunk)?;
        }
        Ok(())
    }
}

fn is_among(members: &[Member<'_>], group: &[u8], record: &Record<'_>) -> bool {
    members.iter().any(|(table, key, _)| {
        *table == record.table && key.as_slice()[group.len()..] == *record.rest
    })
}

/// The values of records to be folded, as they are stored.
#[derive(Debug, Default)]
struct Stored {
    bytes: Vec<u8>,
    /// Where each of them lies; `None` for what is deleted.
    places: Vec<Option<std::ops::Range<usize>>>,
    row: Vec<u8>,
}

impl Stored {
    fn encode(&mut self, members: &[Member<'_>]) {
        self.bytes.clear();
        self.places.clear();
        for (table, key, entry) in members {
            let place = entry.value.as_ref().map(|value| {
                stored::encode_into(*table, key, value, &mut self.row);
                let from = self.bytes.len();
                self.bytes.extend_from_slice(&self.row);
                from..self.bytes.len()
            });
            self.places.push(place);
        }
    }

    fn get(&self, member: usize) -> Option<&[u8]> {
        let place = self.places[member].clone()?;
        Some(&self.bytes[place])
    }
}

/// The row that small records share, as it will be.
#[derive(Debug, Default)]
struct SharedRow {
    builder: Builder,
    row: Vec<u8>,
    /// Whether it has the record, for each of those to be folded.
    has: Vec<bool>,
    is_any: bool,
}

impl SharedRow {
    /// Puts `others` into the row, which have been there, and as many of the members as it has room for.
    fn arrange(
        &mut self,
        group: &[u8],
        members: &[Member<'_>],
        stored: &Stored,
        others: &[Record<'_>],
        is_torn: bool,
    ) {
        self.builder.begin(is_torn);
        for record in others {
            let had_room = self.builder.take(*record);
            debug_assert!(had_room, "it was in the row with more than these");
        }
        self.has.clear();
        for (member, (table, key, _)) in members.iter().enumerate() {
            let has = stored.get(member).is_some_and(|value| {
                self.builder.take(Record {
                    table: *table,
                    rest: &key.as_slice()[group.len()..],
                    value,
                })
            });
            self.has.push(has);
        }
        self.is_any = self.builder.encode(group, &mut self.row);
    }

    /// Writes it, or removes it where nothing is in it. Whether there was one, and what it was.
    fn write(
        &self,
        rows: &mut Rows<'_>,
        at: &[u8],
        was: Option<&mut Vec<u8>>,
    ) -> Result<bool, Trouble> {
        let old = if self.is_any {
            rows.insert(at, self.row.as_slice())?
        } else {
            rows.remove(at)?
        };
        if let (Some(old), Some(was)) = (&old, was) {
            was.clear();
            was.extend_from_slice(old.value());
        }
        Ok(old.is_some())
    }
}
