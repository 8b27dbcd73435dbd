//! Tests of the protocol: one per row of the transition table, the article's walk-through, the other carrier and the
//! codec. The network of gnomes is `tests/src/gnomes`.

mod article;
mod closing;
mod codec;
mod copies;
mod currency;
mod flow;
mod kit;
mod local;
mod rows_established;
mod rows_initiation;
mod traps;
