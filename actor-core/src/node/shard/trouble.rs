//! Work that failed: kept, tried again with growing patience, and at last put aside.
//!
//! Owns the durable count of attempts. Only the dialog suffers: its later messages wait, all others go on. After the last
//! attempt the dialog ends on both sides and its message is kept as a dead letter.

use std::sync::PoisonError;

use actor_store::{StoreFault, Table};
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::{
    Shard,
    cells::ActorCell,
    handler::{Failed, Retry, describe},
    lot::newest_of,
    txn::Txn,
    versions::OTHER_VERSION_PATIENCE_MS,
};
use crate::{
    coverage::{self, Rare},
    dialog::OnPoison,
    node::{
        Shared,
        address::Address,
        letters::{DeadLetter, held_key},
        record::{ActorRecord, Work},
        stats::add,
    },
    protocol::{DialogId, FaultCode, Input, Mutant},
};

/// Attempts at one message before its dialog is put aside.
pub(super) const MAX_ATTEMPTS: u32 = 5;
/// Pieces of work that may wait behind one that is held, itself included.
pub(super) const MAX_HELD_WORK: usize = 1024;
/// Bytes of work that may wait behind a piece that is held.
pub(super) const MAX_HELD_BYTES: usize = 1024 * 1024;
/// Patience before the second attempt, in milliseconds; doubled each time.
const FIRST_PATIENCE_MS: u64 = 100;
/// Patience while a partner is too busy to be sent to, in milliseconds; doubled each time.
const BUSY_PATIENCE_MS: u64 = 500;
/// It is doubled so often at most.
const BUSY_DOUBLINGS: u32 = 5;

