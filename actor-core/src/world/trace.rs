//! What happened in a world, as data that compares and prints.

use std::{fmt, sync::Arc};

use crate::protocol::Frame;

/// One step of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each name says it")]
pub enum Event {
    Start { node: String, incarnation: u64 },
    Crash { node: String },
    Stopped { node: String, why: String },
    Turn { node: String, shard: usize },
    Cut { node: String, ticket: u64 },
    Commit { node: String, ticket: u64 },
    Release { node: String, ticket: u64 },
    Fold { node: String },
    Deliver { frame: usize, to: String },
    Time { now_ms: u64 },
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
    pub from: String,
    /// The node it was for, or the service if there was none.
    pub to: String,
    /// The frame.
    pub frame: Arc<Frame>,
    /// What became of it.
    pub fate: Fate,
    /// When it was sent.
    pub at_ms: u64,
}

impl FrameRecord {
    /// Does it carry messages of the application?
    pub fn has_messages(&self) -> bool {
        !self.frame.messages.is_empty()
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
