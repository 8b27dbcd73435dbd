//! A flood of openings by strangers who never come back: memory stays flat, and everybody else is served.
//!
//! A program of its own, because it counts every allocation of the process.

use std::alloc::System;

use actor_core::{
    Network, Node, NodeBuilder,
    prelude::*,
    protocol::{DialogId, Frame, Limits, StoreId, Token},
    world::World,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Openings of each flood.
const FLOOD: u64 = 100_000;
/// How much more memory may be in use at any time while a flood comes and after it.
const GROWTH_BYTES: u64 = 32 * 1024 * 1024;

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    count: u64,
}

#[dialog(timeout = "2 days")]
impl Counter {
    #[handler]
    fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Basket {
    items: Vec<String>,
}

#[dialog(pending, timeout = "30m")]
impl Basket {
    #[handler]
    fn put(&mut self, item: String) -> Result<u64, String> {
        self.items.push(item);
        Ok(self.items.len() as u64)
    }
    #[establish]
    fn establish(self) -> Order {
        Order { items: self.items }
    }
}

#[derive(Serialize, Deserialize)]
struct Order {
    items: Vec<String>,
}

#[dialog(pending = Basket, timeout = "2 days")]
impl Order {
    #[handler]
    fn items(&self) -> Vec<String> {
        self.items.clone()
    }
}

fn in_use() -> u64 {
    let stats = COUNTING.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as u64
}

fn id(kind: u8, number: u64) -> [u8; 16] {
    // Spread over slots, as those of honest strangers are.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut id = [kind; 16];
    id[..8].copy_from_slice(&mixed.to_le_bytes());
    id
}

/// What an honest initiator says first.
fn first_frame<T>(open: impl FnOnce(&World) -> T, run: impl FnOnce(&mut World, T)) -> Frame {
    let mut world = World::calm();
    world.node("server", |builder: NodeBuilder| {
        builder.serve::<Counter>().serve::<Order>()
    });
    world.node("caller", |builder| builder);
    let opening = open(&world);
    run(&mut world, opening);
    let frames = world.frames();
    let first = frames.iter().find(|record| record.frame.is_initiating());
    Frame::clone(&first.expect("it was opened").frame)
}

/// The same by somebody who does not exist.
fn forged(honest: &Frame, number: u64, peer: u64) -> Vec<u8> {
    let mut frame = honest.clone();
    frame.dialog = DialogId(id(1, number));
    frame.src_token = Token(id(2, number));
    frame.stamp(StoreId(id(3, peer)), "stranger", 1, number, [0; 16]);
    frame.encode()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flood_of_openings_leaves_memory_flat_and_live_dialogs_answer() {
    let handshake = first_frame(
        |world| world.open::<Counter>("caller"),
        |world, counter| _ = world.run(counter.increment()),
    );
    let pending = first_frame(
        |world| world.open::<Order>("caller"),
        |world, basket| _ = world.run(basket.put("x".repeat(600))),
    );
    let limits = Limits::default();
    let network = Network::new();
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Node::builder(here.path())
        .name("server")
        .serve::<Counter>()
        .serve::<Order>()
        // One shard: a request behind the flood is answered after it.
        .shards(1)
        .cache_bytes(1024 * 1024)
        .network(&network)
        .start()
        .unwrap();
    let friend = Node::builder(there.path())
        .name("friend")
        .shards(1)
        .cache_bytes(1024 * 1024)
        .network(&network)
        .start()
        .unwrap();
    let live = friend.open::<Counter>();
    assert_eq!(live.increment().await.unwrap(), 1);

    let before = in_use();
    let (mut peak, mut count) = (0, 1);
    for number in 0..FLOOD {
        // First all from one store, then from a new one each.
        let peer = number.saturating_sub(FLOOD / 2);
        let honest = if number % 2 == 0 {
            &handshake
        } else {
            &pending
        };
        server.inject(&forged(honest, number, peer));
        if number % 500 == 499 {
            count += 1;
            assert_eq!(live.increment().await.unwrap(), count);
            peak = peak.max(in_use().saturating_sub(before));
        }
        if number == FLOOD / 2 {
            assert_eq!(server.half_open(), limits.max_half_open_per_peer);
            let other = friend.open::<Counter>();
            let answer = other.increment().await;
            assert_eq!(answer.unwrap(), 1, "others are still let in");
        }
    }
    let half_open = server.half_open();
    println!("{half_open} admitted, peak {peak} bytes");
    // Their bytes are too many before their number is.
    assert!(half_open < FLOOD / 2 - 10_000, "{half_open}");
    assert!(peak < GROWTH_BYTES, "memory grew by {peak} bytes");
    for _ in 0..100 {
        count += 1;
        assert_eq!(live.increment().await.unwrap(), count);
    }
    let after = in_use().saturating_sub(before);
    assert!(after < GROWTH_BYTES, "{after} bytes are kept");
}
