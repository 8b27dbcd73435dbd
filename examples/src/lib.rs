//! What the examples' tests and checks share: orders to place, and a way to run the built programs.

pub mod program;
pub mod sample;
