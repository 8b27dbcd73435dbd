//! The port of handlers: messages queued with the commit.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use actor_store::codec;
use serde::Serialize;

use super::{
    Dialog, DialogRef, Encoded, OpenSpec, Port, Reader, Request, Resume,
    port::{Partner, Sealed},
    step::{Command, Continuation, Step},
};
use crate::protocol::DialogId;

/// Where a handler's messages to a partner go: into the commit of its own message. Of `D`, whose `#[resume]` methods hear
/// the answers.
pub struct Outbox<'a, D> {
    step: &'a Step<'a>,
    dialog: DialogId,
    spec: Arc<OpenSpec>,
    opening: bool,
    owner: PhantomData<fn() -> D>,
}

impl<D> fmt::Debug for Outbox<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({})", self.dialog)
    }
}

impl<'a, D> Outbox<'a, D> {
    pub(super) fn new(
        step: &'a Step<'a>,
        dialog: DialogId,
        spec: Arc<OpenSpec>,
        opening: bool,
    ) -> Self {
        Self {
            step,
            dialog,
            spec,
            opening,
            owner: PhantomData,
        }
    }

    pub(super) fn send(
        &self,
        mut call: Encoded,
        then: Option<Continuation>,
        within: Option<Duration>,
    ) {
        call.tag = self.spec.tag(call.handler);
        self.step.push(Command::Send {
            dialog: self.dialog,
            call,
            then,
            within,
        });
    }
}

impl<D> Sealed for Outbox<'_, D> {
    fn listen(&self) -> Option<Arc<Reader>> {
        None
    }
}

impl<D> Port for Outbox<'_, D> {
    type Established<S: Dialog> = DialogRef<S>;

    fn reach<S: Dialog>(&self) -> DialogRef<S> {
        DialogRef::new(self.dialog)
    }

    fn fork(&self) -> Self {
        Self::new(self.step, self.dialog, Arc::clone(&self.spec), self.opening)
    }

    fn tell(&mut self, call: Encoded) {
        self.send(call, None, None);
    }
}

impl<D: Dialog> Outbox<'_, D> {
    pub(super) fn listen_with<T, E, C: Serialize>(&self, resume: &Resume<D, T, E, C>, context: &C) {
        if let Some(then) = self.continuation(resume, context, false) {
            self.step.push(Command::Listen {
                dialog: self.dialog,
                name: resume.name(),
                then,
            });
        }
    }

    fn continuation<T, E, C: Serialize>(
        &self,
        resume: &Resume<D, T, E, C>,
        context: &C,
        opening: bool,
    ) -> Option<Continuation> {
        match codec::encode(context) {
            Ok(context) => Some(Continuation {
                resume: resume.id(),
                context,
                opening,
            }),
            Err(cause) => {
                let what = format!("the context of `{}`", resume.name());
                self.step
                    .fail(super::StepFault::Unencodable { what, cause });
                None
            }
        }
    }
}

impl<D: Dialog, T, E> Request<Outbox<'_, D>, T, E> {
    /// Sends the message with this step's commit and continues in `resume` when the answer, or its absence, is known.
    pub fn then(self, resume: Resume<D, T, E>) {
        self.then_with(resume, ());
    }

    /// The same with `context` as the continuation's last argument: which leg, which line, which attempt.
    pub fn then_with<C: Serialize>(self, resume: Resume<D, T, E, C>, context: C) {
        let (port, call, opening, within) = self.into_parts();
        if let Some(then) = port.continuation(&resume, &context, opening) {
            port.send(call, Some(then), within);
        }
    }

    /// Sends the message with this step's commit and asks for no answer.
    pub fn tell(self) {
        let (port, call, _, within) = self.into_parts();
        port.send(call, None, within);
    }
}

impl<D: Dialog> Partner<'_, Outbox<'_, D>> {
    /// The dialog's id, the same on both sides.
    pub fn id(&self) -> DialogId {
        self.port.dialog
    }

    /// A reference to keep in the state.
    pub fn reference<S: Dialog>(&self) -> DialogRef<S> {
        DialogRef::new(self.port.dialog)
    }

    /// Closes the dialog after what was sent; unanswered requests are still answered.
    pub fn close(&self) {
        self.port.step.push(Command::CloseDialog {
            dialog: self.port.dialog,
        });
    }

    /// Gives the dialog up; the partner is told `why`.
    pub fn abandon(&self, why: impl Into<String>) {
        self.port.step.push(Command::AbandonDialog {
            dialog: self.port.dialog,
            why: why.into(),
        });
    }
}
