//! What a handler says unasked, and whom it asks to hear what a partner says unasked.

use std::sync::Arc;

use actor_store::StoreFault;

use super::{
    Shard,
    handler::{Failed, Retry},
    txn::Txn,
};
use crate::{
    dialog::{Continuation, Encoded, Outcome},
    node::address::Address,
    protocol::{DialogId, FaultCode, Input, MAX_MESSAGE_BYTES, MessageKind, Outgoing, SendRefusal},
};

impl Shard {
    /// Said to the initiator of this actor's dialog. Where it cannot be taken now the whole step waits, and is not
    /// blamed: the initiator lives and will catch up.
    pub(super) fn tell_event(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        event: Encoded,
    ) -> Result<(), StoreFault> {
        let body: Arc<[u8]> = match event.body {
            Ok(body) => body.into(),
            Err(cause) => {
                let why = format!("an event could not be encoded: {cause}");
                txn.failed.get_or_insert(Failed::for_good(actor, why));
                return Ok(());
            }
        };
        let outgoing = Outgoing {
            kind: MessageKind::Event,
            currency: event.currency,
            re: 0,
            handler: event.handler,
            version: 1,
            body,
        };
        let own = Address::target(actor);
        let Some(cell) = self.shelves.endpoint(own) else {
            return Ok(());
        };
        let bytes = outgoing.body.len();
        match cell
            .record
            .endpoint
            .can_take(&outgoing, &self.shared.limits)
        {
            Ok(()) => self.input(txn, own, Input::Send(outgoing)),
            Err(SendRefusal::Busy) if cell.record.endpoint.outbox_is_of_this_step() => {
                let limits = &self.shared.limits;
                let why = format!(
                    "one step tells more events than may wait for their listener, {} or {} bytes: tell the rest from a \
                     timer",
                    limits.max_outbox_messages, limits.max_outbox_bytes
                );
                txn.failed.get_or_insert(Failed::for_good(actor, why));
                Ok(())
            }
            Err(SendRefusal::Busy | SendRefusal::InitWindowFull) => {
                txn.failed.get_or_insert(Failed {
                    actor,
                    why: "too many events and answers wait for the initiator".to_owned(),
                    retry: Retry::Patient,
                    code: FaultCode::Poisoned,
                    running: None,
                });
                Ok(())
            }
            Err(SendRefusal::TooLarge) => {
                let why = format!(
                    "an event has {bytes} bytes and may have {MAX_MESSAGE_BYTES}: send it in parts"
                );
                txn.failed.get_or_insert(Failed::for_good(actor, why));
                Ok(())
            }
            // The dialog is closing or over: like anything said to it, it goes nowhere.
            Err(SendRefusal::Closed | SendRefusal::NotEstablished) => Ok(()),
        }
    }

    /// Events of a partner go to a continuation of this actor, from this commit on. A partner that is gone has ended for
    /// the continuation as well.
    pub(super) fn listen(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        dialog: DialogId,
        then: Continuation,
    ) -> Result<(), StoreFault> {
        let address = Address::initiator(dialog, actor.slot());
        let refused = match txn.broken.get(&dialog).cloned() {
            Some(outcome) => Some(outcome),
            None => self.open_child(txn, actor, address, None)?,
        };
        let ending = self
            .shelves
            .endpoint(address)
            .and_then(|cell| cell.record.endpoint.ending().cloned());
        let refused = refused.or_else(|| Some(self.ending_outcome(address, &ending?)));
        self.touch_endpoint(txn, address);
        match (refused, self.shelves.endpoint_mut(address)) {
            (None, Some(cell)) => {
                cell.record.awaited.events = Some(Box::new(then));
                txn.dirty.insert(address);
            }
            (outcome, _) => {
                let outcome = outcome.unwrap_or(Outcome::Closed);
                txn.work.push_back((actor, then.resumed(outcome)));
            }
        }
        Ok(())
    }
}
