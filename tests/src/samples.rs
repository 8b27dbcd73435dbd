//! Bytes as real nodes write them, of every kind that a decoder reads: what mutations and fuzzers begin with.
//!
//! Owns which workloads they come from. Never damages any.

use std::collections::BTreeSet;

use actor_core::protocol::{FaultCode, Frame, FrameKind, ResetReason, Token};
use actor_store::{Deed, Index, Table, Value, fuzz};

use crate::images::{Op, Start, Workload, frames as frames_of, record};

/// A stored record: its table, its key and its bytes.
pub type Record = (Table, Vec<u8>, Vec<u8>);

fn workloads() -> Vec<Workload> {
    let mut workloads = Vec::new();
    for start in [Start::Fresh, Start::Established, Start::OneStore] {
        for ops in [
            [Op::Open, Op::Receive, Op::Ack].as_slice(),
            &[Op::Open, Op::Send, Op::Timeout],
            &[Op::Send, Op::Abandon, Op::Receive],
            &[Op::Open, Op::Close, Op::Timeout],
        ] {
            let ops = ops.to_vec();
            workloads.push(Workload { start, ops });
        }
    }
    workloads
}

/// Frames of every kind.
pub fn frames() -> Vec<Vec<u8>> {
    let sent: BTreeSet<Vec<u8>> = workloads().iter().flat_map(frames_of).collect();
    let mut frames: Vec<Vec<u8>> = sent.into_iter().collect();
    let kinds = [
        FrameKind::Syn,
        FrameKind::SynAck,
        FrameKind::Bound,
        FrameKind::Ack,
        FrameKind::Ping,
        FrameKind::Fault {
            code: FaultCode::from_byte(1),
            detail: "enough".to_owned(),
        },
        FrameKind::Reset {
            reason: ResetReason::Superseded,
            echo_token: Token([7; 16]),
            echo_incarnation: 3,
            echo_send_ctr: 9,
        },
    ];
    if let Some(frame) = frames.first().and_then(|bytes| Frame::decode(bytes).ok()) {
        frames.extend(kinds.map(|kind| {
            Frame {
                kind,
                ..frame.clone()
            }
            .encode()
        }));
    }
    frames
}

/// The rows of all commits of all nodes.
pub fn journal_rows() -> Vec<Vec<u8>> {
    let mut rows = BTreeSet::new();
    for recording in workloads().iter().flat_map(record) {
        for event in recording.events {
            if let Deed::Committed(_, row) = event.deed {
                rows.insert(row.to_vec());
            }
        }
    }
    rows.into_iter().collect()
}

/// The records in them, of every table that a node writes.
pub fn records() -> Vec<Record> {
    let mut records = BTreeSet::new();
    for row in journal_rows() {
        for (table, key, value) in fuzz::journal_row(&row).into_iter().flat_map(|row| row.1) {
            if let Some(value) = value {
                records.insert((table, key.to_vec(), value.bytes.to_vec()));
            }
        }
    }
    records.into_iter().collect()
}

/// Rows of the tables, each with its table and key.
pub fn table_rows() -> Vec<Record> {
    let row = |(table, key, bytes): Record| {
        let index = Index {
            deadline: Some(bytes.len() as u64),
            busy: bytes.len().is_multiple_of(2),
        };
        let value = Value {
            bytes: bytes.into(),
            index,
        };
        let row = fuzz::encode_table_row(table, &key, &value);
        (table, key, row)
    };
    records().into_iter().map(row).collect()
}
