//! One transaction in the making: everything one message changes, and what it lets out once that is durable.
//!
//! Owns the way from a message through its handlers to the lot. A transaction that is dropped has done nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use actor_store::{Key, StoreFault, Table, Write};
use smallvec::{SmallVec, smallvec};

use super::{
    Delivery, Shard, cells::ActorCell, handler::Failed, local::row_of, lot::consumed_row,
    touched::Touched, undo::Undo,
};
use crate::{
    dialog::{OpenSpec, Outcome},
    node::{
        Shared,
        address::Address,
        deaths::Running,
        gate::Output,
        record::Work,
        tables::{self, TableTxn},
    },
    protocol::{DialogId, Input, LocalItem, Role},
};

/// A transaction of one shard.
#[derive(Default)]
pub(super) struct Txn<'l> {
    pub(super) now: u64,
    /// Touched: flushed at the end.
    pub(super) endpoints: Touched<Address>,
    pub(super) actors: Touched<DialogId>,
    /// Nothing was put in since everything was flushed.
    pub(super) flushed: bool,
    /// To be written.
    pub(super) dirty: Touched<Address>,
    pub(super) dirty_actors: Touched<DialogId>,
    pub(super) writes: Vec<Write>,
    /// Rows of the inbox.
    pub(super) consumed: SmallVec<[(Address, u64); 2]>,
    /// What the lot lets out, and behind it what this transaction does.
    pub(super) output: Output,
    before: usize,
    /// Bytes that it adds to records and rows, about: what is said, and what is kept for later.
    pub(super) bytes: usize,
    /// For endpoints of this store, and whether as rows.
    pub(super) local: SmallVec<[(Address, LocalItem, bool); 1]>,
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
    /// Where it goes back to if a handler fails.
    pub(super) undo: Option<Box<Undo>>,
}

impl Txn<'_> {
    pub(super) fn delete(&mut self, table: Table, key: impl Into<Key>) {
        self.writes.push(Write {
            table,
            key: key.into(),
            value: None,
        });
    }
}

impl Shard {
    /// A transaction, which [`Self::commit`] ends. Its output goes behind that of the lot.
    pub(super) fn begin<'l>(&mut self, now: u64) -> Txn<'l> {
        let output = self.lot.lend_output();
        Txn {
            now,
            before: output.len(),
            output,
            work: std::mem::take(&mut self.spare_work),
            writes: std::mem::take(&mut self.spare_writes),
            ..Txn::default()
        }
    }

    /// Runs `plan` and then the handlers of what it took in, as one transaction. If a handler fails, everything since the
    /// plan is taken back, and its work is kept for a later attempt. True if anything happened.
    pub(super) fn transact(
        &mut self,
        plan: impl FnOnce(&mut Self, &mut Txn<'_>) -> Result<(), StoreFault>,
    ) -> Result<bool, StoreFault> {
        let shared = Arc::clone(&self.shared);
        let mut txn = self.begin(shared.clock.now_ms());
        plan(self, &mut txn)?;
        if txn.work.is_empty() {
            self.flush(&mut txn)?;
        }
        while let Some(failed) = self.finish_work(&shared, &mut txn)? {
            let done = txn.done;
            self.undo(&mut txn);
            self.put_off(&shared, &mut txn, &failed, done)?;
            // What is kept is flushed, and what follows from that waits behind what was put off.
            txn.undo = None;
            txn.retrying = false;
        }
        txn.undo = None;
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
        while !std::mem::replace(&mut txn.flushed, true) {
            let mut at = 0;
            while let Some(address) = txn.endpoints.get(at) {
                self.tell_backlog(txn, address)?;
                self.input(txn, address, Input::Flush)?;
                at += 1;
            }
        }
        Ok(())
    }

    /// What an actor has put off, its partner need not add to.
    pub(super) fn tell_backlog(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
    ) -> Result<(), StoreFault> {
        let (Role::Target, Some(actor), Some(cell)) = (
            address.key.role,
            self.shelves.actor(address.key.dialog),
            self.shelves.endpoint(address),
        ) else {
            return Ok(());
        };
        let backlog = actor.record.backlog();
        if backlog == cell.record.endpoint.backlog() {
            return Ok(());
        }
        self.input(txn, address, Input::Backlog(backlog))
    }

    /// Adds a finished transaction to the lot. True if there was anything in it.
    pub(super) fn commit(&mut self, mut txn: Txn<'_>) -> Result<bool, StoreFault> {
        self.flush(&mut txn)?;
        for running in std::mem::take(&mut txn.survived) {
            self.deaths.remove(&running);
            txn.writes.push(running.forget());
        }
        let Txn {
            now,
            dirty,
            dirty_actors,
            mut writes,
            consumed,
            mut output,
            before,
            bytes,
            local,
            work,
            tables,
            ..
        } = txn;
        for (to, seq) in consumed {
            if !self.lot.consume(to, seq) {
                writes.push(consumed_row(to, seq));
            }
        }
        writes.extend(tables::writes(tables.rows.take()));
        for (to, item, stored) in &local {
            if *stored {
                self.lot.say(*to, row_of(item), item.clone());
            }
        }
        self.spare_work = work;
        self.spare_work.clear();
        let (near, away, held) = (self.near.len(), self.lot.away().len(), output.local.len());
        let changed = !(writes.is_empty()
            && output.len() == before
            && local.is_empty()
            && dirty.is_empty()
            && dirty_actors.is_empty());
        for (to, item, stored) in local {
            let is_near = self.shared.is_home(to.slot, self.index);
            let holds = self.shared.holds_back(to, now);
            // Items of one step for one receiver travel together.
            let last = if holds {
                output.local[held..].last_mut()
            } else if is_near {
                self.near.range_mut(near..).next_back()
            } else {
                self.lot.away()[away..].last_mut()
            };
            match last {
                Some(last) if last.to == to => last.items.push(item),
                _ => {
                    let delivery = Delivery {
                        to,
                        items: smallvec![item],
                        stored,
                        held_back: holds,
                    };
                    if holds {
                        self.shared.held_back.add(to);
                        output.local.push(delivery);
                    } else if is_near {
                        self.near.push_back(delivery);
                    } else {
                        self.lot.away().push(delivery);
                    }
                }
            }
        }
        self.lot.take_back(output);
        if !changed {
            self.spare_writes = writes;
            return Ok(false);
        }
        self.estimate_half_open(&dirty);
        // What goes must not be found by the next message.
        let goes = self.any_goes(&dirty, &dirty_actors) || writes.iter().any(ends_a_record);
        let states = dirty_actors.iter().filter_map(|it| self.shelves.actor(it));
        let states: usize = states.map(ActorCell::state_len).sum();
        self.lot
            .add(dirty, dirty_actors, &mut writes, bytes + states);
        self.spare_writes = writes;
        // While the table lock is held: the order of execution is the order of tickets.
        if goes || tables.is_locked() || self.lot.is_full() {
            self.settle()?;
        }
        drop(tables);
        Ok(true)
    }
}

/// A record is deleted whose cell is gone: the next lookup must not find the one that is stored.
fn ends_a_record(write: &Write) -> bool {
    write.value.is_none() && matches!(write.table, Table::Endpoints | Table::Actors)
}
