//! What the command line asks for.

use std::path::PathBuf;

use crate::table::Table;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Durable dialogs beside their peers, as ratios of medians taken in one run.

    cargo run --release -p benches -- [--quick] [--rounds N] [--only NAME,..] [--dir DIRECTORY] [--keep] [--json FILE]

    --quick           less work and 3 rounds, about 3 minutes: for a look, not for a verdict
    --rounds N        interleaved rounds of every workload, 5 if not given, 3 at least; a verdict wants 5
    --only NAME,..    these workloads
    --dir DIRECTORY   where the files of all contenders are put, on the disk to be measured; target/benches if not given.
                      A full run takes about 20 GB there while it runs
    --keep            the prepared stores stay in DIRECTORY/prepared and are used by the next run that says so; delete them
                      after a change of what a store looks like
    --json FILE       the table, with every round, as JSON
    PG_URL            in the environment: the PostgreSQL to compare with, e.g. postgres://me@localhost/bench

    reference  journal and tables with their folds, alone and inside the gate, beside a plain log              2 min
    w1         one dialog, request after request: p50 and p99                                                  1 min
    w2         1,000 dialogs at once, 100 messages each, pipelined and one by one                              4 min
    journal    the journal alone, a hundred messages a batch                                                   1 min
    w3         uniform over 1,000,000 dialogs: open loop at 5k, 20k and 50k/s, and as fast as it goes          9 min
    w4         dialogs in memory beside kameo, ractor and tokio: ask, tell, open a million                     4 min
    w5         memory of dormant and active dialogs, bytes on disk, bytes written                              2 min
    w6         kill -9 with a full journal: the first answer, with a warm and a cold page cache                2 min
    w7         W2 beside 10 k, 100 k, 1 M and 5 M dormant dialogs                                              2 min
    w8         two nodes over the network in memory, first message to close                                    1 min

The first of w3, w5, w6 and w7 that runs prepares a million dialogs, 1 to 2 minutes, and w7 five, 8 more. Leave the machine
alone meanwhile: every other process is in the figures.
";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) dir: PathBuf,
    only: Vec<String>,
    json: Option<PathBuf>,
    /// Prepared stores outlast the run.
    pub(crate) keep: bool,
}

impl Args {
    /// `None` if help is wanted.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut args = Self {
            quick: false,
            rounds: 0,
            dir: "target/benches".into(),
            only: Vec::new(),
            json: None,
            keep: false,
        };
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("`{word}` wants a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--quick" => args.quick = true,
                "--keep" => args.keep = true,
                "--rounds" => {
                    let text = value()?;
                    let rounds = text.parse().ok().filter(|rounds| *rounds >= 3);
                    args.rounds =
                        rounds.ok_or(format!("`--rounds {text}`: a number from 3 up is wanted"))?;
                }
                "--only" => {
                    args.only = value()?.split(',').map(str::to_owned).collect();
                    let is_known =
                        |name: &String| crate::WORKLOADS.iter().any(|it| it.name == *name);
                    if let Some(unknown) = args.only.iter().find(|name| !is_known(name)) {
                        return Err(format!("there is no workload `{unknown}`"));
                    }
                }
                "--dir" => args.dir = value()?.into(),
                "--json" => args.json = Some(value()?.into()),
                _ => return Err(format!("`{word}` means nothing here")),
            }
        }
        if args.rounds == 0 {
            args.rounds = if args.quick { 3 } else { 5 };
        }
        std::fs::create_dir_all(&args.dir)
            .map_err(|cause| format!("cannot make {}: {cause}", args.dir.display()))?;
        Ok(Some(args))
    }

    pub(crate) fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == workload)
    }

    /// So much work, or a tenth of it, and never none.
    pub(crate) fn scaled(&self, work: usize) -> usize {
        if self.quick { (work / 10).max(1) } else { work }
    }

    /// A directory of its own on the disk that is measured, gone when it is dropped.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir, String> {
        tempfile::tempdir_in(&self.dir)
            .map_err(|cause| format!("cannot make a directory in {}: {cause}", self.dir.display()))
    }

    pub(crate) fn write_json(&self, table: &Table) -> Result<(), String> {
        let Some(file) = &self.json else {
            return Ok(());
        };
        std::fs::write(file, table.json().to_string())
            .map_err(|cause| format!("cannot write {}: {cause}", file.display()))
    }
}
