//! The loop: what is due next, until nothing is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use actor_core::coverage::{self, Circumstance};
use actor_core::protocol::{Frame, StoreId, TimerKind};

use super::dialog::{Dialog, HOSTS, Record, timer_index};
use super::plan::{Family, Plan};
use super::rng::Rng;
use super::story::Story;
use super::tally::{LONG, Tally};

/// Dialogs are opened within this time, in virtual milliseconds.
const OPENED_WITHIN_MS: u64 = 4_000;
/// Events per dialog after which a world is taken to go round in circles.
const MAX_EVENTS: u64 = 60_000;
/// Frames that are kept to be replayed.
const MAX_REPLAY: usize = 400;

#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) store: StoreId,
    pub(super) incarnation: u64,
    pub(super) send_ctr: u64,
    pub(super) up: bool,
    /// Nothing has come since the start, as far as frames to nobody are concerned.
    pub(super) fresh: bool,
    /// Frames it was hearing when it died; they come again as soon as it is back.
    pub(super) interrupted: Vec<Flight>,
    /// An older copy of its disk.
    pub(super) copy: Option<Copied>,
}

/// An older copy of a host's disk.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) store: StoreId,
    pub(super) incarnation: u64,
    pub(super) records: Vec<Option<Box<Record>>>,
}

/// A frame on its way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) frame: Frame,
    pub(super) dialog: usize,
    pub(super) from: usize,
    pub(super) to: usize,
    /// Counts the frames of its dialog.
    pub(super) number: u32,
}

#[derive(Debug)]
pub(super) enum Event {
    Open(usize),
    Arrive(Box<Flight>),
    Act(usize, usize),
    Consume(usize, usize),
    Timer(usize, usize, TimerKind),
    Restart(usize),
    Copy(usize),
}

#[derive(Debug)]
struct Entry {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// One world: hosts, a network, and the dialogs between them.
#[derive(Debug)]
pub struct World {
    pub(super) plan: Plan,
    pub(super) rng: Rng,
    pub(super) now: u64,
    events: BinaryHeap<Reverse<Entry>>,
    order: u64,
    minted: u64,
    pub(super) hosts: Vec<Host>,
    pub(super) dialogs: Vec<Dialog>,
    pub(super) kept_frames: Vec<Flight>,
    pub(super) replaying: bool,
    /// The host that hears this frame dies of it, before its commit.
    pub(super) ambush: Option<Box<Flight>>,
    pub(super) tally: Tally,
    /// A digest of everything that happened, in order.
    digest: u64,
    /// The dialog that is at work, for a failure's story.
    pub(super) concern: usize,
    story: Option<Story>,
}

impl World {
    /// The world of a seed and a plan.
    pub fn new(seed: u64, plan: Plan) -> Self {
        let mut world = Self {
            rng: Rng::new(seed),
            now: 0,
            events: BinaryHeap::new(),
            order: 0,
            minted: 0,
            hosts: Vec::new(),
            dialogs: Vec::new(),
            kept_frames: Vec::new(),
            replaying: false,
            ambush: None,
            tally: Tally {
                worlds: 1,
                ..Tally::default()
            },
            digest: seed,
            concern: 0,
            story: None,
            plan,
        };
        for name in ["i", "a", "n", "m"].into_iter().take(1 + world.plan.pool) {
            let store = StoreId(world.mint_id());
            world.hosts.push(Host {
                name: name.into(),
                store,
                incarnation: 1,
                send_ctr: 0,
                up: true,
                fresh: false,
                interrupted: Vec::new(),
                copy: None,
            });
        }
        world
    }

    /// Keeps a story for [`World::story`].
    #[must_use]
    pub fn told(mut self) -> Self {
        self.story = Some(Story::default());
        self
    }

    /// What happened last to the dialog that was at work last.
    pub fn story(&self) -> String {
        self.story
            .as_ref()
            .map(|story| story.of(self.concern))
            .unwrap_or_default()
    }

    /// Counts of what happened.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A number that is the same for the same life.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Opens the dialogs, lets the gnomes play, heals the network, runs until every record is gone, and says what must
    /// hold then. Panics with the property that does not hold.
    pub fn live(&mut self) {
        for _ in 0..self.plan.dialogs {
            let id = actor_core::protocol::DialogId(self.mint_id());
            self.dialogs.push(Dialog::new(id));
            let at = self.rng.below(OPENED_WITHIN_MS);
            self.at(at, Event::Open(self.dialogs.len() - 1));
        }
        if self.plan.family == Family::TimeTravel {
            for host in 0..self.hosts.len() {
                let at = self.rng.below(self.plan.trouble_ms);
                self.at(at, Event::Copy(host));
            }
        }
        self.run_until_quiet();
        self.tally.seconds += self.now / 1000;
        self.count_dialogs();
        self.check_at_the_end();
        if self.plan.replay {
            self.replay_everything();
        }
    }

