//! Named requests: what was asked under a name, and what was answered.
//!
//! Owns the rows of names, one each, so that a dialog with many recorded answers does not rewrite them with every
//! message. A volatile dialog keeps its names in memory, like everything else of it.

use actor_store::{StoreFault, Table, Value, Write};

use super::{Shard, commands::not_sent, txn::Txn};
use crate::{
    dialog::Outcome,
    node::{
        address::Address,
        record::{Named, encode},
    },
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
    Running(u64),
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
        let Some(cell) = self.endpoints.get(&address) else {
            return Ok(Recorded::New);
        };
        let named = if cell.is_volatile() {
            cell.named.get(name).cloned()
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
            Some(named) if cell.record.asks.contains_key(&named.request) => {
                Recorded::Running(named.request)
            }
            Some(_) => Recorded::Answer(not_sent(cell.record.endpoint.ending())),
        })
    }

    fn stored_name(&self, address: Address, name: &str) -> Result<Option<Named>, StoreFault> {
        let row = self
            .shared
            .store
            .get(Table::Keys, &name_key(address, name))?;
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
        let Some(cell) = self.endpoints.get_mut(&address) else {
            return Ok(());
        };
        if cell.is_volatile() {
            cell.named.insert(name, named);
            return Ok(());
        }
        let row = encode(&named).map_err(super::txn::encoding)?;
        txn.writes.push(Write {
            table: Table::Keys,
            key: name_key(address, &name),
            value: Some(Value::new(row)),
        });
        Ok(())
    }
}

/// A key is opened anew: what its first dialog recorded as failed is forgotten.
pub(super) fn forget_first(txn: &mut Txn<'_>, address: Address) {
    txn.delete(Table::Keys, name_key(address, FIRST));
}
