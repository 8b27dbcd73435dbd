//! What a caller learns: an answer, or why there is none and what is known of the message.
//!
//! Owns the words; never decides which applies.

use std::{fmt, time::SystemTime};

use serde::{Deserialize, Serialize};

use crate::protocol::{Abandoned, Ending};

/// The refusal of a handler that cannot refuse: it has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Never {}

/// The outcome of a request.
pub type Answer<T, E = Never> = Result<T, CallError<E>>;

/// Why a request has no answer. [`CallError::knowledge`] says whether the work may have been done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError<E = Never> {
    /// The partner's application refused: its own `Err`. Nothing of the refused message remains there.
    Declined(E),
    /// Nobody serves that name, here or on the network. Certain: nothing was sent.
    NoRoute {
        /// The service that was asked for.
        service: String,
    },
    /// No instance answered within the dialog's initiation timeout. Certain: nothing permanent happened or will.
    NeverReached,
    /// The dialog was given up before its answer came.
    Abandoned {
        /// By whom and why.
        why: Abandoned,
        /// The message had left: the partner may have done the work.
        in_doubt: bool,
    },
    /// The dialog is closed: the message was not sent, or the partner closed without answering it.
    Closed,
    /// The partner's handler lost its `ReplyTo`: no answer will ever come.
    NoAnswer,
    /// More bytes than a message, an answer or a state may have. Certain: nothing was sent, or what the partner's handler
    /// did was rolled back.
    TooLarge {
        /// The size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Too many messages wait for this partner. Certain: this one was not sent; try again later.
    Busy,
    /// This key, or this named request, was used before with other contents. The first contents stand.
    KeyConflict {
        /// The key or the name.
        key: String,
    },
    /// The time that [`within`](crate::Request::within) gave it has passed. The dialog goes on; the partner may have done
    /// the work, or may do it yet.
    Overdue {
        /// When the message was first handed to the plumbing.
        since: SystemTime,
        /// How often the plumbing has said it in this life of the node.
        attempts: u32,
    },
    /// A value could not be encoded or the answer could not be decoded.
    Codec(String),
    /// This node has stopped, by request or because its store failed.
    Stopped {
        /// The message had left or was waiting for its commit: it may have been sent.
        in_doubt: bool,
    },
}

/// What a sender knows about a message it sent (Helland: "before you send, after you send, after you receive the answer").
///
/// Of a named request on a dialog that was opened with a key everything is durable but the number of attempts: `since` is
/// when it was said first, also by an earlier process. What is said without a name is known to its handle alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Knowledge {
    /// Certain that the work has not been done.
    NotSent,
    /// Sent and unanswered: the work may be done, may be done soon, or never.
    InDoubt {
        /// When the message was first handed to the plumbing; `None` where the node that knew has stopped.
        since: Option<SystemTime>,
        /// How often the plumbing has said it, the first time included. Counted in memory: it begins anew with each life
        /// of the node, and when a dialog that was quiet for long is brought back.
        attempts: u32,
    },
    /// Answered: now you know.
    Answered,
    /// The dialog ended.
    Ended(Ending),
}

impl<E> CallError<E> {
    /// What this error says about the message.
    pub fn knowledge(&self) -> Knowledge {
        match self {
            Self::Declined(_) => Knowledge::Answered,
            Self::NoRoute { .. }
            | Self::NeverReached
            | Self::TooLarge { .. }
            | Self::Busy
            | Self::KeyConflict { .. }
            | Self::Stopped { in_doubt: false } => Knowledge::NotSent,
            Self::Abandoned {
                why,
                in_doubt: false,
            } => Knowledge::Ended(Ending::Abandoned(why.clone())),
            Self::Closed => Knowledge::Ended(Ending::Completed),
            Self::Overdue { since, attempts } => Knowledge::InDoubt {
                since: Some(*since),
                attempts: *attempts,
            },
            Self::Abandoned { .. } | Self::NoAnswer | Self::Codec(_) | Self::Stopped { .. } => {
                Knowledge::InDoubt {
                    since: None,
                    attempts: 0,
                }
            }
        }
    }

    /// The same error for a caller whose refusals have another type.
    pub fn map_declined<F>(self, f: impl FnOnce(E) -> F) -> CallError<F> {
        match self {
            Self::Declined(e) => CallError::Declined(f(e)),
            Self::NoRoute { service } => CallError::NoRoute { service },
            Self::NeverReached => CallError::NeverReached,
            Self::Abandoned { why, in_doubt } => CallError::Abandoned { why, in_doubt },
            Self::Closed => CallError::Closed,
            Self::NoAnswer => CallError::NoAnswer,
            Self::TooLarge { bytes, limit } => CallError::TooLarge { bytes, limit },
            Self::Busy => CallError::Busy,
            Self::KeyConflict { key } => CallError::KeyConflict { key },
            Self::Codec(why) => CallError::Codec(why),
            Self::Overdue { since, attempts } => CallError::Overdue { since, attempts },
            Self::Stopped { in_doubt } => CallError::Stopped { in_doubt },
        }
    }
}

impl<E: fmt::Debug> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined(e) => write!(f, "the partner declined: {e:?}"),
            Self::NoRoute { service } => write!(
                f,
                "nobody serves `{service}`: add `.serve::<{service}>()` to a node's builder, or put this node on the network of one that does"
            ),
            Self::NeverReached => f.write_str(
                "no instance answered within the initiation timeout; nothing permanent happened",
            ),
            Self::Abandoned { why, in_doubt } => {
                write!(f, "the dialog was abandoned: {why}")?;
                f.write_str(if *in_doubt {
                    " (the work may have been done)"
                } else {
                    ""
                })
            }
            Self::Closed => f.write_str("the dialog is closed; open a new one to go on talking"),
            Self::NoAnswer => {
                f.write_str("the partner's handler dropped its `ReplyTo`, or gave it more than a message may have; no answer will come")
            }
            Self::TooLarge { bytes, limit } => {
                write!(
                    f,
                    "{bytes} bytes in a message, an answer or a state that may have {limit}; nothing was done: keep large contents in a table and say where"
                )
            }
            Self::Busy => f.write_str("too many messages wait for this partner; try again later"),
            Self::KeyConflict { key } => write!(
                f,
                "`{key}` was used before with other contents; the first contents stand"
            ),
            Self::Overdue { .. } => f.write_str(
                "no answer within the time that was given; the work may have been done, and the dialog goes on: ask again under the same name",
            ),
            Self::Codec(why) => f.write_str(why),
            Self::Stopped { in_doubt: true } => f.write_str(
                "this node has stopped; the message may have been sent, ask again after a restart",
            ),
            Self::Stopped { in_doubt: false } => {
                f.write_str("this node has stopped; the message was not sent")
            }
        }
    }
}

impl<E: fmt::Debug> std::error::Error for CallError<E> {}
