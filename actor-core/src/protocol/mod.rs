//! The dialog protocol, pure: what two endpoints of one dialog remember, and how a frame, a message of the
//! application or a timer changes it.
//!
//! ```text
//!   frames, timers, the application's sends            frames (released after the commit)
//!            |                                                     ^
//!            v                                                     |
//!        Input  ----->  Endpoint::step(&mut self, ..)  ----->  Effects  (deliver, timers, notices, durability)
//! ```
//!
//! This module never sees a clock, a socket, a store, a thread or a random number: tokens and ids are handed in,
//! deadlines are `Duration`s it asks the node to arm, and everything it sends is a value for the node to release.
//!
//! # Plumbing owns / application owns
//!
//! The protocol owns sequence numbers, retries, the binding to one particular partner, duplicate elimination and the
//! goodbye. The application owns what the messages mean. It never sees an acknowledgement: "ACK means sending the
//! message again won't help" (Helland, "Idempotence Is Not a Medical Condition"), and nothing more.
//!
//! # How a node drives one transaction
//!
//! 1. [`Input::Frame`] puts messages into the volatile backlog (or [`Input::Local`], [`Input::Timer`], ..).
//! 2. [`Input::Consume`] hands out at most one next message in order; its handler runs.
//! 3. [`Input::Send`] for each answer and message, [`Input::Close`] if the handler closed.
//! 4. [`Input::Flush`] once, at the end: it alone turns the outbox into frames. (Only RESETs leave earlier steps.)
//! 5. The node commits the endpoint and releases the frames **after every earlier step of this endpoint is durable,
//!    in the order in which they were produced**, stamping each with [`Frame::stamp`]. That order is relied upon:
//!    a newer frame with an older acknowledgement is evidence of a store that went back in time (row 23).
//!
//! Every transaction ends with a flush, also one that began with a timer or [`Input::Restarted`]. If a handler panics,
//! the endpoint is thrown away and decoded from its last durable bytes; the retry timer that runs for it may go on, or
//! [`Input::Restarted`] arms a new one. Either way the partner says again what was not acknowledged.
//!
//! Rows ("row 5") are the rows of the transition table; each has a test of its name under `tests/`.

mod codec;
mod effects;
mod ending;
mod endpoint;
mod few;
mod frame;
mod ids;
mod input;
mod limits;
mod message;
mod mutant;
mod seldom;
mod stateless;

pub use codec::{
    FrameError, MAX_DETAIL_BYTES, MAX_FRAME_BYTES, MAX_FRAME_MESSAGES, MAX_NAME_BYTES,
};
pub use effects::{Destination, Durability, Effects, Notice, TimerKind, TimerOp};
pub use ending::{Abandoned, Ending, FaultCode};
pub use endpoint::{Carrier, Endpoint, Mode, Peer, SendRefusal, SharedTerms, Spare, Stage};
pub use few::Few;
pub use frame::{Frame, FrameFlags, FrameKind, ResetReason, Window};
pub use ids::{DialogId, EndpointKey, Role, StoreId, Token};
pub use input::{Backlog, Input, LocalItem, LocalOpen, Location};
pub use limits::{Env, Limits, MAX_MESSAGE_BYTES, MAX_WHOLE_BYTES, Timeouts};
pub(crate) use message::body;
pub use message::{ESTABLISHED_HANDLER, Message, MessageKind, Outgoing, handler_id};
pub use mutant::Mutant;
pub(crate) use seldom::{Part, Seldom};
pub use stateless::{refuse, reject};

#[cfg(test)]
mod tests;
