//! The end of a transaction: makes frames of what is to be said, and starts the clocks.
//!
//! This alone puts messages and acknowledgements into frames, so that both are as durable as the transaction.

use super::parts::cut;
use super::{Carrier, Endpoint, Mode, Stage};
use crate::coverage::{self, Rare};
use crate::protocol::codec::{MAX_FRAME_BYTES, MAX_FRAME_MESSAGES, MESSAGE_OVERHEAD_BYTES};
use crate::protocol::effects::{Destination, Effects};
use crate::protocol::ending::Ending;
use crate::protocol::frame::{Frame, FrameFlags, FrameKind};
use crate::protocol::ids::{Role, StoreId, Token};
use crate::protocol::input::LocalItem;
use crate::protocol::limits::{Env, MAX_WHOLE_BYTES};
use crate::protocol::message::Message;

/// Payload of one frame; leaves room for the header and for one more message of any size.
const FRAME_PAYLOAD_BYTES: usize = MAX_FRAME_BYTES - MAX_WHOLE_BYTES - 64 * 1024;

impl Endpoint {
    pub(super) fn flush(&mut self, env: &Env<'_>, eff: &mut Effects) {
        if self.is_ended() {
            self.flush_ended(env, eff);
        } else {
            self.say_goodbye_if_due(env, eff);
            match self.carrier {
                Carrier::Local => self.hand_over(eff),
                Carrier::Remote if self.role == Role::Initiator && !self.is_settled() => {
                    self.flush_initiation(env, eff);
                }
                Carrier::Remote => self.flush_to_partner(env, eff),
            }
            self.complete_if_done(env, eff);
        }
        if let Some(flight) = self.flight.stored() {
            flight.now.fresh = 0;
            flight.now.close_wanted = false;
            flight.now.due = false;
        }
        if !self.is_ended() {
            self.run_clocks(env, eff);
        }
        self.arm_retry(env, eff);
    }

    /// Row 3: every round says everything again, as one frame, so that one instance gets the whole set. After binding
    /// the round goes to the chosen instance, still without its token: only its first answer, consumed, may be
    /// followed by a frame that confirms it.
    fn flush_initiation(&mut self, env: &Env<'_>, eff: &mut Effects) {
        let (kind, messages) = match self.mode {
            Mode::Handshake if self.flight.now.due => (FrameKind::Syn, Vec::new()),
            Mode::Pending if self.has_unsaid() => (
                FrameKind::Data,
                self.flight.outbox.iter().cloned().collect(),
            ),
            _ => return,
        };
        if self.flight.now.due {
            coverage::row(3);
        }
        self.flight.now.transmitted = match self.mode {
            Mode::Handshake => 0,
            Mode::Pending => self.send_next - 1,
        };
        let to = match &self.peer {
            None => Destination::Service(self.terms.service.clone()),
            Some(peer) => Destination::Store {
                store: peer.store,
                node: peer.node.clone(),
            },
        };
        eff.frames.push((to, self.frame(kind, None, messages, env)));
    }

    fn has_unsaid(&self) -> bool {
        !self.flight.outbox.is_empty()
            && (self.flight.now.due || self.flight.now.transmitted < self.send_next - 1)
    }

    /// Rows 5, 12, 15, 24: messages not yet said, within the window; else BOUND or an acknowledgement if one is due.
    fn flush_to_partner(&mut self, env: &Env<'_>, eff: &mut Effects) {
        let said = if self.flight.now.due {
            self.acked
        } else {
            self.flight.now.transmitted.max(self.acked)
        };
        let end = self.admitted(env);
        if self.flight.outbox.iter().any(|message| message.seq > end) {
            coverage::sometimes(Rare::WindowFull);
        }
        let mut unsaid = self
            .flight
            .outbox
            .iter()
            .filter(|message| message.seq > said && message.seq <= end)
            .filter(|message| !self.is_spared(message))
            .peekable();
        let mut kinds = Vec::new();
        while unsaid.peek().is_some() {
            match unsaid.next_if(|message| message.body.len() > MAX_WHOLE_BYTES) {
                Some(large) => kinds.extend(cut(large)),
                None => kinds.push((FrameKind::Data, next_batch(&mut unsaid))),
            }
        }
        self.flight.now.transmitted = said.max(end.min(self.send_next - 1));
        if kinds.is_empty() {
            if self.must_say_bound() && (self.flight.now.due || !self.flight.now.named_partner) {
                kinds.push((FrameKind::Bound, Vec::new()));
            } else if self.flight.now.due && !self.flight.outbox.is_empty() {
                // The window is shut, or all of it is said to be there: whoever waits for news asks for it.
                coverage::sometimes(Rare::WindowProbed);
                kinds.push((FrameKind::Ping, Vec::new()));
            } else if self.flight.now.need_ack {
                let shakes_hands =
                    self.stage == Stage::Accumulating && self.mode == Mode::Handshake;
                kinds.push((
                    if shakes_hands {
                        FrameKind::SynAck
                    } else {
                        FrameKind::Ack
                    },
                    Vec::new(),
                ));
            }
        }
        if !kinds.is_empty() {
            self.flight.now.need_ack = false;
            self.flight.now.named_partner = true;
        }
        for (kind, messages) in kinds {
            self.to_partner(kind, messages, env, eff);
        }
    }

