//! Dialogs that live through an upgrade of their program: states, messages, continuations, on either side, under faults.

use std::{cell::Cell, rc::Rc};

use actor_core::{
    NodeBuilder,
    coverage::{Rare, rare_hits},
    prelude::*,
    world::{Moment, World},
};

use crate::{
    apps::insist,
    versions::{POISON, RANG, alarm, alarm_v2, dumb, v1, v2, v3},
};

type Version = Rc<Cell<u32>>;

fn serving(version: &Version) -> impl Fn(NodeBuilder) -> NodeBuilder + 'static {
    let version = Rc::clone(version);
    move |builder| match version.get() {
        1 => builder.serve::<v1::Order>().serve::<alarm::Alarm>(),
        2 => builder.serve::<v2::Order>().serve::<dumb::Alarm>(),
        _ => builder.serve::<v3::Total>().serve::<alarm::Alarm>(),
    }
}

fn version() -> Version {
    Rc::new(Cell::new(1))
}

/// The caller serves in the same store, or somewhere else.
fn worlds() -> [(World, Version, &'static str, &'static str); 2] {
    let (one, two) = (version(), version());
    let mut alone = World::calm();
    alone.node("only", serving(&one));
    let mut pair = World::calm();
    pair.node("target", serving(&two));
    pair.node("caller", |builder| builder);
    [
        (alone, one, "only", "only"),
        (pair, two, "caller", "target"),
    ]
}

fn upgrade(world: &mut World, version: &Version, node: &str, to: u32) {
    version.set(to);
    world.restart(node);
}

fn open_v1(world: &mut World, node: &str, key: &str, cents: u64) -> v1::OrderClient {
    let opening = world.open_as::<v1::Order>(node, key).put(cents);
    let (quoted, order) = world.run(opening.quote()).unwrap();
    assert_eq!(quoted, cents);
    order
}

fn of_v2(world: &mut World, node: &str, key: &str, cents: u64) -> v2::OrderClient {
    // The first answer is recorded, and its messages are the same.
    let opening = world.open_as::<v2::Order>(node, key).put(cents);
    world.run(opening.quote()).unwrap().1
}

#[test]
fn a_dialog_lives_through_an_upgrade_of_its_target() {
    for (mut world, version, caller, target) in worlds() {
        let order = open_v1(&mut world, caller, "a", 150);
        assert_eq!(world.run(order.add(30)).unwrap(), 180);
        upgrade(&mut world, &version, target, 2);
        if caller != target {
            // The initiator is of the old program and notices nothing.
            assert_eq!(world.run(order.add(1)).unwrap(), 181);
        }
        let upgraded = of_v2(&mut world, caller, "a", 150);
        let before = world.run(upgraded.add(20)).unwrap();
        assert_eq!(before, if caller == target { 200 } else { 201 });
        let remarks = world.run(upgraded.remarks()).unwrap();
        assert_eq!(remarks, format!("2 euros {}", before - 200));
        // And over the next upgrade, from records of the second version.
        upgrade(&mut world, &version, target, 3);
        assert!(world.at(target).dead_letters().unwrap().is_empty());
    }
}

#[test]
fn a_state_of_each_earlier_version_is_read_and_written_as_the_newest() {
    for (mut world, version, caller, target) in worlds() {
        drop(open_v1(&mut world, caller, "old", 150));
        drop(open_v1(&mut world, caller, "middle", 250));
        upgrade(&mut world, &version, target, 2);
        let middle = of_v2(&mut world, caller, "middle", 250);
        assert_eq!(world.run(middle.add(5)).unwrap(), 255);
        // One record is of the first version, one of the second.
        upgrade(&mut world, &version, target, 3);
        let read = rare_hits(Rare::EarlierVersionRead);
        for (key, first, cents) in [("old", 150, 150), ("middle", 250, 255)] {
            let opening = world.open_as::<v3::Total>(caller, key).put(first);
            let (_, order) = world.run(opening.quote()).unwrap();
            assert_eq!(world.run(order.total()).unwrap(), cents);
        }
        assert!(rare_hits(Rare::EarlierVersionRead) > read, "read lazily");
    }
}

