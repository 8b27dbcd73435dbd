//! One store and the process in front of it: what is durable, what is live, and the one transaction between the two.
//!
//! A transaction is handled, committed and released in three separate actions, and the process may end between any two
//! of them. What an input does to a host depends on nothing else, so it is computed once (`model.rs` remembers it).

use actor_core::protocol::{
    Destination, DialogId, EndpointKey, Env, Frame, FrameKind, Limits, Mutant, Role, StoreId,
    TimerKind, Token, Window,
};

use super::{
    memory::{Fate, Grave, Memory},
    plan::{POOL, Place, Plan, SECOND, node_name, place_of},
    property::{Broken, Safety},
    turn::Turn,
};

/// More than all that is said in any model.
const AMPLE_BYTES: u32 = 1 << 10;

/// Where a frame under way is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Towards {
    /// This place.
    Place(Place),
    /// Any one of the pool.
    Pool,
    /// The one who serves the second service.
    Second,
}

/// A frame under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Letter {
    pub(super) towards: Towards,
    pub(super) frame: Frame,
}

/// One record, durable and live.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) key: EndpointKey,
    pub(super) live: Memory,
    /// As it is read back. `None`: not committed yet.
    pub(super) durable: Option<Memory>,
    /// What was released last, in this life, of what a newer frame replaces: acknowledgement, held numbers, window.
    spoke: Option<(u64, u64, Option<Window>)>,
    /// Attempts that only the process remembers: a mutant.
    pub(super) volatile_attempts: u8,
}

/// What was handled and is not released.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Open {
    pub(super) committed: bool,
    pub(super) mail: Vec<(Option<EndpointKey>, Destination, Frame)>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Host {
    pub(super) place: Place,
    /// How many stores were lost before this one.
    pub(super) store: u8,
    pub(super) incarnation: u8,
    /// Counts changes of what frames say of what was heard, in this life: as good as counting frames, see [`Self::stamp`].
    send_ctr: u8,
    /// Memories begun here, ever.
    pub(super) births: u8,
    pub(super) records: Vec<Record>,
    pub(super) open: Option<Open>,
    pub(super) wants_location: Option<EndpointKey>,
    pub(super) graves: Vec<Grave>,
    snapshot: Option<(u8, Vec<Memory>)>,
    /// The store was set back once: what it says about the past is no measure any more.
    pub(super) travelled: bool,
    /// Started again, and what waited for it may not have been heard yet.
    pub(super) draining: bool,
    /// Attempts at the message that cannot be handled, as an observer counts them.
    pub(super) tries: u8,
}

/// What an observer of the whole knows: rules, limits, and what is wrong with them.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) plan: Plan,
    pub(super) mutant: Option<Mutant>,
}

impl Rules {
    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.plan.limits
    }
}

/// The directory's knowledge about a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Where {
    At(Place),
    ReplacedBy(Place, u8),
    Unknown,
}

/// One thing that may happen to a host. Records are named by their position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// A letter, by number.
    Deliver(u32),
    Consume(u8),
    Say(u8),
    Answer(u8),
    Refuse(u8),
    Tell(u8),
    Close(u8),
    Abandon(u8),
    Timer(u8, TimerKind),
    Locate(Where),
    /// A RESET that answers a frame of the life before this one.
    StaleReset(u8),
    Commit,
    Release,
    /// The process ends and starts again; `kept`: what was lazily durable had been written.
    Crash {
        kept: bool,
    },
    Wipe,
    Snapshot,
    Rollback {
        busy: bool,
    },
}

