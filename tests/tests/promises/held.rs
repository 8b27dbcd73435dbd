//! A dialog that holds what it cannot handle: it stands, its requests stay in doubt, an operator has the last word; and
//! dead letters, which are read.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actor_core::{NodeBuilder, RetryError, prelude::*, world::World};

/// Whatever makes the handler fail; an operator repairs it.
#[derive(Clone, Default)]
struct Broken(Arc<AtomicBool>);

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Ledger {
    lines: Vec<u32>,
}

#[dialog(timeout = "2 days", on_poison = "hold", uses(Broken))]
impl Ledger {
    #[handler]
    fn book(&mut self, cx: &mut Cx<'_, Self>, line: u32, text: String) -> usize {
        assert!(
            !(line == 13 && cx.get::<Broken>().0.load(Ordering::SeqCst)),
            "no line {line} for {text}"
        );
        self.lines.push(line);
        self.lines.len()
    }
    #[handler]
    fn note(&mut self, cx: &mut Cx<'_, Self>, line: u32) {
        self.book(cx, line, "a note".to_owned());
    }
    #[handler]
    fn lines(&self) -> Vec<u32> {
        self.lines.clone()
    }
    #[handler]
    fn later(&mut self, cx: &mut Cx<'_, Self>) {
        cx.after_with(Duration::from_secs(5), Self::RING, 13_u32);
    }
    #[resume]
    fn ring(&mut self, cx: &mut Cx<'_, Self>, line: u32) {
        self.book(cx, line, "a timer".to_owned());
    }
}

struct Scene {
    world: World,
    caller: &'static str,
    target: &'static str,
    broken: Broken,
}

fn scenes() -> [Scene; 2] {
    [("only", "only"), ("caller", "target")].map(|(caller, target)| {
        let broken = Broken(Arc::new(AtomicBool::new(true)));
        let mut world = World::calm();
        let provided = broken.clone();
        let serve = move |builder: NodeBuilder| builder.serve::<Ledger>().provide(provided.clone());
        world.node(target, serve);
        if caller != target {
            world.node(caller, |builder| builder);
        }
        Scene {
            world,
            caller,
            target,
            broken,
        }
    })
}

impl Scene {
    fn ledger(&self) -> LedgerClient {
        self.world.open_as::<Ledger>(self.caller, "l")
    }

    fn held(&self) -> Vec<actor_core::Held> {
        self.world.at(self.target).held().unwrap()
    }

    fn retry(&mut self) -> Result<(), RetryError> {
        let dialog = self.ledger().dialog().id();
        let node = self.world.at(self.target);
        self.world.run(async move { node.retry(dialog).await })
    }
}

#[test]
fn held_work_waits_with_all_behind_it_and_goes_on_in_place() {
    for mut scene in scenes() {
        let ledger = scene.ledger();
        assert_eq!(scene.world.run(ledger.book(1, "a".into())).unwrap(), 1);
        let poison = scene.world.start(ledger.book(13, "b".into()));
        let behind = scene.world.start(ledger.book(2, "c".into()));
        scene.world.advance(Duration::from_secs(3600));
        assert!(!poison.is_done() && !behind.is_done());
        let held = scene.held();
        let [held] = &held[..] else {
            panic!("one piece of work: {held:?}")
        };
        assert_eq!((held.waiting, held.letter.attempts), (2, 5));
        assert_eq!(held.letter.handler, "book");
        assert_eq!(held.letter.args(), Ok((13_u32, "b".to_owned())));
        assert_eq!(held.letter.state(), Ok(Ledger { lines: vec![1] }));
        assert!(held.letter.why.contains("no line 13 for b"));
        assert!(matches!(
            ledger.dialog().knowledge(),
            Knowledge::InDoubt { .. }
        ));
        assert_eq!(scene.world.at(scene.target).dead_letters().unwrap(), []);

        assert_eq!(scene.retry(), Ok(()));
        scene.world.advance(Duration::from_secs(60));
        assert_eq!(scene.held().len(), 1, "it was not repaired");
        scene.broken.0.store(false, Ordering::SeqCst);
        assert_eq!(scene.retry(), Ok(()));
        assert_eq!(scene.world.finish(&poison).unwrap(), 2);
        assert_eq!(scene.world.finish(&behind).unwrap(), 3);
        assert_eq!(scene.world.run(ledger.lines()).unwrap(), [1, 13, 2]);
        assert_eq!(scene.held(), []);
        let dialog = ledger.dialog().id();
        assert_eq!(scene.retry(), Err(RetryError::NotHeld { dialog }));
    }
}

