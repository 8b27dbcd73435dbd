//! The gate: nothing leaves the node before it is durable.
//!
//! Owns the one total order of steps (a step's place is its ticket) and the outputs that wait for their commit. A cut
//! takes everything queued since the last sync as one transaction; its outputs are released after the commit, in
//! ticket order. A failed commit releases nothing, ever. Never knows what a step did.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actor_store::{Batch, Store, StoreFault, Write};
use tokio::sync::oneshot;

use super::{
    logical::LogicalClock,
    notes::Notes,
    shard::{Delivery, Learned, LineState},
};
use crate::{
    dialog::{Heard, Knowledge},
    protocol::{Destination, Frame},
};

/// Steps that make a cut worth its sync although shards are still at work.
const FULL: u64 = 256;
/// How long a slow handler may hold up the steps of others.
const HOLD_AT_MOST: Duration = Duration::from_millis(5);

/// What a step wants to happen outside, once it is durable.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) frames: Vec<(Destination, Frame)>,
    pub(crate) answers: Vec<(oneshot::Sender<Heard>, Heard)>,
    /// What handles in plain code learn of their newest message.
    pub(crate) learned: Vec<(Arc<LineState>, Learned)>,
    /// Told that everything up to this step is durable.
    pub(crate) durable: Vec<oneshot::Sender<()>>,
    /// Told what is known, which may be of a step that is not durable yet.
    pub(crate) known: Vec<(oneshot::Sender<Knowledge>, Knowledge)>,
    /// Operators who hear whether there was something to try again.
    pub(crate) retried: Vec<(oneshot::Sender<bool>, bool)>,
    /// For endpoints of this store, while those wait for the sync as well.
    pub(crate) local: Vec<Delivery>,
    /// What becomes true with the commit. Waits for nothing and nobody waits for it.
    pub(crate) notes: Notes,
}

/// How much there was of an output.
#[derive(Debug)]
pub(crate) struct OutputMark([usize; 8]);

impl Output {
    /// Things to let out, of all kinds.
    pub(crate) fn len(&self) -> usize {
        self.mark().0.iter().sum()
    }

    pub(crate) fn mark(&self) -> OutputMark {
        OutputMark([
            self.frames.len(),
            self.answers.len(),
            self.learned.len(),
            self.durable.len(),
            self.known.len(),
            self.retried.len(),
            self.local.len(),
            self.notes.len(),
        ])
    }

    /// Makes room for as many answers as another one has.
    pub(crate) fn reserve(&mut self, like: &Self) {
        self.answers.reserve(like.answers.len());
        self.learned.reserve(like.learned.len());
    }

    /// Drops what came since.
    pub(crate) fn back_to(&mut self, mark: &OutputMark) {
        let OutputMark(
            [
                frames,
                answers,
                learned,
                durable,
                known,
                retried,
                local,
                notes,
            ],
        ) = *mark;
        self.frames.truncate(frames);
        self.answers.truncate(answers);
        self.learned.truncate(learned);
        self.durable.truncate(durable);
        self.known.truncate(known);
        self.retried.truncate(retried);
        self.local.truncate(local);
        self.notes.truncate(notes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
            && self.answers.is_empty()
            && self.learned.is_empty()
            && self.durable.is_empty()
            && self.local.is_empty()
            && self.known.is_empty()
            && self.retried.is_empty()
    }
}

/// One transaction on its way: the writes of many steps and what they release.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) batch: Batch,
    pub(crate) outputs: VecDeque<Output>,
    ticket: u64,
    pub(crate) steps: u64,
}

#[derive(Debug, Default)]
struct Queue {
    /// The last ticket given.
    ticket: u64,
    /// The last ticket whose step is durable and released.
    durable: u64,
    outputs: VecDeque<Output>,
    steps: u64,
    /// Shards that are doing what they took.
    working: usize,
    /// A cut is on its way; there is one at a time.
    committing: bool,
    /// Shards that wait for the disk.
    waiting: usize,
    closed: bool,
}

impl Queue {
    fn can_be_cut(&self) -> bool {
        !self.outputs.is_empty() && !self.committing
    }
}

/// The queue in front of the disk: one cut at a time, made by the writer's thread or by a shard that has nothing else to
/// do.
#[derive(Debug)]
pub(crate) struct Gate {
    store: Store,
    clock: Arc<LogicalClock>,
    queue: Mutex<Queue>,
    arrived: Condvar,
    settled: Condvar,
}

