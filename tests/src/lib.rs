//! What the tests of promises share: a simulation of the protocol, and the gate that `prove` is.

pub mod gnomes;
pub mod prove;
