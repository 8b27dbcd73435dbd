//! What all parts of a node share: its store, its gate, who it serves, the way to its shards and to the network.
//!
//! Owns stopping. Holds no dialog.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actor_store::{Store, StoreFault, Table, Value};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::error;

use super::{
    address::{Address, token},
    deaths::{ARMED_MS, Deaths, Running},
    gate::{Gate, Output},
    half_open::HalfOpen,
    held_back::HeldBack,
    letters::LetterBook,
    logical::LogicalClock,
    mailbox::Mailbox,
    notes::Notebook,
    record::{KeyRow, decode},
    registry::Registry,
    shard::ShardMsg,
    shell::{AHEAD_MS, wake_due},
    stats::{Counters, add},
};
use crate::{
    dialog::{Heard, Ids, Reader, Resources},
    protocol::{Destination, DialogId, Env, Frame, Limits, Message, Mutant, StoreId, Token},
    transport::Transport,
};

/// Uncommitted bytes at which a node takes no new work until the disk has caught up.
pub(crate) const MAX_UNSYNCED_BYTES: u64 = 64 * 1024 * 1024;

/// Messages that wait for a shard, above which frames are dropped: the partner says them again.
const MAX_QUEUED: usize = 100_000;

/// Bytes of frames that wait for a shard, above which frames are dropped.
const MAX_QUEUED_BYTES: u64 = 64 * 1024 * 1024;

/// How long deadlines that lapsed while the node was down wait for what the partner may have said meanwhile.
pub(crate) const GRACE: Duration = Duration::from_secs(60);

/// The shared half of a node.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) store: Store,
    pub(crate) store_id: StoreId,
    pub(crate) incarnation: u64,
    pub(crate) gate: Gate,
    pub(crate) registry: Registry,
    pub(crate) resources: Resources,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<LogicalClock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) mailboxes: Vec<Mailbox<ShardMsg>>,
    pub(crate) counters: Counters,
    pub(crate) notebook: Notebook,
    pub(crate) table_lock: Mutex<()>,
    /// Keys that were asked for and are not yet written: two callers of one key must get one dialog.
    pub(crate) proposed: Mutex<std::collections::HashMap<Vec<u8>, DialogId>>,
    /// Which dead letters there are.
    pub(crate) letters: Mutex<LetterBook>,
    /// What earlier processes died of.
    pub(crate) deaths: Mutex<Deaths>,
    /// Until then shards say what they run.
    pub(crate) armed_until_ms: u64,
    /// Deliveries within the store that wait for a sync, or waited for one and are not heard yet.
    pub(crate) held_back: HeldBack,
    pub(crate) started_ms: u64,
    /// Deadlines of what was opened before wait for a grace from here.
    pub(crate) grace_from_ms: AtomicU64,
    pub(crate) send_ctr: AtomicU64,
    pub(crate) half_open: HalfOpen,
    /// Bytes of frames that wait for a shard.
    queued_bytes: AtomicU64,
    /// Volatile actors are lent to their callers.
    pub(crate) lends: bool,
    /// In which way this node is wrong, if it is.
    #[cfg(feature = "mutants")]
    pub(crate) mutant: Option<Mutant>,
    /// Those who read events, to be told when the node stops.
    readers: Mutex<Vec<Weak<Reader>>>,
    stopping: AtomicBool,
    stopped: watch::Sender<Option<String>>,
}

