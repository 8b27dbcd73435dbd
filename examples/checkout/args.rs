//! The command line.
//!
//! Owns its words, its defaults and its complaints; never touches a file.

use std::{ffi::OsString, path::PathBuf, str::FromStr};

/// What `--help` prints.
pub const HELP: &str = "\
Runs a shop's orders through checkout and payment nodes, over a network that loses and repeats messages,
and shows that each order is charged once.

Usage: checkout [OPTIONS]

  --orders FILE    orders, one JSON object a line:
                   {\"order\":\"A-1001\",\"card\":\"4242424242424242\",\"lines\":[{\"sku\":\"TEAPOT\",\"quantity\":2}]}
                   (default: a shipped file)
  --catalog FILE   prices, CSV with the header `sku,cents` (default: a shipped file)
  --store DIR      where the nodes keep their stores; running again continues
                   (default: a fresh temporary directory, removed at the end)
  --nodes N        checkout instances behind one name, 1 to 32 (default: 3, or as many as the store has)
  --gnomes RATE    share of frames that the network loses, and share that it repeats, 0 to 0.9 (default: 0.2)
  --kill-every N   kill the process after every N-th commit and start it again, N at least 10
  --seed S         seed of the network's gnomes (default: 1)
  --json           print the totals as one JSON object in the last line
  --report FILE    write one JSON object per order, sorted by order
  --help           print this
";

/// Commits that a worker must be allowed: with fewer, starting could take all of them.
const MIN_KILL_EVERY: u64 = 10;
const MAX_NODES: usize = 32;
const MAX_GNOMES: f64 = 0.9;

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Args {
    /// Where the orders are; the shipped ones where it is not said.
    pub orders: Option<PathBuf>,
    /// Where the prices are; the shipped ones where it is not said.
    pub catalog: Option<PathBuf>,
    /// Where the stores are; a temporary directory where it is not said.
    pub store: Option<PathBuf>,
    /// How many checkout instances.
    pub nodes: Option<usize>,
    /// Which share of the frames is lost, and which repeated.
    pub gnomes: f64,
    /// After how many commits a worker kills itself.
    pub kill_every: Option<u64>,
    /// Seeds the gnomes.
    pub seed: u64,
    /// Print the totals as JSON.
    pub json: bool,
    /// Where the report goes.
    pub report: Option<PathBuf>,
    /// This process is the worker of a supervisor.
    pub worker: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            orders: None,
            catalog: None,
            store: None,
            nodes: None,
            gnomes: 0.2,
            kill_every: None,
            seed: 1,
            json: false,
            report: None,
            worker: false,
        }
    }
}

impl Args {
    /// Reads the arguments; `None` where help was asked for.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        let mut words = words.into_iter();
        let mut args = Self::default();
        while let Some(word) = words.next() {
            let name = word.to_string_lossy().into_owned();
            let mut value = || {
                words
                    .next()
                    .ok_or_else(|| format!("{name} wants a value; see --help"))
            };
            match name.as_str() {
                "--orders" => args.orders = Some(value()?.into()),
                "--catalog" => args.catalog = Some(value()?.into()),
                "--store" => args.store = Some(value()?.into()),
                "--report" => args.report = Some(value()?.into()),
                "--nodes" => {
                    args.nodes = Some(number(&name, &value()?, "a number from 1 to 32", |n| {
                        (1..=MAX_NODES).contains(n)
                    })?)
                }
                "--gnomes" => {
                    args.gnomes = number(&name, &value()?, "a rate from 0 to 0.9", |rate| {
                        (0.0..=MAX_GNOMES).contains(rate)
                    })?
                }
                "--kill-every" => {
                    args.kill_every = Some(number(
                        &name,
                        &value()?,
                        "a number of commits, at least 10",
                        |n| *n >= MIN_KILL_EVERY,
                    )?);
                }
                "--seed" => args.seed = number(&name, &value()?, "a whole number", |_| true)?,
                "--json" => args.json = true,
                WORKER => args.worker = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("unknown argument `{name}`; see --help")),
            }
        }
        Ok(Some(args))
    }

    /// The arguments of a worker of this run.
    pub fn of_worker(&self) -> Vec<OsString> {
        let files = [
            ("--orders", &self.orders),
            ("--catalog", &self.catalog),
            ("--store", &self.store),
        ];
        let numbers = [
            ("--nodes", self.nodes.map(|n| n.to_string())),
            ("--gnomes", Some(self.gnomes.to_string())),
            ("--kill-every", self.kill_every.map(|n| n.to_string())),
            ("--seed", Some(self.seed.to_string())),
        ];
        let files = files
            .into_iter()
            .filter_map(|(name, file)| Some((name, file.as_ref()?.into())));
        let numbers = numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name, number?.into())));
        let pairs = files
            .chain(numbers)
            .flat_map(|(name, value): (_, OsString)| [name.into(), value]);
        [OsString::from(WORKER)].into_iter().chain(pairs).collect()
    }
}

/// For the supervisor alone, so `--help` is silent about it.
const WORKER: &str = "--worker";

fn number<N: FromStr>(
    name: &str,
    value: &OsString,
    what: &str,
    fits: impl Fn(&N) -> bool,
) -> Result<N, String> {
    let text = value.to_string_lossy();
    let number = text.parse().ok().filter(fits);
    number.ok_or_else(|| format!("{name} wants {what}, not `{text}`"))
}
