//! The command line of `prove`.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use actor_core::protocol::Mutant;

use super::{SECTIONS, Section};

/// What `--help` prints.
pub const USAGE: &str = "\
prove: everything that must hold, counted

usage: cargo run --release -p tests --bin prove -- [options]

  --section NAME  only this section: simulation, nodes, images, coverage, models, mutants; may be given several times
  --quick         a tenth of everything, for a laptop; coverage is reported and not demanded
  --seed N        first seed of the random sections, simulation and nodes; a failure prints its own
  --minutes N     only the random sections, in turns, with fresh seeds, for N minutes or until the first violation
  --help          this
";

/// Threads at work.
const MAX_THREADS: usize = 8;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) minutes: Option<u64>,
    pub(super) seed: u64,
    pub(super) quick: bool,
    pub(super) threads: usize,
    /// The simulation plays by rules that are wrong in this way: to see that the gate fails. Not in `--help`.
    pub(super) mutant: Option<Mutant>,
    sections: Vec<String>,
}

impl Options {
    /// Reads the arguments; `None` if help is asked for.
    ///
    /// # Errors
    ///
    /// What cannot be understood, in one line.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let mut options = Self {
            minutes: None,
            seed: 0,
            quick: false,
            threads: threads.min(MAX_THREADS),
            mutant: None,
            sections: Vec::new(),
        };
        let mut seed = None;
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("{argument} needs a value; see --help"))
            };
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--quick" => options.quick = true,
                "--seed" => seed = Some(number(&argument, &value()?)?),
                "--minutes" => options.minutes = Some(number(&argument, &value()?)?),
                "--section" => options.sections.push(known(value()?)?),
                "--mutant" => options.mutant = Some(mutant(&value()?)?),
                other => return Err(format!("{other} is no option; see --help")),
            }
        }
        if options.minutes == Some(0) {
            return Err("--minutes 0 proves nothing; give at least 1".to_owned());
        }
        options.seed = seed.unwrap_or_else(|| options.minutes.map_or(0, |_| fresh()));
        Ok(Some(options))
    }

    pub(super) fn wants(&self, section: &Section) -> bool {
        let named = self.sections.is_empty() || self.sections.iter().any(|at| at == section.name);
        named && (self.minutes.is_none() || section.is_random)
    }

    /// Whether the random sections go on in turns until this much time has passed.
    pub(super) fn soak(&self) -> Option<Duration> {
        self.minutes
            .map(|minutes| Duration::from_secs(minutes * 60))
    }

    /// Are all sections run, so that their coverage can be complete?
    pub(super) fn is_whole(&self) -> bool {
        self.sections.is_empty() && !self.quick
    }

    /// A tenth of it on a quick run.
    pub(super) fn share(&self, all: u64) -> u64 {
        if self.quick { all / 10 } else { all }
    }
}

fn number(option: &str, text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{option} needs a number, not `{text}`"))
}

fn mutant(name: &str) -> Result<Mutant, String> {
    let mut all = Mutant::ALL.into_iter();
    all.find(|mutant| format!("{mutant:?}") == name)
        .ok_or_else(|| format!("no mutant `{name}`"))
}

fn known(name: String) -> Result<String, String> {
    if SECTIONS.iter().any(|section| section.name == name) {
        return Ok(name);
    }
    let names: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
    Err(format!(
        "no section `{name}`; there are {}",
        names.join(", ")
    ))
}

/// Seeds nobody has seen: the process' own randomness for hash maps.
fn fresh() -> u64 {
    RandomState::new().hash_one("prove") >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<Option<Options>, String> {
        Options::parse(arguments.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_cannot_be_understood_is_said() {
        for (arguments, why) in [
            ("--seed", "--seed needs a value"),
            ("--seed many", "--seed needs a number, not `many`"),
            ("--minutes 0", "proves nothing"),
            ("--section nothing", "no section `nothing`; there are "),
            ("--hurry", "--hurry is no option"),
            ("--mutant Nobody", "no mutant `Nobody`"),
        ] {
            let said = parse(arguments).expect_err(arguments);
            assert!(said.contains(why), "{said}");
        }
        assert!(parse("--quick --help").expect("understood").is_none());
    }

    #[test]
    fn minutes_begin_with_fresh_seeds_unless_one_is_given() {
        let seeds = ["", "--seed 7 --minutes 1"].map(|arguments| {
            let options = parse(arguments).expect("understood").expect("no help");
            options.seed
        });
        assert_eq!(seeds, [0, 7]);
        let fresh = || {
            let options = parse("--minutes 1").expect("understood");
            options.expect("no help").seed
        };
        assert_ne!(fresh(), fresh());
    }
}
