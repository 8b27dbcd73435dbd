//! One initiating host, a pool of two, and a network full of gnomes, all from one seed and in virtual time.
//!
//! Hosts crash between commit and release, come back from their durable bytes, lose lazy writes, throw away handlers
//! that panic, and now and then lose their whole memory. What must hold is checked at every commit.

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

    // ---- running ----

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

    // ---- the application ----

    fn open(&mut self) {
        let dialog = DialogId(self.mint_id());
        let token = Token(self.mint_id());
        let plan = self.plan.clone();
        let env = Env {
            limits: &plan.limits,
            store: self.hosts[0].store,
            incarnation: self.hosts[0].incarnation,
        };
        let (endpoint, first) = Endpoint::initiate(
            dialog,
            token,
            "foo",
            plan.mode,
            Carrier::Remote,
            plan.timeouts,
            CONTRACT,
            plan.volatile,
            &env,
        );
        let mut work = Slot {
            endpoint,
            app: App {
                left_to_say: plan.messages,
                ..App::default()
            },
            timers: BTreeMap::new(),
        };
        let mut eff = first;
        self.say(&mut work, &mut eff, MessageKind::Ask, 0, 0);
        self.finish(0, work, eff);
    }

    /// The application does something of its own accord.
    fn act(&mut self, host: usize, key: EndpointKey) {
        let Some(record) = self.hosts[host].records.get(&key) else {
            return;
        };
        let mut work = record.live.clone();
        if work.endpoint.ending().is_some() {
            return;
        }
        let mut eff = Effects::default();
        if self.plan.abandons && self.rng.chance(1) {
            eff.merge(self.step(
                host,
                &mut work,
                Input::Abandon(FaultCode::Abandoned, "bored".into()),
            ));
        } else {
            match key.role {
                Role::Initiator => self.act_as_initiator(host, &mut work, &mut eff),
                Role::Target => self.act_as_target(host, &mut work, &mut eff),
            }
        }
        if eff != Effects::default() {
            self.finish(host, work, eff);
        }
    }

    fn act_as_initiator(&mut self, host: usize, work: &mut Slot, eff: &mut Effects) {
        if work.app.left_to_say > 0 {
            for _ in 0..=self.rng.below(3) {
                if work.app.left_to_say > 0 && work.endpoint.can_send(8, &self.plan.limits).is_ok()
                {
                    work.app.left_to_say -= 1;
                    let kind = if self.rng.chance(50) {
                        MessageKind::Ask
                    } else {
                        MessageKind::Tell
                    };
                    self.say(work, eff, kind, 0, host);
                }
            }
        } else if !work.app.closed
            && self
                .rng
                .chance(if work.endpoint.is_bound() { 30 } else { 5 })
        {
            if self.rng.chance(50) && work.endpoint.can_send(8, &self.plan.limits).is_ok() {
                self.say(work, eff, MessageKind::Ask, 0, host);
            }
            work.app.closed = true;
            eff.merge(self.step(host, work, Input::Close));
            eff.durability = Durability::Durable;
        }
    }

    fn act_as_target(&mut self, host: usize, work: &mut Slot, eff: &mut Effects) {
        let owed: Vec<u64> = work.endpoint.owed().iter().copied().collect();
        if !owed.is_empty() {
            let pick = owed[self.rng.below(owed.len() as u64) as usize];
            self.answer(work, eff, pick, host);
        }
        let established = work.endpoint.stage() == Stage::Established;
        if established && work.app.told < 3 && self.rng.chance(10) {
            work.app.told += 1;
            self.say(work, eff, MessageKind::Tell, 0, host);
        }
        if established && self.plan.target_closes && self.rng.chance(3) {
            eff.merge(self.step(host, work, Input::Close));
        }
    }

    fn answer(&mut self, work: &mut Slot, eff: &mut Effects, re: u64, host: usize) {
        let kind = match self.rng.below(10) {
            0 if self.plan.refusals => MessageKind::AnswerErr,
            1 if self.plan.refusals && work.app.confirmed => MessageKind::NoAnswer,
            _ => MessageKind::AnswerOk,
        };
        self.say(work, eff, kind, re, host);
    }

    fn say(&mut self, work: &mut Slot, eff: &mut Effects, kind: MessageKind, re: u64, host: usize) {
        let id = self.mint();
        let seq = work.endpoint.send_next();
        let body = id.to_be_bytes()[..].into();
        let said = self.step(
            host,
            work,
            Input::Send(Outgoing {
                kind,
                re,
                handler: 1,
                version: 1,
                body,
            }),
        );
        if !said
            .notices
            .iter()
            .any(|notice| matches!(notice, Notice::Refused(_)))
        {
            work.app.said.push((seq, id));
        }
        eff.merge(said);
    }

    fn hear(&mut self, host: usize, work: &mut Slot, message: &Message, eff: &mut Effects) {
        let Some(id) = message
            .body
            .first_chunk::<8>()
            .map(|id| u64::from_be_bytes(*id))
        else {
            panic!("a message nobody said: {message:?}");
        };
        work.app.heard.push((message.seq, id));
        if work.endpoint.role() == Role::Initiator {
            return;
        }
        if work.app.confirmed {
            work.app.applied.push(id);
        } else {
            work.app.pending.push(id);
        }
        if message.kind == MessageKind::Ask && self.rng.chance(50) {
            self.answer(work, eff, message.seq, host);
        }
    }

    // ---- the node ----

    fn step(&self, host: usize, work: &mut Slot, input: Input) -> Effects {
        let host = &self.hosts[host];
        let env = Env {
            limits: &self.plan.limits,
            store: host.store,
            incarnation: host.incarnation,
        };
        let effects = work.endpoint.step(input, &env);
        // `establish` runs before anything is delivered.
        if effects.notices.contains(&Notice::Confirmed) {
            assert!(!work.app.confirmed, "confirmed twice");
            work.app.confirmed = true;
            let pending = std::mem::take(&mut work.app.pending);
            work.app.applied.extend(pending);
        }
        effects
    }

    /// One input and what follows from it, as transactions of one message each.
    fn transact(&mut self, host: usize, key: EndpointKey, input: Input) {
        let Some(record) = self.hosts[host].records.get(&key) else {
            return;
        };
        let mut work = record.live.clone();
        let eff = self.step(host, &mut work, input);
        self.consume_and_finish(host, key, work, eff);
        let has_next = |world: &Self| {
            let record = world.hosts[host].records.get(&key);
            world.hosts[host].up && record.is_some_and(|record| record.live.endpoint.has_next())
        };
        while has_next(self) {
            let work = self.hosts[host].records[&key].live.clone();
            self.consume_and_finish(host, key, work, Effects::default());
        }
    }

    fn consume_and_finish(
        &mut self,
        host: usize,
        key: EndpointKey,
        mut work: Slot,
        mut eff: Effects,
    ) {
        loop {
            let consumed = self.step(host, &mut work, Input::Consume);
            let message = consumed.deliver.clone();
            eff.merge(consumed);
            let Some(message) = message else { break };
            self.hear(host, &mut work, &message, &mut eff);
            if self.trouble() && self.rng.chance(4) {
                return self.panic_in_handler(host, key);
            }
            // A batch of first messages is one step.
            if work.endpoint.stage() != Stage::Accumulating {
                break;
            }
        }
        self.finish(host, work, eff);
    }

    /// The endpoint is thrown away and read again.
    fn panic_in_handler(&mut self, host: usize, key: EndpointKey) {
        self.trace.push(format!(
            "{} {} panic {key:?}",
            self.now, self.hosts[host].name
        ));
        let Some(record) = self.hosts[host].records.get_mut(&key) else {
            return;
        };
        record.live.endpoint = serde_json::from_slice(&record.durable_bytes).unwrap();
        record.live.app = record.durable.app.clone();
        if self.rng.chance(50) {
            self.transact(host, key, Input::Restarted);
        }
    }

    fn finish(&mut self, host: usize, mut work: Slot, mut eff: Effects) {
        eff.merge(self.step(host, &mut work, Input::Flush));
        self.commit(host, work, eff);
    }

    fn commit(&mut self, host: usize, mut work: Slot, eff: Effects) {
        let key = work.endpoint.key();
        for op in &eff.timers {
            match op {
                TimerOp::Arm(kind, after) => {
                    _ = work
                        .timers
                        .insert(*kind, self.now + after.as_millis() as u64);
                }
                TimerOp::Cancel(kind) => _ = work.timers.remove(kind),
            }
        }
        self.trace_commit(host, &work, &eff);
        let records = &mut self.hosts[host].records;
        let changed = records
            .get(&key)
            .is_none_or(|record| record.durable.app != work.app);
        assert!(
            !changed || eff.durability == Durability::Durable,
            "the application's changes are always durable"
        );
        let write = match eff.durability {
            Durability::Durable => true,
            Durability::Lazy => self.rng.chance(30),
            Durability::None => false,
        };
        if write || !records.contains_key(&key) {
            let durable_bytes = serde_json::to_vec(&work.endpoint).unwrap();
            records.insert(
                key,
                Record {
                    live: work.clone(),
                    durable: work,
                    durable_bytes,
                },
            );
        } else if let Some(record) = records.get_mut(&key) {
            record.live = work;
        }
        self.check(host, key, &eff);
        if self.trouble() && eff.durability == Durability::Durable && self.rng.chance(2) {
            return self.crash(host);
        }
        for (to, frame) in eff.frames {
            self.release(host, Some(key), &to, frame);
        }
        if eff.locate {
            self.locate(host, key);
        }
        self.bury_if_over(host, key);
    }

    fn trace_commit(&mut self, host: usize, work: &Slot, eff: &Effects) {
        if !self.traced {
            return;
        }
        let (name, key) = (&self.hosts[host].name, work.endpoint.key());
        let frames: Vec<_> = eff
            .frames
            .iter()
            .map(|(_, frame)| {
                (
                    &frame.kind,
                    frame.dst_token.is_some(),
                    frame.ack,
                    &frame.messages,
                )
            })
            .collect();
        let (stage, durability, notices) = (work.endpoint.stage(), eff.durability, &eff.notices);
        self.trace.push(format!(
            "{} {name} {key:?} {stage:?} {durability:?} {notices:?} {frames:?}",
            self.now
        ));
    }

    fn bury_if_over(&mut self, host: usize, key: EndpointKey) {
        let records = &mut self.hosts[host].records;
        if records
            .get(&key)
            .is_some_and(|record| record.live.endpoint.fully_over())
        {
            self.graveyard
                .extend(records.remove(&key).map(|record| record.durable));
        }
    }

    fn locate(&mut self, host: usize, key: EndpointKey) {
        let Some(peer) = self.hosts[host].records[&key].live.endpoint.peer().cloned() else {
            return;
        };
        let location = match self.hosts.iter().find(|host| host.store == peer.store) {
            Some(found) => Location::Bound {
                node: found.name.clone(),
            },
            None => match self.hosts.iter().find(|host| host.name == peer.node) {
                Some(twin) => Location::ReplacedBy(twin.store),
                None => Location::Unknown,
            },
        };
        self.transact(host, key, Input::Located(location));
    }

    fn crash(&mut self, host: usize) {
        self.trace
            .push(format!("{} {} crash", self.now, self.hosts[host].name));
        self.hosts[host].up = false;
        let pause = 100 + self.rng.below(8000);
        self.at(pause, Event::Restart(host));
        if host == 0 && self.plan.volatile {
            let lost = std::mem::take(&mut self.hosts[0].records);
            self.graveyard
                .extend(lost.into_values().map(|record| record.live));
        }
    }

    fn restart(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        (host.up, host.incarnation, host.send_ctr) = (true, host.incarnation + 1, 0);
        let keys: Vec<_> = host.records.keys().copied().collect();
        for record in host.records.values_mut() {
            record.live = record.durable.clone();
            record.live.endpoint = serde_json::from_slice(&record.durable_bytes).unwrap();
            record.live.timers.remove(&TimerKind::Retransmit);
        }
        for key in keys {
            self.transact(at, key, Input::Restarted);
        }
    }

    fn wipe(&mut self, at: usize) {
        self.trace
            .push(format!("{} {} wiped", self.now, self.hosts[at].name));
        let store = StoreId(self.mint_id());
        let host = &mut self.hosts[at];
        let lost = std::mem::take(&mut host.records);
        self.graveyard
            .extend(lost.into_values().map(|record| record.durable));
        (host.store, host.incarnation, host.send_ctr) = (store, 1, 0);
    }

    // ---- the network ----

    fn release(
        &mut self,
        from: usize,
        key: Option<EndpointKey>,
        to: &Destination,
        mut frame: Frame,
    ) {
        let host = &mut self.hosts[from];
        host.send_ctr += 1;
        frame.stamp(
            host.store,
            &host.name,
            host.incarnation,
            host.send_ctr,
            [0; 16],
        );
        if let Some(key) = key {
            self.check_frame(from, key, &frame);
        }
        let mut receiver = match to {
            Destination::Service(_) => 1 + self.rng.below(2) as usize,
            Destination::Store { node, .. } => self
                .hosts
                .iter()
                .position(|host| host.name == *node)
                .unwrap_or_else(|| panic!("no host {node}")),
        };
        if self.trouble() && self.rng.chance(2) {
            receiver = self.rng.below(3) as usize;
        }
        let bytes = frame.encode();
        if self.history.len() < 600 {
            self.history.push((receiver, bytes.clone()));
        }
        let copies = match (self.trouble(), self.rng.below(10)) {
            (true, 0..=2) => 0,
            (true, 3..=4) => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let slow = self.trouble() && self.rng.chance(5);
            let delay = 1 + self.rng.below(if slow { 20_000 } else { 40 });
            self.at(delay, Event::Arrive(receiver, bytes.clone()));
        }
    }

    fn arrive(&mut self, host: usize, bytes: &[u8]) {
        if !self.hosts[host].up {
            return;
        }
        let frame = Frame::decode(bytes).unwrap();
        let key = frame.key();
        if self.hosts[host].records.contains_key(&key) {
            self.transact(host, key, Input::Frame(frame));
        } else if let Some(reset) = reject(&frame) {
            self.release(host, None, &frame.reply_to(), reset);
        } else if frame.is_initiating() && host > 0 {
            if self.trouble() && self.rng.chance(10) {
                let code = if self.rng.chance(70) {
                    FaultCode::Busy
                } else {
                    FaultCode::NotServed
                };
                let refusal = refuse(&frame, code, "no");
                self.release(host, None, &frame.reply_to(), refusal);
            } else {
                self.accept(host, frame);
            }
        }
    }

    fn accept(&mut self, host: usize, frame: Frame) {
        let token = Token(self.mint_id());
        let plan = self.plan.clone();
        let env = Env {
            limits: &plan.limits,
            store: self.hosts[host].store,
            incarnation: self.hosts[host].incarnation,
        };
        let key = frame.key();
        let (endpoint, eff) = Endpoint::accept(frame, token, plan.mode, plan.timeouts, &env);
        let work = Slot {
            endpoint,
            app: App::default(),
            timers: BTreeMap::new(),
        };
        self.consume_and_finish(host, key, work, eff);
    }

    // ---- what must hold ----

    fn everyone(&self) -> impl Iterator<Item = &Slot> {
        let live = self
            .hosts
            .iter()
            .flat_map(|host| host.records.values().map(|record| &record.durable));
        live.chain(&self.graveyard)
    }

    fn by_token(&self, token: Token) -> Option<&Slot> {
        self.everyone().find(|slot| slot.endpoint.token() == token)
    }

    fn check(&mut self, host: usize, key: EndpointKey, eff: &Effects) {
        let record = &self.hosts[host].records[&key];
        let (durable, live) = (&record.durable, &record.live);
        let token = durable.endpoint.token();
        if let (Role::Initiator, Some(peer)) = (key.role, durable.endpoint.peer()) {
            let bound = *self.bindings.entry(key.dialog).or_insert(peer.token);
            assert_eq!(bound, peer.token, "S3: the binding is set once");
        }
        if durable.app.confirmed {
            let confirmed = self.confirmed.entry(key.dialog).or_default();
            confirmed.insert(token);
            assert_eq!(confirmed.len(), 1, "S4: one memory is confirmed");
        }
        if let Some(partner) = live
            .endpoint
            .peer()
            .and_then(|peer| self.by_token(peer.token))
        {
            let acked = live.endpoint.send_next() - 1 - live.endpoint.outbox().count() as u64;
            if live.endpoint.ending().is_none() {
                assert!(
                    acked < partner.endpoint.recv_next(),
                    "S6: forgotten only what the partner keeps"
                );
            }
            let said = partner.app.said.iter().take(durable.app.heard.len());
            assert!(
                said.eq(&durable.app.heard),
                "S9: a gap-free prefix, each once"
            );
            if eff.notices.contains(&Notice::Ended(Ending::Completed)) {
                let consumed = partner.endpoint.recv_next();
                assert!(
                    consumed >= live.endpoint.send_next(),
                    "S12: all that was said was received"
                );
            }
        }
        let endings = eff.notices.iter().filter_map(|notice| match notice {
            Notice::Ended(ending) => Some(ending.clone()),
            _ => None,
        });
        self.endings
            .entry((key.role, key.dialog))
            .or_default()
            .extend(endings);
    }

    fn check_frame(&self, host: usize, key: EndpointKey, frame: &Frame) {
        if matches!(frame.kind, FrameKind::Reset { .. }) || frame.is_initiating() {
            return;
        }
        let durable = &self.hosts[host].records[&key].durable.endpoint;
        assert!(
            frame.ack < durable.recv_next(),
            "S5: what is acknowledged is durable"
        );
        if key.role == Role::Initiator {
            assert_eq!(
                frame.dst_token,
                durable.peer().map(|peer| peer.token),
                "S3: durable before use"
            );
        }
    }

    /// Permanent effects of a dialog, wherever they happened.
    fn effects_of(&self, dialog: DialogId) -> Vec<u64> {
        let slots = self
            .everyone()
            .filter(|slot| slot.endpoint.key().dialog == dialog);
        let mut applied: Vec<u64> = slots
            .flat_map(|slot| slot.app.applied.iter().copied())
            .collect();
        applied.sort_unstable();
        applied
    }

    pub(super) fn all_effects(&self) -> BTreeMap<DialogId, Vec<u64>> {
        let dialogs: BTreeSet<_> = self
            .everyone()
            .map(|slot| slot.endpoint.key().dialog)
            .collect();
        dialogs
            .into_iter()
            .map(|dialog| (dialog, self.effects_of(dialog)))
            .collect()
    }

    /// What must hold when all is over.
    pub(super) fn check_at_the_end(&self) {
        assert!(
            self.hosts.iter().all(|host| host.records.is_empty()),
            "every record is gone in the end"
        );
        self.check_that_nobody_is_accused_wrongly();
        for (dialog, effects) in self.all_effects() {
            let distinct: BTreeSet<_> = effects.iter().collect();
            assert_eq!(distinct.len(), effects.len(), "applied at most once");
            let slots = self
                .graveyard
                .iter()
                .filter(|slot| slot.endpoint.key().dialog == dialog);
            for slot in slots.filter(|slot| slot.endpoint.role() == Role::Initiator) {
                let certain = slot.endpoint.ending().is_some() && !slot.endpoint.was_established();
                assert!(
                    !certain || effects.is_empty(),
                    "S8: never established, no permanent effect"
                );
                if slot.endpoint.ending() == Some(&Ending::Abandoned(Abandoned::NeverReached)) {
                    assert!(certain, "S8");
                }
            }
        }
    }

    /// No store went back in time, so nobody may say so; and nobody is called forgetful who did not forget.
    pub(super) fn check_that_nobody_is_accused_wrongly(&self) {
        for ending in self.endings.values().flatten() {
            let Ending::Abandoned(why) = ending else {
                continue;
            };
            assert_ne!(why, &Abandoned::PartnerRolledBack);
            if !self.plan.wipes {
                assert_ne!(why, &Abandoned::PartnerReplaced);
                let remembers = self.plan.limits.linger >= Limits::default().linger;
                assert!(!remembers || why != &Abandoned::PartnerAmnesia, "S23");
            }
        }
    }

    /// With patience, and without anybody giving up, nothing is lost.
    pub(super) fn check_that_all_completed(&self) {
        for ((role, dialog), endings) in &self.endings {
            let chosen = self.bindings.get(dialog);
            for ending in endings {
                let good = match role {
                    Role::Initiator => matches!(ending, Ending::Completed | Ending::Declined),
                    Role::Target => matches!(
                        ending,
                        Ending::Completed | Ending::Declined | Ending::Discarded
                    ),
                };
                assert!(good, "{role:?} of {dialog} ended as {ending:?}");
            }
            let initiator = self.everyone().find(|slot| {
                slot.endpoint.key()
                    == EndpointKey {
                        dialog: *dialog,
                        role: Role::Initiator,
                    }
            });
            let (Some(initiator), Some(chosen)) = (initiator, chosen) else {
                panic!("{dialog} was never bound")
            };
            let Some(target) = self.by_token(*chosen) else {
                panic!("{dialog} has no target")
            };
            if initiator.endpoint.ending() == Some(&Ending::Completed) && !self.plan.target_closes {
                assert_eq!(target.app.heard, initiator.app.said, "everything arrived");
                assert_eq!(initiator.app.heard, target.app.said, "every answer arrived");
                assert_eq!(
                    target.app.applied.len(),
                    target.app.heard.len(),
                    "everything was applied"
                );
            }
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
