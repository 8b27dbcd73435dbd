//! Who is where: instance names, stores and services.
//!
//! Owns the routing tables between nodes. Remembers services and stores of members that left: silence is not absence.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Inbound, Member, Taken};
use crate::protocol::{Destination, Location, StoreId};

/// Every node that ever joined.
#[derive(Default)]
pub(crate) struct Directory {
    nodes: BTreeMap<String, Entry>,
    services: BTreeMap<&'static str, BTreeSet<String>>,
    /// Round-robin over the pools, so that a retry lands elsewhere.
    turn: usize,
}

struct Entry {
    store: StoreId,
    inbound: Option<Arc<dyn Inbound>>,
}

impl Directory {
    pub(crate) fn join(&mut self, member: Member) -> Result<(), Taken> {
        let up = |entry: &Entry| entry.inbound.is_some();
        if self.nodes.get(&member.name).is_some_and(up) {
            return Err(Taken::Name);
        }
        // Two copies of one memory would each go on with the same dialogs.
        let twin = self
            .nodes
            .iter()
            .find(|(_, entry)| entry.store == member.store && up(entry));
        if let Some((name, _)) = twin {
            return Err(Taken::Store { by: name.clone() });
        }
        // What this name served before, it may serve no longer.
        for members in self.services.values_mut() {
            members.remove(&member.name);
        }
        for service in &member.services {
            self.services
                .entry(service)
                .or_default()
                .insert(member.name.clone());
        }
        // The same memory under another name: the old name leads nowhere now.
        self.nodes.retain(|_, entry| entry.store != member.store);
        self.nodes.insert(
            member.name,
            Entry {
                store: member.store,
                inbound: Some(member.inbound),
            },
        );
        Ok(())
    }

    /// False if another store has the name: that node stays.
    pub(crate) fn leave(&mut self, name: &str, store: StoreId) -> bool {
        match self.nodes.get_mut(name) {
            Some(entry) if entry.store == store => {
                entry.inbound = None;
                true
            }
            _ => false,
        }
    }

    /// A node died without a word.
    #[cfg(feature = "test-util")]
    pub(crate) fn forget(&mut self, name: &str) {
        if let Some(entry) = self.nodes.get_mut(name) {
            entry.inbound = None;
        }
    }

    /// The members of a pool that are up, but this one.
    #[cfg(feature = "test-util")]
    pub(crate) fn pool_without(&self, service: &str, name: &str) -> Vec<String> {
        let up = |other: &&String| {
            let entry = self.nodes.get(*other);
            other.as_str() != name && entry.is_some_and(|entry| entry.inbound.is_some())
        };
        let pool = self.services.get(service);
        pool.into_iter().flatten().filter(up).cloned().collect()
    }

    pub(crate) fn serves(&self, service: &str) -> bool {
        self.services.contains_key(service)
    }

    pub(crate) fn locate(&self, store: StoreId, node: &str) -> Location {
        if let Some((name, _)) = self.nodes.iter().find(|(_, entry)| entry.store == store) {
            return Location::Bound { node: name.clone() };
        }
        match self.nodes.get(node) {
            Some(entry) => Location::ReplacedBy(entry.store),
            None => Location::Unknown,
        }
    }

    /// One member to take a frame: any of a pool that is up, or the one that has the store.
    pub(crate) fn resolve(&mut self, to: &Destination) -> Option<(String, Arc<dyn Inbound>)> {
        match to {
            Destination::Service(service) => {
                let pool = self.services.get(service.as_str())?;
                let up = |name: &&String| {
                    self.nodes
                        .get(*name)
                        .is_some_and(|entry| entry.inbound.is_some())
                };
                let pool: Vec<&String> = pool.iter().filter(up).collect();
                self.turn = self.turn.wrapping_add(1);
                self.inbound(pool.get(self.turn.checked_rem(pool.len())?)?)
            }
            Destination::Store { store, node } => {
                // By store where it is known, else by the name it answered under: whoever is there now will say
                // that it does not know the endpoint.
                let holder = self
                    .nodes
                    .iter()
                    .find(|(_, entry)| entry.store == *store)
                    .map(|(name, _)| name);
                self.inbound(holder.unwrap_or(node))
            }
        }
    }

    fn inbound(&self, name: &str) -> Option<(String, Arc<dyn Inbound>)> {
        Some((name.to_owned(), self.nodes.get(name)?.inbound.clone()?))
    }
}