#[test]
fn pending_work_lives_through_an_upgrade() {
    let version = version();
    let mut world = World::calm();
    world.node("target", serving(&version));
    world.node("caller", |builder| builder);
    // The answer does not get through until the target is a new program.
    world.hold(u32::MAX, |frame| frame.from == "target");
    let opening = world.open_as::<v1::Order>("caller", "a").put(150);
    let quote = world.start(opening.quote());
    world.advance(Duration::from_secs(5));
    upgrade(&mut world, &version, "target", 2);
    world.heal();
    let (quoted, order) = world.finish(&quote).unwrap();
    assert_eq!(quoted, 150);
    assert_eq!(world.run(order.add(5)).unwrap(), 155);
}

#[test]
fn a_panic_while_a_state_is_converted_ends_that_dialog_alone() {
    for (mut world, version, caller, target) in worlds() {
        drop(open_v1(&mut world, caller, "bad", POISON));
        drop(open_v1(&mut world, caller, "good", 150));
        upgrade(&mut world, &version, target, 2);
        let good = of_v2(&mut world, caller, "good", 150);
        let bad = of_v2(&mut world, caller, "bad", POISON);
        let why = world.run(bad.add(1)).unwrap_err();
        assert!(
            matches!(&why, CallError::Abandoned { why: Abandoned::PartnerPoisoned(why), .. } if why.contains("cannot be made of it")),
            "{why:?}"
        );
        assert_eq!(world.run(good.add(1)).unwrap(), 151);
        let letters = world.at(target).dead_letters().unwrap();
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert_eq!(
            letters[0].state,
            actor_store::codec::encode(&POISON).unwrap(),
            "the state as it was, for somebody to read"
        );
    }
}

#[test]
fn a_message_that_a_target_does_not_know_waits_for_the_program_that_does() {
    let version = version();
    let mut world = World::calm();
    world.node("target", serving(&version));
    world.node("caller", |builder| builder);
    let order = open_v1(&mut world, "caller", "a", 150);
    // The caller is new, the target old.
    let new = of_v2(&mut world, "caller", "a", 150);
    let remarks = world.start(new.remarks());
    // Behind it, a message that both know: nothing is overtaken.
    let added = world.start(order.add(1));
    world.advance(Duration::from_secs(3600));
    assert!(!remarks.is_done() && !added.is_done());
    assert!(rare_hits(Rare::HeldForAnotherVersion) > 0);
    assert!(world.at("target").dead_letters().unwrap().is_empty());
    // A restart of the same program changes nothing, the new one does.
    world.restart("target");
    world.advance(Duration::from_secs(60));
    assert!(!remarks.is_done());
    upgrade(&mut world, &version, "target", 2);
    assert_eq!(world.finish(&remarks).unwrap(), "1 euros 50");
    assert_eq!(world.finish(&added).unwrap(), 151);
}

#[test]
fn a_message_that_nobody_ever_knows_ends_with_its_dialog() {
    let version = version();
    let mut world = World::calm();
    world.node("target", serving(&version));
    world.node("caller", |builder| builder);
    drop(open_v1(&mut world, "caller", "a", 150));
    let new = of_v2(&mut world, "caller", "a", 150);
    let why = world.run(new.remarks()).unwrap_err();
    assert!(
        matches!(&why, CallError::Abandoned { in_doubt: true, .. }),
        "{why:?}"
    );
    world.advance(Duration::from_secs(3 * 86_400));
    assert_eq!(
        crate::apps::open_dialogs(&world, &["caller", "target"]),
        Vec::<String>::new()
    );
}

#[test]
fn a_timer_and_an_answer_wait_for_the_program_that_has_their_continuations() {
    for remote in [false, true] {
        let version = version();
        let mut world = World::calm();
        world.node("target", serving(&version));
        let audits = if remote { "audits" } else { "target" };
        if remote {
            world.node(audits, NodeBuilder::serve::<alarm::Slow>);
        } else {
            let serving = serving(&version);
            world = World::calm();
            world.node("target", move |builder| {
                serving(builder).serve::<alarm::Slow>()
            });
        }
        let alarm = world.open_as::<alarm::Alarm>("target", "a");
        world.run(alarm.audit()).unwrap();
        world.run(alarm.set(600, "ding".to_owned())).unwrap();
        upgrade(&mut world, &version, "target", 2);
        world.advance(Duration::from_secs(3600));
        assert!(world.at("target").dead_letters().unwrap().is_empty());
        assert!(world.read("target").range(RANG, ..).unwrap().is_empty());
        // Whatever it is asked waits behind.
        let ping = world.open_as::<dumb::Alarm>("target", "a").ping();
        let ping = world.start(ping);
        world.advance(Duration::from_secs(60));
        assert!(!ping.is_done());
        upgrade(&mut world, &version, "target", 3);
        world.advance(Duration::from_secs(1200));
        let rows = world.read("target").range(RANG, ..).unwrap();
        let mut rang: Vec<String> = rows.into_iter().map(|(_, what)| what).collect();
        rang.sort();
        assert_eq!(rang, ["Ok(7)", "ding"], "remote: {remote}");
        let alarm = world.open_as::<alarm::Alarm>("target", "a");
        world.run(alarm.ping()).unwrap();
    }
}