impl Gate {
    pub(crate) fn new(store: Store, clock: Arc<LogicalClock>) -> Self {
        Self {
            store,
            clock,
            queue: Mutex::default(),
            arrived: Condvar::new(),
            settled: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives steps their place in the order: their writes are visible to every later reader, their output waits.
    ///
    /// An output that waits for nothing comes back, to be released at once.
    pub(crate) fn submit(&self, writes: Vec<Write>, output: Output, steps: u64) -> Option<Output> {
        let mut queue = self.lock();
        let free = self.submit_locked(&mut queue, writes, output, steps);
        // The first one wakes the writer, so that it can see how long the others take.
        let waits = queue.outputs.len() == 1 || queue.working == 0 || queue.steps >= FULL;
        let ready = waits && queue.can_be_cut();
        drop(queue);
        if ready {
            self.arrived.notify_one();
        }
        free
    }

    fn submit_locked(
        &self,
        queue: &mut Queue,
        writes: Vec<Write>,
        output: Output,
        steps: u64,
    ) -> Option<Output> {
        if queue.closed {
            // After a fault: whoever waits for this output hears that the node has stopped.
            return None;
        }
        if writes.is_empty() {
            if output.is_empty() {
                return None;
            }
            if queue.durable == queue.ticket {
                return Some(output);
            }
        } else {
            self.store.publish(writes);
            queue.steps += steps;
        }
        queue.ticket += 1;
        queue.outputs.push_back(output);
        None
    }

    /// Everything that has a ticket and is not on its way, if anything.
    #[cfg(feature = "test-util")]
    pub(crate) fn cut(&self) -> Option<Cut> {
        let mut queue = self.lock();
        self.cut_locked(&mut queue)
    }

    fn cut_locked(&self, queue: &mut Queue) -> Option<Cut> {
        if queue.outputs.is_empty() {
            return None;
        }
        queue.committing = true;
        if queue.steps > 0 {
            self.store.publish(self.clock.mark().into_iter().collect());
        }
        Some(Cut {
            batch: self.store.cut(),
            outputs: std::mem::take(&mut queue.outputs),
            ticket: queue.ticket,
            steps: std::mem::take(&mut queue.steps),
        })
    }

    /// A shard has taken messages and will do them all now: a cut that waits for them costs one sync instead of many.
    pub(crate) fn begin_work(&self) {
        self.lock().working += 1;
    }

    /// A shard has done what it took, and submits the last of it. If nobody else is at work, and it has time, it gets the
    /// cut to commit: a message that comes alone then need not wait until another thread has woken up.
    pub(crate) fn end_work(
        &self,
        writes: Vec<Write>,
        output: Output,
        steps: u64,
        has_time: bool,
    ) -> (Option<Output>, Option<Cut>) {
        let mut queue = self.lock();
        let free = self.submit_locked(&mut queue, writes, output, steps);
        queue.working -= 1;
        if !queue.can_be_cut() {
            return (free, None);
        }
        if has_time && queue.working == 0 && queue.steps < FULL {
            return (free, self.cut_locked(&mut queue));
        }
        drop(queue);
        self.arrived.notify_one();
        (free, None)
    }

    /// Waits for the next cut; `None` once the gate is closed and empty. A message that comes alone is cut at once.
    pub(crate) fn next(&self) -> Option<Cut> {
        let mut queue = self.lock();
        loop {
            queue = self
                .arrived
                .wait_while(queue, |queue| !queue.can_be_cut() && !queue.closed)
                .unwrap_or_else(PoisonError::into_inner);
            (queue, _) = self
                .arrived
                .wait_timeout_while(queue, HOLD_AT_MOST, |queue| {
                    queue.working > 0 && queue.steps < FULL && queue.can_be_cut() && !queue.closed
                })
                .unwrap_or_else(PoisonError::into_inner);
            if queue.can_be_cut() || queue.closed {
                return self.cut_locked(&mut queue);
            }
        }
    }

    /// Makes a cut durable. Afterwards its outputs may be released and [`Gate::settle`] is due.
    pub(crate) fn commit(&self, batch: Batch) -> Result<(), StoreFault> {
        if batch.is_empty() {
            Ok(())
        } else {
            self.store.commit(batch)
        }
    }

    /// The outputs of the cut that ended with `ticket` have been released. What has come meanwhile is cut by the writer.
    pub(crate) fn settle(&self, ticket: u64) {
        let mut queue = self.lock();
        queue.durable = ticket;
        queue.committing = false;
        let (ready, awaited) = (queue.can_be_cut(), queue.waiting > 0);
        drop(queue);
        if ready {
            self.arrived.notify_one();
        }
        if awaited {
            self.settled.notify_all();
        }
    }

    /// Is everything that has a ticket durable and released?
    #[cfg(feature = "test-util")]
    pub(crate) fn is_idle(&self) -> bool {
        let queue = self.lock();
        queue.durable == queue.ticket
    }

    /// The last ticket given, and the last whose step is durable and released.
    pub(crate) fn tickets(&self) -> (u64, u64) {
        let queue = self.lock();
        (queue.ticket, queue.durable)
    }

    /// Waits while more than `limit` bytes wait for their sync, or while the journal is longer than it may be, which
    /// bounds the time a restart takes. Writer and folder never wait for a shard, so this ends.
    pub(crate) fn wait_below(&self, limit: u64) {
        let longest = self.store.options().max_journal_bytes;
        let full = || self.store.unsynced_bytes() > limit || self.store.journal_bytes() > longest;
        if !full() {
            return;
        }
        let mut queue = self.lock();
        queue.waiting += 1;
        let waits = |queue: &mut Queue| full() && !queue.closed;
        let waited = self.settled.wait_while(queue, waits);
        waited.unwrap_or_else(PoisonError::into_inner).waiting -= 1;
    }

    /// Does anybody wait for less to be under way?
    #[cfg(all(test, feature = "test-util"))]
    pub(crate) fn is_waited_for(&self) -> bool {
        self.lock().waiting > 0
    }

    /// Something that others wait for may have changed.
    pub(crate) fn nudge(&self) {
        if self.lock().waiting > 0 {
            self.settled.notify_all();
        }
    }

    /// No more steps; what has a ticket can still be cut.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
        self.settled.notify_all();
    }

    /// After a fault: what waited is given back so that its callers can be told.
    pub(crate) fn abort(&self) -> VecDeque<Output> {
        let mut queue = self.lock();
        queue.closed = true;
        let outputs = std::mem::take(&mut queue.outputs);
        drop(queue);
        self.arrived.notify_all();
        self.settled.notify_all();
        outputs
    }
}

impl Cut {
    pub(crate) fn ticket(&self) -> u64 {
        self.ticket
    }
}
