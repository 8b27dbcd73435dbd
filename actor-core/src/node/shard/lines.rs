//! Handles in plain code, as the shard sees them: which dialog they mean, and what they know of their newest message.
//!
//! Owns knowledge. It is learnt when a step is durable, never before.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use actor_store::Key;

use crate::{
    dialog::{Knowledge, OpenSpec, Outcome, Reader, Sent},
    node::{address::Address, hatch::Hatch},
    protocol::Ending,
};

/// What a handle opens.
#[derive(Debug, Clone)]
pub(crate) struct PlainSpec {
    pub(crate) open: Arc<OpenSpec>,
    /// The row of its key, where it has one; otherwise the dialog is volatile.
    pub(crate) key: Option<Key>,
}

/// Messages from plain code.
#[derive(Debug)]
pub(crate) struct PlainCall {
    pub(crate) spec: PlainSpec,
    pub(crate) sent: Sent,
    pub(crate) line: Arc<LineState>,
}

/// One handle.
#[derive(Debug)]
pub(crate) struct LineState {
    state: Mutex<State>,
    /// Something was handed to the shard: dropping the handle is news there.
    used: AtomicBool,
    hatch: Hatch,
}

#[derive(Debug)]
struct State {
    address: Address,
    /// Number of the newest request.
    newest: u64,
    knowledge: Knowledge,
    /// Those who read what the target says unasked.
    readers: Vec<Weak<Reader>>,
}

/// What a handle learns with a commit.
#[derive(Debug, Clone)]
pub(crate) enum Learned {
    /// This request was said for the first time.
    Said(u64, SystemTime),
    /// This request was said again.
    SaidAgain,
    /// This request was answered.
    Answered(u64),
    /// The dialog ended; and what one who listens hears of that.
    Ended(Ending, Outcome),
    /// The target said something unasked; true where only the newest counts.
    Event(Arc<[u8]>, bool),
}

impl LineState {
    pub(crate) fn new(address: Address) -> Self {
        let state = State {
            address,
            newest: 0,
            knowledge: Knowledge::NotSent,
            readers: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            used: AtomicBool::new(false),
            hatch: Hatch::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::node) fn hatch(&self) -> &Hatch {
        &self.hatch
    }

    pub(crate) fn address(&self) -> Address {
        self.lock().address
    }

    /// The key of this handle has been opened anew.
    pub(super) fn move_to(&self, address: Address) {
        let mut state = self.lock();
        state.address = address;
        state.newest = 0;
        state.knowledge = Knowledge::NotSent;
    }

    pub(crate) fn knowledge(&self) -> Knowledge {
        self.lock().knowledge.clone()
    }

    /// This reader hears events from now on.
    pub(crate) fn listen(&self, reader: &Arc<Reader>) {
        let mut state = self.lock();
        state.readers.retain(|known| known.strong_count() > 0);
        state.readers.push(Arc::downgrade(reader));
    }

    /// Does anybody read events?
    pub(super) fn listens(&self) -> bool {
        let state = self.lock();
        state.readers.iter().any(|reader| reader.strong_count() > 0)
    }

    pub(crate) fn set_used(&self) {
        self.used.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::SeqCst)
    }

    pub(crate) fn learn(&self, learned: &Learned) {
        let mut state = self.lock();
        match learned {
            Learned::Said(request, since) if *request >= state.newest => {
                state.newest = *request;
                state.knowledge = Knowledge::InDoubt {
                    since: Some(*since),
                    attempts: 1,
                };
            }
            Learned::Answered(request) if *request == state.newest => {
                state.knowledge = Knowledge::Answered;
            }
            Learned::SaidAgain => {
                if let Knowledge::InDoubt { attempts, .. } = &mut state.knowledge {
                    *attempts += 1;
                }
            }
            Learned::Ended(ending, outcome) => {
                state.knowledge = Knowledge::Ended(ending.clone());
                for reader in state
                    .readers
                    .drain(..)
                    .filter_map(|reader| reader.upgrade())
                {
                    reader.end(outcome.clone());
                }
            }
            Learned::Event(event, currency) => {
                for reader in state.readers.iter().filter_map(Weak::upgrade) {
                    reader.hear(event, *currency);
                }
            }
            Learned::Said(..) | Learned::Answered(_) => {}
        }
    }
}
