//! Frames from other nodes: to the endpoint they name, to a new target, or refused without a trace.

use std::{sync::Arc, time::Duration};

use actor_store::StoreFault;

use super::{Shard, Who, cells::EndpointCell, txn::Txn};
use crate::{
    coverage::{self, Rare},
    dialog::Service,
    node::{
        address::Address,
        record::{EndpointRecord, Owner},
        stats::add,
    },
    protocol::{
        Carrier, Destination, DialogId, Endpoint, FaultCode, Frame, FrameKind, Input, Message,
        Mutant, Role, Stage, Timeouts, Token, refuse, reject,
    },
};

impl Shard {
    pub(super) fn on_frame(&mut self, frame: Frame) -> Result<(), StoreFault> {
        let address = match (frame.to, frame.dst_token) {
            (Role::Target, _) => Address::target(frame.dialog),
            (Role::Initiator, Some(token)) => Address::initiator(frame.dialog, token.slot()),
            // Only a target can be opened.
            (Role::Initiator, None) => return Ok(()),
        };
        if !self.ensure_endpoint(address)? {
            return match frame.dst_token {
                Some(token) if self.shared.is_mutant(Mutant::AmnesiaAccept) => {
                    self.start_over(address, token, &frame)
                }
                Some(_) => self.reply(&frame, reject(&frame)),
                // Nothing begins in the place of something that cannot be read.
                None if self.damaged.contains_key(&Who::Endpoint(address)) => Ok(()),
                None => self.on_opening(address, frame),
            };
        }
        if self.is_orphan(address)? {
            return Ok(());
        }
        self.transact(|shard, txn| {
            shard.input(txn, address, Input::Frame(frame))?;
            shard.consume(txn, address)
        })?;
        self.consume_rest(address)?;
        self.dismiss_half_open(address)
    }

    /// Its actor is of a service that this program does not serve: messages and answers for it are left to be said
    /// again, to a program that does, and its deadlines wait as well.
    pub(super) fn is_orphan(&mut self, address: Address) -> Result<bool, StoreFault> {
        let Some(cell) = self.shelves.endpoint(address) else {
            return Ok(false);
        };
        if cell.record.endpoint.ending().is_some() {
            return Ok(false);
        }
        let actor = match cell.record.owner {
            Owner::Target => address.key.dialog,
            Owner::Child(parent) => parent,
            // Opened in this store, whose program no longer serves the other side.
            Owner::Keyed | Owner::Volatile => {
                let endpoint = &cell.record.endpoint;
                let served = self.shared.registry.get(endpoint.service()).is_some();
                return Ok(endpoint.carrier() == Carrier::Local && !served);
            }
        };
        // Where the actor is at home here, it is served; otherwise it may be gone or waiting for its service.
        if self.ensure_actor(actor)? || self.shelves.actor(actor).is_some() {
            return Ok(false);
        }
        let key = crate::node::address::actor_key(actor);
        if self.damaged.contains_key(&Who::Actor(actor)) {
            return Ok(false);
        }
        Ok(self
            .shared
            .store
            .get(actor_store::Table::Actors, &key)?
            .is_some())
    }

    /// Pending work is consumed as a batch: all of it or nothing is answered. Established messages go one by one, each
    /// its own transaction.
    pub(super) fn consume(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
    ) -> Result<(), StoreFault> {
        loop {
            let Some(cell) = self.shelves.endpoint(address) else {
                return Ok(());
            };
            let batch = cell.record.endpoint.stage() == Stage::Accumulating;
            let before = cell.record.endpoint.recv_next();
            self.input(txn, address, Input::Consume)?;
            let moved = self
                .shelves
                .endpoint(address)
                .is_some_and(|cell| cell.record.endpoint.recv_next() != before);
            if !batch || !moved {
                return Ok(());
            }
        }
    }

    fn consume_rest(&mut self, address: Address) -> Result<(), StoreFault> {
        let has_next = |shard: &Self| {
            let cell = shard.shelves.endpoint(address);
            cell.is_some_and(|cell| cell.record.endpoint.has_next())
        };
        while has_next(self)
            && self.transact(|shard, txn| shard.input(txn, address, Input::Consume))?
        {}
        Ok(())
    }