impl Shard {
    /// What follows of a transaction whose handlers failed after `done` pieces of work: what came in is consumed, all its
    /// work is kept.
    pub(super) fn put_off<'l>(
        &mut self,
        shared: &'l Shared,
        txn: &mut Txn<'l>,
        failed: &Failed,
        done: u32,
    ) -> Result<(), StoreFault> {
        let actor = failed.actor;
        let works = std::mem::take(&mut txn.work);
        if !self.ensure_actor(actor)? || !self.ensure_state(actor)? {
            return Ok(());
        }
        self.touch_actor(txn, actor);
        txn.dirty_actors.insert(actor);
        let Some(cell) = self.shelves.actor_mut(actor) else {
            return Ok(());
        };
        coverage::sometimes(Rare::StepPlayedTwice);
        txn.bytes += works.iter().map(|(_, work)| work.bytes()).sum::<usize>();
        // What a handler caused in its own step is blamed on the work that came in.
        let ahead = done.min((works.len() as u32).saturating_sub(1));
        if txn.retrying {
            // In reverse, so that what was taken first is first again.
            works
                .into_iter()
                .rev()
                .for_each(|(_, work)| cell.record.duties.work.push_front(work));
        } else {
            cell.record
                .duties
                .work
                .extend(works.into_iter().map(|(_, work)| work));
        }
        if failed.retry == Retry::Patient {
            coverage::sometimes(Rare::WaitedForBusyPartner);
            let doublings = cell.record.duties.waited.min(BUSY_DOUBLINGS);
            cell.record.duties.retry_at = txn.now + (BUSY_PATIENCE_MS << doublings);
            cell.record.duties.waited += 1;
            return Ok(());
        }
        let running = failed.running;
        let deaths = running.and_then(|running| self.deaths.get(&running).copied());
        let deaths = deaths.unwrap_or(0);
        let attempts = if let Retry::Exhausted(attempts) = failed.retry {
            coverage::sometimes(Rare::PoisonedByDeaths);
            cell.record.duties.ahead = ahead;
            cell.record.duties.attempts = attempts;
            attempts
        } else {
            cell.record.failed(ahead);
            cell.record.duties.attempts + deaths
        };
        if matches!(failed.retry, Retry::Never | Retry::Overfull) || attempts >= MAX_ATTEMPTS {
            if deaths > 0 {
                txn.survived.extend(running);
            }
            if shared.is_mutant(Mutant::SkipPoison) {
                cell.record.duties.work.remove(ahead as usize);
                cell.record.succeeded(txn.now);
                return Ok(());
            }
            let letter = letter(cell, actor, failed, attempts, txn.now);
            let holds = cell.service.on_poison == OnPoison::Hold
                && !is_pending_work(cell)
                && !cell.record.ended
                && failed.retry != Retry::Overfull;
            return if holds {
                self.hold(txn, &letter)
            } else {
                self.quarantine(shared, txn, &letter, failed.code)
            };
        }
        cell.record.duties.retry_at = txn.now + (FIRST_PATIENCE_MS << (attempts - 1));
        warn!(target: "actor_core::dialog", %actor, attempts, why = %failed.why, "a handler failed and will be tried again");
        Ok(())
    }

    /// The first of the work that waits, once more.
    pub(super) fn retry(&mut self, actor: DialogId) -> Result<(), StoreFault> {
        if self.is_of_another_version(actor) {
            // In memory only: another program looks again at its start.
            if let Some(cell) = self.shelves.actor_mut(actor) {
                cell.record.duties.retry_at =
                    self.shared.clock.now_ms() + OTHER_VERSION_PATIENCE_MS;
            }
            self.arm_actor(actor);
            return Ok(());
        }
        self.transact(|shard, txn| {
            if !shard.ensure_actor(actor)? {
                return Ok(());
            }
            let Some(cell) = shard.shelves.actor_mut(actor) else {
                return Ok(());
            };
            let Some(work) = cell.record.duties.work.pop_front() else {
                return Ok(());
            };
            txn.retrying = true;
            txn.actors.insert(actor);
            txn.dirty_actors.insert(actor);
            txn.work.push_back((actor, work));
            Ok(())
        })?;
        self.end_if_done(actor)?;
        // Done if it is still there with nothing counted against it: its successor is due now.
        if let Some(cell) = self.shelves.actor_mut(actor)
            && !cell.record.duties.work.is_empty()
            && cell.record.duties.retry_at <= self.shared.clock.now_ms()
        {
            self.arm_actor(actor);
        }
        Ok(())
    }

    /// An actor whose dialog ended while work waited goes with the last of it.
    fn end_if_done(&mut self, actor: DialogId) -> Result<(), StoreFault> {
        let done = |cell: &ActorCell| cell.record.ended && cell.record.duties.work.is_empty();
        if !self.shelves.actor(actor).is_some_and(done) {
            return Ok(());
        }
        coverage::sometimes(Rare::WorkOutlivedItsDialog);
        let mut txn = self.begin(self.shared.clock.now_ms());
        self.end_actor(&mut txn, actor)?;
        self.commit(txn).map(drop)
    }

    /// The dialog stands, and nothing of it is handled until somebody says so, or a deadline ends it.
    fn hold(&mut self, txn: &mut Txn<'_>, letter: &DeadLetter) -> Result<(), StoreFault> {
        let Some(cell) = self.shelves.actor_mut(letter.dialog) else {
            return Ok(());
        };
        error!(
            target: "actor_core::dialog", actor = %letter.dialog, service = %letter.service, what = %letter.what,
            why = %letter.why, attempts = letter.attempts, "held: see `node.held()` and `node.retry(..)`"
        );
        cell.record.hold();
        add(&self.shared.counters.held, 1);
        txn.writes.push(letter.held()?);
        Ok(())
    }

    /// Work that is held is tried again, as if it were new.
    pub(super) fn on_retry(
        &mut self,
        actor: DialogId,
        done: oneshot::Sender<bool>,
    ) -> Result<(), StoreFault> {
        let mut txn = self.begin(self.shared.clock.now_ms());
        let held = self.ensure_actor(actor)?
            && self
                .shelves
                .actor(actor)
                .is_some_and(|cell| cell.record.is_held());
        if held && let Some(cell) = self.shelves.actor_mut(actor) {
            cell.record.duties.attempts = 0;
            cell.record.duties.retry_at = txn.now;
            txn.actors.insert(actor);
            txn.dirty_actors.insert(actor);
            txn.delete(Table::DeadLetters, held_key(actor));
        }
        txn.output.retried.push((done, held));
        self.commit(txn).map(drop)
    }

    /// What a dialog held is dead when the dialog ends.
    pub(super) fn bury_held(
        &mut self,
        txn: &mut Txn<'_>,
        actor: DialogId,
    ) -> Result<(), StoreFault> {
        let key = held_key(actor);
        // The step that holds it may be the one that ends the dialog.
        let value = match newest_of(&txn.writes, Table::DeadLetters, &key) {
            Some(write) => write.value.clone(),
            None => self.stored(Table::DeadLetters, &key)?,
        };
        let Some(value) = value else {
            return Ok(());
        };
        txn.delete(Table::DeadLetters, key);
        let letter: DeadLetter = self.shared.decode(Table::DeadLetters, &value)?;
        let letter = DeadLetter {
            at_ms: txn.now,
            ..letter
        };
        self.keep_letter(txn, &letter)
    }

    fn keep_letter(&mut self, txn: &mut Txn<'_>, letter: &DeadLetter) -> Result<(), StoreFault> {
        let row = letter.dead()?;
        let mut book = self
            .shared
            .letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        txn.writes.extend(book.add(&row));
        txn.writes.push(row);
        Ok(())
    }

    fn quarantine<'l>(
        &mut self,
        shared: &'l Shared,
        txn: &mut Txn<'l>,
        letter: &DeadLetter,
        code: FaultCode,
    ) -> Result<(), StoreFault> {
        let actor = letter.dialog;
        let Some(cell) = self.shelves.actor_mut(actor) else {
            return Ok(());
        };
        if cell.record.is_held() {
            txn.delete(Table::DeadLetters, held_key(actor));
            cell.record.duties.retry_at = txn.now;
        }
        coverage::sometimes(Rare::Quarantined);
        if cell.record.duties.work.len() > 1 {
            coverage::sometimes(Rare::QuarantinedWithWorkBehind);
        }
        cell.record.duties.work.clear();
        error!(
            target: "actor_core::dialog", %actor, service = %letter.service, what = %letter.what, why = %letter.why,
            attempts = letter.attempts, "quarantined"
        );
        add(&shared.counters.quarantined, 1);
        self.keep_letter(txn, letter)?;
        let detail = match code {
            FaultCode::Poisoned => format!(
                "{} of `{}` failed: {}",
                letter.what, letter.service, letter.why
            ),
            _ => letter.why.clone(),
        };
        let own = Address::target(actor);
        self.ensure_endpoint(own)?;
        self.input(txn, own, Input::Abandon(code, detail))?;
        // The application's last word, if the dialog was established; a failure there changes nothing.
        self.work_through(shared, txn)?;
        // Its dialog may have ended before.
        self.end_actor(txn, actor)
    }
}

