//! The test kit itself: each trouble by hand does what it says, a seed decides everything, and a checker that finds
//! nothing would be worthless.

use std::{collections::BTreeSet, time::Instant};

use actor_core::{
    dialog_test,
    prelude::*,
    world::{Event, Fate, Fault, Faults, FrameRecord, Moment, Seeds, World},
};

use crate::apps::{CAPTURES, Checkout, Counter, Payment};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// An order from cart to receipt, between pools.
fn sell(world: &mut World) {
    world.serve::<Checkout>().serve::<Payment>();
    for n in 0..2 {
        let opening = world.front().open::<Checkout>();
        let (cents, checkout) = world
            .run(opening.add("teapot".into(), 100 + n).quote())
            .unwrap();
        assert_eq!(cents, 100 + n);
        assert_eq!(world.run(checkout.pay("4242".into())), Ok(100 + n));
        assert_eq!(world.run(checkout.done()), Ok(()));
    }
}

#[dialog_test(seeds = 150)]
fn orders_are_paid_exactly_once_in_any_weather(world: &mut World) {
    sell(world);
    world.finish_all();
    world.check_exactly_once();
    world.check_balanced(CAPTURES, 201, |_, (_, cents)| i128::from(*cents));
    // Nobody closes the payments: they are over with the checkouts that opened them.
    world.advance(2 * DAY);
    world.check_no_dialog_left_open();
    let (dialogs, _) = world.totals();
    assert_eq!(dialogs, 4);
}

/// A whole dialog: a handshake, seven increments and a last one.
async fn count_to_seven(node: std::sync::Arc<Node>) {
    let counter = node.open::<Counter>();
    for n in 1..=7 {
        assert_eq!(counter.increment().await, Ok(n));
    }
    assert_eq!(counter.finish().await, Ok(7));
}

#[dialog_test(seeds = 4)]
fn a_hundred_dialogs_at_once_are_kept_apart(world: &mut World) {
    world.serve::<Counter>().instances(3);
    let front = world.front();
    let tasks: Vec<_> = (0..100)
        .map(|_| world.start(count_to_seven(front.clone())))
        .collect();
    drop(front);
    world.finish_all();
    assert!(tasks.iter().all(|task| task.take().is_some()));
    world.check_exactly_once();
    world.check_no_dialog_left_open();
    assert_eq!(
        (world.count("increment"), world.count("finish")),
        (700, 100)
    );
}

#[test]
fn the_same_seed_is_the_same_run_in_any_weather_and_another_seed_another() {
    let live = |seed| {
        let mut world = World::seeded(seed);
        sell(&mut world);
        world.finish_all();
        (world.trace().to_vec(), world.frames(), world.faults())
    };
    let mut traces = Vec::new();
    for seed in 0..15 {
        let one = live(seed);
        assert!(one == live(seed), "seed {seed}");
        traces.push(one.0);
    }
    for (at, one) in traces.iter().enumerate() {
        assert!(traces[..at].iter().all(|other| one != other));
    }
}

#[test]
fn every_kind_of_fault_strikes_under_some_seed_and_is_absent_under_another() {
    let (mut met, mut absent) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..60 {
        let mut world = World::seeded(seed);
        sell(&mut world);
        let struck: Vec<String> = world.faults().into_iter().map(|(what, _)| what).collect();
        let words = [
            (Fault::Loss, "lost "),
            (Fault::Repeat, "repeated "),
            (Fault::Delay, "late "),
            (Fault::Reorder, "overtaken"),
            (Fault::Reroute, "rerouted"),
            (Fault::Clog, "clogged"),
            (Fault::Partition, "partition"),
            (Fault::Crash, "crash at"),
            (Fault::PowerLoss, "power loss"),
            (Fault::CrashInRecovery, "crash in recovery"),
            (Fault::FailedSync, "failed sync"),
            (Fault::FullDisk, "full disk"),
            (Fault::SlowDisk, "slow sync"),
            (Fault::ClockStep, "clock step"),
        ];
        for (fault, word) in words {
            let struck = struck.iter().any(|what| what.starts_with(word));
            if struck { &mut met } else { &mut absent }.insert(fault);
        }
    }
    assert_eq!(met.into_iter().collect::<Faults>(), Faults::ALL);
    assert_eq!(absent.into_iter().collect::<Faults>(), Faults::ALL);
}

#[test]
fn a_world_without_faults_has_none() {
    let mut world = World::with_faults(3, Faults::NONE);
    sell(&mut world);
    assert_eq!(world.faults(), []);
    let sent = |record: &FrameRecord| record.fate == Fate::Sent;
    assert!(world.frames().iter().all(sent));
}

