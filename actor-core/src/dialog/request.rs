//! One request of a generated client: awaited in plain code, continued with `.then(..)` in a handler.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actor_store::codec;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::{Answer, CallError, Dialog, Encoded, Heard, Never, Outcome, Port, Remote, Sent};

/// A message that wants an answer.
///
/// In plain code it is a future: nothing is sent before it is polled, and dropping it later changes nothing, the message
/// is sent and its answer discarded. In a handler it needs `.then(..)`.
#[must_use = "a request does nothing until it is awaited (in plain code) or given `.then(..)` (in a handler)"]
pub struct Request<P, T, E = Never> {
    port: P,
    call: Option<Encoded>,
    once: Option<String>,
    within: Option<Duration>,
    opening: bool,
    waiting: Option<oneshot::Receiver<Heard>>,
    decode: fn(&[u8], &P) -> Result<T, codec::CodecError>,
    refusal: fn(&[u8]) -> Result<E, codec::CodecError>,
}

impl<P: Port, T: DeserializeOwned, E: DeserializeOwned> Request<P, T, E> {
    #[doc(hidden)]
    pub fn ask(port: P, call: Encoded) -> Self {
        Self {
            port,
            call: Some(call),
            once: None,
            within: None,
            opening: false,
            waiting: None,
            decode: |bytes, _| codec::decode(bytes),
            refusal: codec::decode,
        }
    }
}

#[doc(hidden)]
pub fn opening<P: Port, S: Dialog, T: DeserializeOwned, E: DeserializeOwned>(
    port: P,
    call: Encoded,
) -> Request<P, (T, P::Established<S>), E> {
    Request {
        port,
        call: Some(call),
        once: None,
        within: None,
        opening: true,
        waiting: None,
        decode: |bytes, port| Ok((codec::decode(bytes)?, port.reach::<S>())),
        refusal: codec::decode,
    }
}

#[doc(hidden)]
pub fn established<P: Port, S: Dialog>(port: P) -> Request<P, P::Established<S>> {
    Request {
        port,
        call: Some(Encoded::established()),
        once: None,
        within: None,
        opening: true,
        waiting: None,
        decode: |_, port| Ok(port.reach::<S>()),
        refusal: codec::decode,
    }
}

impl<P, T, E> Request<P, T, E> {
    /// Waits for the answer no longer than this. When it passes, the caller hears [`CallError::Overdue`], or the
    /// continuation does: the message has been said and the work may be done, so the knowledge is `InDoubt`. The dialog
    /// goes on; an answer that comes later is discarded, but for a named request it is recorded, and asking again under
    /// the name finds it. A dialog that this request opens is looked for no longer either.
    ///
    /// The node's threads keep this time, between handlers: where the handler runs on the same node and blocks its thread,
    /// the wait is as long as that.
    pub fn within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self
    }

    pub(super) fn into_parts(self) -> (P, Encoded, bool, Option<Duration>) {
        let call = self.call.unwrap_or_else(Encoded::established);
        (self.port, call, self.opening, self.within)
    }
}

impl<T, E> Request<Remote, T, E> {
    /// Names this request within its dialog: the same name again, also after a restart and after the end of the dialog,
    /// latches on to the running request or gets the recorded answer. With other arguments it is
    /// [`CallError::KeyConflict`]. Names last as long as the dialog's record: for ever where it was opened with
    /// `open_as`. The first request of a pending dialog that was opened with a key needs no name and takes none: the key
    /// names it.
    pub fn once(mut self, name: impl Into<String>) -> Self {
        self.once = Some(name.into());
        self
    }

    fn decode(&self, heard: Heard) -> Answer<T, E> {
        let unreadable =
            |cause| CallError::Codec(format!("the answer could not be decoded: {cause}"));
        match heard {
            Heard::Outcome(Outcome::Ok(bytes)) => {
                (self.decode)(&bytes, &self.port).map_err(unreadable)
            }
            Heard::Outcome(Outcome::Err(bytes)) => Err(match (self.refusal)(&bytes) {
                Ok(refusal) => CallError::Declined(refusal),
                Err(cause) => unreadable(cause),
            }),
            Heard::Outcome(outcome) => Err(outcome.into_failure()),
            Heard::KeyConflict(key) => Err(CallError::KeyConflict { key }),
            Heard::Stopped { in_doubt } => Err(CallError::Stopped { in_doubt }),
        }
    }
}

impl<T, E> Future for Request<Remote, T, E> {
    type Output = Answer<T, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(call) = this.call.take() {
            let first = this.port.take_first();
            let plain =
                first.is_empty() && this.once.is_none() && this.within.is_none() && !this.opening;
            let done = plain.then(|| this.port.line().ask_here(&call)).flatten();
            if let Some(done) = done {
                let heard = Heard::Outcome(done);
                if !is_others_turn() {
                    return Poll::Ready(this.decode(heard));
                }
                let (answer, waiting) = oneshot::channel();
                let _ = answer.send(heard);
                this.waiting = Some(waiting);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let (answer, waiting) = oneshot::channel();
            this.waiting = Some(waiting);
            this.port.line().send(Sent {
                first,
                ask: call,
                once: this.once.take(),
                within: this.within,
                opening: this.opening,
                answer,
            });
        }
        let Some(waiting) = this.waiting.as_mut() else {
            // Polled after its answer, which a future need not survive.
            return Poll::Pending;
        };
        let heard =
            ready!(Pin::new(waiting).poll(context)).unwrap_or(Heard::Stopped { in_doubt: true });
        this.waiting = None;
        Poll::Ready(this.decode(heard))
    }
}

/// Answers that a thread is given at once before another task has its turn: nothing else on its way lets one.
const AT_ONCE_IN_A_ROW: u32 = 128;

/// Has this thread heard so many answers without waiting that it is another task's turn?
fn is_others_turn() -> bool {
    thread_local! {
        static IN_A_ROW: Cell<u32> = const { Cell::new(0) };
    }
    let so_far = IN_A_ROW.get() + 1;
    let enough = so_far >= AT_ONCE_IN_A_ROW;
    IN_A_ROW.set(if enough { 0 } else { so_far });
    enough
}

impl<P, T, E> fmt::Debug for Request<P, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.call.is_some() {
            "Request(not sent)"
        } else {
            "Request(sent)"
        })
    }
}
