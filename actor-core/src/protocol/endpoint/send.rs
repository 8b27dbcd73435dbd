//! What the application says: numbering, limits, and the goodbye (rows 2, 12, 24).
//!
//! Nothing leaves here; `flush.rs` makes frames.

use super::{Carrier, Endpoint, Mode, SendRefusal, Stage};
use crate::coverage::{self, Rare};
use crate::protocol::codec::{MAX_FRAME_BYTES, MAX_FRAME_MESSAGES};
use crate::protocol::effects::{Effects, Notice};
use crate::protocol::ids::Role;
use crate::protocol::limits::{Env, Limits, MAX_MESSAGE_BYTES};
use crate::protocol::message::{Message, MessageKind, Outgoing};

/// However large the limits, the first messages must fit into one frame, with its header and a goodbye.
const MAX_INITIATION_BYTES: usize = MAX_FRAME_BYTES - 64 * 1024;
const MAX_INITIATION_MESSAGES: u64 = MAX_FRAME_MESSAGES as u64 - 1;

impl Endpoint {
    /// May the application say a message of this many bytes now? Answers are admitted even when this says
    /// [`SendRefusal::Busy`], so that two full sides cannot block each other (P8, M13).
    pub fn can_send(&self, bytes: usize, limits: &Limits) -> Result<(), SendRefusal> {
        let partner_left = self.role == Role::Initiator && self.parting.fin_received.is_some();
        if self.is_ended() || self.parting.fin_sent.is_some() || partner_left {
            return Err(SendRefusal::Closed);
        }
        if bytes > self.message_limit(limits) {
            return Err(SendRefusal::TooLarge);
        }
        if self.is_before_first_answer() {
            let messages = limits.max_initiation_messages.min(MAX_INITIATION_MESSAGES);
            let total = initiation_bytes(limits);
            if self.send_next > messages || self.flight.initiation_bytes + bytes > total {
                coverage::sometimes(Rare::FirstMessagesFull);
                return Err(SendRefusal::InitWindowFull);
            }
        } else if self.flight.outbox.len() >= limits.max_outbox_messages
            || (self.flight.outbox_bytes > 0
                && self.flight.outbox_bytes + bytes > limits.max_outbox_bytes)
        {
            coverage::sometimes(Rare::OutboxFull);
            return Err(SendRefusal::Busy);
        }
        Ok(())
    }

    /// How long a message may be that is said now. (Before the first answer, one frame must hold all there is.)
    pub fn message_limit(&self, limits: &Limits) -> usize {
        if self.is_before_first_answer() {
            initiation_bytes(limits)
        } else {
            limits.max_message_bytes.min(MAX_MESSAGE_BYTES)
        }
    }

    fn takes_a_place(&self, outgoing: &Outgoing, limits: &Limits) -> bool {
        let old = self
            .superseded_by(outgoing)
            .and_then(|at| self.flight.outbox.get(at));
        old.is_some_and(|old| {
            let bytes = self.flight.outbox_bytes - old.body.len() + outgoing.body.len();
            bytes <= limits.max_outbox_bytes.max(self.flight.outbox_bytes)
        })
    }

    /// P6: everything said now may have to be said again, to another instance.
    fn is_before_first_answer(&self) -> bool {
        self.role == Role::Initiator
            && self.mode == Mode::Pending
            && matches!(self.stage, Stage::Initiating | Stage::Bound)
    }

    /// Rows 2 and 12, and every message after them.
    pub(super) fn send(&mut self, outgoing: Outgoing, env: &Env<'_>, eff: &mut Effects) {
        match self.can_take(&outgoing, env.limits) {
            Ok(()) => self.queue(outgoing, env, eff),
            Err(refusal) => eff.notices.push(Notice::Refused(refusal)),
        }
    }

    /// May the application say this message now? Like [`Self::can_send`], and more exactly.
    pub fn can_take(&self, outgoing: &Outgoing, limits: &Limits) -> Result<(), SendRefusal> {
        if outgoing.kind == MessageKind::Event
            && (self.role == Role::Initiator || self.stage == Stage::Accumulating)
        {
            return Err(SendRefusal::NotEstablished);
        }
        match self.can_send(outgoing.body.len(), limits) {
            // Takes the place of another, which makes room. Otherwise the last value would be the one that is lost.
            Err(SendRefusal::Busy) if self.takes_a_place(outgoing, limits) => Ok(()),
            Err(SendRefusal::Busy) if outgoing.kind.is_answer() => {
                coverage::sometimes(Rare::AnswerBeyondOutbox);
                Ok(())
            }
            verdict => verdict,
        }
    }

    /// Row 24: the goodbye rides on the last message of this transaction, or travels alone. It never rides on an
    /// older message: the same number must carry the same bytes for ever (S20).
    ///
    /// A target says goodbye by itself once the initiator has and nothing is owed; an initiator, once the target has.
    pub(super) fn say_goodbye_if_due(&mut self, env: &Env<'_>, eff: &mut Effects) {
        let answering = self.parting.fin_received.is_some()
            && (self.role == Role::Initiator || self.requests.is_empty());
        if self.parting.fin_sent.is_some() || !(self.flight.now.close_wanted || answering) {
            return;
        }
        if self.flight.now.fresh == 0 {
            let goodbye = Outgoing {
                kind: MessageKind::Empty,
                currency: false,
                re: 0,
                handler: 0,
                version: 0,
                body: [].into(),
            };
            self.queue(goodbye, env, eff);
        }
        if let Some(last) = self.flight.outbox.last_mut() {
            coverage::row(24);
            last.fin = true;
            self.parting.fin_sent = Some(last.seq);
            Self::wrote(eff);
        }
    }

    fn queue(&mut self, outgoing: Outgoing, env: &Env<'_>, eff: &mut Effects) {
        let after = self.supersede_said(&outgoing);
        let Outgoing {
            kind,
            currency,
            re,
            handler,
            version,
            body,
        } = outgoing;
        let seq = self.send_next;
        match self.stage {
            Stage::Initiating if seq > 1 => coverage::row(2),
            Stage::Accumulating => coverage::row(12),
            _ => {}
        }
        self.send_next += 1;
        match self.role {
            Role::Initiator if kind == MessageKind::Ask => _ = self.requests.insert(seq, ()),
            Role::Target if kind.is_answer() => _ = self.requests.remove(&re),
            _ => {}
        }
        if self.is_before_first_answer() {
            self.flight.initiation_bytes += body.len();
        }
        self.flight.outbox_bytes += body.len();
        self.stow(seq, body.len());
        self.flight.outbox.push(Message {
            seq,
            after,
            currency: currency && kind.may_be_currency(),
            fin: false,
            kind,
            re,
            handler,
            version,
            body,
        });
        self.flight.now.fresh += 1;
        Self::wrote(eff);
        if self.carrier == Carrier::Local && self.stage == Stage::Accumulating {
            self.answer_pending_work_locally(kind, env, eff);
        }
    }
}

fn initiation_bytes(limits: &Limits) -> usize {
    limits.max_initiation_bytes.min(MAX_INITIATION_BYTES)
}
