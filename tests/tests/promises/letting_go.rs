//! What plain code may let go of, and what that means for the partner.

use actor_core::{
    Node,
    prelude::*,
    world::{FrameRecord, World},
};

use crate::apps::{Checkout, Counter, open_dialogs};

const DAY: Duration = Duration::from_secs(86_400);

/// Why dialogs were given up, in words, under fresh ids.
const ENDS: Table<u128, String> = Table::new("ends");

/// Notes how it ended, and answers late.
#[derive(Default, Serialize, Deserialize)]
struct Watched {
    reply: Option<ReplyTo<u64>>,
}

#[dialog(timeout = "2 days", tables(ENDS))]
impl Watched {
    #[handler]
    fn hello(&mut self) -> u64 {
        1
    }
    /// Forgets whoever asked before.
    #[handler]
    fn wait(&mut self, cx: &mut Cx<'_, Self>, minutes: u64) -> Later<u64> {
        let (later, reply) = cx.later();
        self.reply = Some(reply);
        cx.after(Duration::from_secs(60 * minutes), Self::DONE_WAITING);
        later
    }
    #[resume]
    fn done_waiting(&mut self, cx: &mut Cx<'_, Self>) {
        if let Some(reply) = self.reply.take() {
            cx.reply(reply, 7);
        }
    }
    #[abandoned]
    fn abandoned(self, cx: &mut Cx<'_, Self>, why: Abandoned) {
        let id = cx.id();
        cx.table(ENDS).insert(&id, &format!("{why:?}"));
    }
}

fn ends(world: &mut World, node: &str) -> Vec<String> {
    world
        .read(node)
        .range(ENDS, ..)
        .unwrap()
        .into_iter()
        .map(|(_, why)| why)
        .collect()
}

/// The caller's node, and the partner's: one store, or two.
fn worlds() -> [(World, &'static str, &'static str); 2] {
    let mut one = World::calm();
    one.node("only", |builder| {
        builder
            .serve::<Watched>()
            .serve::<Checkout>()
            .serve::<Counter>()
    });
    let mut two = World::calm();
    two.node("target", |builder| {
        builder
            .serve::<Watched>()
            .serve::<Checkout>()
            .serve::<Counter>()
    });
    two.node("caller", |builder| builder);
    [(one, "only", "only"), (two, "caller", "target")]
}

#[test]
fn a_partner_hears_at_once_that_its_client_was_dropped() {
    for (mut world, caller, target) in worlds() {
        let watched = world.open::<Watched>(caller);
        world.run(watched.hello()).unwrap();
        world.advance(Duration::from_secs(60));
        assert_eq!(ends(&mut world, target), Vec::<String>::new());
        drop(watched);
        world.settle();
        assert_eq!(ends(&mut world, target), ["PartnerGone"], "{target}");
        world.advance(DAY);
        assert_eq!(open_dialogs(&world, &[target]), Vec::<String>::new());
    }
}

#[test]
fn a_keyed_dialog_does_not_care_for_its_handles() {
    for (mut world, caller, target) in worlds() {
        let watched = world.open_as::<Watched>(caller, "key");
        world.run(watched.hello()).unwrap();
        drop(watched);
        world.advance(DAY);
        assert_eq!(ends(&mut world, target), Vec::<String>::new());
    }
}

#[test]
fn the_last_handle_counts() {
    for (mut world, caller, target) in worlds() {
        let watched = world.open::<Watched>(caller);
        let other = world.start(watched.wait(10));
        world.settle();
        drop(watched);
        world.settle();
        assert_eq!(
            ends(&mut world, target),
            Vec::<String>::new(),
            "a request holds it too"
        );
        assert_eq!(world.finish(&other).unwrap(), 7);
        world.settle();
        assert_eq!(ends(&mut world, target), ["PartnerGone"]);
    }
}

