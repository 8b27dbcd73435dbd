//! What happened in a world, as data that compares and prints.

use std::{fmt, sync::Arc};

use super::Name;
use crate::{
    node::{Ran, What},
    protocol::{DialogId, Ending, Frame, FrameKind, Role},
};

/// One step of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each name says it")]
pub enum Event {
    Start {
        node: Name,
        incarnation: u64,
    },
    Crash {
        node: Name,
    },
    CrashInRecovery {
        node: Name,
    },
    Stopped {
        node: Name,
        why: String,
    },
    Turn {
        node: Name,
        shard: usize,
    },
    Handler {
        node: Name,
        run: HandlerRun,
    },
    Cut {
        node: Name,
        ticket: u64,
    },
    Commit {
        node: Name,
        ticket: u64,
    },
    Release {
        node: Name,
        ticket: u64,
    },
    Ended {
        node: Name,
        dialog: DialogId,
        role: Role,
        ending: Ending,
    },
    Fold {
        node: Name,
    },
    Send {
        frame: usize,
    },
    Deliver {
        frame: usize,
        to: Name,
    },
    Time {
        now_ms: u64,
    },
}

/// A handler that ran, whether or not what it did became durable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerRun {
    /// The dialog.
    pub dialog: DialogId,
    /// The handler's name, or what else of the dialog ran: `establish`, `resume`, `timer`, `abandoned`.
    pub handler: &'static str,
    /// The number of the message, if it was one.
    pub message: Option<u64>,
    /// The dialog was not established yet.
    pub pending: bool,
    /// It panicked or could not be run, and was rolled back.
    pub failed: bool,
}

impl From<&Ran> for HandlerRun {
    fn from(ran: &Ran) -> Self {
        Self {
            dialog: ran.actor,
            handler: ran.handler,
            message: match ran.what {
                What::Message(seq) => Some(seq),
                _ => None,
            },
            pending: ran.pending,
            failed: ran.failed,
        }
    }
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// Goes its way.
    Sent,
    /// Goes its way, and another copy as well.
    Repeated,
    /// Goes its way later than others.
    Delayed,
    /// Was lost.
    Lost,
    /// Waits to be let go.
    Held,
    /// There was no node to take it.
    NobodyThere,
    /// A copy from the past.
    Replayed,
}

/// A frame that was handed to the network.
#[derive(Clone, PartialEq, Eq)]
pub struct FrameRecord {
    /// The node that sent it.
    pub from: Name,
    /// The node it was for, or the service if there was none.
    pub to: Name,
    /// The frame.
    pub frame: Arc<Frame>,
    /// What became of it.
    pub fate: Fate,
    /// It went to another instance than the one before it.
    pub rerouted: bool,
    /// When it was sent.
    pub at_ms: u64,
}

impl FrameRecord {
    /// Does it carry messages of the application?
    pub fn has_messages(&self) -> bool {
        !self.frame.messages.is_empty()
    }

    /// Does it carry an answer of the application?
    pub fn has_answer(&self) -> bool {
        let mut messages = self.frame.messages.iter();
        messages.any(|message| message.kind.is_answer())
    }

    /// Does it open a dialog?
    pub fn is_first(&self) -> bool {
        self.frame.is_initiating()
    }

    /// What it is, in two words.
    pub(super) fn noun(&self) -> &'static str {
        match self.frame.kind {
            _ if self.is_first() => "first frame",
            _ if self.has_answer() => "answer",
            _ if self.has_messages() => "message",
            FrameKind::SynAck => "handshake",
            FrameKind::Ack | FrameKind::Bound => "acknowledgement",
            FrameKind::Fault { .. } | FrameKind::Reset { .. } => "refusal",
            _ => "frame",
        }
    }
}

impl fmt::Debug for FrameRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} -> {}: {} ({:?})",
            self.at_ms,
            self.from,
            self.to,
            self.frame.summary(),
            self.fate
        )
    }
}
