//! W5: what dialogs take: memory while they are dormant and while they are active, bytes on disk, bytes written.
//!
//! Each round is a fresh process.

use std::{path::Path, sync::Arc};

use actor_store::{Options, VerifyProgress};
use serde_json::{Value, json};

use crate::{
    args::Args,
    child,
    ours::{self, Account, MEMO_BYTES, STATE_BYTES},
    prepared::{self, Prepared, Uniform},
    process,
    rounds::{Contender, interleave_after},
    table::{Goal, Table, Wanted},
    w3,
};

pub(crate) const GOALS: &[Wanted] = &[
    (
        "W5 RSS with 1 M dormant dialogs, redb caches of 64 MiB in all",
        Goal::AtMost {
            reach: 120.0,
            stretch: 60.0,
        },
    ),
    (
        "W5 active dialog beyond its own state, both sides in one node",
        Goal::AtMost {
            reach: 1024.0,
            stretch: 400.0,
        },
    ),
];

/// Memory for the page caches of both files.
const CACHE_BYTES: usize = 64 << 20;
/// Dialogs that are active at a time, over enough shards that none is dropped from memory.
const ACTIVE: u64 = 60_000;
const SHARDS: usize = 16;
/// Dialogs that talk before, so that what is there once is there.
const BEFORE: u64 = 10_000;

pub(crate) fn run(args: &Args, prepared: &Prepared, table: &mut Table) -> Result<(), String> {
    let dialogs = w3::dialogs(args);
    let directory = prepared.store(dialogs)?;
    let on_disk = process::disk_bytes(&directory)? as f64 / dialogs as f64;
    let directory = directory.display().to_string();
    let messages = args.scaled(100_000).to_string();
    let count = dialogs.to_string();
    let scratch = args.dir.display().to_string();
    let value = |found: &Value, name: &str| found[name].as_f64().ok_or(format!("no `{name}`"));
    let outcomes = interleave_after(
        0,
        args.rounds,
        &mut [
            Contender::columns("dormant", || {
                let found = child::call("dormant", &[&directory, &count, &messages, "true"])?;
                Ok(vec![
                    value(&found, "started")?,
                    value(&found, "talked")?,
                    value(&found, "written")?,
                ])
            }),
            Contender::columns("dormant, searched in use", || {
                let found = child::call("dormant", &[&directory, &count, "0", "false"])?;
                Ok(vec![value(&found, "started")?])
            }),
            Contender::columns("active", || {
                let found = child::call("active", &[&scratch])?;
                Ok(vec![value(&found, "bytes")?])
            }),
        ],
    );
    let dormant = &outcomes[0];
    let start = "durable dialogs, after a start that verifies the whole store first";
    let lazy = "durable dialogs, after a start as it is by default";
    let after = format!("durable dialogs, {messages} messages after the first");
    table.figures(
        &format!("W5 RSS with {dialogs} dormant dialogs"),
        "MB",
        &[
            dormant.column(0).called(start),
            outcomes[1].column(0).called(lazy),
            dormant.column(1).called(&after),
        ],
    );
    let what = "W5 bytes written for a message, folds included, uniform";
    table.figures(what, "B", &[dormant.column(2).called("durable dialogs")]);
    let what = "W5 disk for a dormant dialog, both sides, state and key";
    table.once(what, "durable dialogs", "B", on_disk);
    if args.quick {
        table.missing(GOALS[0], "--quick has only 250,000");
    } else {
        table.goal(GOALS[0], "MB", &outcomes[1].column(0));
    }
    table.goal(GOALS[1], "B", &outcomes[2].figures());
    Ok(())
}

/// A directory, its dialogs, messages, and whether the start verifies everything: memory after a start and an answer,
/// memory after many messages, and what was written for each.
pub(crate) fn dormant_child(args: &[String]) -> Result<Value, String> {
    let [directory, dialogs, messages, verify] = args else {
        return Err("`dormant` wants a directory, two counts, and yes or no".to_owned());
    };
    let dialogs: u64 = dialogs.parse().map_err(|_| "no count of dialogs")?;
    let messages: usize = messages.parse().map_err(|_| "no count of messages")?;
    let builder = actor_core::Node::builder(directory).cache_bytes(CACHE_BYTES);
    let node = ours::start(builder.verify(ours::verification(verify)))?;
    let runtime = ours::runtime()?;
    runtime.block_on(prepared::post(&node, 1))?;
    ours::fold_all(&node)?;
    // With the page cache as full as a search for damage leaves it.
    let search = || node.store().verify_step(1024);
    while search().map_err(|why| why.to_string())? != VerifyProgress::Finished {}
    let started = process::resident_bytes()?;
    let before = process::written_bytes()?;
    let mut order = Uniform::over(dialogs, u64::from(std::process::id()));
    w3::saturate(&runtime, &node, &mut order, messages)?;
    ours::fold_all(&node)?;
    let written = process::written_bytes()? - before;
    let found = json!({
        "started": started as f64 / 1e6,
        "talked": process::resident_bytes()? as f64 / 1e6,
        "written": written as f64 / messages.max(1) as f64,
    });
    shut_down(&runtime, node)?;
    Ok(found)
}

/// A directory for scratch: what an active dialog takes beyond its state.
pub(crate) fn active_child(args: &[String]) -> Result<Value, String> {
    let [directory] = args else {
        return Err("`active` wants a directory".to_owned());
    };
    let scratch = tempfile::tempdir_in(directory).map_err(|cause| cause.to_string())?;
    active_in(scratch.path())
}

fn active_in(directory: &Path) -> Result<Value, String> {
    // Page caches that are full from the beginning do not grow, and what is folded at once is in no overlay: records that
    // wait for their fold are no part of a dialog, but an allocator keeps the room that they took.
    let options = Options {
        cache_bytes: 1 << 20,
        fold_records: 5_000,
        ..Options::default()
    };
    let builder = actor_core::Node::builder(directory.join("active")).shards(SHARDS);
    let node = ours::start(builder.store_options(options))?;
    let runtime = ours::runtime()?;
    let talk = |from: u64, to: u64| {
        runtime.block_on(async {
            for dialogs in (from..to).collect::<Vec<_>>().chunks(1000) {
                let posts = dialogs.iter().map(|dialog| {
                    let node = &node;
                    async move {
                        let account = node.open_as::<Account>(format!("active-{dialog}"));
                        account.post(*dialog, [7; MEMO_BYTES]).await
                    }
                });
                let posted = futures_util::future::try_join_all(posts).await;
                posted.map_err(|why| why.to_string())?;
                ours::fold_all(&node)?;
            }
            Ok::<_, String>(())
        })
    };
    talk(0, BEFORE)?;
    let before = process::resident_bytes()?;
    talk(BEFORE, BEFORE + ACTIVE)?;
    let grown = process::resident_bytes()?.saturating_sub(before);
    shut_down(&runtime, node)?;
    Ok(json!({ "bytes": grown as f64 / ACTIVE as f64 - STATE_BYTES as f64 }))
}

fn shut_down(runtime: &tokio::runtime::Runtime, node: Arc<actor_core::Node>) -> Result<(), String> {
    let node = Arc::into_inner(node).ok_or("a task still holds the node")?;
    runtime
        .block_on(node.shutdown())
        .map_err(|why| why.to_string())
}
