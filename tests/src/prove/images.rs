//! Crash images of real stores.

use super::options::Options;
use super::watch::Watch;
use super::{Outcome, spaced};
use crate::images;

/// Different images that are opened.
const IMAGES: u64 = 140_000;

pub(super) fn run(options: &Options, watch: &Watch) -> Outcome {
    let goal = options.share(IMAGES);
    let report = watch.accompany("images", |progress| {
        if options.quick {
            images::sample(goal)
        } else {
            images::prove(options.threads, goal, progress)
        }
    });
    let mut outcome = Outcome {
        failures: report.failures(),
        ..Outcome::default()
    };
    outcome.demand("different crash images", report.images(), goal);
    for (kind, count) in report.kinds() {
        outcome.count(format!("fault: {kind}"), spaced(count));
    }
    for (what, count) in [
        ("fault: second crash during recovery", report.second),
        ("brought to a clean end", report.finished),
        ("workloads", report.workloads),
        ("moments in them", report.moments),
        ("ways to crash that were considered", report.considered),
    ] {
        outcome.count(what, spaced(count));
    }
    outcome
}