#[test]
fn two_days_pass_in_no_time() {
    let mut world = World::calm();
    world.serve::<Counter>();
    let counter = world.front().open_as::<Counter>("main");
    assert_eq!(world.run(counter.increment()), Ok(1));
    let (before, steps) = (world.now_ms(), world.steps());
    #[expect(clippy::disallowed_methods, reason = "real time is what must not pass")]
    let clock = Instant::now();
    world.advance(2 * DAY + 3600 * SECOND);
    assert!(clock.elapsed() < 60 * SECOND, "{:?}", clock.elapsed());
    assert!(world.steps() - steps < 10_000, "{}", world.steps() - steps);
    assert_eq!(world.now_ms() - before, 49 * 3_600_000);
    world.check_no_dialog_left_open();
    assert!(matches!(
        world.run(counter.get()),
        Err(CallError::Abandoned { .. })
    ));
}

/// A counter on two instances, opened at the front.
fn pool() -> World {
    let mut world = World::calm();
    world.serve::<Counter>();
    world.front();
    world
}

fn one_up(world: &mut World) -> u64 {
    let counter = world.front().open_as::<Counter>("main");
    world.run(counter.increment()).unwrap()
}

/// The instance that the counter is bound to.
fn home(world: &World) -> String {
    let counter = world.open_as::<Counter>("front", "main");
    world.target_of(counter.dialog().id()).unwrap().to_string()
}

#[test]
fn a_lost_reply_is_said_again() {
    let mut world = pool();
    assert_eq!(one_up(&mut world), 1);
    world.drop_next_reply();
    assert_eq!(one_up(&mut world), 2);
    let lost: Vec<_> = world.frames();
    let lost = lost.iter().filter(|record| record.fate == Fate::Lost);
    assert!(lost.clone().all(FrameRecord::has_answer));
    assert_eq!(lost.count(), 1);
    assert_eq!(world.count("increment"), 2);
}

#[test]
fn a_first_frame_that_is_rerouted_meets_another_instance() {
    let to = |reroutes: u32| {
        let mut world = pool();
        (0..reroutes).for_each(|_| world.reroute_next());
        one_up(&mut world);
        let frames = world.frames();
        let first = frames.iter().find(|record| record.is_first()).unwrap();
        (first.to.to_string(), first.rerouted)
    };
    let (usual, other) = (to(0), to(1));
    assert!(!usual.1 && other.1);
    assert_ne!(usual.0, other.0);
}

#[test]
fn a_clogged_link_lets_everything_through_later() {
    let mut world = pool();
    one_up(&mut world);
    let (at, home) = (world.now_ms(), home(&world));
    world.clog("front", &home, 20 * SECOND);
    assert_eq!(one_up(&mut world), 2);
    assert!(world.now_ms() - at >= 20_000);
    assert!(
        world
            .frames()
            .iter()
            .all(|record| record.fate != Fate::Lost)
    );
}

#[test]
fn a_crash_in_recovery_is_recovered_from() {
    let mut world = pool();
    one_up(&mut world);
    let home = home(&world);
    let mut died = 0;
    for changes in 0..40 {
        world.power_loss(&home);
        world.crash_in_recovery(&home, changes);
        world.restart(&home);
        if !world.is_up(&home) {
            died += 1;
            world.advance(SECOND);
        }
        assert!(world.is_up(&home), "after {changes} changes");
        assert_eq!(one_up(&mut world), 2 + changes);
    }
    assert!(died > 3, "{died} starts died");
    let trace = world.trace().iter();
    let deaths = trace.filter(|event| matches!(event, Event::CrashInRecovery { .. }));
    assert_eq!(deaths.count(), died);
}

#[test]
fn a_full_disk_and_a_failing_sync_stop_a_node_and_lose_nothing_that_was_said() {
    for full in [true, false] {
        let mut world = pool();
        one_up(&mut world);
        let home = home(&world);
        if full {
            world.fill_disk(&home, 0);
        } else {
            world.fail_sync(&home, 1);
        }
        let counter = world.front().open_as::<Counter>("main");
        let asking = world.start(counter.increment());
        world.settle();
        assert!(!world.is_up(&home) && !asking.is_done());
        assert!(world.failure(&home).is_some());
        world.restart(&home);
        // What the failed commit left is found or not; said again, it is done once.
        assert_eq!(world.finish(&asking), Ok(2));
        world.finish_all();
        world.check_exactly_once();
    }
}

#[test]
fn a_slow_disk_takes_its_time_and_nothing_leaves_before() {
    let mut world = pool();
    one_up(&mut world);
    let (at, home) = (world.now_ms(), home(&world));
    world.slow_disk(&home, 7 * SECOND);
    assert_eq!(one_up(&mut world), 2);
    assert!(world.now_ms() - at >= 7000);
    world.heal();
    let at = world.now_ms();
    assert_eq!(one_up(&mut world), 3);
    assert!(world.now_ms() - at < 7000, "its disk is well again");
}

