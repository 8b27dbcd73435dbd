//! What the command line asks for.

use std::path::PathBuf;

use crate::table::Table;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Durable dialogs beside their peers, as ratios of medians taken in one run.

    cargo run --release -p benches -- [--quick] [--rounds N] [--only NAME,..] [--dir DIRECTORY] [--json FILE]

    --quick           a tenth of the work; good for a look, not for a verdict
    --rounds N        interleaved rounds of every workload, 5 if not given, 3 at least
    --only NAME,..    these workloads: w1, w2, journal
    --dir DIRECTORY   where the files of all contenders are put, on the disk to be measured; target/benches if not given
    --json FILE       the table, with every round, as JSON
    PG_URL            in the environment: the PostgreSQL to compare with, e.g. postgres://me@localhost/bench
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
                    let is_known = |name: &String| crate::WORKLOADS.iter().any(|it| it.0 == name);
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

    /// So much work, or a tenth of it.
    pub(crate) fn scaled(&self, work: usize) -> usize {
        if self.quick { work / 10 } else { work }
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
