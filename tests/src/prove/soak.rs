//! The random sections in turns, with fresh seeds, until time is up or something is violated.

use std::time::Duration;

use super::crowd::{Random, Until};
use super::options::Options;
use super::watch::Watch;
use super::{Outcome, Section, nodes, simulation};

/// How long a turn is.
const TURN: Duration = Duration::from_secs(20);

pub(super) fn run<'s>(
    options: &Options,
    watch: &Watch,
    time: Duration,
    sections: impl Iterator<Item = &'s Section>,
) -> Vec<(&'static str, Outcome)> {
    let crowds: Vec<(&Section, Box<dyn Random>)> = sections
        .map(|section| {
            println!("== {}: {}", section.name, section.about);
            (section, of(section.name, options))
        })
        .collect();
    println!("   from seed {}", options.seed);
    let mut turns = crowds.iter().cycle();
    while watch.elapsed() < time
        && let Some((_, crowd)) = turns.next()
    {
        let until = Until::Time(time.min(watch.elapsed() + TURN));
        if !crowd.go_on(options, watch, until) {
            break;
        }
    }
    crowds
        .into_iter()
        .map(|(section, crowd)| {
            let outcome = crowd.came_to(None);
            outcome.tell(section.name, watch.seconds());
            (section.name, outcome)
        })
        .collect()
}

fn of(name: &str, options: &Options) -> Box<dyn Random> {
    match name {
        "simulation" => Box::new(simulation::crowd(options)),
        "nodes" => Box::new(nodes::crowd(options)),
        other => unreachable!("`{other}` has no seeds"),
    }
}
