//! W2: a thousand dialogs at once, a hundred messages each; all of a dialog's on their way together, or one by one.

use std::{sync::Arc, time::Instant};

use actor_core::Node;

use crate::{
    args::Args,
    durable_functions::Functions,
    naive_redb::Naive,
    ours::{self, Account, MEMO_BYTES},
    postgres::Postgres,
    rounds::{Contender, Sum, alternate, best, column},
    sqlite::Sqlite,
    table::{Goal, Table, Wanted},
};

pub(crate) const DIALOGS: usize = 1000;

pub(crate) const GOALS: &[Wanted] = &[
    (
        "W2 pipelined against the best PostgreSQL variant (one CTE, 16 connections)",
        Goal::AtLeast {
            reach: 6.0,
            stretch: 15.0,
        },
    ),
    (
        "W2 pipelined against the best PostgreSQL variant of all that are printed",
        Goal::Reported,
    ),
    (
        "W2 pipelined against the same node with the disk replaced by nothing",
        Goal::AtLeast {
            reach: 0.6,
            stretch: 0.8,
        },
    ),
    ("W2 of duroxide", Goal::Reported),
];

/// Slices of a round: those of the ratios take part in each, the others in the first.
const SLICES: usize = 9;

/// Of the contenders, in their order.
const OURS: usize = 0;
const NO_DISK: usize = 1;
const FUNCTIONS: usize = 5;

pub(crate) fn run(args: &Args, table: &mut Table) -> Result<(), String> {
    let messages = args.scaled(100);
    let scratch = args.scratch()?;
    let runtime = ours::runtime()?;
    let node = ours::node(scratch.path())?;
    let nothing = ours::node_without_disk()?;
    let mut naive = Naive::new(scratch.path())?;
    let mut sqlite = Sqlite::new(scratch.path())?;
    let mut functions = Functions::new(scratch.path());
    let postgres: Vec<(usize, Result<Postgres<'_>, String>)> = [16, 1, 64]
        .map(|connections| (connections, Postgres::from_env(&runtime, connections)))
        .into();

    let all = DIALOGS * messages;
    // Less work for the slower: enough for about a second.
    let fewer = |part: usize| (all / part).max(2000);
    let mut contenders = vec![
        Contender::new("durable dialogs, pipelined", || {
            rate(&runtime, &node, messages, true)
        }),
        Contender::new("the same, no disk below", || {
            rate(&runtime, &nothing, messages, true)
        }),
        Contender::new("durable dialogs, one by one", || {
            rate(&runtime, &node, messages, false)
        })
        .once_a_round(),
        Contender::new("redb, a transaction for each message", || {
            naive.rate(DIALOGS as u128, fewer(50))
        })
        .once_a_round(),
        Contender::new("SQLite, WAL, FULL", || {
            sqlite.rate(DIALOGS as i64, fewer(50))
        })
        .once_a_round(),
        Contender::new("duroxide, 100 orchestrations at once", || {
            functions.rate(100, 1)
        })
        .once_a_round(),
    ];
    let first = contenders.len();
    let mut missing = None;
    for (connections, postgres) in &postgres {
        match postgres {
            Ok(postgres) => {
                let plural = if *connections == 1 { "" } else { "s" };
                let name = |how| format!("PostgreSQL, {how}, {connections} connection{plural}");
                let mut add = |how, part, ahead, cte| {
                    let work = move || postgres.rate(DIALOGS, fewer(part), ahead, cte);
                    let contender = Contender::new(name(how), work);
                    // Those that may be the best of all.
                    contenders.push(if cte && *connections > 1 {
                        contender
                    } else {
                        contender.once_a_round()
                    });
                };
                add("one CTE", 10, 1, true);
                add("one CTE, 16 under way on each", 10, 16, true);
                add("statements", 20, 1, false);
            }
            Err(why) => missing = Some(why.clone()),
        }
    }
    let outcomes = alternate(args.rounds, SLICES, Sum::Rates, &mut contenders);
    drop(contenders);
    table.check("SQLite in W2", sqlite.check());
    let figures = column(&outcomes, 0);
    table.figures("W2", "msgs/s", &figures);
    match missing {
        None => {
            if let Some((_, Ok(postgres))) = postgres.first() {
                table.check("PostgreSQL in W2", postgres.check());
            }
            // Both that send one CTE over 16 connections.
            let theirs = best(&figures[first..first + 2], f64::gt);
            table.ratio(GOALS[0], &figures[OURS], theirs);
            let theirs = best(&figures[first..], f64::gt);
            table.ratio(GOALS[1], &figures[OURS], theirs);
        }
        Some(why) => GOALS[..2]
            .iter()
            .for_each(|goal| table.missing(*goal, &why)),
    }
    table.ratio(GOALS[2], &figures[OURS], figures.get(NO_DISK));
    table.goal(GOALS[3], "msgs/s", &figures[FUNCTIONS]);
    Ok(())
}

/// Messages a second of all dialogs together.
pub(crate) fn rate(
    runtime: &tokio::runtime::Runtime,
    node: &Arc<Node>,
    messages: usize,
    pipelined: bool,
) -> Result<f64, String> {
    let begun = Instant::now();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for dialog in 0..DIALOGS {
            let node = Arc::clone(node);
            tasks.spawn(async move {
                let account = node.open_as::<Account>(format!("w2-{dialog}"));
                if pipelined {
                    let posts = (0..messages).map(|n| account.post(n as u64, [7; MEMO_BYTES]));
                    futures_util::future::try_join_all(posts).await?;
                } else {
                    for n in 0..messages {
                        account.post(n as u64, [7; MEMO_BYTES]).await?;
                    }
                }
                Ok::<_, actor_core::CallError<actor_core::Never>>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|cause| cause.to_string())?
                .map_err(|why| why.to_string())?;
        }
        Ok::<_, String>(())
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    // The next contender does not share the machine with what is left to fold here.
    ours::fold_all(node)?;
    Ok((DIALOGS * messages) as f64 / seconds)
}
