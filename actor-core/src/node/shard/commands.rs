//! Carrying out what a handler asked for: answers, messages to partners, timers, endings.

use std::{sync::Arc, time::Duration};

use actor_store::{StoreFault, codec};
use tracing::{debug, error};

use super::{
    Shard,
    cells::{ActorCell, EndpointCell},
    handler::{Failed, Retry},
    txn::Txn,
};
use crate::{
    dialog::{Command, Continuation, Encoded, OpenSpec, Outcome, Replied, UNTAGGED},
    node::{
        address::Address,
        record::{AppTimer, Ask, EndpointRecord, Owner, Wish, Work},
    },
    protocol::{
        Abandoned, Carrier, DialogId, Ending, Endpoint, FaultCode, Input, MAX_MESSAGE_BYTES,
        Message, MessageKind, Outgoing, SendRefusal, Timeouts, TimerKind,
    },
};

impl Shard {
    pub(super) fn command(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        command: Command,
    ) -> Result<(), StoreFault> {
        let own = Address::target(actor);
        match command {
            Command::Open { dialog, spec } => {
                txn.opens.insert(dialog, spec);
                Ok(())
            }
            Command::Send {
                dialog,
                call,
                then,
                within,
            } => self.send_to_partner(txn, actor, dialog, call, then, within),
            Command::Tell { event } => self.tell_event(txn, actor, event),
            Command::Listen { dialog, then, .. } => self.listen(txn, actor, dialog, then),
            Command::Reply { request, value } => self.keep_promise(txn, own, request, value),
            Command::Arm {
                timer,
                name,
                delay,
                context,
            } => {
                debug!(target: "actor_core::dialog", dialog = %actor, timer = name, ?delay, "timer set");
                self.set_timer(txn, actor, timer, delay, context);
                Ok(())
            }
            Command::Disarm { timer } => {
                if let Some(cell) = self.shelves.actor_mut(actor) {
                    cell.record.duties.timers.remove(&timer);
                }
                Ok(())
            }
            // The end of the step closes: first all its answers and messages.
            Command::Close => Ok(()),
            Command::Abandon { why } => {
                if let Some(cell) = self.shelves.actor_mut(actor) {
                    // The application gave up itself; nothing needs to tell it.
                    cell.gone = true;
                }
                self.input(txn, own, Input::Abandon(FaultCode::Abandoned, why))
            }
            Command::CloseDialog { dialog } => {
                let address = Address::initiator(dialog, own.slot);
                self.ensure_endpoint(address)?;
                self.input(txn, address, Input::Close)
            }
            Command::AbandonDialog { dialog, why } => {
                let address = Address::initiator(dialog, own.slot);
                self.ensure_endpoint(address)?;
                self.input(txn, address, Input::Abandon(FaultCode::Abandoned, why))
            }
        }
    }

    /// The answer of the message that is being handled.
    pub(super) fn answer(
        &mut self,
        txn: &mut Txn<'_>,
        own: Address,
        message: &Message,
        reply: Replied,
    ) -> Result<(), StoreFault> {
        match reply {
            Replied::Ok(body) => {
                self.send_answer(txn, own, message.seq, MessageKind::AnswerOk, body)
            }
            Replied::Err(body) => {
                self.send_answer(txn, own, message.seq, MessageKind::AnswerErr, body)
            }
            Replied::TooLarge { bytes, limit } => {
                // The sizes tell it from an answer that was forgotten.
                let sizes = [bytes as u64, limit as u64].map(u64::to_le_bytes).concat();
                self.send_answer(txn, own, message.seq, MessageKind::NoAnswer, sizes)
            }
            Replied::Later { fallible } => {
                if let Some(cell) = self.shelves.endpoint_mut(own) {
                    cell.record.awaited.promised.insert(message.seq, fallible);
                    txn.dirty.insert(own);
                }
                Ok(())
            }
        }
    }

