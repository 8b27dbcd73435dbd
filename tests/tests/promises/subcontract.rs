//! A dialog that has another do part of its work, over crashes at every commit of every node.

use std::ops::Bound;

use actor_core::{
    DialogRef, NodeBuilder,
    prelude::*,
    world::{FrameRecord, Moment, World},
};

use actor_store::{Options, Store};

use crate::apps::{CAPTURES, Checkout, Counter, Payment, captures, insist, open_dialogs};

const DAY: Duration = Duration::from_secs(86_400);

/// Each service in a store of its own.
fn apart() -> World {
    let mut world = World::calm();
    world.node("bank", NodeBuilder::serve::<Payment>);
    world.node("shop", NodeBuilder::serve::<Checkout>);
    world.node("front", |builder| builder);
    world
}

/// All in one store.
fn together() -> World {
    let mut world = World::calm();
    world.node("shop", |builder| {
        builder.serve::<Payment>().serve::<Checkout>()
    });
    world
}

/// A whole purchase, whatever happens meanwhile: the price and the outcome.
fn buy(world: &mut World, front: &str) -> (u64, Answer<u64, String>) {
    let opening = |world: &World| {
        let opening = world.open_as::<Checkout>(front, "order");
        opening
            .add("teapot".into(), 1999)
            .add("cup".into(), 500)
            .quote()
    };
    let (cents, checkout) = insist(world, opening).unwrap();
    drop(checkout);
    // A client of an earlier process is of no use: get it again, by its key.
    for _ in 0..100 {
        let (_, checkout) = insist(world, opening).unwrap();
        match world.run(checkout.pay("4242".into()).once("pay")) {
            Err(CallError::Stopped { .. }) => world.advance(Duration::from_secs(2)),
            answer => return (cents, answer),
        }
    }
    panic!("paid a hundred times:\n{}", world.state());
}

fn check(world: &mut World, nodes: &[&str], bank: &str, what: &str) {
    let bought = buy(world, nodes[0]);
    assert_eq!(bought, (2499, Ok(2499)), "{what}");
    assert_eq!(captures(world, bank), [("4242".to_owned(), 2499)], "{what}");
    // The parent is done with its partner, who ends with it.
    world.advance(DAY * 4);
    assert_eq!(open_dialogs(world, nodes), Vec::<String>::new(), "{what}");
}

fn crash_at_every_commit(build: fn() -> World, nodes: &[&str], bank: &str) {
    let mut calm = build();
    let before: Vec<u64> = nodes.iter().map(|node| calm.commits(node)).collect();
    check(&mut calm, nodes, bank, "undisturbed");
    let commits: Vec<u64> = nodes
        .iter()
        .zip(before)
        .map(|(node, before)| calm.commits(node) - before)
        .collect();
    for (node, commits) in nodes.iter().zip(commits) {
        assert!(commits > 2, "{node} took part");
        for k in 1..=commits {
            for moment in [Moment::BeforeCommit, Moment::AfterCommit] {
                let mut world = build();
                world.crash_at(node, moment, k);
                check(&mut world, nodes, bank, &format!("{node}, {moment:?} {k}"));
                assert!(!world.is_crash_due(node), "it has struck");
            }
        }
    }
}

#[test]
fn a_crash_at_any_commit_changes_nothing_between_separate_stores() {
    crash_at_every_commit(apart, &["front", "shop", "bank"], "bank");
}

#[test]
fn a_crash_at_any_commit_changes_nothing_within_one_store() {
    crash_at_every_commit(together, &["shop"], "shop");
}

#[test]
fn the_application_sees_the_same_in_one_store_and_in_three() {
    let (mut one, mut three) = (together(), apart());
    assert_eq!(buy(&mut one, "shop"), buy(&mut three, "front"));
    assert_eq!(captures(&mut one, "shop"), captures(&mut three, "bank"));
}

#[derive(Default, Serialize, Deserialize)]
struct Wish {
    cents: u64,
}

#[dialog(pending, timeout = "30m")]
impl Wish {
    #[handler]
    fn want(&mut self, cents: u64) -> u64 {
        self.cents += cents;
        self.cents
    }
    #[establish]
    fn establish(self, cx: &mut Cx<'_, Eager>) -> Eager {
        cx.open::<Payment>()
            .capture("eager".into(), self.cents)
            .tell();
        Eager {}
    }
}

/// Subcontracts as soon as it may.
#[derive(Serialize, Deserialize)]
struct Eager {}

#[dialog(pending = Wish, timeout = "2 days")]
impl Eager {
    #[handler]
    fn done(self) {}
}

fn eager() -> World {
    let mut world = World::calm();
    world.node("bank", NodeBuilder::serve::<Payment>);
    world.node("shop", NodeBuilder::serve::<Eager>);
    world.node("front", |builder| builder);
    world
}

#[test]
fn no_subcontract_leaves_before_the_dialog_is_confirmed() {
    let mut world = eager();
    let confirms = |record: &FrameRecord| record.from == "front" && !record.frame.is_initiating();
    world.hold(u32::MAX, confirms);
    let (cents, _eager) = world
        .run(world.open_as::<Eager>("front", "wish").want(5))
        .unwrap();
    assert_eq!(cents, 5);
    world.advance(Duration::from_secs(600));
    assert!(world.frames().iter().all(|record| record.to != "bank"));
    assert_eq!(captures(&mut world, "bank"), []);
    world.heal();
    world.let_go();
    world.advance(Duration::from_secs(600));
    assert_eq!(captures(&mut world, "bank"), [("eager".to_owned(), 5)]);
}

