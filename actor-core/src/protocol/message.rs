//! A message: the unit the application sends, and the unit that is numbered, retried and consumed once.
//!
//! The body is opaque here: which type it holds is said by handler and version, and decoded elsewhere (M1).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The reserved handler id of the plumbing's own question "are we established?".
pub const ESTABLISHED_HANDLER: u32 = 0;

/// The wire name of a handler: 32-bit FNV-1a of its name, never [`ESTABLISHED_HANDLER`].
pub const fn handler_id(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    if hash == ESTABLISHED_HANDLER { 1 } else { hash }
}

/// What a message is to its receiver (M1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MessageKind {
    /// Nothing for the application: carries a FIN that had no other message to ride on.
    Empty,
    /// Wants no answer.
    Tell,
    /// Wants an answer that names its sequence number in [`Message::re`].
    Ask,
    /// The answer `Ok`.
    AnswerOk,
    /// The answer `Err`; as the first answer to pending work it is a refusal (H9).
    AnswerErr,
    /// There will be no answer: the target's state no longer holds the reply address (H18).
    NoAnswer,
    /// The target speaks unasked: wants no answer, and is never said before the dialog is established (M11).
    Event,
}

impl MessageKind {
    /// Does this message end a request?
    pub fn is_answer(self) -> bool {
        matches!(self, Self::AnswerOk | Self::AnswerErr | Self::NoAnswer)
    }

    /// Is it nothing for the application?
    pub fn is_empty(self) -> bool {
        self == Self::Empty
    }

    /// May a message of this kind be superseded by a newer one? What waits for an answer, or is one, may not.
    pub(crate) fn may_be_currency(self) -> bool {
        matches!(self, Self::Tell | Self::Event)
    }

    /// As the first message of a target that holds pending work: does it refuse that work?
    pub(crate) fn is_refusal(self) -> bool {
        matches!(self, Self::AnswerErr | Self::NoAnswer)
    }
}

/// One numbered message. The same number always carries the same bytes (S20); only [`Message::after`] may shrink.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Position in its direction, from 1.
    pub seq: u64,
    /// What lies between this number and its own was superseded and is said no more: whoever has everything up to here
    /// may take this message next (P11). Less than `seq`; `seq - 1` where nothing was superseded.
    ///
    /// Repeated with a smaller number if more was superseded meanwhile. Both copies are true for ever, since what was
    /// superseded stays so; the receiver keeps the smaller one.
    pub after: u64,
    /// A newer message of the same topic, which is its `handler`, takes this one's place (P11). Otherwise it is history:
    /// never left out, and nothing older may be left out for the sake of something newer than it.
    pub currency: bool,
    /// The sender will say nothing after this message (row 24).
    pub fin: bool,
    /// What it is to its receiver.
    pub kind: MessageKind,
    /// For answers: the sequence number of the request.
    pub re: u64,
    /// [`handler_id`] of the handler's name.
    pub handler: u32,
    /// Two bytes of the handler's signature, by which its receiver knows whether it has the same; 0 and 1 say nothing.
    pub version: u16,
    /// The encoded arguments or answer.
    #[serde(with = "body")]
    pub body: Arc<[u8]>,
}

impl Message {
    /// What no application may ever see; only a wrong implementation makes one.
    pub(crate) fn of_an_acknowledgement(seq: u64) -> Self {
        Self {
            seq,
            after: seq.saturating_sub(1),
            currency: false,
            fin: false,
            kind: MessageKind::Tell,
            re: 0,
            handler: ESTABLISHED_HANDLER,
            version: 0,
            body: [].into(),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {:?}", self.seq, self.kind)?;
        if self.currency {
            write!(f, " currency")?;
        }
        if self.after + 1 < self.seq {
            write!(f, " after #{}", self.after)?;
        }
        if self.kind.is_answer() {
            write!(f, " re #{}", self.re)?;
        }
        write!(
            f,
            " {:08x}v{} {} bytes{}",
            self.handler,
            self.version,
            self.body.len(),
            if self.fin { " FIN" } else { "" }
        )
    }
}

/// A message the application hands to its plumbing; the endpoint gives it its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outgoing {
    /// What it is to its receiver.
    pub kind: MessageKind,
    /// Takes the place of what was said before it under the same handler and is still waiting (P11). Only of
    /// messages that want no answer.
    pub currency: bool,
    /// For answers: the sequence number of the request; 0 otherwise.
    pub re: u64,
    /// [`handler_id`] of the handler's name.
    pub handler: u32,
    /// Two bytes of the handler's signature.
    pub version: u16,
    /// The encoded arguments or answer.
    pub body: Arc<[u8]>,
}

/// Bytes as serde bytes, so that durable forms need no feature of serde, and are copied as a whole.
pub(crate) mod body {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        body: &impl AsRef<[u8]>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(body.as_ref())
    }

    pub(crate) fn deserialize<'de, D, B>(from: D) -> Result<B, D::Error>
    where
        D: Deserializer<'de>,
        B: From<Vec<u8>> + for<'b> From<&'b [u8]>,
    {
        from.deserialize_bytes(Bytes(PhantomData))
    }

    struct Bytes<B>(PhantomData<B>);

    impl<'de, B: From<Vec<u8>> + for<'b> From<&'b [u8]>> Visitor<'de> for Bytes<B> {
        type Value = B;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the bytes of a message body")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(bytes.into())
        }

        fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
            Ok(bytes.into())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = seq.next_element::<u8>()? {
                bytes.push(byte);
            }
            Ok(bytes.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handler_ids_are_stable_and_never_the_reserved_one() {
        assert_eq!(handler_id(""), 0x811c_9dc5);
        assert_eq!(handler_id("pay"), 0x5e56_0689);
        assert_ne!(handler_id("pay"), handler_id("ship"));
    }
}
