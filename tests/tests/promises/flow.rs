//! Flow: a slow application makes its partners wait, and costs nobody a message.

use std::{collections::BTreeMap, sync::Arc};

use actor_core::{
    Gnomes, NodeBuilder,
    coverage::{Rare, rare_hits},
    prelude::*,
    protocol::{Ending, FaultCode, FrameKind, Limits},
    world::{Moment, World},
};

/// Counts what it is told, in order; some of it at the second or third attempt.
#[derive(Default, Serialize, Deserialize)]
struct Slow {
    heard: Vec<u32>,
}

#[dialog(timeout = "2 days")]
impl Slow {
    #[handler]
    fn hear(&mut self, cx: &mut Cx<'_, Self>, number: u32, panics: u32) -> u32 {
        assert!(cx.attempt() > panics, "attempt {}", cx.attempt());
        self.heard.push(number);
        number
    }
    #[handler]
    fn all(&self) -> Vec<u32> {
        self.heard.clone()
    }
}

fn narrow() -> Limits {
    Limits {
        window: 4,
        max_backlog_messages: 6,
        ..Limits::default()
    }
}

/// No frame carries a message that the newest frame its sender had heard by then did not admit. What a sender has heard
/// is at most what was sent to it before, so the widest window of those is a bound.
fn assert_windows_are_kept(world: &World, caller: &str, target: &str) {
    let mut admitted: BTreeMap<_, u64> = BTreeMap::new();
    for record in world.frames() {
        let frame = &record.frame;
        let limit = admitted.entry(frame.dialog).or_default();
        if record.from == target {
            let window = frame.window.map_or(0, |window| window.messages);
            *limit = (*limit).max(frame.ack + u64::from(window));
        } else if record.from == caller && frame.dst_token.is_some() {
            for message in &frame.messages {
                assert!(message.seq <= *limit, "over {limit}: {record:?}");
            }
        }
    }
}

#[test]
fn a_slow_application_makes_its_partner_wait_and_nothing_is_lost() {
    for gnomes in [false, true] {
        let mut world = World::new(7);
        world.node("slow", |builder: NodeBuilder| {
            builder.serve::<Slow>().limits(narrow())
        });
        world.node("caller", |builder| builder);
        let slow = world.open_as::<Slow>("caller", "s");
        assert_eq!(world.run(slow.hear(0, 0)).unwrap(), 0);
        if gnomes {
            world.gnomes(
                Gnomes::seeded(3)
                    .lose(0.2)
                    .repeat(0.2)
                    .reorder(3)
                    .delay(Duration::from_millis(50)),
            );
        }
        // The first fails until the others have filled the backlog, and many wait behind it.
        let asked: Vec<_> = (1..40)
            .map(|number| world.start(slow.hear(number, if number == 1 { 4 } else { 0 })))
            .collect();
        for (request, number) in asked.iter().zip(1..40) {
            assert_eq!(world.finish(request).unwrap(), number);
        }
        world.heal();
        let all: Vec<u32> = (0..40).collect();
        assert_eq!(world.run(slow.all()).unwrap(), all, "in order, each once");
        assert_windows_are_kept(&world, "caller", "slow");
        let frames = world.frames();
        let shut = frames.iter().any(|record| {
            record.from == "slow" && record.frame.window.is_some_and(|window| !window.is_open())
        });
        assert!(
            shut,
            "the window was never shut:\n{}",
            world.story().join("\n")
        );
        let probes = frames
            .iter()
            .filter(|record| record.frame.kind == FrameKind::Ping)
            .count();
        assert!(probes > 0, "nobody asked");
    }
    assert!(rare_hits(Rare::ZeroWindow) > 0 && rare_hits(Rare::WindowProbed) > 0);
}

#[test]
fn a_window_is_forgotten_in_a_crash_and_its_partner_is_heard_all_the_same() {
    for victim in ["slow", "caller"] {
        let mut world = World::new(11);
        world.node("slow", |builder: NodeBuilder| {
            builder.serve::<Slow>().limits(narrow())
        });
        world.node("caller", |builder| builder);
        let slow = world.open_as::<Slow>("caller", "s");
        assert_eq!(world.run(slow.hear(0, 0)).unwrap(), 0);
        let asked: Vec<_> = (1..30)
            .map(|number| {
                let name = number.to_string();
                let panics = if number == 1 { 4 } else { 0 };
                world.start(slow.hear(number, panics).once(&name))
            })
            .collect();
        world.advance(Duration::from_millis(300));
        world.restart(victim);
        world.advance(Duration::from_secs(120));
        drop(asked);
        let slow = world.open_as::<Slow>("caller", "s");
        let heard = world.run(slow.all()).unwrap();
        let expected: Vec<u32> = (0..30).collect();
        assert_eq!(heard, expected, "{victim} crashed");
    }
}

