//! The running node: who is served, where endpoints live, and how the effects of a message reach disk and wire.
//!
//! A message goes one way: transport -> [`shard`] (route, protocol, handler, effects) -> [`gate`] (one transaction with
//! many others) -> transport. Shards and gate are machines that somebody steps: threads in production ([`shell`]), one
//! loop in tests. Nothing here decides a rule of the protocol.

mod address;
mod builder;
mod census;
mod clock;
mod deadlines;
mod deaths;
#[cfg(feature = "test-util")]
pub mod fuzz;
mod gate;
mod half_open;
mod hatch;
mod held_back;
mod ids;
mod letters;
mod line;
mod listing;
mod logical;
mod mailbox;
mod notes;
mod public;
mod record;
mod registry;
mod shard;
mod shared;
mod shell;
mod stats;
mod tables;
mod view;
mod when;

pub use builder::{NodeBuilder, StartError};
pub use letters::{DeadLetter, Held, LetterError};
pub use listing::DialogInfo;
pub use public::{Node, RetryError, ShutdownError};
pub use stats::Stats;
pub use view::{View, ViewError};

#[cfg(feature = "test-util")]
pub(crate) use address::{Address, actor_key};
pub(crate) use clock::{Clock, MachineClock};
pub(crate) use gate::Cut;
pub(crate) use shard::{Shard, ShardMsg};
pub(crate) use shared::Shared;
#[cfg(all(test, feature = "test-util"))]
pub(crate) use shell::give_way;
#[cfg(feature = "test-util")]
pub(crate) use {
    builder::{Outside, Parts},
    notes::{Note, Ran, What},
    shell::{AHEAD_MS, Committed, SCAN_EVERY_MS, persist, release, scan},
};
