//! Work that failed: kept, tried again with growing patience, and at last put aside.
//!
//! Owns the durable count of attempts. Only the dialog suffers: its later messages wait, all others go on. After the last
//! attempt the dialog ends on both sides and its message is kept as a dead letter.

use actor_store::{StoreFault, Table, Value, Write};
use tracing::{error, warn};

use super::{
    Shard,
    cells::ActorCell,
    handler::{Failed, Retry, describe},
    held::HELD_PATIENCE_MS,
    txn::Txn,
};
use crate::{
    node::{
        Shared,
        address::Address,
        letters::DeadLetter,
        record::{Work, encode},
        stats::add,
    },
    protocol::{DialogId, FaultCode, Input},
};

/// Attempts at one message before its dialog is put aside.
const MAX_ATTEMPTS: u32 = 5;
/// Patience before the second attempt, in milliseconds; doubled each time.
const FIRST_PATIENCE_MS: u64 = 100;
/// Patience while a partner is too busy to be sent to, in milliseconds.
const BUSY_PATIENCE_MS: u64 = 500;

impl Shard {
    /// Second play of a transaction whose handlers failed after `done` pieces of work: what came in is consumed, all its
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
        if !self.ensure_actor(actor)? {
            return Ok(());
        }
        txn.actors.insert(actor);
        txn.dirty_actors.insert(actor);
        let Some(cell) = self.actors.get_mut(&actor) else {
            return Ok(());
        };
        // What a handler caused in its own step is blamed on the work that came in.
        let ahead = done.min((works.len() as u32).saturating_sub(1));
        if txn.retrying {
            // In reverse, so that what was taken first is first again.
            works
                .into_iter()
                .rev()
                .for_each(|(_, work)| cell.record.work.push_front(work));
        } else {
            cell.record
                .work
                .extend(works.into_iter().map(|(_, work)| work));
        }
        if failed.retry == Retry::Patient {
            cell.record.retry_at = txn.now + BUSY_PATIENCE_MS;
            return Ok(());
        }
        cell.record.failed(ahead);
        let attempts = cell.record.attempts;
        if failed.retry == Retry::Never || attempts >= MAX_ATTEMPTS {
            return self.quarantine(shared, txn, actor, failed);
        }
        cell.record.retry_at = txn.now + (FIRST_PATIENCE_MS << (attempts - 1));
        warn!(target: "actor_core::dialog", %actor, attempts, why = %failed.why, "a handler failed and will be tried again");
        Ok(())
    }

    /// The first of the work that waits, once more.
    pub(super) fn retry(&mut self, actor: DialogId) -> Result<(), StoreFault> {
        if self.is_held(actor) {
            // In memory only: another program looks again at its start.
            if let Some(cell) = self.actors.get_mut(&actor) {
                cell.record.retry_at = self.shared.clock.now_ms() + HELD_PATIENCE_MS;
            }
            self.arm_actor(actor);
            return Ok(());
        }
        self.transact(&|shard, txn| {
            if !shard.ensure_actor(actor)? {
                return Ok(());
            }
            let Some(cell) = shard.actors.get_mut(&actor) else {
                return Ok(());
            };
            let Some(work) = cell.record.work.pop_front() else {
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
        if let Some(cell) = self.actors.get_mut(&actor)
            && !cell.record.work.is_empty()
            && cell.record.retry_at <= self.shared.clock.now_ms()
        {
            self.arm_actor(actor);
        }
        Ok(())
    }

    /// An actor whose dialog ended while work waited goes with the last of it.
    fn end_if_done(&mut self, actor: DialogId) -> Result<(), StoreFault> {
        let done = |cell: &ActorCell| cell.record.ended && cell.record.work.is_empty();
        if !self.actors.get(&actor).is_some_and(done) {
            return Ok(());
        }
        let mut txn = Txn::new(self.shared.clock.now_ms());
        self.end_actor(&mut txn, actor)?;
        self.commit(txn).map(drop)
    }

    fn quarantine<'l>(
        &mut self,
        shared: &'l Shared,
        txn: &mut Txn<'l>,
        actor: DialogId,
        failed: &Failed,
    ) -> Result<(), StoreFault> {
        let Some(cell) = self.actors.get_mut(&actor) else {
            return Ok(());
        };
        let work = cell.record.work.remove(cell.record.ahead as usize);
        let letter = DeadLetter {
            dialog: actor,
            service: cell.record.service.clone(),
            what: work
                .as_ref()
                .map(|work| describe(&cell.service, work))
                .unwrap_or_default(),
            body: match &work {
                Some(Work::Message(message)) => message.body.to_vec(),
                Some(Work::Resume { context, .. } | Work::Timer { context, .. }) => context.clone(),
                _ => Vec::new(),
            },
            state: cell.record.state.clone(),
            why: failed.why.clone(),
            attempts: cell.record.attempts,
            at_ms: txn.now,
        };
        cell.record.work.clear();
        error!(
            target: "actor_core::dialog", %actor, service = %letter.service, what = %letter.what, why = %letter.why,
            attempts = letter.attempts, "quarantined"
        );
        add(&shared.counters.quarantined, 1);
        let mut key = txn.now.to_be_bytes().to_vec();
        key.extend_from_slice(&actor.0);
        let bytes = encode(&letter).map_err(super::txn::encoding)?;
        txn.writes.push(Write {
            table: Table::DeadLetters,
            key,
            value: Some(Value::new(bytes)),
        });
        let detail = match failed.code {
            FaultCode::Poisoned => format!(
                "{} of `{}` failed: {}",
                letter.what, letter.service, failed.why
            ),
            _ => failed.why.clone(),
        };
        let own = Address::target(actor);
        self.ensure_endpoint(own)?;
        self.input(txn, own, Input::Abandon(failed.code, detail))?;
        // The application's last word, if the dialog was established; a failure there changes nothing.
        self.work_through(shared, txn)?;
        // Its dialog may have ended before.
        self.end_actor(txn, actor)
    }
}
