//! How many dialogs in a store are of a type and version: what a start asks before it refuses a change.
//!
//! Owns one look through the actors, made only where a change is not covered. Never changes anything.

use std::{collections::BTreeMap, ops::Bound};

use actor_store::{OpenError, Store, Table, TypeKind, TypeRecord};

use super::{
    record::{self, ActorRow},
    registry::Registry,
};
use crate::dialog::Half;

/// Actors read at a time.
const PAGE: usize = 1024;

/// Service, half and version of a state.
type Kind = (String, bool, u32);

/// Counts the dialogs of a store, once.
pub(super) struct Census<'s> {
    registry: &'s Registry,
    store: &'s Store,
    counts: Option<BTreeMap<Kind, u64>>,
}

impl<'s> Census<'s> {
    pub(super) fn new(registry: &'s Registry, store: &'s Store) -> Self {
        Self {
            registry,
            store,
            counts: None,
        }
    }

    /// Values of this type in that version. For a message: dialogs that may have it under way.
    pub(super) fn count(&mut self, record: &TypeRecord, version: u32) -> Result<u64, OpenError> {
        if record.kind == TypeKind::Row {
            // Rows are not counted: a table is not emptied by waiting.
            return Ok(1);
        }
        let counts = match self.counts.take() {
            Some(counts) => counts,
            None => count(self.store)?,
        };
        let mut held = 0;
        for service in self.registry.all() {
            let declares = |known: &TypeRecord| known.name == record.name;
            if !service.types.records.iter().any(declares) {
                continue;
            }
            let half = Half::of(service.types.pending.as_deref() == Some(record.name.as_str()));
            let of_it = |(name, pending, stored): &Kind| {
                name == service.name()
                    && (record.kind == TypeKind::Message
                        || (Half::of(*pending) == half && *stored == version))
            };
            held += counts
                .iter()
                .filter(|(kind, _)| of_it(kind))
                .map(|(_, count)| count)
                .sum::<u64>();
        }
        self.counts = Some(counts);
        Ok(held)
    }
}

fn count(store: &Store) -> Result<BTreeMap<Kind, u64>, OpenError> {
    let mut counts = BTreeMap::new();
    let mut from = Vec::new();
    loop {
        let page = store.range(Table::Actors, &from, Bound::Unbounded, PAGE)?;
        for (_, value) in &page {
            let actor: ActorRow =
                record::decode(&value.bytes).map_err(|detail| OpenError::Damaged {
                    path: "table `actors`".to_owned(),
                    detail,
                })?;
            *counts
                .entry((actor.service, actor.record.pending, actor.record.version))
                .or_default() += 1;
        }
        match page.into_iter().last() {
            // The next key is this one and a zero.
            Some((mut last, _)) => {
                last.push(0);
                from = last;
            }
            None => return Ok(counts),
        }
    }
}
