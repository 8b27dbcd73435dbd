//! Bodies that are too large for the endpoint's record: they lie in rows of their own, written once (H6).
//!
//! The record says which they are and leaves them out; the node keeps the rows and gives the bodies back when it reads
//! the record. An endpoint in memory always has all of its outbox.

use std::fmt;
use std::sync::Arc;

use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserializer, Serializer};

use super::now::Outbox;
use super::{Carrier, Endpoint};
use crate::protocol::message::Message;

/// Largest body that lies in the record.
pub(super) const MAX_INLINE_BYTES: usize = 1024;

impl Endpoint {
    /// Messages whose bodies the record leaves out.
    pub fn stowed(&self) -> impl Iterator<Item = &Message> {
        let stowed = |message: &&Message| self.flight.stowed.contains(&message.seq);
        self.flight.outbox.iter().filter(stowed)
    }

    /// Gives back a body that the record left out.
    pub fn unstow(&mut self, seq: u64, body: Arc<[u8]>) {
        let mut messages = self.flight.outbox.iter_mut();
        if let Some(message) = messages.find(|message| message.seq == seq) {
            message.body = body;
        }
    }

    /// A message was put into the outbox.
    pub(super) fn stow(&mut self, seq: u64, bytes: usize) {
        if bytes > MAX_INLINE_BYTES && self.carrier == Carrier::Remote {
            self.flight.stowed.insert(seq, ());
        }
    }
}

pub(super) fn serialize<S: Serializer>(outbox: &Outbox, to: S) -> Result<S::Ok, S::Error> {
    let mut list = to.serialize_seq(Some(outbox.len()))?;
    for message in outbox {
        if message.body.len() > MAX_INLINE_BYTES {
            let body = [].into();
            list.serialize_element(&Message {
                body,
                ..message.clone()
            })?;
        } else {
            list.serialize_element(message)?;
        }
    }
    list.end()
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Outbox, D::Error> {
    from.deserialize_seq(Messages)
}

struct Messages;

impl<'de> Visitor<'de> for Messages {
    type Value = Outbox;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the messages of an outbox")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Outbox, A::Error> {
        let mut outbox = Outbox::new();
        while let Some(message) = list.next_element()? {
            outbox.push(message);
        }
        Ok(outbox)
    }
}
