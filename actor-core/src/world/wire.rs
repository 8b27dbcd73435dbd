//! The network of a world: frames as bytes, in a queue that somebody empties one by one.
//!
//! Owns what happens to a frame between nodes. What was asked for by hand comes first: rules, then gnomes; then what the
//! seed has drawn. The first rule that wants a frame has it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Fault, Name,
    clock::{Dice, VirtualClock},
    trace::{Fate, FrameRecord},
    weather::Weather,
};
use crate::{
    protocol::{Destination, DialogId, Frame, Location, StoreId},
    transport::{Directory, Gnomes, HoldBack, Inbound, Member, Mischief, Taken, Transport},
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
    to: Name,
    bytes: Arc<[u8]>,
}

/// What a link does to everything for a time.
#[derive(Debug, Clone, Copy)]
enum Link {
    HoldsUntil(u64),
    LosesUntil(u64),
}

/// Who of a pool gets the first frames of a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Balance {
    /// Each time the next instance.
    RoundRobin,
    /// Always the same instance while it is up, unless frames are rerouted.
    Sticky,
}

struct State {
    directory: Directory,
    inbound: BTreeMap<Name, Arc<dyn Inbound>>,
    ready: VecDeque<Parcel>,
    held: VecDeque<Parcel>,
    /// What was held back, by gnomes or weather, and the gnomes that were asked for.
    bag: Mischief<Parcel>,
    gnomes: bool,
    weather: Option<Arc<Mutex<Weather>>>,
    balance: Balance,
    /// Which instance got the first frames of a dialog last.
    chosen: BTreeMap<DialogId, Name>,
    /// First frames that go elsewhere.
    reroutes: u32,
    /// Both names in order.
    links: BTreeMap<(Name, Name), Link>,
    rules: Vec<Rule>,
    records: Vec<FrameRecord>,
    names: BTreeMap<String, Name>,
}

/// The network.
pub(super) struct Wire {
    clock: Arc<VirtualClock>,
    state: Mutex<State>,
}

