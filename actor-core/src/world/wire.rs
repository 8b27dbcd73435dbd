//! The network of a world: frames as bytes, in a queue that somebody empties one by one.
//!
//! Owns what happens to a frame between nodes. Rules come before gnomes; the first rule that wants a frame has it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    clock::VirtualClock,
    trace::{Fate, FrameRecord},
};
use crate::{
    protocol::{Destination, Frame, Location, StoreId},
    transport::{Directory, Gnomes, Inbound, Member, Mischief, Taken, Transport},
};

/// What a rule does to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Lose,
    Repeat,
    Hold,
}

/// Something that happens to the next frames of a kind.
pub(super) struct Rule {
    what: What,
    left: u32,
    test: Box<dyn Fn(&FrameRecord) -> bool + Send>,
}

impl Rule {
    pub(super) fn new(
        what: What,
        count: u32,
        test: impl Fn(&FrameRecord) -> bool + Send + 'static,
    ) -> Self {
        Self {
            what,
            left: count,
            test: Box::new(test),
        }
    }
}

/// A copy of a frame on its way.
#[derive(Clone)]
struct Parcel {
    record: usize,
    to: String,
    bytes: Arc<[u8]>,
}

#[derive(Default)]
struct State {
    directory: Directory,
    inbound: BTreeMap<String, Arc<dyn Inbound>>,
    ready: VecDeque<Parcel>,
    held: VecDeque<Parcel>,
    gnomes: Option<Mischief<Parcel>>,
    rules: Vec<Rule>,
    records: Vec<FrameRecord>,
}

/// The network.
pub(super) struct Wire {
    clock: Arc<VirtualClock>,
    state: Mutex<State>,
}

impl Wire {
    pub(super) fn new(clock: Arc<VirtualClock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    pub(super) fn heal(&self) {
        let mut state = self.lock();
        state.rules.clear();
        state.free_all();
    }

    pub(super) fn set_gnomes(&self, gnomes: Gnomes) {
        let mut state = self.lock();
        state.free_all();
        state.gnomes = Some(Mischief::new(gnomes));
    }

    pub(super) fn let_go(&self) {
        let mut state = self.lock();
        let mut held = std::mem::take(&mut state.held);
        state.ready.append(&mut held);
    }

    pub(super) fn replay(&self, record: &FrameRecord) {
        let mut state = self.lock();
        let copy = FrameRecord {
            fate: Fate::Replayed,
            at_ms: self.clock.now(),
            ..record.clone()
        };
        let parcel = Parcel {
            record: state.records.len(),
            to: copy.to.clone(),
            bytes: copy.frame.encode().into(),
        };
        state.records.push(copy);
        state.ready.push_back(parcel);
    }

    pub(super) fn records(&self) -> Vec<FrameRecord> {
        self.lock().records.clone()
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.lock().ready.is_empty()
    }

    /// Hands over the first frame that is ready. Which one, and to whom.
    pub(super) fn deliver(&self) -> Option<(usize, String)> {
        let mut state = self.lock();
        let parcel = state.ready.pop_front()?;
        let inbound = state.inbound.get(&parcel.to).cloned();
        drop(state);
        if let Some(inbound) = inbound {
            inbound.receive(&parcel.bytes);
        }
        Some((parcel.record, parcel.to))
    }

    /// When a frame that gnomes hold back is due.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.lock().gnomes.as_ref()?.next_due_ms()
    }

    /// Lets go what gnomes held back until now.
    pub(super) fn pass(&self) {
        let now = self.clock.now();
        let mut state = self.lock();
        let free = state.gnomes.as_mut().map(|gnomes| gnomes.due(now));
        state.ready.extend(free.into_iter().flatten());
    }

    /// A node died without a word.
    pub(super) fn forget_node(&self, name: &str) {
        let mut state = self.lock();
        state.directory.forget(name);
        state.inbound.remove(name);
    }
}

impl State {
    fn free_all(&mut self) {
        let free = self.gnomes.take().map(|mut gnomes| gnomes.due(u64::MAX));
        self.ready.extend(free.into_iter().flatten());
    }

    fn rule(&mut self, record: &FrameRecord) -> Option<What> {
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.left > 0 && (rule.test)(record))?;
        rule.left -= 1;
        Some(rule.what)
    }

    fn treat(&mut self, record: &FrameRecord, parcel: Parcel, now: u64) -> Fate {
        match self.rule(record) {
            Some(What::Lose) => return Fate::Lost,
            Some(What::Hold) => {
                self.held.push_back(parcel);
                return Fate::Held;
            }
            Some(What::Repeat) => {
                self.ready.push_back(parcel.clone());
                self.ready.push_back(parcel);
                return Fate::Repeated;
            }
            None => {}
        }
        let Some(gnomes) = &mut self.gnomes else {
            self.ready.push_back(parcel);
            return Fate::Sent;
        };
        let copies = gnomes.fate();
        let mut fate = if copies.len() > 1 {
            Fate::Repeated
        } else {
            Fate::Sent
        };
        if copies.is_empty() {
            fate = Fate::Lost;
        }
        for by in copies {
            if by.frames == 0 && by.delay.is_zero() {
                self.ready.push_back(parcel.clone());
            } else {
                fate = if fate == Fate::Sent {
                    Fate::Delayed
                } else {
                    fate
                };
                gnomes.hold(parcel.clone(), by, now);
            }
        }
        self.ready.extend(gnomes.passed(now));
        fate
    }
}

impl Transport for Wire {
    fn join(&self, member: Member) -> Result<(), Taken> {
        let mut state = self.lock();
        let (name, inbound) = (member.name.clone(), Arc::clone(&member.inbound));
        let joined = state.directory.join(member);
        if joined.is_ok() {
            state.inbound.insert(name, inbound);
        }
        joined
    }

    fn leave(&self, name: &str, store: StoreId) {
        let mut state = self.lock();
        if state.directory.leave(name, store) {
            state.inbound.remove(name);
        }
    }

    fn send(&self, from: &str, to: &Destination, frame: Vec<u8>) {
        let mut state = self.lock();
        let found = state.directory.resolve(to).map(|(name, _)| name);
        let there = found.is_some();
        let to = found.unwrap_or_else(|| match to {
            Destination::Service(service) => service.clone(),
            Destination::Store { node, .. } => node.clone(),
        });
        let decoded = Frame::decode(&frame).expect("a node sends whole frames");
        let at_ms = self.clock.now();
        let mut record = FrameRecord {
            from: from.to_owned(),
            to,
            frame: Arc::new(decoded),
            fate: Fate::NobodyThere,
            at_ms,
        };
        if there {
            let parcel = Parcel {
                record: state.records.len(),
                to: record.to.clone(),
                bytes: frame.into(),
            };
            record.fate = state.treat(&record, parcel, at_ms);
        }
        state.records.push(record);
    }

    fn serves(&self, service: &str) -> bool {
        self.lock().directory.serves(service)
    }

    fn locate(&self, store: StoreId, node: &str) -> Location {
        self.lock().directory.locate(store, node)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
