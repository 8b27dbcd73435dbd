//! What the tests of promises share.

pub mod images;
