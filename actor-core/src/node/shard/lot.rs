//! What several transactions in a row have changed, handed to the gate as one: a record that all of them changed is
//! encoded once, and a message that came and went inside the shard leaves no row.
//!
//! Owns the time between a transaction and its place in the order of commits. Until a lot is settled nothing of it is seen
//! outside its shard and nothing leaves; a process that dies before has done none of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use actor_store::{Pack, StoreFault, Table, Value, Write};

use super::{
    Delivery, Shard, ShardMsg, cells::EndpointCell, half_open::VOLATILE_BYTES,
    local::put_inbox_row, touched::Touched,
};
use crate::{
    node::{
        address::{Address, actor_key, inbox_key, outbox_key},
        gate::{Cut, Output},
        record::{Owner, encode_into},
    },
    protocol::{DialogId, Few, LocalItem},
};

/// Transactions of one lot.
const MAX_STEPS: u32 = 256;
/// Bytes of rows that a lot may have before it is handed over: their sync must not take much longer than that of a few.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// Writes of a lot of one message, about: its lists need not grow, and the next one may need others.
const FEW: usize = 6;

/// A lot, encoded.
#[derive(Default)]
struct Settled {
    writes: Vec<Write>,
    output: Output,
    steps: u64,
    keys: Vec<Vec<u8>>,
    away: Vec<Delivery>,
}

/// Transactions on their way to the gate.
#[derive(Debug, Default)]
pub(super) struct Lot {
    endpoints: Touched<Address>,
    actors: Touched<DialogId>,
    writes: Vec<Write>,
    bytes: usize,
    /// Said to endpoints of this store and not consumed: rows of the inbox, if it stays like that.
    inbox: BTreeMap<(Address, u64), LocalItem>,
    output: Output,
    /// For other shards, whose steps come behind this lot in the order of commits.
    away: Vec<Delivery>,
    /// Keys that are written with it.
    keys: Vec<Vec<u8>>,
    steps: u32,
}

