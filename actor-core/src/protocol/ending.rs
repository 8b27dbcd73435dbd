//! How a dialog ended, in words for the application, and how the partner is told.
//!
//! This file decides nothing; the endpoint decides, and says it with these types.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a dialog ended on this side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Ending {
    /// Both sides said goodbye and heard the other's (row 25).
    Completed,
    /// We said goodbye; whether our last message arrived is not known. Not an error: "guaranteed delivery of the last
    /// message is impossible" (Helland) (row 26).
    CompletedUnconfirmed,
    /// The first answer was a refusal: nothing was established and nothing permanent happened (H9).
    Declined,
    /// Pending work was dropped: another instance was chosen, or the initiator never came back in time (row 14).
    Discarded,
    /// The dialog was given up.
    Abandoned(Abandoned),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed: both sides said goodbye"),
            Self::CompletedUnconfirmed => f.write_str(
                "completed, unconfirmed: the partner did not confirm our last message; \
                 if it matters, let the partner answer it before closing",
            ),
            Self::Declined => f.write_str("declined: the first answer was a refusal and nothing was established"),
            Self::Discarded => f.write_str(
                "discarded: the pending work was dropped because the initiator chose another instance or did not confirm in time",
            ),
            Self::Abandoned(why) => write!(f, "abandoned: {why}"),
        }
    }
}

/// Why a dialog was given up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Abandoned {
    /// We waited for the partner as long as agreed.
    Silence,
    /// The dialog reached its agreed lifetime.
    Lifetime,
    /// Our application gave up; its reason.
    ByUs(String),
    /// The partner's application gave up; its reason.
    ByPartner(String),
    /// The partner waited for us as long as agreed.
    PartnerTimedOut,
    /// The partner lived in a process or a handle that is no more.
    PartnerGone,
    /// Nobody answered before the initiation deadline. Certain: no permanent effect, now or ever (row 8, S8).
    NeverReached,
    /// The partner's own store no longer knows this dialog (row 20).
    PartnerAmnesia,
    /// The partner's name now belongs to another store (row 22).
    PartnerReplaced,
    /// One of the two memories went back in time (row 23).
    PartnerRolledBack,
    /// One of the two stores is alive twice: a copy of it runs beside it (P12).
    StoreCloned,
    /// A message failed here too often (row 30).
    Poisoned,
    /// One of our messages failed at the partner too often; what it said.
    PartnerPoisoned(String),
    /// The partner speaks another version of the contract; what it said.
    Incompatible(String),
    /// Nobody there serves this name; what it said.
    NotServed(String),
    /// Everyone asked was too busy until the initiation deadline.
    Busy,
    /// Our record of the dialog cannot be read any more; which one.
    Damaged(String),
    /// The partner's record of the dialog cannot be read any more; what it said.
    PartnerDamaged(String),
}

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => f.write_str("the partner was silent for as long as agreed; open a new dialog or raise `timeout`"),
            Self::Lifetime => f.write_str("the dialog reached its agreed lifetime; open a new dialog or raise `lifetime`"),
            Self::ByUs(why) => write!(f, "given up by us: {why}"),
            Self::ByPartner(why) => write!(f, "given up by the partner: {why}"),
            Self::PartnerTimedOut => f.write_str("the partner waited for us as long as agreed; open a new dialog"),
            Self::PartnerGone => {
                f.write_str("the partner lived in memory only and is gone, with its process or its handle; what must survive is opened under a key, and is no volatile dialog")
            }
            Self::NeverReached => f.write_str(
                "nobody answered before the initiation deadline; certainly nothing happened, so opening again is safe",
            ),
            Self::PartnerAmnesia => {
                f.write_str("the partner no longer remembers this dialog; check what it did, then open a new dialog")
            }
            Self::PartnerReplaced => f.write_str(
                "the partner's name now belongs to another store; check what the old one did, then open a new dialog",
            ),
            Self::PartnerRolledBack => f.write_str(
                "one of the two stores went back in time (restored from an older copy?); reconcile, then open a new dialog",
            ),
            Self::StoreCloned => f.write_str(
                "one of the two stores runs twice, as a copy of itself; stop both, keep one, give the other a new directory, then open a new dialog",
            ),
            Self::Poisoned => f.write_str("a message failed here too often; see the dead letter, fix the handler, open a new dialog"),
            Self::PartnerPoisoned(why) => write!(f, "a message failed at the partner and was put aside: {why}; see its dead letters"),
            Self::Incompatible(why) => write!(f, "the partner speaks another contract: {why}; deploy matching versions"),
            Self::NotServed(why) => write!(f, "the partner does not serve this name: {why}; serve it there or fix the route"),
            Self::Damaged(what) => write!(f, "{what}; everything else goes on: check what the partner did, or restore the store from a backup"),
            Self::PartnerDamaged(what) => write!(f, "the partner lost its side of this dialog ({what}); check what it did, then open a new dialog"),
            Self::Busy => f.write_str("everyone asked was too busy; certainly nothing happened, so opening again is safe"),
        }
    }
}

