//! What is due: retries and deadlines of endpoints, timers and second attempts of actors.
//!
//! Owns the order of deadlines. Entries may be early or stale; the record decides. Deadlines that lapsed while the node
//! was down, or lapse soon after, wait for a grace, so that what the partner said meanwhile is heard first.

use std::sync::atomic::Ordering;

use actor_store::StoreFault;

use super::{
    Shard, Who,
    cells::{Waiter, Waiters},
};
use crate::{
    coverage::{self, Rare},
    dialog::Heard,
    node::{
        address::Address,
        record::{Ask, Work},
        shared::GRACE,
        when::When,
    },
    protocol::{Carrier, DialogId, Input, Mutant, Role, TimerKind},
};

impl Shard {
    /// Notes that `who` wants to be looked at.
    pub(super) fn arm(&mut self, due: u64, who: Who) {
        let armed = match who {
            Who::Endpoint(address) => self
                .shelves
                .endpoint_mut(address)
                .map(|cell| &mut cell.armed),
            Who::Actor(actor) => self.shelves.actor_mut(actor).map(|cell| &mut cell.armed),
        };
        let due = due.min(When::LAST_MS);
        if let Some(armed) = armed {
            if armed.is_by(due) {
                return;
            }
            if let Some(later) = std::mem::replace(armed, When::at(due)).ms() {
                self.due.remove(&(later, who));
            }
        }
        self.due.insert((due, who));
    }

    /// Nobody need look at this endpoint before somebody says so.
    pub(super) fn disarm(&mut self, address: Address) {
        let cell = self.shelves.endpoint_mut(address);
        if let Some(due) = cell.and_then(|cell| cell.armed.take()) {
            self.due.remove(&(due, Who::Endpoint(address)));
        }
    }

