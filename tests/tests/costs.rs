//! What a message costs, in things that can be counted: syncs, writes and bytes that go to the disk, and allocations.
//!
//! Never time: these figures are the same on every machine and on every day, so a change that makes messages dearer is
//! seen when it is made. The nodes are those of a world, stepped on one thread from one seed. The bookkeeping of the
//! world and the disk in memory allocate as well; they do so alike before and after a change of the node.
//!
//! A program of its own, because it counts every allocation of the process. One test, because it counts them alone.

use std::{alloc::System, fmt, sync::Arc};

use actor_core::{prelude::*, world::World};
use actor_store::FoldProgress;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Messages of each scene, after some that do not count.
const MESSAGES: u64 = 200;
/// Of the scenes in which many are under way together.
const AT_ONCE: usize = 20;

/// What a hundred messages cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    syncs: u64,
    writes: u64,
    bytes: u64,
    allocations: u64,
}

/// The most that a hundred messages of a scene may cost.
///
/// To update: run `cargo test -p tests --test costs -- --nocapture`, which prints the table as it is. A figure that
/// shrank becomes the new bound, with what is printed rounded up by a hundredth. One that grew needs a reason in the
/// message of the commit that raises it.
const AT_MOST: &[(&str, Cost)] = &[
    (
        "one dialog, one message after the other",
        Cost {
            syncs: 208,
            writes: 1_437,
            bytes: 4_279_201,
            allocations: 37_185,
        },
    ),
    (
        "one dialog, twenty messages at once",
        Cost {
            syncs: 16,
            writes: 107,
            bytes: 315_545,
            allocations: 5_312,
        },
    ),
    (
        "fifty dialogs, read back for each message",
        Cost {
            syncs: 225,
            writes: 1_562,
            bytes: 4_729_418,
            allocations: 47_680,
        },
    ),
    (
        "fifty dialogs, a fold for fifty messages",
        Cost {
            syncs: 227,
            writes: 1_568,
            bytes: 4_744_544,
            allocations: 48_367,
        },
    ),
    (
        "two nodes, one message after the other",
        Cost {
            syncs: 303,
            writes: 2_115,
            bytes: 6_288_131,
            allocations: 55_480,
        },
    ),
    (
        "a volatile dialog",
        Cost {
            syncs: 0,
            writes: 0,
            bytes: 0,
            allocations: 707,
        },
    ),
];

/// Messages in a situation: its name, and what plays it.
type Scene = (&'static str, fn() -> Cost);

#[derive(Serialize, Deserialize)]
struct Account {
    cents: u64,
    memos: Vec<u8>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            cents: 0,
            memos: vec![0; 180],
        }
    }
}

#[dialog(timeout = "30 years")]
impl Account {
    #[handler]
    fn post(&mut self, cents: u64, memo: [u8; 32]) -> (u64, [u8; 32]) {
        self.cents += cents;
        self.memos[..32].copy_from_slice(&memo);
        (self.cents, memo)
    }
}

/// The same, in memory.
#[derive(Default, Serialize, Deserialize)]
struct Session(Account);

#[dialog(timeout = "2 days", volatile)]
impl Session {
    #[handler]
    fn post(&mut self, cents: u64, memo: [u8; 32]) -> (u64, [u8; 32]) {
        self.0.cents += cents;
        (self.0.cents, memo)
    }
}

/// What went to the disks of these nodes, and what was allocated, so far.
fn spent(world: &World, nodes: &[&str]) -> Cost {
    let mut cost = Cost {
        syncs: 0,
        writes: 0,
        bytes: 0,
        allocations: COUNTING.stats().allocations as u64,
    };
    for node in nodes {
        let total = world.disk(node).total();
        cost.syncs += total.syncs;
        cost.writes += total.writes;
        cost.bytes += total.bytes_written;
    }
    cost
}

/// Runs `some` until all messages were said, and says what a hundred of them cost.
fn a_hundred(world: &mut World, nodes: &[&str], mut some: impl FnMut(&mut World) -> u64) -> Cost {
    for _ in 0..3 {
        some(world);
    }
    world.settle();
    let before = spent(world, nodes);
    let mut said = 0;
    while said < MESSAGES {
        said += some(world);
    }
    world.settle();
    let after = spent(world, nodes);
    let each = |after: u64, before: u64| (after - before) * 100 / said;
    Cost {
        syncs: each(after.syncs, before.syncs),
        writes: each(after.writes, before.writes),
        bytes: each(after.bytes, before.bytes),
        allocations: each(after.allocations, before.allocations),
    }
}

