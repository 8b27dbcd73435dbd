//! The walk-through of "Idempotence Is Not a Medical Condition", on real nodes, and its four principles.

use actor_core::{
    prelude::*,
    protocol::{FrameKind, ResetReason},
    world::{Fate, FrameRecord, World},
};

use crate::apps::{Checkout, Counter, Payment, captures};

const HOUR: Duration = Duration::from_secs(3600);

/// Foo A and Foo N behind one name, and Bar, who does not know that there are two.
fn pool() -> World {
    let mut world = World::calm();
    for name in ["foo-a", "foo-n"] {
        world.node(name, |builder| {
            builder.serve::<Checkout>().serve::<Payment>()
        });
    }
    world.node("bar", |builder| builder);
    world
}

fn pair() -> World {
    let mut world = World::calm();
    world.node("target", actor_core::NodeBuilder::serve::<Counter>);
    world.node("initiator", |builder| builder);
    world
}

fn initiates(record: &FrameRecord) -> bool {
    record.frame.is_initiating()
}

#[test]
fn the_article_walks_through_foo_a_and_foo_n() {
    let mut world = pool();
    // The directory takes turns; this turn is not Foo A's.
    world.lose(1, |record| record.to == "foo-n" && initiates(record));
    // The first attempt reaches Foo A, which accumulates and answers. Its answer takes a long way round.
    world.hold(u32::MAX, |record| record.from == "foo-a");
    let opening = world.open_as::<Checkout>("bar", "order-1");
    let asking = world.start(
        opening
            .add("teapot".into(), 1999)
            .add("cup".into(), 500)
            .quote(),
    );
    // Bar retries, all of it, and the retry lands on Foo N, whose answer arrives.
    let (cents, checkout) = world.finish(&asking).unwrap();
    assert_eq!(cents, 2499);
    let batches: Vec<_> = world.frames().into_iter().filter(initiates).collect();
    assert!(
        batches
            .iter()
            .all(|record| record.frame.messages.len() == 3),
        "all of it, each time"
    );
    assert!(
        batches
            .iter()
            .any(|record| record.to == "foo-a" && record.fate == Fate::Sent)
    );
    assert_eq!(
        world.at("foo-a").stats().handled,
        3,
        "Foo A ran the pending handlers"
    );
    // Foo A's answer comes after all. Bar is bound to Foo N and says so; Foo A drops its work.
    world.heal();
    world.let_go();
    world.settle();
    let superseded = |record: &FrameRecord| {
        matches!(
            record.frame.kind,
            FrameKind::Reset {
                reason: ResetReason::Superseded,
                ..
            }
        )
    };
    assert!(
        world
            .frames()
            .iter()
            .any(|record| record.to == "foo-a" && superseded(record))
    );
    assert_eq!(world.at("foo-a").stats().discarded_pending, 1);
    assert_eq!(world.at("foo-n").stats().discarded_pending, 0);
    // Later messages go to the one that remembers.
    assert_eq!(world.run(checkout.items()).unwrap(), ["teapot", "cup"]);
    assert_eq!(world.run(checkout.pay("4242".into())).unwrap(), 2499);
    assert_eq!(
        world.at("foo-a").stats().handled,
        3,
        "and nothing after them"
    );
    assert_eq!(captures(&mut world, "foo-a"), []);
    assert_eq!(captures(&mut world, "foo-n"), [("4242".to_owned(), 2499)]);
}

#[test]
fn pending_work_whose_initiator_never_comes_back_is_dropped() {
    let mut world = pool();
    world.lose(1, |record| record.to == "foo-n" && initiates(record));
    world.lose(u32::MAX, |record| record.from == "foo-a");
    world.lose(u32::MAX, |record| {
        record.from == "bar" && record.to == "foo-a" && !initiates(record)
    });
    let opening = world.open_as::<Checkout>("bar", "order-1");
    world
        .run(opening.add("teapot".into(), 1999).quote())
        .unwrap();
    assert_eq!(world.at("foo-a").dialogs().unwrap().len(), 1);
    world.advance(HOUR);
    assert_eq!(world.at("foo-a").stats().discarded_pending, 1);
    assert_eq!(world.at("foo-a").dialogs().unwrap(), [], "and forgotten");
}

#[test]
fn a_target_that_lost_its_store_makes_its_initiator_fail_with_a_typed_outcome() {
    let mut world = pair();
    let counter = world.open_as::<Counter>("initiator", "main");
    assert_eq!(world.run(counter.increment()).unwrap(), 1);
    world.wipe("target");
    let answer = world.run(counter.increment());
    assert!(
        matches!(
            &answer,
            Err(CallError::Abandoned {
                why: Abandoned::PartnerReplaced,
                in_doubt: true
            })
        ),
        "{answer:?}"
    );
    // It never starts over behind the application's back.
    assert_eq!(world.at("target").stats().handled, 0);
    let again = world.run(counter.increment());
    assert!(
        matches!(
            &again,
            Err(CallError::Abandoned {
                why: Abandoned::PartnerReplaced,
                in_doubt: false
            })
        ),
        "{again:?}"
    );
}

