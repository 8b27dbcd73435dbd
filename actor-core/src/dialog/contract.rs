//! What both sides of a dialog agree on, as data that prints itself.
//!
//! Owns the seven notions that Helland lists for "when your plumber understands you"; never enforces them.

use std::{fmt, time::Duration};

use super::{Dialog, OpenSpec};

/// What a handler may do, told by its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandlerKind {
    /// `&mut self`: changes the state.
    Change,
    /// `&self`: reads.
    Read,
    /// `self`: ends the dialog with its answer.
    Close,
}

/// What becomes of a message when a newer one of its kind is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageOrder {
    /// Nothing: each arrives, in order, once.
    History,
    /// It need not arrive any more: the newest counts, and an older one never comes after it.
    Currency,
}

/// What the target of a dialog may say unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventInfo {
    /// Its type, as written.
    pub name: &'static str,
    /// Whether each counts or the newest.
    pub order: MessageOrder,
}

/// One message of a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandlerInfo {
    /// The handler's name, which is its identity on the wire.
    pub name: &'static str,
    /// What it may do.
    pub kind: HandlerKind,
    /// Whether each counts or the newest.
    pub order: MessageOrder,
    /// Its arguments and answer, as written.
    pub signature: &'static str,
}

/// Where a dialog's state lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// In the store: it survives its process.
    Durable,
    /// In memory: the dialog ends with its process.
    Volatile,
}

/// Of names, arguments and answers of all messages, in 64 bits. The order of the handlers does not matter, nor does the
/// version of the state.
#[derive(Clone, Copy)]
pub struct Fingerprint(fn() -> u64);

impl Fingerprint {
    #[doc(hidden)]
    pub const fn of<D: Dialog>() -> Self {
        Self(|| OpenSpec::of::<D>().contract)
    }

    /// The number, as it is sent.
    pub fn value(self) -> u64 {
        (self.0)()
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Eq for Fingerprint {}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.value())
    }
}

/// What both sides of a dialog agree on. `println!("{}", Checkout::CONTRACT)` shows all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// The service's name: what an initiator asks for.
    pub name: &'static str,
    /// The version of the dialog's state.
    pub version: u32,
    /// Where the state lives.
    pub kept: Kept,
    /// Fingerprints of earlier contracts whose initiators may still open this dialog.
    pub accepts: &'static [u64],
    /// Of the messages: both sides of an opening must have the same, or the target accepts the initiator's.
    pub fingerprint: Fingerprint,
    /// The messages that may come before the first answer; empty where the plumbing shakes hands.
    pub first: &'static [HandlerInfo],
    /// The messages of the established stage.
    pub established: &'static [HandlerInfo],
    /// What the target may say unasked, once established.
    pub events: Option<EventInfo>,
    /// How long pending work is kept, and how long an initiator tries to reach anybody.
    pub initiation: Duration,
    /// How long a side waits for its silent partner.
    pub silence: Duration,
    /// How long the dialog may last at all.
    pub lifetime: Duration,
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "dialog `{}` version {}, messages {}",
            self.name, self.version, self.fingerprint
        )?;
        for earlier in self.accepts {
            writeln!(f, "  accepts initiators of messages {earlier:#018x}")?;
        }
        writeln!(f, "  talk to the plumbing:")?;
        for handler in self.first {
            writeln!(f, "    first        {handler}")?;
        }
        for handler in self.established {
            writeln!(f, "    established  {handler}")?;
        }
        if let Some(events) = self.events {
            writeln!(f, "    unasked      {} ({})", events.name, events.order)?;
        }
        if self.first.is_empty() {
            writeln!(
                f,
                "  who: one instance of the service, bound by a handshake of the plumbing before any message"
            )?;
        } else {
            writeln!(
                f,
                "  who: until the first answer any instance of the service, pending only; then the one that answered"
            )?;
        }
        f.write_str(match self.kept {
            Kept::Durable => {
                "  transaction: consumption, state, tables, outgoing messages and timers of a message commit together\n"
            }
            Kept::Volatile => {
                "  transaction: state, timers and partners live in memory and end with the process; rows of tables are durable, \
                 each message's together\n"
            }
        })?;
        writeln!(f, "  order: history in each direction, no gaps, no repeats")?;
        if self.has_currency() {
            writeln!(
                f,
                "  currency: the newest value counts, gaps allowed, never back, never across history"
            )?;
        }
        writeln!(
            f,
            "  knowledge: a message is known to be delivered by its answer, never by an acknowledgement"
        )?;
        writeln!(
            f,
            "  abandonment: after {} of silence, or {} in all; the partner is told why",
            Span(self.silence),
            Span(self.lifetime)
        )?;
        writeln!(
            f,
            "  pending work is dropped after {}",
            Span(self.initiation)
        )?;
        write!(
            f,
            "  test the timeout: handlers run as plain methods under the test's own clock; nothing waits in real time"
        )
    }
}

impl Contract {
    fn has_currency(&self) -> bool {
        let handlers = self.first.iter().chain(self.established);
        let orders = handlers.map(|handler| handler.order);
        orders
            .chain(self.events.map(|events| events.order))
            .any(|order| order == MessageOrder::Currency)
    }
}

impl fmt::Display for HandlerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} ({}", self.name, self.signature, self.kind)?;
        match self.order {
            MessageOrder::History => f.write_str(")"),
            MessageOrder::Currency => write!(f, ", {})", self.order),
        }
    }
}

impl fmt::Display for MessageOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::History => "history",
            Self::Currency => "currency",
        })
    }
}

impl fmt::Display for HandlerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Change => "changes",
            Self::Read => "reads",
            Self::Close => "closes",
        })
    }
}

/// A duration in the largest unit that divides it.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 5] = [
            (365 * 86_400, "year"),
            (86_400, "day"),
            (3600, "hour"),
            (60, "minute"),
            (1, "second"),
        ];
        let seconds = self.0.as_secs();
        for (size, unit) in UNITS {
            if seconds >= size && seconds.is_multiple_of(size) {
                let count = seconds / size;
                return write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" });
            }
        }
        write!(f, "{:?}", self.0)
    }
}
