//! What a target says unasked, as the one who opened the dialog hears it.
//!
//! Owns the reader's side: a queue in memory for plain code, a `#[resume]` method for a dialog. Never knows how an event
//! travels, and never blocks anybody: events that nobody reads are acknowledged and dropped.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use actor_store::codec;
use serde::Serialize;

use super::{Answer, CallError, Dialog, Durable, Never, Outbox, Outcome, Port, Remote, Resume};

/// The name under which events travel.
pub(crate) const EVENTS: &str = "events";

/// Bytes of history that may wait for one slow reader in plain code.
const MAX_UNREAD_BYTES: usize = 4 * 1024 * 1024;
/// Events of history that may wait for one slow reader in plain code.
const MAX_UNREAD_EVENTS: usize = 65_536;

/// A dialog whose target speaks unasked. Implemented by `#[dialog(events = ..)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` declares no events",
    label = "its target may not speak unasked",
    note = "add `events = Progress`, with your own type, to the `#[dialog(..)]` on `impl {Self} {{ .. }}`"
)]
pub trait HasEvents: Dialog {
    /// What it says.
    type Event: Durable;
    #[doc(hidden)]
    const CURRENCY: bool;
}

/// A port on which the events of `S` can be heard: any, if there are events. Says at the call what is missing.
#[doc(hidden)]
pub trait Hears<S>: Port {}
impl<P: Port, S: HasEvents> Hears<S> for P {}

/// The events of a dialog, from `client.events()` or `opening.events()`.
///
/// In plain code read them with [`next`](Events::next). In a handler hand them to a `#[resume]` method with
/// [`then`](Events::then). What was said before somebody listened is not heard by anybody, so listen before the first
/// message, or in the continuation of the first answer.
///
/// History comes in order and without a gap. Of currency (`events(currency) = ..`) a reader gets the newest that is here
/// and never an older one.
#[must_use = "events are heard by `.next()` (in plain code) or `.then(..)` (in a handler)"]
pub struct Events<P, S> {
    port: P,
    reader: Option<Arc<Reader>>,
    of: PhantomData<fn() -> S>,
}

impl<P: Port, S: Dialog> Events<P, S> {
    #[doc(hidden)]
    pub fn new(port: P) -> Self {
        let reader = port.listen();
        Self {
            port,
            reader,
            of: PhantomData,
        }
    }
}

impl<S: HasEvents> Events<Remote, S> {
    /// The next event. `None` once the dialog has ended in good order; if it was given up, [`CallError::Abandoned`]
    /// comes before that, and [`CallError::Stopped`] if this node stopped. [`CallError::Busy`] ends the reading of one
    /// who let too much history wait.
    ///
    /// A future that is dropped before it is ready takes no event with it. Listening is not talking: one who says
    /// nothing is silent to the partner, whose timeout says how long that may last.
    pub async fn next(&mut self) -> Option<Answer<S::Event>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same without `async`, for a stream of your own.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Answer<S::Event>>> {
        let Some(reader) = &self.reader else {
            return Poll::Ready(None);
        };
        reader.poll(context).map(|next| {
            let unreadable =
                |cause| CallError::Codec(format!("an event could not be decoded: {cause}"));
            Some(next?.and_then(|bytes| codec::decode(&bytes).map_err(unreadable)))
        })
    }
}

impl<D: Dialog, S: HasEvents> Events<Outbox<'_, D>, S> {
    /// Runs a `#[resume]` method with each event, each in a step of its own, and once more when the dialog ends:
    /// [`CallError::Closed`] or [`CallError::Abandoned`]. Durable: it goes on after a restart. A later call replaces it.
    pub fn then(self, resume: Resume<D, S::Event, Never>) {
        self.then_with(resume, ());
    }

    /// The same with `context` as the continuation's last argument.
    pub fn then_with<C: Serialize>(self, resume: Resume<D, S::Event, Never, C>, context: C) {
        self.port.listen_with(&resume, &context);
    }
}