impl Host {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            store: 0,
            incarnation: 1,
            send_ctr: 0,
            births: 0,
            records: Vec::new(),
            open: None,
            wants_location: None,
            graves: Vec::new(),
            snapshot: None,
            travelled: false,
            draining: false,
            tries: 0,
        }
    }

    pub(super) fn store_id(&self) -> StoreId {
        store_id(self.place, self.store)
    }

    pub(super) fn env<'a>(&self, rules: &'a Rules) -> Env<'a> {
        Env::new(rules.limits(), self.store_id(), self.incarnation.into()).with_mutant(rules.mutant)
    }

    pub(super) fn record(&self, key: EndpointKey) -> Option<&Record> {
        self.records.iter().find(|record| record.key == key)
    }

    pub(super) fn record_mut(&mut self, key: EndpointKey) -> Option<&mut Record> {
        self.records.iter_mut().find(|record| record.key == key)
    }

    pub(super) fn live(&self, key: EndpointKey) -> Option<&Memory> {
        Some(&self.record(key)?.live)
    }

    pub(super) fn serves(&self, rules: &Rules, service: &str) -> bool {
        match service {
            POOL => rules.plan.pool.contains(&self.place),
            SECOND => rules.plan.second == Some(self.place),
            _ => false,
        }
    }

    /// A token that was never used before (unless a mutant has but one for each instance).
    pub(super) fn mint(&mut self, rules: &Rules, broken: &mut Broken) -> Token {
        let number = if rules.is(Mutant::StaticToken) {
            1
        } else {
            self.births + 1
        };
        broken.mark_if(Safety::TokensAreUnique, number <= self.births);
        self.births += 1;
        let mut token = [0; 16];
        (token[0], token[1]) = (self.place, number);
        Token(token)
    }

    pub(super) fn put(&mut self, memory: Memory) {
        let key = memory.key();
        if let Some(record) = self.record_mut(key) {
            record.live = memory;
            return;
        }
        self.records.push(Record {
            key,
            live: memory,
            durable: None,
            spoke: None,
            volatile_attempts: 0,
        });
        self.records.sort_by_key(|record| record.key);
    }

    /// All that was handled is durable from here on.
    pub(super) fn commit(&mut self, rules: &Rules, broken: &mut Broken) {
        let env = self.env(rules);
        for record in &mut self.records {
            let next = record.live.as_read_back(&env);
            let lingered = record.durable.as_ref().is_some_and(Memory::has_ended);
            if let Some(before) = &record.durable {
                check_commit(before, &next, broken);
            }
            record.durable = if next.endpoint.fully_over() {
                let fate = if lingered {
                    Fate::Lingered
                } else {
                    Fate::Dropped
                };
                self.graves.push(Grave::of(&next, fate));
                None
            } else {
                Some(next)
            };
        }
        self.tidy();
        if let Some(open) = &mut self.open {
            open.committed = true;
        }
        self.close_if_empty();
    }

    fn tidy(&mut self) {
        self.records.retain(|record| record.durable.is_some());
        self.graves.retain(Grave::matters);
        self.graves.sort();
    }

    pub(super) fn close_if_empty(&mut self) {
        let done = |open: &Open| open.committed && open.mail.is_empty();
        if self.open.as_ref().is_some_and(done) {
            self.open = None;
        }
    }

    /// The frames of the open transaction leave, or with `only`, those of them.
    pub(super) fn release(
        &mut self,
        only: impl Fn(&Frame) -> bool,
        broken: &mut Broken,
    ) -> Vec<Letter> {
        let Some(mut open) = self.open.take() else {
            return Vec::new();
        };
        let (leaving, staying): (Vec<_>, Vec<_>) = std::mem::take(&mut open.mail)
            .into_iter()
            .partition(|(_, _, frame)| only(frame));
        let mut letters = Vec::new();
        for (key, to, mut frame) in leaving {
            if let Some(record) = key.and_then(|key| self.record(key)) {
                check_frame(record, &frame, broken);
            }
            let towards = match to {
                Destination::Service(name) if name == SECOND => Towards::Second,
                Destination::Service(_) => Towards::Pool,
                Destination::Store { node, .. } => match place_of(&node) {
                    Some(place) => Towards::Place(place),
                    None => continue,
                },
            };
            self.stamp(key, &mut frame);
            letters.push(Letter { towards, frame });
        }
        open.mail = staying;
        self.open = Some(open);
        self.close_if_empty();
        letters
    }

    /// The engine compares the ages of two frames for what the newer one replaces: acknowledgement, held numbers and
    /// window. So frames that say the same of these may bear the same number, and an endpoint that repeats itself does
    /// not make a new state each time. (The ages of RESETs and of frames that initiate are not compared at all.)
    ///
    /// A window of bytes that admits everything that is ever said here is as good as any other such window.
    fn stamp(&mut self, key: Option<EndpointKey>, frame: &mut Frame) {
        let counts = !frame.is_initiating() && !matches!(frame.kind, FrameKind::Reset { .. });
        if let Some(record) = key.filter(|_| counts).and_then(|key| self.record_mut(key)) {
            if let Some(window) = &mut frame.window {
                window.bytes = window.bytes.min(AMPLE_BYTES);
            }
            let says = (frame.ack, frame.sack, frame.window);
            let says_news = record.spoke.replace(says) != Some(says);
            self.send_ctr += u8::from(says_news);
        }
        frame.stamp(
            self.store_id(),
            &node_name(self.place),
            self.incarnation.into(),
            self.send_ctr.into(),
            [0; 16],
        );
    }

    /// A new life begins from what is durable.
    fn restart(&mut self, rules: &Rules) {
        self.incarnation += 1;
        self.send_ctr = 0;
        self.open = None;
        self.wants_location = None;
        self.tidy();
        for record in &mut self.records {
            if let Some(durable) = &record.durable {
                record.live.clone_from(durable);
            }
            record.spoke = None;
            record.volatile_attempts = 0;
        }
        self.draining = rules.plan.deadlines.contains(&TimerKind::Silence);
        // A transaction that begins with a restart ends with a flush, like any other.
        let keys: Vec<_> = self.records.iter().map(|record| record.key).collect();
        *self = Turn::of(self.clone(), rules).flush_all(keys).host;
    }

    /// Has an application or endpoint changed in a way that was not written?
    pub(super) fn owes_the_disk(&self, rules: &Rules) -> bool {
        let env = self.env(rules);
        self.records
            .iter()
            .any(|record| Some(record.live.as_read_back(&env)) != record.durable)
    }

    pub(super) fn crash(&mut self, kept: bool, rules: &Rules, broken: &mut Broken) {
        let uncommitted = self.open.as_ref().is_some_and(|open| !open.committed);
        if kept && !uncommitted {
            self.commit(rules, broken);
        }
        self.restart(rules);
    }

    /// The store is lost; another takes its name.
    pub(super) fn wipe(&mut self) {
        let lost = std::mem::take(&mut self.records);
        let durable = lost.into_iter().filter_map(|record| record.durable);
        self.graves
            .extend(durable.map(|memory| Grave::of(&memory, Fate::Lost)));
        self.store += 1;
        (self.incarnation, self.send_ctr) = (1, 0);
        (self.open, self.wants_location, self.snapshot) = (None, None, None);
        self.tidy();
    }

    pub(super) fn take_snapshot(&mut self) {
        let durable = self
            .records
            .iter()
            .filter_map(|record| record.durable.clone());
        self.snapshot = Some((self.incarnation, durable.collect()));
    }

    pub(super) fn has_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// The store becomes what it was at the snapshot. `busy`: the new life has sent more than the partner remembers.
    pub(super) fn roll_back(&mut self, busy: bool, rules: &Rules) {
        let Some((incarnation, memories)) = self.snapshot.take() else {
            return;
        };
        let lost = std::mem::take(&mut self.records);
        for memory in lost.into_iter().filter_map(|record| record.durable) {
            if memories
                .iter()
                .all(|kept| kept.endpoint.token() != memory.endpoint.token())
            {
                self.graves.push(Grave::of(&memory, Fate::Lost));
            }
        }
        for memory in memories {
            self.put(memory.clone());
            if let Some(record) = self.record_mut(memory.key()) {
                record.durable = Some(memory);
            }
        }
        self.incarnation = incarnation;
        self.travelled = true;
        self.restart(rules);
        if busy {
            self.send_ctr = 100;
        }
    }
}

