//! A node as an application holds it.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use actor_store::{Key, StoreFault};
use tokio::sync::oneshot;

use super::{
    NodeBuilder, Shared, Stats, View, ViewError,
    address::Address,
    gate::Output,
    letters::{self, DeadLetter, Held},
    line::NodeLine,
    listing::{self, DialogInfo},
    shard::{PlainSpec, ShardMsg},
    shell::Shell,
};
use crate::{
    dialog::{Dialog, FromPort, OpenSpec, Pending, Remote},
    protocol::DialogId,
};

/// An instance of one or more services: its store, its dialogs, its place on the network.
///
/// Dropping it stops its threads and closes its store; [`Node::shutdown`] finishes first what it has begun.
pub struct Node {
    shared: Arc<Shared>,
    shell: Mutex<Option<Shell>>,
}

/// Why a node did not shut down in good order: its store had failed. What was not answered is in doubt; the next start
/// finds everything that was.
#[derive(Clone, PartialEq, Eq)]
pub struct ShutdownError {
    why: String,
}

/// Why held work is not tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryError {
    /// The dialog holds nothing here: it went on, it ended, or it was never at home on this node.
    NotHeld {
        /// The dialog.
        dialog: DialogId,
    },
    /// The node has stopped.
    Stopped,
}

type Opening<D> = <<D as Dialog>::Pending as Pending>::Opening<Remote>;

impl Node {
    /// A node whose store lies in `directory`, created if need be. One node has one directory.
    pub fn builder(directory: impl AsRef<Path>) -> NodeBuilder {
        NodeBuilder::new(directory.as_ref())
    }

    pub(super) fn new(shared: Arc<Shared>, shell: Shell) -> Self {
        Self {
            shared,
            shell: Mutex::new(Some(shell)),
        }
    }

    /// A node that somebody steps instead of threads.
    #[cfg(feature = "test-util")]
    pub(crate) fn stepped(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            shell: Mutex::new(None),
        }
    }

    /// A frame arrives, from whoever wrote it: for tests of what strangers may do.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn inject(&self, frame: &[u8]) {
        self.shared.take_frame(frame);
    }

    /// Targets whose initiators have not come back, as this life counts them.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn half_open(&self) -> u64 {
        self.shared.half_open.targets()
    }

    /// Opens a dialog from plain code. It is volatile on this side: it lives as long as its handle and this process, and
    /// when either goes, the partner hears that its partner is gone. For a dialog that survives, see [`Node::open_as`].
    pub fn open<D: Dialog>(&self) -> Opening<D> {
        open::<D>(&self.shared)
    }

    /// Gets or opens the dialog of `key`: durable on this side, for ever the same dialog for the same key and service on
    /// this node. The first messages of a pending dialog are recorded with the key and sent only if no answer is
    /// recorded; with other contents they are a [`KeyConflict`](crate::CallError::KeyConflict).
    pub fn open_as<D: Dialog>(&self, key: impl AsRef<str>) -> Opening<D> {
        open_as::<D>(&self.shared, key.as_ref())
    }

    /// The application's tables as they are now: one consistent picture, all of it durable.
    pub async fn read(&self) -> Result<View, ViewError> {
        let snapshot = self.shared.store.snapshot().map_err(ViewError::Store)?;
        let (durable, waiting) = oneshot::channel();
        let output = Output {
            durable: vec![durable],
            ..Output::default()
        };
        if let Some(output) = self.shared.gate.submit(Vec::new(), output, 1) {
            self.shared.release(output);
        }
        waiting.await.map_err(|_| ViewError::Stopped)?;
        Ok(View::new(snapshot))
    }

    /// What this node has done since its start.
    pub fn stats(&self) -> Stats {
        self.shared.counters.read()
    }

    /// The node's store, for benchmarks that look at its counters and fold it.
    #[doc(hidden)]
    pub fn store(&self) -> &actor_store::Store {
        &self.shared.store
    }

    /// The durable sides of dialogs in this node's store, ended ones while they are remembered.
    pub fn dialogs(&self) -> Result<Vec<DialogInfo>, StoreFault> {
        listing::list(&self.shared)
    }

    /// Messages that were given up, oldest first.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreFault> {
        letters::list(&self.shared)
    }

    /// Deletes a dead letter that was read. One that is gone already is no error; held work is not a dead letter and stays.
    pub async fn delete_dead_letter(&self, letter: &DeadLetter) -> Result<(), StoreFault> {
        let delete = {
            let book = &self.shared.letters;
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            book.remove(&letter.key)
        };
        let (durable, waiting) = oneshot::channel();
        let output = Output {
            durable: vec![durable],
            ..Output::default()
        };
        if let Some(output) = self
            .shared
            .gate
            .submit(delete.into_iter().collect(), output, 1)
        {
            self.shared.release(output);
        }
        waiting.await.map_err(|_| StoreFault::Stopped)
    }

    /// Work of dialogs with `on_poison = "hold"` that could not be handled and waits for [`Node::retry`].
    pub fn held(&self) -> Result<Vec<Held>, StoreFault> {
        letters::list_held(&self.shared)
    }

    /// Tries work again that a dialog holds, in its place, as if it were new: after the cause is gone, or with a program
    /// in which it is repaired. What waits behind it follows when it succeeds; if it fails again, it is held again.
    /// Durable when it returns; the attempt itself follows.
    pub async fn retry(&self, dialog: DialogId) -> Result<(), RetryError> {
        let (done, waiting) = oneshot::channel();
        self.shared
            .post(dialog.slot(), ShardMsg::Retry(dialog, done));
        match waiting.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(RetryError::NotHeld { dialog }),
            Err(_) => Err(RetryError::Stopped),
        }
    }

    /// Does this node give nothing up, because the machine's clock was too far ahead at its start? See
    /// [`NodeBuilder::clock_hold`].
    pub fn is_clock_held(&self) -> bool {
        self.shared.clock.is_held()
    }

    /// Says that the machine's clock is right, also if it was far ahead of the store's last commit at the start. What
    /// lapsed meanwhile is given up after a grace of a minute, in which partners may still be heard.
    pub fn trust_clock(&self) {
        self.shared.trust_clock();
    }

    /// The instance's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Waits until the node stops by itself because its store failed, and says why in one line.
    pub async fn stopped(&self) -> String {
        let mut failure = self.shared.failure();
        let reason = failure
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|reason| reason.clone());
        // The sender lives as long as the node does.
        reason.unwrap_or_default()
    }

    /// Takes no new work, finishes what has begun, makes it durable and closes the store.
    pub async fn shutdown(self) -> Result<(), ShutdownError> {
        self.shared.refuse_new();
        drain(&self.shared).await;
        let shared = Arc::clone(&self.shared);
        // Joins threads that are idle by now.
        drop(self);
        match &*shared.failure().borrow() {
            None => Ok(()),
            Some(why) => Err(ShutdownError { why: why.clone() }),
        }
    }
}