#[test]
fn whoever_forgets_everything_or_one_dialog_has_amnesia_and_whoever_is_wiped_is_a_twin() {
    type Forget = fn(&mut World, &str);
    let forget: Forget = |world, home| world.forget(home);
    let one: Forget = |world, home| {
        let counter = world.open_as::<Counter>("front", "main");
        world.forget_dialog(home, counter.dialog().id());
    };
    let wipe: Forget = |world, home| world.wipe(home);
    for (how, expected) in [
        (forget, Abandoned::PartnerAmnesia),
        (one, Abandoned::PartnerAmnesia),
        (wipe, Abandoned::PartnerReplaced),
    ] {
        let mut world = pool();
        one_up(&mut world);
        let home = home(&world);
        how(&mut world, &home);
        let counter = world.front().open_as::<Counter>("main");
        match world.run(counter.increment()) {
            Err(CallError::Abandoned { why, .. }) => assert_eq!(why, expected),
            other => panic!("{other:?}"),
        }
        world.finish_all();
        world.check_exactly_once();
    }
}

#[test]
fn a_memory_that_went_back_in_time_is_found_out() {
    let mut world = pool();
    one_up(&mut world);
    let home = home(&world);
    let copy = world.copy(&home);
    assert_eq!(one_up(&mut world), 2);
    assert_eq!(one_up(&mut world), 3);
    world.restore(&home, &copy);
    let counter = world.front().open_as::<Counter>("main");
    let answer = world.run(counter.increment());
    assert!(
        matches!(
            &answer,
            Err(CallError::Abandoned {
                why: Abandoned::PartnerRolledBack,
                ..
            })
        ),
        "{answer:?}"
    );
}

#[test]
fn a_wall_clock_that_is_set_shows_at_the_next_start_and_moves_nothing_before() {
    for by_ms in [3_600_000_i64, -3_600_000] {
        let mut world = pool();
        one_up(&mut world);
        let home = home(&world);
        let deadline = |world: &World| {
            let dialogs = world.at(&home).dialogs().unwrap();
            dialogs[0].deadline.unwrap()
        };
        let before = deadline(&world);
        world.step_clock(&home, by_ms);
        assert_eq!(one_up(&mut world), 2);
        assert!(deadline(&world) < before + 60 * SECOND && deadline(&world) + 60 * SECOND > before);
        world.restart(&home);
        assert_eq!(one_up(&mut world), 3);
        let moved = match deadline(&world).duration_since(before) {
            Ok(later) => i64::try_from(later.as_millis()).unwrap(),
            Err(earlier) => -i64::try_from(earlier.duration().as_millis()).unwrap(),
        };
        // The time of a store never goes back.
        assert!((moved - by_ms.max(0)).abs() < 60_000, "{moved} for {by_ms}");
    }
}

#[test]
fn hostile_gnomes_and_a_caller_that_dies_change_nothing() {
    let mut world = World::seeded(11);
    world.serve::<Counter>().instances(3);
    world.node("caller", |builder| builder);
    world.gnomes(Gnomes::HOSTILE);
    for n in 1..=6_u64 {
        world.crash_at("caller", Moment::AfterCommit, n);
        let asked = world.insist("caller", |node| {
            node.open_as::<Counter>("main")
                .increment()
                .once(format!("{n}"))
        });
        assert_eq!(asked, Ok(n));
    }
    world.finish_all();
    world.check_exactly_once();
    assert_eq!(world.count("increment"), 6);
    assert_eq!(
        world.nodes(),
        ["counter-1", "counter-2", "counter-3", "caller"]
    );
}

/// The message with which this panics.
fn complaint(story: impl Fn(&mut World)) -> String {
    let failure = Seeds::range(5..6).faults(Faults::NONE).find(story);
    failure.expect("the checker complains").message
}

#[test]
fn each_checker_complains_where_there_is_reason_to() {
    let open = complaint(|world| {
        world.serve::<Counter>();
        one_up(world);
        world.finish_all();
        world.check_exactly_once();
        world.check_no_dialog_left_open();
    });
    assert!(open.contains("2 sides of dialogs are open"), "{open}");
    assert!(open.contains("front: `Counter`"), "{open}");
    let balance = complaint(|world| {
        sell(world);
        world.check_balanced(CAPTURES, 200, |_, (_, cents)| i128::from(*cents));
    });
    assert!(
        balance.contains("adds up to 201 and not to 200"),
        "{balance}"
    );
    let hangs = complaint(|world| {
        world.serve::<Counter>();
        world.front();
        let _never = world.start(std::future::pending::<()>());
        world.finish_all();
    });
    assert!(hangs.contains("1 futures are not ready"), "{hangs}");
}