impl Lot {
    /// As much will come as came last time, and finds room: lists that grow step by step are allocated as often.
    fn make_room(&mut self, endpoints: usize, actors: usize, writes: usize, output: &Output) {
        if writes > FEW {
            self.endpoints.reserve(endpoints);
            self.actors.reserve(actors);
            self.writes.reserve(writes);
            self.output.reserve(output);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps == 0
    }

    #[cfg(all(test, feature = "test-util"))]
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    pub(super) fn is_full(&self) -> bool {
        self.steps >= MAX_STEPS || self.bytes >= MAX_BYTES
    }

    /// Has it changed this endpoint? Its record is not in the store yet.
    pub(super) fn has_endpoint(&self, address: Address) -> bool {
        self.endpoints.contains(address)
    }

    /// Has it changed this actor?
    pub(super) fn has_actor(&self, actor: DialogId) -> bool {
        self.actors.contains(actor)
    }

    /// What is to be let out so far: a transaction adds to it, and gives it back.
    pub(super) fn lend_output(&mut self) -> Output {
        std::mem::take(&mut self.output)
    }

    pub(super) fn take_back(&mut self, output: Output) {
        self.output = output;
    }

    /// This row was consumed. True if it was never written.
    pub(super) fn consume(&mut self, to: Address, seq: u64) -> bool {
        self.inbox.remove(&(to, seq)).is_some()
    }

    /// One more transaction. Its writes are taken, and their list is left.
    pub(super) fn add(
        &mut self,
        endpoints: Touched<Address>,
        actors: Touched<DialogId>,
        writes: &mut Vec<Write>,
        bytes: usize,
    ) {
        self.steps += 1;
        self.bytes += bytes;
        self.endpoints.extend(endpoints);
        self.actors.extend(actors);
        let sizes = writes.iter().map(|write| {
            let value = write.value.as_ref().map_or(0, |value| value.bytes.len());
            write.key.len() + value
        });
        self.bytes += sizes.sum::<usize>();
        self.writes.append(writes);
    }

    pub(super) fn say(&mut self, to: Address, seq: u64, item: LocalItem) {
        self.inbox.insert((to, seq), item);
    }

    /// For other shards, in order.
    pub(super) fn away(&mut self) -> &mut Vec<Delivery> {
        &mut self.away
    }

    /// The row of this key is in the lot.
    pub(super) fn names(&mut self, key: Vec<u8>) {
        self.keys.push(key);
    }
}

impl Shard {
    /// The newest row of a key of this shard.
    pub(super) fn stored(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreFault> {
        match newest_of(&self.lot.writes, table, key) {
            Some(write) => Ok(write.value.clone()),
            None => self.shared.store.get(table, key),
        }
    }

    /// Has anything to hand to the gate?
    #[cfg(feature = "test-util")]
    pub(super) fn is_unsettled(&self) -> bool {
        !self.lot.is_empty()
    }

    /// Hands everything to the gate. From here on it is part of the one order of steps.
    pub(super) fn settle(&mut self) -> Result<(), StoreFault> {
        if self.lot.is_empty() {
            return Ok(());
        }
        let settled = self.take_lot()?;
        let gate = &self.shared.gate;
        let free = gate.submit(settled.writes, settled.output, settled.steps);
        self.follow(settled.keys, settled.away);
        if let Some(output) = free {
            self.lend_before_release();
            self.shared.release(output);
        }
        Ok(())
    }

    /// The same at the end of the work that was begun; if the shard has time, it may get the next cut to commit.
    pub(super) fn settle_last(&mut self, has_time: bool) -> Result<Option<Cut>, StoreFault> {
        let settled = self.take_lot();
        let gate = &self.shared.gate;
        let settled = match settled {
            Ok(settled) => settled,
            Err(fault) => {
                gate.end_work(Vec::new(), Output::default(), 0, false);
                return Err(fault);
            }
        };
        let has_time = has_time && settled.away.is_empty();
        let (free, cut) = gate.end_work(settled.writes, settled.output, settled.steps, has_time);
        self.follow(settled.keys, settled.away);
        if let Some(output) = free {
            self.lend_before_release();
            self.shared.release(output);
        }
        Ok(cut)
    }

    fn take_lot(&mut self) -> Result<Settled, StoreFault> {
        if self.lot.is_empty() {
            return Ok(Settled::default());
        }
        let Lot {
            endpoints,
            actors,
            writes,
            inbox,
            mut output,
            away,
            keys,
            steps,
            ..
        } = std::mem::take(&mut self.lot);
        let touched = (endpoints.len(), actors.len());
        let mut pack = std::mem::take(&mut self.pack);
        pack.begin(writes);
        self.write_endpoints(&mut pack, endpoints)?;
        self.write_actors(&mut pack, actors)?;
        for ((to, _), item) in inbox {
            put_inbox_row(&mut pack, to, &item)?;
        }
        let writes = pack.finish();
        self.pack = pack;
        self.lot
            .make_room(touched.0, touched.1, writes.len(), &output);
        self.shared.let_out_early(&mut output);
        Ok(Settled {
            writes,
            output,
            steps: u64::from(steps),
            keys,
            away,
        })
    }

    /// What comes behind the lot.
    fn follow(&self, keys: Vec<Vec<u8>>, away: Vec<Delivery>) {
        if !keys.is_empty() {
            // Their rows are published: whoever asks for a key finds it there.
            let proposed = self.shared.proposed.lock();
            let mut proposed = proposed.unwrap_or_else(PoisonError::into_inner);
            keys.iter().for_each(|key| _ = proposed.remove(key));
        }
        for delivery in away {
            self.shared
                .post(delivery.to.slot, ShardMsg::Local(delivery));
        }
    }

    fn write_endpoints(
        &mut self,
        pack: &mut Pack,
        endpoints: Touched<Address>,
    ) -> Result<(), StoreFault> {
        for address in endpoints {
            let Some(cell) = self.shelves.endpoint_mut(address) else {
                continue;
            };
            let over = is_over(cell);
            let written = if cell.is_volatile() {
                (!over).then_some(VOLATILE_BYTES as u64)
            } else {
                let table = Table::Endpoints;
                let key = address.to_bytes();
                let mut written = None;
                if over {
                    let (key, value) = (key.into(), None);
                    pack.push(Write { table, key, value });
                } else {
                    let index = cell.record.index(cell.is_busy());
                    let encode = |out: &mut Vec<u8>| encode_into(&cell.record, out);
                    let put = pack.put(table, key, index, encode).map_err(encoding)?;
                    written = Some(put as u64);
                }
                cell.unwritten = false;
                write_bodies(pack, address, cell, over);
                written
            };
            self.count_half_open(address, written);
            if over {
                self.remove_endpoint(address);
            } else {
                self.arm_endpoint(address);
            }
        }
        Ok(())
    }

    fn write_actors(
        &mut self,
        pack: &mut Pack,
        actors: Touched<DialogId>,
    ) -> Result<(), StoreFault> {
        for actor in actors {
            let goes = self.shelves.actor(actor).is_none_or(|cell| cell.gone);
            if !goes && !self.ensure_state(actor)? {
                continue;
            }
            let Some(cell) = self.shelves.actor_mut(actor) else {
                continue;
            };
            cell.record.duties.rest();
            let table = Table::Actors;
            if cell.gone {
                if !cell.is_volatile() {
                    let (key, value) = (actor_key(actor).into(), None);
                    pack.push(Write { table, key, value });
                }
                self.remove_actor(actor);
                continue;
            }
            if !cell.is_volatile() {
                let (record, name) = (&cell.record, cell.service.name());
                let put = pack.put(table, actor_key(actor), record.index(), |out| {
                    record.encode_into(name, out)
                });
                // The state was encoded already; what remains is plain data that always encodes.
                if let Err(cause) = put {
                    tracing::error!(target: "actor_core::node", %actor, %cause, "an actor's record");
                    continue;
                }
                cell.state_is_written();
            }
            self.arm_actor(actor);
        }
        Ok(())
    }

    /// Is a cell among these that goes with its record?
    pub(super) fn any_goes(
        &self,
        endpoints: &Touched<Address>,
        actors: &Touched<DialogId>,
    ) -> bool {
        let mut endpoints = endpoints.iter().filter_map(|it| self.shelves.endpoint(it));
        let mut actors = actors.iter().filter_map(|it| self.shelves.actor(it));
        endpoints.any(is_over) || actors.any(|cell| cell.gone)
    }
}

fn is_over(cell: &EndpointCell) -> bool {
    cell.record.endpoint.fully_over() && cell.record.owner != Owner::Keyed
}

/// The newest of these writes that writes or deletes this row.
pub(super) fn newest_of<'w>(writes: &'w [Write], table: Table, key: &[u8]) -> Option<&'w Write> {
    let mut newest = writes.iter().rev();
    newest.find(|write| write.table == table && *write.key == *key)
}