/// The parent waits for its partner's answer and for a timer, and the partner owes that answer, while either, or both, or in
/// one store the two of them become another version.
#[test]
fn timers_contexts_promises_and_requests_live_through_an_upgrade_of_either_side() {
    for (one_store, upgraded) in [
        (true, ["parent", "parent"]),
        (false, ["parent", "parent"]),
        (false, ["partner", "partner"]),
        (false, ["parent", "partner"]),
        (false, ["partner", "parent"]),
    ] {
        let (parent, partner) = (version(), version());
        let mut world = World::calm();
        let build = {
            let (parent, partner) = (Rc::clone(&parent), Rc::clone(&partner));
            move |builder: NodeBuilder| {
                let builder = match parent.get() {
                    1 => builder.serve::<alarm::Alarm>(),
                    _ => builder.serve::<alarm_v2::Alarm>(),
                };
                match partner.get() {
                    _ if !one_store => builder,
                    1 => builder.serve::<alarm::Slow>(),
                    _ => builder.serve::<alarm_v2::Slow>(),
                }
            }
        };
        if !one_store {
            let partner = Rc::clone(&partner);
            world.node("partner", move |builder| match partner.get() {
                1 => builder.serve::<alarm::Slow>(),
                _ => builder.serve::<alarm_v2::Slow>(),
            });
        }
        world.node("parent", build);
        let alarm = world.open_as::<alarm::Alarm>("parent", "a");
        world.run(alarm.audit()).unwrap();
        world.run(alarm.set(600, "ding".to_owned())).unwrap();
        for node in upgraded {
            if one_store || node == "parent" {
                parent.set(2);
            }
            if one_store || node == "partner" {
                partner.set(2);
            }
            world.restart(node);
        }
        world.advance(Duration::from_secs(1200));
        let rows = world.read("parent").range(RANG, ..).unwrap();
        let mut rang: Vec<String> = rows.into_iter().map(|(_, what)| what).collect();
        rang.sort();
        let answer = if partner.get() == 2 { "Ok(8)" } else { "Ok(7)" };
        if parent.get() == 2 {
            assert_eq!(rang, [format!("{answer} 1 101"), "ding 102".to_owned()]);
        } else {
            assert_eq!(rang, [answer.to_owned(), "ding".to_owned()]);
        }
    }
}

#[test]
fn an_opening_of_an_earlier_contract_is_taken_where_it_is_accepted_and_refused_elsewhere() {
    let earlier = <v1::Order as Dialog>::CONTRACT.fingerprint;
    assert_eq!(
        <v2::Order as Dialog>::CONTRACT.accepts,
        [earlier.value()],
        "`accepts({earlier})`"
    );
    let target = version();
    let mut world = World::calm();
    target.set(2);
    world.node("target", serving(&target));
    world.node("caller", |builder| builder);
    let order = open_v1(&mut world, "caller", "a", 150);
    assert_eq!(world.run(order.add(5)).unwrap(), 155);
    assert_eq!(world.run(order.done()).unwrap(), 155);

    // The third does not say so, and lacks `put`.
    let mut world = World::calm();
    target.set(3);
    world.node("target", serving(&target));
    world.node("caller", |builder| builder);
    let opening = world.open_as::<v1::Order>("caller", "a").put(150);
    let why = world.run(opening.quote()).map(drop).unwrap_err();
    let said = why.to_string();
    assert!(
        matches!(
            &why,
            CallError::Abandoned {
                why: Abandoned::Incompatible(_),
                in_doubt: false
            }
        ),
        "{why:?}"
    );
    assert!(said.contains(&format!("accepts({earlier})")), "{said}");
}

