//! Messages that cannot be handled: tried again, counted durably, put aside; and refusals, which leave no trace.

use actor_core::{DeadLetter, prelude::*, world::World};

use crate::apps::{Counter, open_dialogs};

const DONE: Table<u128, u32> = Table::new("done");

#[derive(Default, Serialize, Deserialize)]
struct Fragile {
    done: u32,
    rang: u32,
}

#[dialog(timeout = "2 days", tables(DONE))]
impl Fragile {
    /// Panics on its first attempts.
    #[handler]
    fn work(&mut self, cx: &mut Cx<'_, Self>, panics: u32) -> u32 {
        self.everything(cx);
        assert!(cx.attempt() > panics, "attempt {}", cx.attempt());
        self.done
    }
    /// Does all a handler can do, and refuses.
    #[handler]
    fn refuse(&mut self, cx: &mut Cx<'_, Self>) -> Result<u32, String> {
        self.everything(cx);
        Err("no".to_owned())
    }
    #[handler]
    fn counts(&self) -> (u32, u32) {
        (self.done, self.rang)
    }
    #[resume]
    fn ring(&mut self) {
        self.rang += 1;
    }
    #[resume]
    fn told(&mut self, _answer: Answer<u64>) {
        self.rang += 100;
    }
}

impl Fragile {
    fn everything(&mut self, cx: &mut Cx<'_, Self>) {
        self.done += 1;
        let id = cx.id();
        cx.table(DONE).insert(&id, &self.done);
        cx.after(Duration::from_secs(60), Self::RING);
        cx.open::<Counter>().increment().then(Self::TOLD);
    }
}

fn worlds() -> [(World, &'static str, &'static str); 2] {
    let mut one = World::calm();
    one.node("only", |builder| {
        builder.serve::<Fragile>().serve::<Counter>()
    });
    let mut two = World::calm();
    two.node("target", |builder| builder.serve::<Fragile>());
    two.node("caller", |builder| builder.serve::<Counter>());
    [(one, "only", "only"), (two, "caller", "target")]
}

fn rows(world: &mut World, node: &str) -> usize {
    world.read(node).range(DONE, ..).unwrap().len()
}

#[test]
fn a_panic_that_stops_is_a_success_that_happened_once() {
    for (mut world, caller, target) in worlds() {
        let fragile = world.open_as::<Fragile>(caller, "f");
        assert_eq!(world.run(fragile.work(2)).unwrap(), 1);
        assert_eq!(world.at(target).stats().panicked, 2);
        world.advance(Duration::from_secs(120));
        assert_eq!(world.run(fragile.counts()).unwrap(), (1, 101));
        assert_eq!(rows(&mut world, target), 1);
        assert_eq!(world.run(fragile.work(0)).unwrap(), 2, "and it goes on");
    }
}

#[test]
fn a_panic_that_does_not_stop_fails_both_sides_and_nobody_else() {
    for (mut world, caller, target) in worlds() {
        let other = world.open_as::<Fragile>(caller, "other");
        assert_eq!(world.run(other.work(0)).unwrap(), 1);
        let fragile = world.open_as::<Fragile>(caller, "f");
        assert_eq!(world.run(fragile.work(0)).unwrap(), 1);
        let poison = world.start(fragile.work(100));
        let behind = world.start(fragile.work(0));
        let why = world.finish(&poison).unwrap_err();
        assert!(
            matches!(
                &why,
                CallError::Abandoned {
                    why: Abandoned::PartnerPoisoned(_),
                    in_doubt: true
                }
            ),
            "{why:?}"
        );
        assert!(world.finish(&behind).is_err(), "a message is never skipped");
        let letters: Vec<DeadLetter> = world.at(target).dead_letters().unwrap();
        let [letter] = &letters[..] else {
            panic!("one letter: {letters:?}")
        };
        assert_eq!((letter.service.as_str(), letter.attempts), ("Fragile", 5));
        assert_eq!(letter.dialog, fragile.dialog().id());
        assert!(
            letter.what.contains("`work`") && letter.why.contains("attempt 5"),
            "{letter:?}"
        );
        assert_eq!(world.at(target).stats().quarantined, 1);
        assert_eq!(world.at(target).stats().panicked, 5);
        assert_eq!(rows(&mut world, target), 2, "nothing of it remains");
        assert_eq!(world.run(other.work(0)).unwrap(), 2, "others go on");
        world.advance(Duration::from_secs(3600));
        let nodes = if caller == target {
            vec![caller]
        } else {
            vec![caller, target]
        };
        assert_eq!(
            open_dialogs(&world, &nodes).len(),
            2 + 4,
            "{}",
            world.state()
        );
    }
}