/// The deletion of a consumed row.
pub(super) fn consumed_row(to: Address, seq: u64) -> Write {
    Write {
        table: Table::Inbox,
        key: inbox_key(to, seq).into(),
        value: None,
    }
}

/// Rows of bodies that the record leaves out: each written once, with the first record that names it, and deleted with
/// the first that does not.
fn write_bodies(pack: &mut Pack, address: Address, cell: &mut EndpointCell, over: bool) {
    if cell.aside.rows.is_empty() && cell.record.endpoint.stowed().next().is_none() {
        return;
    }
    let mut wanted = Few::new();
    for message in cell.record.endpoint.stowed().filter(|_| !over) {
        wanted.insert(message.seq, ());
        if !cell.aside.rows.contains(&message.seq) {
            pack.push(Write {
                table: Table::Outbox,
                key: outbox_key(address, message.seq).into(),
                value: Some(Value::new(Arc::clone(&message.body))),
            });
        }
    }
    for seq in cell.aside.rows.keys().filter(|seq| !wanted.contains(seq)) {
        pack.push(Write {
            table: Table::Outbox,
            key: outbox_key(address, *seq).into(),
            value: None,
        });
    }
    cell.aside.rows = wanted;
    cell.aside.rest();
}

pub(crate) fn encoding(cause: actor_store::codec::CodecError) -> StoreFault {
    StoreFault::Io {
        path: "an endpoint's record".to_owned(),
        cause: cause.to_string(),
    }
}
