//! Nothing leaves before it is durable (rows 31 and 32), and what durability costs.

use actor_core::{
    Network, Node,
    prelude::*,
    world::{Event, Moment, World},
};
use actor_store::MemoryDisk;

use crate::apps::{Counter, insist};

const MANY: u64 = 50;

fn pair() -> World {
    let mut world = World::calm();
    world.node("target", |builder| builder.serve::<Counter>());
    world.node("initiator", |builder| builder);
    world
}

/// What the node's durable image knows of its dialogs may not be less than what anybody was told.
fn released_only_what_is_durable(world: &mut World, node: &str, what: &str) {
    world.restart(node);
    let incarnation = world.trace().iter().rev().find_map(|event| match event {
        Event::Start {
            node: started,
            incarnation,
        } if started == node => Some(*incarnation),
        _ => None,
    });
    let durable = world.at(node).dialogs().unwrap();
    for record in world.frames().iter().filter(|record| record.from == node) {
        let frame = &record.frame;
        assert!(Some(frame.incarnation) < incarnation, "{what}: {record:?}");
        if frame.is_initiating() && frame.messages.is_empty() {
            // Who asks for a partner says nothing yet; but it is on record that it asks.
            assert!(
                durable.iter().any(|info| info.id == frame.dialog),
                "{what}: {record:?}"
            );
            continue;
        }
        let Some(info) = durable
            .iter()
            .find(|info| info.id == frame.dialog && info.role == frame.to.other())
        else {
            panic!("{what}: a frame of a dialog that is not on disk: {record:?}");
        };
        assert!(
            frame.ack <= info.received,
            "{what}: acknowledged what is not on disk: {record:?} {info:?}"
        );
        assert!(
            frame
                .messages
                .iter()
                .all(|message| message.seq <= info.sent),
            "{what}: said what is not on disk: {record:?} {info:?}"
        );
    }
}

#[test]
fn row_31_after_a_failed_sync_nobody_hears_of_that_commit_or_a_later_one() {
    for node in ["target", "initiator"] {
        for k in 1..=MANY {
            let what = format!("{node}, sync {k}");
            let mut world = pair();
            let counter = world.open_as::<Counter>("initiator", "main");
            assert_eq!(world.run(counter.increment()).unwrap(), 1);
            world.settle();
            world.disk(node).fail_sync_at(k);
            let tasks: Vec<_> = (0..MANY)
                .map(|_| world.start(counter.increment()))
                .collect();
            let mut steps = 0;
            while world.is_up(node) && (tasks.iter().any(|task| !task.is_done()) || steps < 100) {
                steps += u64::from(!world.step());
                if steps > 0 {
                    world.advance(Duration::from_millis(50));
                }
            }
            world.settle();
            let said: Vec<u64> = tasks.iter().filter_map(|task| task.take()?.ok()).collect();
            if world.is_up(node) {
                // All went into fewer syncs than that.
                assert_eq!(said.len() as u64, MANY, "{what}");
                continue;
            }
            if node == "initiator" {
                assert!(said.len() as u64 <= MANY);
            }
            released_only_what_is_durable(&mut world, node, &what);
            let counter = world.open_as::<Counter>("initiator", "main");
            let count = world.run(counter.get()).unwrap();
            let heard = said.iter().max().copied().unwrap_or(1);
            assert!(
                heard <= count,
                "{what}: a caller heard {heard}, the target has {count}"
            );
        }
    }
}

#[test]
fn row_31_callers_of_a_node_whose_sync_failed_hear_that_it_is_in_doubt() {
    let mut world = pair();
    let counter = world.open_as::<Counter>("initiator", "main");
    assert_eq!(world.run(counter.increment()).unwrap(), 1);
    world.settle();
    world.disk("initiator").fail_sync_at(1);
    let answer = world.run(counter.increment());
    assert!(
        matches!(answer, Err(CallError::Stopped { in_doubt: true })),
        "{answer:?}"
    );
    // From now on it is refused at the door.
    let later = world.run(counter.increment());
    assert!(
        matches!(later, Err(CallError::Stopped { in_doubt: false })),
        "{later:?}"
    );
    assert!(world.failure("initiator").is_some());
}

