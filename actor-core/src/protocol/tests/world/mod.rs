//! One initiating host, a pool of two, and a network full of gnomes, all from one seed and in virtual time.
//!
//! Hosts crash between commit and release, come back from their durable bytes, lose lazy writes, throw away handlers
//! that panic, and now and then lose their whole memory. What must hold is checked at every commit.

mod app;
mod checks;
mod network;
mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::kit::CONTRACT;
use crate::protocol::{
    Abandoned, Carrier, Destination, DialogId, Durability, Effects, Ending, Endpoint, EndpointKey,
    Env, FaultCode, Frame, FrameKind, Input, Limits, Location, Message, MessageKind, Mode, Notice,
    Outgoing, Role, Stage, StoreId, Timeouts, TimerKind, TimerOp, Token, refuse, reject,
};

/// A small generator (splitmix64): the same seed, the same world.
#[derive(Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What a run is made of.
#[derive(Clone, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each kind of trouble by itself"
)]
pub(super) struct Plan {
    pub(super) mode: Mode,
    pub(super) dialogs: u64,
    /// Messages the initiator says before it closes.
    pub(super) messages: u64,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
    /// Stores are lost.
    pub(super) wipes: bool,
    /// Somebody gives up.
    pub(super) abandons: bool,
    /// First answers may be refusals.
    pub(super) refusals: bool,
    pub(super) target_closes: bool,
    /// The initiators live in memory only.
    pub(super) volatile: bool,
    /// How long the faults last, in virtual milliseconds.
    pub(super) trouble_ms: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct App {
    /// Sequence number and identity of every message, as the application knows them.
    said: Vec<(u64, u64)>,
    /// Those of `said` that are currency, by number, and their topics.
    topics: BTreeMap<u64, u32>,
    heard: Vec<(u64, u64)>,
    pending: Vec<u64>,
    /// Permanent effects.
    applied: Vec<u64>,
    confirmed: bool,
    left_to_say: u64,
    told: u64,
    closed: bool,
}

#[derive(Clone, Debug)]
struct Slot {
    endpoint: Endpoint,
    app: App,
    timers: BTreeMap<TimerKind, u64>,
}

#[derive(Debug)]
struct Record {
    live: Slot,
    durable: Slot,
    durable_bytes: Vec<u8>,
}

#[derive(Debug)]
struct Host {
    name: String,
    store: StoreId,
    incarnation: u64,
    send_ctr: u64,
    up: bool,
    records: BTreeMap<EndpointKey, Record>,
}

#[derive(Debug)]
enum Event {
    Arrive(usize, Vec<u8>),
    Tick,
    Restart(usize),
}

#[derive(Debug)]
pub(super) struct World {
    plan: Plan,
    rng: Rng,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    minted: u64,
    hosts: Vec<Host>,
    /// Records that were deleted, lost with their store, or with their process.
    graveyard: Vec<Slot>,
    history: Vec<(usize, Vec<u8>)>,
    bindings: BTreeMap<DialogId, Token>,
    confirmed: BTreeMap<DialogId, BTreeSet<Token>>,
    pub(super) endings: BTreeMap<(Role, DialogId), Vec<Ending>>,
    /// Only while one seed is looked at.
    pub(super) traced: bool,
    trace: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64, plan: Plan) -> Self {
        let host = |name: &str| Host {
            name: name.into(),
            store: super::kit::store(name),
            incarnation: 1,
            send_ctr: 0,
            up: true,
            records: BTreeMap::new(),
        };
        Self {
            plan,
            rng: Rng::new(seed),
            now: 0,
            events: BTreeMap::new(),
            minted: 0,
            hosts: vec![host("i"), host("a"), host("n")],
            graveyard: Vec::new(),
            history: Vec::new(),
            bindings: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            endings: BTreeMap::new(),
            traced: false,
            trace: Vec::new(),
        }
    }

