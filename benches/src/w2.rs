//! W2: a thousand dialogs at once, a hundred messages each; all of a dialog's on their way together, or one by one.

use std::{sync::Arc, time::Instant};

use actor_core::Node;

use crate::{
    args::Args,
    naive_redb::Naive,
    ours::{self, Account, MEMO_BYTES},
    postgres::Postgres,
    rounds::{Contender, interleave},
    sqlite::Sqlite,
    table::{Goal, Table},
    w1::best,
};

const DIALOGS: usize = 1000;

pub(crate) fn run(args: &Args, table: &mut Table) -> Result<(), String> {
    let messages = args.scaled(100);
    let scratch = args.scratch()?;
    let runtime = ours::runtime()?;
    let node = ours::node(scratch.path())?;
    let nothing = ours::node_without_disk()?;
    let mut naive = Naive::new(scratch.path())?;
    let mut sqlite = Sqlite::new(scratch.path())?;
    let postgres: Vec<(usize, Result<Postgres<'_>, String>)> = [1, 16, 64]
        .map(|connections| (connections, Postgres::from_env(&runtime, connections)))
        .into();

    let all = DIALOGS * messages;
    let mut contenders = vec![
        Contender::new("durable dialogs, pipelined", || {
            rate(&runtime, &node, messages, true)
        }),
        Contender::new("the same, no disk below", || {
            rate(&runtime, &nothing, messages, true)
        }),
        Contender::new("durable dialogs, one by one", || {
            rate(&runtime, &node, messages, false)
        }),
        Contender::new("redb, a transaction for each message", || {
            naive.rate(DIALOGS as u128, all / 50)
        }),
        Contender::new("SQLite, WAL, FULL", || {
            sqlite.rate(DIALOGS as i64, all / 50)
        }),
    ];
    let mut missing = None;
    for (connections, postgres) in &postgres {
        match postgres {
            Ok(postgres) => {
                contenders.push(Contender::new(
                    format!("PostgreSQL, one CTE, {connections} connections"),
                    move || postgres.rate(DIALOGS, all / 10, 1, true),
                ));
                contenders.push(Contender::new(
                    format!("PostgreSQL, one CTE, {connections} connections, pipelined"),
                    move || postgres.rate(DIALOGS, all / 10, 16, true),
                ));
                contenders.push(Contender::new(
                    format!("PostgreSQL, statements, {connections} connections"),
                    move || postgres.rate(DIALOGS, all / 20, 1, false),
                ));
            }
            Err(why) => missing = Some(why.clone()),
        }
    }
    let figures = interleave(args.rounds, &mut contenders)?;
    table.figures("W2", "msgs/s", &figures);
    let goal = "W2 pipelined against the best PostgreSQL variant";
    match missing {
        None => table.ratio(
            goal,
            &figures[0],
            best(&figures[5..], f64::gt),
            Goal::AtLeast {
                reach: 6.0,
                stretch: 15.0,
            },
        ),
        Some(why) => table.not_run(goal, &why),
    }
    table.ratio(
        "W2 pipelined against the same node without a disk",
        &figures[0],
        &figures[1],
        Goal::AtLeast {
            reach: 0.6,
            stretch: 0.8,
        },
    );
    Ok(())
}

/// Messages a second of all dialogs together.
fn rate(
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
    Ok((DIALOGS * messages) as f64 / begun.elapsed().as_secs_f64())
}