#[test]
fn row_32_each_life_of_a_store_is_counted_before_its_first_frame() {
    for k in 1..12 {
        let mut world = pair();
        for moment in [Moment::BeforeCommit, Moment::AfterCommit] {
            world.crash_at("target", moment, k);
            world.crash_at("initiator", moment, k);
            let count = insist(&mut world, |world| {
                world
                    .open_as::<Counter>("initiator", "main")
                    .increment()
                    .once("a")
            });
            assert_eq!(count.unwrap(), 1);
            world.advance(Duration::from_secs(10));
        }
        for node in ["target", "initiator"] {
            let lives: Vec<u64> = world
                .trace()
                .iter()
                .filter_map(|event| match event {
                    Event::Start {
                        node: started,
                        incarnation,
                    } if started == node => Some(*incarnation),
                    _ => None,
                })
                .collect();
            assert!(lives.is_sorted_by(|a, b| a < b), "{lives:?}");
            let ages: Vec<(u64, u64)> = world
                .frames()
                .iter()
                .filter(|record| record.from == node)
                .map(|record| (record.frame.incarnation, record.frame.send_ctr))
                .collect();
            assert!(
                ages.is_sorted_by(|a, b| a < b),
                "each frame of a store is newer than the one before: {ages:?}"
            );
        }
    }
}

#[test]
fn row_32_a_start_that_cannot_be_recorded_says_nothing() {
    let network = Network::new();
    let disk = MemoryDisk::new();
    let start = |disk: &MemoryDisk| {
        Node::builder("counting")
            .network(&network)
            .serve::<Counter>()
            .start_on(std::sync::Arc::new(disk.clone()))
    };
    drop(start(&disk).unwrap());
    for k in 1..=3 {
        let broken = disk.crash(actor_store::Crash::LoseUnsynced);
        broken.fail_sync_at(k);
        let Err(cause) = start(&broken) else { continue };
        assert!(!cause.to_string().contains('\n'), "{cause}");
        drop(start(&disk.crash(actor_store::Crash::LoseUnsynced)).unwrap());
    }
}

#[test]
fn a_hundred_requests_one_after_the_other_are_a_hundred_commits() {
    let mut world = World::calm();
    world.node("only", |builder| builder.serve::<Counter>());
    let counter = world.open::<Counter>("only");
    world.run(counter.increment()).unwrap();
    world.settle();
    let (commits, syncs) = (
        world.commits("only"),
        world.disk("only").counts("journal.redb").syncs,
    );
    for n in 0..100 {
        assert_eq!(world.run(counter.increment()).unwrap(), n + 2);
    }
    world.settle();
    assert_eq!(world.commits("only") - commits, 100);
    assert_eq!(world.disk("only").counts("journal.redb").syncs - syncs, 100);
}

#[test]
fn a_hundred_requests_from_afar_are_a_hundred_commits_of_their_target() {
    let mut world = pair();
    let counter = world.open::<Counter>("initiator");
    world.run(counter.increment()).unwrap();
    world.settle();
    let (commits, idle) = (world.commits("target"), world.commits("initiator"));
    for n in 0..100 {
        assert_eq!(world.run(counter.increment()).unwrap(), n + 2);
    }
    world.advance(Duration::from_secs(60));
    assert_eq!(world.commits("target") - commits, 100);
    assert_eq!(
        world.commits("initiator"),
        idle,
        "a volatile side writes nothing"
    );
}

#[test]
fn a_thousand_requests_at_once_share_their_syncs() {
    // A sync takes a millisecond or two, a turn of a shard ten or twenty microseconds.
    let mut world = World::calm().sync_takes(100);
    world.node("only", |builder| builder.serve::<Counter>());
    let syncs = world.disk("only").counts("journal.redb").syncs;
    let counters: Vec<_> = (0..1000).map(|_| world.open::<Counter>("only")).collect();
    let tasks: Vec<_> = counters
        .iter()
        .map(|counter| world.start(counter.increment()))
        .collect();
    for task in &tasks {
        assert_eq!(world.finish(task).unwrap(), 1);
    }
    let syncs = world.disk("only").counts("journal.redb").syncs - syncs;
    assert!(syncs <= 100, "{syncs} syncs");
}