#[test]
fn held_work_is_held_over_a_restart_and_done_by_a_repaired_program() {
    for mut scene in scenes() {
        let ledger = scene.ledger();
        assert_eq!(scene.world.run(ledger.book(1, "a".into())).unwrap(), 1);
        let _poison = scene.world.start(ledger.book(13, "b".into()).once("p"));
        scene.world.advance(Duration::from_secs(60));
        assert_eq!(scene.held().len(), 1);
        scene.broken.0.store(false, Ordering::SeqCst);
        scene.world.restart(scene.target);
        scene.world.advance(Duration::from_secs(3600));
        assert_eq!(scene.held().len(), 1, "nobody said so");
        assert_eq!(scene.retry(), Ok(()));
        let again = scene.ledger().book(13, "b".into()).once("p");
        assert_eq!(scene.world.run(again).unwrap(), 2);
        assert_eq!(scene.held(), []);
    }
}

#[test]
fn a_deadline_ends_what_nobody_retries_and_leaves_a_letter() {
    for mut scene in scenes() {
        let ledger = scene.ledger();
        assert_eq!(scene.world.run(ledger.book(1, "a".into())).unwrap(), 1);
        let poison = scene.world.start(ledger.book(13, "b".into()));
        let why = scene.world.finish(&poison).unwrap_err();
        assert!(
            matches!(
                &why,
                CallError::Abandoned {
                    why: Abandoned::Silence,
                    in_doubt: true
                }
            ),
            "{why:?}"
        );
        scene.world.advance(Duration::from_secs(60));
        assert_eq!(scene.held(), []);
        let letters = scene.world.at(scene.target).dead_letters().unwrap();
        let [letter] = &letters[..] else {
            panic!("one letter: {letters:?}")
        };
        assert_eq!(letter.args(), Ok((13_u32, "b".to_owned())));
        let node = scene.world.at(scene.target);
        let read = letter.clone();
        let deleted = scene
            .world
            .run(async move { node.delete_dead_letter(&read).await });
        deleted.unwrap();
        assert_eq!(scene.world.at(scene.target).dead_letters().unwrap(), []);
        scene.world.restart(scene.target);
        assert_eq!(scene.world.at(scene.target).dead_letters().unwrap(), []);
    }
}

#[test]
fn a_timer_is_held_with_its_context() {
    for mut scene in scenes() {
        let ledger = scene.ledger();
        scene.world.run(ledger.later()).unwrap();
        scene.world.advance(Duration::from_secs(60));
        let held = scene.held();
        assert_eq!(held.len(), 1, "{}", scene.world.state());
        assert_eq!(held[0].letter.args(), Ok(13_u32));
        assert!(held[0].letter.args::<String>().is_err(), "of another type");
        scene.broken.0.store(false, Ordering::SeqCst);
        assert_eq!(scene.retry(), Ok(()));
        assert_eq!(scene.world.run(ledger.lines()).unwrap(), [13]);
    }
}

#[test]
fn so_much_waits_behind_held_work_and_no_more() {
    for mut scene in scenes() {
        let ledger = scene.ledger();
        assert_eq!(scene.world.run(ledger.book(1, "a".into())).unwrap(), 1);
        let poison = scene.world.start(ledger.note(13));
        let mut behind = Vec::new();
        for _ in 0..30 {
            behind.extend((0..40).map(|_| scene.world.start(ledger.note(2))));
            scene.world.advance(Duration::from_secs(1));
        }
        if scene.caller != scene.target {
            // From elsewhere no more comes than the window lets in; the rest waits where it was said.
            let held = scene.held();
            assert_eq!(held.len(), 1);
            assert!(held[0].waiting <= 1024, "{}", held[0].waiting);
            scene.broken.0.store(false, Ordering::SeqCst);
            assert_eq!(scene.retry(), Ok(()));
            for note in behind {
                scene.world.finish(&note).unwrap();
            }
            assert_eq!(scene.world.run(ledger.lines()).unwrap().len(), 1202);
            continue;
        }
        assert!(scene.world.finish(&poison).is_err());
        assert_eq!(scene.held(), []);
        let letters = scene.world.at(scene.target).dead_letters().unwrap();
        assert_eq!(letters.len(), 1);
        assert!(letters[0].why.contains("1024 messages"), "{letters:?}");
        assert_eq!(letters[0].args(), Ok(13_u32));
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Frail {}

#[dialog(timeout = "2 days")]
impl Frail {
    #[handler]
    fn fail(&mut self, number: u32) {
        panic!("number {number}");
    }
}

#[test]
fn dead_letters_are_bounded_and_the_oldest_goes_first() {
    let mut world = World::calm();
    world.node("n", |builder| builder.serve::<Frail>().keep_dead_letters(3));
    for number in 0..5 {
        let frail = world.open_as::<Frail>("n", &number.to_string());
        assert!(world.run(frail.fail(number)).is_err());
    }
    let numbers = |world: &World| -> Vec<u32> {
        let letters = world.at("n").dead_letters().unwrap();
        letters
            .iter()
            .map(|letter| letter.args().unwrap())
            .collect()
    };
    assert_eq!(numbers(&world), [2, 3, 4]);
    world.restart("n");
    assert_eq!(numbers(&world), [2, 3, 4]);
    let frail = world.open_as::<Frail>("n", "5");
    assert!(world.run(frail.fail(5)).is_err());
    assert_eq!(numbers(&world), [3, 4, 5]);
}
