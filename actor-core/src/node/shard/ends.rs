//! Endings: who is told, what is dropped, which partners of a finished actor are let go.

use actor_store::StoreFault;
use tracing::{error, info};

use super::{Learned, Shard, txn::Txn};
use crate::{
    dialog::Outcome,
    node::{
        address::Address,
        record::{Owner, Work},
        stats::add,
    },
    protocol::{Abandoned, DialogId, Ending, FaultCode, Input, Role},
};

impl Shard {
    /// An endpoint's dialog is over. Said once.
    pub(super) fn ended(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        ending: &Ending,
    ) -> Result<(), StoreFault> {
        let dialog = address.key.dialog;
        txn.dirty.insert(address);
        if let Some(cell) = self.shelves.endpoint(address) {
            let service = cell.record.endpoint.service();
            let notes = &mut txn.output.notes;
            notes.ended(dialog, address.key.role, service, ending);
        }
        let counters = &self.shared.counters;
        match ending {
            Ending::Abandoned(why) => {
                add(&counters.abandoned, 1);
                info!(target: "actor_core::dialog", %dialog, role = ?address.key.role, %why, "abandoned");
                if *why == Abandoned::StoreCloned {
                    self.note_copy(address);
                }
            }
            Ending::Discarded => {
                add(&counters.discarded_pending, 1);
                info!(target: "actor_core::dialog", %dialog, "discarded pending work");
            }
            _ => add(&counters.completed, 1),
        }
        match address.key.role {
            Role::Initiator => self.initiator_ended(txn, address, ending),
            Role::Target => self.target_ended(txn, dialog, ending),
        }
    }

    /// A partner's store is alive twice, or ours is said to be.
    fn note_copy(&self, address: Address) {
        let cell = self.shelves.endpoint(address);
        if let Some(peer) = cell.and_then(|cell| cell.record.endpoint.peer()) {
            error!(
                target: "actor_core::node", store = %peer.store, node = %peer.node, dialog = %address.key.dialog,
                "two instances run with copies of one store: stop both, keep one, give the other a new directory"
            );
        }
    }

    fn initiator_ended(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        ending: &Ending,
    ) -> Result<(), StoreFault> {
        let outcome = self.ending_outcome(address, ending);
        self.fail_unanswered(txn, address, &outcome)?;
        let Some(cell) = self.shelves.endpoint_mut(address) else {
            return Ok(());
        };
        let learned = cell
            .lines()
            .map(|line| (line, Learned::Ended(ending.clone(), outcome.clone())));
        txn.output.learned.extend(learned);
        let awaited = cell.record.awaited.stored();
        let listener = awaited.and_then(|awaited| awaited.events.take());
        cell.record.awaited.rest();
        let Owner::Child(parent) = cell.record.owner else {
            return Ok(());
        };
        if let Some(then) = listener {
            txn.work.push_back((parent, then.resumed(outcome)));
        }
        // The parent may have been dropped from memory long ago; it must not remember this child for ever.
        if self.ensure_actor(parent)?
            && let Some(parent_cell) = self.shelves.actor(parent)
            && parent_cell
                .record
                .duties
                .children
                .contains(&address.key.dialog)
        {
            self.touch_actor(txn, parent);
            txn.dirty_actors.insert(parent);
            if let Some(parent_cell) = self.shelves.actor_mut(parent) {
                parent_cell
                    .record
                    .duties
                    .children
                    .remove(&address.key.dialog);
            }
        }
        Ok(())
    }

    /// The end of a dialog, as one who waits at its initiator hears it.
    pub(super) fn ending_outcome(&self, address: Address, ending: &Ending) -> Outcome {
        // Before anything was established nothing permanent can have happened, however it ended.
        let cell = self.shelves.endpoint(address);
        let in_doubt = cell.is_some_and(|cell| cell.record.endpoint.was_established());
        match ending {
            Ending::Abandoned(Abandoned::NeverReached) => Outcome::NeverReached,
            Ending::Abandoned(why) => Outcome::Abandoned {
                why: why.clone(),
                in_doubt,
            },
            _ => Outcome::Closed,
        }
    }

    /// What is still unanswered never will be.
    pub(super) fn fail_unanswered(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        outcome: &Outcome,
    ) -> Result<(), StoreFault> {
        let Some(cell) = self.shelves.endpoint(address) else {
            return Ok(());
        };
        let open: Vec<u64> = cell.record.awaited.asks.keys().copied().collect();
        open.into_iter()
            .try_for_each(|request| self.answered(txn, address, request, outcome.clone()))
    }

    fn target_ended(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        ending: &Ending,
    ) -> Result<(), StoreFault> {
        if !self.ensure_actor(actor)? {
            return Ok(());
        }
        let Some(cell) = self.shelves.actor(actor) else {
            return Ok(());
        };
        let held = cell.record.is_held();
        match ending {
            // Pending work is dropped without a word: nothing of it ever happened.
            Ending::Abandoned(why) if !cell.record.pending => {
                let why = why.clone();
                self.touch_actor(txn, actor);
                // Whatever waited will not be done any more; the end is told instead.
                txn.work.retain(|(of, _)| *of != actor);
                txn.work.push_back((actor, Work::Abandoned(why)));
                Ok(())
            }
            // A goodbye ends the talking, not the work that was taken over: a message that waits for another attempt was
            // acknowledged, and its sender will not say it again.
            _ if !cell.record.duties.work.is_empty() && !held => {
                self.touch_actor(txn, actor);
                txn.dirty_actors.insert(actor);
                if let Some(cell) = self.shelves.actor_mut(actor) {
                    cell.record.ended = true;
                }
                Ok(())
            }
            _ => self.end_actor(txn, actor),
        }
    }

    /// The actor is finished: its record goes, its partners are let go.
    pub(super) fn end_actor(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
    ) -> Result<(), StoreFault> {
        self.touch_actor(txn, actor);
        let Some(cell) = self.shelves.actor_mut(actor) else {
            return Ok(());
        };
        txn.dirty_actors.insert(actor);
        cell.gone = true;
        cell.live = None;
        let held = cell.record.is_held();
        let children = std::mem::take(&mut cell.record.duties.children);
        for child in children.keys() {
            let address = Address::initiator(*child, actor.slot());
            if !self.ensure_endpoint(address)? {
                continue;
            }
            let waits = self
                .shelves
                .endpoint(address)
                .is_some_and(|cell| !cell.record.endpoint.unanswered().is_empty());
            let input = if waits {
                Input::Abandon(
                    FaultCode::Abandoned,
                    "the dialog that subcontracted this one has ended".to_owned(),
                )
            } else {
                Input::Close
            };
            self.input(txn, address, input)?;
        }
        if held {
            self.bury_held(txn, actor)?;
        }
        Ok(())
    }
}
