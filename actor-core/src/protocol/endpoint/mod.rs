//! One side of one dialog: everything it must remember, and the entry to every change of it.
//!
//! The record is plain data; what may be lost in a crash lives in [`Now`] and is never needed for safety: a node may
//! at any time throw an endpoint away and decode its last durable bytes again.

mod consume;
mod currency;
mod end;
mod facts;
mod flow;
mod flush;
mod local;
mod now;
mod open;
mod parts;
mod receive;
mod reset;
mod send;
mod stored;
mod stow;
mod terms;
mod timer;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::effects::{Durability, Effects};
use super::ending::Ending;
use super::few::Few;
use super::ids::{DialogId, EndpointKey, Role, StoreId, Token};
use super::input::Input;
use super::limits::{Env, Timeouts};
use super::message::Message;
use super::seldom::Seldom;
use facts::{Fact, Facts};
use now::{Flight, Now, Parting};
pub use terms::SharedTerms;
use terms::Terms;

/// How a dialog begins (P5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// The plumbing finds the partner first, "without bothering the application" (TCP's trick); messages wait.
    Handshake,
    /// First messages are accumulated as pending work by whoever gets them; one partner is chosen by its answer.
    Pending,
}

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Carrier {
    /// Frames, between two stores.
    Remote,
    /// Rows of one store: no frames, no outbox copy, no acknowledgement, no retry, no tombstone (H5).
    Local,
}

/// Where an endpoint stands (P4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Initiator: looking for a partner.
    Initiating,
    /// Initiator: the partner is chosen, durably; its application has not been heard yet.
    Bound,
    /// Target: holds pending work; not known to be the chosen one.
    Accumulating,
    /// Both know each other.
    Established,
    /// We said our last message.
    Closing,
    /// Over; remembered for a while, to answer politely.
    Ended,
}

/// The other side, as this side knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// Its endpoint.
    pub token: Token,
    /// Its memory.
    pub store: StoreId,
    /// The instance it answered from last.
    pub node: String,
    /// The life of its memory in which it was first heard.
    pub incarnation: u64,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SendRefusal {
    /// Too much is waiting to be acknowledged; try again later.
    Busy,
    /// As much was said before the first answer as may be; wait for the answer.
    InitWindowFull,
    /// The dialog is closing or over.
    Closed,
    /// The message is longer than [`Endpoint::message_limit`].
    TooLarge,
    /// An event, but this is not the target of an established dialog.
    NotEstablished,
}

impl fmt::Display for SendRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str(
                "too many messages wait for the partner; try again when it has caught up",
            ),
            Self::InitWindowFull => {
                f.write_str("too much was said before the first answer; await an answer first")
            }
            Self::Closed => f.write_str("the dialog is closing or over; open a new one"),
            Self::TooLarge => f.write_str(
                "the message is longer than this node, or an opening, allows; keep large data elsewhere and say where",
            ),
            Self::NotEstablished => f.write_str(
                "an event is said by the target of an established dialog; answer the first message first",
            ),
        }
    }
}

/// Room for what an endpoint has under way, for one that has nothing under way yet: a node whose endpoints take turns
/// needs little more than one.
#[derive(Debug, Default)]
pub struct Spare(Option<Box<Flight>>);

/// One side of one dialog.
///
/// # Use
///
/// - Births: [`Self::initiate`], [`Self::accept`], [`Self::accept_local`].
/// - Inputs: [`Self::step`], ending each transaction with [`Input::Flush`].
/// - Questions: everything else; they change nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "stored::Stored")]
pub struct Endpoint {
    dialog: DialogId,
    role: Role,
    mode: Mode,
    carrier: Carrier,
    /// Never `Closing`: that is `Established` (or `Bound` after a handshake) with a `fin_sent`.
    stage: Stage,
    token: Token,
    terms: Arc<Terms>,
    facts: Facts,
    /// Local carrier, target: where in this store the initiator is at home.
    partner_slot: u16,
    /// Set once, durably before any frame names it (S3). At a target: the initiator. Local carrier: nothing, unless the
    /// partner lives in memory only.
    peer: Option<Box<Peer>>,
    /// Next message to consume.
    recv_next: u64,
    /// Number of the next message to be said.
    send_next: u64,
    /// Highest of ours the partner consumed.
    acked: u64,
    /// Requests that are not answered. Target: those consumed here; initiator: those said here.
    requests: Few<u64>,
    parting: Seldom<Parting>,
    flight: Seldom<Flight>,
}

