//! Bodies that are too large for the endpoint's record: they lie in rows of their own, written once (H6).
//!
//! The record says which they are and leaves them out; the node keeps the rows and gives the bodies back when it reads
//! the record. An endpoint in memory always has all of its outbox.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Carrier, Endpoint};
use crate::protocol::message::Message;

/// Largest body that lies in the record.
pub(super) const MAX_INLINE_BYTES: usize = 1024;

impl Endpoint {
    /// Messages whose bodies the record leaves out.
    pub fn stowed(&self) -> impl Iterator<Item = &Message> {
        let stowed = |message: &&Message| self.stowed.contains(&message.seq);
        self.outbox.iter().filter(stowed)
    }

    /// Gives back a body that the record left out.
    pub fn unstow(&mut self, seq: u64, body: Arc<[u8]>) {
        let mut messages = self.outbox.iter_mut();
        if let Some(message) = messages.find(|message| message.seq == seq) {
            message.body = body;
        }
    }

    /// A message was put into the outbox.
    pub(super) fn stow(&mut self, seq: u64, bytes: usize) {
        if bytes > MAX_INLINE_BYTES && self.carrier == Carrier::Remote {
            self.stowed.insert(seq);
        }
    }
}

pub(super) fn serialize<S: Serializer>(
    outbox: &VecDeque<Message>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let lean: Vec<Message> = outbox
        .iter()
        .map(|message| {
            let mut lean = message.clone();
            if lean.body.len() > MAX_INLINE_BYTES {
                lean.body = [].into();
            }
            lean
        })
        .collect();
    lean.serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<VecDeque<Message>, D::Error> {
    VecDeque::deserialize(from)
}
