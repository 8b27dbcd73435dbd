//! A consistent view of everything published up to a moment.
//!
//! Owns a share of the generations of that moment and a read transaction of the tables. Never changes,
//! whatever is published, committed or folded later.

use std::ops::Bound;
use std::sync::Arc;

use crate::dialogs::View;
use crate::fault::StoreFault;
use crate::merge;
use crate::overlay::Layers;
use crate::records::Records;
use crate::store::Shared;
use crate::table::{Table, Value};

/// A consistent view of a store. It keeps pages of the file and records in memory from being freed,
/// so hold it for one reading and no longer. It keeps the store open, too.
#[derive(Debug)]
pub struct Snapshot {
    // Before `shared`: the view must close before the database does.
    view: View,
    layers: Layers,
    _shared: Arc<Shared>,
}

impl Snapshot {
    pub(crate) fn new(view: View, layers: Layers, shared: Arc<Shared>) -> Self {
        Self {
            view,
            layers,
            _shared: shared,
        }
    }

    /// The value of a key at the moment of the snapshot.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreFault> {
        let entry = self
            .layers
            .active
            .rows(table)
            .get(key)
            .or_else(|| self.frozen_rows(table)?.get(key));
        match entry {
            Some(entry) => Ok(entry.value.clone()),
            None => self.view.get(table, key),
        }
    }

    /// Keys from `from` on and before `to`, in the order of their bytes, `limit` at most.
    pub fn range(
        &self,
        table: Table,
        from: &[u8],
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, StoreFault> {
        let newer = self.layers.active.rows(table);
        let memory = merge::layered(newer, self.frozen_rows(table), from, to, limit);
        self.view.range(table, memory, from, to, limit)
    }

    fn frozen_rows(&self, table: Table) -> Option<&Records> {
        Some(self.layers.frozen.as_ref()?.generation.rows(table))
    }
}
