//! One dialog over all hosts: what each side remembers, what its applications did, and what became of its frames.

use actor_core::protocol::{DialogId, Endpoint, MessageKind, TimerKind, Token};

/// The initiating host, and the largest pool.
pub(super) const HOSTS: usize = 4;
/// No deadline.
pub(super) const NEVER: u64 = u64::MAX;

/// A message as the application that said it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) seq: u64,
    pub(super) id: u64,
    pub(super) kind: MessageKind,
    /// Of currency.
    pub(super) topic: Option<u32>,
}

/// A message as the application that heard it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) seq: u64,
    pub(super) id: u64,
}

/// The application's state; its logs beside it are as long as it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct App {
    pub(super) said: usize,
    pub(super) heard: usize,
    /// Target: what was heard is permanent.
    pub(super) confirmed: bool,
    pub(super) left_to_say: u64,
    pub(super) told: u64,
    pub(super) closed: bool,
}

pub(super) type Timers = [u64; 6];

pub(super) fn timer_index(kind: TimerKind) -> usize {
    kind as usize
}

/// One endpoint and its application: in memory, and on disk.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) live: Endpoint,
    pub(super) durable: Endpoint,
    pub(super) app: App,
    pub(super) kept: App,
    pub(super) said: Vec<Said>,
    pub(super) heard: Vec<Heard>,
    pub(super) timers: Timers,
    pub(super) kept_timers: Timers,
    /// Was it ever written?
    pub(super) committed: bool,
    /// Nothing has come since it was read back.
    pub(super) fresh: bool,
    /// The application is about to act.
    pub(super) acting: bool,
    /// Milliseconds until it looks again when it had nothing to do.
    pub(super) patience: u64,
    pub(super) opened_at: u64,
    /// So much of what was heard is known to be what was said.
    pub(super) compared: usize,
}

impl Record {
    pub(super) fn new(endpoint: Endpoint, now: u64) -> Self {
        Self {
            durable: endpoint.clone(),
            live: endpoint,
            app: App::default(),
            kept: App::default(),
            said: Vec::with_capacity(16),
            heard: Vec::with_capacity(16),
            timers: [NEVER; 6],
            kept_timers: [NEVER; 6],
            committed: false,
            fresh: false,
            acting: false,
            patience: 0,
            opened_at: now,
            compared: 0,
        }
    }

    pub(super) fn write(&mut self) {
        self.durable.clone_from(&self.live);
        self.kept = self.app;
        self.kept_timers = self.timers;
        self.committed = true;
    }

    /// Back to what is on disk. The endpoint comes from its durable bytes, as in a node.
    pub(super) fn read_back(&mut self) {
        let bytes = actor_store::codec::encode(&self.durable).expect("an endpoint can be written");
        self.live = actor_store::codec::decode(&bytes).expect("what was written can be read");
        self.app = self.kept;
        self.said.truncate(self.kept.said);
        self.heard.truncate(self.kept.heard);
        self.timers = self.kept_timers;
        self.timers[timer_index(TimerKind::Retransmit)] = NEVER;
        self.acting = false;
        self.compared = self.compared.min(self.heard.len());
    }

    pub(super) fn durably_said(&self) -> &[Said] {
        &self.said[..self.kept.said]
    }

    pub(super) fn durably_heard(&self) -> &[Heard] {
        &self.heard[..self.kept.heard]
    }

    /// Was a newer value of its topic said, with no history in between?
    pub(super) fn superseded(&self, at: usize) -> bool {
        let said = self.durably_said();
        let Some(topic) = said[at].topic else {
            return false;
        };
        said[at + 1..]
            .iter()
            .map_while(|later| later.topic)
            .any(|later| later == topic)
    }

    pub(super) fn is_over(&self) -> bool {
        self.live.ending().is_some()
    }
}

/// Everything about one dialog.
#[derive(Debug)]
pub(super) struct Dialog {
    pub(super) id: DialogId,
    /// By host.
    pub(super) here: [Option<Box<Record>>; HOSTS],
    /// Memories that were forgotten, lost with their store, or with their process.
    pub(super) graves: Vec<Record>,
    pub(super) bound: Option<Token>,
    pub(super) confirmed: Option<Token>,
    /// Hosts whose memory of it went back in time.
    pub(super) travelled: [bool; HOSTS],
    /// Copies of each frame that have arrived, by the frame's number.
    pub(super) arrived: Vec<u8>,
    /// Highest number that arrived, by sender and receiver.
    pub(super) latest: [[u32; HOSTS]; HOSTS],
    pub(super) was_reordered: bool,
    pub(super) was_crashed: bool,
}

impl Dialog {
    pub(super) fn new(id: DialogId) -> Self {
        Self {
            id,
            here: [const { None }; HOSTS],
            graves: Vec::new(),
            bound: None,
            confirmed: None,
            travelled: [false; HOSTS],
            arrived: Vec::with_capacity(64),
            latest: [[0; HOSTS]; HOSTS],
            was_reordered: false,
            was_crashed: false,
        }
    }

    /// Every memory of it, alive or not.
    pub(super) fn memories(&self) -> impl Iterator<Item = &Record> {
        self.here
            .iter()
            .flatten()
            .map(Box::as_ref)
            .chain(&self.graves)
    }

    pub(super) fn by_token(&self, token: Token) -> Option<&Record> {
        self.memories()
            .find(|record| record.durable.token() == token)
    }

    /// Did any memory of it go back in time?
    pub(super) fn has_travelled(&self) -> bool {
        self.travelled.contains(&true)
    }
}
