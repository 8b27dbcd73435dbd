//! A message that wants no answer because a newer one may take its place.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;

use super::{
    Answer, CallError, Dialog, Encoded, Heard, Never, Outbox, Outcome, Port, Remote, Sent,
};

/// A message to a `#[handler(currency)]`: its newest value counts.
///
/// In plain code await it; it is ready once the plumbing has taken the value over, and nobody says whether it has
/// arrived or was superseded. In a handler it needs `.tell()`.
#[must_use = "a currency message does nothing until it is awaited (in plain code) or given `.tell()` (in a handler)"]
pub struct Telling<P> {
    port: P,
    call: Option<Encoded>,
    waiting: Option<oneshot::Receiver<Heard>>,
}

impl<P: Port> Telling<P> {
    #[doc(hidden)]
    pub fn new(port: P, call: Encoded) -> Self {
        Self {
            port,
            call: Some(call.currency()),
            waiting: None,
        }
    }
}

impl Future for Telling<Remote> {
    type Output = Answer<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(call) = this.call.take() {
            let (answer, waiting) = oneshot::channel();
            let first = this.port.take_first();
            this.waiting = Some(waiting);
            this.port.line().send(Sent {
                within: None,
                first,
                ask: call,
                once: None,
                opening: false,
                answer,
            });
        }
        let Some(waiting) = this.waiting.as_mut() else {
            // Polled after it was ready, which a future need not survive.
            return Poll::Pending;
        };
        let heard =
            ready!(Pin::new(waiting).poll(context)).unwrap_or(Heard::Stopped { in_doubt: true });
        this.waiting = None;
        Poll::Ready(match heard {
            Heard::Outcome(Outcome::Ok(_)) => Ok(()),
            Heard::Outcome(outcome) => Err(outcome.into_failure::<Never>()),
            Heard::KeyConflict(key) => Err(CallError::KeyConflict { key }),
            Heard::Stopped { in_doubt } => Err(CallError::Stopped { in_doubt }),
        })
    }
}

impl<D: Dialog> Telling<Outbox<'_, D>> {
    /// Says it with this step's commit, in the place of an older value that still waits.
    pub fn tell(self) {
        if let Some(call) = self.call {
            self.port.send(call, None, None);
        }
    }
}

impl<P> fmt::Debug for Telling<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.call.is_some() {
            "Telling(not sent)"
        } else {
            "Telling(sent)"
        })
    }
}
