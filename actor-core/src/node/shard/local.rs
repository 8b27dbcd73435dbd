//! Messages between endpoints of one store: the same engine, another carrier.
//!
//! A message is one row in its receiver's inbox, written with the sender's step and deleted with the receiver's; where
//! one side is volatile there is no row at all. Items come in order and exactly once.

use actor_store::{Index, Pack, StoreFault, Table, Value};
use smallvec::smallvec;

use super::{Delivery, Shard, frames::shortened, txn::Txn};
use crate::{
    node::{
        address::{ADDRESS_BYTES, Address, inbox_key},
        record::{decode, encode_into},
    },
    protocol::{DialogId, Endpoint, FaultCode, Input, LocalItem, LocalOpen, Stage},
};

/// Place of the opening item, before the first message.
const OPEN_SEQ: u64 = 0;

/// The number of its row.
pub(super) fn row_of(item: &LocalItem) -> u64 {
    match item {
        LocalItem::Open(_) => OPEN_SEQ,
        LocalItem::Message(message) => message.seq,
        LocalItem::Fault { seq, .. } => *seq,
    }
}

pub(super) fn put_inbox_row(
    pack: &mut Pack,
    to: Address,
    item: &LocalItem,
) -> Result<(), StoreFault> {
    let key = inbox_key(to, row_of(item));
    let put = pack.put(Table::Inbox, key, Index::default(), |out| {
        encode_into(item, out)
    });
    put.map(drop).map_err(super::lot::encoding)
}

/// The deliveries that a restart finds in the inbox table.
pub(crate) fn deliveries(rows: Vec<(Vec<u8>, Value)>) -> Result<Vec<Delivery>, String> {
    let mut deliveries: Vec<Delivery> = Vec::new();
    for (key, value) in rows {
        let to = key
            .get(..ADDRESS_BYTES)
            .and_then(Address::from_bytes)
            .ok_or("an inbox key is not an address")?;
        let item: LocalItem = decode(&value.bytes)?;
        match deliveries.last_mut() {
            Some(last) if last.to == to => last.items.push(item),
            _ => deliveries.push(Delivery {
                to,
                items: smallvec![item],
                stored: true,
                held_back: true,
            }),
        }
    }
    Ok(deliveries)
}

impl Shard {
    pub(super) fn on_delivery(&mut self, delivery: Delivery) -> Result<(), StoreFault> {
        let Delivery {
            to, items, stored, ..
        } = delivery;
        let mut rest = items.into_iter();
        while let Some(first) = rest.as_slice().first() {
            let opens = matches!(first, LocalItem::Open(_));
            let exists = self.ensure_endpoint(to)?;
            if self.is_orphan(to)? {
                // Their rows stay for the next start.
                return Ok(());
            }
            let count = if self.takes_batch(to, exists, rest.as_slice()) {
                rest.len()
            } else {
                1 + usize::from(opens)
            };
            self.transact(|shard, txn| {
                for item in rest.by_ref().take(count) {
                    shard.take_item(txn, to, item, stored)?;
                    shard.consume(txn, to)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// First messages to pending work are one step, as they are from afar.
    fn takes_batch(&self, to: Address, exists: bool, items: &[LocalItem]) -> bool {
        match items.first() {
            Some(LocalItem::Open(open)) => open.mode == crate::protocol::Mode::Pending,
            _ => {
                exists
                    && self
                        .shelves
                        .endpoint(to)
                        .is_some_and(|cell| cell.record.endpoint.stage() == Stage::Accumulating)
            }
        }
    }

    fn take_item(
        &mut self,
        txn: &mut Txn<'_>,
        to: Address,
        item: LocalItem,
        stored: bool,
    ) -> Result<(), StoreFault> {
        let seq = row_of(&item);
        let exists = self.ensure_endpoint(to)?;
        match item {
            LocalItem::Open(open) if !exists => {
                if stored {
                    txn.consumed.push((to, OPEN_SEQ));
                }
                self.open_target(txn, to, open, stored)
            }
            item @ (LocalItem::Message(_) | LocalItem::Fault { .. }) if exists => {
                let past = self.shelves.endpoint(to).is_some_and(|cell| {
                    let endpoint = &cell.record.endpoint;
                    endpoint.ending().is_some() || seq < endpoint.recv_next()
                });
                let is_fault = matches!(item, LocalItem::Fault { .. });
                self.input(txn, to, Input::Local(item))?;
                // Consumed items delete their own rows; one that comes after the end, or came before, is only in the way.
                if stored && (past || is_fault) {
                    txn.consumed.push((to, seq));
                }
                Ok(())
            }
            // Its receiver has ended and is forgotten, or was opened before: nothing is lost by dropping it.
            _ => {
                if stored {
                    txn.consumed.push((to, seq));
                }
                Ok(())
            }
        }
    }

    fn open_target(
        &mut self,
        txn: &mut Txn<'_>,
        to: Address,
        open: LocalOpen,
        stored: bool,
    ) -> Result<(), StoreFault> {
        let service = self.shared.registry.get(&open.service).cloned();
        let initiator = Address::initiator(open.dialog, open.token.slot());
        // An earlier program may have sent it, with another contract: what of its messages is not understood is held.
        let Some(service) = service.filter(|service| service.spec.mode == open.mode) else {
            // It was served when this was sent: the program has changed over a restart.
            let detail = format!(
                "`{}` is not served any more, or begins in another way",
                open.service
            );
            let fault = LocalItem::Fault {
                seq: 1,
                code: FaultCode::NotServed,
                detail,
            };
            txn.local.push((initiator, fault, stored));
            return Ok(());
        };
        let token = self.shared.mint(to.slot);
        let timeouts = shortened(service.spec.timeouts, open.ttl_ms);
        let trace = DialogId(open.trace);
        let (endpoint, effects) = Endpoint::accept_local(open, token, timeouts, &self.shared.env());
        self.new_target(txn, to, endpoint, &service, trace);
        self.absorb(txn, to, effects)
    }
}