    /// Rows 27 and 29: the tombstone repeats its FAULT until it is acknowledged, and answers late frames.
    fn flush_ended(&mut self, env: &Env<'_>, eff: &mut Effects) {
        let Some(ending) = &self.parting.ending else {
            return;
        };
        let unheard = self
            .parting
            .fault
            .as_ref()
            .is_some_and(|fault| !fault.acked);
        let kind = if (self.flight.now.due && unheard) || self.flight.now.answer_with_fault {
            match &self.parting.fault {
                Some(fault) => FrameKind::Fault {
                    code: fault.code,
                    detail: fault.detail.clone(),
                },
                None => FrameKind::Fault {
                    code: ending.fault_code(),
                    detail: ending_detail(ending),
                },
            }
        } else if self.flight.now.need_ack {
            FrameKind::Ack
        } else {
            return;
        };
        self.flight.now.need_ack = false;
        self.flight.now.answer_with_fault = false;
        self.to_partner(kind, Vec::new(), env, eff);
    }

    /// H5: being in the partner's inbox is the acknowledgement.
    pub(super) fn hand_over(&mut self, eff: &mut Effects) {
        if let Some(flight) = self.flight.stored() {
            let said = flight.outbox.drain(..);
            eff.local.extend(said.map(LocalItem::Message));
            flight.outbox_bytes = 0;
            flight.stowed.clear();
            // Nor is there anything to acknowledge.
            flight.now.need_ack = false;
        }
        self.acked = self.send_next - 1;
    }

    fn to_partner(
        &self,
        kind: FrameKind,
        messages: Vec<Message>,
        env: &Env<'_>,
        eff: &mut Effects,
    ) {
        let Some(peer) = self
            .peer
            .as_ref()
            .filter(|_| self.carrier == Carrier::Remote)
        else {
            return;
        };
        let to = Destination::Store {
            store: peer.store,
            node: peer.node.clone(),
        };
        eff.frames
            .push((to, self.frame(kind, Some(peer.token), messages, env)));
    }

    fn frame(
        &self,
        kind: FrameKind,
        dst_token: Option<Token>,
        messages: Vec<Message>,
        env: &Env<'_>,
    ) -> Frame {
        let initiating = dst_token.is_none();
        let patience = if initiating {
            self.terms.timeouts.initiation
        } else {
            self.terms.timeouts.silence
        };
        let parted_well = self
            .parting
            .ending
            .as_ref()
            .is_some_and(Ending::is_completed);
        Frame {
            kind,
            dialog: self.dialog,
            to: self.role.other(),
            service: if initiating {
                self.terms.service.clone()
            } else {
                String::new()
            },
            src_store: StoreId::default(),
            src_node: String::new(),
            src_token: self.token,
            dst_token,
            incarnation: 0,
            send_ctr: 0,
            ack: if initiating { 0 } else { self.recv_next - 1 },
            sack: if initiating { 0 } else { self.sack() },
            window: (!initiating).then(|| self.window(env)),
            flags: FrameFlags {
                volatile_initiator: self.is_volatile(),
                established: self.stage == Stage::Established || parted_well,
                ended: self.is_ended(),
            },
            contract: self.terms.contract,
            ttl_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            trace: [0; 16],
            messages,
        }
    }
}

fn ending_detail(ending: &Ending) -> String {
    match ending {
        Ending::Abandoned(why) => why.to_string(),
        _ => String::new(),
    }
}

/// As many messages as fit into one frame, at least one, none of which is too large for a frame.
fn next_batch<'a>(
    unsaid: &mut std::iter::Peekable<impl Iterator<Item = &'a Message>>,
) -> Vec<Message> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(message) = unsaid.next_if(|message| {
        batch.is_empty()
            || (message.body.len() <= MAX_WHOLE_BYTES
                && batch.len() < MAX_FRAME_MESSAGES
                && bytes + message.body.len() + MESSAGE_OVERHEAD_BYTES <= FRAME_PAYLOAD_BYTES)
    }) {
        bytes += message.body.len() + MESSAGE_OVERHEAD_BYTES;
        batch.push(message.clone());
    }
    batch
}
