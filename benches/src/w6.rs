//! W6: the first answer after `kill -9`, with many dialogs and a full journal.
//!
//! From the start of a process to the answer of a dialog that was there before. The page cache is warm, with every page
//! of the store in it, or cold, with none; both are verified with `fincore`.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use actor_store::Options;
use serde_json::{Value, json};

use crate::{
    args::Args,
    child::Running,
    ours,
    prepared::{self, Prepared, Uniform},
    process,
    rounds::{Contender, column, interleave_after},
    table::{Goal, Table, Wanted},
    w3,
};

pub(crate) const GOALS: &[Wanted] = &[
    (
        "W6 first answer after kill -9, 1 M dialogs, warm",
        Goal::AtMost {
            reach: 150.0,
            stretch: 50.0,
        },
    ),
    (
        "W6 first answer after kill -9, 1 M dialogs, cold",
        Goal::AtMost {
            reach: 1000.0,
            stretch: 200.0,
        },
    ),
];

/// How long a start may take until a fold is under way.
const FOLDING_WITHIN: Duration = Duration::from_secs(60);
/// Of a generation, folded before a process is killed.
const CHUNKS: u64 = 2;

/// Of journal that a start must read: a generation that is being folded and one that is full, as the store's defaults
/// leave them.
fn tail_bytes() -> u64 {
    2 * Options::default().fold_journal_bytes
}

pub(crate) fn run(args: &Args, prepared: &Prepared, table: &mut Table) -> Result<(), String> {
    let dialogs = w3::dialogs(args);
    let directory = prepared.store(dialogs)?;
    settle(&directory, dialogs)?;
    crash(&directory, dialogs)?;
    let name = |how: &str| format!("durable dialogs, {how}");
    let mut contenders = [
        (name("warm"), false, false),
        (name("cold"), true, false),
        (name("warm, the whole store verified"), false, true),
        (name("cold, the whole store verified"), true, true),
    ]
    .map(|(name, cold, verify)| {
        let directory = directory.clone();
        Contender::columns(name, move || first_answer(&directory, cold, verify))
    });
    let outcomes = interleave_after(1, args.rounds, &mut contenders);
    let figures = column(&outcomes, 0);
    let what = format!("W6 first answer after kill -9, {dialogs} dialogs");
    table.figures(&what, "ms", &figures);
    table.figures("W6 journal that it found", "MiB", &column(&outcomes, 1));
    table.note("W6: the verdicts are for a start as it is by default, which searches the store for damage while it is in use; `Verification::AtOpen`, which reads all of it first, is printed beside it. The program itself is in the page cache");
    for (goal, figures) in GOALS.iter().zip(&figures) {
        if args.quick {
            table.missing(*goal, "--quick has only 250,000");
        } else {
            table.goal(*goal, "ms", figures);
        }
    }
    // What comes after this does not find the long journal.
    let node = ours::start(prepared::builder(&directory))?;
    ours::fold_all(&node)
}

/// Folds once: the journal then has given up what the preparation left in it, as that of a service that has run for a
/// while.
fn settle(directory: &Path, dialogs: u64) -> Result<(), String> {
    let node = ours::start(prepared::builder(directory))?;
    let mut order = Uniform::over(dialogs, 5);
    w3::saturate(&ours::runtime()?, &node, &mut order, 4_000)?;
    ours::fold_all(&node)
}

/// Lets a process fill the journal, and kills it.
fn crash(directory: &Path, dialogs: u64) -> Result<(), String> {
    let directory = directory.display().to_string();
    let mut child = Running::start("fill-journal", &[&directory, &dialogs.to_string()])?;
    let left = child.next()?["journal"].as_f64().unwrap_or_default();
    child.kill()?;
    if left < tail_bytes() as f64 {
        return Err(format!("only {left} bytes of journal were filled"));
    }
    Ok(())
}

/// Milliseconds to the first answer of a new process, and MiB of journal that it found.
fn first_answer(directory: &Path, cold: bool, verify: bool) -> Result<Vec<f64>, String> {
    for file in process::files(directory)? {
        if cold {
            process::evict(&file)?;
        } else {
            process::warm(&file)?;
        }
        let cached = process::cached_part(&file)?;
        let wanted = if cold { cached < 0.001 } else { cached > 0.999 };
        if !wanted && fs::metadata(&file).is_ok_and(|file| file.len() > 0) {
            let name = file.display();
            return Err(format!(
                "{:.1} % of {name} is in the page cache",
                100.0 * cached
            ));
        }
    }
    let path = directory.display().to_string();
    let begun = Instant::now();
    let mut child = Running::start("first-answer", &[&path, &verify.to_string()])?;
    let found = child.next()?;
    let millis = begun.elapsed().as_secs_f64() * 1e3;
    // While a generation is being folded and before it is done: the next start finds as long a journal, and a state
    // database whose last commit is of a fold.
    child.next()?;
    child.kill()?;
    let journal = found["journal"].as_f64().ok_or("no `journal`")?;
    if journal < 0.9 * tail_bytes() as f64 {
        return Err(format!("only {journal} bytes of journal were left"));
    }
    Ok(vec![millis, journal / f64::from(1 << 20)])
}

/// A directory and its dialogs: fills the journal, says so, and waits to be killed.
pub(crate) fn fill_journal_child(args: &[String]) -> Result<Value, String> {
    let [directory, dialogs] = args else {
        return Err("`fill-journal` wants a directory and a count".to_owned());
    };
    let dialogs: u64 = dialogs.parse().map_err(|_| "no count of dialogs")?;
    let builder = actor_core::Node::builder(directory).store_options(Options {
        fold_records: usize::MAX,
        fold_journal_bytes: u64::MAX,
        ..Options::default()
    });
    let node = ours::start(builder)?;
    let runtime = ours::runtime()?;
    let mut order = Uniform::over(dialogs, 6);
    while node.store().journal_bytes() < tail_bytes() {
        w3::saturate(&runtime, &node, &mut order, 4_000)?;
    }
    for _ in 0..CHUNKS {
        let folded = node.store().fold_step(true);
        folded.map(drop).map_err(|why| why.to_string())?;
    }
    println!("{}", json!({ "journal": node.store().journal_bytes() }));
    wait_for_the_end(&node)
}

/// A directory and whether all of it is verified: answers once, says so, and waits to be killed.
pub(crate) fn first_answer_child(args: &[String]) -> Result<Value, String> {
    let [directory, verify] = args else {
        return Err("`first-answer` wants a directory and yes or no".to_owned());
    };
    let builder = actor_core::Node::builder(directory).verify(ours::verification(verify));
    let node = ours::start(builder)?;
    let journal = node.store().journal_bytes();
    ours::runtime()?.block_on(prepared::post(&node, 1))?;
    println!("{}", json!({ "journal": journal }));
    let answered = Instant::now();
    while node.store().stats().fold_chunks < CHUNKS {
        if let Some(why) = node.store().stopped_because() {
            return Err(format!("the store stopped: {why}"));
        }
        if answered.elapsed() > FOLDING_WITHIN {
            let folded = node.store().stats().fold_chunks;
            return Err(format!(
                "{folded} of {CHUNKS} chunks were folded in {FOLDING_WITHIN:?} after the first answer: is the journal, {journal} bytes, shorter than what begins a fold?"
            ));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("{}", json!({ "folding": true }));
    wait_for_the_end(&node)
}

/// The node runs until somebody kills it.
fn wait_for_the_end(_node: &actor_core::Node) -> ! {
    loop {
        std::thread::park();
    }
}
