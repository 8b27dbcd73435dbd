//! What a node may say to an endpoint.

use serde::{Deserialize, Serialize};

use super::effects::TimerKind;
use super::ending::FaultCode;
use super::endpoint::Mode;
use super::frame::Frame;
use super::ids::{DialogId, StoreId, Token};
use super::message::{Message, Outgoing};

/// One input of [`super::Endpoint::step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A frame arrived for this endpoint's key.
    Frame(Frame),
    /// A row of this endpoint's inbox, written by the partner in the same store (H5).
    Local(LocalItem),
    /// Hand out the next message in order, if there is one.
    Consume,
    /// The application says something. Ask [`super::Endpoint::can_send`] first; answers are always admitted.
    Send(Outgoing),
    /// The application will say nothing after this transaction (row 24).
    Close,
    /// The application gives up, or the plumbing on its behalf (rows 27, 30).
    Abandon(FaultCode, String),
    /// A timer fired.
    Timer(TimerKind),
    /// The endpoint was read back after a restart (row 32).
    Restarted,
    /// The directory's answer to [`super::Effects::locate`], or its news of a change.
    Located(Location),
    /// What the application has been handed and has not done yet: it waits for another attempt (P8).
    Backlog(Backlog),
    /// The transaction's last input: make frames of what is to be said.
    Flush,
}

/// Work that was acknowledged and is put off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Backlog {
    /// Pieces of work.
    pub messages: u64,
    /// Those of them that the partner said: over these no silence is counted.
    pub from_partner: u64,
    /// Bytes of their bodies.
    pub bytes: usize,
}

/// The directory about the store we are bound to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// It lives, under this instance name (row 21).
    Bound {
        /// The instance name.
        node: String,
    },
    /// Its name now belongs to this store (row 22).
    ReplacedBy(StoreId),
    /// The directory does not know; keep trying until a deadline.
    Unknown,
}

/// A row of the partner's inbox in the same store (H5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LocalItem {
    /// Creates the target: [`super::Endpoint::accept_local`].
    Open(LocalOpen),
    /// A message.
    Message(Message),
    /// The end, in its place among the messages.
    Fault {
        /// Its place.
        seq: u64,
        /// Why.
        code: FaultCode,
        /// In words.
        detail: String,
    },
}

/// What a target in the same store is born from. It is born bound: no twin can exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LocalOpen {
    /// The dialog.
    pub dialog: DialogId,
    /// The desired service.
    pub service: String,
    /// How the dialog begins.
    pub mode: Mode,
    /// The contract the initiator speaks.
    pub contract: u64,
    /// The initiator's token.
    pub token: Token,
    /// The initiator lives in memory only (H4).
    pub volatile: bool,
    /// How long the dialog may last, in milliseconds, 0 if nobody said; the node's business.
    pub ttl_ms: u64,
    /// Trace id of the work it belongs to; the node's business.
    pub trace: [u8; 16],
    /// The life of the store in which the dialog was opened.
    pub incarnation: u64,
}
