//! The safety properties by name, and sets of those that were broken.

use std::fmt;

use stateright::Property;

use super::model::{State, World};

macro_rules! properties {
    ($($name:ident $code:literal $text:literal,)*) => {
        /// A safety property. The number is that of the protocol's specification.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Safety {
            $(#[doc = $text] $name,)*
        }

        as_properties! { $($name)* }

        impl Safety {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its number.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// What it says.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

macro_rules! as_properties {
    ($($name:ident)*) => {
        /// The safety properties, as stateright checks them at each state.
        pub(super) fn as_properties() -> Vec<Property<World>> {
            vec![$(Property::always(Safety::$name.code(), |_, state: &State| {
                !state.broken.has(Safety::$name)
            }),)*]
        }
    };
}

properties! {
    NothingLeavesBeforeCommit "S1" "Nothing leaves before it is durable.",
    TokensAreUnique "S2" "Two memories never share a token.",
    BoundOnce "S3" "A binding is set once, and durable before it is used.",
    OneIsConfirmed "S4" "At most one memory per initiator is confirmed.",
    AckedIsDurable "S5" "What is acknowledged is durable.",
    KeptUntilAcked "S6" "What was said is kept until the bound partner has it; nothing is released before anybody is bound.",
    EndedIsInert "S7" "No frame changes what an ended memory did.",
    NeverEstablishedNoEffect "S8" "A dialog that ended without being established has no permanent effect, now or ever.",
    HistoryHasNoGaps "S9" "What is heard is a gap-free prefix of what that one partner said, each once.",
    CurrencyRises "S10" "A currency is never delivered after a newer value of it.",
    NoPredecessorIsMissing "S11" "No memory hears a message without having heard all before it.",
    CompletedMeansReceived "S12" "A side that completed was heard in full.",
    SilenceSparesTheWaiting "S13" "No deadline fires over a message that is waiting.",
    AttemptsAreBounded "S14" "A message that cannot be handled is tried a bounded number of times.",
    PoisonEndsTheDialog "S15" "After a message that cannot be handled, nothing of its dialog is handled.",
    AcksAreInvisible "S19" "An acknowledgement changes nothing that an application can see.",
    SameNumberSameBytes "S20" "The same number carries the same bytes for ever; incarnations rise.",
    BacklogIsBounded "S21" "Outbox, backlog and memories stay within their limits.",
    NobodyIsAccusedWrongly "S23" "Nobody who remembers, or ended properly and lingers, is called forgetful.",
    ResetsAnswerThisLife "P12" "A RESET is believed only in the life whose frame it answers.",
    ChildrenOfTheConfirmed "P14" "Only a confirmed memory has children, and they have at most one effect per dialog.",
}

impl fmt::Display for Safety {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self:?}", self.code())
    }
}

/// Which properties were broken on the way to a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Broken(u32);

impl Broken {
    pub(super) fn mark(&mut self, property: Safety) {
        self.0 |= 1 << property as u32;
    }

    pub(super) fn mark_if(&mut self, property: Safety, broken: bool) {
        if broken {
            self.mark(property);
        }
    }

    pub(super) fn has(self, property: Safety) -> bool {
        self.0 & (1 << property as u32) != 0
    }

    pub(super) fn any(self) -> bool {
        self.0 != 0
    }

    pub(super) fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
