//! Answers that come from a later step: the promise a handler returns and the address it keeps.
//!
//! Owns the two values and where they may be serialized; never delivers an answer.

use std::{cell::RefCell, collections::BTreeSet, fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};

use super::Durable;
use crate::protocol::DialogId;

/// A handler's answer that may come later: from [`Cx::later`](super::Cx::later), or at once with [`Later::now`].
#[must_use = "return it from the handler: it is the handler's answer"]
pub struct Later<T> {
    now: Option<T>,
}

impl<T> Later<T> {
    /// The answer is known already.
    pub fn now(value: T) -> Self {
        Self { now: Some(value) }
    }

    pub(crate) fn promised() -> Self {
        Self { now: None }
    }

    pub(crate) fn into_now(self) -> Option<T> {
        self.now
    }
}

impl<T> fmt::Debug for Later<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.now.is_some() {
            "Later::now"
        } else {
            "Later"
        })
    }
}

/// Where an answer that was promised has to go. Keep it in the dialog's state until the answer is known, then
/// [`Cx::reply`](super::Cx::reply).
///
/// It belongs to its dialog: it can be serialized as part of that dialog's state and nowhere else, and it survives
/// restarts there. If a step ends with it in neither the state nor an answer, the caller hears
/// [`CallError::NoAnswer`](super::CallError::NoAnswer) at once instead of waiting for nothing.
#[must_use = "keep it in the state until the answer is known; dropped, the caller hears `NoAnswer`"]
pub struct ReplyTo<T> {
    pub(crate) dialog: DialogId,
    pub(crate) request: u64,
    answer: PhantomData<fn() -> T>,
}

impl<T: Durable> ReplyTo<T> {
    pub(crate) fn new(dialog: DialogId, request: u64) -> Self {
        Self {
            dialog,
            request,
            answer: PhantomData,
        }
    }
}

impl<T> fmt::Debug for ReplyTo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyTo({})", self.request)
    }
}

impl<T> Serialize for ReplyTo<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !note(|notes| notes.replies.insert(self.request)) {
            return Err(S::Error::custom(
                "a `ReplyTo` belongs to its dialog; keep it in the dialog's state",
            ));
        }
        (self.dialog.0, self.request).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for ReplyTo<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (dialog, request) = <([u8; 16], u64)>::deserialize(deserializer)?;
        Ok(Self {
            dialog: DialogId(dialog),
            request,
            answer: PhantomData,
        })
    }
}

/// What the encoding of a state held on to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct StateNotes {
    /// Requests whose `ReplyTo` is in the state.
    pub(crate) replies: BTreeSet<u64>,
    /// Dialogs whose `DialogRef` is in the state.
    pub(crate) partners: BTreeSet<DialogId>,
}

impl StateNotes {
    /// Neither a promise nor a partner is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.partners.is_empty()
    }
}

thread_local! {
    static NOTES: RefCell<Option<StateNotes>> = const { RefCell::new(None) };
}

/// Notes what `encode` serializes of a dialog's own; only here may such values be serialized at all.
pub(crate) fn noting<R>(encode: impl FnOnce() -> R) -> (R, StateNotes) {
    let outer = NOTES.replace(Some(StateNotes::default()));
    let result = encode();
    let notes = NOTES.replace(outer).unwrap_or_default();
    (result, notes)
}

/// False outside the encoding of a state.
pub(super) fn note(entry: impl FnOnce(&mut StateNotes) -> bool) -> bool {
    NOTES.with_borrow_mut(|notes| notes.as_mut().map(entry).is_some())
}
