//! What a step asks of the node. The endpoint never does anything itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::ending::Ending;
use super::endpoint::SendRefusal;
use super::frame::Frame;
use super::ids::StoreId;
use super::input::LocalItem;
use super::message::Message;

/// Everything a step asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Effects {
    /// Frames to release after the commit, in this order.
    pub frames: Vec<(Destination, Frame)>,
    /// Rows for the partner's inbox in the same store (H5); part of the commit.
    pub local: SmallVec<[LocalItem; 1]>,
    /// The next message for the application; after [`Notice::Confirmed`], before all other notices of this step.
    pub deliver: Option<Message>,
    /// Timers to arm or cancel; part of the commit, except [`TimerKind::Retransmit`].
    pub timers: SmallVec<[TimerOp; 4]>,
    /// What happened, for the application and the logs.
    pub notices: Vec<Notice>,
    /// Ask the directory where our partner's store is, and say [`super::Input::Located`].
    pub locate: bool,
    /// Whether this step must be written.
    pub durability: Durability,
}

impl Effects {
    /// Adds the effects of a later step of the same transaction.
    pub fn merge(&mut self, later: Self) {
        self.frames.extend(later.frames);
        self.local.extend(later.local);
        self.deliver = later.deliver.or(self.deliver.take());
        self.timers.extend(later.timers);
        self.notices.extend(later.notices);
        self.locate |= later.locate;
        self.durability = self.durability.max(later.durability);
    }

    pub(crate) fn arm(&mut self, kind: TimerKind, after: Duration) {
        self.timers.push(TimerOp::Arm(kind, after));
    }

    pub(crate) fn cancel(&mut self, kind: TimerKind) {
        self.timers.push(TimerOp::Cancel(kind));
    }

    pub(crate) fn at_least(&mut self, durability: Durability) {
        self.durability = self.durability.max(durability);
    }
}

/// Where a frame goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// Any one instance that serves this name, resolved anew each time.
    Service(String),
    /// The instance that holds this memory; `node` is the name it answered under last.
    Store {
        /// The memory.
        store: StoreId,
        /// Its last known instance name.
        node: String,
    },
}

/// Whether a step must be written (H6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// Nothing durable changed.
    #[default]
    None,
    /// Only what may be lost: it is written with the next change.
    Lazy,
    /// Must be durable before its frames leave.
    Durable,
}

/// The deadlines of an endpoint. All but `Retransmit` survive restarts, beside the endpoint's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimerKind {
    /// Volatile: say again what has not been acknowledged.
    Retransmit,
    /// The initiator stops looking for a partner (row 8).
    Initiation,
    /// The target drops unconfirmed pending work (row 14).
    Accumulate,
    /// We waited for the partner as long as agreed (row 27).
    Silence,
    /// The dialog is as old as it may get (row 27).
    Lifetime,
    /// While closing: stop waiting for the goodbye (row 26). Once ended: forget the endpoint.
    Linger,
}

/// Arm (replacing an armed one) or cancel (harmless if not armed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerOp {
    /// Fire once after this long.
    Arm(TimerKind, Duration),
    /// Do not fire.
    Cancel(TimerKind),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Initiator: this dialog has its one partner (row 5).
    Bound,
    /// Target: the initiator chose us. Run `establish` now, before anything is delivered (row 13).
    Confirmed,
    /// Initiator: the first application answer was consumed (row 7).
    Established,
    /// Initiator: the partner will say nothing more; what is still in [`super::Endpoint::unanswered`] never will be.
    PartnerClosed,
    /// The dialog is over. Said once.
    Ended(Ending),
    /// A message that had been consumed before arrived again (row 16).
    Duplicate {
        /// Its number.
        seq: u64,
    },
    /// Something was not acknowledged in time and is said again with the next flush (P9).
    Retransmit {
        /// Messages concerned.
        messages: usize,
        /// How often without progress.
        attempt: u32,
    },
    /// Initiator: we told a twin that another was chosen (row 6).
    Superseded,
    /// A RESET or the directory was believed (rows 20, 22).
    Reset,
    /// A message was not taken into the outbox; ask [`super::Endpoint::can_send`] first.
    Refused(SendRefusal),
    /// Initiator: an instance refused to begin; noted, others are tried.
    TurnedAway {
        /// What it said.
        ending: Ending,
    },
}