/// What came before it in the same step is not blamed: five attempts, not six, and the right letter.
#[test]
fn a_first_message_that_panics_has_no_more_attempts_than_another() {
    for (mut world, caller, target) in worlds() {
        let why = world
            .run(world.open_as::<Fragile>(caller, "f").work(100))
            .unwrap_err();
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
        assert_eq!(world.at(target).stats().panicked, 5);
        let letters = world.at(target).dead_letters().unwrap();
        let [letter] = &letters[..] else {
            panic!("one letter: {letters:?}")
        };
        assert!(
            letter.attempts == 5 && letter.what.contains("`work`"),
            "{letter:?}"
        );
        assert!(!letter.body.is_empty());
    }
}

#[test]
fn attempts_are_counted_across_crashes() {
    for (mut world, caller, target) in worlds() {
        let fragile = world.open_as::<Fragile>(caller, "f");
        assert_eq!(world.run(fragile.work(0)).unwrap(), 1);
        let poison = world.start(fragile.work(100).once("p"));
        let mut panicked = 0;
        for _ in 0..20 {
            while world.at(target).stats().panicked == 0
                && world.at(target).dead_letters().unwrap().is_empty()
            {
                world.advance(Duration::from_millis(100));
            }
            world.settle();
            panicked += world.at(target).stats().panicked;
            world.restart(target);
            world.settle();
            if !world.at(target).dead_letters().unwrap().is_empty() {
                break;
            }
        }
        assert_eq!(panicked, 5);
        assert_eq!(world.at(target).dead_letters().unwrap().len(), 1);
        drop(poison);
        let why = world
            .run(world.open_as::<Fragile>(caller, "f").work(100).once("p"))
            .unwrap_err();
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
    }
}

#[test]
fn messages_behind_a_retry_wait_their_turn() {
    for (mut world, caller, _) in worlds() {
        let fragile = world.open_as::<Fragile>(caller, "f");
        let tasks = [
            world.start(fragile.work(3)),
            world.start(fragile.work(0)),
            world.start(fragile.work(1)),
        ];
        let counts: Vec<u32> = tasks
            .iter()
            .map(|task| world.finish(task).unwrap())
            .collect();
        assert_eq!(counts, [1, 2, 3]);
    }
}

#[test]
fn a_refusal_leaves_no_trace() {
    for (mut world, caller, target) in worlds() {
        let fragile = world.open_as::<Fragile>(caller, "f");
        let why = world.run(fragile.refuse()).unwrap_err();
        assert!(
            matches!(&why, CallError::Declined(why) if why == "no"),
            "{why:?}"
        );
        let before = world
            .frames()
            .iter()
            .filter(|record| record.from == target && record.frame.is_initiating())
            .count();
        world.advance(Duration::from_secs(600));
        assert_eq!(world.run(fragile.counts()).unwrap(), (0, 0));
        assert_eq!(rows(&mut world, target), 0);
        let after = world
            .frames()
            .iter()
            .filter(|record| record.from == target && record.frame.is_initiating())
            .count();
        assert_eq!((before, after), (0, 0), "nothing was subcontracted");
        assert_eq!(world.at(target).stats().panicked, 0);
        assert_eq!(world.run(fragile.work(0)).unwrap(), 1);
    }
}

mod other {
    use actor_core::prelude::*;

    /// The same name, and a message that the other does not know.
    #[derive(Default, Serialize, Deserialize)]
    pub(super) struct Fragile {}

    #[dialog(timeout = "2 days")]
    impl Fragile {
        #[handler]
        pub(super) fn strange(&mut self) -> u32 {
            0
        }
    }
}

#[test]
fn a_partner_built_from_another_contract_is_turned_away_before_anything_happens() {
    let mut world = World::calm();
    world.node("target", |builder| builder.serve::<Fragile>());
    world.node("caller", |builder| builder);
    let answer = world.run(world.open_as::<other::Fragile>("caller", "f").strange());
    let why = answer.unwrap_err();
    assert!(
        matches!(
            &why,
            CallError::Abandoned {
                why: Abandoned::Incompatible(_),
                ..
            }
        ),
        "{why:?}"
    );
    assert_eq!(world.at("target").stats().handled, 0);
    assert_eq!(world.at("target").dialogs().unwrap(), []);
}
