//! A world for tests: many nodes on one thread, virtual time, and one seed that decides everything.
//!
//! The nodes are the production nodes without their threads: the same protocol, shards, gate and store, the real database
//! on disks in memory that lose, tear and reorder what was not synced. One loop steps them. Two days pass in a few
//! milliseconds, and the same seed and the same calls give the same run.
//!
//! # A story, told step by step
//!
//! [`World::calm`] does nothing wrong by itself. The test makes the trouble, in the words of
//! [the vocabulary below](#trouble-by-hand):
//!
//! ```
//! use actor_core::{prelude::*, world::{Moment, World}};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Counter(u64);
//!
//! #[dialog(timeout = "2 days")]
//! impl Counter {
//!     #[handler]
//!     fn increment(&mut self) -> u64 {
//!         self.0 += 1;
//!         self.0
//!     }
//! }
//!
//! let mut world = World::calm();
//! world.serve::<Counter>().instances(3); // counter-1 to counter-3, each with a store
//! let counter = world.front().open_as::<Counter>("main"); // the front serves nothing and opens everything
//! assert_eq!(world.run(counter.increment()), Ok(1));
//!
//! world.drop_next_reply();
//! world.crash_at("counter-1", Moment::AfterCommit, 1); // durable, and nobody hears of it
//! assert_eq!(world.run(counter.increment()), Ok(2));
//! assert_eq!(world.count("increment"), 2);
//!
//! world.advance(Duration::from_secs(49 * 3600)); // how you test a timeout
//! assert!(matches!(world.run(counter.increment()), Err(CallError::Abandoned { .. })));
//! ```
//!
//! # Many seeds, any weather
//!
//! [`World::seeded`] draws a climate from its seed: each kind of [`Fault`] is frequent, rare or absent, so that some
//! seeds test crashes on a good network and others a hostile network of good machines. [`seeds`], or the attribute
//! [`#[dialog_test]`](crate::dialog_test), runs a test in many such worlds:
//!
//! ```
//! # use actor_core::{prelude::*, world::World};
//! # #[derive(Default, Serialize, Deserialize)]
//! # struct Counter(u64);
//! # #[dialog(timeout = "2 days")]
//! # impl Counter {
//! #     #[handler]
//! #     fn increment(&mut self) -> u64 { self.0 += 1; self.0 }
//! #     #[handler]
//! #     fn finish(self) -> u64 { self.0 }
//! # }
//! // As a test of its own: `#[dialog_test(seeds = 500)]` above the function, and no call of `seeds`.
//! fn a_counter_counts(world: &mut World) {
//!     world.serve::<Counter>();
//!     let counter = world.front().open::<Counter>();
//!     assert_eq!(world.run(counter.increment()), Ok(1));
//!     assert_eq!(world.run(counter.finish()), Ok(1));
//!
//!     world.finish_all(); // heals, restarts, and waits for the last goodbye
//!     world.check_exactly_once();
//!     world.check_no_dialog_left_open();
//! }
//!
//! actor_core::world::seeds(50, a_counter_counts);
//! ```
//!
//! Where a seed fails, the test says which, leaves out every fault that the failure does not need, and shows what is left
//! as a sequence diagram. This is the report of a shop that takes an item off its shelf in a *pending* handler
//! (`examples/rerouted` has all of it):
//!
//! ```text
//! seed 15 fails: panicked at examples/rerouted/hasty.rs:61:5:
//! assertion `left == right` failed: items taken
//!   left: 2
//!  right: 1
//!
//! needs:     late first frame + rerouted first frame, of 10 faults under this seed
//! reproduce: WORLD_SEED=15 cargo test -p examples --example rerouted tests::a_hasty_shop_takes_one_item -- --exact
//! smallest:  WORLD_FAULTS=delay,reroute@0..2 WORLD_SEED=15 cargo test -p examples --example rerouted tests::a_hasty_shop_takes_one_item -- --exact
//!
//!            front     hasty-2   hasty-1
//!    0.000s  |-----~   |         |         first: reserve #1: on its way
//!    0.185s  |------------------>|         first: reserve #1 (rerouted)
//!            |         |         *         reserve #1, pending
//!            |         |         =         durable
//!            |<------------------|         answer to #1
//!            |------------------>|         you are my partner
//!            |------------------>|         collect #2 and goodbye
//!            |         |         *         establish; collect #2
//!            |         |         =         durable
//!            |<------------------|         answer to #2 and goodbye
//!            |-------->|         |         first: reserve #1 (0.185s late)
//!            |         *         |         reserve #1, pending
//!            |         =         |         durable
//!            |<--------|         |         answer to #1
//!            |-------->|         |         not here: Superseded
//! ```
//!
//! `WORLD_SEED=15` runs one seed, `WORLD_SEEDS=0..5000` others, `WORLD_FAULTS=loss,crash` some kinds of faults only.
//!
//! # What is always watched
//!
//! With each step, in every world: nothing leaves a node before it is durable; messages are taken in once and in order;
//! a message is handled for good once; a dialog becomes permanent on one memory. The checkers at the end ask what only an
//! end can tell: [`World::check_exactly_once`], [`World::check_balanced`], [`World::check_no_dialog_left_open`].
//!
//! # Trouble by hand
//!
//! | what | how |
//! |---|---|
//! | frames | [`drop_next_reply`](World::drop_next_reply), [`lose`](World::lose), [`repeat`](World::repeat), [`hold`](World::hold) and [`let_go`](World::let_go), [`replay`](World::replay), [`reroute_next`](World::reroute_next), [`gnomes`](World::gnomes) |
//! | links | [`partition`](World::partition), [`clog`](World::clog) |
//! | processes | [`crash`](World::crash), [`crash_at`](World::crash_at) a commit, [`crash_in_recovery`](World::crash_in_recovery), [`restart`](World::restart) |
//! | machines | [`power_loss`](World::power_loss), [`step_clock`](World::step_clock) |
//! | disks | [`fail_sync`](World::fail_sync), [`fill_disk`](World::fill_disk), [`slow_disk`](World::slow_disk) |
//! | memories | [`wipe`](World::wipe), [`forget`](World::forget), [`forget_dialog`](World::forget_dialog), [`copy`](World::copy) and [`restore`](World::restore) |
//! | the end of it | [`heal`](World::heal), [`finish_all`](World::finish_all) |
//!
//! # What makes a run repeat
//!
//! A world decides by its seed alone, and so must the code in it: time from `cx.now()`, ids from `cx.id()`, no
//! randomness of its own, no `HashMap` whose order shows, no timers or threads of a runtime. A resource handed in with
//! `.provide(..)` outlives the crash of a node, as the world outside does; make a new one for each world.
//!
//! Owns the order in which things happen. The same seed and the same calls give the same [trace](World::trace).