impl Endpoint {
    /// Changes the endpoint by one input. Never fails: what cannot be accepted has no effect or a [`super::Notice`].
    pub fn step(&mut self, input: Input, env: &Env<'_>) -> Effects {
        let mut effects = Effects::default();
        let eff = &mut effects;
        match input {
            Input::Frame(frame) => self.receive(frame, env, eff),
            Input::Local(item) => self.receive_local(item),
            Input::Consume => self.consume(env, eff),
            Input::Send(outgoing) => self.send(outgoing, env, eff),
            Input::Close => self.flight.now.close_wanted = true,
            Input::Abandon(code, detail) => self.give_up(code, detail, env, eff),
            Input::Timer(kind) => self.timer(kind, env, eff),
            Input::Restarted => self.restarted(env, eff),
            Input::Located(location) => self.located(location, env, eff),
            Input::Backlog(backlog) => self.put_off(backlog, env),
            Input::Flush => self.flush(env, eff),
        }
        effects
    }

    /// Before a step: lets the endpoint have room for what will be under way. Without it, it takes its own.
    pub fn lend(&mut self, spare: &mut Spare) {
        self.flight.borrow_box(&mut spare.0);
    }

    /// After a step: an endpoint that has nothing under way gives the room for it back.
    pub fn rest(&mut self, spare: &mut Spare) {
        self.flight.rest_in(&mut spare.0);
    }

    /// The key of its record.
    pub fn key(&self) -> EndpointKey {
        EndpointKey {
            dialog: self.dialog,
            role: self.role,
        }
    }

    /// Which side it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Where it stands.
    pub fn stage(&self) -> Stage {
        if self.is_settled() && self.parting.fin_sent.is_some() {
            Stage::Closing
        } else {
            self.stage
        }
    }

    /// How the dialog begins.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What carries the messages.
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// The name of this remembered conversation.
    pub fn token(&self) -> Token {
        self.token
    }

    /// The partner, once known. For the local carrier only one that lives in memory: any other is the other record of
    /// this store.
    pub fn peer(&self) -> Option<&Peer> {
        self.peer.as_deref()
    }

    /// The other side, if it lives in this store: where it is at home. A target's home follows from the dialog's id.
    pub fn partner_slot(&self) -> Option<u16> {
        let is_local = self.carrier == Carrier::Local;
        is_local.then(|| match self.role {
            Role::Initiator => self.dialog.slot(),
            Role::Target => self.partner_slot,
        })
    }

    /// The service that was asked for.
    pub fn service(&self) -> &str {
        &self.terms.service
    }

    /// Fingerprint of the contract.
    pub fn contract(&self) -> u64 {
        self.terms.contract
    }

    /// The agreed deadlines.
    pub fn timeouts(&self) -> &Timeouts {
        &self.terms.timeouts
    }

    /// Is this the initiator, in memory only (H4)?
    pub fn is_volatile(&self) -> bool {
        self.is(Fact::Volatile) && self.role == Role::Initiator
    }

    /// The partner lives in memory only, in this life of its store (H4): a target's initiator, or in one store an
    /// initiator's target.
    pub fn volatile_partner(&self) -> Option<u64> {
        let peer = self.peer.as_ref()?;
        let is_volatile = match self.role {
            Role::Target => self.is(Fact::Volatile),
            Role::Initiator => self.carrier == Carrier::Local,
        };
        is_volatile.then_some(peer.incarnation)
    }

    /// Local initiator: the target lives in memory only, in this life of the store.
    #[must_use]
    pub fn with_volatile_target(mut self, env: &Env<'_>) -> Self {
        if self.role == Role::Initiator && self.carrier == Carrier::Local {
            self.peer = Some(Box::new(Peer {
                token: self.token,
                store: env.store,
                node: String::new(),
                incarnation: env.incarnation,
            }));
        }
        self
    }

    /// What a record of it has: all but what is only known for now.
    #[must_use]
    pub fn remembered(&self) -> Self {
        let mut remembered = self.clone();
        remembered.flight.now = Now::default();
        remembered.flight.rest();
        remembered
    }

