//! One transaction in the making: everything one message changes, and what it lets out once that is durable.
//!
//! Owns the passage to the gate. A transaction that is dropped has done nothing.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use actor_store::{StoreFault, Table, Value, Write};

use super::{
    Delivery, Shard, ShardMsg, cells::EndpointCell, half_open::VOLATILE_BYTES, handler::Failed,
};
use crate::{
    dialog::{OpenSpec, Outcome},
    node::{
        Shared,
        address::{Address, actor_key, outbox_key},
        deaths::Running,
        gate::Output,
        record::{Owner, Work},
        tables::{self, TableTxn},
    },
    protocol::{DialogId, Input, LocalItem, Received, Role},
};

/// A transaction of one shard.
#[derive(Default)]
pub(super) struct Txn<'l> {
    pub(super) now: u64,
    /// Touched: flushed at the end, and read again if the transaction is rolled back.
    pub(super) endpoints: BTreeSet<Address>,
    pub(super) actors: BTreeSet<DialogId>,
    /// What touched endpoints had received before.
    pub(super) received: BTreeMap<Address, Received>,
    /// To be written.
    pub(super) dirty: BTreeSet<Address>,
    pub(super) dirty_actors: BTreeSet<DialogId>,
    pub(super) writes: Vec<Write>,
    pub(super) output: Output,
    /// For endpoints of this store, and whether as rows.
    pub(super) local: Vec<(Address, LocalItem, bool)>,
    pub(super) tables: TableTxn<'l>,
    /// For handlers, in order.
    pub(super) work: VecDeque<(DialogId, Work)>,
    /// Partners that a handler named and has not written to yet.
    pub(super) opens: BTreeMap<DialogId, Arc<OpenSpec>>,
    /// Why the step that just ran cannot stand although its handler returned.
    pub(super) failed: Option<Failed>,
    /// The work of the dialog whose handler runs.
    pub(super) trace: DialogId,
    /// Partners to whom a message could not be sent, and why.
    pub(super) broken: BTreeMap<DialogId, Outcome>,
    /// Pieces of work that handlers have done in it.
    pub(super) done: u32,
    /// This is a later attempt at work that failed.
    pub(super) retrying: bool,
    /// Done, or given up: deaths need not be counted any more.
    pub(super) survived: Vec<Running>,
}

impl Txn<'_> {
    pub(super) fn new(now: u64) -> Self {
        Self {
            now,
            ..Self::default()
        }
    }

    pub(super) fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.writes.push(Write {
            table,
            key,
            value: None,
        });
    }
}