    fn count_dialogs(&mut self) {
        for dialog in &self.dialogs {
            let heard: usize = dialog
                .memories()
                .map(|record| record.durably_heard().len())
                .sum();
            self.tally.dialogs += 1;
            self.tally.heard += heard as u64;
            if heard as u64 >= LONG {
                self.tally.long += 1;
                self.tally.reordered += u64::from(dialog.was_reordered);
                self.tally.crashed += u64::from(dialog.was_crashed);
            }
        }
    }

    fn run_until_quiet(&mut self) {
        let most = MAX_EVENTS * self.plan.dialogs as u64;
        for _ in 0..most {
            let Some(Reverse(entry)) = self.events.pop() else {
                return;
            };
            self.now = self.now.max(entry.at);
            self.happen(entry.event);
        }
        panic!("L7: they never fall silent");
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(flight) => self.arrive(*flight),
            Event::Act(dialog, host) => self.act(dialog, host),
            Event::Consume(dialog, host) => self.consume_late(dialog, host),
            Event::Timer(dialog, host, kind) => self.ring(dialog, host, kind),
            Event::Open(dialog) => self.open(dialog),
            Event::Restart(host) => self.restart(host),
            Event::Copy(host) => self.copy(host),
        }
    }

    /// A deadline that is still armed for this time fires.
    fn ring(&mut self, dialog: usize, host: usize, kind: TimerKind) {
        let now = self.now;
        if !self.hosts[host].up {
            return;
        }
        let Some(record) = self.dialogs[dialog].here[host].as_mut() else {
            return;
        };
        let due = &mut record.timers[timer_index(kind)];
        if *due > now {
            return;
        }
        *due = super::dialog::NEVER;
        self.concern = dialog;
        self.circumstance_of(dialog, host, Circumstance::Normal);
        self.ring_at(dialog, host, kind);
    }

    /// Gnomes bring back every frame there was, long after all is over: S7.
    fn replay_everything(&mut self) {
        let before: Vec<Vec<u64>> = (0..self.dialogs.len())
            .map(|dialog| self.effects_of(dialog))
            .collect();
        self.replaying = true;
        let mut flights = std::mem::take(&mut self.kept_frames);
        while !flights.is_empty() {
            let pick = self.rng.below(flights.len() as u64) as usize;
            self.tally.replayed += 1;
            self.arrive(flights.swap_remove(pick));
        }
        self.run_until_quiet();
        for (dialog, before) in before.iter().enumerate() {
            self.concern = dialog;
            assert_eq!(
                &self.effects_of(dialog),
                before,
                "S7: thirty years later, nothing happens"
            );
        }
        self.check_that_nothing_is_left();
    }

    /// How the next input comes; the first after a restart says so.
    pub(super) fn circumstance_of(&mut self, dialog: usize, host: usize, else_it: Circumstance) {
        let fresh = match self.dialogs[dialog].here[host].as_mut() {
            Some(record) => &mut record.fresh,
            None => &mut self.hosts[host].fresh,
        };
        let is_first = std::mem::take(fresh);
        coverage::set_circumstance(match else_it {
            Circumstance::Duplicated => else_it,
            _ if is_first => Circumstance::AfterCrash,
            _ => else_it,
        });
    }

    pub(super) fn keep_frame(&mut self, flight: &Flight) {
        if self.plan.replay && self.kept_frames.len() < MAX_REPLAY && !self.replaying {
            self.kept_frames.push(flight.clone());
        }
    }

    pub(super) fn is_trouble(&self) -> bool {
        self.now < self.plan.trouble_ms
    }

    pub(super) fn at(&mut self, after: u64, event: Event) {
        self.order += 1;
        let entry = Entry {
            at: self.now.saturating_add(after),
            order: self.order,
            event,
        };
        self.events.push(Reverse(entry));
    }

    pub(super) fn mint(&mut self) -> u64 {
        self.minted += 1;
        self.minted
    }

    pub(super) fn mint_id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.mint().to_be_bytes());
        id
    }

    /// Something happened: part of the digest, and of the story if there is one.
    pub(super) fn note(
        &mut self,
        dialog: Option<usize>,
        what: u64,
        line: impl FnOnce(&Self) -> String,
    ) {
        self.digest = (self.digest ^ what ^ self.now.rotate_left(32))
            .wrapping_mul(0x9fb2_1c65_1e98_df25)
            .rotate_left(29);
        if self.story.is_some() {
            let line = format!("{:>9} {}", self.now, line(self));
            if let Some(story) = &mut self.story {
                story.tell(dialog, line);
            }
        }
    }

    /// The name of a host, for a story.
    pub(super) fn name(&self, host: usize) -> &str {
        &self.hosts[host].name
    }

    pub(super) fn host_count(&self) -> usize {
        self.hosts.len().min(HOSTS)
    }
}
