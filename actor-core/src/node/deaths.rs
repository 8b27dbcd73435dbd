//! Work in the middle of which the process died: counted durably, before anything runs again.
//!
//! A panic is caught and counted in the actor's record; an abort, a stack overflow or the end of memory takes the process
//! along. For a while after an unclean end each shard therefore says in its place of the store's file of places what it
//! is about to run. A start that finds something there adds one death to it. The message itself need not be here: that of
//! a partner elsewhere is said again. The end that makes a node say so is not counted itself, because nothing was said
//! before it. Owns the counts and their rows; what follows from a count is decided where work fails.

use std::{collections::BTreeMap, ops::Bound};

use actor_store::{Key, Pack, SLOT_BYTES, SlotBytes, StoreFault, Table, Value, Write, codec};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{
    Shared,
    address::{Address, actor_key},
    record::{ActorRow, EndpointRecord, Work, decode, encode},
};
use crate::{
    coverage::{self, Rare},
    digest::Digest,
    protocol::{DialogId, Mutant},
};

/// How long after an unclean end shards say what they run, in milliseconds.
pub(crate) const ARMED_MS: u64 = 10 * 60_000;
/// How long a count waits for a message that does not come again, in milliseconds.
const KEPT_MS: u64 = 7 * 86_400_000;
/// Begins the key of a count in the node's own table.
const PREFIX: &[u8] = b"died ";

/// One piece of work, told from all others of its actor, also over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Running {
    pub(crate) actor: DialogId,
    kind: Kind,
    /// The message, the timer, or a digest of the answer.
    number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
enum Kind {
    Message = 1,
    Establish = 2,
    Resume = 3,
    Timer = 4,
    Abandoned = 5,
}

/// Deaths, by what ran.
pub(crate) type Deaths = BTreeMap<Running, u32>;

#[derive(Debug, Serialize, Deserialize)]
struct Count {
    deaths: u32,
    at_ms: u64,
}

impl Running {
    pub(crate) fn of(actor: DialogId, work: &Work) -> Self {
        let (kind, number) = match work {
            Work::Message(message) => (Kind::Message, message.seq),
            Work::Establish => (Kind::Establish, 0),
            Work::Resume { .. } => {
                let mut digest = Digest::default();
                // What cannot be encoded was never stored, so this is the same each time.
                digest.mix(&codec::encode(work).unwrap_or_default());
                (Kind::Resume, digest.value())
            }
            Work::Timer { timer, .. } => (Kind::Timer, u64::from(*timer)),
            Work::Abandoned(_) => (Kind::Abandoned, 0),
        };
        Self {
            actor,
            kind,
            number,
        }
    }

    pub(crate) fn to_bytes(self) -> SlotBytes {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..16].copy_from_slice(&self.actor.0);
        bytes[16] = self.kind as u8;
        bytes[17..25].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (actor, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let kind = match kind {
            1 => Kind::Message,
            2 => Kind::Establish,
            3 => Kind::Resume,
            4 => Kind::Timer,
            5 => Kind::Abandoned,
            _ => return None,
        };
        Some(Self {
            actor: DialogId(*actor),
            kind,
            number: u64::from_be_bytes(*rest.first_chunk()?),
        })
    }

    fn key(self) -> Key {
        [PREFIX, &self.to_bytes()].concat().into()
    }

    /// The row that counts is no longer needed: the work is done, or given up.
    pub(crate) fn forget(self) -> Write {
        Write {
            table: Table::Node,
            key: self.key(),
            value: None,
        }
    }

    /// Can it still come? A message that is not here is said again by a partner elsewhere.
    fn may_come(self, shared: &Shared) -> Result<bool, StoreFault> {
        let key = Address::target(self.actor).to_bytes();
        let own = shared.store.get(Table::Endpoints, &key)?;
        let own = own.and_then(|value| decode::<EndpointRecord>(&value.bytes).ok());
        let actor = shared.store.get(Table::Actors, &actor_key(self.actor))?;
        let actor = actor.and_then(|value| decode::<ActorRow>(&value.bytes).ok());
        match self.kind {
            Kind::Message => {}
            // In one store it is in the same step as the first messages, before anything of the dialog is stored.
            Kind::Establish => {
                return Ok(own.is_none_or(|own| own.endpoint.ending().is_none()));
            }
            Kind::Resume | Kind::Timer | Kind::Abandoned => return Ok(actor.is_some()),
        }
        let waits = actor.is_some_and(|actor| {
            let mut work = actor.record.duties.work.iter();
            work.any(|work| Self::of(self.actor, work) == self)
        });
        Ok(waits
            || own.is_none_or(|own| {
                own.endpoint.ending().is_none() && own.endpoint.recv_next() <= self.number
            }))
    }
}

