//! One run of one handler: what it is given, and the effects it asks for, as data.
//!
//! Owns the buffer between application and plumbing. A step that fails or refuses is dropped whole, so nothing here
//! touches the world.

use std::{
    any::{Any, TypeId},
    cell::RefCell,
    collections::HashMap,
    fmt,
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use actor_store::codec::CodecError;
use serde::{Deserialize, Serialize};

use super::{Encoded, OpenSpec};
use crate::protocol::DialogId;

/// Everything a handler can reach.
pub(crate) struct Step<'a> {
    /// Milliseconds since the epoch, never going back.
    pub(crate) now_ms: u64,
    pub(crate) dialog: DialogId,
    /// The sequence number of the message being handled, where it wants an answer.
    pub(crate) request: Option<u64>,
    /// 1 on the first attempt.
    pub(crate) attempt: u32,
    pub(crate) resources: &'a Resources,
    pub(crate) tables: &'a dyn TableAccess,
    pub(crate) ids: &'a dyn Ids,
    commands: RefCell<Vec<Command>>,
    fault: RefCell<Option<StepFault>>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(
        now_ms: u64,
        dialog: DialogId,
        request: Option<u64>,
        attempt: u32,
        world: (&'a Resources, &'a dyn TableAccess, &'a dyn Ids),
    ) -> Self {
        let (resources, tables, ids) = world;
        Self {
            now_ms,
            dialog,
            request,
            attempt,
            resources,
            tables,
            ids,
            commands: RefCell::default(),
            fault: RefCell::default(),
        }
    }

    pub(crate) fn push(&self, command: Command) {
        self.commands.borrow_mut().push(command);
    }

    #[cfg(feature = "test-util")]
    pub(crate) fn commands(&self) -> std::cell::Ref<'_, Vec<Command>> {
        self.commands.borrow()
    }

    /// The first fault stands: what follows it was computed from a lie.
    pub(crate) fn fail(&self, fault: StepFault) {
        self.fault.borrow_mut().get_or_insert(fault);
    }

    pub(crate) fn finish(self) -> Result<Vec<Command>, StepFault> {
        match self.fault.into_inner() {
            Some(fault) => Err(fault),
            None => Ok(self.commands.into_inner()),
        }
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("dialog", &self.dialog)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// An effect that a handler asked for. Carried out by the plumbing after the handler returned `Ok`, in this order.
#[derive(Debug)]
pub(crate) enum Command {
    Open {
        dialog: DialogId,
        spec: Arc<OpenSpec>,
    },
    Send {
        dialog: DialogId,
        call: Encoded,
        then: Option<Continuation>,
        within: Option<Duration>,
    },
    /// Said unasked to whoever opened this dialog.
    Tell {
        event: Encoded,
    },
    /// Events of a partner go here, each one.
    Listen {
        dialog: DialogId,
        /// For `TestCx`, which tells who listens.
        #[cfg_attr(not(feature = "test-util"), allow(dead_code))]
        name: &'static str,
        then: Continuation,
    },
    Reply {
        request: u64,
        value: Result<Vec<u8>, CodecError>,
    },
    Arm {
        timer: u32,
        name: &'static str,
        delay: Duration,
        context: Vec<u8>,
    },
    Disarm {
        timer: u32,
    },
    Close,
    Abandon {
        why: String,
    },
    CloseDialog {
        dialog: DialogId,
    },
    AbandonDialog {
        dialog: DialogId,
        why: String,
    },
}

/// What runs when a request of a handler is answered, durable with the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Continuation {
    /// Hash of the `#[resume]` method's name.
    pub(crate) resume: u32,
    /// Its encoded last argument.
    pub(crate) context: Vec<u8>,
    /// The answer comes with a reference to the partner.
    pub(crate) opening: bool,
}

/// Why a step cannot be committed although its handler returned.
#[derive(Debug)]
pub(crate) enum StepFault {
    /// A row of an application table could not be encoded or decoded.
    Row {
        table: &'static str,
        cause: CodecError,
    },
    /// A key of an application table is not of its declared type.
    Key { table: &'static str },
    /// The dialog does not declare the table.
    UndeclaredTable { table: String },
    /// `cx.later()` where no request is being handled.
    NothingToAnswer,
    /// Nobody provided the resource.
    MissingResource { resource: &'static str },
    /// The arguments or the context of a call could not be encoded.
    Unencodable { what: String, cause: CodecError },
    /// The store failed: the node stops.
    Store(actor_store::StoreFault),
}

impl fmt::Display for StepFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row { table, cause } => write!(f, "a row of table `{table}`: {cause}"),
            Self::Key { table } => {
                write!(f, "a key of table `{table}` is not of the declared type")
            }
            Self::UndeclaredTable { table } => {
                write!(
                    f,
                    "table `{table}` is not declared: say `#[dialog(.., tables(..))]` with its constant"
                )
            }
            Self::NothingToAnswer => f.write_str("`cx.later()` promises the answer of a request, and none is being handled: call it in the handler that is asked"),
            Self::MissingResource { resource } => {
                write!(
                    f,
                    "no `{resource}` was provided: add `.provide(..)` to the node's builder and `uses({resource})` to the dialog"
                )
            }
            Self::Unencodable { what, cause } => write!(f, "{what} could not be encoded: {cause}"),
            Self::Store(fault) => fault.fmt(f),
        }
    }
}

pub(crate) type Row = (Vec<u8>, Arc<[u8]>);

/// Application tables as bytes, with the step's own writes on top.
pub(crate) trait TableAccess {
    fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Arc<[u8]>>, StepFault>;
    fn put(
        &self,
        table: &'static str,
        key: Vec<u8>,
        value: Option<Arc<[u8]>>,
    ) -> Result<(), StepFault>;
    fn range(
        &self,
        table: &'static str,
        from: &[u8],
        to: Bound<&[u8]>,
    ) -> Result<Vec<Row>, StepFault>;
}

/// The only source of randomness.
pub(crate) trait Ids: Send + Sync {
    fn random(&self) -> [u8; 16];
}

/// What the application provided to its handlers, one value per type.
#[derive(Default, Clone)]
pub(crate) struct Resources {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Resources {
    pub(crate) fn provide<R: Send + Sync + 'static>(&mut self, resource: R) {
        self.values.insert(TypeId::of::<R>(), Arc::new(resource));
    }

    pub(crate) fn has(&self, id: TypeId) -> bool {
        self.values.contains_key(&id)
    }

    pub(crate) fn get<R: Send + Sync + 'static>(&self) -> Option<&R> {
        self.values.get(&TypeId::of::<R>())?.downcast_ref()
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resources({})", self.values.len())
    }
}
