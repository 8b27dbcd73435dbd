//! Records that cannot be read: only their dialog suffers.
//!
//! Owns what follows from one damaged record. The store serves everything else; damage of its structure stops the node
//! and never gets here. The dialog ends on both sides, typed, and the log says under which key the record was. An
//! initiator's record stays where it is, so that its key is never opened a second time because the first dialog cannot be
//! read.

use std::ops::Bound;

use actor_store::{StoreFault, Table};
use serde::de::DeserializeOwned;
use tracing::error;

use super::{Shard, ShardMsg, Who};
use crate::{
    coverage::{self, Rare},
    dialog::Outcome,
    node::{
        address::{Address, actor_key},
        record::{Work, decode, is_current},
    },
    protocol::{Abandoned, Carrier, DialogId, FaultCode, Input, LocalItem, Role},
};

/// Endpoints that are looked through at a time.
const PAGE: usize = 1024;

impl Shard {
    /// A record of this shard, or nothing if it is not there or cannot be read.
    pub(super) fn load<T: DeserializeOwned>(
        &mut self,
        table: Table,
        key: &[u8],
        who: Who,
    ) -> Result<Option<(T, usize)>, StoreFault> {
        if self.damaged.contains_key(&who) {
            return Ok(None);
        }
        let store = &self.shared.store;
        // Both ends of a dialog and its actor share a row.
        let read = store.read_beside(table, key, &mut self.beside, |bytes| {
            (decode(bytes), bytes.len(), is_current(bytes))
        });
        let detail = match read {
            Ok(None) => return Ok(None),
            Ok(Some((Ok(record), bytes, _))) => return Ok(Some((record, bytes))),
            // Whole, and of another program: not ours to judge.
            Ok(Some((Err(detail), _, false))) => return Err(self.shared.damaged(table, detail)),
            Ok(Some((Err(detail), ..))) => detail,
            Err(StoreFault::Corrupt { .. }) => "it does not match its checksum".to_owned(),
            Err(fault) => return Err(fault),
        };
        let hex = key
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let what = format!("the record 0x{hex} in table `{table}` is damaged: {detail}");
        error!(target: "actor_core::node", node = %self.shared.name, table = %table, key = %hex, %detail, "a damaged record: its dialog ends");
        coverage::sometimes(Rare::DamagedRecord);
        self.damaged.insert(who, what);
        self.buried.push(who);
        Ok(None)
    }

    /// What a caller hears of a dialog whose record cannot be read.
    pub(super) fn damage_of(&self, address: Address) -> Option<Outcome> {
        let detail = self.damaged.get(&Who::Endpoint(address))?;
        Some(Outcome::Abandoned {
            why: Abandoned::Damaged(detail.clone()),
            in_doubt: true,
        })
    }

    /// Ends the dialogs whose records were found damaged by the last step.
    pub(super) fn bury(&mut self) -> Result<(), StoreFault> {
        while let Some(who) = self.buried.pop() {
            let detail = self.damaged.get(&who).cloned().unwrap_or_default();
            match who {
                Who::Actor(actor) => self.bury_state(actor, detail)?,
                Who::Endpoint(address) => match address.key.role {
                    Role::Target => self.bury_target(address, &detail)?,
                    Role::Initiator => {
                        let partner = Address::target(address.key.dialog);
                        self.tell_partner(partner, detail);
                    }
                },
            }
        }
        Ok(())
    }

    /// Its own endpoint is whole, so the partner hears why.
    fn bury_state(&mut self, actor: DialogId, detail: String) -> Result<(), StoreFault> {
        let own = Address::target(actor);
        self.ensure_endpoint(own)?;
        let mut txn = self.begin(self.shared.clock.now_ms());
        txn.delete(Table::Actors, actor_key(actor));
        self.bury_held(&mut txn, actor)?;
        self.input(&mut txn, own, Input::Abandon(FaultCode::Damaged, detail))?;
        self.commit(txn)?;
        self.damaged.remove(&Who::Actor(actor));
        Ok(())
    }

    /// Its application hears why. A partner elsewhere that says something hears that it is forgotten; one in this store
    /// is looked for.
    fn bury_target(&mut self, address: Address, detail: &str) -> Result<(), StoreFault> {
        let actor = address.key.dialog;
        self.transact(|shard, txn| {
            txn.delete(Table::Endpoints, address.to_bytes().to_vec());
            if shard.ensure_actor(actor)? {
                shard.bury_held(txn, actor)?;
                if let Some(cell) = shard.shelves.actor_mut(actor) {
                    // What waits cannot be answered any more.
                    cell.record.duties.work.clear();
                }
                let why = Abandoned::Damaged(detail.to_owned());
                txn.actors.insert(actor);
                txn.work.push_back((actor, Work::Abandoned(why)));
            }
            Ok(())
        })?;
        self.damaged.remove(&Who::Endpoint(address));
        self.settle()?;
        let mut from = Vec::new();
        loop {
            let page = self
                .shared
                .store
                .range(Table::Endpoints, &from, Bound::Unbounded, PAGE);
            // Another damaged record is in the way: a deadline ends what is not found.
            let Ok(page) = page else { return Ok(()) };
            let addresses = page.iter().filter_map(|(key, _)| Address::from_bytes(key));
            for partner in addresses {
                if partner.key.dialog == actor && partner.key.role == Role::Initiator {
                    self.tell_partner(partner, detail.to_owned());
                }
            }
            match page.into_iter().last() {
                Some((mut last, _)) => {
                    last.push(0);
                    from = last;
                }
                None => return Ok(()),
            }
        }
    }

    fn tell_partner(&self, partner: Address, detail: String) {
        self.shared
            .post(partner.slot, ShardMsg::PartnerDamaged(partner, detail));
    }

    /// The other side of a dialog of this store cannot be read any more.
    pub(super) fn on_partner_damaged(
        &mut self,
        address: Address,
        detail: &str,
    ) -> Result<(), StoreFault> {
        if !self.ensure_endpoint(address)? {
            return Ok(());
        }
        self.transact(|shard, txn| {
            shard.ensure_endpoint(address)?;
            let Some(cell) = shard.shelves.endpoint(address) else {
                return Ok(());
            };
            let endpoint = &cell.record.endpoint;
            if endpoint.carrier() != Carrier::Local || endpoint.ending().is_some() {
                return Ok(());
            }
            let fault = LocalItem::Fault {
                seq: endpoint.recv_next(),
                code: FaultCode::Damaged,
                detail: detail.to_owned(),
            };
            shard.input(txn, address, Input::Local(fault))?;
            shard.consume(txn, address)
        })?;
        Ok(())
    }
}
