//! W3: messages that fall uniformly over many existing dialogs.
//!
//! Open loop: messages arrive when they arrive, whether or not earlier ones are answered, and the latency of each counts
//! from the moment at which it was due to arrive. Then as fast as it goes.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actor_core::Node;

use crate::{
    args::Args,
    disk_watch::DiskWatch,
    naive_redb::Naive,
    ours, prepared,
    prepared::{Prepared, Uniform},
    process,
    rounds::{Contender, Sum, alternate, column, dispersed, percentile},
    table::{Goal, Table, Wanted},
};

pub(crate) const GOALS: &[Wanted] = &[
    (
        "W3 at 20k/s: p99.9",
        Goal::AtMost {
            reach: 20.0,
            stretch: 3.0,
        },
    ),
    (
        "W3 saturated against naive redb",
        Goal::AtLeast {
            reach: 8.0,
            stretch: 25.0,
        },
    ),
];

/// Messages a second.
const OFFERED: [u64; 3] = [5_000, DECIDES, 50_000];
/// Of these, the one that there is a goal for.
const DECIDES: u64 = 20_000;
/// When the messages of so many seconds wait, more arrive than are answered, and nothing more is offered: what waits is
/// answered, and its latencies count. It would only have become worse.
const BEHIND_AT_MOST_S: u64 = 1;
/// Turns in each round of those who go as fast as they can: the disk is twice as fast in one second as in the next,
/// and naive redb waits for nothing else.
const SLICES: usize = 16;
/// Messages under way at a time where it goes as fast as it can.
const SATURATING: usize = 2_000;
/// How exactly a message is offered in time; it counts from when it was due. Waking up more often takes the processor from those
/// who answer.
const TICK: Duration = Duration::from_micros(200);

/// A message waits for the sync that is under way and for its own. Where a sync of another file takes longer than half of what
/// the goal lets an answer take, nobody who is durable could answer in time: such a part is played once more, and its
/// latencies are told apart.
const STANDS_STILL_MS: f64 = 10.0;

/// Dialogs that exist.
pub(crate) fn dialogs(args: &Args) -> u64 {
    if args.quick { 250_000 } else { 1_000_000 }
}

/// How long a part of a round is.
const PART: Duration = Duration::from_secs(10);
const QUICK_PART: Duration = Duration::from_secs(2);

/// Parts of a round. The one in a thousand that decides wants a hundred folds, or a single one decides; and the machine is a
/// third faster in one minute than in the next.
fn parts(args: &Args, offered: u64) -> usize {
    match offered {
        DECIDES if !args.quick => 4,
        _ => 1,
    }
}

pub(crate) fn run(args: &Args, prepared: &Prepared, table: &mut Table) -> Result<(), String> {
    let dialogs = dialogs(args);
    let scratch = args.scratch()?;
    let store = prepared.store(dialogs)?;
    let mut naive = Naive::new(scratch.path())?;
    naive.fill(dialogs.into())?;
    // The other one is in the page cache, as it was filled just now.
    for file in process::files(&store)? {
        process::warm(&file)?;
    }
    let node = ours::start(prepared::builder(&store))?;

    // This thread offers; messages are said and answers heard on a runtime as an application has it on two cores.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|cause| format!("no runtime: {cause}"))?;
    let part = if args.quick { QUICK_PART } else { PART };
    for offered in OFFERED {
        let mut order = Uniform::over(dialogs, offered);
        let parts = parts(args, offered);
        let again = Cell::new(args.rounds * parts);
        let mut play = || {
            let mut told_apart = Vec::new();
            loop {
                let watch = DiskWatch::begin(scratch.path())?;
                let (millis, in_time) = open_loop(&runtime, &node, &mut order, offered, part)?;
                let disk_stopped = watch.slowest_millis()?;
                // The next part begins on a clean slate.
                ours::fold_all(&node)?;
                if disk_stopped > STANDS_STILL_MS && again.get() > 0 {
                    again.set(again.get() - 1);
                    told_apart.extend(millis);
                    continue;
                }
                return Ok(Heard {
                    millis,
                    told_apart,
                    in_time,
                    disk_stopped,
                });
            }
        };
        if offered == OFFERED[0] {
            // The slowest rate warms up for all.
            play()?;
            again.set(args.rounds * parts);
        }
        let before = node.store().stats();
        let outcome = dispersed(
            &format!("durable dialogs, {offered}/s offered"),
            args.rounds,
            parts,
            play,
            Heard::columns,
        );
        let name = "durable dialogs";
        for (column, what) in ["p50", "p99", "p99.9", "largest"].iter().enumerate() {
            let what = format!("W3 {offered}/s offered over {dialogs} dialogs, {what}");
            table.figures(&what, "ms", &[outcome.column(column).called(name)]);
        }
        let answered = outcome.column(4).called(name);
        let what = format!("W3 {offered}/s offered, answered while it was");
        table.figures(&what, "msgs/s", &[answered]);
        let stopped = outcome.column(5).called("a block of 4 KiB");
        let what = format!("W3 {offered}/s offered, largest sync of another file meanwhile");
        table.figures(&what, "ms", &[stopped]);
        let everything = outcome.column(6).called(name);
        let what =
            format!("W3 {offered}/s offered, p99.9 with the parts in which the disk stood still");
        table.figures(&what, "ms", &[everything]);
        let after = node.store().stats();
        let folds = after.folds - before.folds;
        let chunks = after.fold_chunks - before.fold_chunks;
        table.note(format!(
            "W3 at {offered}/s: {folds} folds in {chunks} chunks while {} rounds ran, each in {parts} parts of {} s",
            args.rounds,
            part.as_secs()
        ));
        let played_again = args.rounds * parts - again.get();
        if played_again > 0 {
            table.note(format!(
                "W3 at {offered}/s: {played_again} parts were played once more, because a sync of another file took more than \
                 {STANDS_STILL_MS} ms: the disk stood still"
            ));
        }
        if offered == DECIDES {
            table.goal(GOALS[0], "ms", &outcome.column(2));
        }
    }
    drop(runtime);
    saturated(args, dialogs, &node, &mut naive, table)
}

