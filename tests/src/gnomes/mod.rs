//! A network full of gnomes around the production engine: one initiating host, a pool of one to three, thousands of
//! dialogs, all of it from one seed and in virtual time.
//!
//! "A bunch of Machiavellian gnomes who are watching your messages float by so they can interject a copy of a message at
//! precisely the worst time." They lose, repeat, hold back and misroute frames. Hosts crash before a commit and between
//! commit and release, come back from their durable bytes, lose lazy writes, roll back handlers, lose their memory and
//! get an old one restored. What must hold is asserted after each step for the endpoints it touched (`checks.rs`), and
//! when all is over.
//!
//! It has endpoints and no node: whole nodes are in `actor_core::world`. Never reads a clock or asks for randomness.

mod app;
mod checks;
mod dialog;
mod host;
mod network;
mod plan;
mod rng;
mod run;
mod story;
mod tally;
mod world;

pub use plan::{Family, Faults, Plan};
pub use rng::Rng;
pub use run::{Violation, run, words};
pub use tally::{LONG, Tally};
pub use world::World;