/// A handler that fails for good is a dead letter, and no message that was forgotten.
#[derive(Default, Serialize, Deserialize)]
struct Clumsy {}

#[dialog(timeout = "1 day")]
impl Clumsy {
    #[handler]
    fn stumble(&mut self) -> u64 {
        panic!("as always")
    }
}

#[test]
fn a_dead_letter_is_no_lost_message() {
    let mut world = World::calm();
    world.serve::<Clumsy>();
    let clumsy = world.front().open::<Clumsy>();
    assert!(world.run(clumsy.stumble()).is_err());
    world.finish_all();
    world.check_exactly_once();
    assert_eq!(world.count("stumble"), 0);
}

#[test]
fn a_diagram_shows_crashes_lost_frames_and_who_handled_what() {
    let mut world = World::calm();
    world.serve::<Counter>().instances(1);
    one_up(&mut world);
    world.drop_next_reply();
    world.crash_at("counter-1", Moment::AfterCommit, 2);
    assert_eq!(one_up(&mut world), 2);
    assert_eq!(one_up(&mut world), 3);
    let diagram = world.diagram();
    for part in [
        "front",
        "counter-1",
        "who will be my partner?",
        "increment #",
        "answer to #",
        "x",
        "crash",
        "starts again, life 2",
        "durable",
    ] {
        assert!(diagram.contains(part), "no `{part}` in:\n{diagram}");
    }
    assert!(diagram.is_ascii());
    assert_eq!(diagram, world.diagram());
}

/// Keeps whom it owes an answer, and never gives one.
#[derive(Default, Serialize, Deserialize)]
struct Mute {
    asked: Option<ReplyTo<u64>>,
}

#[dialog(timeout = "30m")]
impl Mute {
    #[handler]
    fn hear(&mut self) -> u64 {
        1
    }
    #[handler]
    fn wait(&mut self, cx: &mut Cx<'_, Self>) -> Later<u64> {
        let (later, reply) = cx.later();
        self.asked = Some(reply);
        later
    }
    #[handler]
    fn finish(self) {}
}

#[test]
fn a_dialog_that_a_deadline_ends_within_the_hour_of_finish_all_was_left_open() {
    let leaves = |world: &mut World, keyed: bool| {
        world.serve::<Mute>();
        let front = world.front();
        let mute = if keyed {
            front.open_as::<Mute>("main")
        } else {
            front.open::<Mute>()
        };
        assert_eq!(world.run(mute.hear()), Ok(1));
        mute
    };
    for keyed in [true, false] {
        let leak = complaint(|world| {
            let _mute = leaves(world, keyed);
            world.finish_all();
            world.check_no_dialog_left_open();
        });
        assert!(
            leak.contains("sides of dialogs are open") && leak.contains("into the hour"),
            "{leak}"
        );
    }
    // Time that the test lets pass is its own word, and so is a goodbye.
    let mut before = World::calm();
    let _left = leaves(&mut before, true);
    before.advance(3600 * SECOND);
    before.finish_all();
    before.check_no_dialog_left_open();
    let mut after = World::calm();
    let _left = leaves(&mut after, true);
    after.finish_all();
    after.advance(3600 * SECOND);
    after.check_no_dialog_left_open();
    let mut closed = World::calm();
    let mute = leaves(&mut closed, true);
    assert_eq!(closed.run(mute.finish()), Ok(()));
    closed.finish_all();
    closed.check_no_dialog_left_open();
}

#[test]
fn a_diagram_ends_with_who_gave_up_when_and_why() {
    let mut world = World::calm();
    world.serve::<Mute>().instances(1);
    let mute = world.front().open_as::<Mute>("main");
    assert_eq!(world.run(mute.hear()), Ok(1));
    let why = world.run(mute.wait()).unwrap_err();
    world.settle();
    let diagram = world.diagram();
    assert!(
        matches!(
            &why,
            CallError::Abandoned {
                why: Abandoned::Silence,
                ..
            }
        ),
        "{why:?}\n{diagram}"
    );
    let mut last = diagram.lines().filter(|line| line.contains("gives up: "));
    let first = last.next().unwrap_or_default();
    assert!(
        first.contains("30m") && first.contains("Silence"),
        "{diagram}"
    );
}

#[test]
fn a_world_that_is_stuck_says_so_in_words() {
    let text = complaint(|world| {
        world.serve::<Counter>();
        one_up(world);
        world.run(std::future::pending::<()>());
    });
    for part in ["the future is not ready", "counter-1: up", "world.state()"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert!(
        !text.contains("FrameRecord") && !text.contains("Counters"),
        "{text}"
    );
}
