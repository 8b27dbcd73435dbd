//! A dialog as plain code holds it: the node's side of every client.
//!
//! Owns what dropping means: the last handle of a volatile dialog takes the dialog with it, a keyed one goes on.

use std::{fmt, sync::Arc};

use super::{
    Shared,
    shard::{LineState, PlainCall, PlainSpec, ShardMsg},
};
use crate::{
    dialog::{Heard, Knowledge, Line, Sent},
    protocol::DialogId,
};

/// One handle, shared by its clients and their requests.
pub(super) struct NodeLine {
    shared: Arc<Shared>,
    spec: Arc<PlainSpec>,
    state: Arc<LineState>,
}

impl NodeLine {
    pub(super) fn new(shared: Arc<Shared>, spec: PlainSpec) -> Self {
        Self {
            shared,
            spec: Arc::new(spec),
            state: Arc::new(LineState::new()),
        }
    }

    fn post(&self, message: ShardMsg) {
        self.shared.post(self.spec.address.slot, message);
    }
}

impl Line for NodeLine {
    fn id(&self) -> DialogId {
        self.spec.address.key.dialog
    }

    fn send(&self, sent: Sent) {
        if self.shared.is_stopping() {
            // Certain: it is refused at the door.
            let _ = sent.answer.send(Heard::Stopped { in_doubt: false });
            return;
        }
        let call = PlainCall {
            spec: Arc::clone(&self.spec),
            sent,
            line: Arc::clone(&self.state),
        };
        self.post(ShardMsg::Call(Box::new(call)));
    }

    fn knowledge(&self) -> Knowledge {
        self.state.read()
    }

    fn close(&self) {
        self.post(ShardMsg::Close(self.spec.address));
    }

    fn abandon(&self, why: String) {
        self.post(ShardMsg::Abandon(self.spec.address, why));
    }
}

impl Drop for NodeLine {
    fn drop(&mut self) {
        if self.spec.key.is_none() && self.state.read() != Knowledge::NotSent {
            self.post(ShardMsg::Dropped(self.spec.address));
        }
    }
}

impl fmt::Debug for NodeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.spec.address.key.dialog)
    }
}
