//! From the protocol's effects to a transaction: frames, rows, timers, notices, answers.
//!
//! Owns the only call of [`Endpoint::step`](crate::protocol::Endpoint::step). Decides nothing the protocol decides.

use std::time::Duration;

use actor_store::StoreFault;
use tracing::{debug, info};

use super::{Learned, Shard, commands::millis, txn::Txn};
use crate::{
    dialog::{Continuation, Heard, Outcome},
    node::{
        address::Address,
        record::{Named, Owner, Work},
        stats::add,
        when::When,
    },
    protocol::{
        Carrier, Durability, Effects, EndpointKey, Input, LocalItem, Message, MessageKind, Notice,
        Role, TimerKind, TimerOp,
    },
};

impl Shard {
    /// One input of one endpoint, and everything that follows from it inside this transaction.
    pub(super) fn input(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        input: Input,
    ) -> Result<(), StoreFault> {
        if matches!(input, Input::Consume) && self.holds_back(address)? {
            return Ok(());
        }
        txn.flushed &= input == Input::Flush;
        if let Input::Send(outgoing) = &input {
            txn.bytes += outgoing.body.len();
        }
        if self
            .shelves
            .endpoint(address)
            .is_some_and(|cell| cell.is_lent)
        {
            self.take_back(address.key.dialog);
        }
        self.touch_endpoint(txn, address);
        let env = self.shared.env();
        let Some(cell) = self.shelves.endpoint_mut(address) else {
            return Ok(());
        };
        let before = cell.record.endpoint.recv_next();
        cell.record.endpoint.lend(&mut self.spare);
        let effects = cell.record.endpoint.step(input, &env);
        cell.record.endpoint.rest(&mut self.spare);
        let EndpointKey { dialog, role } = address.key;
        let token = cell.record.endpoint.token();
        txn.output.notes.consumed(
            dialog,
            role,
            token,
            before..cell.record.endpoint.recv_next(),
        );
        // What was superseded before a message never had a row.
        let delivered = effects.deliver.as_ref().map(|message| message.seq);
        let consumed = delivered.unwrap_or(before)..cell.record.endpoint.recv_next();
        if cell.record.endpoint.carrier() == Carrier::Local && cell.stores_rows() {
            for seq in consumed {
                txn.consumed.push((address, seq));
            }
        }
        self.absorb(txn, address, effects)
    }

    pub(super) fn absorb(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        effects: Effects,
    ) -> Result<(), StoreFault> {
        self.touch_endpoint(txn, address);
        let Some(cell) = self.shelves.endpoint_mut(address) else {
            return Ok(());
        };
        match effects.durability {
            Durability::Durable => _ = txn.dirty.insert(address),
            Durability::Lazy => cell.unwritten = true,
            Durability::None => {}
        }
        let stored = cell.stores_rows();
        let partner = partner_address(cell);
        let trace = cell.record.trace.0;
        let left = cell.record.deadlines.get(TimerKind::Lifetime);
        let left = left.or_else(|| lifetime(&effects.timers, txn.now));
        // How long the dialog may last at all, as both sides shall count it.
        let ttl_ms = left.map_or(0, |until| until.saturating_sub(txn.now).max(1));
        txn.output
            .frames
            .extend(effects.frames.into_iter().map(|(to, mut frame)| {
                frame.trace = trace;
                if frame.dst_token.is_none() {
                    frame.ttl_ms = ttl_ms;
                }
                (to, frame)
            }));
        if let Some(partner) = partner {
            txn.local.extend(effects.local.into_iter().map(|mut item| {
                if let LocalItem::Open(open) = &mut item {
                    open.trace = trace;
                    open.ttl_ms = ttl_ms;
                }
                (partner, item, stored)
            }));
        }
        if !effects.timers.is_empty() {
            self.apply_timers(address, &effects.timers);
            if let Some(cell) = self.shelves.endpoint_mut(address) {
                cell.unwritten = true;
            }
            // What is written with this transaction is armed then.
            if !txn.dirty.contains(address) {
                self.arm_endpoint(address);
            }
        }
        // `Confirmed` comes before what is delivered, everything else after it.
        let (confirmed, notices): (Vec<_>, Vec<_>) = effects
            .notices
            .into_iter()
            .partition(|notice| *notice == Notice::Confirmed);
        for notice in confirmed {
            self.notice(txn, address, notice)?;
        }
        if let Some(message) = effects.deliver {
            self.deliver(txn, address, message)?;
        }
        for notice in notices {
            self.notice(txn, address, notice)?;
        }
        if effects.locate {
            self.locate(txn, address)?;
        }
        Ok(())
    }

