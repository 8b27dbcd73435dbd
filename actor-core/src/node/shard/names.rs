//! Named requests: what was asked under a name, and what was answered.
//!
//! Owns the rows of names, one each, so that a dialog with many recorded answers does not rewrite them with every
//! message. A volatile dialog keeps its names in memory, like everything else of it.

use std::time::{Duration, UNIX_EPOCH};

use actor_store::{StoreFault, Table, Value, Write};

use super::{Shard, commands::not_sent, txn::Txn};
use crate::{
    dialog::{Knowledge, Never, Outcome},
    node::{
        address::Address,
        record::{Named, encode},
    },
    protocol::Ending,
};

/// The first answer of a keyed dialog is recorded under this name. `.once(..)` cannot take it: its names follow a mark.
const FIRST: &str = "first";

/// Under what a request is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// The opening of a keyed dialog.
    First,
    /// `.once(..)`.
    Once(String),
}

/// What is on record under a name.
pub(super) enum Recorded {
    New,
    /// The request's number, and since when.
    Running(u64, u64),
    Answer(Outcome),
    Conflict,
}

impl Name {
    /// As it stands in a record.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::First => FIRST.to_owned(),
            Self::Once(name) => format!("once {name}"),
        }
    }
}

fn in_doubt(since_ms: u64, attempts: u32) -> Knowledge {
    Knowledge::InDoubt {
        since: Some(UNIX_EPOCH + Duration::from_millis(since_ms)),
        attempts,
    }
}

/// Service names never begin with NUL, so rows of names and rows of keys do not meet.
fn name_key(address: Address, name: &str) -> Vec<u8> {
    let mut key = vec![0];
    key.extend_from_slice(&address.to_bytes());
    key.extend_from_slice(name.as_bytes());
    key
}

impl Shard {
    pub(super) fn recorded(
        &self,
        address: Address,
        name: &str,
        digest: u64,
    ) -> Result<Recorded, StoreFault> {
        let Some(cell) = self.shelves.endpoint(address) else {
            return Ok(Recorded::New);
        };
        let named = if cell.is_volatile() {
            cell.aside.named.get(name).cloned()
        } else {
            self.stored_name(address, name)?
        };
        Ok(match named {
            None => Recorded::New,
            Some(named) if named.digest != digest => Recorded::Conflict,
            Some(Named {
                outcome: Some(outcome),
                ..
            }) => Recorded::Answer(outcome),
            Some(named) if cell.record.awaited.asks.contains(&named.request) => {
                Recorded::Running(named.request, named.since_ms)
            }
            Some(_) => Recorded::Answer(not_sent(cell.record.endpoint.ending())),
        })
    }

    /// What is known of a request that is recorded under a name.
    pub(super) fn knowledge_of(
        &self,
        address: Address,
        name: &str,
    ) -> Result<Knowledge, StoreFault> {
        let cell = self.shelves.endpoint(address);
        let named = match cell.filter(|cell| cell.is_volatile()) {
            Some(cell) => cell.aside.named.get(name).cloned(),
            None => self.stored_name(address, name)?,
        };
        let Some(named) = named else {
            return Ok(Knowledge::NotSent);
        };
        let ending = cell.and_then(|cell| cell.record.endpoint.ending()).cloned();
        let doubt = cell.and_then(|cell| cell.doubt(named.request));
        Ok(match named.outcome {
            Some(Outcome::Ok(_) | Outcome::Err(_)) => Knowledge::Answered,
            Some(Outcome::Abandoned { why, .. }) => Knowledge::Ended(Ending::Abandoned(why)),
            Some(failure) => match failure.into_failure::<Never>().knowledge() {
                // It was said, whatever was lost since.
                Knowledge::InDoubt { attempts, .. } => in_doubt(named.since_ms, attempts),
                known => known,
            },
            None => match (doubt, ending) {
                (Some((since_ms, attempts)), _) => in_doubt(since_ms, attempts),
                (None, Some(ending)) => Knowledge::Ended(ending),
                (None, None) => in_doubt(named.since_ms, 0),
            },
        })
    }

    fn stored_name(&self, address: Address, name: &str) -> Result<Option<Named>, StoreFault> {
        let row = self.stored(Table::Keys, &name_key(address, name))?;
        row.map(|row| self.shared.decode(Table::Keys, &row))
            .transpose()
    }

    /// Records what a named request asked, and later what was answered.
    pub(super) fn record_name(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        name: String,
        named: Named,
    ) -> Result<(), StoreFault> {
        let Some(cell) = self.shelves.endpoint_mut(address) else {
            return Ok(());
        };
        if cell.is_volatile() {
            cell.aside.named.insert(name, named);
            return Ok(());
        }
        let row = encode(&named).map_err(super::lot::encoding)?;
        txn.writes.push(Write {
            table: Table::Keys,
            key: name_key(address, &name).into(),
            value: Some(Value::new(row)),
        });
        Ok(())
    }
}

/// A key is opened anew: what its first dialog recorded as failed is forgotten.
pub(super) fn forget_first(txn: &mut Txn<'_>, address: Address) {
    txn.delete(Table::Keys, name_key(address, FIRST));
}
