//! Dead letters: what could not be handled, kept with its context for somebody to read; and held work, which waits for
//! somebody to try it again.
//!
//! Owns their rows and how many are kept: above a bound the oldest goes, with a line in the log. Never decides what is
//! given up.

use std::{collections::BTreeMap, fmt, ops::Bound};

use actor_store::{StoreFault, Table, Value, Write, codec};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::warn;

use super::{
    Shared,
    address::actor_key,
    record::{ActorRow, decode, encode},
};
use crate::{
    dialog::{Answer, IsAnswer, Outcome},
    protocol::DialogId,
};

/// Dead letters that are kept, where nothing else is said.
pub(crate) const MAX_LETTERS: usize = 10_000;
/// Bytes of dead letters that are kept.
pub(crate) const MAX_LETTERS_BYTES: u64 = 64 * 1024 * 1024;
/// Begins the key of a letter about work that is held. Those of the dead begin with a time, which is far from here.
const HELD: &[u8] = b"\xffheld ";

/// A message that was given up, and what was known then.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The dialog that ended because of it.
    pub dialog: DialogId,
    /// Its service.
    pub service: String,
    /// The version of the program's dialog that tried it.
    pub version: u32,
    /// What was to be done: which message of which handler.
    pub what: String,
    /// The name of the handler; empty for what has none: a confirmation, a continuation or a timer.
    pub handler: String,
    /// The encoded arguments, or the encoded context of a continuation or a timer; [`DeadLetter::args`] reads them.
    pub body: Vec<u8>,
    /// The encoded state before it, empty if the dialog had not begun; [`DeadLetter::state`] reads it.
    pub state: Vec<u8>,
    /// The state is that of the pending half.
    pub pending: bool,
    /// Why it failed the last time.
    pub why: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up, in milliseconds since the epoch.
    pub at_ms: u64,
    pub(crate) outcome: Option<Outcome>,
    /// Where its row is.
    #[serde(skip)]
    pub(crate) key: Vec<u8>,
}

/// Work of a dialog with `on_poison = "hold"` that failed for good: it waits, and everything of its dialog behind it, for
/// [`Node::retry`](crate::Node::retry).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// What is held, and why.
    pub letter: DeadLetter,
    /// Pieces of work that wait with it, itself included.
    pub waiting: usize,
}

/// The bytes of a letter are not of the type they were to be read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterError {
    why: String,
}

/// Customers' data has no place in a log: bodies and states are shown by their lengths.
impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("dialog", &self.dialog)
            .field("service", &self.service)
            .field("version", &self.version)
            .field("what", &self.what)
            .field("handler", &self.handler)
            .field("body_bytes", &self.body.len())
            .field("state_bytes", &self.state.len())
            .field("pending", &self.pending)
            .field("why", &self.why)
            .field("attempts", &self.attempts)
            .field("at_ms", &self.at_ms)
            .finish_non_exhaustive()
    }
}

impl Held {
    /// The dialog that holds it: what [`Node::retry`](crate::Node::retry) wants to know.
    pub fn dialog(&self) -> DialogId {
        self.letter.dialog
    }
}

impl DeadLetter {
    /// The arguments: one value for a handler with one argument, otherwise a tuple of all. For a continuation or a timer
    /// it is the context.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T, LetterError> {
        read(&self.body, || format!("the arguments of {}", self.what))
    }

    /// The state before it: the type of the dialog, or of its pending half where [`DeadLetter::pending`] says so.
    pub fn state<D: DeserializeOwned>(&self) -> Result<D, LetterError> {
        read(&self.state, || format!("the state of `{}`", self.service))
    }

    /// The answer that a continuation was to go on with; `None` for everything else.
    pub fn answer<T: DeserializeOwned, E: DeserializeOwned>(
        &self,
    ) -> Option<Result<Answer<T, E>, LetterError>> {
        let answer = Answer::<T, E>::from_outcome(self.outcome.as_ref()?, None);
        Some(answer.map_err(|cause| LetterError {
            why: format!("the answer for {}: {cause}", self.what),
        }))
    }

    /// Its row, dead.
    pub(crate) fn dead(&self) -> Result<Write, StoreFault> {
        let mut key = self.at_ms.to_be_bytes().to_vec();
        key.extend_from_slice(&self.dialog.0);
        self.row(key)
    }

    /// Its row, held.
    pub(crate) fn held(&self) -> Result<Write, StoreFault> {
        self.row(held_key(self.dialog))
    }

    fn row(&self, key: Vec<u8>) -> Result<Write, StoreFault> {
        let bytes = encode(self).map_err(super::shard::encoding)?;
        Ok(Write {
            table: Table::DeadLetters,
            key: key.into(),
            value: Some(Value::new(bytes)),
        })
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8], what: impl Fn() -> String) -> Result<T, LetterError> {
    codec::decode(bytes).map_err(|cause| LetterError {
        why: format!("{} are not of this type: {cause}", what()),
    })
}

/// The key of the letter about what this dialog holds.
pub(crate) fn held_key(dialog: DialogId) -> Vec<u8> {
    [HELD, &dialog.0].concat()
}

/// Which dead letters there are, and how large.
#[derive(Debug, Default)]
pub(crate) struct LetterBook {
    rows: BTreeMap<Vec<u8>, u64>,
    bytes: u64,
    max: usize,
}