fn served() -> World {
    served_in(World::calm())
}

fn served_in(mut world: World) -> World {
    world.node("only", |builder| {
        builder.serve::<Account>().serve::<Session>()
    });
    world
}

fn one_by_one() -> Cost {
    let mut world = served();
    let account = world.open_as::<Account>("only", "main");
    a_hundred(&mut world, &["only"], |world| {
        assert!(world.run(account.post(1, [7; 32])).is_ok());
        1
    })
}

fn many_at_once() -> Cost {
    // Whatever is said while a sync is under way shares the next one.
    let mut world = served_in(World::calm().sync_takes(50));
    let account = Arc::new(world.open_as::<Account>("only", "main"));
    a_hundred(&mut world, &["only"], |world| {
        let asked: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let account = Arc::clone(&account);
                world.start(async move { account.post(1, [7; 32]).await })
            })
            .collect();
        for task in &asked {
            assert!(world.finish(task).is_ok());
        }
        asked.len() as u64
    })
}

/// Each message to another dialog, so that each is read from the store and what is folded is not in memory.
fn over_many_dialogs() -> Cost {
    let mut world = served();
    let keys: Vec<String> = (0..50).map(|key| format!("account {key}")).collect();
    for key in &keys {
        let account = world.open_as::<Account>("only", key);
        assert!(world.run(account.post(1, [7; 32])).is_ok());
    }
    let mut next = keys.iter().cycle();
    a_hundred(&mut world, &["only"], |world| {
        let account = world.open_as::<Account>("only", next.next().expect("a cycle"));
        assert!(world.run(account.post(1, [7; 32])).is_ok());
        1
    })
}

/// The same, and everything is folded at the end.
fn with_their_fold() -> Cost {
    let mut world = served();
    let keys: Vec<String> = (0..50).map(|key| format!("account {key}")).collect();
    a_hundred(&mut world, &["only"], |world| {
        for key in &keys {
            let account = world.open_as::<Account>("only", key);
            assert!(world.run(account.post(1, [7; 32])).is_ok());
        }
        let node = world.at("only");
        while node.store().fold_step(true) != Ok(FoldProgress::Idle) {}
        keys.len() as u64
    })
}

fn two_nodes() -> Cost {
    let mut world = World::calm();
    world.node("server", actor_core::NodeBuilder::serve::<Account>);
    world.node("caller", |builder| builder);
    let account = world.open_as::<Account>("caller", "main");
    a_hundred(&mut world, &["server", "caller"], |world| {
        assert!(world.run(account.post(1, [7; 32])).is_ok());
        1
    })
}

fn in_memory() -> Cost {
    let mut world = served();
    let session = world.open::<Session>("only");
    a_hundred(&mut world, &["only"], |world| {
        assert!(world.run(session.post(1, [7; 32])).is_ok());
        1
    })
}

#[test]
fn a_message_costs_no_more_than_it_did() {
    let scenes: &[Scene] = &[
        ("one dialog, one message after the other", one_by_one),
        ("one dialog, twenty messages at once", many_at_once),
        (
            "fifty dialogs, read back for each message",
            over_many_dialogs,
        ),
        ("fifty dialogs, a fold for fifty messages", with_their_fold),
        ("two nodes, one message after the other", two_nodes),
        ("a volatile dialog", in_memory),
    ];
    let mut dearer = Vec::new();
    for (name, scene) in scenes {
        let cost = scene();
        println!("    (\n        {name:?},\n        {cost},\n    ),");
        let Some((_, bound)) = AT_MOST.iter().find(|bound| bound.0 == *name) else {
            dearer.push(format!("{name}: there is no bound"));
            continue;
        };
        for (what, found, at_most) in [
            ("syncs", cost.syncs, bound.syncs),
            ("writes", cost.writes, bound.writes),
            ("bytes", cost.bytes, bound.bytes),
            ("allocations", cost.allocations, bound.allocations),
        ] {
            if found > at_most {
                dearer.push(format!(
                    "{name}: {found} {what} for a hundred messages, {at_most} at most"
                ));
            }
        }
    }
    assert!(
        dearer.is_empty(),
        "{}\nWhere this is meant, say why and raise the bound: `AT_MOST` in tests/tests/costs.rs",
        dearer.join("\n")
    );
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            syncs,
            writes,
            bytes,
            allocations,
        } = self;
        write!(
            f,
            "Cost {{ syncs: {syncs}, writes: {writes}, bytes: {bytes}, allocations: {allocations} }}"
        )
    }
}
