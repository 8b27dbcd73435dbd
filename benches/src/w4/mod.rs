//! W4: dialogs in memory beside actors: asking, telling, opening a million.
//!
//! Everybody keeps the same 200 bytes and does the same to them, and all callers run on one tokio runtime with two
//! workers; actors of the peers run there too, dialogs on the shards of their node.

mod with_dialogs;
mod with_kameo;
mod with_ractor;
mod with_tokio;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    args::Args,
    child, process,
    rounds::{Contender, Outcome, Sum, alternate, best, column, interleave_after, median},
    table::{Goal, Table, Wanted},
};

use with_dialogs::Dialogs;
use with_kameo::Kameo;
use with_ractor::Ractor;
use with_tokio::Tokio;

pub(crate) const GOALS: &[Wanted] = &[
    (
        "W4 ask over 1,000 volatile dialogs against ractor",
        Goal::OrMore(1.0),
    ),
    (
        "W4 the same against tokio mpsc and oneshot, which is the stretch",
        Goal::OrMore(1.0),
    ),
];

/// Slices of a round where a goal decides: each is a tenth of a second, in which the machine may be at something else.
const SLICES: usize = 16;
/// Messages of which the last is asked and all others are told.
const BURST: u64 = 100;
/// Actors that are being opened at a time.
const OPENING: u64 = 256;
/// Whoever has not opened all by then is too slow to be waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of the contenders, in their order.
const OURS: usize = 0;
const RACTOR: usize = 2;
const TOKIO: usize = 3;

/// A kind of actor that keeps an account.
trait Actors: Send + Sync + 'static {
    type Actor: Send + Sync + 'static;

    fn spawn(&self) -> impl Future<Output = Result<Self::Actor, String>> + Send;
    /// The number of the posting.
    fn ask(&self, actor: &Self::Actor) -> impl Future<Output = Result<u64, String>> + Send;
    fn tell(&self, actor: &Self::Actor) -> impl Future<Output = Result<(), String>> + Send;
}

/// The runtime of all callers.
fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|cause| format!("no runtime: {cause}"))
}

pub(crate) fn run(args: &Args, table: &mut Table) -> Result<(), String> {
    let scratch = args.scratch()?;
    let runtime = runtime()?;
    let dialogs = Arc::new(Dialogs::new(scratch.path())?);
    let many = args.scaled(300_000) as u64;
    let slices = args.scaled(SLICES);

    let mut all = |what: &str, actors: u64, told: u64, messages: u64, slices| -> Vec<Outcome> {
        let each = messages / actors;
        let rate = (actors, each, told);
        let outcomes = alternate(
            args.rounds,
            slices,
            Sum::Rates,
            &mut [
                contender("durable dialogs, volatile", &runtime, &dialogs, rate),
                contender("kameo 0.22", &runtime, &Arc::new(Kameo), rate),
                contender("ractor 0.16", &runtime, &Arc::new(Ractor), rate),
                contender("tokio mpsc and oneshot", &runtime, &Arc::new(Tokio), rate),
            ],
        );
        table.figures(what, "msgs/s", &column(&outcomes, 0));
        outcomes
    };
    all("W4 ask, 1 actor", 1, 0, many / 6, 1);
    let asked = all("W4 ask, 1,000 actors", 1000, 0, many, slices);
    all("W4 tell, 1 actor", 1, BURST - 1, many, 1);
    all(
        "W4 tell, 1,000 actors",
        1000,
        BURST - 1,
        many.max(100_000),
        1,
    );

    let asked = column(&asked, 0);
    table.ratio(GOALS[0], &asked[OURS], asked.get(RACTOR));
    table.ratio(GOALS[1], &asked[OURS], asked.get(TOKIO));
    open_many(args, table);
    Ok(())
}

