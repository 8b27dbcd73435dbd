//! What a proof has done and found.

use std::fmt;

use super::fates::{Fate, KINDS};

/// Failures that are told in full.
const MAX_FAILURES: usize = 20;

/// Counts and failures.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Workloads that were carried out.
    pub workloads: u64,
    /// Moments at which a crash was considered.
    pub moments: u64,
    /// Ways to crash that were considered; many leave an image that another left before, in this workload or another.
    pub considered: u64,
    /// Different images that were opened, by kind.
    pub opened: [u64; KINDS.len()],
    /// Different images of a second crash, during the recovery from the first.
    pub second: u64,
    /// Images on which the world went on until every dialog had ended.
    pub finished: u64,
    failures: Vec<String>,
    more_failures: u64,
}

impl Report {
    /// All images that were opened; each is different from the others.
    pub fn images(&self) -> u64 {
        self.opened.iter().sum::<u64>() + self.second
    }

    /// Images that were opened, by kind of crash.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS.into_iter().zip(self.opened)
    }

    /// What did not hold.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = self.failures.clone();
        if self.more_failures > 0 {
            failures.push(format!("and {} more", self.more_failures));
        }
        failures
    }

    pub(super) fn count(&mut self, fate: Fate) {
        self.opened[fate.kind()] += 1;
    }

    pub(super) fn fail(&mut self, failure: String) {
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(failure);
        } else {
            self.more_failures += 1;
        }
    }

    /// Says of which run its failures are.
    pub(super) fn name(&mut self, run: &str) {
        for failure in &mut self.failures {
            failure.insert_str(0, &format!("{run}: "));
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.workloads += other.workloads;
        self.moments += other.moments;
        self.considered += other.considered;
        for (mine, theirs) in self.opened.iter_mut().zip(other.opened) {
            *mine += theirs;
        }
        self.second += other.second;
        self.finished += other.finished;
        self.more_failures += other.more_failures;
        other.failures.into_iter().for_each(|why| self.fail(why));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "crash images: {} distinct ones opened, from {} workloads and {} moments in them ({} ways to crash)",
            self.images(),
            self.workloads,
            self.moments,
            self.considered
        )?;
        for (kind, count) in KINDS.iter().zip(self.opened) {
            write!(f, "; {kind}: {count}")?;
        }
        write!(
            f,
            "; second crash during recovery: {}; dialogs brought to a clean end: {} images; failures: {}",
            self.second,
            self.finished,
            self.failures.len() as u64 + self.more_failures
        )
    }
}
