//! The journal without anything around it: batches of a hundred messages, beside the floor with as many bytes.

use std::{sync::Arc, time::Instant};

use actor_store::{FileDisk, JournalKind, Options, Store, Table as StoreTable, Write};

use crate::{
    args::Args,
    disk_floor::Floor,
    ours::{self, STATE_BYTES},
    rounds::{Contender, Sum, alternate, column},
    table::{Goal, Table, Wanted},
};

pub(crate) const GOALS: &[Wanted] = &[
    (
        "the journal alone at fixed g=100 against the floor at g=100",
        Goal::AtLeast {
            reach: 0.5,
            stretch: 0.65,
        },
    ),
    (
        "the journal alone, the variant `JournalKind::Log`, against the floor at g=100",
        Goal::AtLeast {
            reach: 0.5,
            stretch: 0.65,
        },
    ),
];

/// Slices of a round, of a twentieth of a second each. The floor waits for the disk and a journal uses the processor as well, whose
/// speed changes within seconds.
const SLICES: usize = 128;
/// Batches of a slice: a lap of the journal, 16 MiB, which is empty at both ends.
const BATCHES: usize = 400;
/// Messages in a batch.
const GROUP: usize = 100;
/// Bytes that a message leaves in a journal row: state, answer, and what names them.
const MESSAGE_BYTES: usize = 400;

pub(crate) fn run(args: &Args, table: &mut Table) -> Result<(), String> {
    let scratch = args.scratch()?;
    let mut floor = Floor::new(scratch.path())?;
    let open = |name: &str, journal| {
        let disk = FileDisk::new(scratch.path().join(name));
        let options = Options {
            journal,
            ..Options::default()
        };
        Store::open(Arc::new(disk), options, [7; 16]).map_err(|why| why.to_string())
    };
    let store = open("journal", JournalKind::Database)?;
    let plain = open("journal-plain", JournalKind::Log)?;
    let mut contenders = vec![
        Contender::new("floor: as many bytes, fdatasync", || {
            let latencies = floor.latencies(GROUP * MESSAGE_BYTES, BATCHES)?;
            let seconds = latencies.iter().sum::<f64>() / 1e6;
            Ok((BATCHES * GROUP) as f64 / seconds)
        }),
        Contender::new("the journal, a hundred messages a batch", || rate(&store)),
        Contender::new("the same, `JournalKind::Log`", || rate(&plain)),
    ];
    let slices = args.scaled(SLICES);
    let outcomes = alternate(args.rounds, slices, Sum::Rates, &mut contenders);
    let figures = column(&outcomes, 0);
    table.figures("the journal alone, g=100", "msgs/s", &figures);
    table.ratio(GOALS[0], &figures[1], figures.first());
    table.ratio(GOALS[1], &figures[2], figures.first());
    Ok(())
}

/// Messages a second of a lap, without its fold, which is measured elsewhere.
fn rate(store: &Store) -> Result<f64, String> {
    let mut spent = 0.0;
    for batch in 0..BATCHES {
        store.publish(writes(batch));
        let begun = Instant::now();
        store.commit(store.cut()).map_err(|why| why.to_string())?;
        spent += begun.elapsed().as_secs_f64();
    }
    ours::fold(store, true)?;
    Ok((BATCHES * GROUP) as f64 / spent)
}

/// The records of a hundred messages over a few thousand dialogs.
fn writes(batch: usize) -> Vec<Write> {
    (0..GROUP)
        .map(|n| {
            let dialog = ((batch * GROUP + n) % 5000) as u64;
            let mut key = vec![0; 19];
            key[..8].copy_from_slice(&dialog.to_be_bytes());
            Write {
                table: StoreTable::Endpoints,
                key: key.into(),
                value: Some(value(MESSAGE_BYTES - 40)),
            }
        })
        .collect()
}

fn value(bytes: usize) -> actor_store::Value {
    debug_assert!(bytes > STATE_BYTES);
    actor_store::Value::new(vec![5; bytes])
}
