//! W1: one dialog, one request after the other, each answered after its commit.

use std::time::Instant;

use actor_core::Node;

use crate::{
    args::Args,
    disk_floor::Floor,
    durable_functions::Functions,
    naive_redb::Naive,
    ours::{self, Account, MEMO_BYTES},
    postgres::Postgres,
    rounds::{Contender, Sum, alternate, best, column, percentile},
    scheduling,
    sqlite::Sqlite,
    table::{Goal, Table, Wanted},
};

pub(crate) const GOALS: &[Wanted] = &[
    (
        "W1 p50 against the floor (4 KiB into a preallocated file + fdatasync)",
        Goal::AtMost {
            reach: 2.0,
            stretch: 1.6,
        },
    ),
    (
        "W1 p50 against the best PostgreSQL variant (one CTE, loopback)",
        Goal::AtMost {
            reach: 1.0,
            stretch: 0.7,
        },
    ),
    ("W1 p50 of duroxide", Goal::Reported),
    (
        "W1 p50 with the variant `JournalKind::Log` against the floor",
        Goal::AtMost {
            reach: 2.0,
            stretch: 1.6,
        },
    ),
    (
        "W1 p50 with the variant `JournalKind::Log` against the best PostgreSQL variant",
        Goal::AtMost {
            reach: 1.0,
            stretch: 0.7,
        },
    ),
];

/// Slices of a round. In each everybody has 500 requests, a few hundredths of a second.
const SLICES: usize = 16;

/// Of the contenders, in their order.
const FLOOR: usize = 0;
const OURS: usize = 1;
const PLAIN: usize = 2;
const FUNCTIONS: usize = 5;
const POSTGRES: usize = 6;

pub(crate) fn run(args: &Args, table: &mut Table) -> Result<(), String> {
    let count = args.scaled(500).max(100);
    let scratch = args.scratch()?;
    let runtime = ours::runtime()?;

    let mut floor = Floor::new(scratch.path())?;
    let node = ours::node(scratch.path())?;
    let plain = ours::node_with_plain_journal(scratch.path())?;
    let mut naive = Naive::new(scratch.path())?;
    let mut sqlite = Sqlite::new(scratch.path())?;
    let mut functions = Functions::new(scratch.path());
    let postgres = Postgres::from_env(&runtime, 1);
    if let Ok(postgres) = &postgres {
        let (who, how) = postgres.describe()?;
        table.scheduled(&who, &how);
    }

    let mut contenders = vec![
        Contender::columns("floor: 4 KiB into a preallocated file, fdatasync", || {
            floor.percentiles(4096, count)
        }),
        Contender::columns("durable dialogs", || latencies(&runtime, &node, count)),
        Contender::columns("durable dialogs, `JournalKind::Log`", || {
            latencies(&runtime, &plain, count)
        }),
        Contender::columns("redb, a transaction for each message", || {
            naive.latencies(count)
        }),
        Contender::columns("SQLite, WAL, FULL", || sqlite.latencies(count)),
        Contender::columns("duroxide", || functions.latencies(30)).once_a_round(),
    ];
    if let Ok(postgres) = &postgres {
        contenders.push(Contender::columns("PostgreSQL, one CTE", || {
            postgres.latencies(count, true)
        }));
        contenders.push(Contender::columns("PostgreSQL, statements", || {
            postgres.latencies(count, false)
        }));
    }
    let outcomes = alternate(args.rounds, SLICES, Sum::Times, &mut contenders);
    drop(contenders);
    for (threads, how) in scheduling::of_threads(&["gate", "shard", "fold"]) {
        table.scheduled(&format!("durable dialogs, threads {threads}"), &how);
    }
    table.check("SQLite in W1", sqlite.check());
    table.note(format!(
        "SQLite {}: journal_mode reads back `wal` and synchronous 2, FULL. A commit is one sync of the WAL, and its inbox, state and outbox rows are in it; the WAL is written from its beginning again after a checkpoint, so it mostly costs what the floor costs",
        Sqlite::version()
    ));
    table.note(Functions::describe());
    let p50 = column(&outcomes, 0);
    table.figures("W1 p50", "us", &p50);
    table.figures("W1 p99", "us", &column(&outcomes, 1));
    table.ratio(GOALS[0], &p50[OURS], p50.get(FLOOR));
    match postgres {
        Ok(postgres) => {
            table.check("PostgreSQL in W1", postgres.check());
            let theirs = best(&p50[POSTGRES..], f64::lt);
            table.ratio(GOALS[1], &p50[OURS], theirs);
            table.ratio(GOALS[4], &p50[PLAIN], theirs);
        }
        Err(why) => {
            table.missing(GOALS[1], &why);
            table.missing(GOALS[4], &why);
        }
    }
    table.ratio(GOALS[3], &p50[PLAIN], p50.get(FLOOR));
    table.goal(GOALS[2], "us", &p50[FUNCTIONS]);
    Ok(())
}

/// p50 and p99 of requests one after the other, in microseconds.
fn latencies(
    runtime: &tokio::runtime::Runtime,
    node: &Node,
    count: usize,
) -> Result<Vec<f64>, String> {
    let account = node.open_as::<Account>("w1");
    let mut latencies = Vec::with_capacity(count);
    runtime.block_on(async {
        for n in 0..count {
            let begun = Instant::now();
            let answer = account.post(n as u64, [7; MEMO_BYTES]).await;
            answer.map_err(|why| why.to_string())?;
            latencies.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        Ok::<_, String>(())
    })?;
    // The ring of the journal is as full as it comes: a journal that is emptied each time has fewer pages to write.
    ours::fold_what_waits(node)?;
    Ok(vec![
        percentile(&mut latencies, 0.5),
        percentile(&mut latencies, 0.99),
    ])
}
