//! The model: hosts, the frames between them, and everything that may happen next.
//!
//! A state names its hosts and letters by number (`intern.rs`); what an event does to a host is computed once and then
//! looked up. The rules that are checked are those of the production engine, see `turn.rs`.

use std::sync::{Arc, OnceLock};

use actor_core::protocol::{EndpointKey, Message, MessageKind, Mutant, Role, Stage, TimerKind};
use stateright::{Model, Property};

use super::{
    checks::check_pair,
    host::{Event, Host, Letter, Rules, Towards, Where},
    intern::{Interner, Memo, Slots},
    memory::Memory,
    plan::{Closing, Place, Plan, Trouble, place_of},
    property::{Broken, Safety},
    turn::Turn,
};

const MAX_PLACES: usize = 4;
/// Letters under way at once, at most.
pub(super) const MAX_LETTERS: usize = 6;
/// No letter.
const NONE: u32 = u32::MAX;

/// Letters under way: sorted, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network([u32; MAX_LETTERS]);

impl Network {
    pub(super) fn letters(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied().take_while(|letter| *letter != NONE)
    }

    fn len(&self) -> usize {
        self.letters().count()
    }

    fn remove(&mut self, letter: u32) {
        if let Some(at) = self.0.iter().position(|other| *other == letter) {
            self.0[at..].rotate_left(1);
            self.0[MAX_LETTERS - 1] = NONE;
        }
    }

    /// A frame that finds no room is lost, and one that is under way already is the same frame.
    fn add(&mut self, letter: u32, room: usize) {
        let len = self.len();
        if len < room.min(MAX_LETTERS) && !self.0.contains(&letter) {
            self.0[len] = letter;
            self.0[..=len].sort_unstable();
        }
    }
}

/// A state: numbers of hosts and letters, what trouble is left, and what went wrong on the way here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) hosts: [u32; MAX_PLACES],
    pub(super) network: Network,
    pub(super) left: Trouble,
    pub(super) broken: Broken,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// Something at a place.
    At(Place, Event),
    /// A letter arrives at a place, and perhaps stays under way.
    Deliver {
        letter: u32,
        place: Place,
        stays: bool,
        astray: bool,
    },
    /// A letter is lost. (Only where the network is full; elsewhere losing it is never delivering it.)
    Lose(u32),
}

impl Action {
    /// Is it trouble, which a fault-free path does without?
    pub(super) fn is_trouble(self) -> bool {
        match self {
            Self::Deliver { stays, astray, .. } => stays || astray,
            Self::Lose(_) => false,
            Self::At(_, event) => matches!(
                event,
                Event::Crash { .. }
                    | Event::Wipe
                    | Event::Snapshot
                    | Event::Rollback { .. }
                    | Event::StaleReset(_)
                    | Event::Abandon(_)
                    | Event::Refuse(_)
            ),
        }
    }

    /// Does it need a deadline to pass?
    pub(super) fn is_deadline(self) -> bool {
        matches!(self, Self::At(_, Event::Timer(_, kind)) if kind != TimerKind::Retransmit)
    }
}

/// What an event made of a host.
#[derive(Debug)]
struct Outcome {
    host: u32,
    letters: Box<[u32]>,
    broken: Broken,
}

/// What may happen at a host, and what came of it once it did.
#[derive(Debug)]
struct Choice {
    event: Event,
    outcome: OnceLock<Outcome>,
}

/// A model of the production engine.
#[derive(Debug)]
pub(super) struct World {
    pub(super) rules: Rules,
    /// A state in which this is broken is not continued; `None`: in which anything is.
    wanted: Option<Safety>,
    hosts: Interner<Host>,
    letters: Interner<Letter>,
    /// By host: what may happen at it whatever the rest of the world is like.
    choices: Slots<Box<[Choice]>>,
    /// By host and event: what the rest of the world does to it.
    outcomes: Memo<(u32, Event), Arc<Outcome>>,
    verdicts: Memo<(u32, u32), Broken>,
}

impl World {
    pub(super) fn new(plan: Plan, mutant: Option<Mutant>, wanted: Option<Safety>) -> Self {
        assert!(plan.places() <= MAX_PLACES && plan.letters <= MAX_LETTERS);
        Self {
            rules: Rules { plan, mutant },
            wanted,
            hosts: Interner::new(),
            letters: Interner::new(),
            outcomes: Memo::new(),
            choices: Slots::new(),
            verdicts: Memo::new(),
        }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.rules.plan
    }