impl Shared {
    #[expect(
        clippy::too_many_arguments,
        reason = "the builder's parts, each of its own type"
    )]
    pub(crate) fn new(
        name: String,
        store: Store,
        registry: Registry,
        resources: Resources,
        limits: Limits,
        clock: Arc<LogicalClock>,
        ids: Arc<dyn Ids>,
        transport: Arc<dyn Transport>,
        shards: usize,
    ) -> Self {
        let started_ms = clock.now_ms();
        let armed_until_ms = if store.last_end().well {
            0
        } else {
            started_ms + ARMED_MS
        };
        Self {
            name,
            store_id: StoreId(store.id()),
            incarnation: store.incarnation(),
            gate: Gate::new(store.clone(), Arc::clone(&clock)),
            store,
            registry,
            resources,
            limits,
            letters: Mutex::default(),
            deaths: Mutex::default(),
            armed_until_ms,
            held_back: HeldBack::default(),
            started_ms,
            grace_from_ms: AtomicU64::new(started_ms),
            clock,
            ids,
            transport,
            mailboxes: (0..shards).map(|_| Mailbox::default()).collect(),
            counters: Counters::default(),
            notebook: Notebook::default(),
            table_lock: Mutex::new(()),
            proposed: Mutex::default(),
            send_ctr: AtomicU64::new(0),
            half_open: HalfOpen::default(),
            queued_bytes: AtomicU64::new(0),
            lends: false,
            #[cfg(feature = "mutants")]
            mutant: None,
            readers: Mutex::default(),
            stopping: AtomicBool::new(false),
            stopped: watch::Sender::new(None),
        }
    }

    pub(crate) fn env(&self) -> Env<'_> {
        let env = Env::new(&self.limits, self.store_id, self.incarnation);
        #[cfg(feature = "mutants")]
        let env = env.with_mutant(self.mutant);
        env
    }

    /// Is this node to be wrong in this way?
    pub(crate) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.env().is_mutant(mutant)
    }

    /// A token that no other memory has.
    pub(crate) fn mint(&self, slot: u16) -> Token {
        let random = self.ids.random();
        if self.is_mutant(Mutant::StaticToken) {
            let mut name = [0; 16];
            let letters = self.name.bytes().chain(std::iter::repeat(0));
            name[2..]
                .iter_mut()
                .zip(letters)
                .for_each(|(to, from)| *to = from);
            return token(slot, name);
        }
        token(slot, random)
    }

    /// What a node that is wrong in this way lets out of a step before it is durable.
    pub(crate) fn let_out_early(&self, output: &mut Output) {
        let all = self.is_mutant(Mutant::SendBeforeCommit);
        if !all && !self.is_mutant(Mutant::AckBeforeCommit) {
            return;
        }
        let early = |(_, frame): &mut (_, Frame)| all || frame.messages.is_empty();
        for (destination, frame) in output.frames.extract_if(.., early) {
            self.transmit(&destination, frame);
        }
    }

    /// What earlier processes died of, at home on this shard.
    pub(crate) fn deaths_of(&self, shard: usize) -> Deaths {
        let deaths = self.deaths.lock().unwrap_or_else(PoisonError::into_inner);
        let home = |running: &Running| usize::from(running.actor.slot()) % self.mailboxes.len();
        let here = deaths.iter().filter(|(running, _)| home(running) == shard);
        here.map(|(running, deaths)| (*running, *deaths)).collect()
    }

    /// While shards say what they run, messages within the store wait for the sync of their step as frames do: a process
    /// that dies of one must not forget who sent it, or the count would begin anew under another id each time.
    pub(crate) fn holds_back(&self, to: Address, now: u64) -> bool {
        // Those of before go first.
        now < self.armed_until_ms || self.held_back.is_for(to)
    }

    /// Somebody says that the machine's clock is right: what lapsed meanwhile is given up after a grace.
    pub(crate) fn trust_clock(&self) {
        if !self.clock.trust() {
            return;
        }
        let now = self.clock.now_ms();
        self.grace_from_ms.store(now, Ordering::SeqCst);
        for mailbox in &self.mailboxes {
            drop(mailbox.push(ShardMsg::Rearm));
        }
        if let Err(fault) = wake_due(self, now + AHEAD_MS) {
            self.fail(&fault);
        }
    }

    /// The mailbox of the shard where `slot` is at home.
    pub(crate) fn mailbox(&self, slot: u16) -> &Mailbox<ShardMsg> {
        &self.mailboxes[usize::from(slot) % self.mailboxes.len()]
    }

    /// Is `slot` at home on this shard?
    pub(crate) fn is_home(&self, slot: u16, shard: usize) -> bool {
        usize::from(slot) % self.mailboxes.len() == shard
    }

    /// Hands a message to the shard where `slot` is at home. A stopped node drops it, and whoever waits for an answer
    /// hears that.
    pub(crate) fn post(&self, slot: u16, message: ShardMsg) {
        // Dropping the message drops its answer channel, which its caller reads as `Stopped`.
        drop(self.mailbox(slot).push(message));
    }

    /// A frame from the transport. Damage is dropped: the partner says it again.
    pub(crate) fn take_frame(&self, bytes: &[u8]) {
        if self.is_stopping() {
            return;
        }
        match Frame::decode(bytes) {
            Ok(frame) => {
                add(&self.counters.frames_received, 1);
                let slot = frame
                    .dst_token
                    .map_or_else(|| frame.dialog.slot(), |token| token.slot());
                // A frame may always be lost; a queue must not grow without end while the disk is slow.
                let weight = weight(&frame);
                let queued = self.queued_bytes.load(Ordering::Relaxed) + weight;
                if self.mailbox(slot).len() < MAX_QUEUED && queued <= MAX_QUEUED_BYTES {
                    self.queued_bytes.fetch_add(weight, Ordering::Relaxed);
                    self.post(slot, ShardMsg::Frame(Box::new(frame)));
                }
            }
            Err(cause) => {
                add(&self.counters.frames_damaged, 1);
                tracing::warn!(target: "actor_core::transport", node = %self.name, %cause, "dropped a frame");
            }
        }
    }

    /// A frame that waited is being handled.
    pub(crate) fn frame_taken(&self, frame: &Frame) {
        self.queued_bytes
            .fetch_sub(weight(frame), Ordering::Relaxed);
    }

    /// Lets an output out. Its step is durable.
    pub(crate) fn release(&self, mut output: Output) {
        self.notebook.durable(&mut output.notes);
        for (destination, frame) in output.frames {
            self.transmit(&destination, frame);
        }
        for (line, learned) in output.learned {
            line.learn(&learned);
        }
        for (answer, heard) in output.answers {
            // The caller may have gone: its answer is discarded, nothing else changes.
            drop(answer.send(heard));
        }
        for delivery in output.local {
            self.post(delivery.to.slot, ShardMsg::Local(delivery));
        }
        for (answer, known) in output.known {
            let _ = answer.send(known);
        }
        for (operator, held) in output.retried {
            let _ = operator.send(held);
        }
        for waiter in output.durable {
            let _ = waiter.send(());
        }
    }

    fn transmit(&self, destination: &Destination, mut frame: Frame) {
        let counter = self.send_ctr.fetch_add(1, Ordering::Relaxed) + 1;
        frame.stamp(
            self.store_id,
            &self.name,
            self.incarnation,
            counter,
            frame.trace,
        );
        add(&self.counters.frames_sent, 1);
        self.transport.send(&self.name, destination, frame.encode());
    }

    /// The store failed: nothing more is written, sent or answered. What was in flight is in doubt.
    pub(crate) fn fail(&self, why: &impl fmt::Display) {
        // Whoever meets a stopped store first says only that it has stopped; the store knows why.
        let because = self.store.stopped_because();
        let why = because.map_or_else(|| why.to_string(), |fault| fault.to_string());
        error!(target: "actor_core::node", node = %self.name, %why, "stopped");
        self.stopped.send_if_modified(|reason| {
            let first = reason.is_none();
            reason.get_or_insert(why);
            first
        });
        self.stop();
        for output in self.gate.abort() {
            refuse(output);
        }
    }

    /// No new work from outside.
    pub(crate) fn refuse_new(&self) {
        if !self.stopping.swap(true, Ordering::SeqCst) {
            self.transport.leave(&self.name, self.store_id);
        }
    }

    /// No new work from anybody. Shards and gate finish what they have.
    pub(crate) fn stop(&self) {
        self.refuse_new();
        for mailbox in &self.mailboxes {
            mailbox.close();
        }
        for reader in self
            .readers()
            .drain(..)
            .filter_map(|reader| reader.upgrade())
        {
            reader.stop();
        }
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Weak<Reader>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This reader hears when the node stops. False if it has been told to.
    pub(crate) fn attend(&self, reader: &Arc<Reader>) -> bool {
        let mut readers = self.readers();
        readers.retain(|known| known.strong_count() > 0);
        readers.push(Arc::downgrade(reader));
        // Under the lock: who comes after the stop is not forgotten by it.
        !self.is_stopping()
    }

    /// Drops everything that waits here without doing it. Whoever waits for an answer hears that the node stopped.
    #[cfg(feature = "test-util")]
    pub(crate) fn die(&self) {
        self.stop();
        for mailbox in &self.mailboxes {
            while mailbox.pop().is_some() {}
        }
        drop(self.gate.abort());
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.stopped.borrow().is_some()
    }

    pub(crate) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.stopped.subscribe()
    }

    /// The initiator that this key names, now and for ever: as written, or as proposed to an earlier caller.
    ///
    /// A caller who finds neither under one lock is the first: a proposal goes only after its row is published. Most keys
    /// have a row, and whoever finds it need not wait for others who look.
    pub(crate) fn initiator_of(&self, key: &[u8]) -> Address {
        if let Ok(Some(address)) = self.key_row(key) {
            return address;
        }
        let mut proposed = self.proposed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dialog) = proposed.get(key) {
            return Address::initiator(*dialog, dialog.slot());
        }
        match self.key_row(key) {
            Ok(Some(address)) => return address,
            Ok(None) => {}
            // Never a second dialog because the first cannot be read.
            Err(fault) => self.fail(&fault),
        }
        let dialog = DialogId(self.ids.random());
        proposed.insert(key.to_vec(), dialog);
        // Where its target would be at home as well: what both say to each other need not change shards.
        Address::initiator(dialog, dialog.slot())
    }

    pub(crate) fn key_row(&self, key: &[u8]) -> Result<Option<Address>, StoreFault> {
        let row = self
            .store
            .read(Table::Keys, key, |row| self.address_of(row))?;
        row.transpose()
    }

    /// Where a key leads.
    pub(crate) fn address_of(&self, row: &[u8]) -> Result<Address, StoreFault> {
        let row = decode(row).map_err(|detail| self.damaged(Table::Keys, detail));
        let row: KeyRow = row?;
        let nowhere = || self.damaged(Table::Keys, "a key leads nowhere".to_owned());
        Address::from_bytes(&row.address).ok_or_else(nowhere)
    }

    /// A record of this node.
    pub(crate) fn decode<T: DeserializeOwned>(
        &self,
        table: Table,
        value: &Value,
    ) -> Result<T, StoreFault> {
        decode(&value.bytes).map_err(|detail| self.damaged(table, detail))
    }

    /// A record that makes no sense although its checksum holds: another program wrote it.
    pub(crate) fn damaged(&self, table: Table, detail: String) -> StoreFault {
        StoreFault::Damaged {
            path: format!("{} (table `{table}`)", self.name),
            detail,
        }
    }
}

/// What a decoded frame takes in memory, about.
fn weight(frame: &Frame) -> u64 {
    let bodies: usize = frame
        .messages
        .iter()
        .map(|message| message.body.len())
        .sum();
    (size_of::<Frame>() + frame.messages.len() * size_of::<Message>() + bodies) as u64
}

/// Tells the callers of an output that its commit failed.
pub(crate) fn refuse(output: Output) {
    for (answer, _) in output.answers {
        drop(answer.send(Heard::Stopped { in_doubt: true }));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}
