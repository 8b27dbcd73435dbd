//! The hatch: a volatile actor at rest, lent to those who hold its handle. What is only answered is then done on its
//! caller's thread: nobody is woken, nothing is queued, no endpoint hears of it.
//!
//! Owns the state while it is lent, and the order between callers and shard. Only the shard lends and takes back, and
//! nothing overtakes what was handed to it. A handler that wants more than to answer has not run: its state is as it
//! was, and its message goes the ordinary way.

use std::{
    cell::Cell,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use smallvec::SmallVec;
use tracing::debug_span;

#[cfg(feature = "test-util")]
use super::{Ran, What, notes::Notes};
use super::{Shared, shard::LARGE_STATE_BYTES, stats::add, tables::NoTables};
#[cfg(feature = "test-util")]
use crate::protocol::{Role, Token};
use crate::{
    coverage::{self, Rare},
    dialog::{Actor, Call, ESTABLISHED, Encoded, Half, Outcome, Replied, Resources, Service, Step},
    protocol::{DialogId, MAX_MESSAGE_BYTES},
};

/// Arguments above this many bytes go the ordinary way, where the dialog's own limits are.
const MAX_ARGUMENT_BYTES: usize = 64 * 1024;
/// How often a caller looks whether another one is done before it goes the ordinary way.
const LOOKS: u32 = 100;
/// A kind of message that wants more than an answer each time is tried once in two to the power of so many.
const MAX_MISSES: u8 = 12;

/// What an actor at rest is, without what its endpoints and timers are.
pub(super) struct Lent {
    /// Holds the store open for as long as the state is lent; the shard takes everything back before it ends.
    pub(super) shared: Arc<Shared>,
    pub(super) service: Arc<Service>,
    pub(super) actor: DialogId,
    pub(super) trace: DialogId,
    /// The numbers of the next request and of its answer.
    pub(super) next: (u64, u64),
    /// Requests that were answered here.
    pub(super) answered: u64,
    /// Of target and initiator, for who checks what was done.
    #[cfg(feature = "test-util")]
    pub(super) tokens: (Token, Token),
    /// Decoded when needed.
    pub(super) live: Option<Box<dyn Actor>>,
    /// Encoded: where it goes back to.
    pub(super) state: Vec<u8>,
    /// When it was used last, if it was.
    pub(super) used_ms: Option<u64>,
}

/// A kind of message that was not only answered.
struct Missed {
    handler: u32,
    /// How often, less how often it was since.
    misses: u8,
    /// So many go the ordinary way before the next is tried.
    skip: u32,
}

#[derive(Default)]
struct Inside {
    lent: Option<Lent>,
    missed: SmallVec<[Missed; 1]>,
}

/// The way from a handle to its actor that goes past the shard.
#[derive(Default)]
pub(super) struct Hatch {
    /// Handed to the shard and not yet taken up there: nothing may overtake it.
    queued: AtomicU32,
    /// Changed by the shard alone. A hint to callers: what counts is inside.
    is_open: AtomicBool,
    /// Room for it is made when it is first lent.
    inside: Mutex<Option<Box<Inside>>>,
}

thread_local! {
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
}

/// Runs the application's code on this thread. What it says through handles goes the ordinary way, in whichever depth.
pub(super) fn in_handler<T>(code: impl FnOnce() -> T) -> T {
    struct Outer(bool);
    impl Drop for Outer {
        fn drop(&mut self) {
            IN_HANDLER.set(self.0);
        }
    }
    let _outer = Outer(IN_HANDLER.replace(true));
    code()
}

impl Hatch {
    fn lock(&self) -> MutexGuard<'_, Option<Box<Inside>>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits a moment for another caller. Whoever goes the ordinary way instead is overtaken by nobody who comes later.
    fn wait_for_turn(&self) -> Option<MutexGuard<'_, Option<Box<Inside>>>> {
        for _ in 0..LOOKS {
            match self.inside.try_lock() {
                Ok(inside) => return Some(inside),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        None
    }

    /// Something of this handle goes to the shard.
    pub(super) fn queue(&self) {
        self.queued.fetch_add(1, Ordering::SeqCst);
    }

    /// The shard has taken it up. The actor is not lent at that time.
    pub(super) fn taken_up(&self) {
        self.queued.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Lends the actor, if nothing waits for the shard. Gives it back otherwise.
    pub(super) fn open(&self, lent: Lent) -> Option<Lent> {
        let mut inside = self.lock();
        if self.queued.load(Ordering::SeqCst) > 0 {
            return Some(lent);
        }
        inside.get_or_insert_default().lent = Some(lent);
        self.is_open.store(true, Ordering::Relaxed);
        None
    }

    /// Takes the actor back; waits for a handler that runs on its caller's thread, as for any other.
    pub(super) fn close(&self) -> Option<Lent> {
        let mut inside = self.lock();
        self.is_open.store(false, Ordering::Relaxed);
        inside.as_mut()?.lent.take()
    }

    /// Does the whole of it here and now, or nothing.
    pub(super) fn ask(&self, call: &Encoded) -> Option<Outcome> {
        let plain = !call.closing && !call.currency && call.handler != ESTABLISHED;
        if !plain || !self.is_open() || IN_HANDLER.get() {
            return None;
        }
        let body = call.body.as_ref().ok()?;
        if body.len() > MAX_ARGUMENT_BYTES {
            return None;
        }
        let mut inside = self.wait_for_turn()?;
        if self.queued.load(Ordering::SeqCst) > 0 {
            return None;
        }
        let inside = inside.as_mut()?;
        let lent = inside.lent.as_mut()?;
        let at = inside
            .missed
            .iter()
            .position(|missed| missed.handler == call.handler);
        let missed = at.and_then(|at| inside.missed.get_mut(at));
        if let Some(missed) = &missed
            && missed.skip > 0
        {
            inside.missed[at?].skip -= 1;
            return None;
        }
        if lent.shared.is_stopping() {
            return None;
        }
        let outcome = lent.run(call, body);
        match (&outcome, missed) {
            (Some(_), None) => {}
            (Some(_), Some(missed)) => missed.misses = missed.misses.saturating_sub(1),
            (None, Some(missed)) => {
                missed.misses = (missed.misses + 1).min(MAX_MISSES);
                missed.skip = (1 << missed.misses) - 1;
            }
            (None, None) => inside.missed.push(Missed {
                handler: call.handler,
                misses: 1,
                skip: 1,
            }),
        }
        if outcome.is_none() {
            coverage::sometimes(Rare::HatchMissed);
        }
        outcome
    }
}

/// A handler that only answers has no resources, as it has no tables: whoever asks for one goes the ordinary way.
static NOTHING: LazyLock<Resources> = LazyLock::new(Resources::default);

impl Lent {
    /// Runs a handler. `None` leaves everything as it was.
    fn run(&mut self, call: &Encoded, body: &[u8]) -> Option<Outcome> {
        let now = self.shared.clock.now_ms();
        let service = &self.service;
        let seq = self.next.0 + self.answered;
        // Whatever is not put back is decoded again when it is needed.
        let mut live = if let Some(live) = self.live.take() {
            live
        } else {
            let version = service.version(Half::Established);
            guarded(|| service.decode(Half::Established, version, &self.state))?.ok()?
        };
        let span = debug_span!(
            target: "actor_core::dialog", parent: None, "dialog.handle",
            service = service.name(), dialog = %self.actor, seq, handler = call.name, attempt = 1_u32,
            stage = "established", trace = %self.trace
        );
        let step = Step::new(
            now,
            self.actor,
            Some(seq),
            1,
            (&NOTHING, &NoTables, &*self.shared.ids),
        );
        let message = Call {
            handler: call.handler,
            body,
        };
        let handled = span.in_scope(|| guarded(|| live.handle(&step, message)))?;
        let (commands, handled) = (step.finish().ok()?, handled.ok()?);
        let limit = self.shared.limits.max_message_bytes.min(MAX_MESSAGE_BYTES);
        let fits = |answer: &[u8]| answer.len() <= limit;
        let outcome = match handled.reply {
            // What it changed and asked for is forgotten, as ever.
            Replied::Err(refusal) if fits(&refusal) && !live.is_gone() => Outcome::Err(refusal),
            Replied::Ok(answer) if fits(&answer) && commands.is_empty() && !live.is_gone() => {
                if handled.wrote {
                    let (state, notes) = guarded(|| live.encode())?.ok()?;
                    // A size that is warned about, and promises that are counted: both by the shard.
                    if state.len() > LARGE_STATE_BYTES || !notes.is_empty() {
                        return None;
                    }
                    self.state = state;
                }
                self.live = Some(live);
                Outcome::Ok(answer)
            }
            _ => return None,
        };
        self.used_ms = Some(now);
        #[cfg(feature = "test-util")]
        self.note(call.name);
        self.answered += 1;
        add(&self.shared.counters.handled, 1);
        Some(outcome)
    }

    /// It was said, taken in, handled and heard, all at once.
    #[cfg(feature = "test-util")]
    fn note(&self, handler: &'static str) {
        let notebook = &self.shared.notebook;
        if !notebook.is_open() {
            return;
        }
        let (request, answer) = (self.next.0 + self.answered, self.next.1 + self.answered);
        let (target, initiator) = self.tokens;
        let ran = Ran {
            actor: self.actor,
            token: Some(target),
            handler,
            what: What::Message(request),
            pending: false,
            failed: false,
        };
        notebook.tried(&ran);
        let mut notes = Notes::default();
        notes.consumed(self.actor, Role::Target, target, request..request + 1);
        notes.accepted(self.actor, target, request);
        notes.handled(ran);
        notes.consumed(self.actor, Role::Initiator, initiator, answer..answer + 1);
        notebook.durable(&mut notes);
    }
}

/// Runs the application's code. A panic goes the ordinary way: it will happen again there, and count.
fn guarded<T>(code: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(|| in_handler(code))).ok()
}

impl fmt::Debug for Hatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hatch(open: {})", self.is_open())
    }
}
