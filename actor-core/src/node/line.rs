//! A dialog as plain code holds it: the node's side of every client.
//!
//! Owns what dropping means: the last handle of a volatile dialog takes the dialog with it, a keyed one goes on. A handle
//! does not keep its node alive.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use tokio::sync::oneshot;

use super::{
    Shared,
    address::Address,
    shard::{LineState, PlainCall, PlainSpec, ShardMsg},
};
use crate::{
    dialog::{Encoded, Heard, Knowledge, Line, Outcome, Reader, Sent},
    protocol::DialogId,
};

/// One handle, shared by its clients and their requests.
pub(super) struct NodeLine {
    shared: Weak<Shared>,
    spec: PlainSpec,
    state: Arc<LineState>,
}

impl NodeLine {
    pub(super) fn new(shared: &Arc<Shared>, address: Address, spec: PlainSpec) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            spec,
            state: Arc::new(LineState::new(address)),
        }
    }

    fn post(&self, message: ShardMsg) {
        // Before it is in the queue: nobody who asks after this overtakes it.
        self.state.hatch().queue();
        if let Some(shared) = self.shared.upgrade() {
            shared.post(self.state.address().slot, message);
        }
    }
}

impl Line for NodeLine {
    fn id(&self) -> DialogId {
        self.state.address().key.dialog
    }

    fn send(&self, sent: Sent) {
        let running = self.shared.upgrade().filter(|shared| !shared.is_stopping());
        if running.is_none() {
            // Certain: it is refused at the door.
            let _ = sent.answer.send(Heard::Stopped { in_doubt: false });
            return;
        }
        self.state.set_used();
        let call = PlainCall {
            spec: self.spec.clone(),
            sent,
            line: Arc::clone(&self.state),
        };
        self.post(ShardMsg::Call(Box::new(call)));
    }

    fn ask_here(&self, ask: &Encoded) -> Option<Outcome> {
        self.state.hatch().ask(ask)
    }

    fn knowledge(&self) -> Knowledge {
        self.state.knowledge()
    }

    fn knowledge_of(&self, name: String, answer: oneshot::Sender<Knowledge>) {
        // Dropped where the node has stopped, which the caller hears.
        self.post(ShardMsg::Knowledge(Arc::clone(&self.state), name, answer));
    }

    fn listen(&self, reader: &Arc<Reader>) {
        let running = self.shared.upgrade();
        if !running.is_some_and(|shared| shared.attend(reader)) {
            return reader.stop();
        }
        self.state.listen(reader);
        // A dialog that nothing was said to in this life of the node, or by this handle, is attached only now.
        self.post(ShardMsg::Listen(Arc::clone(&self.state)));
    }

    fn close(&self) {
        self.post(ShardMsg::Close(Arc::clone(&self.state)));
    }

    fn abandon(&self, why: String) {
        self.post(ShardMsg::Abandon(Arc::clone(&self.state), why));
    }
}

impl Drop for NodeLine {
    fn drop(&mut self) {
        // Whatever was said stands in the same queue before this.
        if self.spec.key.is_none() && self.state.is_used() {
            self.post(ShardMsg::Dropped(Arc::clone(&self.state)));
        }
    }
}

impl fmt::Debug for NodeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.state.address().key.dialog)
    }
}
