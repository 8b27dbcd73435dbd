//! The same swarm closer to life: everybody in few stores, dialogs that close, processes that die with half their writes
//! on disk, and gnomes that say it all again thirty years later.

use actor_core::{
    prelude::*,
    world::{Event, Fate, Moment, World},
};

use crate::apps::{Checkout, Counter, Payment, captures, insist, open_dialogs};

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Shops that are their own bank, and a customer; or all in one.
fn market(seed: u64) -> (World, Vec<&'static str>) {
    let mut world = World::new(seed);
    let all = |builder: actor_core::NodeBuilder| {
        builder
            .serve::<Checkout>()
            .serve::<Payment>()
            .serve::<Counter>()
    };
    if seed.is_multiple_of(2) {
        world.node("all", all);
        return (world, vec!["all"]);
    }
    world.node("shop-1", all);
    world.node("shop-2", all);
    world.node("front", |builder| builder);
    (world, vec!["front", "shop-1", "shop-2"])
}

fn purchase(world: &mut World, front: &str, n: usize) -> Answer<u64, String> {
    let order = format!("order-{n}");
    loop {
        let (_, checkout) = insist(world, |world| {
            world
                .open_as::<Checkout>(front, &order)
                .add("teapot".into(), 5)
                .quote()
        })
        .unwrap();
        let paid = world.run(checkout.pay(order.clone()).once("pay"));
        if matches!(paid, Err(CallError::Stopped { .. })) {
            world.advance(Duration::from_secs(2));
            continue;
        }
        match world.run(checkout.done().once("done")) {
            Err(CallError::Stopped { .. }) => world.advance(Duration::from_secs(2)),
            done => {
                done.unwrap();
                return paid;
            }
        }
    }
}

fn all_captures(world: &mut World, nodes: &[&str]) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for node in nodes.iter().filter(|node| **node != "front") {
        all.extend(captures(world, node));
    }
    all.sort();
    all
}

#[test]
fn dialogs_close_and_leave_nothing_behind_whoever_dies_meanwhile() {
    for seed in 0..60 {
        let (mut world, nodes) = market(seed);
        world.gnomes(
            Gnomes::seeded(seed)
                .lose(0.2)
                .repeat(0.3)
                .reorder(5)
                .delay(Duration::from_millis(50)),
        );
        for n in 0..4 {
            let victim = nodes[(seed as usize / 2 + n) % nodes.len()];
            let moment = if (seed + n as u64).is_multiple_of(3) {
                Moment::BeforeCommit
            } else {
                Moment::AfterCommit
            };
            if world.is_up(victim) && !world.is_crash_due(victim) {
                world.crash_at(victim, moment, 1 + (seed * 7 + n as u64 * 3) % 11);
            }
            while !world.is_up(nodes[0]) {
                world.advance(Duration::from_secs(2));
            }
            assert_eq!(
                purchase(&mut world, nodes[0], n),
                Ok(5),
                "seed {seed}:\n{}",
                world.state()
            );
        }
        world.heal();
        world.advance(Duration::from_secs(3600));
        let orders: Vec<(String, u64)> = (0..4).map(|n| (format!("order-{n}"), 5)).collect();
        assert_eq!(all_captures(&mut world, &nodes), orders, "seed {seed}");
        assert_eq!(
            open_dialogs(&world, &nodes),
            Vec::<String>::new(),
            "seed {seed}"
        );
        // Only what was opened under a key is remembered: one record each, at the customer.
        let remembered: usize = nodes
            .iter()
            .map(|node| world.at(node).dialogs().unwrap().len())
            .sum();
        assert_eq!(remembered, 4, "seed {seed}:\n{}", world.state());
        let abandoned: u64 = nodes
            .iter()
            .map(|node| world.at(node).stats().abandoned)
            .sum();
        assert_eq!(abandoned, 0, "seed {seed}:\n{}", world.state());
    }
}

#[test]
fn what_gnomes_say_again_thirty_years_later_changes_nothing() {
    for seed in [1, 3, 5, 7] {
        let (mut world, nodes) = market(seed);
        for n in 0..3 {
            assert_eq!(purchase(&mut world, nodes[0], n), Ok(5));
        }
        let open = world.open_as::<Counter>("front", "open");
        assert_eq!(world.run(open.increment()).unwrap(), 1);
        for years in [0, 1, 30] {
            world.advance(YEAR * years);
            let before = all_captures(&mut world, &nodes);
            let records = world.frames();
            // Once in their order and once against it.
            for record in records.iter().chain(records.iter().rev()) {
                if record.fate != Fate::NobodyThere {
                    world.replay(record);
                }
            }
            world.settle();
            assert_eq!(
                all_captures(&mut world, &nodes),
                before,
                "seed {seed}, {years} years"
            );
            if years == 0 {
                assert_eq!(
                    world.run(open.get()).unwrap(),
                    1,
                    "a living dialog is not disturbed either"
                );
            }
            // What the old first messages began again is only pending work.
            world.advance(Duration::from_secs(7200));
        }
        world.advance(Duration::from_secs(86_400 * 3));
        assert_eq!(open_dialogs(&world, &nodes), Vec::<String>::new());
    }
}

#[test]
fn a_quiet_world_sends_nothing() {
    let (mut world, nodes) = market(1);
    world.gnomes(Gnomes::seeded(3).lose(0.4).repeat(0.3).reorder(5));
    assert_eq!(purchase(&mut world, nodes[0], 0), Ok(5));
    let counter = world.open_as::<Counter>("front", "open");
    assert_eq!(world.run(counter.increment()).unwrap(), 1);
    world.heal();
    world.advance(Duration::from_secs(120));
    let (frames, commits) = (
        world.frames().len(),
        nodes.iter().map(|node| world.commits(node)).sum::<u64>(),
    );
    world.advance(Duration::from_secs(3600));
    assert_eq!(world.frames().len(), frames);
    let now: u64 = nodes.iter().map(|node| world.commits(node)).sum();
    assert!(
        now - commits <= 12,
        "only what was remembered is forgotten: {}",
        now - commits
    );
    assert!(
        world
            .trace()
            .iter()
            .any(|event| matches!(event, Event::Commit { .. }))
    );
}
