//! DOCS
#![allow(clippy::doc_markdown)]

mod by_hand;
mod check;
mod clock;
mod diagram;
mod fault;
mod home;
mod ledger;
mod name;
mod report;
mod run;
mod seeds;
mod tasks;
mod trace;
mod weather;
mod wire;

use std::{
    collections::BTreeMap,
    future::Future,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

pub use fault::{Fault, Faults};
pub use home::Moment;
pub use name::Name;
pub use seeds::{Failure, Seeds, seeds};
pub use tasks::Task;
pub use trace::{Event, Fate, FrameRecord, HandlerRun};

use crate::{
    Answer, CallError, Dialog, Node, NodeBuilder, Pending, Remote, Request, View,
    protocol::DialogId,
};
use clock::{Dice, SeededIds, VirtualClock};
use home::{Exposed, Home};
use ledger::Ledger;
use run::Step;
use tasks::Tasks;
use weather::{Plan, Weather};
use wire::{Balance, Wire};

/// The node of plain callers, see [`World::front`].
const FRONT: &str = "front";
/// Instances of a pool, where nothing else is said: one is no pool.
const INSTANCES: usize = 2;
/// How often [`World::insist`] asks at most.
const ASKED_AT_MOST: u32 = 100;

/// Which of the things that can happen next does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// One after the other.
    RoundRobin,
    /// As the seed decides.
    Seeded,
}

/// What a pool's instances are made of.
struct Pool {
    service: String,
    build: Rc<dyn Fn(NodeBuilder) -> NodeBuilder>,
    instances: usize,
}

/// The world: nodes, their network, their disks and their time, on one thread. Nothing in it happens unless one of its
/// methods is called. See the [module](self) for a tour.
pub struct World {
    seed: u64,
    clock: Arc<VirtualClock>,
    ids: Arc<SeededIds>,
    wire: Arc<Wire>,
    homes: Vec<Home>,
    index: BTreeMap<String, usize>,
    pool: Option<Pool>,
    order: Order,
    turn: u64,
    dice: Dice,
    sync_steps: u32,
    supervised: bool,
    patience: Duration,
    steps: u64,
    trace: Vec<Event>,
    tasks: Tasks,
    weather: Option<Arc<Mutex<Weather>>>,
    ledger: Ledger,
    /// Frames whose sending is in the trace.
    frames_seen: usize,
    /// Dialogs that a checker complained of.
    focus: Vec<DialogId>,
    possible: Vec<Step>,
}

type Opening<D> = <<D as Dialog>::Pending as Pending>::Opening<Remote>;

impl World {
    /// A world in which `seed` decides everything: what happens next, and a climate of faults of its own, in which each
    /// kind of [`Fault`] is frequent, rare or absent. Nodes that crash start again.
    pub fn seeded(seed: u64) -> Self {
        Self::with_faults(seed, Faults::ALL)
    }

    /// As [`World::seeded`], with these kinds of faults at most.
    pub fn with_faults(seed: u64, faults: Faults) -> Self {
        Self::planned(&Plan::new(seed, faults))
    }

    fn planned(plan: &Plan) -> Self {
        let mut world = Self::empty(plan.seed, Balance::Sticky);
        let weather = Arc::new(Mutex::new(Weather::new(plan)));
        world.wire.set_weather(Arc::clone(&weather));
        world.weather = Some(weather);
        world.supervised = true;
        world
    }

    /// A world in which the seed decides what happens next, and nothing goes wrong unless a test makes it.
    pub fn new(seed: u64) -> Self {
        Self::empty(seed, Balance::RoundRobin)
    }

    /// A world for a story told step by step: everybody takes turns, and nothing goes wrong unless a test makes it.
    pub fn calm() -> Self {
        let mut world = Self::new(0);
        world.order = Order::RoundRobin;
        world
    }

    fn empty(seed: u64, balance: Balance) -> Self {
        let clock = Arc::new(VirtualClock::default());
        Self {
            seed,
            ids: Arc::new(SeededIds::new(seed)),
            wire: Arc::new(Wire::new(Arc::clone(&clock), balance)),
            clock,
            homes: Vec::new(),
            index: BTreeMap::new(),
            pool: None,
            order: Order::Seeded,
            turn: seed,
            dice: Dice::new(seed, 1),
            sync_steps: 0,
            supervised: false,
            patience: Duration::from_secs(60 * 86_400),
            steps: 0,
            trace: Vec::new(),
            tasks: Tasks::default(),
            weather: None,
            ledger: Ledger::default(),
            frames_seen: 0,
            focus: Vec::new(),
            possible: Vec::new(),
        }
    }

    /// Lets each sync take as long as this many other steps.
    #[must_use]
    pub fn sync_takes(mut self, steps: u32) -> Self {
        self.sync_steps = steps;
        self
    }

    /// Starts a node whose store failed again, a second later, on what its disk has kept. Seeded worlds do.
    #[must_use]
    pub fn supervised(mut self) -> Self {
        self.supervised = true;
        self
    }