/// The work that is blamed is a message to pending work, of which nothing permanent can come.
fn is_pending_work(cell: &ActorCell) -> bool {
    let blamed = cell
        .record
        .duties
        .work
        .get(cell.record.duties.ahead as usize);
    cell.record.pending && matches!(blamed, Some(Work::Message(_)))
}

/// May no more wait behind work that is held?
pub(super) fn is_overfull(record: &ActorRecord) -> bool {
    record.is_held() && exceeds(record, MAX_HELD_WORK, MAX_HELD_BYTES)
}

/// Must events from elsewhere wait where they are said? The other half is for messages, answers and timers.
pub(super) fn is_half_full(record: &ActorRecord) -> bool {
    exceeds(record, MAX_HELD_WORK / 2, MAX_HELD_BYTES / 2)
}

fn exceeds(record: &ActorRecord, most_work: usize, most_bytes: usize) -> bool {
    let work = &record.duties.work;
    work.len() >= most_work || work.iter().map(Work::bytes).sum::<usize>() >= most_bytes
}

/// The work that is blamed, with all that is known.
fn letter(
    cell: &ActorCell,
    actor: DialogId,
    failed: &Failed,
    attempts: u32,
    now: u64,
) -> DeadLetter {
    let work = cell
        .record
        .duties
        .work
        .get(cell.record.duties.ahead as usize);
    let (handler, body, outcome) = match work {
        Some(Work::Message(message)) => {
            let handler = cell.service.handler_name(message.handler).to_owned();
            (handler, message.body.to_vec(), None)
        }
        Some(Work::Resume {
            context, outcome, ..
        }) => (String::new(), context.clone(), Some(outcome.clone())),
        Some(Work::Timer { context, .. }) => (String::new(), context.clone(), None),
        _ => (String::new(), Vec::new(), None),
    };
    DeadLetter {
        dialog: actor,
        service: cell.service.name().to_owned(),
        version: cell.record.version,
        what: work
            .map(|work| describe(&cell.service, work))
            .unwrap_or_default(),
        handler,
        body,
        state: cell.record.state.clone(),
        pending: cell.record.pending,
        why: failed.why.clone(),
        attempts,
        at_ms: now,
        outcome,
        key: Vec::new(),
    }
}