impl LetterBook {
    /// Of a store that opens.
    pub(crate) fn of(store: &actor_store::Store, max: usize) -> Result<Self, StoreFault> {
        let mut book = Self {
            max,
            ..Self::default()
        };
        let to = Bound::Excluded(HELD);
        for (key, value) in store.range(Table::DeadLetters, &[], to, usize::MAX)? {
            book.note(key, value.bytes.len());
        }
        book.bury_orphans(store)?;
        Ok(book)
    }

    /// What a volatile dialog held died with its process.
    fn bury_orphans(&mut self, store: &actor_store::Store) -> Result<(), StoreFault> {
        let mut writes = Vec::new();
        for (key, value) in store.range(Table::DeadLetters, HELD, Bound::Unbounded, usize::MAX)? {
            let Ok(letter) = decode::<DeadLetter>(&value.bytes) else {
                continue;
            };
            if let Ok(None) = store.get(Table::Actors, &actor_key(letter.dialog)) {
                let dead = letter.dead()?;
                writes.extend(self.add(&dead));
                writes.extend([dead, delete(key)]);
            }
        }
        if !writes.is_empty() {
            store.publish(writes);
            store.commit(store.cut())?;
        }
        Ok(())
    }

    fn note(&mut self, key: Vec<u8>, bytes: usize) {
        self.bytes += bytes as u64;
        let before = self.rows.insert(key, bytes as u64);
        self.bytes -= before.unwrap_or(0);
    }

    /// A letter more. The letters that must go for it, oldest first.
    pub(crate) fn add(&mut self, letter: &Write) -> Vec<Write> {
        let bytes = letter.value.as_ref().map_or(0, |value| value.bytes.len());
        self.note(letter.key.to_vec(), bytes);
        let mut gone = Vec::new();
        // The newest stays, however large.
        while self.rows.len() > 1 && (self.rows.len() > self.max || self.bytes > MAX_LETTERS_BYTES)
        {
            let Some((key, bytes)) = self.rows.pop_first() else {
                break;
            };
            self.bytes -= bytes;
            warn!(
                target: "actor_core::node", kept = self.rows.len(), bytes = self.bytes,
                "the oldest dead letter is dropped for a new one: read and delete them"
            );
            gone.push(delete(key));
        }
        gone
    }

    /// A letter that was read.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Write> {
        let bytes = self.rows.remove(key)?;
        self.bytes -= bytes;
        Some(delete(key.to_vec()))
    }
}

fn delete(key: Vec<u8>) -> Write {
    Write {
        table: Table::DeadLetters,
        key: key.into(),
        value: None,
    }
}

fn letters(shared: &Shared, from: &[u8], to: Bound<&[u8]>) -> Result<Vec<DeadLetter>, StoreFault> {
    let rows = shared
        .store
        .range(Table::DeadLetters, from, to, usize::MAX)?;
    let letter = |(key, value): (Vec<u8>, Value)| {
        let letter: DeadLetter = shared.decode(Table::DeadLetters, &value)?;
        Ok(DeadLetter { key, ..letter })
    };
    rows.into_iter().map(letter).collect()
}

pub(super) fn list(shared: &Shared) -> Result<Vec<DeadLetter>, StoreFault> {
    letters(shared, &[], Bound::Excluded(HELD))
}

pub(super) fn list_held(shared: &Shared) -> Result<Vec<Held>, StoreFault> {
    let held = |letter: DeadLetter| {
        let record = match shared.store.get(Table::Actors, &actor_key(letter.dialog)) {
            // Its dialog is about to end because of that; the others are listed.
            Err(StoreFault::Corrupt { .. }) => None,
            record => record?,
        };
        let record = record.and_then(|value| decode::<ActorRow>(&value.bytes).ok());
        Ok(Held {
            // What lives in memory only is not counted.
            waiting: record.map_or(1, |row| row.record.duties.work.len()),
            letter,
        })
    };
    let all = letters(shared, HELD, Bound::Unbounded)?;
    all.into_iter().map(held).collect()
}

impl fmt::Display for LetterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for LetterError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(at_ms: u64, state: usize) -> Write {
        let letter = DeadLetter {
            dialog: DialogId([1; 16]),
            service: "S".to_owned(),
            version: 1,
            what: String::new(),
            handler: String::new(),
            body: Vec::new(),
            state: vec![0; state],
            pending: false,
            why: String::new(),
            attempts: 5,
            at_ms,
            outcome: None,
            key: Vec::new(),
        };
        letter.dead().unwrap()
    }

    #[test]
    fn the_oldest_letter_goes_when_there_are_too_many() {
        let mut book = LetterBook {
            max: 2,
            ..LetterBook::default()
        };
        let all: Vec<Write> = (1..=4).map(|at| letter(at, 10)).collect();
        assert!(book.add(&all[0]).is_empty());
        assert!(book.add(&all[1]).is_empty());
        assert_eq!(book.add(&all[2])[0].key, all[0].key);
        assert_eq!(book.add(&all[3])[0].key, all[1].key);
        assert!(book.remove(&all[1].key).is_none(), "it went before");
        assert!(book.remove(&all[2].key).is_some());
        assert!(book.remove(&all[3].key).is_some());
        assert_eq!(book.bytes, 0);
    }

    #[test]
    fn the_oldest_letters_go_when_they_are_too_large() {
        let mut book = LetterBook {
            max: MAX_LETTERS,
            ..LetterBook::default()
        };
        let large = MAX_LETTERS_BYTES as usize / 2;
        assert!(book.add(&letter(1, large)).is_empty());
        assert_eq!(book.add(&letter(2, large)).len(), 1);
        assert_eq!(book.add(&letter(3, 3 * large)).len(), 1, "it stays itself");
        assert_eq!(book.rows.len(), 1);
    }
}
