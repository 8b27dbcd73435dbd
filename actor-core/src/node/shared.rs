//! What all parts of a node share: its store, its gate, who it serves, the way to its shards and to the network.
//!
//! Owns stopping. Holds no dialog.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actor_store::{Store, StoreFault, Table, Value};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::error;

use super::{
    address::Address,
    clock::Clock,
    gate::{Gate, Output},
    mailbox::Mailbox,
    record::{KeyRow, decode},
    registry::Registry,
    shard::ShardMsg,
    stats::{Counters, add},
};
use crate::{
    dialog::{Heard, Ids, Resources},
    protocol::{Destination, DialogId, Env, Frame, Limits, Mutant, StoreId},
    transport::Transport,
};

/// Uncommitted bytes at which a node takes no new work until the disk has caught up.
pub(crate) const MAX_UNSYNCED_BYTES: u64 = 64 * 1024 * 1024;

/// Messages that wait for a shard, above which frames are dropped: the partner says them again.
const MAX_QUEUED: usize = 100_000;

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
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) mailboxes: Vec<Mailbox<ShardMsg>>,
    pub(crate) counters: Counters,
    pub(crate) table_lock: Mutex<()>,
    /// Keys that were asked for and are not yet written: two callers of one key must get one dialog.
    pub(crate) proposed: Mutex<std::collections::HashMap<Vec<u8>, DialogId>>,
    pub(crate) started_ms: u64,
    pub(crate) send_ctr: AtomicU64,
    pub(crate) half_open: AtomicU64,
    /// In which way this node is wrong, if it is.
    #[cfg(feature = "mutants")]
    pub(crate) mutant: Option<Mutant>,
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
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        transport: Arc<dyn Transport>,
        shards: usize,
    ) -> Self {
        Self {
            name,
            store_id: StoreId(store.id()),
            incarnation: store.incarnation(),
            gate: Gate::new(store.clone()),
            store,
            registry,
            resources,
            limits,
            started_ms: clock.now_ms(),
            clock,
            ids,
            transport,
            mailboxes: (0..shards).map(|_| Mailbox::default()).collect(),
            counters: Counters::default(),
            table_lock: Mutex::new(()),
            proposed: Mutex::default(),
            send_ctr: AtomicU64::new(0),
            half_open: AtomicU64::new(0),
            #[cfg(feature = "mutants")]
            mutant: None,
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

    /// The mailbox of the shard where `slot` is at home.
    pub(crate) fn mailbox(&self, slot: u16) -> &Mailbox<ShardMsg> {
        &self.mailboxes[usize::from(slot) % self.mailboxes.len()]
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
                if self.mailbox(slot).len() < MAX_QUEUED {
                    self.post(slot, ShardMsg::Frame(Box::new(frame)));
                }
            }
            Err(cause) => {
                add(&self.counters.frames_damaged, 1);
                tracing::warn!(target: "actor_core::transport", node = %self.name, %cause, "dropped a frame");
            }
        }
    }

    /// Lets an output out. Its step is durable.
    pub(crate) fn release(&self, output: Output) {
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
    /// Both are looked up under one lock. A proposal goes only after its row is published, so a caller that finds
    /// neither is the first.
    pub(crate) fn initiator_of(&self, key: &[u8], slot: u16) -> Address {
        let mut proposed = self.proposed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dialog) = proposed.get(key) {
            return Address::initiator(*dialog, slot);
        }
        match self.key_row(key) {
            Ok(Some(address)) => return address,
            Ok(None) => {}
            // Never a second dialog because the first cannot be read.
            Err(fault) => self.fail(&fault),
        }
        let dialog = DialogId(self.ids.random());
        proposed.insert(key.to_vec(), dialog);
        Address::initiator(dialog, slot)
    }

    pub(crate) fn key_row(&self, key: &[u8]) -> Result<Option<Address>, StoreFault> {
        let Some(value) = self.store.get(Table::Keys, key)? else {
            return Ok(None);
        };
        let row: KeyRow = self.decode(Table::Keys, &value)?;
        let address = Address::from_bytes(&row.address);
        let nowhere = || self.damaged(Table::Keys, "a key leads nowhere".to_owned());
        address.map(Some).ok_or_else(nowhere)
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
