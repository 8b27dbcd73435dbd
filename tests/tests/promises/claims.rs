//! What "Idempotence Is Not a Medical Condition" asks of plumbing and no other file has as a test; `docs/article.md` is
//! the list of all of it.

use actor_core::{Gnomes, NodeBuilder, prelude::*, protocol::FrameKind, world::World};

use crate::apps::{Checkout, Counter, Payment, captures};

const DAY: Duration = Duration::from_secs(86_400);

/// A dialog that may be silent for months.
#[derive(Default, Serialize, Deserialize)]
struct Subscription {
    issues: u32,
}

#[dialog(timeout = "1 year")]
impl Subscription {
    #[handler]
    fn next_issue(&mut self) -> u32 {
        self.issues += 1;
        self.issues
    }
}

/// A teller who knows, and one of the same name who has to ask somebody.
mod knows {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(super) struct Teller {
        asked: u64,
    }

    #[dialog(name = "teller", timeout = "2 days")]
    impl Teller {
        #[handler]
        pub(super) fn rate(&mut self, cents: u64) -> Result<u64, String> {
            self.asked += 1;
            rate(cents, self.asked)
        }
    }
}

mod asks {
    use super::*;

    type Asker = ReplyTo<Result<u64, String>>;

    #[derive(Default, Serialize, Deserialize)]
    pub(super) struct Teller {
        asked: u64,
        waiting: Vec<(u64, u64, Asker)>,
    }

    #[dialog(name = "teller", timeout = "2 days")]
    impl Teller {
        #[handler]
        pub(super) fn rate(
            &mut self,
            cx: &mut Cx<'_, Self>,
            cents: u64,
        ) -> Later<Result<u64, String>> {
            let (later, reply) = cx.later();
            self.asked += 1;
            self.waiting.push((cents, self.asked, reply));
            cx.open::<Counter>()
                .increment()
                .then_with(Self::COUNTED, self.asked);
            later
        }
        #[resume]
        fn counted(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<u64>, which: u64) {
            assert_eq!(answer.ok(), Some(1), "a partner of its own for each");
            let at = self
                .waiting
                .iter()
                .position(|(_, asked, _)| *asked == which);
            let (cents, asked, reply) = self.waiting.remove(at.expect("asked once"));
            cx.reply(reply, rate(cents, asked));
        }
    }
}

fn rate(cents: u64, asked: u64) -> Result<u64, String> {
    if cents == 0 {
        return Err("nothing to rate".to_owned());
    }
    Ok(cents * 100 + asked)
}

fn hostile(seed: u64) -> Gnomes {
    Gnomes::seeded(seed).lose(0.3).repeat(0.3).reorder(5)
}

fn pair() -> World {
    let mut world = World::calm();
    world.node("target", NodeBuilder::serve::<Counter>);
    world.node("initiator", |builder| builder);
    world
}

/// Instances of a shop with a bank in each, and a front without either.
fn pool(instances: usize) -> World {
    let mut world = World::calm();
    for n in 0..instances {
        world.node(&format!("shop-{n}"), |builder| {
            builder.serve::<Checkout>().serve::<Payment>()
        });
    }
    world.node("front", |builder| builder);
    world
}

#[test]
fn messages_of_two_dialogs_between_the_same_services_are_never_mixed() {
    let mut world = pair();
    world.gnomes(hostile(7));
    let counters = ["a", "b", "c"].map(|key| world.open_as::<Counter>("initiator", key));
    for round in 1..=10 {
        let counting = counters.each_ref().map(|it| world.start(it.increment()));
        for it in counting {
            assert_eq!(world.finish(&it).unwrap(), round);
        }
    }
}

#[test]
fn a_related_message_months_later_finds_the_instance_that_remembers() {
    let mut world = World::calm();
    for node in ["press-1", "press-2", "press-3"] {
        world.node(node, NodeBuilder::serve::<Subscription>);
    }
    world.node("reader", |builder| builder);
    for month in 1..=4 {
        let subscription = world.open_as::<Subscription>("reader", "mine");
        assert_eq!(world.run(subscription.next_issue()).unwrap(), month);
        world.advance(DAY * 30);
        for node in ["press-1", "press-2", "press-3", "reader"] {
            world.restart(node);
        }
    }
}

#[test]
fn a_dialog_outlives_every_process_that_took_part_in_it() {
    let mut world = pair();
    for count in 1..=20 {
        let counter = world.open_as::<Counter>("initiator", "main");
        assert_eq!(world.run(counter.increment()).unwrap(), count);
        world.restart(if count % 2 == 0 {
            "target"
        } else {
            "initiator"
        });
    }
}

