//! Several nodes on one thread: virtual time, a network and disks that misbehave on demand, every choice from a seed.
//!
//! Owns the order in which things happen. A node here is the production node without its threads: the same shards, gate
//! and store, stepped by this loop. The same seed and the same calls give the same run.

mod clock;
mod death;
mod home;
mod run;
mod trace;
mod wire;

use std::{collections::BTreeMap, future::Future, rc::Rc, sync::Arc, time::Duration};

use actor_store::{Crash, Disk, MemoryDisk, Options, Store, Table};

pub use death::die;
pub(crate) use death::pass_death_on;
pub use home::Moment;
pub use run::Task;
pub use trace::{Event, Fate, FrameRecord};

use crate::{
    Dialog, Gnomes, Node, NodeBuilder, Pending, Remote, View, node::Address, protocol::DialogId,
};
use clock::{SeededIds, VirtualClock};
use home::{Home, Plan};
use run::Tasks;
use wire::{Rule, What, Wire};

/// Which of the things that can happen next does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// One after the other.
    RoundRobin,
    /// As the seed decides.
    Seeded,
}

/// The world. Nothing in it happens unless one of its methods is called.
pub struct World {
    clock: Arc<VirtualClock>,
    ids: Arc<SeededIds>,
    wire: Arc<Wire>,
    homes: BTreeMap<String, Home>,
    order: Order,
    turn: u64,
    sync_steps: u32,
    supervised: bool,
    patience: Duration,
    steps: u64,
    trace: Vec<Event>,
    tasks: Tasks,
}

type Opening<D> = <<D as Dialog>::Pending as Pending>::Opening<Remote>;

impl World {
    /// An empty world in which `seed` decides what happens next.
    pub fn new(seed: u64) -> Self {
        let clock = Arc::new(VirtualClock::default());
        Self {
            ids: Arc::new(SeededIds::new(seed)),
            wire: Arc::new(Wire::new(Arc::clone(&clock))),
            clock,
            homes: BTreeMap::new(),
            order: Order::Seeded,
            turn: seed,
            sync_steps: 0,
            supervised: false,
            patience: Duration::from_secs(60 * 86_400),
            steps: 0,
            trace: Vec::new(),
            tasks: Tasks::default(),
        }
    }

    /// An empty world in which everybody takes turns.
    pub fn calm() -> Self {
        let mut world = Self::new(0);
        world.order = Order::RoundRobin;
        world
    }

    /// Lets each sync take as long as this many other steps.
    #[must_use]
    pub fn sync_takes(mut self, steps: u32) -> Self {
        self.sync_steps = steps;
        self
    }

    /// Starts a node whose store failed again, a second later, on what its disk has kept.
    #[must_use]
    pub fn supervised(mut self) -> Self {
        self.supervised = true;
        self
    }

    /// How much time may pass before [`World::run`] gives up on a future.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// A new node with an empty store, started now and at every restart with what `build` says.
    pub fn node(&mut self, name: &str, build: impl Fn(NodeBuilder) -> NodeBuilder + 'static) {
        let home = Home::new(Rc::new(build));
        assert!(
            self.homes.insert(name.to_owned(), home).is_none(),
            "there is a node `{name}` already"
        );
        self.restart(name);
    }

    /// The node as an application holds it, in its present life.
    pub fn at(&self, name: &str) -> Arc<Node> {
        Arc::clone(&self.home(name).life().node)
    }

    /// [`Node::open`] on this node.
    pub fn open<D: Dialog>(&self, name: &str) -> Opening<D> {
        self.at(name).open::<D>()
    }

    /// [`Node::open_as`] on this node.
    pub fn open_as<D: Dialog>(&self, name: &str, key: &str) -> Opening<D> {
        self.at(name).open_as::<D>(key)
    }

    /// The node's application tables, all of it durable.
    pub fn read(&mut self, name: &str) -> View {
        let node = self.at(name);
        match self.run(async move { node.read().await }) {
            Ok(view) => view,
            Err(cause) => panic!("`{name}` cannot be read: {cause}"),
        }
    }

    /// Runs until `future` is ready, letting time pass where nothing else can happen.
    pub fn run<F: Future>(&mut self, future: F) -> F::Output {
        self.drive(future)
    }

    /// Starts a future beside others; it goes on whenever the world does.
    pub fn start<F: Future<Output: 'static> + 'static>(&mut self, future: F) -> Task<F::Output> {
        self.tasks.add(future)
    }