pub(super) fn store_id(place: Place, store: u8) -> StoreId {
    let mut id = [0; 16];
    (id[0], id[1]) = (place + 1, store);
    StoreId(id)
}

/// The dialog that the initiators open.
pub(super) fn main_dialog() -> DialogId {
    DialogId([1; 16])
}

/// S3, S7 and S20, as one commit follows another.
fn check_commit(before: &Memory, after: &Memory, broken: &mut Broken) {
    if before.endpoint.role() == Role::Initiator && before.peer_token().is_some() {
        broken.mark_if(Safety::BoundOnce, before.peer_token() != after.peer_token());
    }
    if before.has_ended() {
        let same = before.app == after.app && before.endpoint.ending() == after.endpoint.ending();
        broken.mark_if(Safety::EndedIsInert, !same);
    }
    broken.mark_if(
        Safety::SameNumberSameBytes,
        !after.app.said.starts_with(&before.app.said),
    );
}

/// S1, S3, S5 and S21, as a frame leaves.
fn check_frame(record: &Record, frame: &Frame, broken: &mut Broken) {
    if matches!(frame.kind, FrameKind::Reset { .. }) {
        return;
    }
    let Some(durable) = &record.durable else {
        broken.mark(Safety::NothingLeavesBeforeCommit);
        if frame.ack > 0 {
            broken.mark(Safety::AckedIsDurable);
        }
        return;
    };
    let is_said = |seq: u64| seq < durable.endpoint.send_next();
    let all_said = frame.messages.iter().all(|message| is_said(message.seq));
    let ended = !frame.flags.ended || durable.has_ended();
    broken.mark_if(Safety::NothingLeavesBeforeCommit, !all_said || !ended);
    broken.mark_if(
        Safety::AckedIsDurable,
        !frame.is_initiating() && frame.ack >= durable.endpoint.recv_next(),
    );
    if durable.endpoint.role() == Role::Initiator && !frame.is_initiating() {
        broken.mark_if(Safety::BoundOnce, frame.dst_token != durable.peer_token());
    }
}