    fn locate(&mut self, txn: &mut Txn<'_>, address: Address) -> Result<(), StoreFault> {
        let peer = self
            .shelves
            .endpoint(address)
            .and_then(|cell| cell.record.endpoint.peer());
        let Some(location) = peer.map(|peer| self.shared.transport.locate(peer.store, &peer.node))
        else {
            return Ok(());
        };
        self.input(txn, address, Input::Located(location))
    }

    pub(super) fn apply_timers(&mut self, address: Address, timers: &[TimerOp]) {
        let now = self.shared.clock.now_ms();
        let shared = &self.shared;
        let Some(cell) = self.shelves.endpoint_mut(address) else {
            return;
        };
        for timer in timers {
            match *timer {
                TimerOp::Arm(TimerKind::Retransmit, after) => {
                    cell.retry_at = When::at(now + jitter(after, shared.ids.random()[0]));
                }
                TimerOp::Cancel(TimerKind::Retransmit) => cell.retry_at = When::NEVER,
                TimerOp::Arm(kind, after) => {
                    let at = now.saturating_add(millis(after));
                    cell.record.deadlines.set(kind, at);
                }
                TimerOp::Cancel(kind) => _ = cell.record.deadlines.cancel(kind),
            }
        }
    }

    fn deliver(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        message: Message,
    ) -> Result<(), StoreFault> {
        if address.key.role == Role::Target {
            if message.kind != MessageKind::Empty {
                if let Some(cell) = self.shelves.endpoint(address) {
                    let token = cell.record.endpoint.token();
                    txn.output
                        .notes
                        .accepted(address.key.dialog, token, message.seq);
                }
                txn.work
                    .push_back((address.key.dialog, Work::Message(message)));
            }
            return Ok(());
        }
        let outcome = match message.kind {
            MessageKind::AnswerOk => Outcome::Ok(message.body.to_vec()),
            MessageKind::AnswerErr => Outcome::Err(message.body.to_vec()),
            MessageKind::NoAnswer => no_answer(&message.body),
            MessageKind::Event => {
                self.hear_event(txn, address, message);
                return Ok(());
            }
            MessageKind::Empty | MessageKind::Tell | MessageKind::Ask => return Ok(()),
        };
        self.answered(txn, address, message.re, outcome)
    }

    /// To those who listen, with this commit. Without a listener it is dropped here: it was consumed like any message,
    /// so it holds up neither what comes after it nor its sender (M11).
    fn hear_event(&mut self, txn: &mut Txn<'_>, address: Address, message: Message) {
        let Some(cell) = self.shelves.endpoint(address) else {
            return;
        };
        if let (Some(then), Owner::Child(parent)) =
            (&cell.record.awaited.events, &cell.record.owner)
        {
            let resume = Continuation::clone(then).resumed(Outcome::Ok(message.body.to_vec()));
            txn.work.push_back((*parent, resume));
            return;
        }
        let readers = cell.lines().filter(|line| line.listens());
        let before = txn.output.learned.len();
        txn.output.learned.extend(readers.map(|line| {
            let event = std::sync::Arc::clone(&message.body);
            (line, Learned::Event(event, message.currency))
        }));
        if txn.output.learned.len() == before {
            debug!(target: "actor_core::dialog", dialog = %address.key.dialog, seq = message.seq, "an event that nobody reads");
        }
    }

