//! The gate: what must hold, at a size that `cargo test` has no time for, with its counts.
//!
//! Owns the list of sections, their order and the verdict. Each section returns counts and failures; nothing here knows
//! how one comes to them.

mod coverage;
mod crowd;
mod nodes;
mod options;
mod scenes;
mod shop;
mod simulation;
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

/// In this order; coverage looks back at what ran before it.
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
        name: "coverage",
        about: "every row in every circumstance, every rare situation",
        is_random: false,
        run: coverage::run,
    },
];

/// Runs what the options ask for, prints what it came to. True if everything holds.
pub fn run(options: &Options) -> bool {
    let watch = Watch::start();
    let mut good = true;
    let mut table = Vec::new();
    for section in SECTIONS.iter().filter(|section| options.wants(section)) {
        println!("== {}: {}", section.name, section.about);
        let begun = watch.seconds();
        let outcome = (section.run)(options, &watch);
        for failure in &outcome.failures {
            println!("{failure}");
        }
        let verdict = if outcome.failures.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        println!(
            "-- {}: {verdict}, {} s",
            section.name,
            watch.seconds() - begun
        );
        good &= outcome.failures.is_empty();
        let stop = !outcome.failures.is_empty() && options.minutes.is_some();
        table.push((section.name, verdict, outcome));
        if stop {
            break;
        }
    }
    println!();
    for (name, verdict, outcome) in &table {
        println!("{name} {verdict}");
        for (what, how_much) in &outcome.counts {
            println!("  {what:<48} {how_much}");
        }
    }
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
