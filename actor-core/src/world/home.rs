//! One node of a world over all its lives: the disk that stays, and what dies with the process.

use std::{rc::Rc, sync::Arc};

use actor_store::{Crash, MemoryDisk, Options};

use crate::{
    Node, NodeBuilder,
    node::{Committed, Cut, Outside, Parts, SCAN_EVERY_MS, Shard, Shared},
    world::{
        clock::{SeededIds, VirtualClock},
        steps::{LifeClock, Off},
        wire::Wire,
    },
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

/// What the gate's thread would be doing.
#[derive(Debug, Default)]
pub(super) enum Gate {
    #[default]
    Idle,
    /// A sync is on its way, for this many more steps.
    Writing(Cut, u32),
    Durable(Committed),
}

/// A node from start to crash.
pub(super) struct Life {
    pub(super) node: Arc<Node>,
    pub(super) shared: Arc<Shared>,
    pub(super) shards: Vec<Shard>,
    pub(super) gate: Gate,
    pub(super) next_scan: u64,
}

/// A node's place: what is there whether it runs or not.
pub(super) struct Home {
    build: Rc<dyn Fn(NodeBuilder) -> NodeBuilder>,
    pub(super) disk: MemoryDisk,
    pub(super) life: Option<Life>,
    pub(super) plan: Option<Plan>,
    /// When it starts again by itself.
    pub(super) start_at: Option<u64>,
    pub(super) commits: u64,
    /// How far the machine's clock is off.
    pub(super) off: Off,
}

impl Home {
    pub(super) fn new(build: Rc<dyn Fn(NodeBuilder) -> NodeBuilder>) -> Self {
        Self {
            build,
            disk: MemoryDisk::new(),
            life: None,
            plan: None,
            start_at: None,
            commits: 0,
            off: Off::default(),
        }
    }

    pub(super) fn life(&self) -> &Life {
        self.life.as_ref().expect("the node is running")
    }

    /// Starts on the disk as it is. The incarnation.
    pub(super) fn begin(
        &mut self,
        name: &str,
        clock: &Arc<VirtualClock>,
        ids: &Arc<SeededIds>,
        wire: &Arc<Wire>,
    ) -> u64 {
        let options = Options {
            cache_bytes: 256 * 1024,
            fold_records: 200,
            fold_chunk: 40,
            ..Options::default()
        };
        let builder = Node::builder(name)
            .name(name)
            .shards(2)
            .store_options(options);
        let wire = Arc::clone(wire);
        let builder = (self.build)(builder.transport(wire));
        let outside = Outside {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::new(LifeClock::new(clock, &self.off)),
            ids: Arc::<SeededIds>::clone(ids),
        };
        let Parts { shared, mut shards } = match builder.assemble(outside) {
            Ok(parts) => parts,
            Err(cause) => panic!("`{name}` does not start: {cause}"),
        };
        if let Err(cause) = shared.join_network() {
            panic!("`{name}` does not join: {cause}");
        }
        for shard in &mut shards {
            shard.keep(CELLS);
        }
        let incarnation = shared.incarnation;
        // The start has looked at the index already.
        let next_scan = shared.started_ms + SCAN_EVERY_MS;
        let node = Arc::new(Node::stepped(Arc::clone(&shared)));
        self.start_at = None;
        self.life = Some(Life {
            node,
            shared,
            shards,
            gate: Gate::Idle,
            next_scan,
        });
        incarnation
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