#[test]
fn openings_above_the_limit_are_refused_without_a_record_and_let_in_when_there_is_room() {
    let mut world = World::new(5);
    world.node("server", |builder: NodeBuilder| {
        builder.serve::<Slow>().limits(Limits {
            max_half_open_per_peer: 2,
            ..Limits::default()
        })
    });
    world.node("caller", |builder| builder);
    world.lose(u32::MAX, |record| {
        record.from == "server" && !matches!(record.frame.kind, FrameKind::Fault { .. })
    });
    let asked: Vec<_> = (0..4)
        .map(|number| {
            let slow = world.open_as::<Slow>("caller", &number.to_string());
            world.start(slow.hear(number, 0))
        })
        .collect();
    world.advance(Duration::from_secs(3));
    assert_eq!(world.at("server").half_open(), 2);
    let refused = world.frames().iter().any(|record| {
        matches!(&record.frame.kind, FrameKind::Fault { code: FaultCode::Busy, detail } if detail.contains("try again later"))
    });
    assert!(refused, "{}", world.story().join("\n"));
    // What is half-open is counted again as it is read, so others can get in before that, but not more than as many.
    world.restart("server");
    world.advance(Duration::from_secs(90));
    let again = world.at("server").half_open();
    assert!((2..=4).contains(&again), "{again}");
    world.heal();
    for (number, request) in (0..).zip(&asked) {
        assert_eq!(world.finish(request).unwrap(), number);
    }
    assert_eq!(world.at("server").half_open(), 0);
    assert!(rare_hits(Rare::FloodRefused) > 0);
}

/// Takes and gives large things, and keeps only how large they were.
#[derive(Default, Serialize, Deserialize)]
struct Depot {
    taken: u64,
}

#[dialog(timeout = "2 days")]
impl Depot {
    /// Takes a body, at the attempt after so many panics. The sum tells whether it is whole.
    #[handler]
    fn take(&mut self, cx: &mut Cx<'_, Self>, body: Vec<u8>, panics: u32) -> (u64, u32) {
        assert!(cx.attempt() > panics, "attempt {}", cx.attempt());
        self.taken += 1;
        (self.taken, sum(&body))
    }
    #[handler]
    fn give(&self, bytes: u32) -> Vec<u8> {
        body(bytes)
    }
    #[handler]
    fn taken(&self) -> u64 {
        self.taken
    }
}