/// A message to one side of a dialog goes through here: build, run handlers, commit; or roll back and put off.
pub(super) type Plan<'p> = &'p dyn Fn(&mut Shard, &mut Txn<'_>) -> Result<(), StoreFault>;

impl Shard {
    /// Runs `plan` as one transaction. If a handler fails, everything is rolled back, the plan is played again without
    /// handlers, and their work is kept for a later attempt. True if anything happened.
    pub(super) fn transact(&mut self, plan: Plan<'_>) -> Result<bool, StoreFault> {
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now_ms();
        let mut txn = Txn::new(now);
        plan(self, &mut txn)?;
        if let Some(failed) = self.finish_work(&shared, &mut txn)? {
            let done = txn.done;
            self.forget(&mut txn)?;
            drop(txn);
            txn = Txn::new(now);
            plan(self, &mut txn)?;
            self.put_off(&shared, &mut txn, &failed, done)?;
        }
        self.commit(txn)
    }

    /// Does the work, and what follows from it: a goodbye that goes out with the last answer may end a dialog.
    fn finish_work<'l>(
        &mut self,
        shared: &'l Shared,
        txn: &mut Txn<'l>,
    ) -> Result<Option<Failed>, StoreFault> {
        loop {
            if let Some(failed) = self.work_through(shared, txn)? {
                return Ok(Some(failed));
            }
            self.flush(txn)?;
            if txn.work.is_empty() {
                return Ok(None);
            }
        }
    }

    fn flush(&mut self, txn: &mut Txn<'_>) -> Result<(), StoreFault> {
        let touched: Vec<Address> = txn.endpoints.iter().copied().collect();
        touched.into_iter().try_for_each(|address| {
            self.tell_backlog(txn, address)?;
            self.input(txn, address, Input::Flush)
        })
    }

    /// What an actor has put off, its partner need not add to.
    pub(super) fn tell_backlog(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
    ) -> Result<(), StoreFault> {
        let (Role::Target, Some(actor), Some(cell)) = (
            address.key.role,
            self.actors.get(&address.key.dialog),
            self.endpoints.get(&address),
        ) else {
            return Ok(());
        };
        let backlog = actor.record.backlog();
        if backlog == cell.record.endpoint.backlog() {
            return Ok(());
        }
        self.input(txn, address, Input::Backlog(backlog))
    }

    /// Hands a finished transaction to the gate. True if there was anything in it.
    pub(super) fn commit(&mut self, mut txn: Txn<'_>) -> Result<bool, StoreFault> {
        self.flush(&mut txn)?;
        self.write_endpoints(&mut txn)?;
        self.write_actors(&mut txn);
        for running in std::mem::take(&mut txn.survived) {
            self.deaths.remove(&running);
            txn.writes.push(running.forget());
        }
        let Txn {
            now,
            mut writes,
            mut output,
            local,
            tables,
            ..
        } = txn;
        writes.extend(tables::writes(tables.rows.take()));
        for (to, item, stored) in &local {
            if *stored {
                writes.push(super::local::inbox_row(*to, item)?);
            }
        }
        let mut deliveries = deliveries_of(local);
        if !deliveries.is_empty() && self.shared.holds_back(now, deliveries.len()) {
            output.local = std::mem::take(&mut deliveries);
        }
        let changed = !writes.is_empty() || !output.is_empty() || !deliveries.is_empty();
        if !writes.is_empty() || !output.is_empty() {
            self.shared.let_out_early(&mut output);
            // While the table lock is held: the order of execution is the order of tickets.
            if let Some(output) = self.shared.gate.submit(writes, output) {
                self.shared.release(output);
            }
        }
        drop(tables);
        // After the ticket: the receiver's step comes behind ours in the order of commits.
        for delivery in deliveries {
            self.shared
                .post(delivery.to.slot, ShardMsg::Local(delivery));
        }
        Ok(changed)
    }

    fn write_endpoints(&mut self, txn: &mut Txn<'_>) -> Result<(), StoreFault> {
        for address in std::mem::take(&mut txn.dirty) {
            let Some(cell) = self.endpoints.get_mut(&address) else {
                continue;
            };
            let over = cell.record.endpoint.fully_over() && cell.record.owner != Owner::Keyed;
            let mut written = None;
            if cell.is_volatile() {
                if over {
                    self.memory.drop_endpoint(&address);
                } else {
                    self.memory.keep_endpoint(address, cell);
                    written = Some(VOLATILE_BYTES as u64);
                }
            } else {
                let value = if over {
                    None
                } else {
                    Some(cell.record.value(cell.is_busy()).map_err(encoding)?)
                };
                written = value.as_ref().map(|value| value.bytes.len() as u64);
                txn.writes.push(Write {
                    table: Table::Endpoints,
                    key: address.to_bytes().to_vec(),
                    value,
                });
                cell.unwritten = false;
                write_bodies(&mut txn.writes, address, cell, over);
            }
            self.count_half_open(address, written);
            if over {
                self.remove_endpoint(address);
            } else {
                self.arm_endpoint(address);
            }
        }
        Ok(())
    }

    fn write_actors(&mut self, txn: &mut Txn<'_>) {
        for actor in std::mem::take(&mut txn.dirty_actors) {
            let Some(cell) = self.actors.get(&actor) else {
                continue;
            };
            let key = actor_key(actor);
            if cell.gone {
                if cell.is_volatile() {
                    self.memory.drop_actor(&actor);
                } else {
                    txn.delete(Table::Actors, key);
                }
                self.remove_actor(actor);
                continue;
            }
            if cell.is_volatile() {
                self.memory.keep_actor(actor, &cell.record);
                self.arm_actor(actor);
                continue;
            }
            match cell.record.value() {
                Ok(value) => txn.writes.push(Write {
                    table: Table::Actors,
                    key,
                    value: Some(value),
                }),
                // The state was encoded already; what remains is plain data that always encodes.
                Err(cause) => {
                    tracing::error!(target: "actor_core::node", %actor, %cause, "an actor's record")
                }
            }
            self.arm_actor(actor);
        }
    }
}

/// Rows of bodies that the record leaves out: each written once, with the first record that names it, and deleted with
/// the first that does not.
fn write_bodies(writes: &mut Vec<Write>, address: Address, cell: &mut EndpointCell, over: bool) {
    let mut wanted = BTreeSet::new();
    for message in cell.record.endpoint.stowed().filter(|_| !over) {
        wanted.insert(message.seq);
        if !cell.rows.contains(&message.seq) {
            writes.push(Write {
                table: Table::Outbox,
                key: outbox_key(address, message.seq),
                value: Some(Value::new(Arc::clone(&message.body))),
            });
        }
    }
    for seq in cell.rows.difference(&wanted) {
        writes.push(Write {
            table: Table::Outbox,
            key: outbox_key(address, *seq),
            value: None,
        });
    }
    cell.rows = wanted;
}

pub(crate) fn encoding(cause: actor_store::codec::CodecError) -> StoreFault {
    StoreFault::Io {
        path: "an endpoint's record".to_owned(),
        cause: cause.to_string(),
    }
}

/// Items for one receiver travel together.
fn deliveries_of(local: Vec<(Address, LocalItem, bool)>) -> Vec<Delivery> {
    let mut deliveries: Vec<Delivery> = Vec::new();
    for (to, item, stored) in local {
        match deliveries.last_mut() {
            Some(last) if last.to == to => last.items.push(item),
            _ => deliveries.push(Delivery {
                to,
                items: vec![item],
                stored,
            }),
        }
    }
    deliveries
}
