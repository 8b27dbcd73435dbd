//! Frames from the partner, from twins of the partner, and from the past (rows 4 to 6, 9, 10, 13, 15 to 18, 28, 29).
//!
//! Messages go to the backlog; nothing is consumed here.

use super::facts::Fact;
use super::now::{Doom, TurnedAway};
use super::{Carrier, Endpoint, Mode, Peer, Stage};
use crate::coverage::{self, Rare};
use crate::protocol::effects::{Durability, Effects, Notice, TimerKind};
use crate::protocol::ending::{Abandoned, Ending, FaultCode};
use crate::protocol::frame::{Frame, FrameKind, ResetReason};
use crate::protocol::ids::Role;
use crate::protocol::limits::Env;
use crate::protocol::message::Message;
use crate::protocol::mutant::Mutant;
use crate::protocol::stateless::{reject, reset};

/// Row 4: an acknowledged batch is repeated as if it had been repeated this often in vain.
const SLOW_ATTEMPT: u32 = 5;
/// A refusal heard in this many rounds in a row, with nobody accepting, ends the search early.
pub(super) const CONVINCING_REFUSALS: u32 = 3;

impl Endpoint {
    /// Does anything wait here that came in frames?
    #[cfg(test)]
    pub(in crate::protocol) fn holds_anything(&self) -> bool {
        !self.flight.now.held.is_empty() || !self.flight.now.parts.is_empty()
    }

    pub(super) fn receive(&mut self, frame: Frame, env: &Env<'_>, eff: &mut Effects) {
        if frame.key() != self.key() {
            return;
        }
        let is_for_another = frame.dst_token.is_some_and(|token| token != self.token)
            && !env.is_mutant(Mutant::NoToken);
        if self.carrier == Carrier::Local || is_for_another {
            // Row 19: it is for another memory of this dialog, or for one that never had an address.
            eff.frames
                .extend(reject(&frame).map(|reset| (frame.reply_to(), reset)));
            return;
        }
        if matches!(frame.kind, FrameKind::Reset { .. }) {
            return self.receive_reset(&frame, env, eff);
        }
        match (self.role, self.stage) {
            (Role::Initiator, _) if frame.is_initiating() => {}
            (Role::Initiator, Stage::Ended) => self.late_for_initiator(&frame, eff),
            (Role::Initiator, Stage::Initiating) => self.hear_candidate(frame, env, eff),
            (Role::Initiator, _) if self.is_from_twin(&frame) => self.hear_twin(frame, env, eff),
            // Another initiator's dialog under our id: nothing to say to it.
            (Role::Target, _) if self.is_from_twin(&frame) => {}
            (Role::Target, Stage::Ended) => self.late(&frame, eff),
            (Role::Target, _) if frame.is_initiating() => {
                self.hear_unbound_initiator(frame, env, eff);
            }
            _ => self.hear_partner(frame, env, eff),
        }
    }

    fn is_from_twin(&self, frame: &Frame) -> bool {
        self.peer
            .as_ref()
            .is_none_or(|peer| peer.token != frame.src_token)
    }

    /// Rows 4 and 5. "The first attempt will not be correlated with the second attempt": whoever answers first,
    /// durably recorded here, is the partner.
    fn hear_candidate(&mut self, frame: Frame, env: &Env<'_>, eff: &mut Effects) {
        match &frame.kind {
            FrameKind::Ack if env.is_mutant(Mutant::AckIsEstablish) => {
                self.bind(&frame, env, eff);
                self.establish(eff);
                self.hear_partner(frame, env, eff);
            }
            FrameKind::Ack => {
                coverage::row(4);
                if env.is_mutant(Mutant::DropInitOnAck) {
                    self.flight.outbox.clear();
                    self.acked = self.send_next - 1;
                    Self::wrote(eff);
                }
                if self.flight.now.candidates.insert(frame.src_token) {
                    self.slow_down();
                }
            }
            FrameKind::SynAck | FrameKind::Data | FrameKind::Part { .. }
                if frame.contract != self.terms.contract =>
            {
                let detail = format!(
                    "it speaks {:016x}, we speak {:016x}",
                    frame.contract, self.terms.contract
                );
                self.turned_away(&frame, FaultCode::Incompatible, detail, env, eff);
            }
            FrameKind::SynAck | FrameKind::Data | FrameKind::Part { .. } => {
                self.bind(&frame, env, eff);
                self.hear_partner(frame, env, eff);
            }
            FrameKind::Fault { code, detail } => {
                let (code, detail) = (*code, detail.clone());
                self.turned_away(&frame, code, detail, env, eff);
            }
            FrameKind::Syn | FrameKind::Bound | FrameKind::Reset { .. } | FrameKind::Ping => {}
        }
    }

