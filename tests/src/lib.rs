//! What the tests of promises share: a simulation of the protocol, models of it, every crash of a disk, and the gate that
//! `prove` is.

pub mod gnomes;
pub mod images;
pub mod models;
pub mod mutate;
pub mod prove;
pub mod samples;

/// The programs in the page on testing.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
struct Testing;