    fn keep_promise(
        &mut self,
        txn: &mut Txn<'_>,
        own: Address,
        request: u64,
        value: Result<Vec<u8>, codec::CodecError>,
    ) -> Result<(), StoreFault> {
        self.touch_endpoint(txn, own);
        let Some(cell) = self.shelves.endpoint_mut(own) else {
            return Ok(());
        };
        // The dialog, or this request, may have ended since: an answer nobody waits for is ignored.
        if !cell.record.endpoint.owed().contains(&request) {
            return Ok(());
        }
        let fallible = cell.record.take_promise(request).unwrap_or(false);
        let value = match value {
            Ok(value) => value,
            Err(cause) => {
                error!(target: "actor_core::dialog", dialog = %own.key.dialog, %cause, "an answer could not be encoded");
                return self.send_answer(txn, own, request, MessageKind::NoAnswer, Vec::new());
            }
        };
        match if fallible {
            codec::split_result(&value)
        } else {
            None
        } {
            Some((true, refusal)) => {
                self.send_answer(txn, own, request, MessageKind::AnswerErr, refusal.to_vec())
            }
            Some((false, answer)) => {
                self.send_answer(txn, own, request, MessageKind::AnswerOk, answer.to_vec())
            }
            None => self.send_answer(txn, own, request, MessageKind::AnswerOk, value),
        }
    }

    pub(super) fn send_answer(
        &mut self,
        txn: &mut Txn<'_>,
        own: Address,
        request: u64,
        kind: MessageKind,
        body: Vec<u8>,
    ) -> Result<(), StoreFault> {
        let limit = self.shared.limits.max_message_bytes.min(MAX_MESSAGE_BYTES);
        let (kind, body) = if body.len() > limit {
            error!(
                target: "actor_core::dialog", dialog = %own.key.dialog, request, bytes = body.len(),
                "an answer is longer than {limit} bytes: its caller hears `NoAnswer`"
            );
            (MessageKind::NoAnswer, Vec::new())
        } else {
            (kind, body)
        };
        self.touch_endpoint(txn, own);
        if let Some(cell) = self.shelves.endpoint_mut(own) {
            cell.record.take_promise(request);
        }
        let outgoing = Outgoing {
            kind,
            currency: false,
            re: request,
            handler: 0,
            version: UNTAGGED,
            body: body.into(),
        };
        self.input(txn, own, Input::Send(outgoing))
    }

    fn set_timer(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        timer: u32,
        delay: Duration,
        context: Vec<u8>,
    ) {
        let due = txn.now.saturating_add(millis(delay));
        txn.bytes += context.len();
        if let Some(cell) = self.shelves.actor_mut(actor) {
            cell.record
                .duties
                .timers
                .insert(timer, AppTimer { due, context });
        }
    }

    /// A handler's message to a partner, which it may just be opening.
    fn send_to_partner(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        dialog: DialogId,
        call: Encoded,
        then: Option<Continuation>,
        within: Option<Duration>,
    ) -> Result<(), StoreFault> {
        let address = Address::initiator(dialog, actor.slot());
        let refused = match call.body {
            Err(cause) => Some(Outcome::Codec(format!(
                "the arguments of `{}`: {cause}",
                call.name
            ))),
            Ok(body) => self.send_or_refuse(
                txn,
                actor,
                address,
                Outgoing {
                    kind: if then.is_some() {
                        MessageKind::Ask
                    } else {
                        MessageKind::Tell
                    },
                    currency: call.currency,
                    re: 0,
                    handler: call.handler,
                    version: call.tag,
                    body: body.into(),
                },
                call.closing,
                then.as_ref(),
                within,
            )?,
        };
        match (refused, then) {
            // What is said to a dialog that has ended goes nowhere, as it would from plain code.
            (None, _)
            | (Some(Outcome::Closed | Outcome::NeverReached | Outcome::Abandoned { .. }), None) => {
                Ok(())
            }
            (Some(outcome), None) => self.break_off(txn, actor, address, call.name, outcome),
            (Some(outcome), Some(then)) => {
                let outcome = txn.broken.get(&dialog).cloned().unwrap_or(outcome);
                let resume = Work::Resume {
                    resume: then.resume,
                    outcome,
                    partner: None,
                    context: then.context,
                };
                txn.work.push_back((actor, resume));
                Ok(())
            }
        }
    }

