//! What handlers are given: everything they may read, and the effects their stage permits.
//!
//! Owns permission: [`PendingCx`] has no way to cause an effect, `&Cx` only reads, `&mut Cx` queues effects for the
//! commit. Never carries an effect out.

use std::{
    fmt,
    marker::PhantomData,
    panic::resume_unwind,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actor_store::{codec, keys::TableKey};
use serde::Serialize;

use super::{
    Dialog, DialogRef, Durable, Encoded, FromPort, HasEvents, Later, OpenSpec, Outbox, Pending,
    ReplyTo, Step, StepFault, Table, TableMut, TableRef, Timer, step::Command,
};
use crate::protocol::DialogId;

/// Given to the handlers of a pending block. It reads and nothing more: a first message may be running on several
/// instances at once, so no effect is possible before the initiator has bound to this one.
pub struct PendingCx<'a> {
    step: &'a Step<'a>,
}

/// Given to the handlers of an established dialog. What it queues commits together with the message, or not at all.
pub struct Cx<'a, D> {
    step: &'a Step<'a>,
    dialog: PhantomData<fn() -> D>,
}

impl fmt::Debug for PendingCx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PendingCx").field(&self.step).finish()
    }
}

impl<D> fmt::Debug for Cx<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cx").field(&self.step).finish()
    }
}

// Both contexts read the same things in the same words.
macro_rules! reads {
    () => {
        /// The node's time, which never goes back. The only clock a handler may use.
        pub fn now(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_millis(self.step.now_ms)
        }

        /// The resource of type `R` that the node was given with `.provide(..)`.
        ///
        /// List it in the dialog, `uses(R)`, and a node without it does not start. Where it is missing all the same the
        /// step faults, naming it. What a handler changes inside a resource escapes the transaction.
        pub fn get<R: Send + Sync + 'static>(&self) -> &R {
            self.step.resources.get().unwrap_or_else(|| {
                // Unwinds without a panic message: the plumbing reports it as a fault of the step, not to be retried.
                resume_unwind(Box::new(StepFault::MissingResource {
                    resource: std::any::type_name::<R>(),
                }))
            })
        }

        /// The id of this dialog, the same on both sides.
        pub fn dialog_id(&self) -> DialogId {
            self.step.dialog
        }

        /// 1 on the first attempt. Repeated work belongs in other metrics than first work.
        pub fn attempt(&self) -> u32 {
            self.step.attempt
        }
    };
}

impl<'a> PendingCx<'a> {
    pub(crate) fn new(step: &'a Step<'a>) -> Self {
        Self { step }
    }

    reads!();

    /// A table of the application, to read.
    pub fn table<K: TableKey, V: Durable>(&self, table: Table<K, V>) -> TableRef<'_, K, V> {
        TableRef {
            step: self.step,
            table,
        }
    }
}

impl<'a, D: Dialog> Cx<'a, D> {
    pub(crate) fn new(step: &'a Step<'a>) -> Self {
        Self {
            step,
            dialog: PhantomData,
        }
    }

    reads!();

    /// A table of the application, to read.
    pub fn read<K: TableKey, V: Durable>(&self, table: Table<K, V>) -> TableRef<'_, K, V> {
        TableRef {
            step: self.step,
            table,
        }
    }

    /// A table of the application, in the transaction of this message.
    pub fn table<K: TableKey, V: Durable>(&mut self, table: Table<K, V>) -> TableMut<'_, K, V> {
        TableMut {
            step: self.step,
            table,
        }
    }

    /// A fresh random id. The only randomness a handler may use, so that a test can own it.
    pub fn id(&mut self) -> u128 {
        u128::from_be_bytes(self.step.ids.random())
    }

    /// Subcontracts: opens a dialog with the service of `S`. Its messages leave with this message's commit, and its
    /// answers come back to this dialog's `#[resume]` methods.
    pub fn open<S: Dialog>(&mut self) -> <S::Pending as Pending>::Opening<Outbox<'_, D>> {
        let dialog = DialogId(self.step.ids.random());
        let spec = OpenSpec::of::<S>();
        self.step.push(Command::Open {
            dialog,
            spec: Arc::clone(&spec),
        });
        FromPort::from_port(Outbox::new(self.step, dialog, spec, true))
    }

    /// Goes on talking to a partner that this dialog opened.
    pub fn to<S: Dialog>(&mut self, partner: &DialogRef<S>) -> S::Client<Outbox<'_, D>> {
        FromPort::from_port(Outbox::new(
            self.step,
            partner.dialog,
            OpenSpec::of::<S>(),
            false,
        ))
    }

    /// Promises the answer of this message: return the first half, keep the second in the state.
    pub fn later<T: Durable>(&mut self) -> (Later<T>, ReplyTo<T>) {
        let request = self.step.request.unwrap_or_else(|| {
            // A continuation, a timer or a message that was told: nobody waits for an answer.
            self.step.fail(StepFault::NothingToAnswer);
            0
        });
        (Later::promised(), ReplyTo::new(self.step.dialog, request))
    }

    /// Gives the promised answer.
    pub fn reply<T: Durable>(&mut self, to: ReplyTo<T>, value: T) {
        self.step.push(Command::Reply {
            request: to.request,
            value: codec::encode(&value),
        });
    }

    /// Says something unasked to the one who opened this dialog, with the commit of this step. Heard with `.events()`;
    /// where nobody listens it is dropped there. No effect in `#[abandoned]`: nobody is left to hear it.
    pub fn tell(&mut self, event: D::Event)
    where
        D: HasEvents,
    {
        self.step.push(Command::Tell {
            event: Encoded::event(&event, D::CURRENCY),
        });
    }

    /// Runs a `#[resume]` method after `delay`. Setting it again replaces it. Durable: it fires after a restart too.
    pub fn after(&mut self, delay: Duration, timer: Timer<D>) {
        self.after_with(delay, timer, ());
    }

    /// Runs a `#[resume]` method after `delay` with `context` as its last argument.
    pub fn after_with<C: Serialize>(&mut self, delay: Duration, timer: Timer<D, C>, context: C) {
        let context = match codec::encode(&context) {
            Ok(context) => context,
            Err(cause) => {
                let what = format!("the context of `{}`", timer.name());
                return self.step.fail(StepFault::Unencodable { what, cause });
            }
        };
        self.step.push(Command::Arm {
            timer: timer.id(),
            name: timer.name(),
            delay,
            context,
        });
    }

    /// Removes a timer; no effect where it is not set.
    pub fn cancel<C>(&mut self, timer: Timer<D, C>) {
        self.step.push(Command::Disarm { timer: timer.id() });
    }

    /// Closes this dialog after the answers of this step. The last answer is best effort: nobody confirms it.
    pub fn close(&mut self) {
        self.step.push(Command::Close);
    }

    /// Gives this dialog up; the partner is told `why`.
    pub fn abandon(&mut self, why: impl Into<String>) {
        self.step.push(Command::Abandon { why: why.into() });
    }
}
