//! A million dialogs among gnomes.

use super::crowd::Crowd;
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
    let crowd = Crowd {
        name: "simulation",
        add: Tally::add,
        enough: |tally: &Tally, goal| tally.long >= goal,
        says: |tally| {
            format!(
                "{} dialogs, {} messages, {} steps",
                spaced(tally.long),
                spaced(tally.heard),
                spaced(tally.steps)
            )
        },
    };
    let goal = options.share(DIALOGS);
    let (tally, failures) = crowd.run(options, watch, goal, |seed| {
        gnomes::run(seed, &Plan::of(seed))
            .map(|(tally, _)| tally)
            .map_err(|violation| violation.to_string())
    });
    let mut outcome = Outcome {
        failures,
        ..Outcome::default()
    };
    if outcome.failures.is_empty() && options.minutes.is_none() {
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
    for (what, count) in tally.lines() {
        outcome.count(what, spaced(count));
    }
    outcome
}