mod asked;
mod by_hand;
mod check;
mod clock;
mod command;
mod damage;
mod death;
mod diagram;
mod fault;
mod home;
mod ledger;
mod name;
mod nodes;
mod report;
mod run;
mod seeds;
mod steps;
mod swept;
mod tasks;
mod trace;
mod weather;
mod wire;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

pub use damage::Record;
pub use death::die;
pub(crate) use death::pass_death_on;
pub use fault::{Fault, Faults};
pub use home::Moment;
pub use name::Name;
pub use seeds::{Failure, Seeds, seeds};
pub use tasks::Task;
pub use trace::{Event, Fate, FrameRecord, HandlerRun};

use crate::{Answer, CallError, Node, Remote, Request, protocol::DialogId};
use clock::{Dice, SeededIds, VirtualClock};
use home::Home;
use ledger::Ledger;
use nodes::Pool;
use run::Step;
use swept::Swept;
use tasks::Tasks;
use weather::{Plan, Weather};
use wire::{Balance, Wire};

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
    swept: Swept,
    /// Frames whose sending is in the trace.
    frames_seen: usize,
    /// Dialogs that a checker complained of.
    focus: Vec<DialogId>,
    possible: Vec<Step>,
}

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
            swept: Swept::default(),
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

    /// Runs until `future` is ready, letting time pass where nothing else can happen.
    pub fn run<F: Future>(&mut self, future: F) -> F::Output {
        self.drive(future)
    }

    /// Asks from this node, and asks again whenever its process has died meanwhile. What is asked must be the same when
    /// it is asked again: open with a key, and name a request that has an effect with `.once(..)`.
    ///
    /// # Panics
    ///
    /// If the process dies a hundred times.
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
        self.swept.pass(time.as_millis() as u64);
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

    /// How many rows one of the store's own tables has, in the node's present life.
    #[doc(hidden)]
    pub fn stored_rows(&self, name: &str, table: actor_store::Table) -> usize {
        let store = &self.home(name).life().shared.store;
        let rows = store.range(table, &[], std::ops::Bound::Unbounded, usize::MAX);
        rows.expect("it can be read").len()
    }

    /// Bytes written to the node's journal in its present life.
    #[doc(hidden)]
    pub fn journal_bytes(&self, name: &str) -> u64 {
        let store = &self.home(name).life().shared.store;
        store.stats().journal_bytes_written
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
