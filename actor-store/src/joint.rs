//! The small records of one dialog as one row.
//!
//! Owns its layout. Both ends of a dialog inside one store and its actor change together: as one row a fold puts one into the
//! tree where it would put three, none of them lies across two pages, and a reader looks up one. Large records lie alone,
//! or a change of a small one would write them again. Never looks into a value, and never reads or writes a table.

use std::ops::Range;

use crate::stored;
use crate::table::Table;

/// Records of [`Table::Endpoints`] and [`Table::Actors`] whose keys begin with the same so many bytes are of one dialog: if
/// they are small, they share a row. Shorter keys lie alone.
pub const GROUP_BYTES: usize = 18;
/// Stands in the place of a table's tag in the key of such a row. No table has it.
pub(crate) const TAG: u8 = 0xfe;
/// Larger values lie alone. Three of these fit into a page.
const MOST_VALUE_BYTES: usize = 1024;
/// Bytes of all values, and how many there may be: what is more lies alone.
const MOST_BYTES: usize = 3 * MOST_VALUE_BYTES;
const MOST_RECORDS: usize = 8;

const SUM_BYTES: usize = 4;
/// `flags | number of records`.
const START_BYTES: usize = 2;
/// `tag | bytes of the rest of the key | bytes of the value, u16`.
const PLACE_BYTES: usize = 4;
const FLAG_TORN: u8 = 1;

/// What the keys of records that belong together begin with.
pub(crate) fn group(key: &[u8]) -> Option<&[u8]> {
    key.get(..GROUP_BYTES)
}

/// A record of a row: its table, the rest of its key, and its value as it is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record<'r> {
    pub(crate) table: Table,
    pub(crate) rest: &'r [u8],
    pub(crate) value: &'r [u8],
}

/// A row whose head is whole. Each value has a checksum of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joint<'r> {
    places: &'r [u8],
    values: &'r [u8],
    /// There were other records, and their row was damaged when these were put in its place.
    pub(crate) is_torn: bool,
}

impl<'r> Joint<'r> {
    /// `crc32c over group and head | flags | number of records | places | values`, a place being `tag | length of the rest of
    /// the key | length of the value | rest of the key`. `None` if it is damaged.
    pub(crate) fn parse(group: &[u8], row: &'r [u8]) -> Option<Self> {
        let (sum, body) = row.split_first_chunk::<SUM_BYTES>()?;
        let (head, values) = split(body)?;
        let (&[flags, _], places) = head.split_first_chunk::<START_BYTES>()?;
        if u32::from_le_bytes(*sum) != checksum(group, head) || flags & !FLAG_TORN != 0 {
            return None;
        }
        Some(Self {
            places,
            values,
            is_torn: flags & FLAG_TORN != 0,
        })
    }

    /// Its records, in the order of their keys, and of their tables under the same key.
    pub(crate) fn records(self) -> impl Iterator<Item = Record<'r>> {
        let Self {
            mut places,
            mut values,
            ..
        } = self;
        std::iter::from_fn(move || {
            let (&[tag, rest, low, high], after) = places.split_first_chunk::<PLACE_BYTES>()?;
            let (rest, after) = after.split_at_checked(rest.into())?;
            let (value, left) = values.split_at_checked(u16::from_le_bytes([low, high]).into())?;
            (places, values) = (after, left);
            let table = Table::from_tag(tag)?;
            Some(Record { table, rest, value })
        })
    }

    /// The value of one record.
    pub(crate) fn find(self, table: Table, rest: &[u8]) -> Option<&'r [u8]> {
        let mut records = self.records();
        let record = records.find(|record| record.table == table && record.rest == rest);
        record.map(|record| record.value)
    }

    /// Whether all values match their checksums.
    pub(crate) fn is_whole(self, group: &[u8]) -> bool {
        let mut key = group.to_vec();
        self.records().all(|record| {
            key.truncate(group.len());
            key.extend_from_slice(record.rest);
            stored::decode(record.table, &key, record.value).is_ok()
        })
    }
}

/// A row that is put together.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    records: Vec<(Table, Range<usize>, Range<usize>)>,
    /// The rests of their keys, and their values.
    bytes: Vec<u8>,
    value_bytes: usize,
    is_torn: bool,
}

impl Builder {
    /// Begins anew, with the room of the last one.
    pub(crate) fn begin(&mut self, is_torn: bool) {
        self.records.clear();
        self.bytes.clear();
        self.value_bytes = 0;
        self.is_torn = is_torn;
    }

