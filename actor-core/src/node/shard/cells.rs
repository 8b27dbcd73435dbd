//! The shard's memory: decoded records in use, read back when needed, dropped when idle.
//!
//! Owns loading, creating and eviction. The store always has the newest published record, so a cell can be dropped at
//! any time between transactions and read back; only volatile endpoints live here alone.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, LazyLock, Weak},
};

use actor_store::{StoreFault, Table};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::{LineState, Shard, Who};
use crate::{
    coverage::{self, Rare},
    dialog::{Actor, Heard, Outcome, Service},
    node::{
        address::{Address, actor_key, outbox_key},
        record::{ActorRecord, ActorRow, EndpointRecord, Named, Owner},
        shell::SCAN_EVERY_MS,
        when::When,
    },
    protocol::{Abandoned, Carrier, DialogId, FaultCode, Few, Input, LocalItem, Part, Seldom},
};

/// Cells a shard keeps before it drops those that were not used for long.
pub(super) const MAX_CELLS: usize = 16_384;

/// An endpoint that says something again so soon is in the middle of an exchange: what was put into frames is known in
/// memory only, and dropping it would cost a retry for each message.
const TALKING_MS: u64 = 1000;

/// A caller in plain code, and until when it waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) answer: oneshot::Sender<Heard>,
    pub(super) until: Option<u64>,
}

/// Those who wait for one request: mostly one.
pub(super) type Waiters = SmallVec<[Waiter; 1]>;

/// An endpoint in memory.
pub(super) struct EndpointCell {
    pub(super) record: EndpointRecord,
    pub(super) aside: Seldom<Aside>,
    /// How often something was said again since this cell is in memory.
    pub(super) rounds: u32,
    /// When to say again what was not acknowledged.
    pub(super) retry_at: When,
    /// This cell's entry among the shard's deadlines.
    pub(super) armed: When,
    /// Something changed that need not be durable yet.
    pub(super) unwritten: bool,
    /// It has no record in the store.
    pub(super) memory_only: bool,
    /// The actor of its dialog is lent.
    pub(super) is_lent: bool,
    pub(super) used: u64,
}

/// What an endpoint at rest mostly has nothing of: callers and handles in plain code, and rows beside its record.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Callers that wait for an answer, by request.
    pub(super) waiters: Few<u64, Waiters>,
    /// Named requests of a volatile dialog.
    pub(super) named: BTreeMap<String, Named>,
    /// Handles that are told what is known.
    lines: SmallVec<[Weak<LineState>; 2]>,
    /// Messages of its outbox whose bodies lie in rows of their own.
    pub(super) rows: Few<u64>,
}

impl Part for Aside {
    fn empty() -> &'static Self {
        static EMPTY: LazyLock<Aside> = LazyLock::new(Aside::default);
        &EMPTY
    }

    fn is_empty(&self) -> bool {
        self.waiters.is_empty()
            && self.named.is_empty()
            && self.lines.is_empty()
            && self.rows.is_empty()
    }
}

/// How many bytes of a state lie in the store alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Away(NonZeroU32);

impl Away {
    fn of(bytes: usize) -> Option<Self> {
        let more = u32::try_from(bytes).ok()?.checked_add(1)?;
        NonZeroU32::new(more).map(Self)
    }

