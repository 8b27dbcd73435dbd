//! What an application sees of a dialog: the traits behind `#[dialog]`, what handlers are given, what clients hold, and
//! how an answer or its absence is told.
//!
//! Owns the vocabulary; never knows how a message travels. Everything here hands data (commands, encoded calls) to the
//! plumbing or takes data from it.

mod call;
mod contract;
mod cx;
mod dialogs;
mod erased;
mod error;
mod events;
mod later;
mod outbox;
mod port;
mod reference;
mod request;
mod resume;
mod step;
mod table;
mod telling;
#[cfg(feature = "test-util")]
mod test_cx;
mod types;

pub use call::{Call, Encoded, Handled, Stored, Unfit};
pub(crate) use call::{ESTABLISHED, Replied, UNTAGGED};
pub use contract::{
    Contract, EventInfo, Fingerprint, HandlerInfo, HandlerKind, Kept, MessageOrder,
};
pub use cx::{Cx, PendingCx};
pub use dialogs::{Dialog, Durable, Handshake, OnPoison, Pending};
pub(crate) use erased::{Actor, Half, Service};
pub use error::{Answer, CallError, Knowledge, Never};
pub(crate) use events::{EVENTS, Reader};
pub use events::{Events, HasEvents, Hears};
pub use later::{Later, ReplyTo};
pub(crate) use later::{StateNotes, noting};
pub use outbox::Outbox;
pub use port::{FromPort, Port};
pub(crate) use port::{Heard, Line, Sent};
pub use port::{Partner, Remote};
pub use reference::DialogRef;
pub use request::{Request, established, opening};
pub(crate) use resume::Outcome;
pub use resume::{IsAnswer, Resume, Resumed, Timer};
pub(crate) use step::{Command, Continuation, Ids, Resources, Row, Step, StepFault, TableAccess};
pub(crate) use table::key_range;
pub use table::{Table, TableMut, TableRef};
pub use telling::Telling;
#[cfg(feature = "test-util")]
pub use test_cx::{SentMessage, TestCx};
pub(crate) use types::OpenSpec;
pub use types::Types;