    /// How much time may pass before [`World::run`] gives up on a future; 60 days where nothing is said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// A pool of two instances that serve the dialog `D`, named after it: `checkout-1` and `checkout-2`.
    /// [`World::instances`] says otherwise.
    pub fn serve<D: Dialog>(&mut self) -> &mut Self {
        self.serve_with::<D>(|builder| builder)
    }

    /// As [`World::serve`], with more to say of each instance: what it provides, what else it serves.
    pub fn serve_with<D: Dialog>(
        &mut self,
        build: impl Fn(NodeBuilder) -> NodeBuilder + 'static,
    ) -> &mut Self {
        let service = D::CONTRACT.name.to_lowercase();
        self.pool = Some(Pool {
            service,
            build: Rc::new(move |builder| build(builder.serve::<D>())),
            instances: 0,
        });
        self.instances(INSTANCES)
    }

    /// How many instances the pool has that was served last: at least those that it has already.
    pub fn instances(&mut self, instances: usize) -> &mut Self {
        let mut pool = self
            .pool
            .take()
            .expect("`instances` follows the `serve` of a pool");
        // Two is the custom; who says one means one.
        while pool.instances > instances {
            self.remove_last(&format!("{}-{}", pool.service, pool.instances));
            pool.instances -= 1;
        }
        while pool.instances < instances {
            pool.instances += 1;
            let name = format!("{}-{}", pool.service, pool.instances);
            self.settle_in(&name, Exposed::Yes, Rc::clone(&pool.build));
        }
        self.pool = Some(pool);
        self
    }

    /// A new node with an empty store, started now and at every restart with what `build` says.
    pub fn node(&mut self, name: &str, build: impl Fn(NodeBuilder) -> NodeBuilder + 'static) {
        self.settle_in(name, Exposed::Yes, Rc::new(build));
    }

    /// The node of plain callers, which serves nothing. It stands for the world outside: its frames are lost as
    /// anybody's, and its process and disk are spared what a seed draws. For a caller that dies and asks again, make a
    /// [`World::node`] and [`World::insist`].
    pub fn front(&mut self) -> Arc<Node> {
        if !self.index.contains_key(FRONT) {
            self.settle_in(FRONT, Exposed::NetworkOnly, Rc::new(|builder| builder));
        }
        self.at(FRONT)
    }

    fn settle_in(
        &mut self,
        name: &str,
        exposed: Exposed,
        build: Rc<dyn Fn(NodeBuilder) -> NodeBuilder>,
    ) {
        let index = self.homes.len();
        assert!(
            self.index.insert(name.to_owned(), index).is_none(),
            "there is a node `{name}` already"
        );
        self.homes.push(Home::new(Name::new(name), exposed, build));
        self.begin(index);
    }

    fn remove_last(&mut self, name: &str) {
        let last = self.homes.pop_if(|home| home.name == name);
        if let Some(mut home) = last {
            self.index.remove(&*home.name);
            self.wire.forget_node(&home.name);
            if let Some(life) = home.life.take() {
                life.die();
            }
        }
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

    /// Asks from this node, and asks again whenever its process has died meanwhile. What is asked must be the same when
    /// it is asked again: open with a key, and name a request that has an effect with `.once(..)`.
    pub fn insist<T, E>(
        &mut self,
        name: &str,
        mut ask: impl FnMut(&Node) -> Request<Remote, T, E>,
    ) -> Answer<T, E> {
        for _ in 0..ASKED_AT_MOST {
            if self.is_up(name) {
                let request = ask(&self.at(name));
                match self.run(request) {
                    Err(CallError::Stopped { .. }) => {}
                    answer => return answer,
                }
            }
            self.advance(Duration::from_secs(2));
        }
        panic!(
            "asked {ASKED_AT_MOST} times, and `{name}` died each time:\n{}",
            self.state()
        );
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

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number less than `n` from the seed, for the choices of a test.
    pub fn below(&mut self, n: u64) -> u64 {
        self.dice.below(n)
    }

    /// The names of the nodes, in the order in which they came.
    pub fn nodes(&self) -> Vec<Name> {
        self.homes.iter().map(|home| home.name.clone()).collect()
    }

    /// Commits of the node over all its lives.
    pub fn commits(&self, name: &str) -> u64 {
        self.home(name).commits
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Every frame that was handed to the network, and what became of it.
    pub fn frames(&self) -> Vec<FrameRecord> {
        self.wire.records()
    }

    /// What happened, in order.
    pub fn trace(&self) -> &[Event] {
        &self.trace
    }

    fn note(&mut self, event: Event) {
        self.trace.push(event);
    }

    fn home(&self, name: &str) -> &Home {
        &self.homes[self.index_of(name)]
    }

    fn home_mut(&mut self, name: &str) -> &mut Home {
        let index = self.index_of(name);
        &mut self.homes[index]
    }

    fn index_of(&self, name: &str) -> usize {
        let index = self.index.get(name);
        *index.unwrap_or_else(|| panic!("there is no node `{name}`"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Nodes and network hold each other.
        for home in &mut self.homes {
            self.wire.forget_node(&home.name);
            if let Some(life) = home.life.take() {
                life.die();
            }
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.seed)
            .field("steps", &self.steps)
            .field("nodes", &self.nodes())
            .finish_non_exhaustive()
    }
}
