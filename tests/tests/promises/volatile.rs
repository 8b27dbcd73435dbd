//! Volatile dialogs: a state in memory, as exact as a durable one while its process lives, and a clean end when it dies.

use actor_core::{
    coverage::{Rare, rare_hits},
    prelude::*,
    world::{Moment, World},
};

use crate::apps::{Counter, open_dialogs};

const LOG: Table<u128, u64> = Table::new("log");

/// Counts, in memory.
#[derive(Default, Serialize, Deserialize)]
struct Session {
    count: u64,
    told: u64,
    waiting: Option<ReplyTo<u64>>,
}

#[dialog(timeout = "2 days", volatile, tables(LOG))]
impl Session {
    #[handler]
    fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
    /// Writes a row, which is durable.
    #[handler]
    fn log(&mut self, cx: &mut Cx<'_, Self>) -> u64 {
        self.count += 1;
        let id = cx.id();
        cx.table(LOG).insert(&id, &self.count);
        self.count
    }
    /// Changes everything and panics on its first attempts.
    #[handler]
    fn stumble(&mut self, cx: &mut Cx<'_, Self>, panics: u32) -> u64 {
        self.count += 1;
        let id = cx.id();
        cx.table(LOG).insert(&id, &self.count);
        cx.open::<Counter>().increment().then(Self::COUNTED);
        assert!(cx.attempt() > panics, "attempt {}", cx.attempt());
        self.count
    }
    #[handler]
    fn refuse(&mut self) -> Result<u64, String> {
        self.count += 1;
        Err("no".to_owned())
    }
    /// Answers when its counter elsewhere has counted.
    #[handler]
    fn subcontract(&mut self, cx: &mut Cx<'_, Self>) -> Later<u64> {
        let (later, reply) = cx.later();
        self.waiting = Some(reply);
        cx.open::<Counter>().increment().then(Self::COUNTED);
        later
    }
    #[handler]
    fn wake(&mut self, cx: &mut Cx<'_, Self>, after_s: u64) {
        cx.after(Duration::from_secs(after_s), Self::WOKEN);
    }
    #[handler]
    fn told(&self) -> u64 {
        self.told
    }
    #[handler]
    fn finish(self) -> u64 {
        self.count
    }
    #[resume]
    fn counted(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<u64>) {
        self.told += 1;
        if let (Some(reply), Ok(count)) = (self.waiting.take(), answer) {
            cx.reply(reply, count);
        }
    }
    #[resume]
    fn woken(&mut self) {
        self.told += 100;
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// One store; two; three, with the counters that sessions subcontract elsewhere.
fn worlds(build: fn() -> World) -> [(World, &'static str, &'static str); 3] {
    let mut one = build();
    one.node("only", |builder| {
        builder.serve::<Session>().serve::<Counter>()
    });
    let mut two = build();
    two.node("target", |builder| {
        builder.serve::<Session>().serve::<Counter>()
    });
    two.node("caller", |builder| builder);
    let mut three = build();
    three.node("far", actor_core::NodeBuilder::serve::<Counter>);
    three.node("target", actor_core::NodeBuilder::serve::<Session>);
    three.node("caller", |builder| builder);
    [
        (one, "only", "only"),
        (two, "caller", "target"),
        (three, "caller", "target"),
    ]
}

fn rows(world: &mut World, node: &str) -> Vec<u64> {
    let rows = world.read(node).range(LOG, ..).unwrap();
    let mut rows: Vec<u64> = rows.into_iter().map(|(_, count)| count).collect();
    rows.sort_unstable();
    rows
}

fn is_gone<T: std::fmt::Debug, E: std::fmt::Debug>(answer: &Answer<T, E>) -> bool {
    matches!(
        answer,
        Err(CallError::Abandoned {
            why: Abandoned::PartnerGone | Abandoned::PartnerAmnesia,
            ..
        })
    )
}

#[test]
fn a_volatile_counter_counts_each_message_once() {
    for (mut world, caller, target) in worlds(World::calm) {
        let session = world.open::<Session>(caller);
        for expected in 1..=20 {
            assert_eq!(world.run(session.increment()).unwrap(), expected);
        }
        let refused = world.run(session.refuse());
        assert!(matches!(refused, Err(CallError::Declined(_))));
        assert_eq!(world.run(session.increment()).unwrap(), 21);
        assert_eq!(world.run(session.subcontract()).unwrap(), 1);
        world.run(session.wake(600)).unwrap();
        world.advance(Duration::from_secs(700));
        assert_eq!(world.run(session.told()).unwrap(), 101);
        assert_eq!(world.run(session.finish()).unwrap(), 21);
        world.advance(DAY);
        assert_eq!(
            open_dialogs(&world, &[caller, target]),
            Vec::<String>::new()
        );
    }
}

#[test]
fn losses_repeats_and_disorder_change_nothing() {
    for seed in 0..40 {
        let (mut world, ..) = (World::new(seed), ());
        world.node("target", |builder| {
            builder.serve::<Session>().serve::<Counter>()
        });
        world.node("caller", |builder| builder);
        world.gnomes(Gnomes::seeded(seed).lose(0.3).repeat(0.3).reorder(5));
        let sessions = [0; 3].map(|_| world.open::<Session>("caller"));
        for expected in 1..=5 {
            let asked: Vec<_> = sessions
                .iter()
                .map(|session| world.start(session.log()))
                .collect();
            for asked in asked {
                assert_eq!(world.finish(&asked).unwrap(), expected, "seed {seed}");
            }
        }
        assert_eq!(
            rows(&mut world, "target"),
            [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5],
            "seed {seed}: each row once"
        );
    }
}

#[test]
fn messages_of_a_volatile_dialog_cost_no_commit() {
    for (mut world, caller, target) in worlds(World::calm) {
        // Both sides in memory.
        let session = world.open::<Session>(caller);
        world.run(session.increment()).unwrap();
        world.settle();
        let before = (world.commits(caller), world.commits(target));
        for _ in 0..50 {
            world.run(session.increment()).unwrap();
        }
        world.settle();
        assert_eq!((world.commits(caller), world.commits(target)), before);
        // A row is durable when its answer is heard.
        world.run(session.log()).unwrap();
        assert_eq!(world.commits(target), before.1 + 1);
        world.restart(target);
        assert_eq!(rows(&mut world, target), [52]);
    }
}

#[test]
fn a_panic_is_rolled_back_in_memory_and_tried_again() {
    for (mut world, caller, target) in worlds(World::calm) {
        let session = world.open::<Session>(caller);
        assert_eq!(world.run(session.increment()).unwrap(), 1);
        assert_eq!(world.run(session.stumble(3)).unwrap(), 2);
        assert_eq!(world.at(target).stats().panicked, 3);
        assert_eq!(rows(&mut world, target), [2], "one attempt stands");
        world.advance(Duration::from_secs(60));
        assert_eq!(
            world.run(session.told()).unwrap(),
            1,
            "one partner was asked"
        );
        // One that does not stop ends both sides, and is kept for reading.
        let other = world.open::<Session>(caller);
        assert_eq!(world.run(other.increment()).unwrap(), 1);
        let why = world.run(other.stumble(100)).unwrap_err();
        assert!(
            matches!(
                &why,
                CallError::Abandoned {
                    why: Abandoned::PartnerPoisoned(_),
                    ..
                }
            ),
            "{why:?}"
        );
        assert_eq!(world.at(target).dead_letters().unwrap().len(), 1);
        assert_eq!(world.run(session.increment()).unwrap(), 3);
    }
}

#[test]
fn the_death_of_the_targets_process_ends_the_dialog_and_its_initiator_is_told() {
    for keyed in [false, true] {
        for (mut world, caller, target) in worlds(World::calm) {
            if caller == target && !keyed {
                // Initiator and target die together, and nothing is left that could be told.
                continue;
            }
            let open = |world: &World| {
                if keyed {
                    world.open_as::<Session>(caller, "a")
                } else {
                    world.open::<Session>(caller)
                }
            };
            let session = open(&world);
            assert_eq!(world.run(session.increment()).unwrap(), 1);
            world.restart(target);
            let session = if caller == target {
                open(&world)
            } else {
                session
            };
            let answer = world.run(session.increment());
            assert!(is_gone(&answer), "keyed: {keyed}: {answer:?}");
            // For ever: a key leads to its dialog, and that one has ended.
            assert!(world.run(session.increment()).is_err());
            // Another one begins anew.
            let next = world.open::<Session>(caller);
            assert_eq!(world.run(next.increment()).unwrap(), 1);
            drop(next);
            world.advance(3 * DAY);
            assert_eq!(
                open_dialogs(&world, &[caller, target]),
                Vec::<String>::new()
            );
        }
    }
}

#[test]
fn a_keyed_initiator_that_asks_nothing_is_told_at_the_start() {
    let mut world = World::calm();
    world.node("only", |builder| {
        builder.serve::<Session>().serve::<Counter>()
    });
    let session = world.open_as::<Session>("only", "a");
    assert_eq!(world.run(session.increment()).unwrap(), 1);
    let before = rare_hits(Rare::VolatilePartnerLost);
    world.restart("only");
    world.settle();
    assert!(rare_hits(Rare::VolatilePartnerLost) > before);
    assert_eq!(open_dialogs(&world, &["only"]), Vec::<String>::new());
}

#[test]
fn the_death_of_the_initiators_process_ends_a_volatile_target() {
    let [_, (mut world, caller, target), _] = worlds(World::calm);
    let session = world.open::<Session>(caller);
    assert_eq!(world.run(session.subcontract()).unwrap(), 1);
    assert_eq!(open_dialogs(&world, &[target]).len(), 1, "its counter");
    world.restart(caller);
    // The target has nothing to say and waits for its partner, for as long as its timeout says; then it lets go of what
    // it opened.
    world.advance(3 * DAY);
    assert_eq!(open_dialogs(&world, &[target]), Vec::<String>::new());
    // A durable initiator comes back.
    let session = world.open_as::<Session>(caller, "a");
    assert_eq!(world.run(session.increment()).unwrap(), 1);
    world.restart(caller);
    let session = world.open_as::<Session>(caller, "a");
    assert_eq!(world.run(session.increment()).unwrap(), 2);
}

#[test]
fn what_a_volatile_dialog_opened_hears_that_it_is_gone() {
    for (at, (mut world, caller, target)) in worlds(World::calm).into_iter().enumerate() {
        let counters = if at == 2 { "far" } else { target };
        let session = world.open::<Session>(caller);
        assert_eq!(world.run(session.subcontract()).unwrap(), 1);
        let open = open_dialogs(&world, &[counters]);
        assert_eq!(open.len(), 1, "a durable counter: {open:?}");
        world.restart(target);
        // In one store at the start, on another node by its own deadline.
        world.advance(if at == 2 {
            3 * DAY
        } else {
            Duration::from_secs(1)
        });
        assert_eq!(open_dialogs(&world, &[counters]), Vec::<String>::new());
    }
}

/// Sessions under keys while either process dies at its commits: what is answered counts on without a gap until the
/// dialog is said to be gone, and rows are never written twice.
#[test]
fn between_crashes_a_volatile_dialog_neither_skips_nor_repeats() {
    let mut gone = 0;
    for seed in 0..40_u64 {
        for (mut world, caller, target) in worlds(|| World::new(0)) {
            world.gnomes(Gnomes::seeded(seed).lose(0.2).repeat(0.2).reorder(4));
            let mut answered = 0;
            for round in 0..6 {
                let session = world.open_as::<Session>(caller, &format!("{round}"));
                let moment = if (seed + round) % 2 == 0 {
                    Moment::BeforeCommit
                } else {
                    Moment::AfterCommit
                };
                let victim = if seed % 3 == 0 { caller } else { target };
                world.crash_at(victim, moment, 2 + (seed + round) % 5);
                for expected in 1..=4 {
                    match world.run(session.log()) {
                        Ok(count) => {
                            assert_eq!(count, expected, "seed {seed}");
                            answered += 1;
                        }
                        Err(CallError::Stopped { .. }) => {
                            world.advance(Duration::from_secs(5));
                            break;
                        }
                        answer @ Err(_) => {
                            assert!(is_gone(&answer), "seed {seed}: {answer:?}");
                            gone += 1;
                            break;
                        }
                    }
                }
            }
            world.advance(Duration::from_secs(10));
            let rows = rows(&mut world, target);
            assert!(
                rows.len() >= answered,
                "seed {seed}: an answered row is there"
            );
            for count in 1..=4 {
                let times = rows.iter().filter(|row| **row == count).count();
                assert!(times <= 6, "seed {seed}: {rows:?}");
            }
            world.heal();
            // An initiator that has nothing to say learns it when it speaks.
            for round in 0..6 {
                let session = world.open_as::<Session>(caller, &format!("{round}"));
                let _ = world.run(session.finish());
            }
            world.advance(4 * DAY);
            assert_eq!(
                open_dialogs(&world, &[caller, target]),
                Vec::<String>::new(),
                "seed {seed}"
            );
        }
    }
    assert!(gone > 50, "{gone} dialogs were said to be gone");
}

/// The same dialog, when it was still stored.
mod stored {
    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    pub(super) struct Session {
        count: u64,
        told: u64,
        waiting: Option<ReplyTo<u64>>,
    }

    #[dialog(timeout = "2 days")]
    impl Session {
        #[handler]
        pub(super) fn increment(&mut self) -> u64 {
            self.count += 1;
            self.count
        }
    }
}

#[test]
fn a_dialog_that_was_stored_before_it_became_volatile_stays_durable_until_it_ends() {
    let became = std::rc::Rc::new(std::cell::Cell::new(false));
    let mut world = World::calm();
    let now = std::rc::Rc::clone(&became);
    world.node("only", move |builder| {
        if now.get() {
            builder.serve::<Session>().serve::<Counter>()
        } else {
            builder.serve::<stored::Session>()
        }
    });
    let session = world.open_as::<stored::Session>("only", "old");
    assert_eq!(world.run(session.increment()).unwrap(), 1);
    became.set(true);
    for expected in 2..=4 {
        world.restart("only");
        let session = world.open_as::<Session>("only", "old");
        assert_eq!(world.run(session.increment()).unwrap(), expected);
    }
}

#[test]
fn a_contract_says_that_the_state_is_in_memory() {
    let contract = <Session as Dialog>::CONTRACT.to_string();
    assert!(
        contract.contains("live in memory and end with the process"),
        "{contract}"
    );
}
