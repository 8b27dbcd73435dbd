//! One handler, run: the application's code on the decoded state, with a buffer for everything it asks for.
//!
//! Owns the boundary to the application: spans, panics, roll back of a refused step, limits of a state. Never touches an
//! endpoint; what a handler asked for is handed back.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actor_store::StoreFault;
use tracing::{debug_span, error, warn};

use super::{
    cells::{ActorCell, Away},
    trouble::{MAX_HELD_BYTES, MAX_HELD_WORK},
    txn::Txn,
};
use crate::{
    dialog::{
        Actor, Call, Command, ESTABLISHED, Half, Handled, Replied, Resumed, Service, StateNotes,
        Step, StepFault, Unfit,
    },
    node::{
        Shared, deaths::Running, hatch::in_handler, record::Work, stats::add, tables::StepTables,
    },
    protocol::{DialogId, FaultCode, MAX_MESSAGE_BYTES, Message, MessageKind},
};

/// Largest state in bytes.
pub(super) const MAX_STATE_BYTES: usize = 1024 * 1024;
/// States above this many bytes are warned about: every message writes the whole state.
pub(crate) const LARGE_STATE_BYTES: usize = 64 * 1024;
/// Why work could not be done.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) actor: DialogId,
    pub(super) why: String,
    pub(super) retry: Retry,
    pub(super) code: FaultCode,
    /// What ran, if it is known.
    pub(super) running: Option<Running>,
}

/// Whether failed work is worth another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// A panic may be of the moment; each attempt is counted.
    Counted,
    /// Nothing is wrong with the work: a partner is too busy to be sent to. Tried until a deadline.
    Patient,
    /// A message of another version, a missing resource: it would fail the same way again.
    Never,
    /// More waits behind held work than may.
    Overfull,
    /// It was tried as often as work is, and took the process along: so many attempts.
    Exhausted(u32),
}

/// What a handler that returned wants.
pub(super) struct Done {
    pub(super) reply: Option<Replied>,
    pub(super) commands: Vec<Command>,
    /// Set where the state was encoded again.
    pub(super) notes: Option<StateNotes>,
    pub(super) gone: bool,
    /// The state as it was, where it was written.
    pub(super) before: Option<StateBefore>,
}

/// What a handler overwrote.
pub(super) struct StateBefore {
    pub(super) state: Vec<u8>,
    pub(super) away: Option<Away>,
    pub(super) pending: bool,
    pub(super) version: u32,
}

impl Done {
    /// State, rows and commands are as if the handler had not run. A closing message closes all the same.
    fn rolled_back(reply: Option<Replied>, gone: bool) -> Self {
        Self {
            reply,
            commands: Vec::new(),
            notes: None,
            gone,
            before: None,
        }
    }
}