    /// How many different hosts were seen.
    pub(super) fn distinct_hosts(&self) -> usize {
        self.hosts.len()
    }

    pub(super) fn host(&self, state: &State, place: Place) -> &Host {
        self.hosts.get(state.hosts[usize::from(place)])
    }

    pub(super) fn all_hosts<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Host> {
        let numbers = &state.hosts[..self.plan().places()];
        numbers.iter().map(|number| self.hosts.get(*number))
    }

    pub(super) fn letter(&self, number: u32) -> &Letter {
        self.letters.get(number)
    }

    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        0..self.plan().places() as Place
    }

    fn is_fragile(&self, place: Place) -> bool {
        self.plan().fragile.contains(&place)
    }

    /// What may happen at a host that depends on this host alone.
    fn choices(&self, number: u32) -> &[Choice] {
        self.choices.get_or(number, || {
            let host = self.hosts.get(number);
            let mut events = Vec::new();
            match &host.open {
                Some(open) if open.committed => events.push(Event::Release),
                Some(_) => events.push(Event::Commit),
                None => {
                    for (at, record) in host.records.iter().enumerate() {
                        self.choices_of(at as u8, &record.live, &mut events);
                    }
                    events.push(Event::Snapshot);
                }
            }
            events.push(Event::Crash { kept: false });
            let uncommitted = host.open.as_ref().is_some_and(|open| !open.committed);
            if !uncommitted && host.owes_the_disk(&self.rules) {
                events.push(Event::Crash { kept: true });
            }
            if !host.records.is_empty() {
                events.push(Event::Wipe);
            }
            if host.has_snapshot() {
                events.extend([false, true].map(|busy| Event::Rollback { busy }));
            }
            let choice = |event| Choice {
                event,
                outcome: OnceLock::new(),
            };
            events.into_iter().map(choice).collect()
        })
    }

    fn choices_of(&self, at: u8, memory: &Memory, events: &mut Vec<Event>) {
        let plan = self.plan();
        let (endpoint, app) = (&memory.endpoint, &memory.app);
        for kind in [TimerKind::Retransmit].iter().chain(plan.deadlines) {
            if memory.is_armed(*kind) {
                events.push(Event::Timer(at, *kind));
            }
        }
        if endpoint.peer().is_some() {
            events.push(Event::StaleReset(at));
        }
        if memory.has_ended() {
            return;
        }
        if endpoint.has_next() {
            events.push(Event::Consume(at));
        }
        let may_say = endpoint.can_send(4, self.rules.limits()).is_ok();
        let role = endpoint.role();
        if memory.parent.is_none() && plan.abandons.contains(&role) {
            events.push(Event::Abandon(at));
        }
        match role {
            Role::Initiator if memory.parent.is_none() => {
                let said_all = app.said.len() >= plan.asks.into();
                if !said_all && may_say {
                    events.push(Event::Say(at));
                }
                if said_all && !app.closed && plan.closing != Closing::Nobody {
                    events.push(Event::Close(at));
                }
            }
            Role::Initiator => {}
            Role::Target => {
                let owes = !endpoint.owed().is_empty() && plan.second.is_none();
                if owes {
                    events.push(Event::Answer(at));
                }
                if owes && plan.refuses && endpoint.stage() == Stage::Accumulating {
                    events.push(Event::Refuse(at));
                }
                if app.assured && app.told < plan.tells && may_say {
                    events.push(Event::Tell(at));
                }
                if app.assured && !app.closed && plan.closing == Closing::Either {
                    events.push(Event::Close(at));
                }
            }
        }
    }

    /// The event happens at the host, and this is told of what came of it.
    fn outcome<T>(&self, number: u32, event: Event, told: impl FnOnce(&Outcome) -> T) -> T {
        let compute = || {
            let (host, letters, broken) = self.happen(self.hosts.get(number), event);
            let letters = letters.into_iter();
            Outcome {
                host: self.hosts.number(host),
                letters: letters.map(|letter| self.letters.number(letter)).collect(),
                broken,
            }
        };
        let comes_from_elsewhere = matches!(event, Event::Deliver(_) | Event::Locate(_));
        if !comes_from_elsewhere {
            let mut choices = self.choices(number).iter();
            if let Some(choice) = choices.find(|choice| choice.event == event) {
                return told(choice.outcome.get_or_init(compute));
            }
        }
        told(
            &self
                .outcomes
                .get_or((number, event), || Arc::new(compute())),
        )
    }

    fn happen(&self, before: &Host, event: Event) -> (Host, Vec<Letter>, Broken) {
        let rules = &self.rules;
        let mut host = before.clone();
        let mut broken = Broken::default();
        let mut letters = Vec::new();
        let key = |at: u8| before.records[usize::from(at)].key;
        match event {
            Event::Commit => host.commit(rules, &mut broken),
            Event::Release => letters = host.release(|_| true, &mut broken),
            Event::Crash { kept } => host.crash(kept, rules, &mut broken),
            Event::Wipe => host.wipe(),
            Event::Snapshot => host.take_snapshot(),
            Event::Rollback { busy } => host.roll_back(busy, rules),
            handled => {
                let turn = Turn::of(host, rules);
                let done = match handled {
                    Event::Deliver(letter) => turn.deliver(self.letters.get(letter)),
                    Event::Consume(at) => turn.consume(key(at)),
                    Event::Say(at) => turn.speak(key(at), MessageKind::Ask),
                    Event::Tell(at) => turn.speak(key(at), MessageKind::Event),
                    Event::Answer(at) => turn.answer(key(at), MessageKind::AnswerOk),
                    Event::Refuse(at) => turn.answer(key(at), MessageKind::AnswerErr),
                    Event::Close(at) => turn.close(key(at)),
                    Event::Abandon(at) => turn.abandon(key(at)),
                    Event::Timer(at, kind) => turn.timer(key(at), kind),
                    Event::Locate(place) => turn.locate(place),
                    Event::StaleReset(at) => turn.stale_reset(key(at)),
                    _ => turn,
                };
                return (done.host, done.letters, done.broken);
            }
        }
        (host, letters, broken)
    }

    /// Where the directory sees the store that this host asks for.
    fn directory(&self, state: &State, host: &Host) -> Where {
        let wanted = host.wants_location.and_then(|key| host.live(key));
        let Some(peer) = wanted.and_then(|memory| memory.endpoint.peer()) else {
            return Where::Unknown;
        };
        let Some(place) = place_of(&peer.node).filter(|place| self.places().any(|p| p == *place))
        else {
            return Where::Unknown;
        };
        if let Some(home) = self
            .all_hosts(state)
            .find(|other| other.store_id() == peer.store)
        {
            return Where::At(home.place);
        }
        let now = self.host(state, place);
        Where::ReplacedBy(place, now.store)
    }

    fn deliveries(&self, state: &State, actions: &mut Vec<Action>) {
        for letter in state.network.letters() {
            let towards = self.letter(letter).towards;
            for place in self.places() {
                let meant = match towards {
                    Towards::Place(to) => to == place,
                    Towards::Pool => self.plan().pool.contains(&place),
                    Towards::Second => self.plan().second == Some(place),
                };
                if self.host(state, place).open.is_some()
                    || self.host(state, place).wants_location.is_some()
                    || (!meant && state.left.misroutes == 0)
                {
                    continue;
                }
                for stays in [false, true] {
                    if !stays || state.left.repeats > 0 {
                        actions.push(Action::Deliver {
                            letter,
                            place,
                            stays,
                            astray: !meant,
                        });
                    }
                }
            }
        }
        if state.network.len() >= self.plan().letters {
            actions.extend(state.network.letters().map(Action::Lose));
        }
    }

    /// Is a message for one of this host's memories under way?
    fn is_awaited(&self, state: &State, host: &Host) -> bool {
        state.network.letters().any(|letter| {
            let frame = &self.letter(letter).frame;
            let unheard = |memory: &Memory| {
                let news = |message: &Message| message.seq >= memory.endpoint.recv_next();
                frame.dst_token == Some(memory.endpoint.token()) && frame.messages.iter().any(news)
            };
            host.records.iter().any(|record| unheard(&record.live))
        })
    }

    /// How much of which trouble an event costs; `None` if there is none left.
    fn pay(&self, left: Trouble, place: Place, event: Event) -> Option<Trouble> {
        let mut left = left;
        let fragile = self.is_fragile(place);
        let purse = match event {
            Event::Crash { .. } if fragile => &mut left.crashes,
            Event::Wipe if fragile => &mut left.wipes,
            Event::Snapshot if fragile && left.rollbacks > 0 => return Some(left),
            Event::Rollback { .. } if fragile => &mut left.rollbacks,
            Event::Crash { .. } | Event::Wipe | Event::Snapshot | Event::Rollback { .. } => {
                return None;
            }
            Event::StaleReset(_) => &mut left.stale,
            Event::Abandon(_) => &mut left.abandons,
            Event::Timer(_, kind) if kind != TimerKind::Retransmit => &mut left.deadlines,
            _ => return Some(left),
        };
        if *purse == 0 {
            return None;
        }
        // As many as that never run out.
        if *purse < u8::MAX {
            *purse -= 1;
        }
        Some(left)
    }

    pub(super) fn is_over(&self, broken: Broken) -> bool {
        self.wanted
            .map_or(broken.any(), |wanted| broken.has(wanted))
    }

    /// A deadline at a host that has just come back waits until what waited for it is heard (P15).
    fn must_wait(&self, state: &State, place: Place, event: Event) -> bool {
        let deadline = matches!(event, Event::Timer(_, kind) if kind != TimerKind::Retransmit);
        let host = self.host(state, place);
        deadline
            && host.draining
            && !self.rules.is(Mutant::ExpireAtBoot)
            && self.is_awaited(state, host)
    }

    fn judge(&self, state: &mut State, place: Place) {
        let changed = state.hosts[usize::from(place)];
        for other in self.places() {
            let number = state.hosts[usize::from(other)];
            let pair = (changed.min(number), changed.max(number));
            let verdict = self.verdicts.get_or(pair, || {
                check_pair(self.hosts.get(pair.0), self.hosts.get(pair.1))
            });
            state.broken.join(verdict);
        }
    }

    fn happens_at(&self, last: &State, place: Place, event: Event) -> State {
        let mut next = *last;
        let number = last.hosts[usize::from(place)];
        if let Event::Timer(_, TimerKind::Silence) = event {
            let host = self.host(last, place);
            let early = host.draining && self.is_awaited(last, host);
            next.broken.mark_if(Safety::SilenceSparesTheWaiting, early);
        }
        let changed = self.outcome(number, event, |outcome| {
            next.hosts[usize::from(place)] = outcome.host;
            for letter in &outcome.letters {
                next.network.add(*letter, self.plan().letters);
            }
            next.broken.join(outcome.broken);
            outcome.host != number
        });
        if changed {
            self.judge(&mut next, place);
        }
        next
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut hosts = [0; MAX_PLACES];
        let mut broken = Broken::default();
        for place in self.places() {
            let mut host = Host::new(place);
            if self.plan().initiators.contains(&place) {
                let turn = Turn::of(host, &self.rules).open();
                broken.join(turn.broken);
                host = turn.host;
            }
            hosts[usize::from(place)] = self.hosts.number(host);
        }
        vec![State {
            hosts,
            network: Network([NONE; MAX_LETTERS]),
            left: self.plan().trouble,
            broken,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.is_over(state.broken) {
            return;
        }
        self.deliveries(state, actions);
        for place in self.places() {
            let number = state.hosts[usize::from(place)];
            let host = self.hosts.get(number);
            if host.wants_location.is_some() && host.open.is_none() {
                let found = self.directory(state, host);
                actions.push(Action::At(place, Event::Locate(found)));
            }
            for Choice { event, .. } in self.choices(number) {
                let affordable = self.pay(state.left, place, *event).is_some();
                if affordable && !self.must_wait(state, place, *event) {
                    actions.push(Action::At(place, *event));
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = match action {
            Action::At(place, event) => {
                let mut next = self.happens_at(last, place, event);
                next.left = self.pay(last.left, place, event)?;
                next
            }
            Action::Deliver {
                letter,
                place,
                stays,
                astray,
            } => {
                let mut before = *last;
                before.network.remove(letter);
                let mut next = self.happens_at(&before, place, Event::Deliver(letter));
                if stays {
                    next.network.add(letter, self.plan().letters);
                }
                next.left.repeats -= u8::from(stays);
                next.left.misroutes -= u8::from(astray);
                next
            }
            Action::Lose(letter) => {
                let mut next = *last;
                next.network.remove(letter);
                next
            }
        };
        next.broken.join(last.broken);
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        super::property::as_properties()
    }

    fn format_action(&self, action: &Action) -> String {
        match action {
            Action::At(place, event) => format!("node{place} {event:?}"),
            Action::Deliver {
                letter,
                place,
                stays,
                astray,
            } => format!(
                "node{place} hears{}{} {}",
                if *astray { ", by mistake," } else { "" },
                if *stays { ", the first time," } else { "" },
                self.letter(*letter).frame.summary()
            ),
            Action::Lose(letter) => format!("lost: {}", self.letter(*letter).frame.summary()),
        }
    }
}

/// The record of the main dialog's initiator.
pub(super) fn initiator_key() -> EndpointKey {
    EndpointKey {
        dialog: super::host::main_dialog(),
        role: Role::Initiator,
    }
}
