//! The gate: what must hold, at a size that `cargo test` has no time for, with its counts.
//!
//! Owns the list of sections, their order and the verdict. Each section returns counts and failures; nothing here knows
//! how one comes to them.

mod coverage;
mod crowd;
mod images;
mod models;
mod mutants;
mod nodes;
mod options;
mod scenes;
mod shop;
mod simulation;
mod soak;
mod traitors;
mod watch;

pub use options::{Options, USAGE};
use watch::Watch;

/// What a section has to say.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Lines for the final table: what, and how much.
    pub counts: Vec<(String, String)>,
    /// What is wrong; empty is good.
    pub failures: Vec<String>,
}

impl Outcome {
    fn count(&mut self, what: impl Into<String>, how_much: impl ToString) {
        self.counts.push((what.into(), how_much.to_string()));
    }

    fn verdict(&self) -> &'static str {
        if self.failures.is_empty() {
            "ok"
        } else {
            "FAILED"
        }
    }

    fn tell(&self, name: &str, seconds: u64) {
        for failure in &self.failures {
            println!("{failure}");
        }
        println!("-- {name}: {}, {seconds} s", self.verdict());
    }

    fn demand(&mut self, what: &str, is: u64, at_least: u64) {
        self.count(
            what,
            format!("{} (at least {})", spaced(is), spaced(at_least)),
        );
        if is < at_least {
            self.failures.push(format!(
                "{what}: {is}, and at least {at_least} are asked for"
            ));
        }
    }
}

/// One part of the gate.
struct Section {
    name: &'static str,
    about: &'static str,
    /// Goes on with fresh seeds under `--minutes`.
    is_random: bool,
    run: fn(&Options, &Watch) -> Outcome,
}

/// In this order; coverage looks back at what ran before it, and what is wrong on purpose comes last.
const SECTIONS: &[Section] = &[
    Section {
        name: "simulation",
        about: "the protocol among gnomes: endpoints, crashes, lost and repeated frames",
        is_random: true,
        run: simulation::run,
    },
    Section {
        name: "nodes",
        about: "whole nodes on the real store, stepped on one thread",
        is_random: true,
        run: nodes::run,
    },
    Section {
        name: "images",
        about: "every crash of a disk that short workloads can leave, opened again",
        is_random: false,
        run: images::run,
    },
    Section {
        name: "coverage",
        about: "every row in every circumstance, every rare situation",
        is_random: false,
        run: coverage::run,
    },
    Section {
        name: "models",
        about: "every interleaving of small dialogs",
        is_random: false,
        run: models::run,
    },
    Section {
        name: "mutants",
        about: "wrong implementations, each of which must be noticed",
        is_random: false,
        run: mutants::run,
    },
];

/// Runs what the options ask for, prints what it came to. True if everything holds.
pub fn run(options: &Options) -> bool {
    let watch = Watch::start();
    let sections = SECTIONS.iter().filter(|section| options.wants(section));
    let table = match options.soak() {
        Some(time) => soak::run(options, &watch, time, sections),
        None => sections
            .map(|section| {
                println!("== {}: {}", section.name, section.about);
                let begun = watch.seconds();
                let outcome = (section.run)(options, &watch);
                outcome.tell(section.name, watch.seconds() - begun);
                (section.name, outcome)
            })
            .collect(),
    };
    println!();
    for (name, outcome) in &table {
        println!("{name} {}", outcome.verdict());
        for (what, how_much) in &outcome.counts {
            println!("  {what:<48} {how_much}");
        }
    }
    let good = table.iter().all(|(_, outcome)| outcome.failures.is_empty());
    let verdict = if good { "holds" } else { "FAILED" };
    println!("\nprove: {verdict} after {} s", watch.seconds());
    good
}

/// A number that can be read: `1 234 567`.
fn spaced(number: u64) -> String {
    let digits = number.to_string();
    let mut spaced = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            spaced.push(' ');
        }
        spaced.push(digit);
    }
    spaced
}