/// Runs one handler on the decoded state. On success the new state is encoded; on refusal and failure it is forgotten,
/// so that the next use decodes what was there before.
pub(super) fn run<'l>(
    shared: &'l Shared,
    txn: &Txn<'l>,
    cell: &mut ActorCell,
    actor: DialogId,
    work: &Work,
    deaths: u32,
) -> Result<Result<Done, Failed>, StoreFault> {
    let service = Arc::clone(&cell.service);
    let stored = &cell.record;
    let ready = cell.live.take();
    // The application's own `Default` and `Deserialize` run here, so their panics are handlers' panics.
    let decoded = guarded(shared, actor, || match ready {
        Some(live) => Ok(live),
        None if stored.pending && stored.state.is_empty() => Ok(service.start()),
        None => service.decode(Half::of(stored.pending), stored.version, &stored.state),
    });
    let mut live = match decoded {
        Ok(Ok(live)) => live,
        Ok(Err(unfit)) => return Ok(Err(Failed::unfit(actor, &unfit))),
        Err(failed) => return Ok(Err(failed)),
    };
    let attempt = cell.record.attempt() + deaths;
    let (request, seq, handler) = match work {
        Work::Message(message) => {
            let request = (message.kind == MessageKind::Ask).then_some(message.seq);
            (request, message.seq, service.handler_name(message.handler))
        }
        Work::Establish => (None, 0, "establish"),
        Work::Resume { .. } => (None, 0, "resume"),
        Work::Timer { .. } => (None, 0, "timer"),
        Work::Abandoned(_) => (None, 0, "abandoned"),
    };
    let stage = if live.is_pending() {
        "initiation"
    } else {
        "established"
    };
    let trace = txn.trace;
    let span = debug_span!(
        target: "actor_core::dialog", "dialog.handle",
        service = service.name(), dialog = %actor, seq, handler, attempt, stage, %trace
    );
    let tables = StepTables::new(
        &txn.tables,
        &shared.table_lock,
        &shared.store,
        &service.types.tables,
    );
    let step = Step::new(
        txn.now,
        actor,
        request,
        attempt,
        (&shared.resources, &tables, &*shared.ids),
    );
    add(&shared.counters.handled, 1);
    let ran = span.in_scope(|| guarded(shared, actor, || call(&mut *live, &step, work)));
    let (handled, commands) = match (ran, step.finish()) {
        (_, Err(StepFault::Store(fault))) => return Err(fault),
        (Err(failed), _) => return Ok(Err(failed)),
        // Whatever it concluded, it concluded from something that was not there.
        (_, Err(fault)) => return Ok(Err(Failed::for_good(actor, fault.to_string()))),
        (Ok(Err(unfit)), _) => return Ok(Err(Failed::unfit(actor, &unfit))),
        (Ok(Ok(handled)), Ok(commands)) => (handled, commands),
    };
    let gone = live.is_gone();
    let wrote = handled.as_ref().is_none_or(|handled| handled.wrote);
    let reply = handled.map(|handled| handled.reply);
    let limit = shared.limits.max_message_bytes.min(MAX_MESSAGE_BYTES);
    if let Some(Replied::Ok(body) | Replied::Err(body)) = &reply
        && body.len() > limit
    {
        error!(
            target: "actor_core::dialog", %actor, service = service.name(), handler, bytes = body.len(),
            "an answer may have {limit} bytes: the step is rolled back and its caller hears `TooLarge`"
        );
        let bytes = body.len();
        return Ok(Ok(Done::rolled_back(
            Some(Replied::TooLarge { bytes, limit }),
            gone,
        )));
    }
    if matches!(reply, Some(Replied::Err(_))) {
        return Ok(Ok(Done::rolled_back(reply, gone)));
    }
    let mut notes = None;
    let mut before = None;
    if wrote && !gone {
        let (state, noted) = match guarded(shared, actor, || live.encode()) {
            Ok(Ok(encoded)) => encoded,
            Ok(Err(unfit)) => return Ok(Err(Failed::unfit(actor, &unfit))),
            Err(failed) => return Ok(Err(failed)),
        };
        if state.len() > MAX_STATE_BYTES {
            error!(
                target: "actor_core::dialog", %actor, service = service.name(), bytes = state.len(),
                "a state may have {MAX_STATE_BYTES} bytes: the step is rolled back and its caller hears `TooLarge`; \
                 keep large data in a table"
            );
            let (bytes, limit) = (state.len(), MAX_STATE_BYTES);
            return Ok(Ok(Done::rolled_back(
                Some(Replied::TooLarge { bytes, limit }),
                gone,
            )));
        }
        if state.len() > LARGE_STATE_BYTES && cell.state_len() <= LARGE_STATE_BYTES {
            warn!(target: "actor_core::dialog", %actor, bytes = state.len(), "a large state: every message writes all of it");
        }
        let record = &mut cell.record;
        let version = service.version(Half::of(live.is_pending()));
        before = Some(StateBefore {
            state: std::mem::replace(&mut record.state, state),
            away: cell.away.take(),
            pending: std::mem::replace(&mut record.pending, live.is_pending()),
            version: std::mem::replace(&mut record.version, version),
        });
        notes = (!live.is_pending()).then_some(noted);
    }
    tables.keep();
    if !gone {
        cell.live = Some(live);
    }
    Ok(Ok(Done {
        reply,
        commands,
        notes,
        gone,
        before,
    }))
}

