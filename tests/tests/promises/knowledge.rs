//! What a sender knows of a message, how long it waits for its answer, and deadlines that are handed on.

use std::time::SystemTime;

use actor_core::{NodeBuilder, Role, prelude::*, world::World};

use crate::apps::Counter;

/// Asks a counter elsewhere, and waits for half a minute.
#[derive(Default, Serialize, Deserialize)]
struct Hurry {
    heard: Vec<String>,
    slow: Option<DialogRef<Slow>>,
}

/// Waits for its partner as long as it lives.
#[derive(Default, Serialize, Deserialize)]
struct Slow {
    count: u64,
}

#[dialog(timeout = "30 years")]
impl Slow {
    #[handler]
    fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

#[dialog(timeout = "2 days", lifetime = "4 days")]
impl Hurry {
    #[handler]
    fn ask(&mut self, cx: &mut Cx<'_, Self>) {
        cx.open::<Counter>()
            .increment()
            .within(Duration::from_secs(30))
            .then(Self::TOLD);
    }
    #[handler]
    fn ask_slow(&mut self, cx: &mut Cx<'_, Self>) {
        let slow = cx.open::<Slow>();
        self.slow = Some(slow.dialog().reference());
        slow.increment().then(Self::TOLD);
    }
    #[handler]
    fn hurry_slow(&mut self, cx: &mut Cx<'_, Self>) {
        if let Some(slow) = &self.slow {
            let again = cx.to(slow).increment();
            again.within(Duration::from_secs(30)).then(Self::TOLD);
        }
    }
    #[resume]
    fn told(&mut self, answer: Answer<u64>) {
        self.heard.push(match answer {
            Ok(count) => count.to_string(),
            Err(why @ CallError::Overdue { .. }) => {
                assert!(matches!(
                    why.knowledge(),
                    Knowledge::InDoubt { since: Some(_), .. }
                ));
                "overdue".to_owned()
            }
            Err(why) => why.to_string(),
        });
    }
    #[handler]
    fn heard(&self) -> Vec<String> {
        self.heard.clone()
    }
}

fn two() -> World {
    let mut world = World::calm();
    world.node("target", |builder| {
        builder.serve::<Counter>().serve::<Slow>()
    });
    world.node("caller", NodeBuilder::serve::<Hurry>);
    world
}

fn counter(world: &World) -> crate::apps::CounterClient {
    world.open_as::<Counter>("caller", "c")
}

fn known(world: &mut World, name: &str) -> Knowledge {
    let counter = counter(world);
    let name = name.to_owned();
    world
        .run(async move { counter.dialog().knowledge_of(name).await })
        .unwrap()
}

fn since(known: &Knowledge) -> (SystemTime, u32) {
    match known {
        Knowledge::InDoubt {
            since: Some(since),
            attempts,
        } => (*since, *attempts),
        other => panic!("not in doubt: {other:?}"),
    }
}

#[test]
fn what_is_known_of_a_named_request_is_known_over_restarts() {
    let mut world = two();
    assert_eq!(known(&mut world, "a"), Knowledge::NotSent);
    let counter_ = counter(&world);
    assert_eq!(world.run(counter_.increment().once("a")).unwrap(), 1);
    assert_eq!(known(&mut world, "a"), Knowledge::Answered);
    assert_eq!(known(&mut world, "b"), Knowledge::NotSent);

    world.crash("target");
    let _running = world.start(counter_.increment().once("b"));
    world.settle();
    let (said, attempts) = since(&known(&mut world, "b"));
    assert_eq!(attempts, 1);
    world.advance(Duration::from_secs(60));
    let (later, attempts) = since(&known(&mut world, "b"));
    assert_eq!(later, said);
    assert!(attempts > 3, "{attempts} rounds in a minute");
    world.restart("caller");
    let (later, again) = since(&known(&mut world, "b"));
    assert_eq!(later, said, "as the process before knew it");
    assert!(again < attempts, "rounds are counted in memory");
    assert_eq!(known(&mut world, "a"), Knowledge::Answered);

    world.restart("target");
    let counter_ = counter(&world);
    assert_eq!(world.run(counter_.increment().once("b")).unwrap(), 2);
    assert_eq!(known(&mut world, "b"), Knowledge::Answered);
    assert_eq!(world.run(counter_.finish()).unwrap(), 2);
    world.advance(Duration::from_secs(3600));
    world.restart("caller");
    assert_eq!(known(&mut world, "b"), Knowledge::Answered, "for ever");
    assert_eq!(known(&mut world, "c"), Knowledge::NotSent);
}

#[test]
fn a_named_request_whose_dialog_was_given_up_is_known_to_have_ended() {
    let mut world = two();
    let counter_ = counter(&world);
    assert_eq!(world.run(counter_.increment().once("a")).unwrap(), 1);
    world.crash("target");
    let running = world.start(counter_.increment().once("b"));
    assert!(world.finish(&running).is_err());
    world.restart("caller");
    assert_eq!(
        known(&mut world, "b"),
        Knowledge::Ended(Ending::Abandoned(Abandoned::Silence))
    );
}

#[test]
fn a_caller_that_waits_no_longer_knows_that_it_is_in_doubt_and_asks_again() {
    for nodes in [("caller", "target"), ("target", "target")] {
        let mut world = two();
        let (caller, target) = nodes;
        let counter_ = world.open_as::<Counter>(caller, "w");
        assert_eq!(world.run(counter_.increment()).unwrap(), 1);
        let begun = world.now_ms();
        if caller != target {
            world.crash(target);
            let hurried = counter_.increment().once("p");
            let why = world
                .run(hurried.within(Duration::from_secs(10)))
                .unwrap_err();
            assert!(matches!(why, CallError::Overdue { .. }), "{why:?}");
            since(&why.knowledge());
            assert_eq!(world.now_ms(), begun + 10_000);
            since(&counter_.dialog().knowledge());
            world.restart(target);
        }
        let again = counter_.increment().once("p");
        let again = world.run(again.within(Duration::from_secs(600))).unwrap();
        assert_eq!(again, 2, "it was done once");
        assert_eq!(world.run(counter_.increment()).unwrap(), 3);
    }
}

#[test]
fn a_continuation_hears_that_it_is_too_late_also_after_a_restart() {
    for restarts in [false, true] {
        let mut world = two();
        let hurry = world.open_as::<Hurry>("caller", "h");
        world.run(hurry.ask_slow()).unwrap();
        world.advance(Duration::from_secs(10));
        assert_eq!(world.run(hurry.heard()).unwrap(), ["1"]);
        world.crash("target");
        world.run(hurry.hurry_slow()).unwrap();
        world.advance(Duration::from_secs(25));
        if restarts {
            world.restart("caller");
        }
        let hurry = world.open_as::<Hurry>("caller", "h");
        assert_eq!(world.run(hurry.heard()).unwrap(), ["1"]);
        // After a restart there is a grace, in which the answer may still be heard.
        world.advance(Duration::from_secs(if restarts { 90 } else { 6 }));
        assert_eq!(world.run(hurry.heard()).unwrap(), ["1", "overdue"]);
        world.restart("target");
        world.advance(Duration::from_secs(600));
        world.run(hurry.hurry_slow()).unwrap();
        world.advance(Duration::from_secs(10));
        let heard = world.run(hurry.heard()).unwrap();
        assert_eq!(heard, ["1", "overdue", "3"], "late answers are discarded");
    }
}

#[test]
fn a_dialog_is_looked_for_no_longer_than_the_request_that_opens_it_waits() {
    let mut world = two();
    let hurry = world.open_as::<Hurry>("caller", "h");
    assert!(world.run(hurry.heard()).unwrap().is_empty());
    world.crash("target");
    world.run(hurry.ask()).unwrap();
    world.advance(Duration::from_secs(40));
    let heard = world.run(hurry.heard()).unwrap();
    assert_eq!(heard.len(), 1, "{heard:?}");
    world.restart("target");
    world.advance(Duration::from_secs(600));
    assert_eq!(world.at("target").stats().handled, 0, "never reached");
    assert_eq!(world.run(hurry.heard()).unwrap(), heard, "once");
}

#[test]
fn an_answer_in_time_is_no_different() {
    let mut world = two();
    let hurry = world.open_as::<Hurry>("caller", "h");
    world.run(hurry.ask()).unwrap();
    world.advance(Duration::from_secs(3600));
    assert_eq!(world.run(hurry.heard()).unwrap(), ["1"]);
}

#[test]
fn a_subcontracted_dialog_lasts_no_longer_than_the_one_that_opened_it() {
    for nodes in [["only", "only"], ["caller", "target"]] {
        let mut world = World::calm();
        let [first, last] = nodes;
        if first == last {
            world.node(first, |builder| builder.serve::<Slow>().serve::<Hurry>());
        } else {
            world.node(last, NodeBuilder::serve::<Slow>);
            world.node(first, NodeBuilder::serve::<Hurry>);
        }
        let begun = world.now_ms();
        let hurry = world.open_as::<Hurry>(first, "h");
        world.run(hurry.heard()).unwrap();
        world.advance(Duration::from_secs(86_400));
        world.run(hurry.ask_slow()).unwrap();
        world.advance(Duration::from_secs(60));
        assert_eq!(world.run(hurry.heard()).unwrap(), ["1"]);
        let latest = SystemTime::UNIX_EPOCH + Duration::from_millis(begun + 4 * 86_400_000 + 1000);
        for (role, node) in [(Role::Initiator, first), (Role::Target, last)] {
            let all = world.at(node).dialogs().unwrap();
            let slow = all
                .iter()
                .find(|info| info.service == "Slow" && info.role == role)
                .unwrap();
            assert!(slow.deadline.unwrap() <= latest, "{slow:?}");
        }
    }
}