    /// When a deadline of this endpoint counts as lapsed: after a start the partners of before are listened to first.
    pub(super) fn patient(&self, opened_ms: u64, deadline: u64) -> u64 {
        let started = self.shared.grace_from_ms.load(Ordering::SeqCst);
        if opened_ms < started && !self.shared.is_mutant(Mutant::ExpireAtBoot) {
            let earliest = started + u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX);
            if deadline < earliest {
                coverage::sometimes(Rare::DeadlineInGrace);
            }
            deadline.max(earliest)
        } else {
            deadline
        }
    }

    /// The clock is not believed, so no deadline ends a dialog.
    pub(super) fn gives_nothing_up(&self) -> bool {
        self.shared.clock.is_held() && !self.shared.is_mutant(Mutant::ExpireAtBoot)
    }

    /// Deadlines count again: everything in memory is looked at anew.
    pub(super) fn rearm(&mut self) {
        let endpoints: Vec<Address> = self.shelves.endpoints().map(|(it, _)| it).collect();
        endpoints
            .into_iter()
            .for_each(|address| self.arm_endpoint(address));
    }

    /// Fires the first entry, which is due.
    pub(super) fn fire(&mut self, now: u64) -> Result<(), StoreFault> {
        let Some((due, who)) = self.due.pop_first() else {
            return Ok(());
        };
        match who {
            Who::Endpoint(address) => self.fire_endpoint(now, due, address),
            Who::Actor(actor) => self.fire_actor(now, due, actor),
        }
    }

    fn fire_endpoint(&mut self, now: u64, due: u64, address: Address) -> Result<(), StoreFault> {
        if !self.ensure_endpoint(address)? {
            self.forget_row(
                due,
                actor_store::Table::Endpoints,
                address.to_bytes().to_vec(),
            );
            return Ok(());
        }
        if self.is_orphan(address)? {
            return Ok(());
        }
        if let Some(item) = self.lost_partner(address) {
            coverage::sometimes(Rare::LocalPartnerLost);
            self.transact(|shard, txn| {
                shard.ensure_endpoint(address)?;
                shard.input(txn, address, Input::Local(item))?;
                shard.consume(txn, address)
            })?;
        }
        let Some(cell) = self.shelves.endpoint_mut(address) else {
            return Ok(());
        };
        if cell.armed == When::at(due) {
            cell.armed = When::NEVER;
        }
        let again = cell.retry_at.is_by(now);
        if again {
            cell.retry_at = When::NEVER;
        }
        let opened_ms = cell.record.opened_ms;
        let endpoint = &cell.record.endpoint;
        // What only waits to be forgotten need not wait for anybody.
        let tombstone = endpoint.ending().is_some();
        // In one store the target decides how long pending work is kept: its answer may be under way to us.
        let decides = endpoint.carrier() == Carrier::Remote || endpoint.role() == Role::Target;
        let deadlines = cell.record.deadlines;
        let lapsed = deadlines.iter().filter_map(|(kind, at)| {
            if !tombstone && self.gives_nothing_up() {
                return None;
            }
            let at = if tombstone {
                at
            } else {
                self.patient(opened_ms, at)
            };
            (at <= now && (decides || kind != TimerKind::Initiation)).then_some(kind)
        });
        let lapsed: Vec<TimerKind> = lapsed.collect();
        if !decides && !self.gives_nothing_up() {
            self.ignore_deadline(address, TimerKind::Initiation, now);
        }
        for kind in lapsed
            .into_iter()
            .chain(again.then_some(TimerKind::Retransmit))
        {
            self.transact(|shard, txn| {
                if !shard.ensure_endpoint(address)? {
                    return Ok(());
                }
                if let Some(cell) = shard.shelves.endpoint_mut(address)
                    && cell.record.deadlines.cancel(kind)
                {
                    txn.dirty.insert(address);
                }
                // What is put off is in the actor's record, and no silence: whoever was read back has not heard of it.
                if address.key.role == Role::Target {
                    shard.ensure_actor(address.key.dialog)?;
                    shard.tell_backlog(txn, address)?;
                }
                shard.input(txn, address, Input::Timer(kind))
            })?;
        }
        self.overdue(address, now)?;
        self.arm_endpoint(address);
        self.dismiss_half_open(address)
    }

    /// Requests whose time has passed: callers and continuations hear it, the dialog goes on.
    fn overdue(&mut self, address: Address, now: u64) -> Result<(), StoreFault> {
        let Some(cell) = self.shelves.endpoint_mut(address) else {
            return Ok(());
        };
        let mut answers = Vec::new();
        let requests: Vec<u64> = cell.aside.waiters.keys().copied().collect();
        for request in requests {
            let outcome = cell.overdue_outcome(request);
            let Some(waiters) = cell.aside.waiters.get_mut(&request) else {
                continue;
            };
            let late = |waiter: &Waiter| waiter.until.is_some_and(|until| until <= now);
            let (gone, left): (Waiters, Waiters) =
                std::mem::take(waiters).into_iter().partition(late);
            *waiters = left;
            let gone = gone.into_iter();
            answers.extend(gone.map(|waiter| (waiter.answer, Heard::Outcome(outcome.clone()))));
            if waiters.is_empty() {
                cell.aside.waiters.remove(&request);
            }
        }
        if !answers.is_empty() {
            let mut txn = self.begin(now);
            txn.output.answers.extend(answers);
            self.commit(txn)?;
        }
        let Some(cell) = self.shelves.endpoint(address) else {
            return Ok(());
        };
        let opened_ms = cell.record.opened_ms;
        let until = |ask: &Ask| ask.until().map(|until| self.patient(opened_ms, until));
        let late: Vec<u64> = cell
            .record
            .awaited
            .asks
            .iter()
            .filter(|(_, ask)| !self.gives_nothing_up() && until(ask).is_some_and(|at| at <= now))
            .map(|(request, _)| *request)
            .collect();
        for request in late {
            self.transact(|shard, txn| {
                shard.ensure_endpoint(address)?;
                let Some(cell) = shard.shelves.endpoint(address) else {
                    return Ok(());
                };
                let outcome = cell.overdue_outcome(request);
                shard.answered(txn, address, request, outcome)
            })?;
        }
        Ok(())
    }

    /// Keeps a deadline that is not ours to decide from firing again and again.
    fn ignore_deadline(&mut self, address: Address, kind: TimerKind, now: u64) {
        if let Some(cell) = self.shelves.endpoint_mut(address)
            && cell.record.deadlines.get(kind).is_some_and(|at| at <= now)
        {
            cell.record.deadlines.cancel(kind);
            cell.unwritten = true;
        }
    }

    fn fire_actor(&mut self, now: u64, due: u64, actor: DialogId) -> Result<(), StoreFault> {
        if !self.ensure_actor(actor)? {
            self.forget_row(
                due,
                actor_store::Table::Actors,
                crate::node::address::actor_key(actor).to_vec(),
            );
            return Ok(());
        }
        let Some(cell) = self.shelves.actor_mut(actor) else {
            return Ok(());
        };
        if cell.armed == When::at(due) {
            cell.armed = When::NEVER;
        }
        if !cell.record.duties.work.is_empty() && cell.record.duties.retry_at <= now {
            self.retry(actor)?;
        }
        let cell = self.shelves.actor(actor);
        let timers = cell.map(|cell| cell.record.duties.timers.iter());
        let lapsed: Vec<u32> = timers
            .into_iter()
            .flatten()
            .filter_map(|(timer, set)| (set.due <= now).then_some(*timer))
            .collect();
        for timer in lapsed {
            self.transact(|shard, txn| {
                if !shard.ensure_actor(actor)? {
                    return Ok(());
                }
                let Some(cell) = shard.shelves.actor_mut(actor) else {
                    return Ok(());
                };
                if let Some(set) = cell.record.duties.timers.remove(&timer) {
                    txn.actors.insert(actor);
                    txn.dirty_actors.insert(actor);
                    txn.work.push_back((
                        actor,
                        Work::Timer {
                            timer,
                            context: set.context,
                        },
                    ));
                }
                Ok(())
            })?;
        }
        self.arm_actor(actor);
        Ok(())
    }

    /// A row of the deadline index led nowhere.
    fn forget_row(&self, time: u64, table: actor_store::Table, key: Vec<u8>) {
        self.shared
            .store
            .forget_index_row(&actor_store::IndexRow { time, table, key });
    }
}