fn body(bytes: u32) -> Vec<u8> {
    (0..bytes)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// Of bytes in their order.
fn sum(body: &[u8]) -> u32 {
    body.iter()
        .fold(7, |sum: u32, byte| sum.wrapping_mul(31) ^ u32::from(*byte))
}

fn depots(seed: u64) -> [(World, &'static str, &'static str); 2] {
    let mut two = World::new(seed);
    two.node("depot", NodeBuilder::serve::<Depot>);
    two.node("caller", |builder| builder);
    let mut one = World::new(seed);
    one.node("only", NodeBuilder::serve::<Depot>);
    [(two, "caller", "depot"), (one, "only", "only")]
}

const LARGE: u32 = 1_500_000;

#[test]
fn a_large_message_and_a_large_answer_arrive_once_and_whole_whatever_the_network_does() {
    for (mut world, caller, _) in depots(21) {
        let depot = world.open_as::<Depot>(caller, "d");
        assert_eq!(world.run(depot.taken()).unwrap(), 0);
        world.gnomes(
            Gnomes::seeded(4)
                .lose(0.3)
                .repeat(0.3)
                .reorder(6)
                .delay(Duration::from_millis(100)),
        );
        for round in 1..4 {
            let sent = body(LARGE + round);
            let expected = (u64::from(round), sum(&sent));
            assert_eq!(world.run(depot.take(sent, 0)).unwrap(), expected);
            let given = world.run(depot.give(LARGE + round)).unwrap();
            assert!(given == body(LARGE + round), "another body");
        }
    }
    assert!(rare_hits(Rare::FragmentReassembled) > 0);
}

#[test]
fn a_large_message_survives_crashes_of_both_sides() {
    for victim in ["caller", "depot"] {
        for commit in 1..6 {
            for moment in [Moment::BeforeCommit, Moment::AfterCommit] {
                let [(mut world, caller, target), _] = depots(commit);
                let depot = world.open_as::<Depot>(caller, "d");
                assert_eq!(world.run(depot.taken()).unwrap(), 0);
                world.crash_at(victim, moment, commit);
                let sent = body(600_000);
                let expected = (1, sum(&sent));
                let answer = crate::apps::insist(&mut world, |world| {
                    let depot = world.open_as::<Depot>(caller, "d");
                    depot.take(sent.clone(), 0).once("it")
                });
                assert_eq!(answer.unwrap(), expected, "{victim} {moment:?} {commit}");
                world.advance(Duration::from_secs(60));
                for node in [caller, target] {
                    assert_eq!(
                        world.stored_rows(node, actor_store::Table::Outbox),
                        0,
                        "at `{node}`"
                    );
                }
            }
        }
    }
}

#[test]
fn a_large_message_that_fails_is_counted_and_kept_like_any_other() {
    for (mut world, caller, target) in depots(3) {
        let depot = world.open_as::<Depot>(caller, "d");
        let sent = body(LARGE);
        let expected = (1, sum(&sent));
        assert_eq!(world.run(depot.take(sent, 4)).unwrap(), expected);
        assert_eq!(world.at(target).stats().panicked, 4);
        let why = world.run(depot.take(body(LARGE), 5)).unwrap_err();
        assert!(matches!(why, CallError::Abandoned { .. }), "{why:?}");
        let letters = world.at(target).dead_letters().unwrap();
        assert_eq!((letters.len(), letters[0].attempts), (1, 5));
        assert!(letters[0].body.len() > LARGE as usize, "it is kept");
    }
}

#[test]
fn a_message_that_was_held_out_of_order_and_fails_is_kept_too() {
    let [(mut world, caller, target), _] = depots(9);
    let depot = world.open_as::<Depot>(caller, "d");
    assert_eq!(world.run(depot.taken()).unwrap(), 0);
    world.hold(1, |record| record.from == "caller" && record.has_messages());
    let first = world.start(depot.take(body(1), 0));
    world.settle();
    let second = world.start(depot.take(body(2), 100));
    world.settle();
    world.partition("caller", "depot");
    world.let_go();
    world.advance(Duration::from_secs(5));
    // Nobody said it again: all attempts were made of what was held.
    assert_eq!(world.at(target).stats().panicked, 5);
    let letters = world.at(target).dead_letters().unwrap();
    assert!(letters[0].body.len() > 2, "with its body: {letters:?}");
    world.heal();
    assert!(
        world.finish(&first).is_err(),
        "its answer went with the rest"
    );
    assert!(world.finish(&second).is_err());
}

#[test]
fn large_bodies_are_written_once_however_often_their_record_is() {
    let [(mut world, caller, _), _] = depots(13);
    let depot = world.open_as::<Depot>(caller, "d");
    assert_eq!(world.run(depot.taken()).unwrap(), 0);
    world.partition("caller", "depot");
    let large = world.start(depot.take(body(LARGE), 0));
    world.settle();
    assert_eq!(world.stored_rows(caller, actor_store::Table::Outbox), 1);
    let before = world.journal_bytes(caller);
    let small: Vec<_> = (0..20).map(|_| world.start(depot.taken())).collect();
    world.settle();
    let written = world.journal_bytes(caller) - before;
    assert!(written < u64::from(LARGE), "{written} bytes");
    // It is read back from its row.
    world.restart(caller);
    world.heal();
    drop((large, small));
    world.advance(Duration::from_secs(60));
    let depot = world.open_as::<Depot>(caller, "d");
    assert_eq!(world.run(depot.taken()).unwrap(), 1);
    assert_eq!(world.stored_rows(caller, actor_store::Table::Outbox), 0);
}

#[test]
fn the_largest_message_is_what_a_node_says_and_an_opening_is_small() {
    let mut world = World::calm();
    world.node("depot", |builder: NodeBuilder| {
        builder.serve::<Depot>().largest_message(100_000_000)
    });
    world.node("caller", |builder: NodeBuilder| {
        builder.largest_message(17_000_000)
    });
    let depot = world.open_as::<Depot>("caller", "d");
    let most = 16 * 1024 * 1024;
    let sent = body(most - 64);
    assert_eq!(world.run(depot.take(sent, 0)).unwrap().0, 1);
    assert_eq!(
        world.run(depot.give(most - 64)).unwrap().len(),
        most as usize - 64
    );
    for why in [
        world.run(depot.take(body(most), 0)).unwrap_err(),
        world.run(depot.give(most)).map(drop).unwrap_err(),
    ] {
        let limit = most as usize;
        assert!(
            matches!(why, CallError::TooLarge { limit: is, .. } if is == limit),
            "{why:?}"
        );
    }
    assert_eq!(world.run(depot.taken()).unwrap(), 1);
}

#[test]
fn a_copy_of_a_store_that_runs_beside_it_ends_their_dialogs_with_a_sentence() {
    let [(mut world, caller, target), _] = depots(17);
    let depot = world.open_as::<Depot>(caller, "d");
    assert_eq!(world.run(depot.take(body(1), 0)).unwrap().0, 1);
    // The copy goes on from the same bytes, in a life of the same number, under its own name: it repeats a message.
    let frames = world.frames();
    let mut record = frames
        .into_iter()
        .rfind(|record| record.from == caller && record.has_messages())
        .expect("it said something");
    let frame = Arc::make_mut(&mut record.frame);
    frame.src_node = "copy".to_owned();
    world.replay(&record);
    world.settle();
    let ending = &world.at(target).dialogs().unwrap()[0].ending;
    assert!(
        matches!(ending, Some(Ending::Abandoned(Abandoned::StoreCloned))),
        "{ending:?}"
    );
    let why = world.run(depot.taken()).unwrap_err();
    assert!(
        matches!(
            &why,
            CallError::Abandoned {
                why: Abandoned::StoreCloned,
                ..
            }
        ),
        "{why:?}"
    );
    assert!(why.to_string().contains("new directory"), "{why}");
    assert!(rare_hits(Rare::CopyFound) > 0);
}