    /// The highest number of ours that the partner is known to have consumed, or to need no more.
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// What was said, is not acknowledged and not superseded, oldest first.
    pub fn outbox(&self) -> impl Iterator<Item = &Message> {
        self.flight.outbox.iter()
    }

    /// Was all that waits for an acknowledgement said since the last flush? Then waiting makes no room for more.
    pub fn outbox_is_of_this_step(&self) -> bool {
        let fresh_from = self.send_next - self.flight.now.fresh as u64;
        self.flight
            .outbox
            .first()
            .is_none_or(|oldest| oldest.seq >= fresh_from)
    }

    /// Target: requests that wait for our answer. Initiator: empty.
    pub fn owed(&self) -> &Few<u64> {
        self.requests_of(Role::Target)
    }

    /// Initiator: requests that wait for the partner's answer. Kept when the dialog ends, for the node to report.
    pub fn unanswered(&self) -> &Few<u64> {
        self.requests_of(Role::Initiator)
    }

    fn requests_of(&self, role: Role) -> &Few<u64> {
        static NONE: Few<u64> = Few::new();
        if self.role == role {
            &self.requests
        } else {
            &NONE
        }
    }

    /// How the dialog ended, if it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.parting.ending.as_ref()
    }

    /// The number of the next message to be consumed.
    pub fn recv_next(&self) -> u64 {
        self.recv_next
    }

    /// The number the next message to be said will get.
    pub fn send_next(&self) -> u64 {
        self.send_next
    }

    /// Is the partner chosen? (Local carrier: from birth.)
    pub fn is_bound(&self) -> bool {
        self.carrier == Carrier::Local
            || (self.peer.is_some() && self.role == Role::Initiator)
            || self.is_settled()
    }

    /// Is there a next message in order for [`Input::Consume`]?
    pub fn has_next(&self) -> bool {
        self.next_held().is_some()
            || self
                .flight
                .now
                .doom
                .as_ref()
                .is_some_and(|doom| doom.seq.is_none_or(|seq| seq == self.recv_next))
    }

    /// The message that [`Input::Consume`] would hand out.
    pub fn next_message(&self) -> Option<&Message> {
        self.next_held()
    }

    /// The partner has ended the dialog, and what it said before waits for a program that understands it: nobody needs
    /// that any more, so the end is heard next.
    pub fn give_up_held(&mut self) {
        let now = &mut self.flight.now;
        let Some(doom) = &mut now.doom else {
            return;
        };
        now.held.clear();
        doom.seq = doom.seq.map(|_| self.recv_next);
    }

    /// Established, and nobody has said goodbye, or is about to: the end of this transaction confirms and ends nothing.
    pub fn goes_on(&self) -> bool {
        self.stage == Stage::Established
            && self.parting.fin_sent.is_none()
            && self.parting.fin_received.is_none()
            && !self.flight.now.close_wanted
            && !self.is_doomed()
    }

    /// Has the partner ended the dialog, which is heard after everything it said before?
    pub fn is_doomed(&self) -> bool {
        self.flight.now.doom.is_some()
    }

    /// May the record be deleted? Local: as soon as it ended. Remote: when the tombstone's linger is over.
    pub fn fully_over(&self) -> bool {
        self.stage == Stage::Ended && (self.carrier == Carrier::Local || self.parting.forgotten)
    }

    /// Did the dialog ever get past the point where pending work could become permanent? An initiator's dialog that
    /// ended without it has certainly had no permanent effect, now or ever (S8).
    pub fn was_established(&self) -> bool {
        self.is(Fact::WasEstablished)
    }

    /// For a checker to which all delays are the same: forgets what only decides how long they are, so that an endpoint
    /// that said something in vain once and one that said it twice are one state.
    #[cfg(feature = "test-util")]
    pub fn forget_delays(&mut self) {
        self.flight.now.forget_delays();
    }

    fn is_remote(&self) -> bool {
        self.carrier == Carrier::Remote
    }

    /// Past every doubt about who the partner is: frames that name it may leave, and confirm it.
    fn is_settled(&self) -> bool {
        match self.stage {
            Stage::Bound => self.mode == Mode::Handshake,
            Stage::Established => true,
            _ => false,
        }
    }

    fn is_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    fn wrote(eff: &mut Effects) {
        eff.at_least(Durability::Durable);
    }
}
