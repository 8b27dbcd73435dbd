//! What is or is not so of an endpoint: durable facts, a bit each.
//!
//! Owns nothing but the bits. They are independent: one enum would have all their combinations, and a byte for each
//! would be as many bytes for every dialog.

use std::fmt;

use super::Endpoint;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// The initiator, whichever side it is, lives in memory only.
    Volatile,
    /// Initiator: a frame of the bound target said it is established.
    PartnerEstablished,
    /// The silence clock runs.
    SilenceArmed,
    /// A frame that could confirm the target may have left, or did arrive.
    WasEstablished,
}

const ALL: [Fact; 4] = [
    Fact::Volatile,
    Fact::PartnerEstablished,
    Fact::SilenceArmed,
    Fact::WasEstablished,
];

/// Those that are so.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Facts(u8);

impl Facts {
    pub(super) fn has(self, fact: Fact) -> bool {
        self.0 & (1 << fact as u8) != 0
    }

    pub(super) fn set(&mut self, fact: Fact, is_so: bool) {
        let bit = 1 << fact as u8;
        self.0 = if is_so { self.0 | bit } else { self.0 & !bit };
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let those = ALL.into_iter().filter(|fact| self.has(*fact));
        f.debug_set().entries(those).finish()
    }
}

impl Endpoint {
    pub(super) fn is(&self, fact: Fact) -> bool {
        self.facts.has(fact)
    }

    pub(super) fn note(&mut self, fact: Fact, is_so: bool) {
        self.facts.set(fact, is_so);
    }
}