#[test]
fn pending_work_that_is_dropped_has_subcontracted_nothing() {
    let mut world = eager();
    world.lose(u32::MAX, |record: &FrameRecord| record.from == "shop");
    let wish = world.run(world.open_as::<Eager>("front", "wish").want(5));
    assert!(
        matches!(wish, Err(CallError::NeverReached)),
        "{:?}",
        wish.err()
    );
    world.heal();
    world.advance(DAY);
    assert_eq!(world.at("shop").stats().discarded_pending, 1);
    assert!(world.frames().iter().all(|record| record.to != "bank"));
    assert_eq!(
        open_dialogs(&world, &["bank", "shop", "front"]),
        Vec::<String>::new()
    );
}

#[test]
fn the_end_of_a_dialog_ends_what_it_subcontracted() {
    let mut world = eager();
    let (_, eager) = world
        .run(world.open_as::<Eager>("front", "wish").want(5))
        .unwrap();
    world.advance(Duration::from_secs(60));
    assert_eq!(open_dialogs(&world, &["bank"]).len(), 1);
    world.run(eager.done()).unwrap();
    world.advance(Duration::from_secs(3600));
    assert_eq!(
        open_dialogs(&world, &["bank", "shop", "front"]),
        Vec::<String>::new()
    );
    assert_eq!(
        world.at("bank").stats().abandoned,
        0,
        "closed in good order"
    );
    assert_eq!(world.read("bank").range(CAPTURES, ..).unwrap().len(), 1);
}

/// Orders more than fits.
#[derive(Default, Serialize, Deserialize)]
struct Greedy {
    told: Vec<String>,
}

#[dialog(timeout = "2 days")]
impl Greedy {
    #[handler]
    fn order(&mut self, cx: &mut Cx<'_, Self>, kilobytes: usize) {
        let large = "x".repeat(kilobytes * 1024);
        cx.open::<Checkout>()
            .add("before".into(), 1)
            .add(large, 2)
            .add("after".into(), 4)
            .quote()
            .then(Self::QUOTED);
    }
    #[handler]
    fn told(&self) -> Vec<String> {
        self.told.clone()
    }
    #[resume]
    fn quoted(&mut self, answer: Answer<(u64, DialogRef<Checkout>), String>) {
        self.told.push(match answer {
            Ok((cents, _)) => cents.to_string(),
            Err(CallError::TooLarge { .. }) => "too large".to_owned(),
            Err(why) => format!("{why:?}"),
        });
    }
}

#[test]
fn an_opening_of_a_handler_is_said_whole_or_not_at_all() {
    let mut one = World::calm();
    one.node("front", |builder| {
        builder.serve::<Greedy>().serve::<Checkout>()
    });
    let mut two = World::calm();
    two.node("front", NodeBuilder::serve::<Greedy>);
    two.node("shop", NodeBuilder::serve::<Checkout>);
    for (mut world, shop) in [(one, "front"), (two, "shop")] {
        let greedy = world.open_as::<Greedy>("front", "greedy");
        for kilobytes in [1, 300, 2] {
            world.run(greedy.order(kilobytes)).unwrap();
            world.advance(Duration::from_secs(60));
        }
        assert_eq!(
            world.run(greedy.told()).unwrap(),
            ["7", "too large", "7"],
            "{shop}"
        );
        world.advance(DAY * 4);
        assert_eq!(open_dialogs(&world, &["front"]), Vec::<String>::new());
        assert_eq!(world.at(shop).stats().discarded_pending, 0);
    }
}

/// Has partners all its life.
#[derive(Default, Serialize, Deserialize)]
struct Busybody {
    told: u64,
}

#[dialog(timeout = "2 days")]
impl Busybody {
    #[handler]
    fn ask_around(&mut self, cx: &mut Cx<'_, Self>) {
        for _ in 0..10 {
            cx.open::<Counter>().finish().then(Self::HEARD);
        }
    }
    #[handler]
    fn told(&self) -> u64 {
        self.told
    }
    #[resume]
    fn heard(&mut self, _answer: Answer<u64>) {
        self.told += 1;
    }
}

#[test]
fn a_dialog_remembers_no_partner_that_has_left() {
    let mut world = World::calm();
    world.node("caller", NodeBuilder::serve::<Busybody>);
    world.node("target", NodeBuilder::serve::<Counter>);
    let bodies: Vec<_> = (0..8)
        .map(|n| world.open_as::<Busybody>("caller", &format!("body-{n}")))
        .collect();
    for round in 0..10 {
        for body in &bodies {
            world.run(body.ask_around()).unwrap();
        }
        world.advance(Duration::from_secs(10));
        assert_eq!(world.run(bodies[0].told()).unwrap(), (round + 1) * 10);
    }
    world.advance(Duration::from_secs(7200));
    world.crash("caller");
    let disk = std::sync::Arc::new(world.disk("caller"));
    let store = Store::open(disk, Options::default(), [0; 16]).unwrap();
    let actors = store
        .range(
            actor_store::Table::Actors,
            &[],
            Bound::Unbounded,
            usize::MAX,
        )
        .unwrap();
    assert_eq!(actors.len(), 8);
    for (_, record) in actors {
        assert!(record.bytes.len() < 200, "{} bytes", record.bytes.len());
    }
}