#[test]
fn each_direction_keeps_its_order_however_its_frames_are_shuffled() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.node("target", NodeBuilder::serve::<Counter>);
        world.node("initiator", |builder| builder);
        world.gnomes(hostile(seed));
        let counter = world.open_as::<Counter>("initiator", "main");
        let asked: Vec<_> = (0..12).map(|_| world.start(counter.increment())).collect();
        // Those that were asked first are first, whatever the network did to them and to their answers.
        let told: Vec<u64> = asked.iter().map(|it| world.finish(it).unwrap()).collect();
        assert_eq!(told, (1..=12).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn repeated_work_is_a_side_effect_that_is_counted_apart() {
    let run = |repeat: bool| {
        let mut world = pair();
        if repeat {
            world.repeat(u32::MAX, |_| true);
        }
        let counter = world.open_as::<Counter>("initiator", "main");
        for count in 1..=5 {
            assert_eq!(world.run(counter.increment()).unwrap(), count);
        }
        world.settle();
        world.at("target").stats()
    };
    let (once, twice) = (run(false), run(true));
    assert_eq!(once.handled, twice.handled);
    assert_eq!(once.duplicates_dropped, 0);
    assert!(twice.duplicates_dropped >= 5, "{twice:?}");
}

/// What a customer sees of a shop with so many instances.
fn shopping(instances: usize) -> Vec<String> {
    let mut world = pool(instances);
    world.lose(2, |record| record.frame.is_initiating());
    let mut told = Vec::new();
    for order in 0..4 {
        let opening = world.open_as::<Checkout>("front", &format!("order-{order}"));
        let (cents, checkout) = world.run(opening.add("cup".into(), 5).quote()).unwrap();
        told.push(format!("{cents}"));
        told.push(format!("{:?}", world.run(checkout.pay("4242".into()))));
        told.push(format!("{:?}", world.run(checkout.pay("0002".into()))));
        told.push(format!("{:?}", world.run(checkout.items())));
    }
    told
}

#[test]
fn an_initiator_cannot_tell_a_pool_from_a_single_instance() {
    let alone = shopping(1);
    assert_eq!(shopping(2), alone);
    assert_eq!(shopping(5), alone);
}

/// What an initiator sees of a teller, with acknowledgements lost or not.
fn rates(teller: impl Fn(NodeBuilder) -> NodeBuilder + 'static, acks: bool) -> Vec<String> {
    let mut world = World::calm();
    world.node("teller", teller);
    world.node("counters", NodeBuilder::serve::<Counter>);
    world.node("front", |builder| builder);
    if !acks {
        world.lose(u32::MAX, |record| record.frame.kind == FrameKind::Ack);
    }
    let teller = world.open_as::<knows::Teller>("front", "main");
    [3, 0, 7]
        .map(|cents| format!("{:?}", world.run(teller.rate(cents))))
        .into()
}

#[test]
fn a_partner_that_begins_to_subcontract_goes_unnoticed() {
    let known = rates(NodeBuilder::serve::<knows::Teller>, true);
    assert_eq!(known[0], "Ok(301)");
    for acks in [true, false] {
        let contracted = rates(NodeBuilder::serve::<asks::Teller>, acks);
        // Refusing rolls a handler back, and it asked before it refused: it has counted once more.
        assert_eq!(contracted[..2], known[..2]);
        assert_eq!(contracted[2], "Ok(703)");
        assert_eq!(known[2], "Ok(702)");
    }
}

#[test]
fn of_the_three_safe_beginnings_none_leaves_a_trace_on_the_instance_that_was_not_chosen() {
    // With a handshake no message runs before the partner is chosen.
    let mut world = World::calm();
    for node in ["a", "b"] {
        world.node(node, NodeBuilder::serve::<Counter>);
    }
    world.node("front", |builder| builder);
    world.lose(1, |record| record.frame.kind == FrameKind::SynAck);
    let counter = world.open_as::<Counter>("front", "main");
    assert_eq!(world.run(counter.increment()).unwrap(), 1);
    let handled = ["a", "b"].map(|node| world.at(node).stats().handled);
    assert!(handled.contains(&0), "{handled:?}");

    // Pending work and reading: both instances ran the first messages, and only the chosen one kept anything.
    let mut world = pool(2);
    world.lose(1, |record| {
        record.to == "front" && record.frame.messages.iter().any(|it| it.kind.is_answer())
    });
    let opening = world.open_as::<Checkout>("front", "order");
    let (_, checkout) = world.run(opening.add("cup".into(), 5).quote()).unwrap();
    world.run(checkout.pay("4242".into())).unwrap();
    world.advance(DAY);
    let nodes = ["shop-0", "shop-1"];
    assert!(
        nodes.iter().all(|node| world.at(node).stats().handled >= 2),
        "both accumulated and both read"
    );
    let dropped: u64 = nodes
        .iter()
        .map(|node| world.at(node).stats().discarded_pending)
        .sum();
    assert_eq!(dropped, 1);
    let captured = nodes.map(|node| captures(&mut world, node));
    assert_eq!(captured.concat().len(), 1);
}

#[test]
fn a_contract_says_all_seven_things_that_partners_must_share() {
    let contract = Checkout::CONTRACT.to_string();
    for notion in [
        "talk to the plumbing",
        "who:",
        "transaction:",
        "order:",
        "knowledge:",
        "abandonment: after 2 days of silence",
        "test the timeout:",
    ] {
        assert!(contract.contains(notion), "`{notion}` in:\n{contract}");
    }
}