    fn bytes(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// An actor in memory.
pub(super) struct ActorCell {
    pub(super) service: Arc<Service>,
    pub(super) record: ActorRecord,
    /// Decoded when needed; dropped to roll a step back.
    pub(super) live: Option<Box<dyn Actor>>,
    /// The bytes of its state lie in the store alone, so many of them: they are wanted again where `live` is not there, or
    /// is to be written as it was.
    pub(super) away: Option<Away>,
    /// Whose callers have its state, if they do: it is in neither `live` nor the record then.
    pub(super) lent: Option<Arc<LineState>>,
    /// The last handler changed the state. One that only read had to have its bytes brought back, and so may the next.
    pub(super) wrote: bool,
    pub(super) armed: When,
    pub(super) used: u64,
    /// Its record is to be deleted.
    pub(super) gone: bool,
    /// It has no record in the store. One that was stored before its dialog became volatile keeps its record.
    pub(super) memory_only: bool,
}

impl ActorCell {
    pub(super) fn new(service: Arc<Service>, record: ActorRecord, used: u64) -> Self {
        Self {
            service,
            record,
            live: None,
            away: None,
            lent: None,
            wrote: false,
            armed: When::NEVER,
            used,
            gone: false,
            memory_only: false,
        }
    }

    pub(super) fn is_volatile(&self) -> bool {
        self.memory_only
    }

    /// Neither lent nor over.
    pub(super) fn is_at_hand(&self) -> bool {
        self.lent.is_none() && !self.gone
    }

    /// Bytes of its state, wherever they lie.
    pub(super) fn state_len(&self) -> usize {
        self.away.map_or(self.record.state.len(), Away::bytes)
    }

    /// Its record is handed over to be written: while it is decoded here, its bytes need not lie here as well.
    pub(super) fn state_is_written(&mut self) {
        if self.wrote && self.live.is_some() && !self.record.pending && self.away.is_none() {
            let state = std::mem::take(&mut self.record.state);
            self.away = Away::of(state.len());
        }
    }
}

impl EndpointCell {
    pub(super) fn new(record: EndpointRecord, used: u64) -> Self {
        Self {
            memory_only: record.owner == Owner::Volatile,
            record,
            aside: Seldom::default(),
            rounds: 0,
            retry_at: When::NEVER,
            armed: When::NEVER,
            unwritten: false,
            is_lent: false,
            used,
        }
    }

    /// Where it lives.
    pub(super) fn address(&self) -> Address {
        let endpoint = &self.record.endpoint;
        Address {
            slot: endpoint.token().slot(),
            key: endpoint.key(),
        }
    }

    /// When a caller or a continuation has waited long enough, at the earliest.
    fn overdue_at(&self) -> Option<u64> {
        let callers = self.aside.waiters.values().flatten();
        callers.filter_map(|waiter| waiter.until).min()
    }

    /// What is known of a request that is not answered.
    pub(super) fn doubt(&self, request: u64) -> Option<(u64, u32)> {
        let ask = self.record.awaited.asks.get(&request)?;
        Some((
            ask.since_ms,
            1 + self.rounds - ask.rounds_before.min(self.rounds),
        ))
    }

    /// What is heard of a request whose time has passed.
    pub(super) fn overdue_outcome(&self, request: u64) -> Outcome {
        let (since_ms, attempts) = self.doubt(request).unwrap_or_default();
        Outcome::Overdue { since_ms, attempts }
    }

    pub(super) fn is_volatile(&self) -> bool {
        self.memory_only
    }

    /// Lives in memory alone and has something left to do. An ended volatile dialog that nobody must be told of is not
    /// missed: a late frame for it hears that it is unknown.
    pub(super) fn is_needed(&self) -> bool {
        self.is_volatile() && (self.record.endpoint.ending().is_none() || self.retry_at.is_set())
    }

    /// Has put something off that is to be written sometime.
    pub(super) fn is_late(&self) -> bool {
        self.unwritten && !self.is_volatile()
    }

    /// Says something again soon: reading it back would begin its patience anew.
    pub(super) fn is_talking(&self, now: u64) -> bool {
        self.retry_at.is_by(now + TALKING_MS)
    }

    /// Tells this handle from now on.
    fn attach(&mut self, line: &Arc<LineState>) {
        let lines = &mut self.aside.lines;
        lines.retain(|known| known.strong_count() > 0);
        if !lines
            .iter()
            .any(|known| known.as_ptr() == Arc::as_ptr(line))
        {
            lines.push(Arc::downgrade(line));
        }
    }

    /// Forgets handles that are held no more, which take memory for as long as they are known.
    fn detach(&mut self) {
        if let Some(aside) = self.aside.stored() {
            aside.lines.retain(|known| known.strong_count() > 0);
        }
        self.aside.rest();
    }

    /// The handles that are still held.
    pub(super) fn lines(&self) -> impl Iterator<Item = Arc<LineState>> {
        self.aside.lines.iter().filter_map(Weak::upgrade)
    }

    /// Must be looked at when the node starts again: it has something to say, or its partner died with the process.
    pub(super) fn is_busy(&self) -> bool {
        let endpoint = &self.record.endpoint;
        let mortal = endpoint.carrier() == Carrier::Local && endpoint.volatile_partner().is_some();
        self.retry_at.is_set() || (mortal && endpoint.ending().is_none())
    }

    /// Rows between this endpoint and its partner in the same store lie in the inbox table: neither is volatile.
    pub(super) fn stores_rows(&self) -> bool {
        !self.is_volatile() && self.record.endpoint.volatile_partner().is_none()
    }
}

/// So far off that the index of deadlines is looked at before.
pub(super) fn is_far(due: u64, now: u64) -> bool {
    due > now + 3 * SCAN_EVERY_MS
}

/// Dialogs whose handles are looked after.
const ATTACHED: usize = 64;

impl Shard {
    /// Tells this handle of its dialog from now on. Some dialogs later it is looked whether it is still held.
    pub(super) fn attach(&mut self, line: &Arc<LineState>) {
        let address = line.address();
        let Some(cell) = self.shelves.endpoint_mut(address) else {
            return;
        };
        cell.attach(line);
        if self.attached.back() == Some(&address) {
            return;
        }
        self.attached.push_back(address);
        if self.attached.len() > ATTACHED
            && let Some(earlier) = self.attached.pop_front()
            && let Some(cell) = self.shelves.endpoint_mut(earlier)
        {
            cell.detach();
        }
    }

    pub(super) fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    /// Brings the endpoint into memory. False if there is none.
    pub(super) fn ensure_endpoint(&mut self, address: Address) -> Result<bool, StoreFault> {
        let used = self.next_use();
        if let Some(cell) = self.shelves.endpoint_mut(address) {
            cell.used = used;
            if cell.is_lent {
                self.take_back(address.key.dialog);
            }
            return Ok(true);
        }
        let key = address.to_bytes();
        let who = Who::Endpoint(address);
        let Some((mut record, bytes)) = self.load::<EndpointRecord>(Table::Endpoints, &key, who)?
        else {
            return Ok(false);
        };
        self.terms.share(&mut record.endpoint);
        let mut cell = EndpointCell::new(record, used);
        self.unstow(address, &mut cell)?;
        cell.record.endpoint.lend(&mut self.spare);
        let effects = cell
            .record
            .endpoint
            .step(Input::Restarted, &self.shared.env());
        cell.record.endpoint.rest(&mut self.spare);
        self.shelves.insert_endpoint(address, Box::new(cell));
        self.recount_half_open(address, bytes as u64);
        self.apply_timers(address, &effects.timers);
        self.arm_endpoint(address);
        Ok(true)
    }

    /// Bodies that the record leaves out.
    fn unstow(&self, address: Address, cell: &mut EndpointCell) -> Result<(), StoreFault> {
        let endpoint = &mut cell.record.endpoint;
        if endpoint.stowed().next().is_none() {
            return Ok(());
        }
        cell.aside.rows = endpoint.stowed().map(|message| (message.seq, ())).collect();
        for seq in cell.aside.rows.keys() {
            let row = self
                .shared
                .store
                .get(Table::Outbox, &outbox_key(address, *seq))?;
            let Some(row) = row else {
                let detail = format!(
                    "the body of message {seq} of {} is gone",
                    address.key.dialog
                );
                return Err(self.shared.damaged(Table::Outbox, detail));
            };
            endpoint.unstow(*seq, row.bytes.into());
        }
        Ok(())
    }

    /// A volatile partner of an earlier life of this store is gone for good; the other side learns it at the first
    /// occasion.
    pub(super) fn lost_partner(&self, address: Address) -> Option<LocalItem> {
        let endpoint = &self.shelves.endpoint(address)?.record.endpoint;
        let lost = endpoint.carrier() == Carrier::Local
            && endpoint.ending().is_none()
            && endpoint
                .volatile_partner()
                .is_some_and(|life| life != self.shared.incarnation);
        if lost {
            coverage::sometimes(Rare::VolatilePartnerLost);
        }
        lost.then(|| LocalItem::Fault {
            seq: endpoint.recv_next(),
            code: FaultCode::PartnerGone,
            detail: Abandoned::PartnerGone.to_string(),
        })
    }

    /// The actor, if it still is.
    pub(super) fn ensure_actor(&mut self, actor: DialogId) -> Result<bool, StoreFault> {
        let used = self.next_use();
        if let Some(cell) = self.shelves.actor_mut(actor) {
            cell.used = used;
            let gone = cell.gone;
            if cell.lent.is_some() {
                self.take_back(actor);
            }
            return Ok(!gone);
        }
        let key = actor_key(actor);
        let who = Who::Actor(actor);
        let Some((row, _)) = self.load::<ActorRow>(Table::Actors, &key, who)? else {
            return Ok(false);
        };
        let Some(service) = self.shared.registry.get(&row.service).cloned() else {
            // Served when it was written: it waits for a program that serves it again, or for its deadline.
            tracing::warn!(target: "actor_core::node", service = %row.service, %actor, "no longer served; add `.serve::<..>()`");
            return Ok(false);
        };
        let cell = ActorCell::new(service, row.record, used);
        self.shelves.insert_actor(actor, Box::new(cell));
        self.arm_actor(actor);
        Ok(true)
    }

    /// The actor is decoded, or can be.
    pub(super) fn ensure_decodable(&mut self, actor: DialogId) -> Result<bool, StoreFault> {
        let cell = self.shelves.actor(actor);
        Ok(cell.is_some_and(|cell| cell.live.is_some()) || self.ensure_state(actor)?)
    }

    /// Brings the bytes of an actor's state back, before they are needed. False if they cannot be read any more.
    pub(super) fn ensure_state(&mut self, actor: DialogId) -> Result<bool, StoreFault> {
        if self
            .shelves
            .actor(actor)
            .is_none_or(|cell| cell.away.is_none())
        {
            return Ok(true);
        }
        let who = Who::Actor(actor);
        let stored = self.load::<ActorRow>(Table::Actors, &actor_key(actor), who)?;
        let (Some((row, _)), Some(cell)) = (stored, self.shelves.actor_mut(actor)) else {
            self.remove_actor(actor);
            return Ok(false);
        };
        cell.record.state = row.record.state;
        cell.away = None;
        Ok(true)
    }

    pub(super) fn remove_endpoint(&mut self, address: Address) {
        if let Some(due) = self
            .shelves
            .remove_endpoint(address)
            .and_then(|cell| cell.armed.ms())
        {
            self.due.remove(&(due, Who::Endpoint(address)));
        }
    }

    pub(super) fn remove_actor(&mut self, actor: DialogId) {
        if let Some(due) = self
            .shelves
            .remove_actor(actor)
            .and_then(|cell| cell.armed.ms())
        {
            self.due.remove(&(due, Who::Actor(actor)));
        }
    }

    pub(super) fn arm_endpoint(&mut self, address: Address) {
        let Some(cell) = self.shelves.endpoint(address) else {
            return;
        };
        let due = [
            self.deadline_of(cell),
            cell.overdue_at(),
            cell.retry_at.ms(),
        ];
        let Some(due) = due.into_iter().flatten().min() else {
            return;
        };
        // The index of deadlines says in time what is written and far off.
        let is_indexed = !cell.unwritten && !cell.is_volatile();
        if is_indexed && is_far(due, self.shared.clock.now_ms()) {
            self.disarm(address);
        } else {
            self.arm(due, Who::Endpoint(address));
        }
    }

    /// The first deadline of its record, as late as it counts; none while the clock is not believed.
    pub(super) fn deadline_of(&self, cell: &EndpointCell) -> Option<u64> {
        let record = &cell.record;
        let counts = !self.gives_nothing_up() || record.endpoint.ending().is_some();
        let due = record.deadline().filter(|_| counts)?;
        Some(self.patient(record.opened_ms, due))
    }

    pub(super) fn arm_actor(&mut self, actor: DialogId) {
        if let Some(due) = self
            .shelves
            .actor(actor)
            .and_then(|cell| cell.record.deadline())
        {
            self.arm(due, Who::Actor(actor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_fill_the_places_that_an_allocator_has_for_them() {
        // Places are multiples of sixteen bytes, of which it keeps eight: one byte more takes sixteen.
        assert!(size_of::<EndpointCell>() <= 240 - 8);
        assert!(size_of::<ActorCell>() <= 112 - 8);
    }
}
