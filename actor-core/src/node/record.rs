//! What is on disk of an endpoint and of an actor, and how it becomes bytes.
//!
//! Owns the layout of both records. An endpoint's record holds the protocol's half and, beside it, what the node must
//! remember: absolute deadlines, who waits for which answer. An actor's record holds the application's state. Each
//! starts with a version of its own layout.

use std::{collections::VecDeque, sync::LazyLock};

use actor_store::{Index, codec};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{address::Address, deadlines::Deadlines};
use crate::{
    dialog::{Continuation, Outcome},
    protocol::{Abandoned, Backlog, DialogId, Endpoint, Few, Message, Part, Seldom, body},
};

/// Layout of both records. Raised when they change; older layouts are read as long as they are listed here.
const LAYOUT: u8 = 1;

/// When work that is held is due: not before somebody says so.
const HELD: u64 = u64::MAX;

/// One endpoint, durable.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EndpointRecord {
    pub(crate) endpoint: Endpoint,
    pub(crate) owner: Owner,
    pub(crate) opened_ms: u64,
    /// The work this dialog belongs to: the id of the dialog that began it, carried to every partner.
    pub(crate) trace: DialogId,
    /// Absolute, in milliseconds since the epoch.
    pub(crate) deadlines: Deadlines,
    pub(crate) awaited: Seldom<Awaited>,
}

/// What is still to come, on either side: of most endpoints at rest, nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Awaited {
    /// Initiator: what becomes of the answers still awaited, by request.
    pub(crate) asks: Few<u64, Ask>,
    /// Target: promised answers; true where the answer is a `Result`.
    pub(crate) promised: Few<u64, bool>,
    /// Initiator of an actor: what hears the events of its partner, and its end.
    pub(crate) events: Option<Box<Continuation>>,
}

impl Part for Awaited {
    fn empty() -> &'static Self {
        static NOTHING: LazyLock<Awaited> = LazyLock::new(Awaited::default);
        &NOTHING
    }

    fn is_empty(&self) -> bool {
        self.asks.is_empty() && self.promised.is_empty() && self.events.is_none()
    }
}

/// Whose endpoint it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// The target's actor, which has the dialog's id.
    Target,
    /// Opened by a handler of this actor.
    Child(DialogId),
    /// Opened by plain code under a key: its answers do not expire.
    Keyed,
    /// Opened by plain code: in memory only.
    Volatile,
}

/// A request that waits for its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) since_ms: u64,
    /// Rounds of its endpoint before it was said.
    #[serde(skip)]
    pub(crate) rounds_before: u32,
    /// What else its answer is wanted for; nothing where only a caller waits who is there now.
    pub(crate) wish: Option<Box<Wish>>,
}

/// What becomes of an answer, whoever is there when it comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wish {
    pub(crate) then: Option<Continuation>,
    /// Its name, and the digest of what was asked under it.
    pub(crate) name: Option<(String, u64)>,
    /// When its continuation hears that it is too late.
    pub(crate) until: Option<u64>,
}

impl Ask {
    pub(crate) fn until(&self) -> Option<u64> {
        self.wish.as_ref()?.until
    }
}

/// A request with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    /// Of handler and arguments: the same name with other contents is an error.
    pub(crate) digest: u64,
    pub(crate) request: u64,
    /// When it was said first.
    pub(crate) since_ms: u64,
    pub(crate) outcome: Option<Outcome>,
}

/// An actor's record, behind the name of who serves it: in memory the service itself is beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Served<N, R> {
    pub(crate) service: N,
    pub(crate) record: R,
}

/// What is read of an actor.
pub(crate) type ActorRow = Served<String, ActorRecord>;

/// An application's state and what belongs to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ActorRecord {
    pub(crate) version: u32,
    /// The state is pending work.
    pub(crate) pending: bool,
    #[serde(with = "body")]
    pub(crate) state: Vec<u8>,
    pub(crate) duties: Seldom<Duties>,
    /// The dialog has ended in good order; the actor goes when its work is done.
    pub(crate) ended: bool,
}

/// What an actor has to do without being told, and whom it has opened.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Duties {
    pub(crate) timers: Few<u32, AppTimer>,
    pub(crate) children: Few<DialogId>,
    /// Work that could not be done yet, oldest first; nothing overtakes it.
    pub(crate) work: VecDeque<Work>,
    /// Failed attempts at one piece of it.
    pub(crate) attempts: u32,
    /// How much of it stands before that piece, because it was rolled back with it; it is not blamed.
    pub(crate) ahead: u32,
    pub(crate) retry_at: u64,
    /// How often in a row it waited for a partner that was too busy; nobody is blamed for that.
    pub(crate) waited: u32,
}

impl Part for Duties {
    fn empty() -> &'static Self {
        static EMPTY: LazyLock<Duties> = LazyLock::new(Duties::default);
        &EMPTY
    }

    /// How often something was tried, and when it is again, is said of work only.
    fn is_empty(&self) -> bool {
        self.timers.is_empty() && self.children.is_empty() && self.work.is_empty()
    }
}

/// A durable timer of the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppTimer {
    pub(crate) due: u64,
    pub(crate) context: Vec<u8>,
}

/// One thing for a handler to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    /// A message of the partner.
    Message(Message),
    /// The initiator is bound to us: pending work becomes permanent.
    Establish,
    /// A request of this actor has its answer.
    Resume {
        resume: u32,
        outcome: Outcome,
        partner: Option<DialogId>,
        context: Vec<u8>,
    },
    /// A timer is due.
    Timer { timer: u32, context: Vec<u8> },
    /// The dialog ended before its close.
    Abandoned(Abandoned),
}

