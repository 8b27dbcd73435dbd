//! Nobody waits for ever, nobody waits in real time, and nobody is blamed for a silence that was his turn to break.

use actor_core::{
    prelude::*,
    world::{FrameRecord, World},
};

use crate::apps::{Checkout, Counter, open_dialogs};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Answers when it likes.
#[derive(Default, Serialize, Deserialize)]
struct Slow {
    reply: Option<ReplyTo<u64>>,
}

#[dialog(timeout = "2 days")]
impl Slow {
    #[handler]
    fn answer_after(&mut self, cx: &mut Cx<'_, Self>, hours: u64) -> Later<u64> {
        let (later, reply) = cx.later();
        self.reply = Some(reply);
        cx.after(HOUR * u32::try_from(hours).unwrap(), Self::ANSWER);
        later
    }
    #[resume]
    fn answer(&mut self, cx: &mut Cx<'_, Self>) {
        if let Some(reply) = self.reply.take() {
            cx.reply(reply, 7);
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Mayfly {}

#[dialog(timeout = "2 days", lifetime = "1 hour")]
impl Mayfly {
    #[handler]
    fn hello(&mut self) {}
}

fn pair() -> World {
    let mut world = World::calm();
    world.node("target", |builder| {
        builder
            .serve::<Counter>()
            .serve::<Slow>()
            .serve::<Mayfly>()
            .serve::<Checkout>()
    });
    world.node("caller", |builder| builder);
    world
}

fn alone() -> World {
    let mut world = World::calm();
    world.node("caller", |builder| {
        builder
            .serve::<Counter>()
            .serve::<Slow>()
            .serve::<Mayfly>()
            .serve::<Checkout>()
    });
    world
}

#[test]
fn a_target_gives_up_a_silent_initiator_after_the_agreed_time_and_not_before() {
    for (mut world, target) in [(pair(), "target"), (alone(), "caller")] {
        let counter = world.open_as::<Counter>("caller", "main");
        world.run(counter.increment()).unwrap();
        world.advance(HOUR * 47);
        assert_eq!(world.at(target).stats().abandoned, 0);
        assert_eq!(
            world.run(counter.increment()).unwrap(),
            2,
            "it was not too late"
        );
        world.advance(HOUR * 47);
        assert_eq!(
            world.at(target).stats().abandoned,
            0,
            "the clock began anew"
        );
        world.advance(HOUR * 2);
        assert!(world.at(target).stats().abandoned > 0);
        let answer = world.run(counter.increment());
        assert!(
            matches!(
                &answer,
                Err(CallError::Abandoned {
                    why: Abandoned::PartnerTimedOut,
                    in_doubt: false
                })
            ),
            "{answer:?}"
        );
    }
}

#[test]
fn an_initiator_gives_up_a_partner_that_owes_it_an_answer() {
    for (mut world, _) in [(pair(), "target"), (alone(), "caller")] {
        let slow = world.open_as::<Slow>("caller", "main");
        let before = world.now_ms();
        let answer = world.run(slow.answer_after(72));
        assert!(
            matches!(
                &answer,
                Err(CallError::Abandoned {
                    why: Abandoned::Silence,
                    in_doubt: true
                })
            ),
            "{answer:?}"
        );
        let waited = Duration::from_millis(world.now_ms() - before);
        assert!(waited >= DAY * 2 && waited < DAY * 2 + MINUTE, "{waited:?}");
    }
}

#[test]
fn whoever_owes_an_answer_does_not_blame_the_one_who_waits() {
    for (mut world, target) in [(pair(), "target"), (alone(), "caller")] {
        let slow = world.open_as::<Slow>("caller", "main");
        for _ in 0..3 {
            assert_eq!(world.run(slow.answer_after(40)).unwrap(), 7);
        }
        // Forty hours of its own silence, then forty of the other's: neither reaches two days.
        world.advance(HOUR * 40);
        assert_eq!(world.run(slow.answer_after(40)).unwrap(), 7);
        assert_eq!(world.at(target).stats().abandoned, 0);
    }
}

#[test]
fn an_initiator_that_waits_for_nothing_does_not_count_the_silence() {
    let mut world = pair();
    let counter = world.open_as::<Counter>("caller", "main");
    world.run(counter.increment()).unwrap();
    world.settle();
    world.partition("caller", "target");
    world.advance(DAY * 10);
    assert_eq!(world.at("caller").stats().abandoned, 0);
}

#[test]
fn never_reached_is_certain() {
    // Nothing arrives there; nothing arrives back.
    for lost in ["caller", "target"] {
        let mut world = pair();
        world.lose(u32::MAX, move |record: &FrameRecord| record.from == lost);
        let before = world.now_ms();
        let answer = world.run(
            world
                .open_as::<Checkout>("caller", "order")
                .add("teapot".into(), 5)
                .quote(),
        );
        let why = answer.map(|_| ()).unwrap_err();
        assert!(matches!(why, CallError::NeverReached), "{why:?}");
        assert_eq!(why.knowledge(), Knowledge::NotSent);
        assert_eq!(world.now_ms() - before, 30 * 60 * 1000);
        world.heal();
        world.advance(DAY);
        assert_eq!(
            world.at("target").stats().discarded_pending,
            u64::from(lost == "target")
        );
        assert_eq!(
            open_dialogs(&world, &["caller", "target"]),
            Vec::<String>::new()
        );
    }
}

#[test]
fn a_handshake_that_nobody_answers_is_never_reached() {
    let mut world = pair();
    world.partition("caller", "target");
    let answer = world.run(world.open::<Counter>("caller").increment());
    assert!(matches!(answer, Err(CallError::NeverReached)), "{answer:?}");
    world.heal();
    world.advance(DAY * 3);
    assert_eq!(world.at("target").stats().handled, 0);
    assert_eq!(
        open_dialogs(&world, &["caller", "target"]),
        Vec::<String>::new()
    );
}

#[test]
fn a_dialog_lasts_no_longer_than_its_lifetime() {
    for (mut world, target) in [(pair(), "target"), (alone(), "caller")] {
        let mayfly = world.open_as::<Mayfly>("caller", "main");
        for _ in 0..5 {
            world.run(mayfly.hello()).unwrap();
            world.advance(MINUTE * 11);
        }
        world.advance(MINUTE * 6);
        let answer = world.run(mayfly.hello());
        assert!(
            matches!(
                &answer,
                Err(CallError::Abandoned {
                    why: Abandoned::Lifetime,
                    ..
                })
            ),
            "{answer:?}"
        );
        world.advance(HOUR);
        assert_eq!(
            open_dialogs(&world, &[target, "caller"]),
            Vec::<String>::new()
        );
    }
}

#[test]
fn a_deadline_that_lapsed_while_the_node_was_down_waits_for_what_the_partner_said() {
    let mut world = pair();
    let slow = world.open_as::<Slow>("caller", "main");
    let waiting = world.start(slow.answer_after(45).once("a"));
    world.advance(HOUR);
    world.crash("caller");
    assert!(world.finish(&waiting).is_err());
    // The answer is said into the void; the caller's deadline passes.
    world.advance(HOUR * 49);
    assert_eq!(world.at("target").stats().abandoned, 0);
    world.restart("caller");
    let answer = world.run(
        world
            .open_as::<Slow>("caller", "main")
            .answer_after(45)
            .once("a"),
    );
    assert_eq!(answer.unwrap(), 7);
}

#[test]
fn a_deadline_that_lapses_just_after_a_restart_waits_for_it_too() {
    let mut world = pair();
    let slow = world.open_as::<Slow>("caller", "main");
    let waiting = world.start(slow.answer_after(45).once("a"));
    world.settle();
    world.crash("caller");
    assert!(world.finish(&waiting).is_err());
    // The answer was said long ago; one second is left, and the partner is patient by now.
    world.advance(HOUR * 47 + Duration::from_secs(3599));
    world.restart("caller");
    let answer = world.run(
        world
            .open_as::<Slow>("caller", "main")
            .answer_after(45)
            .once("a"),
    );
    assert_eq!(answer.unwrap(), 7);
}

#[test]
fn a_deadline_that_lapsed_while_the_node_was_down_is_kept_after_a_grace() {
    let mut world = pair();
    let counter = world.open_as::<Counter>("caller", "main");
    world.run(counter.increment()).unwrap();
    world.settle();
    world.crash("target");
    world.advance(DAY * 4);
    world.restart("target");
    world.advance(Duration::from_secs(50));
    assert_eq!(world.at("target").stats().abandoned, 0, "first it listens");
    world.advance(Duration::from_secs(20));
    assert_eq!(world.at("target").stats().abandoned, 1);
}
