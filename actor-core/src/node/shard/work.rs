//! Running handlers: one piece of work at a time, inside the transaction of the message that brought it.
//!
//! Owns the boundary to the application: spans, panics, roll back of a refused step. A handler sees its state and a
//! buffer; what it asked for is carried out only if it returned `Ok`.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actor_store::StoreFault;
use tracing::{debug_span, warn};

use super::{Shard, cells::ActorCell, txn::Txn};
use crate::{
    dialog::{
        Actor, Call, Command, ESTABLISHED, Handled, Replied, Resumed, Service, StateNotes, Step,
        StepFault, Unfit,
    },
    node::{
        Shared,
        address::Address,
        record::{ActorRecord, Work},
        stats::add,
        tables::StepTables,
    },
    protocol::{DialogId, FaultCode, Input, Message, MessageKind},
};

/// Largest state in bytes.
pub(super) const MAX_STATE_BYTES: usize = 1024 * 1024;
/// States above this many bytes are warned about: every message writes the whole state.
const LARGE_STATE_BYTES: usize = 64 * 1024;
/// Pieces of work in one transaction. Only a continuation that keeps failing to open a dialog gets there.
const MAX_WORK: usize = 1000;

/// Why work could not be done.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) actor: DialogId,
    pub(super) why: String,
    /// Worth another attempt: a panic may be of the moment, a message of another version is not.
    pub(super) retry: bool,
    pub(super) code: FaultCode,
}

/// What a handler that returned wants.
struct Done {
    reply: Option<Replied>,
    commands: Vec<Command>,
    /// Set where the state was encoded again.
    notes: Option<StateNotes>,
    gone: bool,
}

impl Shard {
    /// Does all the work of a transaction. The first failure ends it.
    pub(super) fn work_through<'l>(
        &mut self,
        shared: &'l Shared,
        txn: &mut Txn<'l>,
    ) -> Result<Option<Failed>, StoreFault> {
        let mut count = 0;
        while let Some((actor, work)) = txn.work.pop_front() {
            count += 1;
            if count > MAX_WORK {
                return Ok(Some(Failed::for_good(
                    actor,
                    format!("more than {MAX_WORK} continuations in one step"),
                )));
            }
            if let Some(failed) = self.work(shared, txn, actor, work)? {
                return Ok(Some(failed));
            }
        }
        Ok(None)
    }

    fn work<'l>(
        &mut self,
        shared: &'l Shared,
        txn: &mut Txn<'l>,
        actor: DialogId,
        work: Work,
    ) -> Result<Option<Failed>, StoreFault> {
        // What a continuation or a timer says goes out through the actor's own endpoint.
        self.ensure_endpoint(Address::target(actor))?;
        if !self.ensure_actor(actor)? {
            return Ok(None);
        }
        txn.actors.insert(actor);
        txn.trace = self
            .endpoints
            .get(&Address::target(actor))
            .map_or(actor, |own| own.record.trace);
        let Some(cell) = self.actors.get_mut(&actor) else {
            return Ok(None);
        };
        // Nothing overtakes work that waits for another attempt; only the end does.
        let ends = matches!(work, Work::Abandoned(_));
        if !cell.record.work.is_empty() && !ends && !txn.retrying {
            cell.record.work.push_back(work);
            txn.dirty_actors.insert(actor);
            return Ok(None);
        }
        match run(shared, txn, cell, actor, &work)? {
            Ok(done) => {
                txn.dirty_actors.insert(actor);
                txn.done += 1;
                if txn.retrying {
                    cell.record.succeeded(txn.now);
                }
                self.carry_out(shared, txn, actor, &work, done)?;
                Ok(None)
            }
            // Nobody is left to try again for: the dialog is over whatever its last handler does.
            Err(failed) if ends => {
                warn!(target: "actor_core::dialog", %actor, why = %failed.why, "an `#[abandoned]` handler failed");
                self.end_actor(txn, actor)?;
                Ok(None)
            }
            Err(failed) => Ok(Some(failed)),
        }
    }

    fn carry_out(
        &mut self,
        shared: &Shared,
        txn: &mut Txn<'_>,
        actor: DialogId,
        work: &Work,
        done: Done,
    ) -> Result<(), StoreFault> {
        let own = Address::target(actor);
        if let Work::Message(message) = work
            && message.kind == MessageKind::Ask
            && let Some(reply) = done.reply
        {
            self.answer(txn, own, message, reply)?;
        }
        let mut closes = done.gone;
        for command in done.commands {
            closes |= matches!(command, Command::Close | Command::Abandon { .. });
            self.command(shared, txn, actor, command)?;
        }
        if let Some(notes) = done.notes {
            self.answer_lost_promises(txn, actor, &notes)?;
        }
        if matches!(work, Work::Abandoned(_)) {
            return self.end_actor(txn, actor);
        }
        if closes {
            self.input(txn, own, Input::Close)?;
            self.end_actor(txn, actor)?;
        }
        Ok(())
    }

    /// Requests whose `ReplyTo` the state no longer holds: their callers hear so at once.
    fn answer_lost_promises(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        notes: &StateNotes,
    ) -> Result<(), StoreFault> {
        let own = Address::target(actor);
        let (Some(endpoint), Some(cell)) = (self.endpoints.get(&own), self.actors.get(&actor))
        else {
            return Ok(());
        };
        let waiting = |seq: u64| {
            let later = cell
                .record
                .work
                .iter()
                .chain(txn.work.iter().map(|(_, work)| work));
            later
                .into_iter()
                .any(|work| matches!(work, Work::Message(message) if message.seq == seq))
        };
        let lost: Vec<u64> = endpoint
            .record
            .endpoint
            .owed()
            .iter()
            .copied()
            .filter(|seq| !notes.replies.contains(seq) && !waiting(*seq))
            .collect();
        for request in lost {
            warn!(
                target: "actor_core::dialog", %actor, request, service = cell_service(&self.actors, actor),
                "a `ReplyTo` was lost: keep it in the state until `cx.reply(..)`; its caller hears `NoAnswer`"
            );
            self.send_answer(txn, own, request, MessageKind::NoAnswer, Vec::new())?;
        }
        Ok(())
    }

    pub(super) fn new_actor(&mut self, txn: &mut Txn<'_>, actor: DialogId, service: &Arc<Service>) {
        let live = service.start();
        let state = live.encode().map(|(bytes, _)| bytes).unwrap_or_default();
        let record = ActorRecord {
            service: service.name().to_owned(),
            version: service.version,
            pending: true,
            state,
            timers: std::collections::BTreeMap::new(),
            children: std::collections::BTreeSet::new(),
            work: std::collections::VecDeque::new(),
            attempts: 0,
            ahead: 0,
            retry_at: 0,
        };
        let used = self.next_use();
        let cell = ActorCell {
            service: Arc::clone(service),
            record,
            live: Some(live),
            armed: None,
            used,
            gone: false,
        };
        self.actors.insert(actor, cell);
        txn.actors.insert(actor);
        txn.dirty_actors.insert(actor);
    }
}

