//! Threads around the machines: one per shard, one for the gate, one for folding.
//!
//! Owns waiting. Everything that happens on these threads is a step that a test can take on one.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use actor_store::{FoldProgress, Verification, VerifyProgress};
use tracing::debug;

use crate::coverage::{self, Rare};

use super::{
    Cut, Shard, Shared,
    gate::Output,
    mailbox::Mailbox,
    shard::{Next, Who},
    stats::add,
};

/// The running threads of a node.
#[derive(Debug)]
pub(super) struct Shell {
    shards: Vec<JoinHandle<()>>,
    gate: Option<JoinHandle<()>>,
    folder: Option<JoinHandle<()>>,
    fold: Arc<FoldSignal>,
}

#[derive(Debug, Default)]
struct FoldSignal {
    stop: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Shell {
    pub(super) fn start(shared: &Arc<Shared>, shards: Vec<Shard>) -> io::Result<Self> {
        let fold = Arc::new(FoldSignal::default());
        let ring = Arc::clone(&fold);
        let gate = spawn("gate", shared, move |shared| run_gate(shared, &ring))?;
        let signal = Arc::clone(&fold);
        let folder = spawn("fold", shared, move |shared| run_folder(shared, &signal))?;
        let mut shell = Self {
            shards: Vec::new(),
            gate: Some(gate),
            folder: Some(folder),
            fold,
        };
        for shard in shards {
            let name = format!("shard-{}", shard.index());
            let ring = Arc::clone(&shell.fold);
            let thread = spawn(&name, shared, move |shared| run_shard(shared, shard, &ring))?;
            shell.shards.push(thread);
        }
        Ok(shell)
    }

    /// Waits until shards have done what they had and the gate has committed it.
    pub(super) fn join(&mut self, shared: &Shared) {
        shared.stop();
        for shard in self.shards.drain(..) {
            let _ = shard.join();
        }
        shared.gate.close();
        if let Some(gate) = self.gate.take() {
            let _ = gate.join();
        }
        self.fold.stop.store(true, Ordering::SeqCst);
        self.fold.ring();
        if let Some(folder) = self.folder.take() {
            let _ = folder.join();
        }
        if !shared.has_failed() {
            // Where it cannot be said, the next start is merely careful.
            let _ = shared.store.end_well(shared.clock.now_ms());
        }
    }
}

impl FoldSignal {
    fn ring(&self) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.wake.notify_one();
    }

    fn wait(&self, at_most: Duration) {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.stop.load(Ordering::SeqCst) {
            drop(self.wake.wait_timeout(guard, at_most));
        }
    }
}

/// A thread of the node. A panic on it, from a bug here or from an application's `Drop`, stops the node: nobody may wait
/// for a thread that is no more.
fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    body: impl FnOnce(&Shared) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let thread = name.to_owned();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(|| body(&shared))).is_err() {
            shared.fail(&format!("its thread `{thread}` panicked"));
        }
    })
}

fn run_shard(shared: &Shared, mut shard: Shard, fold: &FoldSignal) {
    let ran = loop {
        match shard.run() {
            Ok(Next::Commit(cut)) => {
                if !commit(shared, cut, fold) {
                    break Ok(());
                }
            }
            Ok(Next::Work) if !shared.has_failed() => {}
            Ok(_) => break Ok(()),
            Err(fault) => break Err(fault),
        }
    };
    // Closed before it is emptied, so that nothing is pushed behind our back: whoever still waits for an answer hears
    // that the node has stopped.
    let mailbox = &shared.mailboxes[shard.index()];
    mailbox.close();
    while mailbox.pop().is_some() {}
    let ended = ran.and_then(|()| {
        if shared.has_failed() {
            Ok(())
        } else {
            shard.write_all()
        }
    });
    if let Err(fault) = ended {
        shared.fail(&fault);
    }
}

fn run_gate(shared: &Shared, fold: &FoldSignal) {
    while let Some(cut) = shared.gate.next() {
        if !commit(shared, cut, fold) {
            return;
        }
    }
}

/// A cut that is durable: what waited for it may leave.
#[derive(Debug)]
pub(crate) struct Committed {
    ticket: u64,
    outputs: VecDeque<Output>,
}

#[cfg(feature = "test-util")]
impl Committed {
    pub(crate) fn ticket(&self) -> u64 {
        self.ticket
    }
}

/// Commits a cut and releases what waited for it. False if the node stopped instead.
fn commit(shared: &Shared, cut: Cut, fold: &FoldSignal) -> bool {
    let Some(committed) = persist(shared, cut) else {
        return false;
    };
    release(shared, committed);
    if shared.store.wants_fold() {
        fold.ring();
    }
    true
}

/// Makes a cut durable. `None` if the node stopped instead; nothing of the cut ever leaves then.
pub(crate) fn persist(shared: &Shared, cut: Cut) -> Option<Committed> {
    let ticket = cut.ticket();
    let Cut {
        batch,
        mut outputs,
        steps,
        ..
    } = cut;
    let (empty, bytes) = (batch.is_empty(), batch.bytes());
    #[expect(
        clippy::disallowed_methods,
        reason = "measures the commit for its event; decides nothing"
    )]
    let begun = std::time::Instant::now();
    if let Err(fault) = shared.gate.commit(batch) {
        coverage::row(31);
        let notes = outputs.iter_mut().map(|output| &mut output.notes);
        shared.notebook.in_doubt(notes);
        outputs.into_iter().for_each(super::shared::refuse);
        shared.fail(&fault);
        return None;
    }
    for output in &mut outputs {
        shared.notebook.durable(&mut output.notes);
    }
    if !empty {
        if steps > 1 {
            coverage::sometimes(Rare::CommitOfMany);
        }
        add(&shared.counters.commits, 1);
        let micros = begun.elapsed().as_micros() as u64;
        debug!(target: "actor_core::gate", batch = steps, bytes, micros, "committed");
    }
    Some(Committed { ticket, outputs })
}