    /// A request of this initiator has its outcome: record it, tell who waits.
    pub(super) fn answered(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        request: u64,
        outcome: Outcome,
    ) -> Result<(), StoreFault> {
        let Some(cell) = self.shelves.endpoint_mut(address) else {
            return Ok(());
        };
        txn.dirty.insert(address);
        let ask = cell.record.awaited.stored();
        let ask = ask
            .and_then(|awaited| awaited.asks.remove(&request))
            .unwrap_or_default();
        cell.record.awaited.rest_in(&mut self.spare_awaited);
        let is_answer = matches!(outcome, Outcome::Ok(_) | Outcome::Err(_));
        if is_answer {
            let learned = cell.lines().map(|line| (line, Learned::Answered(request)));
            txn.output.learned.extend(learned);
        }
        let waiters = cell.aside.stored();
        let waiters = waiters.and_then(|aside| aside.waiters.remove(&request));
        let mut waiters = waiters.unwrap_or_default();
        cell.aside.rest();
        let Some(wish) = ask.wish else {
            // Nobody else wants it.
            if let Some(last) = waiters.pop() {
                let others = waiters.into_iter();
                let copies = others.map(|waiter| (waiter.answer, Heard::Outcome(outcome.clone())));
                txn.output.answers.extend(copies);
                txn.output
                    .answers
                    .push((last.answer, Heard::Outcome(outcome)));
            }
            if is_answer {
                self.may_rest(address);
            }
            return Ok(());
        };
        for waiter in waiters {
            txn.output
                .answers
                .push((waiter.answer, Heard::Outcome(outcome.clone())));
        }
        if let (Some(then), Owner::Child(parent)) = (wish.then, &cell.record.owner) {
            let partner = then.opening.then_some(address.key.dialog);
            let resume = Work::Resume {
                resume: then.resume,
                outcome: outcome.clone(),
                partner,
                context: then.context,
            };
            txn.work.push_back((*parent, resume));
        }
        if let Some((name, digest)) = wish.name {
            let named = Named {
                digest,
                request,
                since_ms: ask.since_ms,
                outcome: Some(outcome),
            };
            self.record_name(txn, address, name, named)?;
        }
        Ok(())
    }

    fn notice(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        notice: Notice,
    ) -> Result<(), StoreFault> {
        let EndpointKey { dialog, .. } = address.key;
        let counters = &self.shared.counters;
        match notice {
            Notice::Bound => debug!(target: "actor_core::dialog", %dialog, "bound"),
            Notice::Confirmed => {
                txn.work.push_back((dialog, Work::Establish));
            }
            Notice::Established => debug!(target: "actor_core::dialog", %dialog, "established"),
            Notice::PartnerClosed => return self.fail_unanswered(txn, address, &Outcome::Closed),
            Notice::Ended(ending) => return self.ended(txn, address, &ending),
            Notice::Duplicate { seq } => {
                add(&counters.duplicates_dropped, 1);
                debug!(target: "actor_core::dialog", %dialog, seq, "duplicate");
            }
            Notice::Retransmit { messages, attempt } => {
                add(&counters.retransmitted, messages as u64);
                debug!(target: "actor_core::dialog", %dialog, messages, attempt, "retransmit");
                if let Some(cell) = self.shelves.endpoint_mut(address) {
                    cell.rounds = cell.rounds.saturating_add(1);
                    let learned = cell.lines().map(|line| (line, Learned::SaidAgain));
                    txn.output.learned.extend(learned);
                }
            }
            Notice::Superseded => {
                debug!(target: "actor_core::dialog", %dialog, "superseded a twin")
            }
            Notice::Reset => info!(target: "actor_core::dialog", %dialog, "reset"),
            Notice::TurnedAway { ending } => {
                debug!(target: "actor_core::dialog", %dialog, %ending, "turned away")
            }
            Notice::Refused(why) => debug!(target: "actor_core::dialog", %dialog, %why, "not sent"),
        }
        Ok(())
    }
}

/// When the lifetime ends that is only now to begin.
fn lifetime(timers: &[TimerOp], now: u64) -> Option<u64> {
    timers.iter().find_map(|timer| match timer {
        TimerOp::Arm(TimerKind::Lifetime, after) => Some(now.saturating_add(millis(*after))),
        _ => None,
    })
}

/// Why there is no answer: it was forgotten, or it was too large and its step rolled back.
fn no_answer(body: &[u8]) -> Outcome {
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    match (
        body.get(..8).and_then(number),
        body.get(8..).and_then(number),
    ) {
        (Some(bytes), Some(limit)) => Outcome::TooLarge { bytes, limit },
        _ => Outcome::NoAnswer,
    }
}

/// The other side, if it lives in this store.
fn partner_address(cell: &super::cells::EndpointCell) -> Option<Address> {
    let endpoint = &cell.record.endpoint;
    let slot = endpoint.partner_slot()?;
    let EndpointKey { dialog, role } = endpoint.key();
    Some(Address {
        slot,
        key: EndpointKey {
            dialog,
            role: role.other(),
        },
    })
}

/// Retries of many dialogs must not march in step: 20 per cent either way.
fn jitter(after: Duration, random: u8) -> u64 {
    let after = millis(after);
    let spread = after / 5 * 2;
    after - after / 5 + spread * u64::from(random) / 255
}