#[test]
fn in_a_pool_of_both_versions_each_caller_finds_one_that_understands_it() {
    let mut world = World::calm();
    world.node("old", NodeBuilder::serve::<v1::Order>);
    world.node("new", NodeBuilder::serve::<v2::Order>);
    world.node("caller", |builder| builder);
    for n in 0..10 {
        let opening = world.open_as::<v2::Order>("caller", &format!("new {n}"));
        let (_, order) = world.run(opening.put(n).quote()).unwrap();
        assert_eq!(world.run(order.remarks()).unwrap(), format!("0 euros {n}"));
        let order = open_v1(&mut world, "caller", &format!("old {n}"), n);
        assert_eq!(world.run(order.add(1)).unwrap(), n + 1);
    }
}

#[test]
fn the_order_of_handlers_and_the_version_of_the_state_are_not_the_contract() {
    mod other {
        use super::*;

        #[derive(Default, Serialize, Deserialize)]
        pub(crate) struct Counter {
            pub(crate) many: u8,
        }

        #[dialog(timeout = "1h", version = 9)]
        impl Counter {
            #[handler]
            fn finish(self) -> u64 {
                0
            }
            #[handler]
            fn get(&self) -> u64 {
                0
            }
            #[handler]
            fn increment(&mut self) -> u64 {
                0
            }
        }
    }
    let (one, two) = (
        <crate::apps::Counter as Dialog>::CONTRACT,
        <other::Counter as Dialog>::CONTRACT,
    );
    assert_eq!(one.fingerprint, two.fingerprint);
    assert!(two.to_string().contains(&one.fingerprint.to_string()));
}

/// Gets the dialog by its key and adds, again if the process dies meanwhile.
macro_rules! add_once {
    ($order:ty, $world:ident, $caller:ident, $key:ident, $n:ident, $once:ident) => {{
        let mut total = None;
        while total.is_none() {
            let reach = |world: &World| world.open_as::<$order>($caller, &$key).put($n).quote();
            let (_, order) = insist(&mut $world, reach).unwrap();
            match $world.run(order.add(40).once($once.clone())) {
                Err(CallError::Stopped { .. }) => $world.advance(Duration::from_secs(2)),
                answer => total = Some(answer.unwrap()),
            }
        }
        total.unwrap()
    }};
}

/// Callers of the old program keep asking while the target is upgraded between crashes, on a network that loses, repeats
/// and reorders.
#[test]
fn dialogs_live_through_an_upgrade_among_crashes_and_gnomes() {
    const ORDERS: u64 = 4;
    const ROUNDS: u64 = 6;
    for seed in 0..30 {
        for one_store in [false, true] {
            let version = version();
            let mut world = World::new(seed).supervised();
            let (caller, target) = if one_store {
                world.node("only", serving(&version));
                ("only", "only")
            } else {
                world.node("target", serving(&version));
                world.node("caller", |builder| builder);
                ("caller", "target")
            };
            world.gnomes(Gnomes::seeded(seed).lose(0.2).repeat(0.2).reorder(4));
            for round in 1..=ROUNDS {
                if round == 1 + seed % ROUNDS {
                    upgrade(&mut world, &version, target, 2);
                }
                let moment = if (seed + round) % 2 == 0 {
                    Moment::BeforeCommit
                } else {
                    Moment::AfterCommit
                };
                world.crash_at(target, moment, 1 + (seed * 5 + round * 3) % 7);
                for n in 0..ORDERS {
                    let key = format!("order-{n}");
                    let once = format!("round {round}");
                    // In one store the caller is of the same program as the target; elsewhere it becomes another program
                    // sooner or later than the target.
                    let is_new = if one_store {
                        version.get() == 2
                    } else {
                        round >= 2 + seed % 4
                    };
                    let total = if is_new {
                        add_once!(v2::Order, world, caller, key, n, once)
                    } else {
                        add_once!(v1::Order, world, caller, key, n, once)
                    };
                    assert_eq!(
                        total,
                        n + round * 40,
                        "seed {seed}, one store: {one_store}\n{}",
                        world.state()
                    );
                }
            }
        }
    }
}