    /// Row 5: set once, and durable before any frame names it (S3). The window begins with the binding: nothing an
    /// unbound twin said was ever put into it.
    fn bind(&mut self, frame: &Frame, env: &Env<'_>, eff: &mut Effects) {
        coverage::row(5);
        if frame.messages.first().is_some_and(|first| first.seq > 1) {
            coverage::sometimes(Rare::BoundOnLaterAnswer);
        }
        if self.flight.now.turned_away.is_some() {
            coverage::sometimes(Rare::BoundAfterRefusal);
        }
        self.peer = Some(Box::new(Peer {
            token: frame.src_token,
            store: frame.src_store,
            node: frame.src_node.clone(),
            incarnation: frame.incarnation,
        }));
        self.stage = Stage::Bound;
        self.flight.now.candidates.clear();
        self.flight.now.turned_away = None;
        self.progress();
        if self.mode == Mode::Handshake {
            self.note(Fact::WasEstablished, true);
            eff.cancel(TimerKind::Initiation);
        }
        eff.notices.push(Notice::Bound);
        if !env.is_mutant(Mutant::VolatileBinding) {
            Self::wrote(eff);
        }
    }

    /// Nobody is bound yet, so one refusal decides nothing: others may serve. All of it is certain: nothing happened.
    fn turned_away(
        &mut self,
        frame: &Frame,
        code: FaultCode,
        detail: String,
        env: &Env<'_>,
        eff: &mut Effects,
    ) {
        self.flight.now.candidates.remove(&frame.src_token);
        // One that remembers this dialog repeats its FAULT until somebody answers.
        eff.frames
            .extend(reset(frame, ResetReason::Superseded).map(|reset| (frame.reply_to(), reset)));
        if code == FaultCode::Busy {
            self.slow_down();
        }
        let round = self.flight.now.round;
        let rounds = match &self.flight.now.turned_away {
            Some(last) if last.code == code && last.round == round => last.rounds,
            Some(last) if last.code == code && last.round.wrapping_add(1) == round => {
                last.rounds + 1
            }
            _ => 1,
        };
        let ending = code.heard(&detail);
        eff.notices.push(Notice::TurnedAway {
            ending: ending.clone(),
        });
        self.flight.now.turned_away = Some(TurnedAway {
            code,
            detail,
            round,
            rounds,
        });
        if code != FaultCode::Busy
            && rounds >= CONVINCING_REFUSALS
            && self.flight.now.candidates.is_empty()
        {
            coverage::row(8);
            coverage::sometimes(Rare::TurnedAwayForGood);
            self.end(ending, None, env, eff);
        }
    }

    fn slow_down(&mut self) {
        if self.flight.now.attempt < SLOW_ATTEMPT {
            self.flight.now.attempt = SLOW_ATTEMPT;
            self.flight.now.retry.outdate();
        }
    }

    /// Row 6, of whoever was not chosen: nothing it says is heard.
    fn hear_twin(&mut self, frame: Frame, env: &Env<'_>, eff: &mut Effects) {
        if env.is_mutant(Mutant::Rebind) && !frame.messages.is_empty() {
            self.bind(&frame, env, eff);
            return self.hear_partner(frame, env, eff);
        }
        Self::supersede(&frame, eff);
        if env.is_mutant(Mutant::MergedWindow) {
            self.hold(frame.messages, env, eff);
        }
    }

    /// Row 6: its work is not a problem; it is told to drop it.
    fn supersede(frame: &Frame, eff: &mut Effects) {
        if let Some(reset) = reset(frame, ResetReason::Superseded) {
            coverage::row(6);
            coverage::sometimes(Rare::TwinAnswered);
            eff.frames.push((frame.reply_to(), reset));
            eff.notices.push(Notice::Superseded);
        }
    }

    /// Rows 9, 10 and 18: the initiator does not know us yet, or this frame is from when it did not.
    fn hear_unbound_initiator(&mut self, frame: Frame, env: &Env<'_>, eff: &mut Effects) {
        if !matches!(frame.kind, FrameKind::Syn | FrameKind::Data) {
            return;
        }
        coverage::row(if self.stage == Stage::Accumulating {
            10
        } else {
            18
        });
        self.flight.now.need_ack = true;
        // It has not heard our answers: say them again.
        self.flight.now.due = true;
        if self.mode == Mode::Pending {
            self.hold(frame.messages, env, eff);
        }
    }

