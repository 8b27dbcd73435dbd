//! Who waits because the journal is as long as it may be waits for the fold, and for nothing behind it.

use std::{cell::Cell, sync::mpsc, thread, time::Duration};

use actor_store::{FoldProgress, Options, Table, Value, Write};

use super::Rig;
use crate::node::{Shared, give_way};

const MOST_BYTES: u64 = 64 * 1024;

/// More than are freed between two pauses, and more than the journal may be long.
fn fill(shared: &Shared) {
    for record in 0..2_000_u64 {
        shared.store.publish(vec![Write {
            table: Table::Endpoints,
            key: record.to_be_bytes().to_vec().into(),
            value: Some(Value::new(vec![7; 100])),
        }]);
    }
    shared.store.commit(shared.store.cut()).unwrap();
    assert!(shared.store.journal_bytes() > MOST_BYTES);
}

#[test]
fn a_shard_that_waits_for_a_shorter_journal_goes_on_before_the_folded_records_are_freed() {
    let rig = Rig::new("a", |builder| {
        builder.store_options(Options {
            max_journal_bytes: MOST_BYTES,
            ..Options::default()
        })
    });
    let shared = &rig.shared;
    fill(shared);
    let (goes_on, went_on) = mpsc::channel();
    let is_let_go = Cell::new(None);
    thread::scope(|scope| {
        scope.spawn(|| {
            shared.gate.wait_below(u64::MAX);
            goes_on.send(()).unwrap();
        });
        while !shared.gate.is_waited_for() {
            thread::yield_now();
        }
        let pause = || {
            give_way(shared);
            if shared.store.journal_bytes() <= MOST_BYTES && is_let_go.get().is_none() {
                // Only a failure takes so long.
                let told = went_on.recv_timeout(Duration::from_secs(20));
                is_let_go.set(Some(told.is_ok()));
            }
        };
        while shared.store.fold_step_giving_way(true, &pause).unwrap() != FoldProgress::Finished {}
        // What it waits for has long come: a failure ends, too.
        shared.gate.nudge();
    });
    assert_eq!(is_let_go.get(), Some(true));
}
