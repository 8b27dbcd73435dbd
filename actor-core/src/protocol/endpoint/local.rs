//! The other carrier: two endpoints of one store (H5).
//!
//! The rules of order, pending work, closing and abandoning are the same; what falls away is everything that exists
//! because frames get lost and because the partner might be somebody else.

use super::Endpoint;
use super::now::Doom;
use crate::protocol::effects::Effects;
use crate::protocol::ending::Ending;
use crate::protocol::input::LocalItem;
use crate::protocol::limits::Env;
use crate::protocol::message::MessageKind;

impl Endpoint {
    /// So many requests were said, heard and answered by application and partner without either endpoint, while neither
    /// had anything to do: the numbers go on behind them.
    pub fn passed_by(&mut self, requests: u64) {
        self.send_next += requests;
        self.recv_next += requests;
        self.acked = self.send_next - 1;
    }

    /// A row of our inbox. Feeding it again after a restart is harmless.
    pub(super) fn receive_local(&mut self, item: LocalItem) {
        if self.is_ended() || self.is_remote() {
            return;
        }
        match item {
            LocalItem::Message(message) if message.seq >= self.recv_next => {
                // What was superseded within a step is a hole as on the wire; what has its row is not superseded.
                self.flight.now.held.insert(message.seq, message);
            }
            LocalItem::Fault { seq, code, detail } => {
                self.flight.now.doom = Some(Doom {
                    seq: Some(seq),
                    code: Some(code),
                    detail,
                });
            }
            LocalItem::Message(_) | LocalItem::Open(_) => {}
        }
    }

    /// The first thing a target says about its pending work decides it: no twin can exist, so nobody has to choose.
    pub(super) fn answer_pending_work_locally(
        &mut self,
        kind: MessageKind,
        env: &Env<'_>,
        eff: &mut Effects,
    ) {
        if kind.is_refusal() {
            self.end(Ending::Declined, None, env, eff);
        } else {
            self.confirmed(eff);
        }
    }
}