#[test]
fn pending_work_is_dropped_with_its_opening() {
    let mut world = World::calm();
    world.node("shop", actor_core::NodeBuilder::serve::<Checkout>);
    world.node("caller", |builder| builder);
    world.lose(u32::MAX, |record: &FrameRecord| {
        record.from == "shop" && record.has_messages()
    });
    let opening = world.start(
        world
            .open::<Checkout>("caller")
            .add("teapot".into(), 1)
            .quote(),
    );
    world.settle();
    assert_eq!(
        world.at("shop").dialogs().unwrap().len(),
        1,
        "pending work is there"
    );
    world.cancel(&opening);
    world.heal();
    world.advance(Duration::from_secs(120));
    assert_eq!(
        world.at("shop").stats().discarded_pending,
        1,
        "{}",
        world.state()
    );
    assert_eq!(open_dialogs(&world, &["shop"]), Vec::<String>::new());
}

#[test]
fn an_opening_that_was_never_polled_has_said_nothing() {
    let mut world = World::calm();
    world.node("shop", actor_core::NodeBuilder::serve::<Checkout>);
    world.node("caller", |builder| builder);
    drop(
        world
            .open::<Checkout>("caller")
            .add("teapot".into(), 1)
            .quote(),
    );
    world.settle();
    assert!(world.frames().is_empty());
}

#[test]
fn a_dropped_request_is_handled_all_the_same() {
    for (mut world, caller, target) in worlds() {
        let counter = world.open::<Counter>(caller);
        assert_eq!(world.run(counter.increment()).unwrap(), 1);
        world.settle();
        assert_eq!(counter.dialog().knowledge(), Knowledge::Answered);
        let before = world.at(target).stats().handled;
        let request = world.start(counter.increment());
        // Its shard has heard it; nobody has handled it.
        while !matches!(counter.dialog().knowledge(), Knowledge::InDoubt { .. }) {
            assert!(world.step());
        }
        assert_eq!(world.at(target).stats().handled, before);
        world.cancel(&request);
        assert!(matches!(
            counter.dialog().knowledge(),
            Knowledge::InDoubt { attempts: 1, .. }
        ));
        world.settle();
        assert_eq!(counter.dialog().knowledge(), Knowledge::Answered);
        assert_eq!(world.run(counter.get()).unwrap(), 2);
    }
}

#[test]
fn a_request_that_was_dropped_before_anybody_read_it_leaves_nothing_open() {
    for (mut world, caller, target) in worlds() {
        let watched = world.open::<Watched>(caller);
        let mut request = Box::pin(watched.hello());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(request.as_mut().poll(&mut cx).is_pending(), "it is said");
        drop(request);
        drop(watched);
        world.advance(Duration::from_secs(3600));
        assert_eq!(open_dialogs(&world, &[target]), Vec::<String>::new());
        world.advance(DAY * 3);
        let why = ends(&mut world, target);
        assert!(why.iter().all(|why| why == "PartnerGone"), "{why:?}");
    }
}

#[test]
fn plain_code_may_close_or_give_up() {
    for (mut world, caller, target) in worlds() {
        for keyed in [true, false] {
            let open = |world: &World, key| {
                if keyed {
                    world.open_as::<Watched>(caller, key)
                } else {
                    world.open::<Watched>(caller)
                }
            };
            let before = ends(&mut world, target).len();
            let watched = open(&world, "closed");
            world.run(watched.hello()).unwrap();
            watched.dialog().close();
            world.settle();
            assert!(matches!(world.run(watched.hello()), Err(CallError::Closed)));
            world.advance(Duration::from_secs(3600));
            assert_eq!(
                ends(&mut world, target).len(),
                before,
                "closed in good order"
            );

            let watched = open(&world, "given up");
            world.run(watched.hello()).unwrap();
            watched.dialog().abandon("bored");
            world.settle();
            let why = world.run(watched.hello()).unwrap_err();
            assert!(
                matches!(&why, CallError::Abandoned { why: Abandoned::ByUs(why), in_doubt: false } if why == "bored")
            );
            world.advance(Duration::from_secs(3600));
            let ends = ends(&mut world, target);
            assert!(
                ends.contains(&"ByPartner(\"bored\")".to_owned()),
                "{ends:?}"
            );
            assert_eq!(ends.len(), before + 1);
        }
        assert_eq!(open_dialogs(&world, &[target]), Vec::<String>::new());
    }
}

