//! Tests of the protocol: one per row of the transition table, the article's walk-through, the other carrier, the
//! codec, and a network of gnomes.

mod article;
mod closing;
mod codec;
mod currency;
mod gnomes;
mod kit;
mod local;
mod rows_established;
mod rows_initiation;
mod traps;
mod world;
