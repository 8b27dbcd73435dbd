//! W1: one dialog, one request after the other, each answered after its commit.

use std::time::Instant;

use crate::{
    args::Args,
    disk_floor::Floor,
    naive_redb::Naive,
    ours::{self, Account, MEMO_BYTES},
    postgres::Postgres,
    rounds::{Contender, interleave, percentile},
    sqlite::Sqlite,
    table::{Goal, Table},
};

pub(crate) fn run(args: &Args, table: &mut Table) -> Result<(), String> {
    let count = args.scaled(2000).max(200);
    let scratch = args.scratch()?;
    let runtime = ours::runtime()?;

    let mut floor = Floor::new(scratch.path())?;
    let node = ours::node(scratch.path())?;
    let account = node.open_as::<Account>("w1");
    let mut naive = Naive::new(scratch.path())?;
    let mut sqlite = Sqlite::new(scratch.path())?;
    let postgres = Postgres::from_env(&runtime, 1);

    let mut p99 = Vec::new();
    let mut contenders = vec![
        Contender::new("floor: 4 KiB into a preallocated file, fdatasync", || {
            floor.p50(4096, count)
        }),
        Contender::new("durable dialogs", || {
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
            p99.push(percentile(&mut latencies, 0.99));
            Ok(percentile(&mut latencies, 0.5))
        }),
        Contender::new("redb, a transaction for each message", || naive.p50(count)),
        Contender::new("SQLite, WAL, FULL", || sqlite.p50(count)),
    ];
    if let Ok(postgres) = &postgres {
        contenders.push(Contender::new("PostgreSQL, one CTE", || {
            postgres.p50_cte(count)
        }));
        contenders.push(Contender::new("PostgreSQL, statements", || {
            postgres.p50_statements(count)
        }));
    }
    let figures = interleave(args.rounds, &mut contenders)?;
    drop(contenders);
    table.figures("W1 p50", "us", &figures);
    table.figures(
        "W1 p99",
        "us",
        &[crate::rounds::Figures {
            name: "durable dialogs".into(),
            rounds: p99.split_off(1),
        }],
    );
    table.ratio(
        "W1 p50 against the floor",
        &figures[1],
        &figures[0],
        Goal::AtMost {
            reach: 2.0,
            stretch: 1.6,
        },
    );
    let goal = "W1 p50 against the best PostgreSQL variant";
    match postgres {
        Ok(_) => table.ratio(
            goal,
            &figures[1],
            best(&figures[4..], f64::lt),
            Goal::AtMost {
                reach: 1.0,
                stretch: 0.7,
            },
        ),
        Err(why) => table.not_run(goal, &why),
    }
    Ok(())
}

/// The contender with the best median.
pub(crate) fn best(
    figures: &[crate::rounds::Figures],
    is_better: fn(&f64, &f64) -> bool,
) -> &crate::rounds::Figures {
    figures
        .iter()
        .reduce(|best, next| {
            let (a, b) = (
                crate::rounds::median(&next.rounds),
                crate::rounds::median(&best.rounds),
            );
            if is_better(&a, &b) { next } else { best }
        })
        .expect("there is at least one contender")
}
