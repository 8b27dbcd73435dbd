//! What one memory of one dialog consists of: the production endpoint, what its application did, its clocks; and what
//! a checker remembers of it once it is gone.

use actor_core::protocol::{
    Effects, Ending, Endpoint, EndpointKey, Env, Input, Message, MessageKind, Outgoing, Role,
    TimerKind, TimerOp, Token,
};

use super::plan::Plan;

/// What the application at one side did and heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct App {
    /// In which life of the store each message was said, by number from 1.
    pub(super) said: Vec<u8>,
    /// The messages heard: their numbers, and in which life of the partner's store each had been said.
    pub(super) heard: Vec<(u8, u8)>,
    /// Answers among those heard.
    pub(super) answers: u8,
    pub(super) told: u8,
    /// Target: work that is not permanent yet, and work that is.
    pub(super) pending: u8,
    pub(super) applied: u8,
    /// Target: told that it was chosen. Initiator: told that the dialog is established.
    pub(super) assured: bool,
    pub(super) closed: bool,
    /// Attempts at the message that cannot be handled.
    pub(super) attempts: u8,
}

/// One side of one dialog in one store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Memory {
    pub(super) endpoint: Endpoint,
    pub(super) app: App,
    /// Armed timers, a bit for each kind.
    timers: u8,
    /// The memory whose child this is.
    pub(super) parent: Option<EndpointKey>,
}

impl Memory {
    pub(super) fn new(endpoint: Endpoint, parent: Option<EndpointKey>) -> Self {
        Self {
            endpoint,
            app: App::default(),
            timers: 0,
            parent,
        }
    }

    pub(super) fn key(&self) -> EndpointKey {
        self.endpoint.key()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.endpoint.ending().is_some()
    }

    pub(super) fn peer_token(&self) -> Option<Token> {
        self.endpoint.peer().map(|peer| peer.token)
    }

    pub(super) fn is_armed(&self, kind: TimerKind) -> bool {
        self.timers & bit(kind) != 0
    }

    pub(super) fn disarm(&mut self, kind: TimerKind) {
        self.timers &= !bit(kind);
    }

    pub(super) fn set_timers(&mut self, ops: &[TimerOp]) {
        for op in ops {
            match *op {
                TimerOp::Arm(kind, _) => self.timers |= bit(kind),
                TimerOp::Cancel(kind) => self.disarm(kind),
            }
        }
    }

    /// This memory as it is read back after a restart: without what only a living process knows.
    pub(super) fn as_read_back(&self, env: &Env<'_>) -> Self {
        let mut read = self.clone();
        read.disarm(TimerKind::Retransmit);
        let Effects { timers, .. } = read.endpoint.step(Input::Restarted, env);
        read.set_timers(&timers);
        read
    }

    /// The next thing to say: its bytes tell who said it, as which message, and in which life.
    pub(super) fn next_words(&self, plan: &Plan, kind: MessageKind, re: u64, life: u8) -> Outgoing {
        let Token(token) = self.endpoint.token();
        let seq = self.endpoint.send_next();
        let currency = self.endpoint.role() == Role::Initiator && plan.is_currency(seq);
        Outgoing {
            kind: if currency { MessageKind::Tell } else { kind },
            currency,
            re,
            handler: if currency { 2 } else { 1 },
            version: 1,
            body: [token[0], token[1], seq as u8, life][..].into(),
        }
    }
}

/// Everything of this endpoint up to here was released: acknowledged, or superseded by something that is kept.
pub(super) fn released(endpoint: &Endpoint) -> u64 {
    let mut kept = endpoint.outbox();
    kept.next()
        .map_or(endpoint.send_next() - 1, |oldest| oldest.after)
}

/// Who said a message in which life, if its bytes are those of [`Memory::next_words`].
pub(super) fn speaker(message: &Message) -> Option<([u8; 2], u8)> {
    match message.body[..] {
        [place, birth, seq, life] if u64::from(seq) == message.seq => Some(([place, birth], life)),
        _ => None,
    }
}

impl App {
    /// The last message heard.
    pub(super) fn last_heard(&self) -> u64 {
        self.heard.last().map_or(0, |(seq, _)| u64::from(*seq))
    }
}

fn bit(kind: TimerKind) -> u8 {
    1 << kind as u8
}

/// Why a memory is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Fate {
    /// Its linger was over.
    Lingered,
    /// It was forgotten although its linger was not over.
    Dropped,
    /// Its store was lost, or set back to before its birth.
    Lost,
}

/// What a checker remembers of a memory that is no more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Grave {
    pub(super) key: EndpointKey,
    pub(super) token: Token,
    pub(super) peer: Option<Token>,
    pub(super) fate: Fate,
    pub(super) ending: Option<Ending>,
    pub(super) established: bool,
    pub(super) confirmed: bool,
    pub(super) applied: u8,
    pub(super) said: Vec<u8>,
    pub(super) recv_next: u64,
    pub(super) is_child: bool,
}

impl Grave {
    pub(super) fn of(memory: &Memory, fate: Fate) -> Self {
        let endpoint = &memory.endpoint;
        Self {
            key: endpoint.key(),
            token: endpoint.token(),
            peer: memory.peer_token(),
            fate,
            ending: endpoint.ending().cloned(),
            established: endpoint.was_established(),
            confirmed: endpoint.role() == Role::Target && memory.app.assured,
            applied: memory.app.applied,
            said: memory.app.said.clone(),
            recv_next: endpoint.recv_next(),
            is_child: memory.parent.is_some(),
        }
    }

    /// Does anything depend on remembering it?
    pub(super) fn matters(&self) -> bool {
        self.key.role == Role::Initiator
            || self.confirmed
            || self.applied > 0
            || self.fate == Fate::Dropped
    }
}
