//! What a volatile dialog has in place of a store: copies of its records as they were committed last.
//!
//! Owns these copies. They serve roll back as the store does, and nothing else: the cells of volatile dialogs stay in
//! memory as long as their dialogs live. Everything here is gone with the process.

use std::collections::HashMap;

use crate::{
    node::{
        address::Address,
        record::{ActorRecord, EndpointRecord, Owner},
    },
    protocol::DialogId,
};

use super::cells::EndpointCell;

/// The records of volatile targets and of the dialogs that they opened.
#[derive(Debug, Default)]
pub(super) struct Memory {
    endpoints: HashMap<Address, EndpointRecord>,
    actors: HashMap<DialogId, ActorRecord>,
}

impl Memory {
    pub(super) fn endpoint(&self, address: &Address) -> Option<EndpointRecord> {
        self.endpoints.get(address).cloned()
    }

    pub(super) fn actor(&self, actor: &DialogId) -> Option<ActorRecord> {
        self.actors.get(actor).cloned()
    }

    /// As it is now, from here on.
    pub(super) fn keep_endpoint(&mut self, address: Address, cell: &EndpointCell) {
        // What plain code opened takes no part in a handler's step and is never rolled back.
        if cell.record.owner == Owner::Volatile {
            return;
        }
        let record = EndpointRecord {
            endpoint: cell.record.endpoint.remembered(),
            ..cell.record.clone()
        };
        self.endpoints.insert(address, record);
    }

    pub(super) fn keep_actor(&mut self, actor: DialogId, record: &ActorRecord) {
        self.actors.insert(actor, record.clone());
    }

    pub(super) fn drop_endpoint(&mut self, address: &Address) {
        self.endpoints.remove(address);
    }

    pub(super) fn drop_actor(&mut self, actor: &DialogId) {
        self.actors.remove(actor);
    }
}
