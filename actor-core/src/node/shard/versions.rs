//! What waits for a program that understands it: messages, answers and work of another version of a dialog.
//!
//! Owns the decision to wait. What is held was neither consumed nor acknowledged, or lies in its actor's record; it is
//! not counted as a failure, and the deadlines of its dialog end the wait.

use actor_store::StoreFault;
use tracing::warn;

use super::{Shard, trouble::is_half_full};
use crate::{
    coverage::{self, Rare},
    dialog::Service,
    node::{
        address::Address,
        record::{Owner, Work},
    },
    protocol::{Carrier, DialogId, MessageKind, Role},
};

/// Patience before held work is looked at again, in milliseconds: only another program changes anything.
pub(super) const OTHER_VERSION_PATIENCE_MS: u64 = 600_000;

/// Is there a handler or a continuation for it, as it was when it was put aside?
pub(super) fn is_understood(service: &Service, work: &Work) -> bool {
    match work {
        Work::Message(message) => service.spec.understands(message),
        Work::Resume { resume: id, .. } | Work::Timer { timer: id, .. } => service.continues(*id),
        Work::Establish | Work::Abandoned(_) => true,
    }
}

impl Shard {
    /// The next message of this endpoint is not to be consumed by this program.
    pub(super) fn holds_back(&mut self, address: Address) -> Result<bool, StoreFault> {
        let Some(cell) = self.shelves.endpoint(address) else {
            return Ok(false);
        };
        let Some(next) = cell.record.endpoint.next_message() else {
            return Ok(false);
        };
        let (seq, handler, kind) = (next.seq, next.handler, next.kind);
        let held = match (address.key.role, &cell.record.owner) {
            (Role::Target, _) if !kind.is_answer() && !kind.is_empty() => {
                let next = next.clone();
                let actor = address.key.dialog;
                if !self.ensure_actor(actor)? {
                    return Ok(false);
                }
                self.shelves.actor(actor).is_some_and(|cell| {
                    let first = cell.record.duties.work.front();
                    // Behind work that is held nothing is taken: it would only be put aside as well.
                    first.is_some_and(|work| !is_understood(&cell.service, work))
                        || !cell.service.spec.understands(&next)
                })
            }
            (Role::Initiator, Owner::Child(parent))
                if kind.is_answer() || kind == MessageKind::Event =>
            {
                let ask = cell.record.awaited.asks.get(&next.re);
                let then = match kind {
                    MessageKind::Event => cell.record.awaited.events.as_deref(),
                    _ => ask.and_then(|ask| ask.wish.as_ref()?.then.as_ref()),
                };
                let Some(then) = then else {
                    return Ok(false);
                };
                let (parent, resume) = (*parent, then.resume);
                // In one store they were taken over already, and nobody would say them again.
                let waits = kind == MessageKind::Event
                    && cell.record.endpoint.carrier() == Carrier::Remote
                    && !cell.record.endpoint.is_doomed();
                if !self.ensure_actor(parent)? {
                    return Ok(false);
                }
                let listener = self.shelves.actor(parent);
                if waits && listener.is_some_and(|cell| is_half_full(&cell.record)) {
                    return Ok(true);
                }
                listener.is_some_and(|cell| !cell.service.continues(resume))
            }
            _ => false,
        };
        if held
            && let Some(cell) = self.shelves.endpoint_mut(address)
            && cell.record.endpoint.is_doomed()
        {
            cell.record.endpoint.give_up_held();
            return Ok(false);
        }
        if held {
            coverage::sometimes(Rare::HeldForAnotherVersion);
            warn!(
                target: "actor_core::dialog", dialog = %address.key.dialog, seq, handler,
                "waits for another program: this one has no such handler or continuation; start one that has, or let the dialog's deadline end it"
            );
        }
        Ok(held)
    }

    /// The first work of this actor is not for this program.
    pub(super) fn is_of_another_version(&self, actor: DialogId) -> bool {
        self.shelves.actor(actor).is_some_and(|cell| {
            let first = cell.record.duties.work.front();
            first.is_some_and(|work| !is_understood(&cell.service, work))
        })
    }
}
