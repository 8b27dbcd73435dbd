//! Small dialogs in every interleaving.

use std::collections::BTreeMap;

use super::options::Options;
use super::watch::Watch;
use super::{Outcome, spaced};
use crate::models::{self, Size};

/// Different states of all models together.
const STATES: u64 = 20_000_000;

pub(super) fn run(options: &Options, watch: &Watch) -> Outcome {
    let report = watch.accompany("models", |progress| {
        let mut report = models::check(Size::Small, options.threads, progress);
        if !options.quick {
            let full = models::check(Size::Full, options.threads, progress);
            report.models.extend(full.models);
        }
        report
    });
    let mut outcome = Outcome {
        failures: report.failures(),
        ..Outcome::default()
    };
    // A model's small size is part of its full one.
    let mut states = BTreeMap::<_, u64>::new();
    for model in &report.models {
        let most = states.entry(model.name).or_default();
        *most = (*most).max(model.states as u64);
    }
    let all = states.values().sum();
    if options.quick {
        outcome.count("different states", spaced(all));
    } else {
        outcome.demand("different states", all, STATES);
    }
    if let Some(largest) = report.largest() {
        let states = spaced(largest.states as u64);
        outcome.count("largest model", format!("{states} ({})", largest.name));
    }
    let steps = report.models.iter().map(|model| model.generated as u64);
    outcome.count("transitions", spaced(steps.sum()));
    for model in &report.models {
        outcome.count("  a model", model);
    }
    outcome
}
