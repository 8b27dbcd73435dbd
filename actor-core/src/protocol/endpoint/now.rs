//! The parts of an endpoint that are not about the dialog but about its plumbing: what is awaited, what must still be
//! told, and everything that may be lost in a crash. They hold data only; the rules are beside their users.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::flow::Sacked;
use super::parts::Parts;
use crate::protocol::ending::{Ending, FaultCode};
use crate::protocol::few::Few;
use crate::protocol::frame::Window;
use crate::protocol::ids::Token;
use crate::protocol::input::Backlog;
use crate::protocol::message::Message;
use crate::protocol::seldom::Part;

/// What a closing endpoint waits for; it decides how long (row 26).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum ClosingWait {
    /// Only the goodbye itself: linger.
    Goodbye,
    /// Messages of the application are still on their way: as long as the partner may be silent.
    LastMessages,
}

/// A FAULT that is said again until acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Fault {
    pub(super) code: FaultCode,
    pub(super) detail: String,
    pub(super) acked: bool,
}

/// How the dialog comes to its end: nothing of it before somebody says goodbye or gives up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Parting {
    pub(super) fin_sent: Option<u64>,
    pub(super) fin_received: Option<u64>,
    pub(super) closing_wait: Option<ClosingWait>,
    pub(super) ending: Option<Ending>,
    /// What the partner must still be told about the ending.
    pub(super) fault: Option<Fault>,
    /// The ended record may be deleted.
    pub(super) forgotten: bool,
}

/// What is under way. In one store nothing is, between transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Flight {
    /// Said, not acknowledged and not superseded: `acked + 1 .. send_next`, where each names the one before it, or one
    /// that was acknowledged, in `after`. The newest is never superseded. Empty for the local carrier.
    #[serde(with = "super::stow")]
    pub(super) outbox: Outbox,
    /// Those of them whose bodies are too large for the record: they lie in rows of their own (H6).
    pub(super) stowed: Few<u64>,
    pub(super) outbox_bytes: usize,
    /// Bytes said before the first answer (P6).
    pub(super) initiation_bytes: usize,
    /// The age of the frame that acknowledged most (row 23).
    pub(super) acked_at: (u64, u64),
    #[serde(skip)]
    pub(super) now: Now,
}

/// Messages by rising numbers, mostly one.
pub(super) type Outbox = SmallVec<[Message; 1]>;

impl Part for Parting {
    fn empty() -> &'static Self {
        static EMPTY: LazyLock<Parting> = LazyLock::new(Parting::default);
        &EMPTY
    }

    fn is_empty(&self) -> bool {
        self == Self::empty()
    }
}

impl Part for Flight {
    fn empty() -> &'static Self {
        static EMPTY: LazyLock<Flight> = LazyLock::new(Flight::default);
        &EMPTY
    }

    fn is_empty(&self) -> bool {
        self == Self::empty()
    }
}

/// What an endpoint knows only while it is in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts about this transaction, each with one reader"
)]
pub(super) struct Now {
    /// Received, not consumed, not acknowledged (M9).
    pub(super) held: Few<u64, Message>,
    /// Parts of messages that are not whole.
    pub(super) parts: Few<u64, Parts>,
    /// What the application has put off.
    pub(super) backlog: Backlog,
    /// The newest frame of the partner, by age.
    pub(super) news: (u64, u64),
    /// The life of the partner's memory that was heard last, and the instance it lives in.
    pub(super) life: Option<(u64, String)>,
    /// Ours that the partner holds and has not consumed, as its newest frame says.
    pub(super) sacked: Sacked,
    /// What the partner takes above which number, as its newest frame says.
    pub(super) partner_window: Option<(u64, Window)>,
    /// The partner's FAULT, waiting for the messages before it to be consumed (row 28).
    pub(super) doom: Option<Doom>,
    /// Highest of ours put into a frame since this record was read.
    pub(super) transmitted: u64,
    /// Messages queued since the last flush: the only ones a FIN may still ride on (S20).
    pub(super) fresh: usize,
    /// Say everything outstanding again with the next flush.
    pub(super) due: bool,
    /// Retries without progress.
    pub(super) attempt: u32,
    /// The directory was asked where the partner is since the last retry or progress: once is enough, or a wrong house
    /// and a directory that keeps naming it would make us talk as fast as the network is.
    pub(super) asked_where: bool,
    pub(super) retry: RetryTimer,
    /// The application will say nothing after this transaction.
    pub(super) close_wanted: bool,
    pub(super) need_ack: bool,
    /// Ended: a late frame is answered with the FAULT.
    pub(super) answer_with_fault: bool,
    /// A frame that names the partner's token has left since this record was read.
    pub(super) named_partner: bool,
    /// A message was consumed since the last flush: the silence clock starts anew.
    pub(super) heard: bool,
    /// Initiator, unbound: those who acknowledged. They slow the timer and release nothing (row 4).
    pub(super) candidates: BTreeSet<Token>,
    /// Initiator, unbound: who turned us away.
    pub(super) turned_away: Option<TurnedAway>,
    /// Counts rounds of initiation.
    pub(super) round: u32,
}

#[cfg(feature = "test-util")]
impl Now {
    /// Forgets what only decides how long to wait: how often something was said in vain (beyond what decides whether the
    /// partner is believed to hold something), and how many rounds of refusals lie how far back beyond what is compared.
    pub(super) fn forget_delays(&mut self) {
        self.attempt = if self.sacked.is_empty() {
            0
        } else {
            self.attempt.min(super::flow::CREDULOUS_ATTEMPTS + 1)
        };
        match &mut self.turned_away {
            None => self.round = 0,
            Some(last) => {
                self.round = self.round.wrapping_sub(last.round).min(2);
                last.round = 0;
                last.rounds = last.rounds.min(super::receive::CONVINCING_REFUSALS);
            }
        }
    }
}

/// What the node was last told about the retry timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum RetryTimer {
    #[default]
    Off,
    Armed,
    /// Armed with a delay that no longer fits.
    Outdated,
}

impl RetryTimer {
    pub(super) fn outdate(&mut self) {
        if *self == Self::Armed {
            *self = Self::Outdated;
        }
    }
}

/// The partner's end, in its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Doom {
    /// Local carrier: the place; remote: after everything held in order.
    pub(super) seq: Option<u64>,
    /// `None`: it said goodbye and has ended.
    pub(super) code: Option<FaultCode>,
    pub(super) detail: String,
}

/// Refusals of initiating frames.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TurnedAway {
    pub(super) code: FaultCode,
    pub(super) detail: String,
    /// The last round in which it was heard, and how many rounds in a row.
    pub(super) round: u32,
    pub(super) rounds: u32,
}
