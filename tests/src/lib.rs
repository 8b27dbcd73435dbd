//! What the tests of promises share.

pub mod models;

/// The programs in the page on testing.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
struct Testing;
