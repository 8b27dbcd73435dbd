//! One node of a world over all its lives: the disk that stays, and what dies with the process.

use std::{rc::Rc, sync::Arc};

use actor_store::{Crash, MemoryDisk, Options};

use super::{
    Name,
    clock::{SeededIds, VirtualClock},
    steps::{LifeClock, Off},
    wire::Wire,
};
use crate::{
    Node, NodeBuilder, StartError,
    node::{Committed, Cut, Outside, Parts, SCAN_EVERY_MS, Shard, Shared},
};

/// Where a planned crash strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The commit never happens.
    BeforeCommit,
    /// The commit is durable, and nothing of it has left.
    AfterCommit,
}

/// A crash to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) moment: Moment,
    /// Commits until it strikes, this one included.
    pub(super) left: u64,
}

/// Endpoints and actors a shard keeps in memory: so few that most of them are read back for each message.
const CELLS: usize = 3;
/// Shards of each node.
const SHARDS: usize = 2;

/// What the gate's thread would be doing.
#[derive(Debug, Default)]
pub(super) enum Gate {
    #[default]
    Idle,
    /// A sync is on its way, for this many more steps, and at least until then.
    Writing(Cut, u32, u64),
    Durable(Committed),
}

/// A node from start to crash.
pub(super) struct Life {
    pub(super) node: Arc<Node>,
    pub(super) shared: Arc<Shared>,
    pub(super) shards: Vec<Shard>,
    pub(super) gate: Gate,
    /// On the node's clock.
    pub(super) next_scan: u64,
}

/// Whether what a seed draws happens to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposed {
    Yes,
    /// It stands for the world outside: its frames are lost as anybody's, its process and disk are well.
    NetworkOnly,
}

/// How a start ended.
pub(super) enum Begun {
    /// It runs, in this life.
    Runs(u64),
    /// It died while it opened its store.
    Died,
}

/// A node's place: what is there whether it runs or not.
pub(super) struct Home {
    pub(super) name: Name,
    build: Rc<dyn Fn(NodeBuilder) -> NodeBuilder>,
    pub(super) exposed: Exposed,
    pub(super) disk: MemoryDisk,
    pub(super) life: Option<Life>,
    pub(super) plan: Option<Plan>,
    /// When it starts again by itself.
    pub(super) start_at: Option<u64>,
    /// The next start dies after this many changes of its files.
    pub(super) dies_in_recovery: Option<u64>,
    /// How long each sync takes.
    pub(super) sync_ms: u64,
    pub(super) commits: u64,
    /// How far the machine's clock is off.
    pub(super) off: Off,
}

impl Home {
    pub(super) fn new(
        name: Name,
        exposed: Exposed,
        build: Rc<dyn Fn(NodeBuilder) -> NodeBuilder>,
    ) -> Self {
        Self {
            name,
            build,
            exposed,
            disk: MemoryDisk::new(),
            life: None,
            plan: None,
            start_at: None,
            dies_in_recovery: None,
            sync_ms: 0,
            commits: 0,
            off: Off::default(),
        }
    }

    pub(super) fn life(&self) -> &Life {
        match &self.life {
            Some(life) => life,
            None => panic!("`{}` is down: `restart` it, or let time pass", self.name),
        }
    }

    /// Its life, if its store works.
    pub(super) fn running(&self) -> Option<&Life> {
        self.life.as_ref().filter(|life| !life.shared.has_failed())
    }

    /// Starts on the disk as it is.
    pub(super) fn begin(
        &mut self,
        clock: &Arc<VirtualClock>,
        ids: &Arc<SeededIds>,
        wire: &Arc<Wire>,
    ) -> Begun {
        self.start_at = None;
        let dies = self.dies_in_recovery.take();
        if let Some(changes) = dies {
            self.disk.lose_power_after(changes);
        }
        let life = self.open(clock, ids, wire);
        let died = dies.is_some() && self.disk.keep_power();
        match life {
            // The store may have gone away under what was opened.
            Ok(life) if died => {
                life.die();
                Begun::Died
            }
            Ok(life) => {
                let incarnation = life.shared.incarnation;
                self.life = Some(life);
                Begun::Runs(incarnation)
            }
            Err(_) if died => Begun::Died,
            Err(cause) => panic!("`{}` does not start: {cause}", self.name),
        }
    }

    fn open(
        &self,
        clock: &Arc<VirtualClock>,
        ids: &Arc<SeededIds>,
        wire: &Arc<Wire>,
    ) -> Result<Life, StartError> {
        let options = Options {
            cache_bytes: 256 * 1024,
            fold_records: 200,
            fold_chunk: 40,
            ..Options::default()
        };
        let name: &str = &self.name;
        let builder = Node::builder(name)
            .name(name)
            .shards(SHARDS)
            .store_options(options);
        let wire = Arc::clone(wire);
        let builder = (self.build)(builder.transport(wire));
        let outside = Outside {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::new(LifeClock::new(clock, &self.off)),
            ids: Arc::<SeededIds>::clone(ids),
        };
        let Parts { shared, mut shards } = builder.assemble(outside)?;
        shared.notebook.open();
        shared.join_network()?;
        for shard in &mut shards {
            shard.keep(CELLS);
        }
        // The start has looked at the index already.
        let next_scan = shared.started_ms + SCAN_EVERY_MS;
        let node = Arc::new(Node::stepped(Arc::clone(&shared)));
        Ok(Life {
            node,
            shared,
            shards,
            gate: Gate::Idle,
            next_scan,
        })
    }

    /// Counts a commit towards the planned crash. Set if it strikes at this one.
    pub(super) fn strikes(&mut self) -> Option<Moment> {
        let plan = self.plan.as_mut()?;
        plan.left -= 1;
        let strikes = (plan.left == 0).then_some(plan.moment);
        if strikes.is_some() {
            self.plan = None;
        }
        strikes
    }

    /// Everything in memory is gone, and of what was not synced some or all.
    pub(super) fn crash(&mut self, how: Crash) {
        self.plan = None;
        if let Some(life) = self.life.take() {
            life.die();
            self.disk = self.disk.crash(how);
        }
    }
}

impl Life {
    /// When it is so late for this node, in the world's time.
    pub(super) fn in_the_world(&self, due: u64, now: u64) -> u64 {
        now + due.saturating_sub(self.shared.clock.now_ms())
    }

    /// Whoever waits in this process hears that it stopped; nobody else hears anything.
    pub(super) fn die(self) {
        drop(self.shards);
        drop(self.gate);
        self.shared.die();
    }
}
