//! Where an endpoint lives inside a node: its home slot and its key.
//!
//! All records of an actor share a slot, so one shard owns them (slot modulo shards; never on disk). The slot stands in
//! front of the key on disk and in the first two bytes of every token the endpoint minted, so a frame finds its shard
//! without a lookup.

use crate::protocol::{DialogId, EndpointKey, Role, Token};

/// An endpoint's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address {
    pub(crate) slot: u16,
    pub(crate) key: EndpointKey,
}

/// Bytes of an address in a store key.
pub(crate) const ADDRESS_BYTES: usize = DIALOG_BYTES + 1;
/// Bytes in front of it that it shares with the other end of its dialog in one store, and with the actor: slot and dialog.
pub(crate) const DIALOG_BYTES: usize = 18;
// What begins with the same dialog shares a row.
const _: () = assert!(DIALOG_BYTES == actor_store::GROUP_BYTES);
/// Bytes of the key of a message: the address of its endpoint, and its number.
const MESSAGE_BYTES: usize = ADDRESS_BYTES + 8;

impl Address {
    /// The target of `dialog`: its home follows from its id, so that every first frame finds it.
    pub(crate) fn target(dialog: DialogId) -> Self {
        Self {
            slot: dialog.slot(),
            key: EndpointKey {
                dialog,
                role: Role::Target,
            },
        }
    }

    /// The initiator of `dialog`, at the home of whoever opened it.
    pub(crate) fn initiator(dialog: DialogId, slot: u16) -> Self {
        Self {
            slot,
            key: EndpointKey {
                dialog,
                role: Role::Initiator,
            },
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; ADDRESS_BYTES] {
        let mut bytes = [0; ADDRESS_BYTES];
        bytes[..2].copy_from_slice(&self.slot.to_be_bytes());
        bytes[2..].copy_from_slice(&self.key.to_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (slot, key) = bytes.split_first_chunk()?;
        Some(Self {
            slot: u16::from_be_bytes(*slot),
            key: EndpointKey::from_bytes(key)?,
        })
    }
}

/// The key of an actor's record.
pub(crate) fn actor_key(actor: DialogId) -> [u8; DIALOG_BYTES] {
    let mut key = [0; DIALOG_BYTES];
    key[..2].copy_from_slice(&actor.slot().to_be_bytes());
    key[2..].copy_from_slice(&actor.0);
    key
}

/// The actor of a record's key.
pub(crate) fn actor_of(key: &[u8]) -> Option<DialogId> {
    Some(DialogId(key.get(2..)?.try_into().ok()?))
}

/// The key of a message that waits in the inbox of `to`.
pub(crate) fn inbox_key(to: Address, seq: u64) -> [u8; MESSAGE_BYTES] {
    let mut key = [0; MESSAGE_BYTES];
    key[..ADDRESS_BYTES].copy_from_slice(&to.to_bytes());
    key[ADDRESS_BYTES..].copy_from_slice(&seq.to_be_bytes());
    key
}

/// The body of a message that the record of its sender leaves out.
pub(crate) fn outbox_key(of: Address, seq: u64) -> [u8; MESSAGE_BYTES] {
    inbox_key(of, seq)
}

/// A token at `slot` from random bytes: 112 random bits remain.
pub(crate) fn token(slot: u16, mut random: [u8; 16]) -> Token {
    random[..2].copy_from_slice(&slot.to_be_bytes());
    Token(random)
}
