//! `--kill-every`: runs a worker that kills itself, and starts it again on the same store until every order has an
//! outcome.
//!
//! Owns the worker's lives and sums up what they counted; never opens a store.

use std::{
    env,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::{
    args::Args,
    progress::ProgressLine,
    report::Finished,
    run::{PROGRESS_EVERY, Progress},
    worker::Said,
};

/// How long a worker may say nothing, or say the same again and again.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many lives in a row may end without another order settled.
const MAX_FRUITLESS_LIVES: u64 = 1_000;

/// How one life of the worker ended.
enum Life {
    /// It had come this far.
    Killed(Progress),
    Finished(Finished),
    /// It has said why.
    Failed,
}

/// Runs workers on `store` until one has finished; says how many restarts that took. `None` where a worker failed and
/// has said why.
pub async fn supervise(args: &Args, store: &Path) -> Result<Option<(Finished, u64)>, String> {
    let mut line = ProgressLine::new();
    let mut so_far = Progress::default();
    let (mut restarts, mut fruitless) = (0, 0);
    while fruitless <= MAX_FRUITLESS_LIVES {
        // Other gnomes in each life: the same ones would lose the same frames again and again.
        let seed = args.seed.wrapping_add(restarts);
        let worker = Args {
            store: Some(store.to_owned()),
            seed,
            ..args.clone()
        };
        let life = live(&worker, |progress| {
            line.show(&so_far.and(progress), restarts)
        })
        .await?;
        match life {
            Life::Finished(finished) => {
                let counters = so_far.counters + finished.counters;
                return Ok(Some((
                    Finished {
                        counters,
                        ..finished
                    },
                    restarts,
                )));
            }
            Life::Failed => return Ok(None),
            Life::Killed(progress) => {
                restarts += 1;
                fruitless = if progress.settled > so_far.settled {
                    0
                } else {
                    fruitless + 1
                };
                so_far = so_far.and(progress);
            }
        }
    }
    Err(format!(
        "{}: {} orders are settled and {MAX_FRUITLESS_LIVES} lives of the worker added none; say a larger --kill-every",
        store.display(),
        so_far.settled
    ))
}

/// One life of a worker.
async fn live(args: &Args, mut tell: impl FnMut(Progress)) -> Result<Life, String> {
    let failed = |error| format!("the worker cannot be run: {error}");
    let mut child = Command::new(env::current_exe().map_err(failed)?)
        .args(args.of_worker())
        // Held open and never written to: its end tells the worker that its supervisor is gone.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let _leash = child.stdin.take();
    let out = child
        .stdout
        .take()
        .ok_or("the worker has no standard output")?;
    let mut lines = BufReader::new(out).lines();

    let (mut last, mut unchanged) = (Progress::default(), Duration::ZERO);
    let mut finished = None;
    loop {
        let line = timeout(PATIENCE, lines.next_line()).await;
        let Some(line) = line.map_err(|_| stuck())?.map_err(failed)? else {
            break;
        };
        match serde_json::from_str(&line) {
            Ok(Said::Progress(progress)) if progress == last => {
                unchanged += PROGRESS_EVERY;
                if unchanged > PATIENCE {
                    return Err(stuck());
                }
            }
            Ok(Said::Progress(progress)) => {
                (last, unchanged) = (progress, Duration::ZERO);
                tell(progress);
            }
            Ok(Said::LastWords { settled, counters }) => {
                last = Progress {
                    settled,
                    counters,
                    ..last
                }
            }
            Ok(Said::Finished(all)) => finished = Some(all),
            Err(error) => {
                return Err(format!(
                    "the worker said something else than a worker does: {error}"
                ));
            }
        }
    }
    let status = child.wait().await.map_err(failed)?;
    match (finished, status.signal()) {
        // Whatever came after that is no concern of the orders.
        (Some(finished), _) => Ok(Life::Finished(finished)),
        (None, Some(signal)) if signal == Signal::KILL.as_raw() => Ok(Life::Killed(last)),
        (None, None) if !status.success() => Ok(Life::Failed),
        (None, _) => Err(strange(status)),
    }
}

fn stuck() -> String {
    format!(
        "the worker has made no progress for {} s; run again on the same --store to go on",
        PATIENCE.as_secs()
    )
}

fn strange(status: ExitStatus) -> String {
    format!(
        "the worker ended in an unexpected way ({status}); run again on the same --store to go on"
    )
}

impl Progress {
    /// As far as the lives before and this one together: outcomes are found again, frames are not.
    fn and(self, life: Self) -> Self {
        Self {
            settled: self.settled.max(life.settled),
            orders: life.orders,
            counters: self.counters + life.counters,
        }
    }
}
