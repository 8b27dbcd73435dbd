//! Names of things: the dialog, its two roles, the memory a store is, and one remembered endpoint.
//!
//! This file mints nothing: ids and tokens are made by the node, which owns randomness.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id16 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id16! {
    /// One dialog, for ever; never used again, not even after a failure (P1).
    DialogId
}

id16! {
    /// One *remembered conversation*: minted each time an endpoint is created, never derived from other ids, never
    /// used again. This is what makes late duplicates harmless without eternal tombstones (P1, S2).
    ///
    /// Its first two bytes are the slot of the actor it belongs to, so that a frame finds its shard without a lookup.
    Token
}

id16! {
    /// The identity of a memory. A name that comes back with another store is an evil twin (P1, P12).
    StoreId
}

impl Token {
    /// The home slot of the endpoint: the first two bytes, big-endian.
    pub fn slot(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }
}

impl DialogId {
    /// The home slot of the target actor: FNV-1a over the id, folded to 16 bits. On disk and on the wire for ever.
    pub fn slot(&self) -> u16 {
        let mut hash: u32 = 0x811c_9dc5;
        for byte in self.0 {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        ((hash >> 16) ^ (hash & 0xffff)) as u16
    }
}

/// Which of the two parties of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Opened the dialog.
    Initiator,
    /// Was chosen among those who serve the name.
    Target,
}

impl Role {
    /// The partner's role.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Target,
            Self::Target => Self::Initiator,
        }
    }
}

/// One side of one dialog: the key of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndpointKey {
    /// The dialog.
    pub dialog: DialogId,
    /// The side.
    pub role: Role,
}

impl EndpointKey {
    /// Length of [`Self::to_bytes`].
    pub const BYTES: usize = 17;

    /// The partner's key.
    #[must_use]
    pub fn other(self) -> Self {
        Self {
            dialog: self.dialog,
            role: self.role.other(),
        }
    }

    /// The dialog's 16 bytes, then 0 for the initiator or 1 for the target.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(&self.dialog.0);
        bytes[16] = match self.role {
            Role::Initiator => 0,
            Role::Target => 1,
        };
        bytes
    }

    /// The reverse of [`Self::to_bytes`]; `None` for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (dialog, role) = bytes.split_first_chunk::<16>()?;
        let role = match role {
            [0] => Role::Initiator,
            [1] => Role::Target,
            _ => return None,
        };
        Some(Self {
            dialog: DialogId(*dialog),
            role,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_key_survives_its_bytes() {
        for role in [Role::Initiator, Role::Target] {
            let key = EndpointKey {
                dialog: DialogId([7; 16]),
                role,
            };
            assert_eq!(EndpointKey::from_bytes(&key.to_bytes()), Some(key));
        }
        assert_eq!(EndpointKey::from_bytes(&[0; 16]), None);
        assert_eq!(EndpointKey::from_bytes(&[2; 17]), None);
    }

    #[test]
    fn slots_are_stable_for_ever() {
        assert_eq!(DialogId([0; 16]).slot(), 0x706c);
        assert_eq!(
            Token([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]).slot(),
            0x0102
        );
        assert_eq!(DialogId([0xab; 16]).to_string(), "ab".repeat(16));
    }
}
