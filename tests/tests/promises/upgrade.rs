//! Dialogs that live through an upgrade of their program: states, messages, continuations, on either side, under faults.

use std::{cell::Cell, rc::Rc};

use actor_core::{
    NodeBuilder,
    coverage::{Rare, rare_hits},
    prelude::*,
    world::{Moment, World},
};

use crate::apps::insist;

const RANG: Table<u128, String> = Table::new("rang");

/// What was first.
pub(crate) mod v1 {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Basket {
        pub(crate) cents: u64,
    }

    #[dialog(pending, timeout = "30m")]
    impl Basket {
        #[handler]
        pub(crate) fn put(&mut self, cents: u64) {
            self.cents += cents;
        }
        #[handler]
        pub(crate) fn quote(&self) -> u64 {
            self.cents
        }
        #[establish]
        fn establish(self) -> Order {
            Order { cents: self.cents }
        }
    }

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Order {
        pub(crate) cents: u64,
    }

    #[dialog(pending = Basket, timeout = "2 days")]
    impl Order {
        #[handler]
        pub(crate) fn add(&mut self, cents: u64) -> u64 {
            self.cents += cents;
            self.cents
        }
        #[handler]
        pub(crate) fn done(self) -> u64 {
            self.cents
        }
    }
}

/// Both halves count in another way, and there is one message more.
pub(crate) mod v2 {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Basket {
        euros: u64,
        cents: u64,
    }

    impl From<v1::Basket> for Basket {
        fn from(old: v1::Basket) -> Self {
            Self {
                euros: old.cents / 100,
                cents: old.cents % 100,
            }
        }
    }

    #[dialog(pending, timeout = "30m", version = 2, from = v1::Basket)]
    impl Basket {
        #[handler]
        pub(crate) fn put(&mut self, cents: u64) {
            let all = self.euros * 100 + self.cents + cents;
            (self.euros, self.cents) = (all / 100, all % 100);
        }
        #[handler]
        pub(crate) fn quote(&self) -> u64 {
            self.euros * 100 + self.cents
        }
        #[establish]
        fn establish(self) -> Order {
            Order {
                euros: self.euros,
                cents: self.cents,
            }
        }
    }

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Order {
        euros: u64,
        cents: u64,
    }

    impl From<v1::Order> for Order {
        fn from(old: v1::Order) -> Self {
            assert_ne!(old.cents, POISON, "this one cannot be made of it");
            Self {
                euros: old.cents / 100,
                cents: old.cents % 100,
            }
        }
    }

    #[dialog(pending = Basket, timeout = "2 days", version = 2, from = v1::Order, accepts(0xd5b4_f17c_67d3_399b))]
    impl Order {
        #[handler]
        pub(crate) fn remarks(&self) -> String {
            format!("{} euros {}", self.euros, self.cents)
        }
        #[handler]
        pub(crate) fn done(self) -> u64 {
            self.euros * 100 + self.cents
        }
        #[handler]
        pub(crate) fn add(&mut self, cents: u64) -> u64 {
            let all = self.euros * 100 + self.cents + cents;
            (self.euros, self.cents) = (all / 100, all % 100);
            all
        }
    }
}

/// The same once more, over two versions; and it does not accept initiators of the first.
mod v3 {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Total {
        cents: u128,
    }

    impl From<v1::Order> for Total {
        fn from(old: v1::Order) -> Self {
            Self {
                cents: u128::from(old.cents),
            }
        }
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Order")]
    pub(crate) struct OrderV2 {
        euros: u64,
        cents: u64,
    }

    impl From<OrderV2> for Total {
        fn from(old: OrderV2) -> Self {
            Self {
                cents: u128::from(old.euros * 100 + old.cents),
            }
        }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Basket {
        cents: u64,
    }

    impl From<v1::Basket> for Basket {
        fn from(old: v1::Basket) -> Self {
            Self { cents: old.cents }
        }
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Basket")]
    pub(crate) struct BasketV2 {
        euros: u64,
        cents: u64,
    }

    impl From<BasketV2> for Basket {
        fn from(old: BasketV2) -> Self {
            Self {
                cents: old.euros * 100 + old.cents,
            }
        }
    }

    #[dialog(pending, timeout = "30m", version = 3, from(1 => v1::Basket, 2 => BasketV2))]
    impl Basket {
        #[handler]
        pub(crate) fn put(&mut self, cents: u64) {
            self.cents += cents;
        }
        #[handler]
        pub(crate) fn quote(&self) -> u64 {
            self.cents
        }
        #[establish]
        fn establish(self) -> Total {
            Total {
                cents: u128::from(self.cents),
            }
        }
    }

    #[dialog(pending = Basket, name = "Order", timeout = "2 days", version = 3, from(1 => v1::Order, 2 => OrderV2))]
    impl Total {
        #[handler]
        pub(crate) fn total(&self) -> u128 {
            self.cents
        }
    }
}

const POISON: u64 = 666;

/// Rings later, and has itself audited.
mod alarm {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Alarm;

    #[dialog(timeout = "2 days", tables(RANG))]
    impl Alarm {
        #[handler]
        pub(crate) fn set(&mut self, cx: &mut Cx<'_, Self>, after_s: u64, what: String) {
            cx.after_with(Duration::from_secs(after_s), Self::BELL, what);
        }
        #[handler]
        pub(crate) fn audit(&mut self, cx: &mut Cx<'_, Self>) {
            cx.open::<Slow>().later().then_with(Self::AUDITED, 1);
        }
        #[handler]
        pub(crate) fn ping(&self) {}
        #[resume]
        fn bell(&mut self, cx: &mut Cx<'_, Self>, what: String) {
            let id = cx.id();
            cx.table(RANG).insert(&id, &what);
        }
        #[resume]
        fn audited(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<u64>, _context: u8) {
            let id = cx.id();
            cx.table(RANG).insert(&id, &format!("{answer:?}"));
        }
    }

    /// Answers a minute later.
    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Slow(Option<ReplyTo<u64>>);

    #[dialog(timeout = "2 days")]
    impl Slow {
        #[handler]
        fn later(&mut self, cx: &mut Cx<'_, Self>) -> Later<u64> {
            let (later, reply) = cx.later();
            self.0 = Some(reply);
            cx.after(Duration::from_secs(60), Self::NOW);
            later
        }
        #[resume]
        fn now(&mut self, cx: &mut Cx<'_, Self>) {
            if let Some(reply) = self.0.take() {
                cx.reply(reply, 7);
            }
        }
    }
}

/// The same without its continuations.
mod dumb {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(crate) struct Alarm;

    #[dialog(timeout = "2 days")]
    impl Alarm {
        #[handler]
        pub(crate) fn ping(&self) {}
    }
}

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
                    // In one store the caller is of the same program as the target.
                    let total = if one_store && version.get() == 2 {
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