impl<P, S> fmt::Debug for Events<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

/// Events on their way to one reader in plain code.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Vec<u8>>,
    bytes: usize,
    ending: Option<Result<(), CallError>>,
    waker: Option<Waker>,
}

impl Reader {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of currency only the newest waits. History that waits too long ends the reading: a gap would be a lie.
    pub(crate) fn hear(&self, event: &[u8], currency: bool) {
        let mut waiting = self.lock();
        if waiting.ending.is_some() {
            return;
        }
        if currency {
            waiting.events.clear();
            waiting.bytes = 0;
        }
        let full = waiting.events.len() >= MAX_UNREAD_EVENTS
            || waiting.bytes + event.len() > MAX_UNREAD_BYTES;
        if full && !currency {
            waiting.ending = Some(Err(CallError::Busy));
        } else {
            waiting.bytes += event.len();
            waiting.events.push_back(event.to_vec());
        }
        waiting.wake();
    }

    /// The dialog is over.
    pub(crate) fn end(&self, outcome: Outcome) {
        self.finish(match outcome {
            Outcome::Closed => Ok(()),
            outcome => Err(outcome.into_failure()),
        });
    }

    /// The node is going.
    pub(crate) fn stop(&self) {
        self.finish(Err(CallError::Stopped { in_doubt: false }));
    }

    fn finish(&self, ending: Result<(), CallError>) {
        let mut waiting = self.lock();
        waiting.ending.get_or_insert(ending);
        waiting.wake();
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Answer<Vec<u8>>>> {
        let mut waiting = self.lock();
        if let Some(event) = waiting.events.pop_front() {
            waiting.bytes -= event.len();
            return Poll::Ready(Some(Ok(event)));
        }
        match waiting.ending.take() {
            None => {
                waiting.waker = Some(context.waker().clone());
                Poll::Pending
            }
            Some(ending) => {
                // A bad end is told once; then there is nothing more.
                waiting.ending = Some(Ok(()));
                Poll::Ready(ending.err().map(Err))
            }
        }
    }
}

impl Waiting {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &Reader) -> Vec<Option<Answer<Vec<u8>>>> {
        let mut context = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(next) = reader.poll(&mut context) {
            let last = next.is_none();
            all.push(next);
            if last {
                break;
            }
        }
        all
    }

    #[test]
    fn a_slow_reader_of_history_misses_nothing_and_one_of_currency_gets_the_newest() {
        let (history, currency) = (Reader::default(), Reader::default());
        for event in [b"1", b"2", b"3"] {
            history.hear(event, false);
            currency.hear(event, true);
        }
        let told = |event: &[u8]| Some(Ok(event.to_vec()));
        assert_eq!(read(&history), [told(b"1"), told(b"2"), told(b"3")]);
        assert_eq!(read(&currency), [told(b"3")]);
    }

    #[test]
    fn history_that_waits_too_long_ends_the_reading_without_a_gap() {
        let reader = Reader::default();
        for _ in 0..=MAX_UNREAD_EVENTS {
            reader.hear(b"more", false);
        }
        reader.hear(b"after the gap", false);
        let all = read(&reader);
        assert_eq!(all.len(), MAX_UNREAD_EVENTS + 2);
        assert_eq!(all[MAX_UNREAD_EVENTS..], [Some(Err(CallError::Busy)), None]);
    }

    #[test]
    fn the_end_comes_after_what_was_said_and_is_told_once() {
        let reader = Reader::default();
        reader.hear(b"last", false);
        reader.end(Outcome::NeverReached);
        reader.end(Outcome::Closed);
        let last = Some(Ok(b"last".to_vec()));
        let ending = Some(Err(CallError::NeverReached));
        assert_eq!(read(&reader), [last, ending, None]);
        assert_eq!(read(&reader), [None]);
    }
}
