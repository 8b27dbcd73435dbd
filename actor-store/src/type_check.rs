//! The types a store was written with, compared with those of this build.
//!
//! Owns the rows of the table `types`. Never reads a value of any of these types.

use crate::open_error::OpenError;
use crate::store::Store;
use crate::table::{Table, TypeRecord, Value, Write};

const ROW_BYTES: usize = 12;

/// Refuses a layout that changed, under the same version or another, and a stored version newer than ours; returns
/// the rows to be written.
pub(crate) fn compare(store: &Store, types: &[TypeRecord]) -> Result<Vec<Write>, OpenError> {
    let mut writes = Vec::new();
    for ours in types {
        let key = ours.name.as_bytes();
        let stored = store.get(Table::Types, key).map_err(OpenError::Fault)?;
        if let Some(stored) = stored {
            let (version, shape) = decode(&stored.bytes).ok_or_else(|| OpenError::Damaged {
                path: "table `types`".to_owned(),
                detail: format!("the row of `{}` has a wrong length", ours.name),
            })?;
            if version > ours.version {
                return Err(OpenError::TypeNewer {
                    name: ours.name.clone(),
                    stored: version,
                    known: ours.version,
                });
            }
            if version == ours.version {
                if shape == ours.shape {
                    continue;
                }
                return Err(OpenError::TypeChanged {
                    name: ours.name.clone(),
                    version,
                });
            }
            // Bytes of another layout would decode into something else, or worse, into something.
            if shape != ours.shape {
                return Err(OpenError::TypeOlder {
                    name: ours.name.clone(),
                    stored: version,
                    known: ours.version,
                });
            }
        }
        writes.push(Write {
            table: Table::Types,
            key: key.to_vec(),
            value: Some(Value::new(encode(ours))),
        });
    }
    Ok(writes)
}

fn encode(record: &TypeRecord) -> Vec<u8> {
    let mut row = Vec::with_capacity(ROW_BYTES);
    row.extend_from_slice(&record.version.to_be_bytes());
    row.extend_from_slice(&record.shape.to_be_bytes());
    row
}

fn decode(row: &[u8]) -> Option<(u32, u64)> {
    let (version, shape) = row.split_first_chunk()?;
    let shape = shape.try_into().ok()?;
    Some((u32::from_be_bytes(*version), u64::from_be_bytes(shape)))
}