    pub(super) fn trace(&self) -> String {
        self.trace.join("\n")
    }

    fn mint(&mut self) -> u64 {
        self.minted += 1;
        self.minted
    }

    fn mint_id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.mint().to_be_bytes());
        id
    }

    fn trouble(&self) -> bool {
        self.now < self.plan.trouble_ms
    }

    fn at(&mut self, after: u64, event: Event) {
        let order = self.mint();
        self.events.insert((self.now + after, order), event);
    }

    /// Opens the dialogs, lets the gnomes play, heals the network, and runs until every record is gone.
    pub(super) fn run(&mut self) {
        for _ in 0..self.plan.dialogs {
            self.open();
        }
        self.at(50, Event::Tick);
        self.run_until_quiet();
    }

    fn run_until_quiet(&mut self) {
        for _ in 0..400_000 {
            if !self.turn() {
                return;
            }
        }
        panic!("they never fall silent");
    }

    /// Gnomes bring back every frame there ever was, long after all is over.
    pub(super) fn replay_everything(&mut self) {
        let mut frames = std::mem::take(&mut self.history);
        while !frames.is_empty() {
            let pick = self.rng.below(frames.len() as u64) as usize;
            let (host, bytes) = frames.swap_remove(pick);
            self.arrive(host, &bytes);
        }
        self.run_until_quiet();
    }

    /// The next event or timer; false if there is none.
    fn turn(&mut self) -> bool {
        let event = self.events.keys().next().copied();
        let timer = self.next_timer();
        match (event, timer) {
            (Some((at, order)), timer) if timer.is_none_or(|(due, ..)| at <= due) => {
                self.now = self.now.max(at);
                if let Some(event) = self.events.remove(&(at, order)) {
                    self.happen(event);
                }
                true
            }
            (_, Some((due, host, key, kind))) => {
                self.now = self.now.max(due);
                if let Some(record) = self.hosts[host].records.get_mut(&key) {
                    record.live.timers.remove(&kind);
                }
                self.transact(host, key, Input::Timer(kind));
                true
            }
            (_, None) => false,
        }
    }

    fn next_timer(&self) -> Option<(u64, usize, EndpointKey, TimerKind)> {
        let up = self.hosts.iter().enumerate().filter(|(_, host)| host.up);
        let timers = up.flat_map(|(at, host)| {
            host.records.iter().flat_map(move |(key, record)| {
                record
                    .live
                    .timers
                    .iter()
                    .map(move |(kind, due)| (*due, at, *key, *kind))
            })
        });
        timers.min()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(host, bytes) => self.arrive(host, &bytes),
            Event::Restart(host) => self.restart(host),
            Event::Tick => self.tick(),
        }
    }

    fn tick(&mut self) {
        let keys: Vec<_> = (0..self.hosts.len())
            .flat_map(|at| self.hosts[at].records.keys().map(move |key| (at, *key)))
            .collect();
        for (host, key) in &keys {
            if self.hosts[*host].up && self.rng.chance(60) {
                self.act(*host, *key);
            }
        }
        if self.trouble() {
            let victim = self.rng.below(3) as usize;
            if self.rng.chance(4) && self.hosts[victim].up {
                self.crash(victim);
            }
            if self.plan.wipes && victim > 0 && self.rng.chance(1) {
                self.wipe(victim);
            }
        }
        if !keys.is_empty() {
            let mut records = self.hosts.iter().flat_map(|host| host.records.values());
            let busy = records.any(|record| record.live.endpoint.ending().is_none());
            let pause = if busy { 20 } else { 30_000 };
            let jitter = self.rng.below(300);
            self.at(pause + jitter, Event::Tick);
        }
    }
}

/// Deadlines so long that only the faults decide.
pub(super) fn patient() -> Timeouts {
    Timeouts {
        initiation: Duration::from_secs(3600),
        silence: Duration::from_secs(3600),
        lifetime: Duration::from_secs(100_000),
    }
}
