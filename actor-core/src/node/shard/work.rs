//! The work of a transaction: each message, answer and timer handed to its handler, its effects carried out in order.
//!
//! Owns the order of work and what follows a handler that returned. A failure ends the transaction.

use std::sync::Arc;

use actor_store::StoreFault;
use tracing::warn;

use super::{
    Shard,
    cells::ActorCell,
    handler::{Done, Failed, describe, run},
    shelves::Shelves,
    trouble::{MAX_ATTEMPTS, is_overfull},
    txn::Txn,
    versions::{OTHER_VERSION_PATIENCE_MS, is_understood},
};
use crate::{
    coverage::{self, Rare},
    dialog::{Command, Half, Service, StateNotes},
    node::{
        Shared,
        address::Address,
        deaths::Running,
        record::{ActorRecord, Work},
    },
    protocol::{DialogId, Input, MessageKind, Seldom},
};

/// Pieces of work in one transaction. Only a continuation that keeps failing to open a dialog gets there.
const MAX_WORK: usize = 1000;

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
        // A lone message that its handler only answers changes nothing before it can fail no more.
        let lone = matches!(work, Work::Message(_)) && txn.work.is_empty() && !txn.retrying;
        let work = match work {
            work if lone || txn.undo.is_some() => work,
            work => {
                txn.work.push_front((actor, work));
                self.begin_undo(txn);
                match txn.work.pop_front() {
                    Some((_, work)) => work,
                    None => return Ok(None),
                }
            }
        };
        // What a continuation or a timer says goes out through the actor's own endpoint.
        self.ensure_endpoint(Address::target(actor))?;
        if !self.ensure_actor(actor)? || !self.ensure_decodable(actor)? {
            return Ok(None);
        }
        self.touch_actor(txn, actor);
        let own = self.shelves.endpoint(Address::target(actor));
        txn.trace = own.map_or(actor, |own| own.record.trace);
        #[cfg(feature = "test-util")]
        let token = own.map(|own| own.record.endpoint.token());
        let Some(cell) = self.shelves.actor_mut(actor) else {
            return Ok(None);
        };
        // Nothing overtakes work that waits for another attempt; only the end does.
        let ends = matches!(work, Work::Abandoned(_));
        if !cell.record.duties.work.is_empty() && !ends && !txn.retrying {
            if is_overfull(&cell.record) {
                txn.work.push_front((actor, work));
                return Ok(Some(Failed::overfull(actor)));
            }
            txn.bytes += work.bytes();
            cell.record.put_off(work);
            txn.dirty_actors.insert(actor);
            return Ok(None);
        }
        if !is_understood(&cell.service, &work) {
            warn!(
                target: "actor_core::dialog", %actor, work = %describe(&cell.service, &work),
                "waits for another program: this one has no such handler or continuation"
            );
            coverage::sometimes(Rare::HeldForAnotherVersion);
            cell.record.duties.work.push_front(work);
            cell.record.duties.retry_at = txn.now + OTHER_VERSION_PATIENCE_MS;
            txn.dirty_actors.insert(actor);
            return Ok(None);
        }
        #[cfg(feature = "test-util")]
        let mut noted = {
            let name_of = |handler| cell.service.handler_name(handler);
            crate::node::Ran::new(actor, token, &work, cell.record.pending, name_of)
        };
        let armed = txn.now < shared.armed_until_ms;
        // Telling one continuation from another reads all of its answer, so it is done where somebody wants to know.
        let running = (armed || !self.deaths.is_empty()).then(|| Running::of(actor, &work));
        let counted = running.and_then(|running| self.deaths.get(&running));
        let deaths = counted.copied().unwrap_or(0);
        let tried = deaths + cell.record.attempt() - 1;
        let ran = if deaths > 0 && tried >= MAX_ATTEMPTS {
            Err(Failed::died(actor, tried))
        } else {
            if let Some(running) = running.filter(|_| armed) {
                let place = Some(running.to_bytes());
                shared.store.say_running(self.index, place.as_ref());
            }
            let begun = shared.clock.now_ms();
            let ran = run(shared, txn, cell, actor, &work, deaths);
            let took = shared.clock.now_ms().saturating_sub(begun);
            self.slow.note(took);
            if armed {
                shared.store.say_running(self.index, None);
            }
            ran?
        };
        let survived = deaths > 0 && (ran.is_ok() || ends);
        let ran = ran.map_err(|failed| Failed {
            running: running.or_else(|| Some(Running::of(actor, &work))),
            ..failed
        });
        let ran = match ran {
            Ok(mut done) if txn.undo.is_none() && !self.is_final(txn, actor, &done) => {
                self.begin_undo_before(txn, actor, &work, &mut done);
                Ok(done)
            }
            ran => ran,
        };
        if survived {
            // Taken back with everything else that the handler did.
            txn.survived.extend(running);
        }
        let Some(cell) = self.shelves.actor_mut(actor) else {
            return Ok(None);
        };
        #[cfg(feature = "test-util")]
        {
            noted.failed = ran.is_err();
            shared.notebook.tried(&noted);
            if !noted.failed {
                txn.output.notes.handled(noted);
            }
        }
        match ran {
            Ok(done) => {
                cell.wrote = done.before.is_some();
                txn.dirty_actors.insert(actor);
                txn.done += 1;
                if txn.retrying {
                    // Its partner may be waiting to hear that there is room again.
                    cell.record.succeeded(txn.now);
                    self.touch_endpoint(txn, Address::target(actor));
                }
                self.carry_out(txn, actor, &work, done)?;
                // A message that could not be sent fails the step that sent it.
                Ok(txn.failed.take())
            }
            // Nobody is left to try again for: the dialog is over whatever its last handler does.
            Err(failed) if ends => {
                warn!(target: "actor_core::dialog", %actor, why = %failed.why, "an `#[abandoned]` handler failed");
                self.end_actor(txn, actor)?;
                Ok(None)
            }
            Err(failed) => {
                if txn.undo.is_none() {
                    txn.work.push_front((actor, work));
                }
                Ok(Some(failed))
            }
        }
    }

    /// Nothing that can fail follows: the handler only answered, and the dialog goes on.
    fn is_final(&self, txn: &Txn<'_>, actor: DialogId, done: &Done) -> bool {
        let own = self.shelves.endpoint(Address::target(actor));
        done.commands.is_empty()
            && !done.gone
            && txn.endpoints.len() == 1
            && own.is_some_and(|own| own.record.endpoint.goes_on())
    }

    /// The way back leads to before the handler ran, which has changed nothing but its state.
    fn begin_undo_before(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
        work: &Work,
        done: &mut Done,
    ) {
        self.swap_state(actor, done);
        txn.work.push_front((actor, work.clone()));
        self.begin_undo(txn);
        txn.work.pop_front();
        self.swap_state(actor, done);
    }

    fn swap_state(&mut self, actor: DialogId, done: &mut Done) {
        if let (Some(cell), Some(before)) = (self.shelves.actor_mut(actor), &mut done.before) {
            std::mem::swap(&mut cell.record.state, &mut before.state);
            std::mem::swap(&mut cell.away, &mut before.away);
            std::mem::swap(&mut cell.record.pending, &mut before.pending);
            std::mem::swap(&mut cell.record.version, &mut before.version);
        }
    }

    fn carry_out(
        &mut self,
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
            self.command(txn, actor, command)?;
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
        let (Some(endpoint), Some(cell)) = (self.shelves.endpoint(own), self.shelves.actor(actor))
        else {
            return Ok(());
        };
        let waiting = |seq: u64| {
            let later = cell
                .record
                .duties
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
            .keys()
            .copied()
            .filter(|seq| !notes.replies.contains(seq) && !waiting(*seq))
            .collect();
        for request in lost {
            warn!(
                target: "actor_core::dialog", %actor, request, service = cell_service(&self.shelves, actor),
                "a `ReplyTo` was lost: keep it in the state until `cx.reply(..)`; its caller hears `NoAnswer`"
            );
            self.send_answer(txn, own, request, MessageKind::NoAnswer, Vec::new())?;
        }
        Ok(())
    }

    pub(super) fn new_actor(&mut self, txn: &mut Txn<'_>, actor: DialogId, service: &Arc<Service>) {
        let record = ActorRecord {
            version: service.version(Half::Pending),
            pending: true,
            // Not begun: the first handler starts from the pending type's `Default`.
            state: Vec::new(),
            duties: Seldom::default(),
            ended: false,
        };
        let used = self.next_use();
        let mut cell = ActorCell::new(Arc::clone(service), record, used);
        cell.memory_only = service.spec.is_volatile();
        self.touch_actor(txn, actor);
        self.shelves.insert_actor(actor, Box::new(cell));
        txn.dirty_actors.insert(actor);
    }
}

fn cell_service(shelves: &Shelves, actor: DialogId) -> &'static str {
    shelves.actor(actor).map_or("?", |cell| cell.service.name())
}
