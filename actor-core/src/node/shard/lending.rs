//! Lending: which actors are handed to their callers, and when they are taken back.
//!
//! Owns the conditions. Lent is who has nothing to do, nothing to wait for and nothing to hear: a volatile actor whose
//! handle is held by plain code of this process, and of which everything that led to its state is durable. The shard
//! takes it back before it does anything with it.

use std::{collections::VecDeque, sync::Arc};

use super::{LineState, Shard, commands::millis, dossier::Dossier};
use crate::{
    coverage::{self, Rare},
    dialog::Half,
    node::{address::Address, hatch::Lent, record::Owner},
    protocol::{Backlog, Carrier, DialogId, Endpoint, TimerKind},
};

/// Somebody who was answered, and may be at rest.
#[derive(Debug)]
struct Resting {
    line: Arc<LineState>,
    /// The use of its actor that led to the answer: a later one is another rest.
    used: u64,
    /// What it rests on is durable with this, if it is known.
    ticket: Option<u64>,
}

/// Those who may be at rest, oldest first.
#[derive(Debug, Default)]
pub(super) struct AtRest(VecDeque<Resting>);

impl Shard {
    /// A request of plain code was answered.
    pub(super) fn may_rest(&mut self, address: Address) {
        if !self.shared.lends {
            return;
        }
        let (Some(cell), Some(actor)) = (
            self.shelves.endpoint(address),
            self.shelves.actor(address.key.dialog),
        ) else {
            return;
        };
        if cell.record.owner != Owner::Volatile || !actor.is_volatile() {
            return;
        }
        let used = actor.used;
        self.at_rest.0.extend(cell.lines().map(|line| Resting {
            line,
            used,
            ticket: None,
        }));
    }

    /// Lends those who are at rest, once what they did is durable and released.
    pub(super) fn lend_those_at_rest(&mut self) {
        if self.at_rest.0.is_empty() || !self.lot.is_empty() {
            return;
        }
        let (ticket, durable) = self.shared.gate.tickets();
        let fresh = self.at_rest.0.iter_mut().rev();
        for resting in fresh.take_while(|resting| resting.ticket.is_none()) {
            resting.ticket = Some(ticket);
        }
        let is_durable = |resting: &Resting| resting.ticket.is_some_and(|ticket| ticket <= durable);
        while self.at_rest.0.front().is_some_and(is_durable) {
            self.at_rest
                .0
                .pop_front()
                .into_iter()
                .for_each(|resting| self.lend(resting));
        }
    }

    /// The same, where everything up to now is durable. Before it is released: those who are answered may ask at once.
    pub(super) fn lend_before_release(&mut self) {
        while let Some(resting) = self.at_rest.0.pop_front() {
            self.lend(resting);
        }
    }

    /// Would [`Shard::lend_those_at_rest`] look at anybody?
    #[cfg(feature = "test-util")]
    pub(super) fn has_rested(&self) -> bool {
        let Some(oldest) = self.at_rest.0.front() else {
            return false;
        };
        let (_, durable) = self.shared.gate.tickets();
        self.lot.is_empty() && oldest.ticket.is_none_or(|ticket| ticket <= durable)
    }

    fn lend(&mut self, resting: Resting) {
        let Resting { line, used, .. } = resting;
        let address = line.address();
        let dialog = address.key.dialog;
        let target = Address::target(dialog);
        if !self.rests(address, target, used) {
            return;
        }
        let dossier = self.shelves.dossier_mut(dialog);
        let Some((initiator, own, cell)) = dossier.and_then(Dossier::all_mut) else {
            return;
        };
        let (from, to) = (&initiator.record.endpoint, &own.record.endpoint);
        let lent = Lent {
            shared: Arc::clone(&self.shared),
            service: Arc::clone(&cell.service),
            actor: dialog,
            trace: own.record.trace,
            next: (to.recv_next(), from.recv_next()),
            answered: 0,
            #[cfg(feature = "test-util")]
            tokens: (to.token(), from.token()),
            live: cell.live.take(),
            state: std::mem::take(&mut cell.record.state),
            used_ms: None,
        };
        if let Some(lent) = line.hatch().open(lent) {
            (cell.live, cell.record.state) = (lent.live, lent.state);
            return;
        }
        coverage::sometimes(Rare::ActorLent);
        cell.lent = Some(line);
        initiator.is_lent = true;
        own.is_lent = true;
    }

    /// Has this dialog nothing left to do, on either side?
    fn rests(&self, address: Address, target: Address, used: u64) -> bool {
        let (Some(initiator), Some(own), Some(cell)) = (
            self.shelves.endpoint(address),
            self.shelves.endpoint(target),
            self.shelves.actor(target.key.dialog),
        ) else {
            return false;
        };
        let idle = |endpoint: &Endpoint| {
            endpoint.carrier() == Carrier::Local
                && endpoint.goes_on()
                && !endpoint.has_next()
                && endpoint.owed().is_empty()
                && endpoint.unanswered().is_empty()
                && endpoint.backlog() == Backlog::default()
        };
        let (from, to) = (&initiator.record.endpoint, &own.record.endpoint);
        let nothing_under_way =
            from.send_next() == to.recv_next() && to.send_next() == from.recv_next();
        let record = &cell.record;
        cell.used == used
            && cell.is_at_hand()
            && cell.is_volatile()
            && own.is_volatile()
            && idle(from)
            && idle(to)
            && nothing_under_way
            && initiator.aside.waiters.is_empty()
            && initiator.record.awaited.asks.is_empty()
            && own.record.awaited.promised.is_empty()
            && record.duties.work.is_empty()
            && record.duties.children.is_empty()
            && !record.pending
            && !record.ended
            && record.version == cell.service.version(Half::Established)
            && from.contract() == cell.service.spec.contract
            && self.shared.clock.now_ms() >= self.shared.armed_until_ms
            && !self.shared.is_stopping()
    }

    /// What belongs to a dialog is wanted here: its actor comes back, as its callers have left it.
    pub(super) fn take_back(&mut self, dialog: DialogId) {
        let Some(cell) = self.shelves.actor_mut(dialog) else {
            return;
        };
        let Some(line) = cell.lent.take() else {
            return;
        };
        let Some(lent) = line.hatch().close() else {
            return;
        };
        (cell.live, cell.record.state) = (lent.live, lent.state);
        for side in [line.address(), Address::target(dialog)] {
            let Some(cell) = self.shelves.endpoint_mut(side) else {
                continue;
            };
            cell.is_lent = false;
            cell.record.endpoint.passed_by(lent.answered);
            // The one who waits for the next request has heard one then.
            let silence = millis(cell.record.endpoint.timeouts().silence);
            let deadlines = &mut cell.record.deadlines;
            if let (Some(used_ms), Some(until)) = (lent.used_ms, deadlines.get(TimerKind::Silence))
            {
                let until = until.max(used_ms.saturating_add(silence));
                deadlines.set(TimerKind::Silence, until);
            }
        }
    }

    /// Something of this handle has come: what it belongs to is here again, and nothing waits in its way.
    pub(super) fn take_up(&mut self, line: &LineState) {
        if line.hatch().is_open() {
            self.take_back(line.address().key.dialog);
        }
        line.hatch().taken_up();
    }
}

impl Drop for Shard {
    /// No handler runs on anybody's thread when the node is gone, and no handle holds its store open.
    fn drop(&mut self) {
        for cell in self.shelves.actors_mut() {
            if let Some(line) = cell.lent.take() {
                drop(line.hatch().close());
            }
        }
    }
}