impl Wire {
    pub(super) fn new(clock: Arc<VirtualClock>, balance: Balance) -> Self {
        Self {
            clock,
            state: Mutex::new(State {
                directory: Directory::default(),
                inbound: BTreeMap::new(),
                ready: VecDeque::new(),
                held: VecDeque::new(),
                bag: Mischief::new(Gnomes::seeded(0)),
                gnomes: false,
                weather: None,
                balance,
                chosen: BTreeMap::new(),
                reroutes: 0,
                links: BTreeMap::new(),
                rules: Vec::new(),
                records: Vec::new(),
                names: BTreeMap::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_weather(&self, weather: Arc<Mutex<Weather>>) {
        self.lock().weather = Some(weather);
    }

    pub(super) fn add(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    pub(super) fn reroute(&self, count: u32) {
        self.lock().reroutes += count;
    }

    pub(super) fn clog(&self, one: &str, other: &str, time: Duration) {
        let until = self.clock.now() + time.as_millis() as u64;
        let mut state = self.lock();
        let link = state.link(one, other);
        state.links.insert(link, Link::HoldsUntil(until));
    }

    pub(super) fn heal(&self) {
        let mut state = self.lock();
        state.rules.clear();
        state.links.clear();
        state.reroutes = 0;
        state.calm_gnomes();
    }

    pub(super) fn set_gnomes(&self, gnomes: Gnomes) {
        let mut state = self.lock();
        state.calm_gnomes();
        state.bag = Mischief::new(gnomes);
        state.gnomes = true;
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

    /// The records from this one on, looked at.
    pub(super) fn each_from(&self, first: usize, mut look: impl FnMut(usize, &FrameRecord)) {
        let state = self.lock();
        let records = state.records.iter().enumerate().skip(first);
        records.for_each(|(index, record)| look(index, record));
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.lock().ready.is_empty()
    }

    /// Hands over the first frame that is ready. Which one, and to whom.
    pub(super) fn deliver(&self) -> Option<(usize, Name)> {
        let mut state = self.lock();
        let parcel = state.ready.pop_front()?;
        let inbound = state.inbound.get(&parcel.to).cloned();
        drop(state);
        if let Some(inbound) = inbound {
            inbound.receive(&parcel.bytes);
        }
        Some((parcel.record, parcel.to))
    }

    /// When a frame that is held back is due.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.lock().bag.next_due_ms()
    }

    /// Lets go what was held back until now.
    pub(super) fn pass(&self) {
        let now = self.clock.now();
        let mut state = self.lock();
        let free = state.bag.due(now);
        state.ready.extend(free);
    }

    /// A node died without a word.
    pub(super) fn forget_node(&self, name: &Name) {
        let mut state = self.lock();
        state.directory.forget(name);
        state.inbound.remove(name);
    }
}

impl State {
    fn name(&mut self, text: &str) -> Name {
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        let name = Name::new(text);
        self.names.insert(text.to_owned(), name.clone());
        name
    }

    fn link(&mut self, one: &str, other: &str) -> (Name, Name) {
        let (one, other) = (self.name(one), self.name(other));
        if one <= other {
            (one, other)
        } else {
            (other, one)
        }
    }

    fn calm_gnomes(&mut self) {
        let free = self.bag.due(u64::MAX);
        self.ready.extend(free);
        self.bag = Mischief::new(Gnomes::seeded(0));
        self.gnomes = false;
    }

    fn weather(&self) -> Option<MutexGuard<'_, Weather>> {
        let weather = self.weather.as_ref()?;
        Some(weather.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn strikes(&self, fault: Fault, what: &str) -> Option<(Dice, u64)> {
        self.weather()?.strikes(fault, what)
    }

    /// Who gets it, and whether that is another instance than before.
    fn resolve(&mut self, to: &Destination, frame: &Frame) -> Option<(Name, bool)> {
        let Destination::Service(service) = to else {
            let (name, _) = self.directory.resolve(to)?;
            return Some((self.name(&name), false));
        };
        let before = self.chosen.get(&frame.dialog).cloned();
        let mut name = match (&before, self.balance) {
            (Some(before), Balance::Sticky) if self.inbound.contains_key(before) => before.clone(),
            _ => {
                let (name, _) = self.directory.resolve(to)?;
                self.name(&name)
            }
        };
        let mut rerouted = false;
        let others = self.directory.pool_without(service, &name);
        if !others.is_empty() {
            let drawn = before
                .as_ref()
                .and_then(|_| self.strikes(Fault::Reroute, "rerouted first frame"));
            let by_hand = self.reroutes > 0;
            if by_hand {
                self.reroutes -= 1;
            }
            if drawn.is_some() || by_hand {
                let at = drawn.map_or(0, |(mut dice, _)| dice.below(others.len() as u64));
                name = self.name(&others[at as usize]);
                rerouted = true;
            }
        }
        self.chosen.insert(frame.dialog, name.clone());
        Some((name, rerouted))
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
        let fate = if self.gnomes {
            self.gnomes_treat(parcel, now)
        } else if self.weather.is_some() || !self.links.is_empty() {
            self.weather_treats(record, parcel, now)
        } else {
            self.ready.push_back(parcel);
            return Fate::Sent;
        };
        let free = self.bag.passed(now);
        self.ready.extend(free);
        fate
    }

    fn gnomes_treat(&mut self, parcel: Parcel, now: u64) -> Fate {
        let copies = self.bag.fate();
        let mut fate = match copies.len() {
            0 => Fate::Lost,
            1 => Fate::Sent,
            _ => Fate::Repeated,
        };
        for by in copies {
            if by.frames == 0 && by.delay.is_zero() {
                self.ready.push_back(parcel.clone());
            } else {
                if fate == Fate::Sent {
                    fate = Fate::Delayed;
                }
                self.bag.hold(parcel.clone(), by, now);
            }
        }
        fate
    }

    fn weather_treats(&mut self, record: &FrameRecord, parcel: Parcel, now: u64) -> Fate {
        let link = self.link(&record.from, &record.to);
        let later = |dice: &mut Dice, size| Duration::from_millis(1 + dice.below(size));
        if let Some((mut dice, size)) = self.strikes(Fault::Partition, "partition") {
            let until = now + later(&mut dice, size).as_millis() as u64;
            self.links.insert(link.clone(), Link::LosesUntil(until));
        } else if let Some((mut dice, size)) = self.strikes(Fault::Clog, "clogged link") {
            let until = now + later(&mut dice, size).as_millis() as u64;
            self.links.insert(link.clone(), Link::HoldsUntil(until));
        }
        let held = match self.links.get(&link) {
            Some(Link::LosesUntil(until)) if now < *until => return Fate::Lost,
            Some(Link::HoldsUntil(until)) if now < *until => Some(until - now),
            _ => None,
        };
        let (dialog, to) = (record.frame.dialog, record.frame.to);
        let lost = |weather: &mut Weather| {
            let what = format!("lost {}", record.noun());
            weather.loses(dialog, to, &what)
        };
        if self.weather().is_some_and(|mut weather| lost(&mut weather)) {
            return Fate::Lost;
        }
        let mut fate = Fate::Sent;
        let what = format!("repeated {}", record.noun());
        if let Some((mut dice, size)) = self.strikes(Fault::Repeat, &what) {
            fate = Fate::Repeated;
            let mut copy = parcel.clone();
            if record.is_first() {
                let others = self
                    .directory
                    .pool_without(&record.frame.service, &record.to);
                let what = "first frame on two instances";
                if !others.is_empty() && self.strikes(Fault::Reroute, what).is_some() {
                    copy.to = self.name(&others[dice.below(others.len() as u64) as usize]);
                }
            }
            let delay = if dice.coin() {
                Duration::ZERO
            } else {
                later(&mut dice, size)
            };
            self.put(copy, HoldBack { frames: 0, delay }, now);
        }
        let mut by = HoldBack {
            frames: 0,
            delay: Duration::from_millis(held.unwrap_or(0)),
        };
        let what = format!("late {}", record.noun());
        if held.is_some() {
        } else if let Some((mut dice, size)) = self.strikes(Fault::Delay, &what) {
            by.delay = later(&mut dice, size);
        } else if let Some((mut dice, size)) = self.strikes(Fault::Reorder, "overtaken frame") {
            by.frames = 1 + dice.below(size) as u32;
        }
        if fate == Fate::Sent && (by.frames > 0 || !by.delay.is_zero()) {
            fate = Fate::Delayed;
        }
        self.put(parcel, by, now);
        fate
    }

    fn put(&mut self, parcel: Parcel, by: HoldBack, now: u64) {
        if by.frames == 0 && by.delay.is_zero() {
            self.ready.push_back(parcel);
        } else {
            self.bag.hold(parcel, by, now);
        }
    }
}

impl Transport for Wire {
    fn join(&self, member: Member) -> Result<(), Taken> {
        let mut state = self.lock();
        let (name, inbound) = (member.name.clone(), Arc::clone(&member.inbound));
        let joined = state.directory.join(member);
        if joined.is_ok() {
            let name = state.name(&name);
            state.inbound.insert(name, inbound);
        }
        joined
    }

    fn leave(&self, name: &str, store: StoreId) {
        let mut state = self.lock();
        if state.directory.leave(name, store) {
            let name = state.name(name);
            state.inbound.remove(&name);
        }
    }

    fn send(&self, from: &str, to: &Destination, frame: Vec<u8>) {
        let mut state = self.lock();
        let decoded = Frame::decode(&frame).expect("a node sends whole frames");
        let found = state.resolve(to, &decoded);
        let (there, rerouted) = (found.is_some(), matches!(found, Some((_, true))));
        let to = match (found, to) {
            (Some((name, _)), _) => name,
            (None, Destination::Service(service)) => state.name(service),
            (None, Destination::Store { node, .. }) => state.name(node),
        };
        let at_ms = self.clock.now();
        let mut record = FrameRecord {
            from: state.name(from),
            to,
            frame: Arc::new(decoded),
            fate: Fate::NobodyThere,
            rerouted,
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
