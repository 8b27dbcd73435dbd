//! What is on disk of an endpoint and of an actor, and how it becomes bytes.
//!
//! Owns the layout of both records. An endpoint's record holds the protocol's half and, beside it, what the node must
//! remember: absolute deadlines, who waits for which answer. An actor's record holds the application's state. Each
//! starts with a version of its own layout.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use actor_store::{Index, Value, codec};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::address::Address;
use crate::{
    dialog::{Continuation, Outcome},
    protocol::{Abandoned, Backlog, DialogId, Endpoint, Message, TimerKind},
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
    pub(crate) deadlines: BTreeMap<TimerKind, u64>,
    /// Initiator: what becomes of the answers still awaited, by request.
    pub(crate) asks: BTreeMap<u64, Ask>,
    /// Target: promised answers; true where the answer is a `Result`.
    pub(crate) promised: BTreeMap<u64, bool>,
    /// Initiator of an actor: what hears the events of its partner, and its end.
    pub(crate) events: Option<Continuation>,
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
    pub(crate) then: Option<Continuation>,
    /// Its name, and the digest of what was asked under it.
    pub(crate) name: Option<(String, u64)>,
    /// When its continuation hears that it is too late.
    pub(crate) until: Option<u64>,
    pub(crate) since_ms: u64,
    /// Rounds of its endpoint before it was said.
    #[serde(skip)]
    pub(crate) rounds_before: u32,
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

/// An application's state and what belongs to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ActorRecord {
    pub(crate) service: String,
    pub(crate) version: u32,
    /// The state is pending work.
    pub(crate) pending: bool,
    pub(crate) state: Vec<u8>,
    pub(crate) timers: BTreeMap<u32, AppTimer>,
    pub(crate) children: BTreeSet<DialogId>,
    /// Work that could not be done yet, oldest first; nothing overtakes it.
    pub(crate) work: VecDeque<Work>,
    /// Failed attempts at one piece of it.
    pub(crate) attempts: u32,
    /// How much of it stands before that piece, because it was rolled back with it; it is not blamed.
    pub(crate) ahead: u32,
    pub(crate) retry_at: u64,
    /// How often in a row it waited for a partner that was too busy; nobody is blamed for that.
    pub(crate) waited: u32,
    /// The dialog has ended in good order; the actor goes when its work is done.
    pub(crate) ended: bool,
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
            deadlines: BTreeMap::new(),
            asks: BTreeMap::new(),
            promised: BTreeMap::new(),
            events: None,
        }
    }

    /// The first deadline, which the index knows.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let overdue = self.asks.values().filter_map(|ask| ask.until);
        self.deadlines.values().copied().chain(overdue).min()
    }

    pub(crate) fn value(&self, busy: bool) -> Result<Value, codec::CodecError> {
        Ok(Value {
            bytes: encode(self)?.into(),
            index: Index {
                deadline: self.deadline(),
                busy,
            },
        })
    }
}

impl ActorRecord {
    /// What was acknowledged and is put off.
    pub(crate) fn backlog(&self) -> Backlog {
        let said = self.work.iter().filter_map(|work| match work {
            Work::Message(message) => Some(message.body.len()),
            _ => None,
        });
        let (from_partner, bytes) =
            said.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
        Backlog {
            messages: self.work.len() as u64,
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
            let behind = self.work.iter().enumerate().skip(self.ahead as usize + 1);
            let older = behind
                .rev()
                .map_while(|(at, work)| Some((at, topic(work)?)))
                .find(|(_, older)| *older == newer);
            if let Some((at, _)) = older {
                self.work.remove(at);
            }
        }
        self.work.push_back(work);
    }

    /// Which attempt at the next piece of work the next one is.
    pub(crate) fn attempt(&self) -> u32 {
        if self.ahead == 0 {
            self.attempts + 1
        } else {
            1
        }
    }

    /// The next piece of work was done in a later attempt.
    pub(crate) fn succeeded(&mut self, now: u64) {
        match self.ahead {
            0 => self.attempts = 0,
            _ => self.ahead -= 1,
        }
        self.retry_at = now;
        self.waited = 0;
    }

    /// A piece of work failed, with so much before it that is to be done again.
    pub(crate) fn failed(&mut self, ahead: u32) {
        if self.ahead > 0 {
            // Another one than before.
            self.attempts = 0;
        }
        self.ahead = ahead;
        self.attempts += 1;
    }

    /// Its first work failed for good and waits for an operator.
    pub(crate) fn is_held(&self) -> bool {
        self.retry_at == HELD && !self.work.is_empty()
    }

    pub(crate) fn hold(&mut self) {
        self.retry_at = HELD;
    }

    /// The first time something is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let waits = !self.work.is_empty() && !self.is_held();
        let retry = waits.then_some(self.retry_at);
        self.timers
            .values()
            .map(|timer| timer.due)
            .chain(retry)
            .min()
    }

    pub(crate) fn value(&self) -> Result<Value, codec::CodecError> {
        Ok(Value {
            bytes: encode(self)?.into(),
            index: Index {
                deadline: self.deadline(),
                busy: false,
            },
        })
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
