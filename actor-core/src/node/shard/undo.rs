//! The way back: what a transaction had come to before a handler ran after which it can still fail.
//!
//! Owns what is taken back when a handler fails: everything since then, and nothing that came in before. A copy of what
//! is touched is taken before it changes; in memory, because others may have changed it since it was written.

use std::collections::{BTreeMap, VecDeque};

use super::{
    Shard,
    cells::{Away, EndpointCell},
    touched::Touched,
    txn::Txn,
};
use crate::{
    node::{
        address::Address,
        gate::OutputMark,
        record::{ActorRecord, EndpointRecord, Named, Work},
        when::When,
    },
    protocol::DialogId,
};

/// Where a transaction goes back to.
#[derive(Debug)]
pub(super) struct Undo {
    /// As they were; `None` where there was none.
    endpoints: Vec<(Address, Option<Box<KeptEndpoint>>)>,
    actors: Vec<(DialogId, Option<Box<KeptActor>>)>,
    touched: Touched<Address>,
    touched_actors: Touched<DialogId>,
    dirty: Touched<Address>,
    dirty_actors: Touched<DialogId>,
    work: VecDeque<(DialogId, Work)>,
    output: OutputMark,
    writes: usize,
    consumed: usize,
    local: usize,
    survived: usize,
}

/// What a handler's step may change of an endpoint. Nobody in plain code waits at one that it touches.
#[derive(Debug)]
struct KeptEndpoint {
    record: EndpointRecord,
    rounds: u32,
    named: BTreeMap<String, Named>,
    retry_at: When,
    unwritten: bool,
}

#[derive(Debug)]
struct KeptActor {
    record: ActorRecord,
    away: Option<Away>,
    gone: bool,
}

impl KeptEndpoint {
    fn of(cell: &EndpointCell) -> Box<Self> {
        Box::new(Self {
            record: cell.record.clone(),
            rounds: cell.rounds,
            named: cell.aside.named.clone(),
            retry_at: cell.retry_at,
            unwritten: cell.unwritten,
        })
    }

    fn put_back(self, cell: &mut EndpointCell) {
        cell.record = self.record;
        cell.rounds = self.rounds;
        cell.aside.named = self.named;
        cell.aside.rest();
        cell.retry_at = self.retry_at;
        cell.unwritten = self.unwritten;
    }
}

impl Shard {
    /// From here on the transaction can be taken back.
    pub(super) fn begin_undo(&self, txn: &mut Txn<'_>) {
        txn.done = 0;
        txn.undo = Some(Box::new(Undo {
            endpoints: Vec::new(),
            actors: Vec::new(),
            touched: txn.endpoints.clone(),
            touched_actors: txn.actors.clone(),
            dirty: txn.dirty.clone(),
            dirty_actors: txn.dirty_actors.clone(),
            work: txn.work.clone(),
            output: txn.output.mark(),
            writes: txn.writes.len(),
            consumed: txn.consumed.len(),
            local: txn.local.len(),
            survived: txn.survived.len(),
        }));
        // Touched before already; what is touched first from now on is kept then.
        for at in 0..txn.endpoints.len() {
            let address = txn.endpoints.get(at);
            address
                .into_iter()
                .for_each(|address| self.keep_endpoint(txn, address));
        }
        for at in 0..txn.actors.len() {
            let actor = txn.actors.get(at);
            actor
                .into_iter()
                .for_each(|actor| self.keep_actor(txn, actor));
        }
    }

    /// This transaction is about to change the endpoint, or to create it.
    pub(super) fn touch_endpoint(&self, txn: &mut Txn<'_>, address: Address) {
        if txn.endpoints.insert(address) {
            txn.flushed = false;
            self.keep_endpoint(txn, address);
        }
    }

    /// This transaction is about to change the actor, or to create it.
    pub(super) fn touch_actor(&self, txn: &mut Txn<'_>, actor: DialogId) {
        if txn.actors.insert(actor) {
            self.keep_actor(txn, actor);
        }
    }

    fn keep_endpoint(&self, txn: &mut Txn<'_>, address: Address) {
        if let Some(undo) = &mut txn.undo {
            let kept = self.shelves.endpoint(address).map(KeptEndpoint::of);
            undo.endpoints.push((address, kept));
        }
    }

    fn keep_actor(&self, txn: &mut Txn<'_>, actor: DialogId) {
        if let Some(undo) = &mut txn.undo {
            let kept = self.shelves.actor(actor).map(|cell| {
                Box::new(KeptActor {
                    record: cell.record.clone(),
                    away: cell.away,
                    gone: cell.gone,
                })
            });
            undo.actors.push((actor, kept));
        }
    }

    /// Takes everything back that came of handlers; where nothing did, nothing was kept. What was to be done waits in the
    /// transaction again.
    pub(super) fn undo(&mut self, txn: &mut Txn<'_>) {
        let Some(undo) = txn.undo.take() else {
            return;
        };
        let undo = *undo;
        for (address, kept) in undo.endpoints {
            match (kept, self.shelves.endpoint_mut(address)) {
                (Some(kept), Some(cell)) => {
                    kept.put_back(cell);
                    self.arm_endpoint(address);
                }
                (_, None) => {}
                (None, Some(_)) => self.remove_endpoint(address),
            }
        }
        for (actor, kept) in undo.actors {
            match (kept, self.shelves.actor_mut(actor)) {
                (Some(kept), Some(cell)) => {
                    cell.record = kept.record;
                    cell.away = kept.away;
                    cell.gone = kept.gone;
                    // Decoded again when it is needed: as it is, it may have seen what did not happen.
                    cell.live = None;
                    self.arm_actor(actor);
                }
                (_, None) => {}
                (None, Some(_)) => self.remove_actor(actor),
            }
        }
        txn.endpoints = undo.touched;
        txn.actors = undo.touched_actors;
        txn.dirty = undo.dirty;
        txn.dirty_actors = undo.dirty_actors;
        txn.work = undo.work;
        txn.output.back_to(&undo.output);
        txn.writes.truncate(undo.writes);
        txn.consumed.truncate(undo.consumed);
        txn.local.truncate(undo.local);
        txn.survived.truncate(undo.survived);
        txn.tables = crate::node::tables::TableTxn::default();
        txn.opens.clear();
        txn.broken.clear();
        txn.failed = None;
        txn.flushed = false;
    }
}
