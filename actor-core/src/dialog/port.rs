//! Where a generated client puts its messages: straight to the plumbing from plain code, into the commit from a handler.
//!
//! Owns the seam between typed clients and the node ([`Line`]); never knows what is behind it.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{CallError, Dialog, Encoded, Knowledge, Outcome, Reader};
use crate::protocol::DialogId;

/// Makes a client or an opening talk through a port. Implemented by `#[dialog]`.
pub trait FromPort<P: Port>: Sized {
    #[doc(hidden)]
    fn from_port(port: P) -> Self;
}

pub(super) trait Sealed {
    /// In plain code: hears events from now on.
    fn listen(&self) -> Option<Arc<Reader>>;
}

/// A place for messages: [`Remote`] in plain code, [`Outbox`](super::Outbox) in a handler.
#[expect(private_bounds, reason = "sealed: the plumbing has exactly two ends")]
pub trait Port: Sealed + Sized {
    /// What the caller holds once the partner has answered for the first time.
    type Established<S: Dialog>;

    #[doc(hidden)]
    fn reach<S: Dialog>(&self) -> Self::Established<S>;
    #[doc(hidden)]
    #[must_use]
    fn fork(&self) -> Self;
    #[doc(hidden)]
    fn tell(&mut self, call: Encoded);
}

/// What a caller in plain code is told.
#[derive(Debug)]
pub(crate) enum Heard {
    Outcome(Outcome),
    KeyConflict(String),
    Stopped { in_doubt: bool },
}

/// Messages on their way from plain code.
#[derive(Debug)]
pub(crate) struct Sent {
    /// First messages that want no answer.
    pub(crate) first: Vec<Encoded>,
    pub(crate) ask: Encoded,
    /// The name under which the answer is recorded.
    pub(crate) once: Option<String>,
    /// How long the caller waits.
    pub(crate) within: Option<Duration>,
    /// This is the opening of a dialog with a pending block.
    pub(crate) opening: bool,
    pub(crate) answer: oneshot::Sender<Heard>,
}

/// One dialog as plain code holds it. Dropping the last reference is dropping the handle.
pub(crate) trait Line: Send + Sync {
    fn id(&self) -> DialogId;
    fn send(&self, sent: Sent);
    /// Does all of a request on this thread, if it can be done so: no other message is under way, and it is only answered.
    fn ask_here(&self, ask: &Encoded) -> Option<Outcome>;
    fn knowledge(&self) -> Knowledge;
    /// Tells what is known of the request with this name.
    fn knowledge_of(&self, name: String, answer: oneshot::Sender<Knowledge>);
    /// Events go to this reader from now on.
    fn listen(&self, reader: &Arc<Reader>);
    fn close(&self);
    fn abandon(&self, why: String);
}

/// The port of plain async code: requests are awaited.
pub struct Remote {
    line: Arc<dyn Line>,
    first: Vec<Encoded>,
}

impl Remote {
    pub(crate) fn new(line: Arc<dyn Line>) -> Self {
        Self {
            line,
            first: Vec::new(),
        }
    }

    pub(super) fn line(&self) -> &Arc<dyn Line> {
        &self.line
    }

    pub(super) fn take_first(&mut self) -> Vec<Encoded> {
        std::mem::take(&mut self.first)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({})", self.line.id())
    }
}

impl Sealed for Remote {
    fn listen(&self) -> Option<Arc<Reader>> {
        let reader = Arc::default();
        self.line.listen(&reader);
        Some(reader)
    }
}

impl Port for Remote {
    type Established<S: Dialog> = S::Client<Self>;

    fn reach<S: Dialog>(&self) -> S::Client<Self> {
        S::Client::from_port(self.fork())
    }

    fn fork(&self) -> Self {
        Self::new(Arc::clone(&self.line))
    }

    fn tell(&mut self, call: Encoded) {
        self.first.push(call);
    }
}

/// The plumbing's side of a client: what is known of the dialog, and how to end it. From `client.dialog()`.
pub struct Partner<'c, P> {
    pub(super) port: &'c P,
}

impl<'c, P: Port> Partner<'c, P> {
    #[doc(hidden)]
    pub fn new(port: &'c P) -> Self {
        Self { port }
    }
}

impl<P> fmt::Debug for Partner<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Partner")
    }
}

impl Partner<'_, Remote> {
    /// The dialog's id, the same on both sides.
    pub fn id(&self) -> DialogId {
        self.port.line.id()
    }

    /// What is known of the newest message: `NotSent`, `InDoubt`, `Answered` or `Ended`. It survives a dropped request.
    pub fn knowledge(&self) -> Knowledge {
        self.port.line.knowledge()
    }

    /// What is known of the request that was named with [`Request::once`](crate::Request::once), also after a restart and
    /// by another handle. See [`Knowledge`] for what of it is durable.
    pub async fn knowledge_of(&self, name: impl Into<String>) -> Result<Knowledge, CallError> {
        let (answer, waiting) = oneshot::channel();
        self.port.line.knowledge_of(name.into(), answer);
        let stopped = |_| CallError::Stopped { in_doubt: true };
        waiting.await.map_err(stopped)
    }

    /// Closes the dialog after what was sent. Requests that are still unanswered are answered. A dialog to which nothing
    /// was sent yet has not begun, and there is nothing to close.
    pub fn close(&self) {
        self.port.line.close();
    }

    /// Gives the dialog up; the partner is told `why`. No effect where nothing was sent yet.
    pub fn abandon(&self, why: impl Into<String>) {
        self.port.line.abandon(why.into());
    }
}