#[test]
fn a_target_that_lost_one_record_makes_its_initiator_fail_with_a_typed_outcome() {
    let mut world = pair();
    let counter = world.open_as::<Counter>("initiator", "main");
    let other = world.open_as::<Counter>("initiator", "other");
    assert_eq!(world.run(counter.increment()).unwrap(), 1);
    assert_eq!(world.run(other.increment()).unwrap(), 1);
    world.forget_dialog("target", counter.dialog().id());
    let answer = world.run(counter.increment());
    assert!(
        matches!(
            &answer,
            Err(CallError::Abandoned {
                why: Abandoned::PartnerAmnesia,
                in_doubt: true
            })
        ),
        "{answer:?}"
    );
    assert_eq!(
        world.run(other.increment()).unwrap(),
        2,
        "other dialogs go on"
    );
}

#[test]
fn an_initiator_that_lost_its_store_ends_the_dialog_at_its_target() {
    let mut world = pair();
    let counter = world.open_as::<Counter>("initiator", "main");
    assert_eq!(world.run(counter.increment()).unwrap(), 1);
    world.wipe("initiator");
    world.advance(HOUR * 72);
    assert_eq!(world.at("target").dialogs().unwrap(), []);
    assert_eq!(world.at("target").stats().abandoned, 1);
}

/// What an application sees of three dialogs, with the acknowledgements treated like this.
fn told(acks: impl Fn(&mut World)) -> Vec<String> {
    let mut world = pool();
    acks(&mut world);
    let mut told = Vec::new();
    for n in 0..3 {
        let opening = world.open_as::<Checkout>("bar", &format!("order-{n}"));
        let (cents, checkout) = world
            .run(opening.add("a".into(), 1).add("b".into(), 2).quote())
            .unwrap();
        told.push(format!("{cents}"));
        told.push(format!("{:?}", world.run(checkout.items())));
        told.push(format!(
            "{:?}",
            world.run(checkout.pay(format!("card-{n}")))
        ));
        told.push(format!("{:?}", world.run(checkout.items())));
        told.push(format!("{:?}", world.run(checkout.done())));
    }
    world.advance(HOUR);
    told.push(format!(
        "{:?}",
        [captures(&mut world, "foo-a"), captures(&mut world, "foo-n")]
            .concat()
            .len()
    ));
    told
}

#[test]
fn acknowledgements_are_invisible() {
    let plain = told(|_| {});
    let is_ack = |record: &FrameRecord| record.frame.kind == FrameKind::Ack;
    assert_eq!(plain, told(move |world| world.lose(40, is_ack)));
    assert_eq!(plain, told(move |world| world.hold(u32::MAX, is_ack)));
    assert_eq!(plain, told(move |world| world.repeat(u32::MAX, is_ack)));
}

#[test]
fn a_last_answer_that_is_lost_is_said_again_and_both_sides_close() {
    let mut world = pair();
    let counter = world.open::<Counter>("initiator");
    assert_eq!(world.run(counter.increment()).unwrap(), 1);
    world.lose(1, |record| record.from == "target" && record.has_messages());
    assert_eq!(world.run(counter.finish()).unwrap(), 1);
    world.advance(HOUR);
    assert_eq!(world.at("target").dialogs().unwrap(), []);
    assert_eq!(world.at("target").stats().completed, 1);
    assert_eq!(world.at("initiator").stats().completed, 1);
}

#[test]
fn a_last_message_that_nobody_confirms_leaves_its_sender_closed_and_unsure() {
    let mut world = pair();
    let counter = world.open_as::<Counter>("initiator", "main");
    assert_eq!(world.run(counter.increment()).unwrap(), 1);
    let finish = world.start(counter.finish());
    while !world
        .frames()
        .iter()
        .any(|record| record.from == "initiator" && record.frame.messages.iter().any(|m| m.fin))
    {
        assert!(world.step());
    }
    world.settle();
    world.partition("target", "initiator");
    assert_eq!(world.finish(&finish).unwrap(), 1, "the answer had come");
    world.advance(HOUR * 24);
    for node in ["target", "initiator"] {
        assert_eq!(
            world.at(node).stats().completed,
            1,
            "{node}: {}",
            world.state()
        );
        assert_eq!(world.at(node).stats().abandoned, 0, "{node}");
    }
}

/// "The application must not care about the last message": each frame of a whole dialog is lost once.
#[test]
fn whichever_frame_is_lost_no_side_stays_open_for_ever() {
    let run = |lost: Option<usize>| {
        let mut world = pair();
        if let Some(lost) = lost {
            let sent = std::sync::atomic::AtomicUsize::new(0);
            world.lose(u32::MAX, move |_| {
                sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == lost
            });
        }
        let counter = world.open::<Counter>("initiator");
        assert_eq!(world.run(counter.increment()).unwrap(), 1);
        assert_eq!(world.run(counter.increment()).unwrap(), 2);
        assert_eq!(world.run(counter.finish()).unwrap(), 2);
        world.advance(HOUR);
        for node in ["target", "initiator"] {
            assert_eq!(
                world.at(node).dialogs().unwrap(),
                [],
                "{node} without frame {lost:?}: {}",
                world.state()
            );
            let stats = world.at(node).stats();
            assert_eq!(
                (stats.completed, stats.abandoned),
                (1, 0),
                "{node} without frame {lost:?}: {}",
                world.state()
            );
        }
        world.frames().len()
    };
    let frames = run(None);
    assert!(frames > 6);
    for lost in 0..frames {
        run(Some(lost));
    }
}