    /// Takes a record if it is small enough and there is room for it.
    pub(crate) fn take(&mut self, record: Record<'_>) -> bool {
        let Record { table, rest, value } = record;
        let is_small = rest.len() <= u8::MAX.into() && value.len() <= MOST_VALUE_BYTES;
        let has_room =
            self.records.len() < MOST_RECORDS && self.value_bytes + value.len() <= MOST_BYTES;
        if !is_small || !has_room {
            return false;
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(rest);
        let between = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.value_bytes += value.len();
        self.records
            .push((table, at..between, between..self.bytes.len()));
        true
    }

    /// The row, in place of whatever was in `row`, and whether there is any record in it.
    pub(crate) fn encode(&mut self, group: &[u8], row: &mut Vec<u8>) -> bool {
        let bytes = &self.bytes;
        self.records.sort_by(|(a, key, _), (b, other, _)| {
            (&bytes[key.clone()], a).cmp(&(&bytes[other.clone()], b))
        });
        row.clear();
        row.extend_from_slice(&[0; SUM_BYTES]);
        row.push(if self.is_torn { FLAG_TORN } else { 0 });
        row.push(self.records.len() as u8);
        for (table, rest, value) in &self.records {
            row.extend_from_slice(&[table.tag(), rest.len() as u8]);
            row.extend_from_slice(&(value.len() as u16).to_le_bytes());
            row.extend_from_slice(&bytes[rest.clone()]);
        }
        let sum = checksum(group, &row[SUM_BYTES..]);
        row[..SUM_BYTES].copy_from_slice(&sum.to_le_bytes());
        for (_, _, value) in &self.records {
            row.extend_from_slice(&bytes[value.clone()]);
        }
        !self.records.is_empty()
    }
}

/// The head of a row, behind its checksum, and the values; `None` if they cannot be those of one row.
fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[_, count], all) = body.split_first_chunk::<START_BYTES>()?;
    let (mut at, mut bytes) = (0, 0);
    for _ in 0..count {
        let place = all.get(at..)?.first_chunk::<PLACE_BYTES>()?;
        Table::from_tag(place[0])?;
        at += PLACE_BYTES + usize::from(place[1]);
        bytes += usize::from(u16::from_le_bytes([place[2], place[3]]));
    }
    let (head, values) = body.split_at_checked(START_BYTES + at)?;
    (values.len() == bytes).then_some((head, values))
}

/// Gives a row the checksum that its head should have, if it has one.
#[cfg(any(test, feature = "test-util"))]
pub(crate) fn seal(group: &[u8], row: &mut [u8]) {
    if let Some((sum, body)) = row.split_first_chunk_mut::<SUM_BYTES>()
        && let Some((head, _)) = split(body)
    {
        *sum = checksum(group, head).to_le_bytes();
    }
}

fn checksum(group: &[u8], head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(group), head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Value;

    const GROUP: &[u8] = &[7; GROUP_BYTES];

    fn row(records: &[(Table, &[u8], &[u8])], is_torn: bool) -> Vec<u8> {
        let (mut builder, mut row) = (Builder::default(), Vec::new());
        builder.begin(is_torn);
        for (table, rest, value) in records {
            let key = [GROUP, rest].concat();
            let value = stored::encode(*table, &key, &Value::new(value.to_vec()));
            assert!(builder.take(Record {
                table: *table,
                rest,
                value: &value,
            }));
        }
        builder.encode(GROUP, &mut row);
        row
    }

    fn three() -> Vec<u8> {
        row(
            &[
                (Table::Endpoints, &[1], b"target"),
                (Table::Actors, &[], b"actor"),
                (Table::Endpoints, &[0], b"initiator"),
            ],
            false,
        )
    }

    #[test]
    fn records_come_back_in_the_order_of_their_keys() {
        let joint_row = three();
        let joint = Joint::parse(GROUP, &joint_row).expect("whole");
        let found: Vec<_> = joint
            .records()
            .map(|record| (record.table, record.rest.to_vec()))
            .collect();
        assert_eq!(
            found,
            [
                (Table::Actors, vec![]),
                (Table::Endpoints, vec![0]),
                (Table::Endpoints, vec![1])
            ]
        );
        let value = joint.find(Table::Endpoints, &[1]).expect("there");
        let key = [GROUP, &[1]].concat();
        let (_, payload) = stored::decode(Table::Endpoints, &key, value).expect("whole");
        assert_eq!(payload, b"target");
        assert_eq!(joint.find(Table::Actors, &[1]), None);
        assert!(joint.is_whole(GROUP) && !joint.is_torn);
        let torn = row(&[], true);
        assert!(Joint::parse(GROUP, &torn).expect("whole").is_torn);
    }

    #[test]
    fn a_flipped_bit_or_another_group_is_never_another_record() {
        let row = three();
        let whole = Joint::parse(GROUP, &row).expect("whole");
        for bit in 0..row.len() * 8 {
            let mut bad = row.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let Some(joint) = Joint::parse(GROUP, &bad) else {
                continue;
            };
            assert!(!joint.is_whole(GROUP), "bit {bit}");
            for (good, bad) in whole.records().zip(joint.records()) {
                assert_eq!((good.table, good.rest), (bad.table, bad.rest));
            }
        }
        for len in 0..row.len() {
            assert!(Joint::parse(GROUP, &row[..len]).is_none(), "{len} bytes");
        }
        assert!(Joint::parse(&[8; GROUP_BYTES], &row).is_none());
    }

    #[test]
    fn what_is_large_or_too_much_lies_alone() {
        let mut builder = Builder::default();
        let mut take = |bytes: usize, number: u8| {
            builder.take(Record {
                table: Table::Endpoints,
                rest: &[number],
                value: &vec![0; bytes],
            })
        };
        assert!(!take(MOST_VALUE_BYTES + 1, 0));
        assert!((0..3).all(|number| take(MOST_VALUE_BYTES, number)));
        assert!(!take(1, 3));
        let mut builder = Builder::default();
        for number in 0..=MOST_RECORDS as u8 {
            let taken = builder.take(Record {
                table: Table::Actors,
                rest: &[number],
                value: &[],
            });
            assert_eq!(taken, usize::from(number) < MOST_RECORDS);
        }
    }
}