/// Runs the application's code; a panic there is a failure of this piece of work and of nothing else.
fn guarded<T>(shared: &Shared, actor: DialogId, code: impl FnOnce() -> T) -> Result<T, Failed> {
    catch_unwind(AssertUnwindSafe(|| in_handler(code))).map_err(|panic| {
        #[cfg(feature = "test-util")]
        let panic = crate::world::pass_death_on(panic);
        Failed::panic(shared, actor, panic)
    })
}

fn call(live: &mut dyn Actor, step: &Step<'_>, work: &Work) -> Result<Option<Handled>, Unfit> {
    match work {
        Work::Message(message) => {
            let call = Call {
                handler: message.handler,
                body: &message.body,
            };
            if message.handler == ESTABLISHED {
                Handled::value(&()).map(Handled::read_only)
            } else if live.is_pending() {
                live.accumulate(step, call)
            } else {
                live.handle(step, call)
            }
            .map(Some)
        }
        Work::Establish => {
            live.establish(step);
            Ok(None)
        }
        Work::Resume {
            resume,
            outcome,
            partner,
            context,
        } => {
            let resumed = Resumed {
                resume: *resume,
                outcome: Some(outcome),
                partner: *partner,
                context,
            };
            live.resume(step, resumed).map(|()| None)
        }
        Work::Timer { timer, context } => {
            let resumed = Resumed {
                resume: *timer,
                outcome: None,
                partner: None,
                context,
            };
            live.resume(step, resumed).map(|()| None)
        }
        Work::Abandoned(why) => {
            live.abandoned(step, why.clone());
            Ok(None)
        }
    }
}

impl Failed {
    pub(super) fn for_good(actor: DialogId, why: String) -> Self {
        Self {
            actor,
            why,
            retry: Retry::Never,
            code: FaultCode::Poisoned,
            running: None,
        }
    }

    /// Held work is given up, because too much waits behind it.
    pub(super) fn overfull(actor: DialogId) -> Self {
        Self {
            retry: Retry::Overfull,
            ..Self::for_good(
                actor,
                format!(
                    "more than {MAX_HELD_WORK} messages, or {MAX_HELD_BYTES} bytes, wait behind it"
                ),
            )
        }
    }

    /// Earlier processes died of it; it is not run again.
    pub(super) fn died(actor: DialogId, attempts: u32) -> Self {
        Self {
            actor,
            why: "the process died while it ran, each time".to_owned(),
            retry: Retry::Exhausted(attempts),
            code: FaultCode::Poisoned,
            running: None,
        }
    }

    fn unfit(actor: DialogId, unfit: &Unfit) -> Self {
        Self {
            actor,
            why: unfit.to_string(),
            retry: Retry::Never,
            code: FaultCode::Incompatible,
            running: None,
        }
    }

    fn panic(shared: &Shared, actor: DialogId, panic: Box<dyn Any + Send>) -> Self {
        add(&shared.counters.panicked, 1);
        let panic = match panic.downcast::<StepFault>() {
            Ok(fault) => return Self::for_good(actor, fault.to_string()),
            Err(panic) => panic,
        };
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let why = text
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic".to_owned());
        Self {
            actor,
            why,
            retry: Retry::Counted,
            code: FaultCode::Poisoned,
            running: None,
        }
    }
}

/// The handler of a message, for a dead letter.
pub(super) fn describe(service: &Service, work: &Work) -> String {
    match work {
        Work::Message(Message { seq, handler, .. }) => {
            format!("message {seq}, `{}`", service.handler_name(*handler))
        }
        Work::Establish => "establish".to_owned(),
        Work::Resume { resume, .. } => format!("continuation {resume:#010x}"),
        Work::Timer { timer, .. } => format!("timer {timer:#010x}"),
        Work::Abandoned(_) => "abandoned".to_owned(),
    }
}
