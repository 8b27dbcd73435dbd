//! The types a store was written with, compared with those of this build.
//!
//! Owns the rows of the table `types`: one for each type with its newest version, and one for each earlier version of
//! which values may still lie here. An earlier version stays listed until a start that cannot read it finds no value of
//! it. Never reads a value of any of these types.

use std::ops::Bound;

use crate::open_error::OpenError;
use crate::store::Store;
use crate::table::{Table, TypeKind, TypeRecord, Value, Write};

const ROW_BYTES: usize = 12;
/// Between a type's name and an earlier version: no name contains this byte.
const EARLIER: u8 = 0xff;

/// Counts values of a type in a stored version.
type Held<'h> = &'h mut dyn FnMut(&TypeRecord, u32) -> Result<u64, OpenError>;

/// Refuses what this build cannot read and the store still holds; returns the rows to be written.
pub(crate) fn compare(
    store: &Store,
    types: &[TypeRecord],
    held: Held<'_>,
) -> Result<Vec<Write>, OpenError> {
    let mut writes = Vec::new();
    for ours in types {
        compare_one(store, ours, held, &mut writes)?;
    }
    Ok(writes)
}

fn compare_one(
    store: &Store,
    ours: &TypeRecord,
    held: Held<'_>,
    writes: &mut Vec<Write>,
) -> Result<(), OpenError> {
    let key = ours.name.as_bytes();
    let Some(stored) = store.get(Table::Types, key)? else {
        writes.push(row(key.to_vec(), ours.version, ours.shape));
        return Ok(());
    };
    let (version, shape) = decode(ours, &stored.bytes)?;
    let kept = is_read(ours, version, shape, held)?;
    if (version, shape) != (ours.version, ours.shape) {
        writes.push(row(key.to_vec(), ours.version, ours.shape));
        if kept {
            writes.push(row(earlier_key(key, version), version, shape));
        }
    }
    let (from, to) = (earlier_key(key, 0), earlier_key(key, u32::MAX));
    for (key, stored) in store.range(Table::Types, &from, Bound::Included(&to), usize::MAX)? {
        let (version, shape) = decode(ours, &stored.bytes)?;
        if !is_read(ours, version, shape, held)? {
            writes.push(Write {
                table: Table::Types,
                key: key.into(),
                value: None,
            });
        }
    }
    Ok(())
}
/// Whether this build reads it. An error where it does not and the store holds values of it; false if nothing of it is left.
fn is_read(ours: &TypeRecord, stored: u32, shape: u64, held: Held<'_>) -> Result<bool, OpenError> {
    if ours.reads(stored, shape) {
        return Ok(true);
    }
    let held = held(ours, stored)?;
    if held == 0 {
        return Ok(false);
    }
    let name = ours.name.clone();
    Err(match ours.kind {
        TypeKind::Message => OpenError::MessageChanged { name, held },
        TypeKind::Row => OpenError::TableChanged { name },
        TypeKind::State if stored > ours.version => OpenError::TypeNewer {
            name,
            stored,
            known: ours.version,
        },
        TypeKind::State if stored == ours.version => OpenError::TypeChanged {
            name,
            version: stored,
        },
        TypeKind::State if ours.past.iter().any(|(version, _)| *version == stored) => {
            OpenError::TypePastDiffers {
                name,
                version: stored,
            }
        }
        TypeKind::State => OpenError::TypeOlder {
            name,
            stored,
            known: ours.version,
            held,
        },
    })
}

fn earlier_key(name: &[u8], version: u32) -> Vec<u8> {
    let mut key = name.to_vec();
    key.push(EARLIER);
    key.extend_from_slice(&version.to_be_bytes());
    key
}

fn row(key: Vec<u8>, version: u32, shape: u64) -> Write {
    let mut row = Vec::with_capacity(ROW_BYTES);
    row.extend_from_slice(&version.to_be_bytes());
    row.extend_from_slice(&shape.to_be_bytes());
    Write {
        table: Table::Types,
        key: key.into(),
        value: Some(Value::new(row)),
    }
}

fn decode(ours: &TypeRecord, row: &[u8]) -> Result<(u32, u64), OpenError> {
    let parse = || {
        let (version, shape) = row.split_first_chunk()?;
        let shape = shape.try_into().ok()?;
        Some((u32::from_be_bytes(*version), u64::from_be_bytes(shape)))
    };
    parse().ok_or_else(|| OpenError::Damaged {
        path: "table `types`".to_owned(),
        detail: format!("the row of `{}` has a wrong length", ours.name),
    })
}
