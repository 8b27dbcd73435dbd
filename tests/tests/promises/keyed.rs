//! Dialogs that plain code opens under a key: one dialog for ever, one answer per name.

use actor_core::{
    prelude::*,
    world::{Moment, World},
};

use crate::apps::{Checkout, Counter, Payment, captures, insist};

const DAY: Duration = Duration::from_secs(86_400);

fn pair() -> World {
    let mut world = World::calm();
    world.node("target", |builder| {
        builder
            .serve::<Counter>()
            .serve::<Checkout>()
            .serve::<Payment>()
    });
    world.node("caller", |builder| builder);
    world
}

fn alone() -> World {
    let mut world = World::calm();
    world.node("caller", |builder| {
        builder
            .serve::<Counter>()
            .serve::<Checkout>()
            .serve::<Payment>()
    });
    world
}

#[test]
fn the_same_key_is_the_same_dialog() {
    for mut world in [pair(), alone()] {
        let one = world.open_as::<Counter>("caller", "main");
        assert_eq!(world.run(one.increment()).unwrap(), 1);
        let other = world.open_as::<Counter>("caller", "main");
        assert_eq!(one.dialog().id(), other.dialog().id());
        assert_eq!(world.run(other.increment()).unwrap(), 2);
        let third = world.open_as::<Counter>("caller", "another");
        assert_eq!(world.run(third.increment()).unwrap(), 1);
        world.restart("caller");
        let again = world.open_as::<Counter>("caller", "main");
        assert_eq!(one.dialog().id(), again.dialog().id());
        assert_eq!(world.run(again.increment()).unwrap(), 3);
    }
}

#[test]
fn two_tasks_that_ask_for_one_key_at_once_share_one_dialog() {
    for mut world in [pair(), alone()] {
        let quote = |world: &World| {
            world
                .open_as::<Checkout>("caller", "order")
                .add("teapot".into(), 5)
                .quote()
        };
        let (one, other) = (quote(&world), quote(&world));
        let (one, other) = (world.start(one), world.start(other));
        let (first, second) = (world.finish(&one).unwrap(), world.finish(&other).unwrap());
        assert_eq!((first.0, second.0), (5, 5));
        assert_eq!(first.1.dialog().id(), second.1.dialog().id());
        assert_eq!(
            world.run(second.1.items()).unwrap(),
            ["teapot"],
            "put in once"
        );
    }
}

#[test]
fn first_messages_are_sent_only_if_no_answer_is_recorded() {
    for (mut world, target) in [(pair(), "target"), (alone(), "caller")] {
        let quote = |world: &World| {
            world
                .open_as::<Checkout>("caller", "order")
                .add("teapot".into(), 5)
                .quote()
        };
        assert_eq!(world.run(quote(&world)).unwrap().0, 5);
        world.settle();
        let handled = world.at(target).stats().handled;
        world.restart("caller");
        let before = world.frames().len();
        assert_eq!(world.run(quote(&world)).unwrap().0, 5);
        assert_eq!(world.frames().len(), before, "nothing was said");
        let after = if target == "caller" { 0 } else { handled };
        assert_eq!(world.at(target).stats().handled, after);
    }
}

#[test]
fn a_key_with_other_contents_is_a_conflict_and_the_first_contents_stand() {
    for mut world in [pair(), alone()] {
        let quote = |world: &World, item: &str| {
            world
                .open_as::<Checkout>("caller", "order")
                .add(item.into(), 5)
                .quote()
        };
        let checkout = world.run(quote(&world, "teapot")).unwrap().1;
        let other = world.run(quote(&world, "kettle")).map(|_| ()).unwrap_err();
        assert!(
            matches!(&other, CallError::KeyConflict { key } if key == "order"),
            "{other:?}"
        );
        assert_eq!(world.run(checkout.items()).unwrap(), ["teapot"]);
        assert!(world.run(checkout.pay("1".into()).once("pay")).is_ok());
        let other = world.run(checkout.pay("2".into()).once("pay")).unwrap_err();
        assert!(
            matches!(&other, CallError::KeyConflict { key } if key == "pay"),
            "{other:?}"
        );
    }
}

#[test]
fn a_refused_opening_is_recorded_like_any_answer() {
    for mut world in [pair(), alone()] {
        for _ in 0..2 {
            let why = world
                .run(world.open_as::<Checkout>("caller", "order").quote())
                .map(|_| ())
                .unwrap_err();
            assert!(
                matches!(&why, CallError::Declined(why) if why == "an empty cart"),
                "{why:?}"
            );
            world.restart("caller");
        }
    }
}