    /// Everything from the one partner that names us.
    fn hear_partner(&mut self, frame: Frame, env: &Env<'_>, eff: &mut Effects) {
        if self
            .peer_store()
            .is_some_and(|store| store != frame.src_store)
        {
            // The memory was copied under a new name: whatever it says, it is a twin.
            return;
        }
        if self.is_from_a_copy(&frame) {
            coverage::sometimes(Rare::CopyFound);
            let fault = Some((FaultCode::Cloned, String::new()));
            return self.end(Ending::Abandoned(Abandoned::StoreCloned), fault, env, eff);
        }
        if let FrameKind::Fault { code, detail } = frame.kind {
            coverage::row(28);
            if self.parting.fin_sent.is_some() {
                coverage::sometimes(Rare::FaultCrossedGoodbye);
            }
            self.flight.now.doom = Some(Doom {
                seq: None,
                code: Some(code),
                detail,
            });
            return self.meet_doom(env, eff);
        }
        if frame.ack >= self.send_next {
            // Row 23, seen from the other side: it knows what we do not remember saying.
            return self.contradiction(env, eff);
        }
        if self.stage == Stage::Accumulating {
            coverage::row(13);
            // Row 13: only the initiator that chose us knows our token.
            self.confirmed(eff);
            self.progress();
        }
        self.learn_address(&frame, eff);
        self.hear_flow(&frame);
        self.acknowledged(&frame, env, eff);
        if self.is_ended() {
            return;
        }
        if frame.flags.established && self.must_say_bound() {
            self.note(Fact::PartnerEstablished, true);
            eff.at_least(Durability::Lazy);
        }
        if !matches!(frame.kind, FrameKind::Ack) && frame.messages.is_empty() {
            self.flight.now.need_ack = true;
        }
        let messages = match frame.kind {
            FrameKind::Part { offset, total } => {
                let parts = frame.messages.into_iter();
                parts
                    .filter_map(|part| self.join((offset, total), part, env))
                    .collect()
            }
            _ => frame.messages,
        };
        self.hold(messages, env, eff);
        self.complete_if_done(env, eff);
        if frame.flags.ended && !self.is_ended() {
            self.flight.now.doom = Some(Doom {
                seq: None,
                code: None,
                detail: String::new(),
            });
            self.meet_doom(env, eff);
        }
    }

    /// P12: one life of a store has one name, from its start to its end. Two names in one life are two processes with
    /// copies of one memory, in whatever order their frames come. (A counter that goes back proves nothing: that is what
    /// gnomes do. Copies under one name, or of which one has started more often, look like late frames and are found by
    /// what they contradict: row 23.)
    fn is_from_a_copy(&mut self, frame: &Frame) -> bool {
        match &self.flight.now.life {
            Some((incarnation, node)) if *incarnation == frame.incarnation => {
                *node != frame.src_node
            }
            Some((incarnation, _)) if *incarnation > frame.incarnation => false,
            _ => {
                self.flight.now.life = Some((frame.incarnation, frame.src_node.clone()));
                false
            }
        }
    }

    fn learn_address(&mut self, frame: &Frame, eff: &mut Effects) {
        let is_newer = frame.age() > self.flight.acked_at;
        let has_moved =
            |peer: &&mut Box<Peer>| peer.store == frame.src_store && peer.node != frame.src_node;
        if let Some(peer) = self
            .peer
            .as_mut()
            .filter(|peer| is_newer && has_moved(peer))
        {
            coverage::sometimes(Rare::PartnerMoved);
            peer.node.clone_from(&frame.src_node);
            eff.at_least(Durability::Lazy);
        }
    }

