//! What one model is about: who takes part, what the applications want to say, and how much trouble there may be.

use actor_core::protocol::{Limits, Mode, Role, Timeouts, TimerKind};

/// A place where a store lives, by number.
pub(super) type Place = u8;

/// The service that the initiators ask for.
pub(super) const POOL: &str = "pool";
/// The service that a target of the pool asks in turn (M6).
pub(super) const SECOND: &str = "second";

/// The name of the instance at a place.
pub(super) fn node_name(place: Place) -> String {
    format!("node{place}")
}

/// The place of an instance.
pub(super) fn place_of(node: &str) -> Option<Place> {
    node.strip_prefix("node")?.parse().ok()
}

/// How much trouble there may be in one run. Losing a frame and waiting are free and unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Trouble {
    /// Ends of a process, with a new start from what is durable.
    pub(super) crashes: u8,
    /// Frames that are delivered and stay in the network.
    pub(super) repeats: u8,
    /// Stores lost, with a new empty one under the same name.
    pub(super) wipes: u8,
    /// Stores set back to an older copy of themselves.
    pub(super) rollbacks: u8,
    /// Frames delivered to another place.
    pub(super) misroutes: u8,
    /// RESETs that answer a frame of the life before this one.
    pub(super) stale: u8,
    /// Deadlines that pass, of those in [`Plan::deadlines`].
    pub(super) deadlines: u8,
    /// Applications that give up.
    pub(super) abandons: u8,
}

/// Who says goodbye of its own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    Nobody,
    Initiator,
    Either,
}

/// When a target answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answering {
    /// In the transaction that hears the question.
    AtOnce,
    /// In a transaction of its own.
    Later,
}

/// What a fault-free path must lead to, from wherever there is hope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// L1, L2: the initiator has said all and heard every answer.
    Answered,
    /// L4: every memory has ended.
    Ended,
    /// L4 where nobody says goodbye: all is said and heard on both sides, or the initiators and all who were confirmed
    /// have ended. As time passes.
    Settled,
    /// L5, L6, S22: as time passes, nothing is left anywhere.
    Forgotten,
}

impl Goal {
    /// In words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Answered => "everything answered",
            Self::Ended => "everybody has ended",
            Self::Settled => "all answered or all ended",
            Self::Forgotten => "nothing is left",
        }
    }
}

impl Goal {
    /// May deadlines pass on the way to it?
    pub(super) fn needs_time(self) -> bool {
        self != Self::Answered
    }
}

/// One model.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) mode: Mode,
    pub(super) initiators: &'static [Place],
    pub(super) pool: &'static [Place],
    /// Who serves [`SECOND`], asked by a target of the pool as soon as it is confirmed.
    pub(super) second: Option<Place>,
    /// Messages the initiator says in all; each wants an answer, unless it is a currency.
    pub(super) asks: u8,
    /// Those of them that are a currency, and want no answer.
    pub(super) currency: &'static [u64],
    /// Those of them that are said in the opening transaction.
    pub(super) opening: u8,
    /// Messages that a confirmed target says of its own accord.
    pub(super) tells: u8,
    pub(super) answering: Answering,
    /// May a target refuse its pending work?
    pub(super) refuses: bool,
    pub(super) closing: Closing,
    /// Whose applications may give up.
    pub(super) abandons: &'static [Role],
    /// The initiator's message that its target's handler cannot handle.
    pub(super) poison: Option<u64>,
    pub(super) deadlines: &'static [TimerKind],
    pub(super) trouble: Trouble,
    /// Whose processes end and whose stores are lost or set back.
    pub(super) fragile: &'static [Place],
    /// Frames under way at once; more than these are lost.
    pub(super) letters: usize,
    /// Targets that one place begins; after these it is busy.
    pub(super) births: u8,
    pub(super) limits: Limits,
    pub(super) goals: &'static [Goal],
}

impl Plan {
    /// A small dialog without any trouble, to be made more interesting.
    pub(super) fn new(name: &'static str, mode: Mode) -> Self {
        Self {
            name,
            mode,
            initiators: &[0],
            pool: &[1],
            second: None,
            asks: 1,
            currency: &[],
            opening: 1,
            tells: 0,
            answering: Answering::AtOnce,
            refuses: false,
            closing: Closing::Nobody,
            abandons: &[],
            poison: None,
            deadlines: &[],
            trouble: Trouble::default(),
            fragile: &[],
            letters: 3,
            births: 2,
            limits: Limits {
                window: 2,
                ..Limits::default()
            },
            goals: &[],
        }
    }

    /// Is this message of the initiator a currency?
    pub(super) fn is_currency(&self, seq: u64) -> bool {
        self.currency.contains(&seq)
    }

    /// Answers that the initiator waits for in all.
    pub(super) fn answers(&self) -> u8 {
        self.asks - self.currency.len() as u8
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        let all = self.initiators.iter().chain(self.pool).chain(&self.second);
        all.max().map_or(0, |last| usize::from(*last) + 1)
    }

    /// Deadlines are the same to a model however long they are.
    pub(super) fn timeouts() -> Timeouts {
        let long = std::time::Duration::from_secs(3600);
        Timeouts {
            initiation: long,
            silence: long,
            lifetime: long,
        }
    }
}
