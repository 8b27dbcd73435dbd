//! What a store may contain after a crash: the states after each of its batches, from the rows as they were in memory.
//!
//! Owns the model. Never reads it from a disk: the rows come from the store's hand, before they were written.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;

use actor_store::{Deed, Event, Recording, Table, Value, fuzz};

/// Everything in a store.
pub(super) type Model = BTreeMap<(Table, Vec<u8>), Value>;

/// The states of a store, the empty one first.
#[derive(Debug)]
pub(super) struct States {
    models: Vec<Model>,
    digests: Vec<u64>,
    /// How many batches were reported before each event, and before the end.
    reported: Vec<usize>,
}

impl States {
    /// Of a store that was recorded from its birth.
    pub(super) fn of(recording: &Recording) -> Result<Self, String> {
        let mut models = vec![Model::new()];
        let mut reported = vec![0];
        for event in &recording.events {
            if let Deed::Committed(batch, row) = &event.deed {
                let last = models.last().cloned().unwrap_or_default();
                models.push(after(last, *batch, models.len(), row)?);
            }
            reported.push(models.len() - 1);
        }
        Ok(Self {
            digests: models.iter().map(digest).collect(),
            models,
            reported,
        })
    }

    /// A number that two different states share by a chance of one in 2^64.
    pub(super) fn digest(&self, state: usize) -> u64 {
        self.digests[state]
    }

    /// The numbers of the states that may be found after a crash behind so many events: everything that was reported,
    /// and perhaps the batch that was on its way.
    pub(super) fn allowed(&self, events: usize) -> RangeInclusive<usize> {
        let least = self.reported[events];
        least..=(least + 1).min(self.models.len() - 1)
    }

    pub(super) fn model(&self, state: usize) -> &Model {
        &self.models[state]
    }

    /// Demands that a state of this digest is among the allowed ones.
    pub(super) fn admit(&self, digest: u64, allowed: RangeInclusive<usize>) -> Result<(), String> {
        let least = *allowed.start();
        if allowed
            .into_iter()
            .any(|state| self.digest(state) == digest)
        {
            return Ok(());
        }
        match (0..least).rev().find(|state| self.digest(*state) == digest) {
            Some(state) => Err(format!(
                "state {state} was found: batches that were reported, up to {least}, are lost"
            )),
            None => Err(format!("what was found is no state near {least}")),
        }
    }

    /// Demands that every record in every state from one on can be read, and says the same when written again.
    pub(super) fn check_records(&self, from: usize) -> Result<(), String> {
        for model in &self.models[from..] {
            for ((table, key), value) in model {
                let again = actor_core::fuzz::record(*table, key, &value.bytes)
                    .map_err(|why| format!("a record of `{table}` cannot be read: {why}"))?;
                if again != *value.bytes {
                    return Err(format!("a record of `{table}` changes when it is read"));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn digest(model: &Model) -> u64 {
    let mut hasher = DefaultHasher::new();
    for ((table, key), value) in model {
        (table, key, &value.bytes).hash(&mut hasher);
        (value.index.deadline, value.index.busy).hash(&mut hasher);
    }
    hasher.finish()
}

fn after(mut model: Model, batch: u64, expected: usize, row: &[u8]) -> Result<Model, String> {
    let (number, changes) = fuzz::journal_row(row).ok_or("a journal row is damaged in memory")?;
    if number != batch || batch != expected as u64 {
        return Err(format!(
            "batch {number} was reported as {batch} where {expected} was due"
        ));
    }
    for (table, key, value) in changes {
        match value {
            Some(value) => model.insert((table, key.to_vec()), value),
            None => model.remove(&(table, key.to_vec())),
        };
    }
    Ok(model)
}

/// Where the next commit or the end is, from an event on: for tests that spoil a recording.
pub fn next_commit(events: &[Event], from: usize) -> Option<usize> {
    let is_commit = |event: &Event| matches!(event.deed, Deed::Committed(..));
    events[from..]
        .iter()
        .position(is_commit)
        .map(|at| from + at)
}