    /// S6: the only place where something said is forgotten. Row 23: a newer frame that knows less than an older one
    /// did comes from a memory that went back in time.
    ///
    /// (A frame of an older life that arrives late is no such evidence: gnomes hold frames back. So it is not the
    /// incarnation alone that decides.)
    fn acknowledged(&mut self, frame: &Frame, env: &Env<'_>, eff: &mut Effects) {
        if frame.ack < self.acked && frame.age() > self.flight.acked_at {
            return self.contradiction(env, eff);
        }
        if frame.ack < self.acked {
            coverage::sometimes(Rare::OldAcknowledgement);
        }
        if frame.ack <= self.acked {
            return;
        }
        let was_open = self.window(env).is_open();
        let flight = &mut *self.flight;
        let heard = flight.outbox.iter();
        let heard = heard.take_while(|message| message.seq <= frame.ack).count();
        for message in flight.outbox.drain(..heard) {
            flight.outbox_bytes = flight.outbox_bytes.saturating_sub(message.body.len());
            flight.stowed.remove(&message.seq);
        }
        self.acked = frame.ack;
        self.flight.acked_at = frame.age();
        self.tell_if_opened(was_open, env);
        self.progress();
        eff.at_least(Durability::Lazy);
        if env.is_mutant(Mutant::AckVisibleToApp) {
            eff.deliver = Some(Message::of_an_acknowledgement(frame.ack));
        }
    }

    /// The partner moves: retries start small again.
    pub(super) fn progress(&mut self) {
        self.flight.now.attempt = 0;
        self.flight.now.asked_where = false;
        self.flight.now.retry.outdate();
    }

    /// Rows 15 to 17: into the backlog, if new and within the window. Not acknowledged before consumed.
    ///
    /// The window counts messages and not numbers, since numbers may have been superseded. The one that is next in
    /// order always fits.
    fn hold(&mut self, messages: Vec<Message>, env: &Env<'_>, eff: &mut Effects) {
        let window = self.window(env);
        let mut bytes = self.received_bytes();
        let mut new = false;
        for message in messages {
            let seq = message.seq;
            let is_next = message.after < self.recv_next;
            let goes_back = message.currency && env.is_mutant(Mutant::CurrencyGoesBack);
            if seq < self.recv_next && !goes_back {
                coverage::row(16);
                self.flight.now.need_ack = true;
                eff.notices.push(Notice::Duplicate { seq });
            } else if let Some(held) = self.flight.now.held.get_mut(&seq) {
                held.after = held.after.min(message.after);
            } else if !self.has_place(is_next, window) {
                coverage::row(17);
                self.flight.now.need_ack = true;
            } else {
                let fits = bytes + message.body.len() <= window.bytes as usize;
                if fits || is_next {
                    coverage::row(15);
                    if !is_next {
                        coverage::sometimes(Rare::HeldOutOfOrder);
                    }
                    bytes += message.body.len();
                    self.flight.now.held.insert(seq, message);
                    new = true;
                } else {
                    self.flight.now.need_ack = true;
                }
            }
        }
        if !env.is_mutant(Mutant::CurrencyGoesBack) {
            self.supersede_held();
        }
        // What is missing before it is said again sooner, and what is here is not, if the partner hears of it.
        self.flight.now.need_ack |= new && self.next_held().is_none();
    }

    /// Row 29 at the initiator: whoever was not chosen still drops its pending work.
    fn late_for_initiator(&mut self, frame: &Frame, eff: &mut Effects) {
        if self.is_from_twin(frame) {
            Self::supersede(frame, eff);
        } else {
            self.late(frame, eff);
        }
    }

    /// Row 29: the tombstone answers. Acknowledgements and RESETs are not answered, so that two tombstones fall silent.
    fn late(&mut self, frame: &Frame, eff: &mut Effects) {
        coverage::row(29);
        self.learn_address(frame, eff);
        let told = matches!(frame.kind, FrameKind::Fault { .. });
        if told
            && self
                .parting
                .fault
                .as_ref()
                .is_some_and(|fault| !fault.acked)
        {
            coverage::sometimes(Rare::BothGaveUp);
        }
        if told || frame.flags.ended {
            self.fault_heard(eff);
        }
        if told
            || self
                .parting
                .ending
                .as_ref()
                .is_some_and(Ending::is_completed)
        {
            self.flight.now.need_ack |= frame.kind != FrameKind::Ack;
            if !self.flight.now.need_ack {
                coverage::sometimes(Rare::TombstoneFellSilent);
            }
        } else if frame.kind != FrameKind::Ack {
            coverage::sometimes(Rare::TombstoneRepeatedFault);
            self.flight.now.answer_with_fault = true;
        }
    }

    pub(super) fn fault_heard(&mut self, eff: &mut Effects) {
        if let Some(fault) = self.parting.fault.as_mut().filter(|fault| !fault.acked) {
            fault.acked = true;
            eff.at_least(Durability::Lazy);
        }
    }
}