/// Lets out what waited for a durable cut.
pub(crate) fn release(shared: &Shared, committed: Committed) {
    committed
        .outputs
        .into_iter()
        .for_each(|output| shared.release(output));
    shared.gate.settle(committed.ticket);
}

/// How often the folder looks at the index of deadlines.
pub(crate) const SCAN_EVERY_MS: u64 = 60_000;
/// How far ahead it looks.
pub(crate) const AHEAD_MS: u64 = 2 * SCAN_EVERY_MS;

/// Rows of the tables that are searched for damage between two chunks of the fold.
const SEARCHED_ROWS: usize = 256;
/// The pause after so many, which leaves disk and processor to the messages.
const SEARCH_PAUSE: Duration = Duration::from_millis(1);

/// Messages that wait for a shard, from which folding lets them go first: milliseconds of work.
const MANY_WAIT: usize = 64;
/// How long folding waits at a time.
const FOLD_PAUSE: Duration = Duration::from_millis(1);
/// How often in a row: less often when the journal has a quarter of the length that it may have, not at all from half of it.
const FOLD_PAUSES: [u32; 2] = [3, 1];

/// Leaves the processor to messages that wait, for a moment: somebody waits for them, and nobody for a fold until the
/// journal is long.
#[expect(
    clippy::disallowed_methods,
    reason = "the folder's thread, for which nobody waits"
)]
pub(crate) fn give_way(shared: &Shared) {
    let many_wait = |mailbox: &Mailbox<_>| mailbox.len() >= MANY_WAIT;
    let most = shared.store.options().max_journal_bytes;
    let bytes = shared.store.journal_bytes();
    if bytes <= most {
        // Whoever waits for a shorter journal waits for the fold that trims it, and for nothing that is done behind it.
        shared.gate.nudge();
    }
    let quarters = bytes / (most / 4).max(1);
    let pauses = FOLD_PAUSES.get(quarters as usize).copied().unwrap_or(0);
    if pauses > 0 {
        // The kernel takes a thread off its processor at the next tick, up to 4 ms later; who was woken waits for that long.
        thread::yield_now();
    }
    for _ in 0..pauses {
        if shared.is_stopping() || !shared.mailboxes.iter().any(many_wait) {
            return;
        }
        thread::sleep(FOLD_PAUSE);
    }
}

fn run_folder(shared: &Shared, signal: &FoldSignal) {
    let give_way = || give_way(shared);
    let mut is_searching = shared.store.options().verify == Verification::InUse;
    // The start has looked at the index already.
    let mut next_scan = shared.started_ms + SCAN_EVERY_MS;
    while !signal.stop.load(Ordering::SeqCst) && !shared.has_failed() {
        let worked = match shared.store.fold_step_giving_way(false, &give_way) {
            Ok(FoldProgress::Idle) => false,
            Ok(_) => true,
            Err(fault) => return shared.fail(&fault),
        };
        // Shards wait while the journal is at its cap.
        shared.gate.nudge();
        let now = shared.clock.now_ms();
        if now >= next_scan {
            next_scan = now + SCAN_EVERY_MS;
            if let Err(fault) = scan(shared, now) {
                return shared.fail(&fault);
            }
        }
        if is_searching {
            match shared.store.verify_step(SEARCHED_ROWS) {
                Ok(progress) => is_searching = progress == VerifyProgress::Worked,
                Err(fault) => return shared.fail(&fault),
            }
        }
        if !worked {
            signal.wait(if is_searching {
                SEARCH_PAUSE
            } else {
                Duration::from_millis(SCAN_EVERY_MS / 4)
            });
        }
    }
}

/// Looks at the index of deadlines. It tells of folded records only, so those that were left in peace are folded first.
pub(crate) fn scan(shared: &Shared, now: u64) -> Result<(), actor_store::StoreFault> {
    while shared.store.fold_step(true)? == FoldProgress::Worked {}
    wake_due(shared, now + AHEAD_MS)
}

/// Tells the shards what the index of deadlines says is due by then. Rows may be early or stale; the record decides.
pub(crate) fn wake_due(shared: &Shared, up_to: u64) -> Result<(), actor_store::StoreFault> {
    for row in shared.store.due(up_to, usize::MAX)? {
        if let Some(who) = who(row.table, &row.key) {
            shared.post(who.slot(), super::ShardMsg::Wake(row.time, who));
        }
    }
    Ok(())
}

/// Whose record lies under this key.
pub(crate) fn who(table: actor_store::Table, key: &[u8]) -> Option<Who> {
    match table {
        actor_store::Table::Endpoints => {
            super::address::Address::from_bytes(key).map(Who::Endpoint)
        }
        actor_store::Table::Actors => super::address::actor_of(key).map(Who::Actor),
        _ => None,
    }
}
