//! Flow: a slow application makes its partners wait, and costs nobody a message.

use std::collections::BTreeMap;

use actor_core::{
    Gnomes, NodeBuilder,
    coverage::{Rare, rare_hits},
    prelude::*,
    protocol::{FaultCode, FrameKind, Limits},
    world::World,
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