    /// A message that wants no answer cannot be sent, and nobody would hear of it. What follows must not arrive without
    /// it, so the dialog goes no further; the next request of this step hears why.
    fn break_off(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        address: Address,
        handler: &str,
        outcome: Outcome,
    ) -> Result<(), StoreFault> {
        let dialog = address.key.dialog;
        if txn.broken.contains_key(&dialog) {
            return Ok(());
        }
        if outcome == Outcome::Busy && !txn.opens.contains_key(&dialog) {
            // The partner lives and will catch up: the whole step waits for that.
            txn.failed.get_or_insert(Failed {
                actor,
                why: format!("too many messages wait for the partner of `{handler}`"),
                retry: Retry::Patient,
                code: FaultCode::Poisoned,
                running: None,
            });
            return Ok(());
        }
        error!(target: "actor_core::dialog", %dialog, handler, ?outcome, "a message that was told could not be sent");
        txn.broken.insert(dialog, outcome);
        let why = format!("`{handler}` could not be sent");
        self.input(txn, address, Input::Abandon(FaultCode::Abandoned, why))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one message")]
    fn send_or_refuse(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        address: Address,
        outgoing: Outgoing,
        closing: bool,
        then: Option<&Continuation>,
        within: Option<Duration>,
    ) -> Result<Option<Outcome>, StoreFault> {
        if let Some(outcome) = txn.broken.get(&address.key.dialog).cloned() {
            return Ok(Some(outcome));
        }
        if let Some(outcome) = self.open_child(txn, actor, address, within)? {
            return Ok(Some(outcome));
        }
        let until = within.map(|time| txn.now.saturating_add(millis(time)));
        let wish = then.map(|then| Wish {
            then: Some(then.clone()),
            until,
            ..Wish::default()
        });
        let ask = Ask {
            wish: wish.map(Box::new),
            ..Ask::default()
        };
        self.say(txn, address, outgoing, closing, ask)
            .map(Result::err)
    }

    /// The initiator of a partner to whom the first thing is said, if it is not there yet. Why there is none, if so.
    pub(super) fn open_child(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        address: Address,
        within: Option<Duration>,
    ) -> Result<Option<Outcome>, StoreFault> {
        if self.ensure_endpoint(address)? {
            return Ok(None);
        }
        let Some(spec) = txn.opens.get(&address.key.dialog).cloned() else {
            return Ok(Some(Outcome::Closed));
        };
        let owner = Owner::Child(actor);
        if let Err(outcome) = self.open_initiator(txn, address, &spec, owner, within)? {
            return Ok(Some(outcome));
        }
        if let Some(cell) = self.shelves.actor_mut(actor) {
            cell.record.duties.children.insert(address.key.dialog, ());
        }
        Ok(None)
    }

    /// A new initiator, looking for a partner here or on the network.
    pub(super) fn open_initiator(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        spec: &Arc<OpenSpec>,
        owner: Owner,
        within: Option<Duration>,
    ) -> Result<Result<(), Outcome>, StoreFault> {
        let carrier = if self.shared.registry.get(spec.service).is_some() {
            Carrier::Local
        } else if self.shared.transport.serves(spec.service) {
            Carrier::Remote
        } else {
            return Ok(Err(Outcome::NoRoute(spec.service.to_owned())));
        };
        let trace = self.trace_of(&owner, address.key.dialog);
        let timeouts = self.cascade(&owner, spec.timeouts, within, txn.now);
        // What a volatile dialog opens dies with it.
        let volatile = match &owner {
            Owner::Child(parent) => self
                .shelves
                .actor(*parent)
                .is_some_and(ActorCell::is_volatile),
            owner => *owner == Owner::Volatile,
        };
        let token = self.shared.mint(address.slot);
        let (endpoint, effects) = Endpoint::initiate(
            address.key.dialog,
            token,
            spec.service,
            spec.mode,
            carrier,
            timeouts,
            spec.contract,
            volatile,
            &self.shared.env(),
        );
        let endpoint = if carrier == Carrier::Local && spec.is_volatile() {
            endpoint.with_volatile_target(&self.shared.env())
        } else {
            endpoint
        };
        let used = self.next_use();
        let mut record = EndpointRecord::new(endpoint, owner, trace, txn.now);
        self.terms.share(&mut record.endpoint);
        let mut cell = EndpointCell::new(record, used);
        cell.memory_only = volatile;
        self.touch_endpoint(txn, address);
        self.shelves.insert_endpoint(address, Box::new(cell));
        self.absorb(txn, address, effects)?;
        Ok(Ok(()))
    }

    /// A subcontracted dialog lasts no longer than the one that opened it, and is looked for no longer than its first
    /// request may wait.
    fn cascade(
        &self,
        owner: &Owner,
        timeouts: Timeouts,
        within: Option<Duration>,
        now: u64,
    ) -> Timeouts {
        let parent = match owner {
            Owner::Child(parent) => self.shelves.endpoint(Address::target(*parent)),
            _ => None,
        };
        let until = parent.and_then(|cell| cell.record.deadlines.get(TimerKind::Lifetime));
        let left = until.map(|until| Duration::from_millis(until.saturating_sub(now)));
        let lifetime = timeouts.lifetime.min(left.unwrap_or(Duration::MAX));
        Timeouts {
            lifetime,
            initiation: timeouts
                .initiation
                .min(lifetime)
                .min(within.unwrap_or(Duration::MAX)),
            ..timeouts
        }
    }

    /// A subcontracted dialog belongs to the work of the one that opened it; any other begins its own.
    fn trace_of(&self, owner: &Owner, dialog: DialogId) -> DialogId {
        let parent = match owner {
            Owner::Child(parent) => self.shelves.endpoint(Address::target(*parent)),
            _ => None,
        };
        parent.map_or(dialog, |cell| cell.record.trace)
    }

    /// Puts a message into an initiator's outbox. The request's number, or why it was not taken.
    pub(super) fn say(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        outgoing: Outgoing,
        closing: bool,
        ask: Ask,
    ) -> Result<Result<u64, Outcome>, StoreFault> {
        let Some(cell) = self.shelves.endpoint_mut(address) else {
            return Ok(Err(Outcome::Closed));
        };
        let endpoint = &cell.record.endpoint;
        let bytes = outgoing.body.len();
        if let Err(refusal) = endpoint.can_take(&outgoing, &self.shared.limits) {
            let limit = endpoint.message_limit(&self.shared.limits);
            return Ok(Err(refusal_outcome(
                refusal,
                bytes,
                limit,
                endpoint.ending(),
            )));
        }
        let request = endpoint.send_next();
        let then = ask.wish.as_ref().and_then(|wish| wish.then.as_ref());
        txn.bytes += then.map_or(0, |then| then.context.len());
        let wants_answer = outgoing.kind == MessageKind::Ask;
        self.input(txn, address, Input::Send(outgoing))?;
        if wants_answer && let Some(cell) = self.shelves.endpoint_mut(address) {
            let ask = Ask {
                since_ms: txn.now,
                rounds_before: cell.rounds,
                ..ask
            };
            cell.record.awaited.borrow_box(&mut self.spare_awaited);
            cell.record.awaited.asks.insert(request, ask);
        }
        if closing {
            self.input(txn, address, Input::Close)?;
        }
        Ok(Ok(request))
    }
}

/// Milliseconds, as many as there are.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn refusal_outcome(
    refusal: SendRefusal,
    bytes: usize,
    limit: usize,
    ending: Option<&Ending>,
) -> Outcome {
    match refusal {
        SendRefusal::TooLarge => Outcome::TooLarge {
            bytes: bytes as u64,
            limit: limit as u64,
        },
        SendRefusal::Closed => not_sent(ending),
        _ => Outcome::Busy,
    }
}

/// What a message to an ended dialog hears: it was certainly not sent.
pub(super) fn not_sent(ending: Option<&Ending>) -> Outcome {
    match ending {
        Some(Ending::Abandoned(Abandoned::NeverReached)) => Outcome::NeverReached,
        Some(Ending::Abandoned(why)) => Outcome::Abandoned {
            why: why.clone(),
            in_doubt: false,
        },
        _ => Outcome::Closed,
    }
}
