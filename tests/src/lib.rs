//! What the tests of promises share: a simulation of the protocol, models of it, and the gate that `prove` is.

pub mod gnomes;
pub mod models;
pub mod prove;

/// The programs in the page on testing.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
struct Testing;
