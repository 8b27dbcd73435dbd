//! Targets whose initiators have not come back: counted as they are written, and not kept in memory.
//!
//! Owns which of this shard's records are counted. What is refused leaves nothing here.

use actor_store::StoreFault;

use super::{Shard, Who, cells::EndpointCell, touched::Touched};
use crate::{
    coverage::{self, Rare},
    node::{address::Address, half_open::Opening},
    protocol::{Carrier, FaultCode, Frame, Role, Stage, refuse},
};

/// Half-open targets that a shard keeps in memory. The others lie on disk until their initiators or deadlines come.
const MAX_HALF_OPEN_CELLS: usize = 1024;

/// What an opening is taken to need on disk, besides its messages, before it is written.
const RECORD_BYTES: u64 = 512;

/// What an endpoint in memory only is taken to need.
pub(super) const VOLATILE_BYTES: usize = 512;

impl Shard {
    /// The answer to an opening for which there is no room, made of nothing but the opening.
    pub(super) fn refuse_flood(&self, frame: &Frame) -> Option<Frame> {
        let bodies: usize = frame
            .messages
            .iter()
            .map(|message| message.body.len())
            .sum();
        let opening = Opening {
            peer: frame.src_store,
            bytes: bodies as u64 + RECORD_BYTES,
        };
        let why = self
            .shared
            .half_open
            .refusal(opening, &self.shared.limits)?;
        coverage::sometimes(Rare::FloodRefused);
        Some(refuse(frame, FaultCode::Busy, why))
    }

    /// A record of an endpoint was written, with so many bytes; or it is deleted, with none.
    pub(super) fn count_half_open(&mut self, address: Address, written: Option<u64>) {
        if address.key.role != Role::Target {
            return;
        }
        let now = written.and_then(|bytes| {
            let cell = self.shelves.endpoint(address)?;
            let pending = self.shelves.actor(address.key.dialog);
            let state = pending.map_or(0, |actor| actor.state_len() as u64);
            half_open(cell, bytes + state)
        });
        let before = match now {
            Some(now) => self.half_open.insert(address, now),
            None => self.half_open.remove(&address),
        };
        self.shared.half_open.change(before, now);
    }

    /// New ones count at once; of what they take on disk more is known when they are written.
    pub(super) fn estimate_half_open(&mut self, touched: &Touched<Address>) {
        for address in touched.iter() {
            if address.key.role == Role::Target && !self.half_open.contains_key(&address) {
                self.count_half_open(address, Some(RECORD_BYTES));
            }
        }
    }

    /// A record was read: if it is of an earlier life, it is counted from now on.
    pub(super) fn recount_half_open(&mut self, address: Address, bytes: u64) {
        if !self.half_open.contains_key(&address) {
            self.count_half_open(address, Some(bytes));
        }
    }

    /// Drops a half-open target from memory where there are many of them: all of it is in the store. It comes back with
    /// its initiator or its deadline. It does not say its answer again by itself: an initiator that has not heard it says
    /// its opening again, and is answered.
    pub(super) fn dismiss_half_open(&mut self, address: Address) -> Result<(), StoreFault> {
        if self.half_open.len() <= MAX_HALF_OPEN_CELLS || !self.half_open.contains_key(&address) {
            return Ok(());
        }
        self.settle()?;
        let Some(cell) = self.shelves.endpoint(address) else {
            return Ok(());
        };
        // One in memory only has no index of deadlines that would bring it back.
        if cell.unwritten || cell.is_volatile() {
            return Ok(());
        }
        let deadline = self.deadline_of(cell);
        self.remove_endpoint(address);
        if let Some(deadline) = deadline {
            self.arm(deadline, Who::Endpoint(address));
        }
        // The entry of an actor that tries something again stays.
        self.shelves.remove_actor(address.key.dialog);
        Ok(())
    }
}

fn half_open(cell: &EndpointCell, bytes: u64) -> Option<Opening> {
    let endpoint = &cell.record.endpoint;
    let waits = endpoint.carrier() == Carrier::Remote && endpoint.stage() == Stage::Accumulating;
    let peer = endpoint.peer().filter(|_| waits)?.store;
    Some(Opening { peer, bytes })
}
