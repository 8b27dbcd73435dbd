//! Messages that take the process along: what cannot be caught is counted over the processes that die of it.

use actor_core::{
    DeadLetter, NodeBuilder,
    prelude::*,
    protocol::Mutant,
    world::{Event, World, die},
};
use actor_store::Crash;

use crate::apps::Counter;

/// Five deaths are counted, and the first is not: only after it does a node say what it runs.
const DEATHS: usize = 6;

#[derive(Default, Serialize, Deserialize)]
struct Deadly {
    done: u32,
}

#[dialog(timeout = "2 days")]
impl Deadly {
    /// Kills the process on its first attempts.
    #[handler]
    fn work(&mut self, cx: &mut Cx<'_, Self>, deaths: u32) -> u32 {
        if cx.attempt() <= deaths {
            die();
        }
        self.done += 1;
        self.done
    }
    /// Panics on odd attempts, kills on even ones.
    #[handler]
    fn both(&mut self, cx: &mut Cx<'_, Self>) -> u32 {
        assert!(cx.attempt().is_multiple_of(2), "attempt {}", cx.attempt());
        die()
    }
    #[handler]
    fn ring_later(&mut self, cx: &mut Cx<'_, Self>) {
        cx.after(Duration::from_secs(5), Self::RING);
    }
    #[resume]
    fn ring(&mut self) {
        die();
    }
    #[handler]
    fn ask_elsewhere(&mut self, cx: &mut Cx<'_, Self>) {
        cx.open::<Counter>().increment().then(Self::TOLD);
    }
    #[resume]
    fn told(&mut self, _answer: Answer<u64>) {
        die();
    }
}

/// Dies when it is confirmed.
#[derive(Default, Serialize, Deserialize)]
struct Draft {
    dies: bool,
}

#[dialog(pending, timeout = "30m")]
impl Draft {
    #[handler]
    fn offer(&mut self, dies: bool) -> u32 {
        self.dies = dies;
        7
    }
    #[establish]
    fn establish(self) -> Deal {
        if self.dies {
            die();
        }
        Deal {}
    }
}

#[derive(Serialize, Deserialize)]
struct Deal {}

#[dialog(pending = Draft, timeout = "2 days")]
impl Deal {
    #[handler]
    fn stands(&self) -> bool {
        true
    }
    #[handler]
    fn give_up(&mut self, cx: &mut Cx<'_, Self>) {
        cx.abandon("enough");
    }
    #[abandoned]
    fn abandoned(self, _why: Abandoned) {
        die();
    }
}

fn serve(builder: NodeBuilder) -> NodeBuilder {
    builder.serve::<Deadly>().serve::<Deal>().serve::<Counter>()
}

fn worlds() -> [(World, &'static str, &'static str); 2] {
    let mut one = World::calm();
    one.node("only", serve);
    let mut two = World::calm();
    two.node("target", serve);
    two.node("caller", |builder| builder);
    [(one, "only", "only"), (two, "caller", "target")]
}

fn deaths(world: &World, node: &str) -> usize {
    let died = |event: &&Event| matches!(event, Event::Crash { node: of } if of == node);
    world.trace().iter().filter(died).count()
}

/// Says it again and lets time pass until there is a dead letter, or nothing dies any more. What is said in the store that
/// dies of it may be lost with the process that said it.
fn letters(world: &mut World, node: &str, say: impl Fn(&mut World)) -> Vec<DeadLetter> {
    for _ in 0..100 {
        if world.is_up(node) {
            say(world);
        }
        world.advance(Duration::from_secs(10));
        if world.is_up(node) {
            let letters = world.at(node).dead_letters().unwrap();
            if !letters.is_empty() {
                return letters;
            }
        }
    }
    Vec::new()
}

fn is_poisoned<T: std::fmt::Debug>(answer: Answer<T>) -> bool {
    matches!(
        answer.unwrap_err(),
        CallError::Abandoned {
            why: Abandoned::PartnerPoisoned(_),
            ..
        }
    )
}

#[test]
fn a_message_that_kills_its_process_is_put_aside_after_five_counted_deaths() {
    for (mut world, caller, target) in worlds() {
        let others: Vec<String> = (0..20).map(|n| format!("other {n}")).collect();
        for key in &others {
            let other = world.open_as::<Deadly>(caller, key);
            assert_eq!(world.run(other.work(0).once("a")).unwrap(), 1);
        }
        let poison = world.open_as::<Deadly>(caller, "f");
        assert_eq!(world.run(poison.work(0).once("a")).unwrap(), 1);
        let letters = letters(&mut world, target, |world| {
            let poison = world.open_as::<Deadly>(caller, "f");
            world.start(poison.work(100).once("p"));
        });
        let [letter] = &letters[..] else {
            panic!("one letter: {letters:?}\n{}", world.state())
        };
        assert_eq!(letter.attempts, 5);
        assert!(letter.what.contains("`work`"), "{letter:?}");
        assert_eq!(deaths(&world, target), DEATHS);
        let poison = world.open_as::<Deadly>(caller, "f");
        assert!(is_poisoned(world.run(poison.work(100).once("p"))));
        for key in &others {
            let other = world.open_as::<Deadly>(caller, key);
            assert_eq!(world.run(other.work(0).once("b")).unwrap(), 2);
            assert_eq!(world.run(other.work(0).once("a")).unwrap(), 1);
        }
        assert_eq!(deaths(&world, target), DEATHS);
    }
}