impl Work {
    /// Bytes of an application's that it carries.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Message(message) => message.body.len(),
            Self::Resume {
                outcome: Outcome::Ok(answer) | Outcome::Err(answer),
                context,
                ..
            } => answer.len() + context.len(),
            Self::Resume { context, .. } | Self::Timer { context, .. } => context.len(),
            Self::Establish | Self::Abandoned(_) => 0,
        }
    }
}

impl Continuation {
    /// The continuation of events, with one of them, or with their end.
    pub(crate) fn resumed(self, outcome: Outcome) -> Work {
        Work::Resume {
            resume: self.resume,
            outcome,
            partner: None,
            context: self.context,
        }
    }
}

impl EndpointRecord {
    pub(crate) fn new(endpoint: Endpoint, owner: Owner, trace: DialogId, opened_ms: u64) -> Self {
        Self {
            endpoint,
            owner,
            opened_ms,
            trace,
            deadlines: Deadlines::default(),
            awaited: Seldom::default(),
        }
    }

    /// A promised answer is given, or is not owed any more: whether it is a `Result`, if it was promised.
    pub(crate) fn take_promise(&mut self, request: u64) -> Option<bool> {
        let fallible = self.awaited.stored()?.promised.remove(&request);
        self.awaited.rest();
        fallible
    }

    /// The first deadline, which the index knows.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let overdue = self.awaited.asks.values().filter_map(Ask::until);
        self.deadlines.first().into_iter().chain(overdue).min()
    }

    pub(crate) fn index(&self, busy: bool) -> Index {
        Index {
            deadline: self.deadline(),
            busy,
        }
    }
}

impl ActorRecord {
    /// What was acknowledged and is put off.
    pub(crate) fn backlog(&self) -> Backlog {
        let said = self.duties.work.iter().filter_map(|work| match work {
            Work::Message(message) => Some(message.body.len()),
            _ => None,
        });
        let (from_partner, bytes) =
            said.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
        Backlog {
            messages: self.duties.work.len() as u64,
            from_partner,
            bytes,
        }
    }

    /// Keeps work for later. A currency message takes the place of an older one that waits behind the failed piece, with
    /// nothing but currency between.
    pub(crate) fn put_off(&mut self, work: Work) {
        let topic = |work: &Work| match work {
            Work::Message(message) if message.currency => Some(message.handler),
            _ => None,
        };
        if let Some(newer) = topic(&work) {
            let behind = self
                .duties
                .work
                .iter()
                .enumerate()
                .skip(self.duties.ahead as usize + 1);
            let older = behind
                .rev()
                .map_while(|(at, work)| Some((at, topic(work)?)))
                .find(|(_, older)| *older == newer);
            if let Some((at, _)) = older {
                self.duties.work.remove(at);
            }
        }
        self.duties.work.push_back(work);
    }

    /// Which attempt at the next piece of work the next one is.
    pub(crate) fn attempt(&self) -> u32 {
        if self.duties.ahead == 0 {
            self.duties.attempts + 1
        } else {
            1
        }
    }

    /// The next piece of work was done in a later attempt.
    pub(crate) fn succeeded(&mut self, now: u64) {
        match self.duties.ahead {
            0 => self.duties.attempts = 0,
            _ => self.duties.ahead -= 1,
        }
        self.duties.retry_at = now;
        self.duties.waited = 0;
    }

    /// A piece of work failed, with so much before it that is to be done again.
    pub(crate) fn failed(&mut self, ahead: u32) {
        if self.duties.ahead > 0 {
            // Another one than before.
            self.duties.attempts = 0;
        }
        self.duties.ahead = ahead;
        self.duties.attempts += 1;
    }

    /// Its first work failed for good and waits for an operator.
    pub(crate) fn is_held(&self) -> bool {
        self.duties.retry_at == HELD && !self.duties.work.is_empty()
    }

    pub(crate) fn hold(&mut self) {
        self.duties.retry_at = HELD;
    }

    /// The first time something is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let waits = !self.duties.work.is_empty() && !self.is_held();
        let retry = waits.then_some(self.duties.retry_at);
        self.duties
            .timers
            .values()
            .map(|timer| timer.due)
            .chain(retry)
            .min()
    }

    pub(crate) fn index(&self) -> Index {
        Index {
            deadline: self.deadline(),
            busy: false,
        }
    }

    pub(crate) fn encode_into(
        &self,
        service: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), codec::CodecError> {
        let row = Served {
            service,
            record: self,
        };
        encode_into(&row, out)
    }
}

/// The key under which plain code opened a dialog leads to where it lives.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) address: [u8; super::address::ADDRESS_BYTES],
}

impl KeyRow {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            address: address.to_bytes(),
        }
    }
}

pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, codec::CodecError> {
    let mut bytes = codec::encode(record)?;
    bytes.push(LAYOUT);
    Ok(bytes)
}

/// Appends the record, or a part of it if it fails.
pub(crate) fn encode_into<T: Serialize>(
    record: &T,
    out: &mut Vec<u8>,
) -> Result<(), codec::CodecError> {
    codec::encode_into(record, out)?;
    out.push(LAYOUT);
    Ok(())
}

/// Written by a program of this layout?
pub(crate) fn is_current(bytes: &[u8]) -> bool {
    bytes.last() == Some(&LAYOUT)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match bytes.split_last() {
        Some((&LAYOUT, record)) => codec::decode(record).map_err(|cause| cause.to_string()),
        Some((layout, _)) => Err(format!(
            "its layout is {layout} and this program reads {LAYOUT}: start the program that wrote it"
        )),
        None => Err("it is empty".to_owned()),
    }
}
