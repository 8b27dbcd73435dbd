//! What the tests of promises share.

pub mod images;
pub mod models;
pub mod mutate;
pub mod samples;
