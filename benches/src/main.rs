//! Durable dialogs beside the floor, beside what people use today, and beside their peers: the same work for everybody,
//! in one run, in interleaved rounds, with one table of ratios at the end.
//!
//! `cargo run --release -p benches -- --help` says what can be asked for, what each workload does and how long it takes.
//! Nothing here decides a test: what can be counted without a clock is guarded by `tests/tests/costs.rs`, and the parts of
//! a message are timed one by one by `cargo bench -p benches`.
//!
//! # What is fair
//!
//! - Everybody keeps about 200 bytes of state for a dialog, takes a message of about 40 and answers with about 50. Every
//!   message counts once, and is durable before its answer is heard: inbox, state and outbox in one transaction. Contenders
//!   that count their rows are asked afterwards whether they did all of that.
//! - Everybody in this process has the same allocator, the C library's, or mimalloc with `--features mimalloc`; the
//!   settings say which.
//! - Everybody runs at the priority and slice of the process, and the table says which the kernel has for each.
//! - Contenders take turns, a round each; what is printed is the median of rounds, and a ratio is taken within a round.
//!   The spread is printed, and a goal whose spread exceeds 30 % is noisy and not reached.
//! - Where a ratio decides about a short round, the round is slices in which all take turns, there and back. Each turn
//!   begins as soon as everything written before is on the disk.
//! - Page caches are as large for redb alone as for a node.
//! - Latencies under load count from the moment at which a message was due, not from the one at which somebody got round
//!   to saying it.
//!
//! # Where to add
//!
//! A workload is a module with `run` and the rows it has among the goals, and a line in [`WORKLOADS`]. A contender is a
//! [`Contender`](rounds::Contender) in its list. What wants a fresh process, or one to kill, is a [`child`].
#![allow(
    clippy::disallowed_methods,
    reason = "the clock of the machine is what a benchmark reads"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "counts and figures, far from where these would matter"
)]
#![allow(clippy::doc_markdown, reason = "SQLite and PostgreSQL are no code")]

/// See *What is fair*.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod args;
mod child;
mod disk_floor;
mod disk_watch;
mod durable_functions;
mod journal_alone;
mod naive_redb;
mod no_disk;
mod ours;
mod postgres;
mod prepared;
mod process;
mod reference;
mod rounds;
mod scheduling;
mod sqlite;
mod table;
mod w1;
mod w2;
mod w3;
mod w4;
mod w5;
mod w6;
mod w7;
mod w8;

use std::process::ExitCode;

use args::Args;
use prepared::Prepared;
use table::{Table, Wanted};

/// What runs a workload.
type Run = fn(&Args, &Prepared, &mut Table) -> Result<(), String>;

/// A workload.
struct Workload {
    name: &'static str,
    /// The rows that it has among the goals.
    goals: &'static [Wanted],
    run: Run,
}

/// In the order in which they run and are printed.
const WORKLOADS: &[Workload] = &[
    Workload {
        name: "reference",
        goals: &[],
        run: |args, _, table| reference::run(args, table),
    },
    Workload {
        name: "w1",
        goals: w1::GOALS,
        run: |args, _, table| w1::run(args, table),
    },
    Workload {
        name: "w2",
        goals: w2::GOALS,
        run: |args, _, table| w2::run(args, table),
    },
    Workload {
        name: "journal",
        goals: journal_alone::GOALS,
        run: |args, _, table| journal_alone::run(args, table),
    },
    Workload {
        name: "w3",
        goals: w3::GOALS,
        run: w3::run,
    },
    Workload {
        name: "w4",
        goals: w4::GOALS,
        run: |args, _, table| w4::run(args, table),
    },
    Workload {
        name: "w5",
        goals: w5::GOALS,
        run: w5::run,
    },
    Workload {
        name: "w6",
        goals: w6::GOALS,
        run: w6::run,
    },
    Workload {
        name: "w7",
        goals: w7::GOALS,
        run: w7::run,
    },
    Workload {
        name: "w8",
        goals: w8::GOALS,
        run: |args, _, table| w8::run(args, table),
    },
];

fn main() -> ExitCode {
    // duroxide would write its log among the rows, and a subscriber would cost every contender that traces.
    drop(tracing::subscriber::set_global_default(
        tracing::subscriber::NoSubscriber::new(),
    ));
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == child::FLAG) {
        return child::main(&words[1..]);
    }
    let args = match Args::parse(words.into_iter()) {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("{why}; `--help` lists what there is");
            return ExitCode::FAILURE;
        }
    };
    let prepared = match Prepared::new(&args) {
        Ok(prepared) => prepared,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let mut table = Table::new(&args);
    for workload in WORKLOADS {
        let name = workload.name;
        if !args.wants(name) {
            table.complete(workload.goals, "not asked for");
            continue;
        }
        eprintln!("{name}:");
        if let Err(why) = (workload.run)(&args, &prepared, &mut table) {
            eprintln!("  {name} failed: {why}");
            table.note(format!("{name} failed: {why}"));
            table.complete(workload.goals, &why);
        }
    }
    println!("{table}");
    match args.write_json(&table) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