#[test]
fn a_message_that_stops_killing_happens_once() {
    for (mut world, caller, target) in worlds() {
        let deadly = world.open_as::<Deadly>(caller, "f");
        assert_eq!(world.run(deadly.work(0).once("a")).unwrap(), 1);
        for _ in 0..10 {
            let deadly = world.open_as::<Deadly>(caller, "f");
            world.start(deadly.work(3).once("p"));
            world.advance(Duration::from_secs(30));
        }
        assert_eq!(deaths(&world, target), 4);
        let deadly = world.open_as::<Deadly>(caller, "f");
        assert_eq!(world.run(deadly.work(3).once("p")).unwrap(), 2);
        assert_eq!(world.run(deadly.work(0).once("b")).unwrap(), 3);
        assert_eq!(world.at(target).dead_letters().unwrap(), []);
    }
}

#[test]
fn a_first_message_that_kills_is_counted_although_nothing_of_its_dialog_is_stored() {
    for (mut world, caller, target) in worlds() {
        let letters = letters(&mut world, target, |world| {
            let deadly = world.open_as::<Deadly>(caller, "f");
            world.start(deadly.work(100).once("p"));
        });
        assert_eq!(letters.len(), 1, "{}", world.state());
        assert_eq!(letters[0].attempts, 5);
        assert_eq!(deaths(&world, target), DEATHS);
    }
}

#[test]
fn panics_and_deaths_of_one_message_are_added() {
    for (mut world, caller, target) in worlds() {
        let letters = letters(&mut world, target, |world| {
            let deadly = world.open_as::<Deadly>(caller, "f");
            world.start(deadly.both().once("p"));
        });
        assert_eq!(letters.len(), 1, "{}", world.state());
        assert_eq!(letters[0].attempts, 5);
        // Panics at 1, 3 and 5; dies at 2, where the first death is not counted, and at 4.
        assert_eq!(deaths(&world, target), 3);
    }
}

#[test]
fn timers_continuations_and_confirmations_that_kill_count_too() {
    for what in ["timer", "continuation", "establish"] {
        for (mut world, caller, target) in worlds() {
            let letters = letters(&mut world, target, |world| {
                let deadly = world.open_as::<Deadly>(caller, "f");
                match what {
                    "timer" => _ = world.start(deadly.ring_later().once("p")),
                    "continuation" => _ = world.start(deadly.ask_elsewhere().once("p")),
                    _ => _ = world.start(world.open_as::<Deal>(caller, "f").offer(true)),
                }
            });
            assert_eq!(letters.len(), 1, "{what} {}", world.state());
            // In one store the confirmation is part of the first message's step, which is blamed.
            let same = what == "establish" && caller == target;
            let blamed = if same { "offer" } else { what };
            assert!(letters[0].what.contains(blamed), "{letters:?}");
            assert_eq!(letters[0].attempts, 5, "{what}");
            assert_eq!(deaths(&world, target), DEATHS, "{what}");
        }
    }
}

#[test]
fn an_end_that_kills_is_an_end_after_five_counted_deaths() {
    for (mut world, caller, target) in worlds() {
        let (_, deal) = world
            .run(world.open_as::<Deal>(caller, "f").offer(false))
            .unwrap();
        assert!(world.run(deal.stands()).unwrap());
        for _ in 0..30 {
            let opening = world.open_as::<Deal>(caller, "f").offer(false);
            world.start(async move {
                if let Ok((_, deal)) = opening.await {
                    deal.dialog().abandon("no more");
                }
            });
            world.advance(Duration::from_secs(10));
        }
        assert_eq!(deaths(&world, target), DEATHS);
        let other = world.open_as::<Deadly>(caller, "other");
        assert_eq!(world.run(other.work(0)).unwrap(), 1);
    }
}

#[test]
fn a_message_that_only_happens_to_be_there_is_not_blamed() {
    for (mut world, caller, target) in worlds() {
        let deadly = world.open_as::<Deadly>(caller, "f");
        assert_eq!(world.run(deadly.work(0).once("0")).unwrap(), 1);
        for n in 1..20 {
            let deadly = world.open_as::<Deadly>(caller, "f");
            let _running = world.start(deadly.work(0).once(n.to_string()));
            for _ in 0..n {
                world.step();
            }
            world.crash_with(target, Crash::KeepAll);
            world.restart(target);
            let deadly = world.open_as::<Deadly>(caller, "f");
            let done = world.run(deadly.work(0).once(n.to_string())).unwrap();
            assert_eq!(done, n + 1);
        }
        assert_eq!(world.at(target).dead_letters().unwrap(), []);
    }
}

fn mutated(mutant: Mutant) -> World {
    let mut world = World::calm();
    world.node("target", move |builder| serve(builder).mutant(mutant));
    world.node("caller", |builder| builder);
    world
}

#[test]
fn a_node_that_counts_in_memory_dies_for_ever() {
    let mut world = mutated(Mutant::VolatileAttemptCount);
    world.start(world.open_as::<Deadly>("caller", "f").work(100));
    assert_eq!(letters(&mut world, "target", |_| {}), []);
    assert!(deaths(&world, "target") > 3 * DEATHS);
}

#[test]
fn a_node_that_skips_a_poison_message_handles_the_next() {
    let mut world = mutated(Mutant::SkipPoison);
    let deadly = world.open_as::<Deadly>("caller", "f");
    assert_eq!(world.run(deadly.work(0)).unwrap(), 1);
    let _poison = world.start(deadly.work(100));
    let behind = world.start(deadly.work(0));
    assert_eq!(world.finish(&behind).unwrap(), 2, "which is wrong");
}