    /// What a started future came to.
    pub fn finish<T: 'static>(&mut self, task: &Task<T>) -> T {
        let task = task.clone();
        self.drive(std::future::poll_fn(move |cx| task.poll(cx)))
    }

    /// Drops a started future before it is ready.
    pub fn cancel<T>(&mut self, task: &Task<T>) {
        self.tasks.cancel(task.index());
    }

    /// Does everything that can happen without time passing.
    pub fn settle(&mut self) {
        while self.step() {}
    }

    /// Lets `time` pass; everything that is due on the way happens in its order.
    pub fn advance(&mut self, time: Duration) {
        let until = self.clock.now() + time.as_millis() as u64;
        self.pass(until);
    }

    /// Milliseconds since the epoch, here.
    pub fn now_ms(&self) -> u64 {
        self.clock.now()
    }

    /// The process dies: everything that was not synced is lost.
    pub fn crash(&mut self, name: &str) {
        self.crash_with(name, Crash::LoseUnsynced);
    }

    /// The process dies, and this is what becomes of writes that were not synced.
    pub fn crash_with(&mut self, name: &str, how: Crash) {
        self.note(Event::Crash {
            node: name.to_owned(),
        });
        self.home_mut(name).crash(how);
        self.wire.forget_node(name);
    }

    /// Kills the process at the `k`-th of its commits from now, 1 being the next; a second later it starts again.
    pub fn crash_at(&mut self, name: &str, moment: Moment, k: u64) {
        self.home_mut(name).plan = Some(Plan { moment, left: k });
    }

    /// Is a planned crash still to come?
    pub fn is_crash_due(&self, name: &str) -> bool {
        self.home(name).plan.is_some()
    }

    /// Starts the node on what its disk has; a running one crashes first.
    pub fn restart(&mut self, name: &str) {
        if self.home(name).life.is_some() {
            self.crash(name);
        }
        self.begin(name);
    }

    /// The node starts anew under its old name, without its store.
    pub fn wipe(&mut self, name: &str) {
        self.crash(name);
        self.home_mut(name).disk = MemoryDisk::new();
        self.begin(name);
    }

    /// The node loses its record of one dialog, and nothing else, in a restart.
    pub fn forget(&mut self, name: &str, dialog: DialogId) {
        self.crash(name);
        let disk: Arc<dyn Disk> = Arc::new(self.home(name).disk.clone());
        let store =
            Store::open(disk, Options::default(), [0; 16]).expect("a store that was running opens");
        let rows = store
            .range(
                Table::Endpoints,
                &[],
                std::ops::Bound::Unbounded,
                usize::MAX,
            )
            .expect("it can be read");
        let lost = rows.into_iter().map(|(key, _)| key).filter(|key| {
            Address::from_bytes(key).is_some_and(|address| address.key.dialog == dialog)
        });
        let writes = lost
            .map(|key| actor_store::Write {
                table: Table::Endpoints,
                key,
                value: None,
            })
            .collect();
        store.publish(writes);
        store.commit(store.cut()).expect("it can be written");
        drop(store);
        self.begin(name);
    }

    /// Is it running, with a store that works?
    pub fn is_up(&self, name: &str) -> bool {
        self.home(name)
            .life
            .as_ref()
            .is_some_and(|life| !life.shared.has_failed())
    }

    /// Why the node stopped by itself, if it did.
    pub fn failure(&self, name: &str) -> Option<String> {
        let life = self.home(name).life.as_ref()?;
        life.shared.failure().borrow().clone()
    }

    /// The disk of the node's present life.
    pub fn disk(&self, name: &str) -> MemoryDisk {
        self.home(name).disk.clone()
    }

    /// Commits of the node over all its lives.
    pub fn commits(&self, name: &str) -> u64 {
        self.home(name).commits
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Lets gnomes at all frames sent from now on; what earlier ones held back is let go.
    pub fn gnomes(&mut self, gnomes: Gnomes) {
        self.wire.set_gnomes(gnomes);
    }

    /// Loses the next `count` frames for which `test` holds.
    pub fn lose(&mut self, count: u32, test: impl Fn(&FrameRecord) -> bool + Send + 'static) {
        self.wire.add(Rule::new(What::Lose, count, test));
    }

    /// Delivers the next `count` frames for which `test` holds, and once more.
    pub fn repeat(&mut self, count: u32, test: impl Fn(&FrameRecord) -> bool + Send + 'static) {
        self.wire.add(Rule::new(What::Repeat, count, test));
    }

    /// Keeps the next `count` frames for which `test` holds until [`World::let_go`].
    pub fn hold(&mut self, count: u32, test: impl Fn(&FrameRecord) -> bool + Send + 'static) {
        self.wire.add(Rule::new(What::Hold, count, test));
    }

    /// Sends what was held, oldest first.
    pub fn let_go(&mut self) {
        self.wire.let_go();
    }

    /// Ends all rules, partitions and gnomes. What was held stays held.
    pub fn heal(&mut self) {
        self.wire.heal();
    }

    /// Nothing passes between the two nodes, either way, until [`World::heal`].
    pub fn partition(&mut self, one: &str, other: &str) {
        let pair = [one.to_owned(), other.to_owned()];
        let test =
            move |record: &FrameRecord| pair.contains(&record.from) && pair.contains(&record.to);
        self.wire.add(Rule::new(What::Lose, u32::MAX, test));
    }

    /// Sends a frame of the past once more, as it was.
    pub fn replay(&mut self, record: &FrameRecord) {
        self.wire.replay(record);
    }

    /// Every frame that was handed to the network, and what became of it.
    pub fn frames(&self) -> Vec<FrameRecord> {
        self.wire.records()
    }

    /// What happened, in order.
    pub fn trace(&self) -> &[Event] {
        &self.trace
    }

    /// The kinds of the frames from one node to another that were not lost, for a story.
    pub fn story(&self) -> Vec<String> {
        let line = |record: &FrameRecord| {
            format!(
                "{} -> {}: {} ({:?})",
                record.from,
                record.to,
                record.frame.summary(),
                record.fate
            )
        };
        self.frames().iter().map(line).collect()
    }

    fn note(&mut self, event: Event) {
        self.trace.push(event);
    }

    fn home(&self, name: &str) -> &Home {
        self.homes
            .get(name)
            .unwrap_or_else(|| panic!("there is no node `{name}`"))
    }

    fn home_mut(&mut self, name: &str) -> &mut Home {
        self.homes
            .get_mut(name)
            .unwrap_or_else(|| panic!("there is no node `{name}`"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Nodes and network hold each other.
        for (name, home) in &mut self.homes {
            self.wire.forget_node(name);
            if let Some(life) = home.life.take() {
                life.die();
            }
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("steps", &self.steps)
            .field("nodes", &self.homes.keys())
            .finish_non_exhaustive()
    }
}
