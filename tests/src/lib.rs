//! What the tests of promises share: a simulation of the protocol.

pub mod gnomes;
