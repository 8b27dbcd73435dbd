//! One shard by hand: each turn, each settling and each sync when a test says so, to get between them.
//!
//! Owns a node of one shard without threads, its time and its wire. What whole nodes promise is tested with a
//! [`World`](crate::world::World); here are the orders of things that a world meets too seldom.

mod cap;
mod lots;
mod order;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use actor_store::{Crash, MemoryDisk, Table};

use super::{Next, Shard};
use crate::{
    Node, NodeBuilder,
    dialog::Ids,
    node::{Clock, Committed, Outside, Parts, Shared, persist, release},
    protocol::{Destination, Location, StoreId},
    transport::{Member, Taken, Transport},
};

const BEGIN_MS: u64 = 1_700_000_000_000;

/// A clock that a test moves.
#[derive(Debug, Clone)]
struct Hand(Arc<AtomicU64>);

impl Default for Hand {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(BEGIN_MS)))
    }
}

impl Hand {
    fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ids that grow: whoever is opened first has the smaller address.
#[derive(Debug)]
struct Count(AtomicU64);

impl Ids for Count {
    fn random(&self) -> [u8; 16] {
        let mut id = [0; 16];
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        id[8..].copy_from_slice(&number.to_be_bytes());
        id
    }
}

/// Keeps what is sent. Somebody serves everything, and says nothing unless a test makes it.
#[derive(Debug, Default)]
struct Wire(Mutex<Vec<Vec<u8>>>);

impl Transport for Wire {
    fn join(&self, _: Member) -> Result<(), Taken> {
        Ok(())
    }
    fn leave(&self, _: &str, _: StoreId) {}
    fn send(&self, _: &str, _: &Destination, frame: Vec<u8>) {
        self.0.lock().unwrap().push(frame);
    }
    fn serves(&self, _: &str) -> bool {
        true
    }
    fn locate(&self, _: StoreId, _: &str) -> Location {
        Location::Unknown
    }
}

/// A request on its way.
struct Asked<T>(Pin<Box<dyn Future<Output = T>>>);

impl<T> Asked<T> {
    fn poll(&mut self) -> Poll<T> {
        self.0
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    }
}

/// A node of one shard.
struct Rig {
    name: &'static str,
    disk: MemoryDisk,
    clock: Hand,
    wire: Arc<Wire>,
    shared: Arc<Shared>,
    node: Node,
    shard: Shard,
}

type Build = fn(NodeBuilder) -> NodeBuilder;

impl Rig {
    fn new(name: &'static str, build: Build) -> Self {
        Self::start(name, build, MemoryDisk::new(), Hand::default())
    }

    fn start(name: &'static str, build: Build, disk: MemoryDisk, clock: Hand) -> Self {
        let wire = Arc::new(Wire::default());
        let builder = Node::builder(name)
            .name(name)
            .shards(1)
            .provide(clock.clone())
            .transport(Arc::<Wire>::clone(&wire));
        // Of two nodes at one time none mints what another has minted.
        let first = clock.now_ms() + name.bytes().map(u64::from).sum::<u64>() * 1_000_000;
        let outside = Outside {
            disk: Arc::new(disk.clone()),
            clock: Arc::new(clock.clone()),
            ids: Arc::new(Count(AtomicU64::new(first))),
        };
        let Parts { shared, mut shards } = build(builder).assemble(outside).unwrap();
        Self {
            name,
            disk,
            clock,
            wire,
            node: Node::stepped(Arc::clone(&shared)),
            shared,
            shard: shards.remove(0),
        }
    }

    /// As its thread ends where the node is told to stop, and as the next life begins.
    fn stop_well_and_start(mut self, build: Build) -> Self {
        self.shared.stop();
        while !matches!(self.shard.run().unwrap(), Next::End) {}
        self.shard.write_all().unwrap();
        self.commit();
        self.shared.store.end_well(self.clock.now_ms()).unwrap();
        self.start_again(build, Crash::LoseUnsynced)
    }

    fn start_again(self, build: Build, how: Crash) -> Self {
        let disk = self.disk.crash(how);
        Self::start(self.name, build, disk, self.clock.clone())
    }

    /// Hands a request to the shard. It is not looked at yet.
    fn ask<F: Future + 'static>(&self, request: F) -> Asked<F::Output> {
        let waiting = || self.shared.mailboxes[0].len();
        let (before, mut asked) = (waiting(), Asked(Box::pin(request)));
        assert!(asked.poll().is_pending() && waiting() == before + 1);
        asked
    }

    fn turns(&mut self, turns: u32) {
        for _ in 0..turns {
            assert!(self.shard.turn().unwrap(), "there was nothing to do");
        }
    }

    /// A sync. What waits for it is not let out yet.
    fn sync(&self) -> Option<Committed> {
        self.shared
            .gate
            .cut()
            .map(|cut| persist(&self.shared, cut).unwrap())
    }

    fn let_out(&self, committed: Option<Committed>) {
        if let Some(committed) = committed {
            release(&self.shared, committed);
        }
    }

    fn commit(&self) {
        self.let_out(self.sync());
    }

    /// Everything that can be done now.
    fn quiet(&mut self) {
        while self.shard.is_ready() || !self.shared.gate.is_idle() {
            while self.shard.is_ready() {
                self.shard.step(false).unwrap();
            }
            self.commit();
        }
    }

    /// Everything that can be done now, and what it came to.
    fn answer<T>(&mut self, mut asked: Asked<T>) -> T {
        self.quiet();
        match asked.poll() {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("nothing more can be done, and there is no answer"),
        }
    }

    /// Lets time pass, and all that is due on the way happen.
    fn pass(&mut self, ms: u64) {
        let until = self.clock.now_ms() + ms;
        self.quiet();
        while let Some(due) = self.shard.next_due().filter(|due| *due <= until) {
            self.clock.0.fetch_max(due, Ordering::Relaxed);
            self.quiet();
        }
        self.clock.0.fetch_max(until, Ordering::Relaxed);
        self.quiet();
    }

    /// What was sent reaches the other node.
    fn deliver_to(&self, other: &Self) {
        let frames = std::mem::take(&mut *self.wire.0.lock().unwrap());
        frames
            .iter()
            .for_each(|frame| other.shared.take_frame(frame));
    }

    fn rows(&self, table: Table) -> usize {
        let rows = self
            .shared
            .store
            .range(table, &[], std::ops::Bound::Unbounded, usize::MAX);
        rows.unwrap().len()
    }
}
