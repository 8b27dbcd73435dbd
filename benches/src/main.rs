//! Durable dialogs beside the floor, beside what people use today, and beside their peers: the same work for everybody,
//! in one run, in interleaved rounds, with one table of ratios at the end.
//!
//! `cargo run --release -p benches -- --help` says what can be asked for. Nothing here decides a test.

mod args;
mod disk_floor;
mod journal_alone;
mod naive_redb;
mod no_disk;
mod ours;
mod postgres;
mod rounds;
mod sqlite;
mod table;
mod w1;
mod w2;

use std::process::ExitCode;

use args::Args;
use table::Table;

/// One workload: its name and what runs it.
type Workload = (&'static str, fn(&Args, &mut Table) -> Result<(), String>);

const WORKLOADS: &[Workload] = &[
    ("w1", w1::run),
    ("w2", w2::run),
    ("journal", journal_alone::run),
];

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
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
    let mut table = Table::new(&args);
    for (name, run) in WORKLOADS {
        if !args.wants(name) {
            table.not_run(name, "not asked for");
            continue;
        }
        eprintln!("{name}:");
        if let Err(why) = run(&args, &mut table) {
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
