//! Durable dialogs beside the floor, beside what people use today, and beside their peers: the same work for everybody,
//! in one run, in interleaved rounds, with one table of ratios at the end.
//!
//! `cargo run --release -p benches -- --help` says what can be asked for. Nothing here decides a test.
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

mod args;
mod child;
mod disk_floor;
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
use table::Table;

/// One workload: its name and what runs it.
type Workload = (
    &'static str,
    fn(&Args, &Prepared, &mut Table) -> Result<(), String>,
);

const WORKLOADS: &[Workload] = &[
    ("reference", |args, _, table| reference::run(args, table)),
    ("w1", |args, _, table| w1::run(args, table)),
    ("w2", |args, _, table| w2::run(args, table)),
    ("journal", |args, _, table| journal_alone::run(args, table)),
    ("w3", w3::run),
    ("w4", |args, _, table| w4::run(args, table)),
    ("w5", w5::run),
    ("w6", w6::run),
    ("w7", w7::run),
    ("w8", |args, _, table| w8::run(args, table)),
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
    for (name, run) in WORKLOADS {
        if !args.wants(name) {
            table.not_run(name, "not asked for");
            continue;
        }
        eprintln!("{name}:");
        if let Err(why) = run(&args, &prepared, &mut table) {
            table.not_run(name, &why);
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