fn cell_service(
    actors: &std::collections::HashMap<DialogId, ActorCell>,
    actor: DialogId,
) -> &'static str {
    actors.get(&actor).map_or("?", |cell| cell.service.name())
}

/// Runs one handler on the decoded state. On success the new state is encoded; on refusal and failure it is forgotten,
/// so that the next use decodes what was there before.
fn run<'l>(
    shared: &'l Shared,
    txn: &Txn<'l>,
    cell: &mut ActorCell,
    actor: DialogId,
    work: &Work,
) -> Result<Result<Done, Failed>, StoreFault> {
    let service = Arc::clone(&cell.service);
    let mut live = match cell.live.take() {
        Some(live) => live,
        None => match service.decode(cell.record.pending, &cell.record.state) {
            Ok(live) => live,
            Err(unfit) => return Ok(Err(Failed::unfit(actor, &unfit))),
        },
    };
    let attempt = cell.record.attempt();
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
    let ran = span.in_scope(|| catch_unwind(AssertUnwindSafe(|| call(&mut *live, &step, work))));
    let handled = match ran {
        Ok(Ok(handled)) => handled,
        Ok(Err(unfit)) => return Ok(Err(Failed::unfit(actor, &unfit))),
        Err(panic) => {
            drop(step);
            return Ok(Err(Failed::panic(shared, actor, panic)));
        }
    };
    let finished = step.finish();
    let gone = live.is_gone();
    if matches!(
        &handled,
        Some(Handled {
            reply: Replied::Err(_),
            ..
        })
    ) {
        if let Err(StepFault::Store(fault)) = finished {
            return Err(fault);
        }
        let reply = handled.map(|handled| handled.reply);
        // Refused: state, rows and commands are as if it had not run. A closing message closes all the same.
        return Ok(Ok(Done {
            reply,
            commands: Vec::new(),
            notes: None,
            gone,
        }));
    }
    let commands = match finished {
        Ok(commands) => commands,
        Err(StepFault::Store(fault)) => return Err(fault),
        Err(fault) => return Ok(Err(Failed::for_good(actor, fault.to_string()))),
    };
    tables.keep();
    let wrote = handled.as_ref().is_none_or(|handled| handled.wrote);
    let mut notes = None;
    if wrote && !gone {
        let (state, noted) = match live.encode() {
            Ok(encoded) => encoded,
            Err(unfit) => return Ok(Err(Failed::unfit(actor, &unfit))),
        };
        if state.len() > MAX_STATE_BYTES {
            let why = format!(
                "the state of `{}` has {} bytes and may have {MAX_STATE_BYTES}; keep large data in a table",
                service.name(),
                state.len()
            );
            return Ok(Err(Failed::for_good(actor, why)));
        }
        if state.len() > LARGE_STATE_BYTES && cell.record.state.len() <= LARGE_STATE_BYTES {
            warn!(target: "actor_core::dialog", %actor, bytes = state.len(), "a large state: every message writes all of it");
        }
        cell.record.state = state;
        cell.record.pending = live.is_pending();
        notes = (!live.is_pending()).then_some(noted);
    }
    if !gone {
        cell.live = Some(live);
    }
    Ok(Ok(Done {
        reply: handled.map(|handled| handled.reply),
        commands,
        notes,
        gone,
    }))
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
            retry: false,
            code: FaultCode::Poisoned,
        }
    }

    fn unfit(actor: DialogId, unfit: &Unfit) -> Self {
        Self {
            actor,
            why: unfit.to_string(),
            retry: false,
            code: FaultCode::Incompatible,
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
            retry: true,
            code: FaultCode::Poisoned,
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