/// Opens so many in fresh processes, and looks how large those become.
fn open_many(args: &Args, table: &mut Table) {
    let count = args.scaled(1_000_000) as u64;
    let directory = args.dir.clone();
    let mut contenders: Vec<Contender<'_>> = CHILDREN
        .iter()
        .map(|(name, child)| {
            let directory = directory.clone();
            Contender::columns(*name, move || {
                let count = count.to_string();
                let directory = directory.display().to_string();
                let found = child::call("open", &[child, &count, &directory])?;
                let value = |name: &str| found[name].as_f64().ok_or(format!("no `{name}`"));
                Ok(vec![value("rate")?, value("bytes")?])
            })
        })
        .collect();
    // A fresh process each time: there is nothing to warm up.
    let outcomes = interleave_after(0, args.rounds, &mut contenders);
    let what = format!("W4 opening {count}, each with an answer");
    let rates = column(&outcomes, 0);
    table.figures(&what, "actors/s", &rates);
    let what = format!("W4 memory of {count}, both sides and handle");
    table.figures(&what, "B/actor", &column(&outcomes, 1));
    if let Some(best) = best(&rates[1..], f64::gt) {
        let ratio = median(&rates[OURS].rounds) / median(&best.rounds);
        table.note(format!(
            "opening {count} volatile dialogs: {ratio:.2} times the rate of {}",
            best.name
        ));
    }
}

const CHILDREN: &[(&str, &str)] = &[
    ("durable dialogs, volatile", "dialogs"),
    ("kameo 0.22", "kameo"),
    ("ractor 0.16", "ractor"),
    ("tokio mpsc and oneshot", "tokio"),
];

/// The child's part of [`open_many`]: which, how many, where.
pub(crate) fn open_child(args: &[String]) -> Result<Value, String> {
    let [which, count, directory] = args else {
        return Err("`open` wants a contender, a count and a directory".to_owned());
    };
    let count = count
        .parse()
        .map_err(|_| format!("`{count}` is no count"))?;
    let runtime = runtime()?;
    match which.as_str() {
        "dialogs" => {
            let scratch = tempfile::tempdir_in(directory).map_err(|cause| cause.to_string())?;
            opened(&runtime, Dialogs::new(scratch.path())?, count)
        }
        "kameo" => opened(&runtime, Kameo, count),
        "ractor" => opened(&runtime, Ractor, count),
        "tokio" => opened(&runtime, Tokio, count),
        _ => Err(format!("nobody is called `{which}`")),
    }
}

/// Opens so many; all of them are there at the end.
fn opened<A: Actors>(runtime: &Runtime, actors: A, count: u64) -> Result<Value, String> {
    let before = process::resident_bytes()?;
    let begun = Instant::now();
    let held = runtime.block_on(async {
        let mut held = Vec::with_capacity(count as usize);
        while (held.len() as u64) < count {
            if begun.elapsed() > PATIENCE {
                let (opened, time) = (held.len(), PATIENCE.as_secs());
                return Err(format!("only {opened} of {count} were opened in {time} s"));
            }
            let some = OPENING.min(count - held.len() as u64);
            let opening = (0..some).map(|_| async {
                let actor = actors.spawn().await?;
                actors.ask(&actor).await?;
                Ok::<_, String>(actor)
            });
            held.extend(futures_util::future::try_join_all(opening).await?);
        }
        Ok::<_, String>(held)
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let bytes = process::resident_bytes()?.saturating_sub(before);
    let found = json!({
        "rate": count as f64 / seconds,
        "bytes": bytes as f64 / count as f64,
    });
    // The process ends; taking a million actors down by hand is nobody's measurement.
    std::mem::forget((held, actors));
    Ok(found)
}

/// So many actors at once, each with so many messages, of which so many in a burst are told before one is asked.
fn contender<'a, A: Actors>(
    name: &str,
    runtime: &'a Runtime,
    actors: &Arc<A>,
    (count, each, told): (u64, u64, u64),
) -> Contender<'a> {
    let actors = Arc::clone(actors);
    Contender::new(name, move || {
        runtime.block_on(async {
            let mut held = Vec::new();
            for _ in 0..count {
                held.push(actors.spawn().await?);
            }
            let begun = Instant::now();
            let mut tasks = tokio::task::JoinSet::new();
            for actor in held {
                let actors = Arc::clone(&actors);
                tasks.spawn(async move {
                    let mut posted = 0;
                    while posted < each {
                        for _ in 0..told {
                            actors.tell(&actor).await?;
                        }
                        posted += told + 1;
                        let heard = actors.ask(&actor).await?;
                        if heard != posted {
                            return Err(format!("posting {posted} was answered as {heard}"));
                        }
                    }
                    // Ending is not measured: the last handle lives on until everybody is done.
                    Ok((posted, actor))
                });
            }
            let (mut all, mut done) = (0, Vec::new());
            while let Some(task) = tasks.join_next().await {
                let (posted, actor) = task.map_err(|cause| cause.to_string())??;
                all += posted;
                done.push(actor);
            }
            Ok(all as f64 / begun.elapsed().as_secs_f64())
        })
    })
}
