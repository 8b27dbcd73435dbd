//! What the application hears: one message in order per transaction (rows 7 and 15).

use super::facts::Fact;
use super::{Endpoint, Mode, Stage};
use crate::coverage::{self, Rare};
use crate::protocol::effects::{Effects, Notice, TimerKind};
use crate::protocol::ending::{Ending, FaultCode};
use crate::protocol::ids::Role;
use crate::protocol::limits::Env;
use crate::protocol::message::{Message, MessageKind};
use crate::protocol::mutant::Mutant;

impl Endpoint {
    /// Hands out the next message in order, if it is here. What is not for the application is consumed on the way.
    pub(super) fn consume(&mut self, env: &Env<'_>, eff: &mut Effects) {
        while eff.deliver.is_none() && !self.is_ended() {
            let next = self.next_held().map(|message| message.seq);
            let Some(message) = next.and_then(|seq| self.flight.now.held.remove(&seq)) else {
                self.meet_doom(env, eff);
                return;
            };
            self.recv_next = self.recv_next.max(message.seq + 1);
            self.drop_parts(0..self.recv_next);
            self.flight.now.need_ack = true;
            self.flight.now.heard = true;
            Self::wrote(eff);
            match self.role {
                Role::Initiator => self.hear_target(message, env, eff),
                Role::Target => self.hear_initiator(message, env, eff),
            }
            self.complete_if_done(env, eff);
        }
    }

    fn hear_initiator(&mut self, message: Message, env: &Env<'_>, eff: &mut Effects) {
        if self.stage == Stage::Accumulating && env.is_mutant(Mutant::ApplyInInit) {
            self.confirmed(eff);
        }
        if message.fin {
            self.notice_crossing();
            self.parting.fin_received = Some(message.seq);
        }
        // Row 24: after our goodbye nothing is answered any more, so nothing is begun.
        if self.parting.fin_sent.is_some() || message.kind == MessageKind::Empty {
            return;
        }
        if message.kind == MessageKind::Ask {
            self.requests.insert(message.seq, ());
        }
        eff.deliver = Some(message);
    }

    fn hear_target(&mut self, message: Message, env: &Env<'_>, eff: &mut Effects) {
        let (kind, fin) = (message.kind, message.fin);
        if kind.is_answer() {
            self.requests.remove(&message.re);
        }
        if fin {
            self.notice_crossing();
            self.parting.fin_received = Some(message.seq);
        }
        if kind != MessageKind::Empty {
            eff.deliver = Some(message);
        }
        if self.stage == Stage::Bound {
            match self.mode {
                // H9: a refusal ends what never began; the partner hears it instead of a confirmation.
                Mode::Pending if kind.is_refusal() => {
                    coverage::row(7);
                    coverage::sometimes(Rare::DeclinedFirstAnswer);
                    let fault = Some((FaultCode::Declined, String::new()));
                    self.end(Ending::Declined, fault, env, eff);
                    return;
                }
                Mode::Pending => {
                    eff.cancel(TimerKind::Initiation);
                    self.flight.now.attempt = 0;
                    self.flight.now.due = true;
                    self.establish(eff);
                }
                Mode::Handshake if kind != MessageKind::Empty => self.establish(eff),
                Mode::Handshake => {}
            }
        }
        if fin {
            eff.notices.push(Notice::PartnerClosed);
        }
    }

    /// The partner's goodbye, while ours is on its way.
    fn notice_crossing(&self) {
        if self.parting.fin_sent.is_some_and(|fin| self.acked < fin) {
            coverage::sometimes(Rare::BothClosedAtOnce);
        }
    }

    /// Row 7: "only after you have heard from the application on the other side may you exit the initiation stage".
    pub(super) fn establish(&mut self, eff: &mut Effects) {
        coverage::row(7);
        self.stage = Stage::Established;
        self.note(Fact::WasEstablished, true);
        // The limit of first messages counts no more.
        self.flight.initiation_bytes = 0;
        eff.notices.push(Notice::Established);
    }

    /// Row 28: the partner's end is heard after everything it said before.
    pub(super) fn meet_doom(&mut self, env: &Env<'_>, eff: &mut Effects) {
        if self.next_held().is_some() {
            if self.flight.now.doom.is_some() {
                coverage::sometimes(Rare::FaultWaitedForMessages);
            }
            return;
        }
        let Some(doom) = self
            .flight
            .now
            .doom
            .take_if(|doom| doom.seq.is_none_or(|seq| seq == self.recv_next))
        else {
            return;
        };
        if doom.seq.is_some() {
            self.recv_next += 1;
        }
        let ending = match doom.code {
            Some(code) => code.heard(&doom.detail),
            None if self.parting.fin_sent.is_some() => Ending::CompletedUnconfirmed,
            None => FaultCode::TimedOut.heard(""),
        };
        self.end(ending, None, env, eff);
        self.flight.now.need_ack = doom.code.is_some();
    }
}
