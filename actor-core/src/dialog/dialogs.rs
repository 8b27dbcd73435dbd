//! The two halves of a dialog as traits: what accumulates before the initiator is bound, and what holds afterwards.
//!
//! Implemented by `#[dialog]` only. Owns the shape of a dialog type; never its behaviour.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Call, Contract, Cx, FromPort, Handled, HandlerInfo, PendingCx, Port, Resumed, Stored, Types,
    Unfit,
};
use crate::protocol::{Abandoned, Mode};

/// A value that can be written to the store and read back: state, arguments, answers, table rows.
pub trait Durable: Serialize + DeserializeOwned + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Send + 'static> Durable for T {}

/// What becomes of a message that cannot be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPoison {
    /// The dialog ends on both sides, and the message is kept as a dead letter.
    Fail,
    /// The dialog stands and everything behind the message waits, for an operator or for a deadline.
    Hold,
}

/// A durable two-party dialog, seen from the target: the state of its established stage and the handlers of its messages.
///
/// Implemented by [`#[dialog]`](crate::dialog) on an inherent impl block.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a dialog",
    label = "this type has no established handlers",
    note = "put `#[dialog(timeout = \"..\")]` on an `impl {Self} {{ .. }}` block"
)]
pub trait Dialog: Durable {
    /// What both sides agree on: who, transaction, order, knowledge, abandonment, timeouts, and how to test them.
    const CONTRACT: Contract;
    /// What is accumulated until the initiator is bound; [`Handshake`] where the plumbing shakes hands instead.
    type Pending: Pending<Established = Self>;
    /// The messages of the established stage, as its partner sends them.
    type Client<P: Port>: FromPort<P>;

    #[doc(hidden)]
    const __ON_POISON: OnPoison = OnPoison::Fail;

    #[doc(hidden)]
    fn __handle(
        state: &mut Option<Self>,
        cx: &mut Cx<'_, Self>,
        call: Call<'_>,
    ) -> Result<Handled, Unfit>;
    #[doc(hidden)]
    fn __resume(
        state: &mut Option<Self>,
        cx: &mut Cx<'_, Self>,
        resumed: Resumed<'_>,
    ) -> Result<(), Unfit>;
    #[doc(hidden)]
    fn __abandoned(self, _cx: &mut Cx<'_, Self>, _why: Abandoned) {}
    /// A state of an earlier version, made one of this.
    #[doc(hidden)]
    fn __earlier(stored: Stored<'_>) -> Result<Self, Unfit> {
        Err(stored.unknown(Self::CONTRACT.name))
    }
    #[doc(hidden)]
    fn __types(types: &mut Types);
}

/// The initiation half of a dialog: what its first messages may do before anything permanent is possible.
///
/// A first message may run on several instances of a pool (Helland: "the initiation messages in a dialog protocol must
/// be idempotent"), so nothing here can cause an effect.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot accumulate pending work",
    label = "named here as the pending half of a dialog",
    note = "put `#[dialog(pending, timeout = \"..\")]` on an `impl {Self} {{ .. }}` block with an `#[establish]` method"
)]
pub trait Pending: Durable + Default {
    /// The established half.
    type Established: Dialog<Pending = Self>;
    /// The messages that may come before the first answer.
    type Opening<P: Port>: FromPort<P>;
    #[doc(hidden)]
    const MODE: Mode;
    #[doc(hidden)]
    const TIMEOUT: Duration;
    #[doc(hidden)]
    const VERSION: u32;
    #[doc(hidden)]
    const FIRST: &'static [HandlerInfo];

    #[doc(hidden)]
    fn __accumulate(&mut self, cx: &PendingCx<'_>, call: Call<'_>) -> Result<Handled, Unfit>;
    #[doc(hidden)]
    fn __establish(self, cx: &mut Cx<'_, Self::Established>) -> Self::Established;
    #[doc(hidden)]
    fn __earlier(stored: Stored<'_>) -> Result<Self, Unfit> {
        Err(stored.unknown("pending work"))
    }
    #[doc(hidden)]
    fn __types(types: &mut Types);
}

/// The pending half of a dialog that has none: the plumbing binds the partner with a round trip of its own ("the
/// plumbing can use TCP's trick"), then the dialog starts from its `Default`.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Handshake<D>(PhantomData<fn() -> D>);

impl<D> Default for Handshake<D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<D> fmt::Debug for Handshake<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

impl<D: Dialog<Pending = Self> + Default> Pending for Handshake<D> {
    type Established = D;
    type Opening<P: Port> = D::Client<P>;
    const MODE: Mode = Mode::Handshake;
    /// A handshake is answered by plumbing: five minutes cover a restart of the partner.
    const TIMEOUT: Duration = Duration::from_secs(300);
    const VERSION: u32 = 1;
    const FIRST: &'static [HandlerInfo] = &[];

    fn __accumulate(&mut self, _: &PendingCx<'_>, call: Call<'_>) -> Result<Handled, Unfit> {
        Err(call.unknown(D::CONTRACT.name))
    }

    fn __establish(self, _: &mut Cx<'_, D>) -> D {
        D::default()
    }

    fn __types(_: &mut Types) {}
}
