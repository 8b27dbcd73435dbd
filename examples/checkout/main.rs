//! A shop's checkout: every order is charged once, whatever the network loses or repeats and whenever the process dies.
//!
//! The application is `shop.rs`, `payment.rs` and `catalog.rs`. The rest reads orders, starts nodes, kills them, and
//! counts what came of it.

#![expect(
    unreachable_pub,
    reason = "a program exports nothing: `pub` says what a module offers to the others"
)]

mod args;
mod catalog;
mod commits;
mod nodes;
mod orders;
mod payment;
mod progress;
mod report;
mod run;
mod shop;
mod supervisor;
mod worker;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use args::Args;
use catalog::Catalog;
use commits::Commits;
use nodes::Nodes;
use orders::Orders;
use progress::ProgressLine;
use report::Totals;
use worker::Said;

/// What a run without `--orders` and `--catalog` is about.
const SHIPPED_ORDERS: &str = include_str!("orders.jsonl");
const SHIPPED_CATALOG: &str = include_str!("catalog.csv");

#[tokio::main]
async fn main() -> ExitCode {
    match checkout().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("checkout: {}", error.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

async fn checkout() -> Result<ExitCode, String> {
    let Some(args) = Args::parse(env::args_os().skip(1))? else {
        print!("{}", args::HELP);
        return Ok(ExitCode::SUCCESS);
    };
    // A file that reaches its size limit is an error of one write, not the death of the process.
    let limit = signal_hook::consts::SIGXFSZ;
    signal_hook::flag::register(limit, Arc::new(AtomicBool::new(false)))
        .map_err(|error| error.to_string())?;

    let mut complaints = Vec::new();
    let orders = contents(args.orders.as_deref(), "orders.jsonl", SHIPPED_ORDERS)?;
    let orders = Orders::parse(&orders.0, &orders.1, &mut complaints);
    let catalog = contents(args.catalog.as_deref(), "catalog.csv", SHIPPED_CATALOG)?;
    let text = String::from_utf8(catalog.1)
        .map_err(|_| format!("{}: the catalogue is not UTF-8", catalog.0))?;
    Catalog::check_header(&catalog.0, &text)?;
    let catalog = Catalog::parse(&catalog.0, &text, &mut complaints);
    if args.worker {
        return work(&args, &orders, catalog).await;
    }
    print_all(&complaints);
    if let Some(file) = &args.report {
        // Before anything is charged: a report that nobody can read is found out now.
        let opened = fs::OpenOptions::new().create(true).append(true).open(file);
        opened.map_err(|error| {
            format!(
                "{}: the report cannot be written: {error}; no order was placed",
                file.display()
            )
        })?;
    }

    let (store, _temporary) = store(&args)?;
    let (finished, restarts) = if args.kill_every.is_some() {
        match supervisor::supervise(&args, &store).await? {
            Some(finished) => finished,
            // The worker has said why.
            None => return Ok(ExitCode::FAILURE),
        }
    } else {
        let commits = Commits::default();
        let nodes = Nodes::start(&store, &args, &catalog, &commits).await?;
        let mut line = ProgressLine::new();
        let finished = run::all(&nodes, &orders, commits.settled(), |progress| {
            line.show(&progress, 0)
        })
        .await?;
        nodes.shutdown().await?;
        (finished, 0)
    };
    print_all(&finished.remarks);
    print_all(&finished.complaints);
    if let Some(file) = &args.report {
        let written = finished.report().and_then(|report| fs::write(file, report));
        written.map_err(|error| {
            format!("{}: the report cannot be written: {error}", file.display())
        })?;
    }
    let totals = Totals::of(&finished, restarts);
    print!("{totals}");
    if args.json {
        println!(
            "{}",
            serde_json::to_string(&totals).map_err(|error| error.to_string())?
        );
    }
    let wrong = finished.unaccounted();
    if wrong > 0 {
        return Err(format!(
            "{wrong} paid orders do not have exactly one capture in the ledgers: a node's store is missing, or not its own; \
             restore all of them from the same backup"
        ));
    }
    let spotless = complaints.is_empty() && finished.complaints.is_empty();
    Ok(if spotless {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// One life under a supervisor.
async fn work(args: &Args, orders: &Orders, catalog: Catalog) -> Result<ExitCode, String> {
    worker::end_with_supervisor();
    let commits = args
        .kill_every
        .map_or_else(|| Ok(Commits::default()), Commits::limited)?;
    let store = args.store.as_deref().ok_or("a worker needs --store")?;
    let nodes = Nodes::start(store, args, &catalog, &commits).await?;
    let finished = run::all(&nodes, orders, commits.settled(), |progress| {
        Said::Progress(progress).aloud()
    })
    .await?;
    Said::Finished(finished).aloud();
    nodes.shutdown().await?;
    Ok(ExitCode::SUCCESS)
}

/// A file's name and contents, or the shipped ones.
fn contents(file: Option<&Path>, name: &str, shipped: &str) -> Result<(String, Vec<u8>), String> {
    let Some(file) = file else {
        return Ok((name.to_owned(), shipped.into()));
    };
    let name = file.display().to_string();
    let contents = fs::read(file).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    Ok((name, contents))
}

/// Where the stores are. A temporary directory is removed when its guard goes.
fn store(args: &Args) -> Result<(PathBuf, Option<tempfile::TempDir>), String> {
    if let Some(store) = &args.store {
        return Ok((store.clone(), None));
    }
    let fresh = tempfile::Builder::new().prefix("checkout-").tempdir();
    let fresh = fresh
        .map_err(|error| format!("no temporary directory: {error}; say where with --store"))?;
    Ok((fresh.path().to_owned(), Some(fresh)))
}

fn print_all(lines: &[String]) {
    for line in lines {
        eprintln!("{line}");
    }
}