/// Waits until no shard has anything left and the gate has committed everything: rounds of barriers until one finds
/// nothing new.
async fn drain(shared: &Arc<Shared>) {
    /// More than any chain of messages inside one node; a dialog that talks to itself for ever is cut off here.
    const ROUNDS: usize = 1000;
    for _ in 0..ROUNDS {
        let mut handled = 0;
        for mailbox in &shared.mailboxes {
            let (done, waiting) = oneshot::channel();
            let _ = mailbox.push(ShardMsg::Barrier(done));
            handled += waiting.await.unwrap_or(0);
        }
        let (durable, waiting) = oneshot::channel();
        let output = Output {
            durable: vec![durable],
            ..Output::default()
        };
        if let Some(output) = shared.gate.submit(Vec::new(), output, 1) {
            shared.release(output);
        }
        if waiting.await.is_err() || handled == 0 {
            return;
        }
    }
}

pub(crate) fn open<D: Dialog>(shared: &Arc<Shared>) -> Opening<D> {
    let dialog = DialogId(shared.ids.random());
    let address = Address::initiator(dialog, dialog.slot());
    line::<D>(shared, address, None)
}

pub(crate) fn open_as<D: Dialog>(shared: &Arc<Shared>, key: &str) -> Opening<D> {
    let service = D::CONTRACT.name;
    let row = Key::of([service.as_bytes(), &[0xff], key.as_bytes()]);
    let address = shared.initiator_of(&row);
    line::<D>(shared, address, Some(row))
}

fn line<D: Dialog>(shared: &Arc<Shared>, address: Address, key: Option<Key>) -> Opening<D> {
    let open = OpenSpec::of::<D>();
    let line = NodeLine::new(shared, address, PlainSpec { open, key });
    FromPort::from_port(Remote::new(Arc::new(line)))
}

impl Drop for Node {
    fn drop(&mut self) {
        let shell = self
            .shell
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut shell) = shell {
            shell.join(&self.shared);
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Display for RetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHeld { dialog } => write!(
                f,
                "dialog {dialog} holds nothing on this node: see `node.held()` for those that do"
            ),
            Self::Stopped => f.write_str("this node has stopped; start it again and retry there"),
        }
    }
}

impl std::error::Error for RetryError {}

impl fmt::Debug for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for ShutdownError {}