/// Everybody as fast as they can.
fn saturated(
    args: &Args,
    dialogs: u64,
    node: &Arc<Node>,
    naive: &mut Naive,
    table: &mut Table,
) -> Result<(), String> {
    let messages = args.scaled(50_000);
    let slices = args.scaled(SLICES);
    let runtime = ours::runtime()?;
    let mut order = Uniform::over(dialogs, 1);
    let mut theirs = Uniform::over(dialogs, 2);
    let outcomes = alternate(
        args.rounds,
        slices,
        Sum::Rates,
        &mut [
            Contender::new("durable dialogs, 2,000 messages under way", || {
                let rate = saturate(&runtime, node, &mut order, messages)?;
                ours::fold_all(node)?;
                Ok(rate)
            }),
            Contender::new("redb, a transaction for each message", || {
                naive.rate_over(theirs.by_ref().take((messages / 25).max(1000)))
            }),
        ],
    );
    let figures = column(&outcomes, 0);
    let what = format!("W3 saturated over {dialogs} dialogs");
    table.figures(&what, "msgs/s", &figures);
    table.ratio(GOALS[1], &figures[0], figures.get(1));
    Ok(())
}

/// Messages a second, with many under way at a time.
pub(crate) fn saturate(
    runtime: &tokio::runtime::Runtime,
    node: &Arc<Node>,
    order: &mut Uniform,
    messages: usize,
) -> Result<f64, String> {
    let begun = Instant::now();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..SATURATING {
            let mine: Vec<u64> = order.by_ref().take(messages / SATURATING).collect();
            let node = Arc::clone(node);
            tasks.spawn(async move {
                for dialog in mine {
                    prepared::post(&node, dialog).await?;
                }
                Ok::<_, String>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|cause| cause.to_string())??;
        }
        Ok::<_, String>(())
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let done = messages / SATURATING * SATURATING;
    Ok(done as f64 / seconds)
}

/// From arrival to answer of each message, in milliseconds; and messages answered a second while more arrived.
fn open_loop(
    runtime: &tokio::runtime::Runtime,
    node: &Arc<Node>,
    order: &mut Uniform,
    offered: u64,
    time: Duration,
) -> Result<(Vec<f64>, f64), String> {
    let due: u64 = offered * time.as_secs();
    let micros: Arc<Vec<AtomicU32>> = Arc::new((0..due).map(|_| AtomicU32::new(0)).collect());
    let answered = Arc::new(AtomicU64::new(0));
    let failed = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut said = 0;
    let most = BEHIND_AT_MOST_S * offered;
    while said < due && said - answered.load(Ordering::Relaxed) < most {
        let now = begun.elapsed();
        let arrived = (now.as_nanos() * u128::from(offered) / 1_000_000_000) as u64 + 1;
        for message in said..arrived.min(due) {
            let at = begun + Duration::from_nanos(message * 1_000_000_000 / offered);
            let dialog = order.next().unwrap_or_default();
            let node = Arc::clone(node);
            let (micros, answered) = (Arc::clone(&micros), Arc::clone(&answered));
            let failed = Arc::clone(&failed);
            runtime.spawn(async move {
                if prepared::post(&node, dialog).await.is_err() {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
                let waited = at.elapsed().as_micros().clamp(1, u32::MAX.into());
                micros[message as usize].store(waited as u32, Ordering::Relaxed);
                answered.fetch_add(1, Ordering::Relaxed);
            });
        }
        said = arrived.min(due).max(said);
        std::thread::sleep(TICK);
    }
    let in_time = answered.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    while answered.load(Ordering::Relaxed) < said {
        std::thread::sleep(Duration::from_millis(1));
    }
    if failed.load(Ordering::Relaxed) > 0 {
        return Err(format!(
            "{} messages failed",
            failed.load(Ordering::Relaxed)
        ));
    }
    let waited = micros.iter().map(|micros| micros.load(Ordering::Relaxed));
    let millis = waited
        .filter(|micros| *micros > 0)
        .map(|micros| f64::from(micros) / 1e3)
        .collect();
    Ok((millis, in_time))
}

/// What came of a part of a round.
struct Heard {
    /// From arrival to answer, of each message.
    millis: Vec<f64>,
    /// The same where the disk stood still meanwhile, and the part was played once more.
    told_apart: Vec<f64>,
    /// Messages a second that were answered while more arrived.
    in_time: f64,
    /// The largest sync of another file meanwhile, in milliseconds.
    disk_stopped: f64,
}

impl Heard {
    /// Of all messages of a round: p50, p99, p99.9 and the largest; the mean of what was answered in time; the largest sync;
    /// and p99.9 of these messages and of those that are told apart.
    fn columns(parts: Vec<Self>) -> Vec<f64> {
        let in_time = parts.iter().map(|part| part.in_time).sum::<f64>() / parts.len() as f64;
        let disk_stopped = parts.iter().map(|part| part.disk_stopped);
        let disk_stopped = disk_stopped.fold(0.0, f64::max);
        let mut millis = Vec::new();
        let mut everything = Vec::new();
        for part in parts {
            everything.extend(part.told_apart);
            everything.extend_from_slice(&part.millis);
            millis.extend(part.millis);
        }
        let everything = percentile(&mut everything, 0.999);
        let mut at = |part| percentile(&mut millis, part);
        vec![
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
            in_time,
            disk_stopped,
            everything,
        ]
    }
}
