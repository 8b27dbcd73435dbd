//! Writes that are made together.
//!
//! Owns where the bytes of their values lie: small ones share buffers, so that what is written by one thread and freed by
//! another is some allocations and not one for each value. Never looks into a value.

use std::sync::Arc;

use crate::key::Key;
use crate::payload::Payload;
use crate::table::{Index, Table, Value, Write};

/// Bytes from which on a value has a buffer of its own.
const SMALL_BYTES: usize = 1024;
/// Bytes from which on a shared buffer is full. As long as one of its values is wanted, all of it is in memory.
const SHARED_BYTES: usize = 8 * 1024;
/// Bytes of room that are kept for the next writes.
const KEPT_BYTES: usize = 64 * 1024;

/// Writes in the making; it is used again and again, and keeps its room.
#[derive(Debug, Default)]
pub struct Pack {
    writes: Vec<Write>,
    /// The values of `open`.
    bytes: Vec<u8>,
    open: Vec<Open>,
}

/// A write that gets its value when its buffer is closed.
#[derive(Debug)]
struct Open {
    place: usize,
    from: u32,
    to: u32,
    index: Index,
}

impl Pack {
    /// Writes that come before all others.
    pub fn begin(&mut self, writes: Vec<Write>) {
        self.bytes.clear();
        self.open.clear();
        self.writes = writes;
    }

    /// A write that has its value, or none.
    pub fn push(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// A write whose value `encode` appends to the bytes it is given: how many. Nothing is written if it fails.
    pub fn put<E>(
        &mut self,
        table: Table,
        key: impl Into<Key>,
        index: Index,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let from = self.bytes.len();
        if let Err(error) = encode(&mut self.bytes) {
            self.bytes.truncate(from);
            return Err(error);
        }
        let own = self.bytes.get(from..).unwrap_or_default();
        let len = own.len();
        let mut value = None;
        if len >= SMALL_BYTES {
            let bytes = own.into();
            value = Some(Value { bytes, index });
            self.bytes.truncate(from);
        } else {
            self.open.push(Open {
                place: self.writes.len(),
                from: from as u32,
                to: (from + len) as u32,
                index,
            });
        }
        let key = key.into();
        self.writes.push(Write { table, key, value });
        if self.bytes.len() >= SHARED_BYTES {
            self.close();
        }
        Ok(len)
    }

    /// All writes, in order.
    pub fn finish(&mut self) -> Vec<Write> {
        self.close();
        self.bytes.shrink_to(KEPT_BYTES);
        std::mem::take(&mut self.writes)
    }

    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let buffer: Arc<[u8]> = self.bytes.as_slice().into();
        self.bytes.clear();
        for Open {
            place,
            from,
            to,
            index,
        } in self.open.drain(..)
        {
            if let Some(write) = self.writes.get_mut(place) {
                let bytes = Payload::part(&buffer, from, to);
                write.value = Some(Value { bytes, index });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(pack: &mut Pack, number: u64, len: usize) {
        let index = Index {
            deadline: Some(number),
            busy: false,
        };
        let written = pack.put(Table::App, number.to_be_bytes(), index, |out| {
            out.resize(out.len() + len, number as u8);
            Ok::<_, ()>(())
        });
        assert_eq!(written, Ok(len));
    }

    #[test]
    fn values_of_all_lengths_come_out_in_order_as_they_were_put_in() {
        let lengths = [0, 1, 300, SMALL_BYTES - 1, SMALL_BYTES, 100_000, 7];
        let mut pack = Pack::default();
        for round in 0..3 {
            let first = Write {
                table: Table::Node,
                key: vec![round].into(),
                value: Some(Value::new(*b"first")),
            };
            pack.begin(vec![first.clone()]);
            for number in 0..200 {
                put(&mut pack, number, lengths[number as usize % lengths.len()]);
            }
            pack.push(first.clone());
            let writes = pack.finish();
            assert_eq!(writes.len(), 202);
            for at in [0, 201] {
                assert_eq!(
                    (&writes[at].key, &writes[at].value),
                    (&first.key, &first.value)
                );
            }
            for (number, write) in (0_u64..).zip(&writes[1..201]) {
                assert_eq!(*write.key, number.to_be_bytes());
                let value = write.value.as_ref().unwrap();
                assert_eq!(value.index.deadline, Some(number));
                let len = lengths[number as usize % lengths.len()];
                assert_eq!(*value.bytes, vec![number as u8; len]);
                let alone: Arc<[u8]> = value.bytes.clone().into();
                assert_eq!(*alone, *value.bytes);
            }
        }
        assert!(pack.bytes.capacity() <= KEPT_BYTES);
    }

    #[test]
    fn a_small_value_keeps_little_else_in_memory_and_a_large_one_nothing() {
        let mut pack = Pack::default();
        for number in 0..1_000 {
            put(&mut pack, number, 300);
        }
        put(&mut pack, 1_000, SMALL_BYTES);
        let writes = pack.finish();
        let mut buffers: Vec<_> = writes
            .iter()
            .map(|write| write.value.as_ref().unwrap().bytes.buffer())
            .collect();
        assert_eq!(buffers.pop().unwrap().len(), SMALL_BYTES);
        buffers.dedup_by_key(|buffer| buffer.as_ptr());
        assert_eq!(
            buffers.len(),
            1_000_usize.div_ceil(SHARED_BYTES.div_ceil(300))
        );
        assert!(
            buffers
                .iter()
                .all(|buffer| buffer.len() < SHARED_BYTES + SMALL_BYTES)
        );
    }

    #[test]
    fn a_value_that_cannot_be_encoded_leaves_nothing() {
        let mut pack = Pack::default();
        put(&mut pack, 1, 10);
        let refused = pack.put(Table::App, [], Index::default(), |out| {
            out.extend_from_slice(b"half of it");
            Err("no")
        });
        assert_eq!(refused, Err("no"));
        put(&mut pack, 2, 10);
        let writes = pack.finish();
        let values = writes.iter().map(|write| write.value.as_ref().unwrap());
        let bytes: Vec<_> = values.map(|value| value.bytes.to_vec()).collect();
        assert_eq!(bytes, [[1; 10], [2; 10]]);
    }
}
