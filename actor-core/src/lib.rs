//! Durable dialogs between two services.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod dialog;
mod node;
#[doc(hidden)]
pub mod protocol;
mod transport;

pub use actor_macros::dialog;
pub use actor_store::{OpenError, StoreFault, keys::TableKey};
pub use dialog::{
    Answer, CallError, Contract, Cx, Dialog, DialogRef, Durable, HandlerInfo, HandlerKind,
    Handshake, Knowledge, Later, Never, Outbox, Partner, Pending, PendingCx, Port, Remote, ReplyTo,
    Request, Resume, Table, TableMut, TableRef, Timer,
};
#[cfg(feature = "test-util")]
pub use dialog::{SentMessage, TestCx};
pub use node::{
    DeadLetter, DialogInfo, Node, NodeBuilder, ShutdownError, StartError, Stats, View, ViewError,
};
pub use protocol::{Abandoned, DialogId, Ending, Role, Stage};
pub use serde;
pub use transport::{FrameEvent, Gnomes, Network};

/// What an application needs in scope.
pub mod prelude {
    pub use std::time::Duration;

    pub use serde::{Deserialize, Serialize};

    pub use crate::{
        Abandoned, Answer, CallError, Cx, Dialog, DialogRef, Ending, Gnomes, Knowledge, Later,
        Network, Node, Pending, PendingCx, ReplyTo, Table, TableKey, dialog,
    };
}

/// What the code that `#[dialog]` writes needs. Not for anybody else: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use core::time::Duration;

    pub use crate::{
        dialog::{
            Answer, Call, CallError, Contract, Cx, Dialog, DialogRef, Durable, Encoded, FromPort,
            Handled, HandlerInfo, HandlerKind, Handshake, IsAnswer, Later, Never as Infallible,
            Outbox, Partner, Pending, PendingCx, Port, Remote, ReplyTo, Request, Resume, Resumed,
            Table, Timer, Types, Unfit, established, opening,
        },
        protocol::{Abandoned, Mode, handler_id},
    };
}