/// Reads the counts, adds what the last life died of, and drops what cannot come again. Durable when it returns.
pub(crate) fn count(shared: &Shared, now: u64) -> Result<Deaths, StoreFault> {
    if shared.is_mutant(Mutant::VolatileAttemptCount) {
        forget_attempts(shared)?;
        return Ok(Deaths::new());
    }
    let mut end = PREFIX.to_vec();
    end.push(0xff);
    let rows = shared
        .store
        .range(Table::Node, PREFIX, Bound::Excluded(&end), usize::MAX)?;
    let (mut deaths, mut writes) = (Deaths::new(), Vec::new());
    for (key, value) in rows {
        let running = key.get(PREFIX.len()..).and_then(Running::from_bytes);
        let count = decode::<Count>(&value.bytes).ok();
        match running.zip(count) {
            Some((running, count)) if running.may_come(shared)? && now < count.at_ms + KEPT_MS => {
                deaths.insert(running, count.deaths);
            }
            _ => writes.push(Write {
                table: Table::Node,
                key: key.into(),
                value: None,
            }),
        }
    }
    let died = &shared.store.last_end().running;
    for running in died.iter().filter_map(|bytes| Running::from_bytes(bytes)) {
        if !running.may_come(shared)? {
            continue;
        }
        let count = deaths.entry(running).or_insert(0);
        *count += 1;
        coverage::sometimes(Rare::DiedInHandler);
        warn!(
            target: "actor_core::node", node = %shared.name, actor = %running.actor, what = ?running.kind,
            number = running.number, deaths = *count, "the last process died while this was handled"
        );
        let row = Count {
            deaths: *count,
            at_ms: now,
        };
        let bytes = encode(&row).map_err(super::shard::encoding)?;
        writes.push(Write {
            table: Table::Node,
            key: running.key(),
            value: Some(Value::new(bytes)),
        });
    }
    if !writes.is_empty() {
        shared.store.publish(writes);
        shared.store.commit(shared.store.cut())?;
    }
    Ok(deaths)
}

/// What a node does that counts in memory only: a start begins anew.
fn forget_attempts(shared: &Shared) -> Result<(), StoreFault> {
    let all = shared
        .store
        .range(Table::Actors, &[], Bound::Unbounded, usize::MAX)?;
    let mut pack = Pack::default();
    for (key, value) in all {
        let mut row: ActorRow = shared.decode(Table::Actors, &value)?;
        let record = &mut row.record;
        if record.duties.attempts > 0 {
            record.duties.attempts = 0;
            let put = pack.put(Table::Actors, key, record.index(), |out| {
                record.encode_into(&row.service, out)
            });
            put.map_err(super::shard::encoding)?;
        }
    }
    shared.store.publish(pack.finish());
    shared.store.commit(shared.store.cut())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_what_runs_and_nothing_else_is_read_from_it() {
        let actor = DialogId([3; 16]);
        let all = [
            Work::Establish,
            Work::Timer {
                timer: 7,
                context: vec![1],
            },
            Work::Resume {
                resume: 9,
                outcome: crate::dialog::Outcome::Ok(vec![1, 2]),
                partner: None,
                context: Vec::new(),
            },
        ];
        for work in all {
            let running = Running::of(actor, &work);
            assert_eq!(Running::from_bytes(&running.to_bytes()), Some(running));
        }
        assert_eq!(Running::from_bytes(&[0; SLOT_BYTES]), None);
        assert_eq!(Running::from_bytes(&[9; SLOT_BYTES]), None);
        assert_eq!(Running::from_bytes(&[]), None);
    }
}
