//! Dead letters: what could not be handled, kept with its context for somebody to read.

use actor_store::{StoreFault, Table};
use serde::{Deserialize, Serialize};

use super::Shared;
use crate::protocol::DialogId;

/// A message that was given up, and what was known then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The dialog that ended because of it.
    pub dialog: DialogId,
    /// Its service.
    pub service: String,
    /// What was to be done: which message of which handler.
    pub what: String,
    /// The encoded arguments.
    pub body: Vec<u8>,
    /// The encoded state before it.
    pub state: Vec<u8>,
    /// Why it failed the last time.
    pub why: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up, in milliseconds since the epoch.
    pub at_ms: u64,
}

pub(super) fn list(shared: &Shared) -> Result<Vec<DeadLetter>, StoreFault> {
    let rows = shared.store.range(
        Table::DeadLetters,
        &[],
        std::ops::Bound::Unbounded,
        usize::MAX,
    )?;
    rows.iter()
        .map(|(_, value)| shared.decode(Table::DeadLetters, value))
        .collect()
}