/// Why a FAULT was sent: one byte on the wire, named as the partner hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FaultCode {
    /// The first answer was a refusal, or nobody waits for it any more: drop the pending work (H9).
    Declined,
    /// The application gave up.
    Abandoned,
    /// Waited as long as agreed.
    TimedOut,
    /// The agreed lifetime is over.
    Lifetime,
    /// The volatile handle was dropped.
    PartnerGone,
    /// A message failed too often.
    Poisoned,
    /// Another contract.
    Incompatible,
    /// The name is not served here.
    NotServed,
    /// No room for another dialog now.
    Busy,
    /// The pending work was dropped before it was confirmed.
    Discarded,
    /// The two memories contradict each other.
    RolledBack,
    /// The sender has another store where this one was bound.
    Replaced,
    /// The sender's partner no longer remembers the dialog.
    Amnesia,
    /// The store of one of the two is alive twice.
    Cloned,
    /// A code of a newer version.
    Unknown(u8),
    /// The sender's record of the dialog cannot be read any more.
    Damaged,
}

impl FaultCode {
    /// The byte on the wire.
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Declined => 1,
            Self::Abandoned => 2,
            Self::TimedOut => 3,
            Self::Lifetime => 4,
            Self::PartnerGone => 5,
            Self::Poisoned => 6,
            Self::Incompatible => 7,
            Self::NotServed => 8,
            Self::Busy => 9,
            Self::Discarded => 10,
            Self::RolledBack => 11,
            Self::Replaced => 12,
            Self::Amnesia => 13,
            Self::Damaged => 14,
            Self::Cloned => 15,
            Self::Unknown(byte) => byte,
        }
    }

    /// The reverse of [`Self::to_byte`].
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Declined,
            2 => Self::Abandoned,
            3 => Self::TimedOut,
            4 => Self::Lifetime,
            5 => Self::PartnerGone,
            6 => Self::Poisoned,
            7 => Self::Incompatible,
            8 => Self::NotServed,
            9 => Self::Busy,
            10 => Self::Discarded,
            11 => Self::RolledBack,
            12 => Self::Replaced,
            13 => Self::Amnesia,
            14 => Self::Damaged,
            15 => Self::Cloned,
            other => Self::Unknown(other),
        }
    }

    /// The ending at the side that hears this code.
    pub(crate) fn heard(self, detail: &str) -> Ending {
        let detail = detail.to_owned();
        Ending::Abandoned(match self {
            Self::Declined => return Ending::Declined,
            Self::Abandoned | Self::Unknown(_) => Abandoned::ByPartner(detail),
            Self::TimedOut | Self::Discarded => Abandoned::PartnerTimedOut,
            Self::Lifetime => Abandoned::Lifetime,
            Self::PartnerGone => Abandoned::PartnerGone,
            Self::Poisoned => Abandoned::PartnerPoisoned(detail),
            Self::Incompatible => Abandoned::Incompatible(detail),
            Self::NotServed => Abandoned::NotServed(detail),
            Self::Busy => Abandoned::Busy,
            Self::Damaged => Abandoned::PartnerDamaged(detail),
            Self::RolledBack => Abandoned::PartnerRolledBack,
            Self::Cloned => Abandoned::StoreCloned,
            // The sender lost *us*: seen from here, the two memories no longer fit.
            Self::Replaced | Self::Amnesia => Abandoned::PartnerAmnesia,
        })
    }

    /// The ending at the side that gives up with this code.
    pub(crate) fn ours(self, detail: &str) -> Ending {
        Ending::Abandoned(match self {
            Self::Declined => return Ending::Declined,
            Self::Discarded => return Ending::Discarded,
            Self::TimedOut => Abandoned::Silence,
            Self::Lifetime => Abandoned::Lifetime,
            Self::Poisoned => Abandoned::Poisoned,
            Self::Incompatible => Abandoned::Incompatible(detail.to_owned()),
            Self::NotServed => Abandoned::NotServed(detail.to_owned()),
            Self::Busy => Abandoned::Busy,
            Self::RolledBack => Abandoned::PartnerRolledBack,
            Self::Cloned => Abandoned::StoreCloned,
            Self::Replaced => Abandoned::PartnerReplaced,
            Self::Amnesia => Abandoned::PartnerAmnesia,
            Self::Damaged => Abandoned::Damaged(detail.to_owned()),
            Self::Abandoned | Self::PartnerGone | Self::Unknown(_) => {
                Abandoned::ByUs(detail.to_owned())
            }
        })
    }
}

impl Ending {
    /// Did both sides part in good order?
    pub fn is_completed(&self) -> bool {
        matches!(self, Self::Completed | Self::CompletedUnconfirmed)
    }

    /// What a late frame is told about an ending that was not in good order (row 29).
    pub(crate) fn fault_code(&self) -> FaultCode {
        match self {
            Self::Completed | Self::CompletedUnconfirmed => FaultCode::Abandoned,
            Self::Declined => FaultCode::Declined,
            Self::Discarded => FaultCode::Discarded,
            Self::Abandoned(why) => match why {
                Abandoned::Silence | Abandoned::NeverReached => FaultCode::TimedOut,
                Abandoned::Lifetime => FaultCode::Lifetime,
                Abandoned::Poisoned => FaultCode::Poisoned,
                Abandoned::Damaged(_) => FaultCode::Damaged,
                Abandoned::PartnerRolledBack => FaultCode::RolledBack,
                Abandoned::StoreCloned => FaultCode::Cloned,
                Abandoned::PartnerReplaced => FaultCode::Replaced,
                Abandoned::PartnerAmnesia => FaultCode::Amnesia,
                _ => FaultCode::Abandoned,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_a_fault_code_and_survives() {
        for byte in 0..=u8::MAX {
            assert_eq!(FaultCode::from_byte(byte).to_byte(), byte);
        }
    }
}
