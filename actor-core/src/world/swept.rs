//! Dialogs that a deadline ended while `finish_all` waited: nobody had closed them, and nobody would see it any more.
//!
//! Owns the hour that the world lets pass of itself. What a test lets pass itself is its own word: time goes on.

use super::{Event, Name, World};
use crate::{
    node::Note,
    protocol::{Abandoned, DialogId, Ending, Role},
};

/// One side of a dialog that was ended.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) node: Name,
    pub(super) dialog: DialogId,
    pub(super) role: Role,
    pub(super) service: String,
    pub(super) ending: Ending,
    /// After so much of the wait, in milliseconds.
    pub(super) after_ms: u64,
}

/// Who was ended by a deadline in the wait.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// When the wait began, while it goes on.
    since_ms: Option<u64>,
    sides: Vec<Side>,
}

impl Swept {
    /// The world waits, of itself.
    pub(super) fn begin(&mut self, now_ms: u64) {
        self.since_ms = Some(now_ms);
    }

    pub(super) fn end(&mut self) {
        self.since_ms = None;
    }

    /// A side is over: the partner's silence or its own age may end what nobody closed, and pending work.
    pub(super) fn ended(&mut self, now_ms: u64, mut side: Side) {
        let by_deadline = matches!(
            side.ending,
            Ending::Abandoned(Abandoned::Silence | Abandoned::Lifetime)
        );
        if let Some(since_ms) = self.since_ms.filter(|_| by_deadline) {
            side.after_ms = now_ms - since_ms;
            self.sides.push(side);
        }
    }

    /// The test lets so much time pass: whose deadline would have come now, is over by its will.
    pub(super) fn pass(&mut self, ms: u64) {
        for side in &mut self.sides {
            side.after_ms = side.after_ms.saturating_sub(ms);
        }
        self.sides.retain(|side| side.after_ms > 0);
    }

    pub(super) fn sides(&self) -> &[Side] {
        &self.sides
    }
}

impl World {
    /// Puts a durable ending into the trace.
    pub(super) fn side_ended(&mut self, index: usize, note: &Note) {
        let Note::Ended {
            dialog,
            role,
            service,
            ending,
        } = note
        else {
            return;
        };
        let (node, dialog, role) = (self.homes[index].name.clone(), *dialog, *role);
        let side = Side {
            node: node.clone(),
            dialog,
            role,
            service: service.clone(),
            ending: ending.clone(),
            after_ms: 0,
        };
        self.swept.ended(self.clock.now(), side);
        let ending = ending.clone();
        self.note(Event::Ended {
            node,
            dialog,
            role,
            ending,
        });
    }
}
