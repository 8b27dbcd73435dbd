//! What bounds a dialog: agreed deadlines, local limits, and the little an endpoint must know about its node.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::StoreId;
use super::mutant::Mutant;

/// Largest body of one message that anybody may allow, in bytes; see [`Limits::max_message_bytes`].
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Largest body that travels in one piece, in bytes. A larger one travels in parts of this size.
pub const MAX_WHOLE_BYTES: usize = 256 * 1024;

/// The deadlines of the contract; both endpoints know the same values (H10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timeouts {
    /// How long an initiator looks for a partner, and how long a target keeps pending work unconfirmed.
    pub initiation: Duration,
    /// How long one side waits for the other while it has reason to wait.
    pub silence: Duration,
    /// How long the dialog may exist at all.
    pub lifetime: Duration,
}

/// Local limits, the same for all dialogs of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Delay before the first retry; doubled each time (P9). The node adds jitter.
    pub first_retry: Duration,
    /// Longest delay between retries while looking for a partner.
    pub max_retry_initiating: Duration,
    /// Longest delay between retries to a bound partner.
    pub max_retry_established: Duration,
    /// How long an ended endpoint is remembered, and how long a goodbye is waited for (P13, M8).
    pub linger: Duration,
    /// Largest body of a message that is said, in bytes; at most [`MAX_MESSAGE_BYTES`]. What a partner says may be as long
    /// as anybody may allow.
    pub max_message_bytes: usize,
    /// Messages in flight per direction, and messages held out of order.
    pub window: u64,
    /// Messages waiting for an acknowledgement before `send` is refused as busy.
    pub max_outbox_messages: usize,
    /// Bytes waiting for an acknowledgement before `send` is refused as busy.
    pub max_outbox_bytes: usize,
    /// Messages that may wait for their handlers before the partner is asked to wait. (What is held out of order, and what
    /// an actor puts off because a handler failed or a partner is busy.)
    pub max_backlog_messages: u64,
    /// Bytes that may wait for their handlers before the partner is asked to wait.
    pub max_backlog_bytes: usize,
    /// Targets of a node whose initiators, elsewhere, have not come back; above it openings are refused as busy.
    pub max_half_open: u64,
    /// The same, of initiators in one store.
    pub max_half_open_per_peer: u64,
    /// Bytes of pending work and messages that those targets may take on disk.
    pub max_half_open_bytes: u64,
    /// Messages that may be said before the first answer (P6).
    pub max_initiation_messages: u64,
    /// Bytes that may be said before the first answer (P6); one frame must hold them all.
    pub max_initiation_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_millis(200),
            max_retry_initiating: Duration::from_secs(60),
            max_retry_established: Duration::from_secs(30),
            linger: Duration::from_secs(600),
            max_message_bytes: 4 * 1024 * 1024,
            window: 64,
            max_outbox_messages: 1024,
            max_outbox_bytes: 4 * 1024 * 1024,
            max_backlog_messages: 1024,
            max_backlog_bytes: 4 * 1024 * 1024,
            max_half_open: 100_000,
            max_half_open_per_peer: 10_000,
            max_half_open_bytes: 16 * 1024 * 1024,
            max_initiation_messages: 64,
            max_initiation_bytes: 256 * 1024,
        }
    }
}

/// What a step may know about its node.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    /// The node's limits.
    pub limits: &'a Limits,
    /// The node's memory.
    pub store: StoreId,
    /// Which life of that memory this is: raised durably before the first frame of each start (P1).
    pub incarnation: u64,
    #[cfg(feature = "mutants")]
    mutant: Option<Mutant>,
}

impl<'a> Env<'a> {
    /// What an endpoint of this store may know.
    pub fn new(limits: &'a Limits, store: StoreId, incarnation: u64) -> Self {
        Self {
            limits,
            store,
            incarnation,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// The same, with rules that are wrong in one way.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub fn with_mutant(mut self, mutant: Option<Mutant>) -> Self {
        self.mutant = mutant;
        self
    }

    /// Are the rules to be wrong in this way? Never, without the feature `mutants`.
    #[cfg(feature = "mutants")]
    pub fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Are the rules to be wrong in this way? Never, without the feature `mutants`.
    #[cfg(not(feature = "mutants"))]
    #[allow(
        clippy::unused_self,
        reason = "the same call with the feature and without"
    )]
    pub fn is_mutant(&self, _mutant: Mutant) -> bool {
        false
    }
}