#[test]
fn a_named_request_latches_on_to_itself() {
    for (mut world, target) in [(pair(), "target"), (alone(), "caller")] {
        let counter = world.open_as::<Counter>("caller", "main");
        let tasks: Vec<_> = (0..5)
            .map(|_| world.start(counter.increment().once("n")))
            .collect();
        for task in &tasks {
            assert_eq!(world.finish(task).unwrap(), 1);
        }
        assert_eq!(
            world.run(counter.increment().once("n")).unwrap(),
            1,
            "and afterwards the record answers"
        );
        assert_eq!(world.run(counter.increment().once("m")).unwrap(), 2);
        assert_eq!(
            world.run(counter.increment()).unwrap(),
            3,
            "without a name it is a new message"
        );
        let _ = target;
    }
}

#[test]
fn named_requests_happen_once_whichever_commit_is_the_last_of_a_process() {
    for (build, nodes) in [
        (pair as fn() -> World, &["caller", "target"][..]),
        (alone, &["caller"]),
    ] {
        for node in nodes {
            for k in 1.. {
                let mut struck = false;
                for moment in [Moment::BeforeCommit, Moment::AfterCommit] {
                    let mut world = build();
                    world.crash_at(node, moment, k);
                    for n in 1..=3 {
                        let count = insist(&mut world, |world| {
                            world
                                .open_as::<Counter>("caller", "main")
                                .increment()
                                .once(format!("n{n}"))
                        });
                        assert_eq!(count.unwrap(), n, "{node}, {moment:?} {k}");
                    }
                    struck |= !world.is_crash_due(node);
                }
                if !struck {
                    assert!(k > 3, "{node} took part");
                    break;
                }
            }
        }
    }
}

#[test]
fn recorded_answers_outlive_their_dialog() {
    for mut world in [pair(), alone()] {
        let opening = |world: &World| {
            world
                .open_as::<Checkout>("caller", "order")
                .add("teapot".into(), 5)
                .quote()
        };
        let checkout = world.run(opening(&world)).unwrap().1;
        assert_eq!(
            world.run(checkout.pay("4242".into()).once("pay")).unwrap(),
            5
        );
        world.run(checkout.done()).unwrap();
        world.advance(DAY * 30);
        world.restart("caller");
        let (cents, checkout) = world.run(opening(&world)).unwrap();
        assert_eq!(cents, 5);
        assert_eq!(
            world.run(checkout.pay("4242".into()).once("pay")).unwrap(),
            5
        );
        let late = world.run(checkout.items()).unwrap_err();
        assert!(matches!(late, CallError::Closed), "{late:?}");
        let unknown = world
            .run(checkout.pay("4242".into()).once("again"))
            .unwrap_err();
        assert!(matches!(unknown, CallError::Closed), "{unknown:?}");
    }
}

#[test]
fn what_was_unanswered_when_the_dialog_failed_stays_in_doubt() {
    let mut world = pair();
    let counter = world.open_as::<Counter>("caller", "main");
    assert_eq!(world.run(counter.increment().once("a")).unwrap(), 1);
    world.wipe("target");
    for _ in 0..2 {
        let lost = world
            .run(
                world
                    .open_as::<Counter>("caller", "main")
                    .increment()
                    .once("b"),
            )
            .unwrap_err();
        assert!(
            matches!(
                &lost,
                CallError::Abandoned {
                    why: Abandoned::PartnerReplaced,
                    in_doubt: true
                }
            ),
            "{lost:?}"
        );
        assert_eq!(
            world
                .run(
                    world
                        .open_as::<Counter>("caller", "main")
                        .increment()
                        .once("a")
                )
                .unwrap(),
            1
        );
        world.restart("caller");
    }
}

#[test]
fn nothing_is_captured_twice_by_asking_twice() {
    for (mut world, bank) in [(pair(), "target"), (alone(), "caller")] {
        for _ in 0..3 {
            let opening = world
                .open_as::<Checkout>("caller", "order")
                .add("teapot".into(), 5)
                .quote();
            let checkout = world.run(opening).unwrap().1;
            assert_eq!(
                world.run(checkout.pay("4242".into()).once("pay")).unwrap(),
                5
            );
            world.restart("caller");
        }
        assert_eq!(captures(&mut world, bank).len(), 1);
    }
}
