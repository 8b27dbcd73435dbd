//! Application tables under a step: the one table lock, the step's own writes, and the rows beneath.
//!
//! Serializability by early lock release and ordered commit: the first access takes the lock; the shard keeps it until
//! the step has its ticket. So the order of execution is the order of commits, nobody ever sees a row that is rolled
//! back, and with one lock there is no deadlock.

use std::{
    cell::{Ref, RefCell},
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actor_store::{Store, Table, Value, Write};

use crate::dialog::{Row, StepFault, TableAccess};

/// Rows written and not yet committed, by their key in the store; `None` deletes.
pub(crate) type Rows = BTreeMap<Vec<u8>, Option<Arc<[u8]>>>;

/// The table lock as a transaction holds it, with the rows of its finished steps.
#[derive(Debug, Default)]
pub(crate) struct TableTxn<'l> {
    guard: RefCell<Option<MutexGuard<'l, ()>>>,
    pub(crate) rows: RefCell<Rows>,
}

/// What one step sees: its own writes over those of earlier steps of its transaction, over the store.
pub(crate) struct StepTables<'t, 'l> {
    txn: &'t TableTxn<'l>,
    lock: &'l Mutex<()>,
    store: &'t Store,
    declared: &'t [&'static str],
    own: RefCell<Rows>,
}

impl TableTxn<'_> {
    /// Does this transaction hold the table lock?
    pub(crate) fn is_locked(&self) -> bool {
        self.guard.borrow().is_some()
    }
}

/// The tables of a handler that has none.
pub(crate) struct NoTables;

impl TableAccess for NoTables {
    fn get(&self, table: &'static str, _: &[u8]) -> Result<Option<Arc<[u8]>>, StepFault> {
        Err(undeclared(table))
    }

    fn put(&self, table: &'static str, _: Vec<u8>, _: Option<Arc<[u8]>>) -> Result<(), StepFault> {
        Err(undeclared(table))
    }

    fn range(&self, table: &'static str, _: &[u8], _: Bound<&[u8]>) -> Result<Vec<Row>, StepFault> {
        Err(undeclared(table))
    }
}

fn undeclared(table: &str) -> StepFault {
    StepFault::UndeclaredTable {
        table: table.to_owned(),
    }
}

impl<'t, 'l> StepTables<'t, 'l> {
    pub(crate) fn new(
        txn: &'t TableTxn<'l>,
        lock: &'l Mutex<()>,
        store: &'t Store,
        declared: &'t [&'static str],
    ) -> Self {
        Self {
            txn,
            lock,
            store,
            declared,
            own: RefCell::default(),
        }
    }

    /// The step succeeded: its writes become the transaction's.
    pub(crate) fn keep(self) {
        self.txn
            .rows
            .borrow_mut()
            .append(&mut self.own.into_inner());
    }

    fn enter(&self, table: &'static str) -> Result<(), StepFault> {
        if !self.declared.contains(&table) {
            return Err(StepFault::UndeclaredTable {
                table: table.to_owned(),
            });
        }
        let mut guard = self.txn.guard.borrow_mut();
        if guard.is_none() {
            *guard = Some(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(())
    }
}

impl TableAccess for StepTables<'_, '_> {
    fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Arc<[u8]>>, StepFault> {
        self.enter(table)?;
        let key = row_key(table, key);
        let above = |rows: Ref<'_, Rows>| rows.get(&key).cloned();
        if let Some(row) = above(self.own.borrow()).or_else(|| above(self.txn.rows.borrow())) {
            return Ok(row);
        }
        Ok(self
            .store
            .get(Table::App, &key)
            .map_err(StepFault::Store)?
            .map(|value| value.bytes.into()))
    }

    fn put(
        &self,
        table: &'static str,
        key: Vec<u8>,
        value: Option<Arc<[u8]>>,
    ) -> Result<(), StepFault> {
        self.enter(table)?;
        self.own.borrow_mut().insert(row_key(table, &key), value);
        Ok(())
    }

    fn range(
        &self,
        table: &'static str,
        from: &[u8],
        to: Bound<&[u8]>,
    ) -> Result<Vec<Row>, StepFault> {
        self.enter(table)?;
        let (from, to) = table_bounds(table, from, to);
        let stored = self.store.range(
            Table::App,
            &from,
            to.as_ref().map(Vec::as_slice),
            usize::MAX,
        );
        let mut rows: Rows = stored
            .map_err(StepFault::Store)?
            .into_iter()
            .map(|(key, value)| (key, Some(value.bytes.into())))
            .collect();
        for layer in [&self.txn.rows, &self.own] {
            let layer = layer.borrow();
            let changed = layer.range::<Vec<u8>, _>((Bound::Included(&from), to.as_ref()));
            rows.extend(changed.map(|(key, value)| (key.clone(), value.clone())));
        }
        Ok(rows
            .into_iter()
            .filter_map(|(key, value)| Some((key_of(table, &key), value?)))
            .collect())
    }
}

/// The writes of a transaction's steps.
pub(crate) fn writes(rows: Rows) -> impl Iterator<Item = Write> {
    rows.into_iter().map(|(key, value)| Write {
        table: Table::App,
        key: key.into(),
        value: value.map(Value::new),
    })
}

/// A row's key in the store: rows of one table stand together, in the order of their keys.
pub(crate) fn row_key(table: &str, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + table.len() + key.len());
    // At most 255 bytes: `Table::new` checks it.
    bytes.push(table.len() as u8);
    bytes.extend_from_slice(table.as_bytes());
    bytes.extend_from_slice(key);
    bytes
}

/// The application's key in a row's key.
pub(crate) fn key_of(table: &str, key: &[u8]) -> Vec<u8> {
    key.get(1 + table.len()..).unwrap_or_default().to_vec()
}

/// The bounds of a range within one table.
pub(crate) fn table_bounds(
    table: &str,
    from: &[u8],
    to: Bound<&[u8]>,
) -> (Vec<u8>, Bound<Vec<u8>>) {
    let end = match to {
        Bound::Included(key) => Bound::Included(row_key(table, key)),
        Bound::Excluded(key) => Bound::Excluded(row_key(table, key)),
        Bound::Unbounded => {
            // The first key behind the table: its prefix with the last byte raised. A name is UTF-8, so none is 0xff.
            let mut behind = row_key(table, &[]);
            if let Some(last) = behind.last_mut() {
                *last += 1;
            }
            Bound::Excluded(behind)
        }
    };
    (row_key(table, from), end)
}
