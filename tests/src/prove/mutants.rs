//! Each wrong implementation, and who noticed it: the models, the gnomes, whole nodes.
//!
//! A checker that lets one of them pass is broken.

use actor_core::protocol::Mutant;

use super::options::Options;
use super::watch::Watch;
use super::{Outcome, traitors};
use crate::gnomes::{self, Plan};
use crate::models::{self, Refutation};

/// Worlds of gnomes in which a mutant of an endpoint must be noticed.
const SEEDS: u64 = 200;
/// Of what a witness says.
const MAX_LETTERS: usize = 90;

pub(super) fn run(_options: &Options, watch: &Watch) -> Outcome {
    let mut outcome = Outcome::default();
    watch.accompany("mutants", |progress| {
        outcome.failures = traitors::false_alarms();
        for refutation in models::refute_all(progress) {
            let mutant = refutation.mutant;
            for (who, found) in [
                ("models", in_its_model(&refutation)),
                ("simulation", among_gnomes(mutant)),
                ("nodes", traitors::refute(mutant)),
            ] {
                let found = match found {
                    Found::Refuted(how) => shortened(&how),
                    Found::NotHere(why) => format!("- ({why})"),
                    Found::Survives => {
                        let what = format!("{mutant:?} survives, so the checker is broken: {who}");
                        outcome.failures.push(what);
                        "SURVIVES".to_owned()
                    }
                };
                progress(format!("{mutant:?}, {who}: {found}"));
                outcome.count(format!("{mutant:?}, {who}"), found);
            }
        }
    });
    outcome
}

/// What a checker found of a mutant.
#[derive(Debug)]
pub(super) enum Found {
    /// How it shows.
    Refuted(String),
    /// It does not show, although it should.
    Survives,
    /// It is not to be found here, and why.
    NotHere(&'static str),
}

impl From<Option<String>> for Found {
    fn from(how: Option<String>) -> Self {
        how.map_or(Self::Survives, Self::Refuted)
    }
}

fn in_its_model(refutation: &Refutation) -> Found {
    let how = refutation.story.as_ref().map(|story| {
        let (property, model) = (refutation.property, refutation.model);
        format!("{} in {} steps of {model}", property.code(), story.len())
    });
    how.into()
}

fn among_gnomes(mutant: Mutant) -> Found {
    if is_of_nodes(mutant) {
        return Found::NotHere("no matter of endpoints");
    }
    if mutant == Mutant::ResetWithoutEcho {
        return Found::NotHere("the gnomes do not notice; its model does");
    }
    let how = (0..SEEDS).find_map(|seed| {
        let plan = Plan {
            mutant: Some(mutant),
            ..Plan::of(seed)
        };
        gnomes::run(seed, &plan).err()
    });
    how.map(|violation| format!("{}, seed {}", violation.what, violation.seed))
        .into()
}

/// A rule that a node adds to those of its endpoints.
fn is_of_nodes(mutant: Mutant) -> bool {
    matches!(
        mutant,
        Mutant::AckBeforeCommit
            | Mutant::AmnesiaAccept
            | Mutant::StaticToken
            | Mutant::SkipPoison
            | Mutant::VolatileAttemptCount
            | Mutant::ExpireAtBoot
    )
}

fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MAX_LETTERS) {
        Some((end, _)) => format!("{}..", &line[..end]),
        None => line.to_owned(),
    }
}