    fn on_opening(&mut self, address: Address, frame: Frame) -> Result<(), StoreFault> {
        let Some(service) = self.shared.registry.get(&frame.service).cloned() else {
            coverage::sometimes(Rare::OpeningNotServed);
            let detail = format!(
                "`{}` is not served by `{}`",
                frame.service, self.shared.name
            );
            return self.reply(&frame, Some(refuse(&frame, FaultCode::NotServed, detail)));
        };
        let unknown = |message: &Message| !service.spec.understands(message);
        if !service.spec.admits(frame.contract) || frame.messages.iter().any(unknown) {
            let detail = format!(
                "`{}` has other messages on `{}`, {:#018x}, than where it was opened, {:#018x}; if all of those are understood \
                 there, add `accepts({:#018x})`",
                frame.service,
                self.shared.name,
                service.spec.contract,
                frame.contract,
                frame.contract
            );
            return self.reply(
                &frame,
                Some(refuse(&frame, FaultCode::Incompatible, detail)),
            );
        }
        if let Some(refusal) = self.refuse_flood(&frame) {
            return self.reply(&frame, Some(refusal));
        }
        self.accept(address, self.shared.mint(address.slot), frame, &service)
    }

    /// A wrong rule: whoever is not known here begins anew, under the token that it was called by.
    fn start_over(
        &mut self,
        address: Address,
        token: Token,
        frame: &Frame,
    ) -> Result<(), StoreFault> {
        let is_for_us = frame.to == Role::Target && frame.kind == FrameKind::Data;
        let shared = Arc::clone(&self.shared);
        let mut services = shared.registry.all();
        let Some(service) =
            services.find(|service| is_for_us && service.spec.contract == frame.contract)
        else {
            return self.reply(frame, reject(frame));
        };
        let opening = Frame {
            dst_token: None,
            ..frame.clone()
        };
        self.accept(address, token, opening, service)?;
        self.on_frame(frame.clone())
    }

    fn accept(
        &mut self,
        address: Address,
        token: Token,
        frame: Frame,
        service: &Arc<Service>,
    ) -> Result<(), StoreFault> {
        self.transact(|shard, txn| {
            let (timeouts, trace) = (
                shortened(service.spec.timeouts, frame.ttl_ms),
                DialogId(frame.trace),
            );
            let (endpoint, effects) = Endpoint::accept(
                frame,
                token,
                service.spec.mode,
                timeouts,
                &shard.shared.env(),
            );
            shard.new_target(txn, address, endpoint, service, trace);
            shard.absorb(txn, address, effects)?;
            shard.consume(txn, address)
        })?;
        self.consume_rest(address)?;
        self.dismiss_half_open(address)
    }

    /// The record of a new target and of its actor, which starts as pending work.
    pub(super) fn new_target(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        endpoint: Endpoint,
        service: &Arc<Service>,
        trace: DialogId,
    ) {
        let used = self.next_use();
        let mut record = EndpointRecord::new(endpoint, Owner::Target, trace, txn.now);
        self.terms.share(&mut record.endpoint);
        let mut cell = EndpointCell::new(record, used);
        cell.memory_only = service.spec.is_volatile();
        self.shelves.insert_endpoint(address, Box::new(cell));
        self.new_actor(txn, address.key.dialog, service);
    }

    /// An answer to a frame that touches no record; it still queues behind what this node has not committed yet.
    fn reply(&mut self, frame: &Frame, answer: Option<Frame>) -> Result<(), StoreFault> {
        let Some(answer) = answer else { return Ok(()) };
        add(&self.shared.counters.resets_sent, 1);
        let to = Destination::Store {
            store: frame.src_store,
            node: frame.src_node.clone(),
        };
        let mut txn = self.begin(self.shared.clock.now_ms());
        txn.output.frames.push((to, answer));
        self.commit(txn).map(drop)
    }
}

/// A dialog lasts no longer than its initiator says it may.
pub(super) fn shortened(timeouts: Timeouts, ttl_ms: u64) -> Timeouts {
    if ttl_ms == 0 {
        return timeouts;
    }
    let left = Duration::from_millis(ttl_ms);
    Timeouts {
        initiation: timeouts.initiation.min(left),
        lifetime: timeouts.lifetime.min(left),
        ..timeouts
    }
}