#[test]
fn a_partner_learns_that_its_callers_process_died_when_it_next_speaks() {
    let mut world = World::calm();
    world.node("target", actor_core::NodeBuilder::serve::<Watched>);
    world.node("caller", |builder| builder);
    let watched = world.open::<Watched>("caller");
    let waiting = world.start(watched.wait(10));
    world.settle();
    world.restart("caller");
    let answer = world.finish(&waiting);
    assert!(
        matches!(answer, Err(CallError::Stopped { in_doubt: true })),
        "{answer:?}"
    );
    assert_eq!(ends(&mut world, "target"), Vec::<String>::new());
    world.advance(Duration::from_secs(660));
    assert_eq!(ends(&mut world, "target"), ["PartnerGone"]);
}

#[test]
fn a_partner_in_the_same_store_learns_that_its_callers_process_died() {
    let mut world = World::calm();
    world.node("only", actor_core::NodeBuilder::serve::<Watched>);
    let watched = world.open::<Watched>("only");
    world.run(watched.hello()).unwrap();
    world.settle();
    world.restart("only");
    drop(watched);
    world.advance(DAY * 3);
    assert_eq!(ends(&mut world, "only"), ["PartnerGone"]);
    assert_eq!(world.at("only").dialogs().unwrap(), []);
}

#[test]
fn a_forgotten_reply_answers_its_caller_at_once() {
    for (mut world, caller, _) in worlds() {
        let watched = world.open_as::<Watched>(caller, "key");
        let first = world.start(watched.wait(10));
        world.settle();
        let second = world.start(watched.wait(20));
        world.settle();
        let answer = first.take().expect("answered at once");
        assert!(matches!(answer, Err(CallError::NoAnswer)), "{answer:?}");
        assert_eq!(world.finish(&second).unwrap(), 7);
    }
}

#[test]
fn a_reply_that_is_kept_survives_restarts() {
    for (mut world, caller, target) in worlds() {
        let watched = world.open_as::<Watched>(caller, "key");
        let waiting = world.start(watched.wait(10).once("w"));
        world.settle();
        world.restart(target);
        let answer = if caller == target {
            assert!(world.finish(&waiting).is_err());
            world.run(world.open_as::<Watched>(caller, "key").wait(10).once("w"))
        } else {
            world.finish(&waiting)
        };
        assert_eq!(answer.unwrap(), 7);
    }
}

#[test]
fn opening_what_nobody_serves_fails_at_once_and_names_the_line() {
    let mut world = World::calm();
    world.node("caller", |builder| builder);
    let before = world.now_ms();
    for answer in [
        world.run(world.open::<Counter>("caller").increment()),
        world.run(world.open_as::<Counter>("caller", "key").increment()),
    ] {
        let why = answer.unwrap_err();
        assert!(matches!(&why, CallError::NoRoute { service } if service == "Counter"));
        assert_eq!(why.knowledge(), Knowledge::NotSent);
        assert!(why.to_string().contains(".serve::<Counter>()"), "{why}");
    }
    assert_eq!(world.now_ms(), before);
    assert!(world.frames().is_empty());
    // Nothing is left that would stand in the way once somebody serves it.
    world.node("target", actor_core::NodeBuilder::serve::<Counter>);
    assert_eq!(
        world
            .run(world.open_as::<Counter>("caller", "key").increment())
            .unwrap(),
        1
    );
}

#[test]
fn a_stopped_node_says_so() {
    let mut world = World::calm();
    world.node("only", actor_core::NodeBuilder::serve::<Counter>);
    let node: std::sync::Arc<Node> = world.at("only");
    let counter = node.open_as::<Counter>("key");
    world.crash("only");
    assert!(matches!(
        world.run(counter.increment()),
        Err(CallError::Stopped { in_doubt: false })
    ));
    world.restart("only");
    assert_eq!(
        world
            .run(world.open_as::<Counter>("only", "key").increment())
            .unwrap(),
        1
    );
}
