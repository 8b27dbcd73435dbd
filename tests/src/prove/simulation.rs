//! A million dialogs among gnomes.

use super::crowd::{Crowd, Random, SoFar, Until};
use super::options::Options;
use super::watch::Watch;
use super::{Outcome, spaced};
use crate::gnomes::{self, Plan, Tally};

/// Dialogs of at least [`gnomes::LONG`] messages.
const DIALOGS: u64 = 1_000_000;
/// Of them, in a hundred, with frames out of order.
const REORDERED_PERCENT: u64 = 30;
/// Of them, in a hundred, hit by a crash.
const CRASHED_PERCENT: u64 = 10;

pub(super) fn run(options: &Options, watch: &Watch) -> Outcome {
    crowd(options).run(options, watch, options.share(DIALOGS))
}

pub(super) fn crowd(options: &Options) -> Crowd<Tally> {
    let mutant = options.mutant;
    Crowd {
        name: "simulation",
        add: Tally::add,
        done: |tally| tally.long,
        says: |tally| {
            format!(
                "{} dialogs, {} messages, {} steps",
                spaced(tally.long),
                spaced(tally.heard),
                spaced(tally.steps)
            )
        },
        one: Box::new(move |seed| {
            let plan = Plan {
                mutant,
                ..Plan::of(seed)
            };
            let came = gnomes::run(seed, &plan).map(|(tally, _)| tally);
            came.map_err(|violation| match mutant {
                None => violation.to_string(),
                Some(mutant) => format!("{violation} --mutant {mutant:?}"),
            })
        }),
        so_far: SoFar::from(options.seed),
    }
}

impl Random for Crowd<Tally> {
    fn go_on(&self, options: &Options, watch: &Watch, until: Until) -> bool {
        Crowd::go_on(self, options, watch, until)
    }

    fn came_to(&self, goal: Option<u64>) -> Outcome {
        self.outcome(|tally, outcome| {
            if let Some(goal) = goal {
                demand(tally, goal, outcome);
            }
            for (what, count) in tally.lines() {
                outcome.count(what, spaced(count));
            }
        })
    }
}

fn demand(tally: &Tally, goal: u64, outcome: &mut Outcome) {
    if !outcome.failures.is_empty() {
        return;
    }
    outcome.demand("dialogs of at least 8 messages", tally.long, goal);
    let percent = |count: u64| count * 100 / tally.long.max(1);
    outcome.demand(
        "of them with frames out of order, %",
        percent(tally.reordered),
        REORDERED_PERCENT,
    );
    outcome.demand(
        "of them hit by a crash, %",
        percent(tally.crashed),
        CRASHED_PERCENT,
    );
}
