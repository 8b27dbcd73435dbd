//! Where two promises meet: what each keeps by itself, kept together.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actor_core::{
    NodeBuilder, Role,
    prelude::*,
    protocol::{DialogId, Frame, StoreId, Token},
    world::{Record, World},
};
use actor_store::Table as StoreTable;

use crate::apps::Counter;

const DAY: Duration = Duration::from_secs(86_400);

/// Holds the value 13 for ever.
#[derive(Default, Serialize, Deserialize)]
struct Picky {
    shown: Vec<u32>,
}

#[dialog(timeout = "2 days", on_poison = "hold")]
impl Picky {
    #[handler(currency)]
    fn show(&mut self, value: u32) {
        assert!(value != 13, "no {value}");
        self.shown.push(value);
    }
    #[handler]
    fn book(&mut self, value: u32) -> usize {
        self.show(value);
        self.shown.len()
    }
}

/// The same in memory only.
#[derive(Default, Serialize, Deserialize)]
struct Fleeting {}

#[dialog(timeout = "2 days", on_poison = "hold", volatile)]
impl Fleeting {
    #[handler]
    fn book(&mut self, value: u32) -> u32 {
        assert!(value != 13, "no {value}");
        value
    }
}

fn worlds() -> [(World, &'static str, &'static str); 2] {
    let mut one = World::calm();
    one.node("only", NodeBuilder::serve::<Picky>);
    let mut two = World::calm();
    two.node("target", NodeBuilder::serve::<Picky>);
    two.node("caller", |builder| builder);
    [(one, "only", "only"), (two, "caller", "target")]
}

#[test]
fn silence_is_not_counted_over_held_work_and_not_after_a_restart_either() {
    for (mut world, caller, target) in worlds() {
        let picky = world.open_as::<Picky>(caller, "p");
        assert_eq!(world.run(picky.book(1)).unwrap(), 1);
        world.run(picky.show(13)).unwrap();
        world.advance(Duration::from_secs(60));
        assert_eq!(world.at(target).held().unwrap().len(), 1);
        world.advance(3 * DAY);
        assert_eq!(world.at(target).held().unwrap().len(), 1);
        world.restart(target);
        world.advance(3 * DAY);
        let held = world.at(target).held().unwrap();
        assert_eq!(held.len(), 1, "{}", world.state());
        assert_eq!(world.at(target).stats().abandoned, 0);
    }
}

#[test]
fn damage_leaves_nothing_held_and_a_letter_of_what_was() {
    for what in [Record::State, Record::Endpoint(Role::Target)] {
        for (mut world, caller, target) in worlds() {
            let picky = world.open_as::<Picky>(caller, "p");
            assert_eq!(world.run(picky.book(1)).unwrap(), 1);
            world.run(picky.show(13)).unwrap();
            world.advance(Duration::from_secs(60));
            assert_eq!(world.at(target).held().unwrap().len(), 1);
            let dialog = picky.dialog().id();
            assert_eq!(world.garble(target, dialog, what), 1);
            assert!(world.at(target).held().is_ok(), "others can be listed");
            assert!(world.run(picky.book(2)).is_err());
            world.advance(5 * DAY);
            assert_eq!(world.at(target).held().unwrap(), [], "{what:?}");
            assert_eq!(world.at(target).dead_letters().unwrap().len(), 1);
        }
    }
}

#[test]
fn what_a_volatile_dialog_holds_is_not_held_by_the_next_life() {
    let mut world = World::calm();
    world.node("only", NodeBuilder::serve::<Fleeting>);
    let fleeting = world.open::<Fleeting>("only");
    let poison = world.start(fleeting.book(13));
    world.advance(Duration::from_secs(60));
    assert!(!poison.is_done());
    assert_eq!(world.at("only").held().unwrap().len(), 1);
    world.restart("only");
    world.advance(Duration::from_secs(60));
    assert_eq!(world.at("only").held().unwrap(), []);
    assert_eq!(world.at("only").dead_letters().unwrap().len(), 1);
}

#[test]
fn an_answer_that_comes_after_the_end_leaves_no_row() {
    for steps in 0..40 {
        let mut world = World::calm();
        world.node("only", NodeBuilder::serve::<Counter>);
        let counter = world.open_as::<Counter>("only", "c");
        assert_eq!(world.run(counter.increment()).unwrap(), 1);
        let answer = world.start(counter.increment());
        for _ in 0..steps {
            world.step();
        }
        counter.dialog().abandon("enough");
        world.settle();
        assert!(answer.is_done());
        world.advance(Duration::from_secs(60));
        let rows = world.stored_rows("only", StoreTable::Inbox);
        assert_eq!(rows, 0, "after {steps} steps");
    }
}

/// Speaks unasked.
#[derive(Default, Serialize, Deserialize)]
struct Herald {}

#[dialog(timeout = "2 days", events = u32)]
impl Herald {
    #[handler]
    fn cry(&mut self, cx: &mut Cx<'_, Self>, news: u32) {
        cx.tell(news);
    }
}

#[test]
fn one_who_listens_to_a_dialog_that_ended_and_is_forgotten_hears_its_end() {
    for target in ["caller", "target"] {
        let mut world = World::calm();
        world.node(target, NodeBuilder::serve::<Herald>);
        if target != "caller" {
            world.node("caller", |builder| builder);
        }
        let herald = world.open::<Herald>("caller");
        world.run(herald.cry(1)).unwrap();
        herald.dialog().close();
        world.advance(5 * DAY);
        let mut events = herald.events();
        let next = world.start(async move { events.next().await });
        world.advance(Duration::from_secs(60));
        assert!(next.is_done(), "{target}: nobody says that it is over");
        assert!(next.take().flatten().is_none());
    }
}

/// What an honest initiator says first.
fn first_frame() -> Frame {
    let mut world = World::calm();
    world.node("server", NodeBuilder::serve::<Counter>);
    world.node("caller", |builder| builder);
    let counter = world.open::<Counter>("caller");
    world.run(counter.increment()).unwrap();
    let frames = world.frames();
    let first = frames.iter().find(|record| record.frame.is_initiating());
    Frame::clone(&first.expect("it was opened").frame)
}

#[test]
fn many_half_open_dialogs_whose_deadlines_lapsed_wait_for_their_grace_in_peace() {
    let honest = first_frame();
    let mut world = World::calm();
    world.node("server", NodeBuilder::serve::<Counter>);
    for number in 0..5000_u64 {
        let mut id = [1; 16];
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        id[..8].copy_from_slice(&mixed.to_le_bytes());
        let mut frame = honest.clone();
        frame.dialog = DialogId(id);
        frame.src_token = Token(id);
        frame.stamp(StoreId([3; 16]), "stranger", 1, number, [0; 16]);
        world.at("server").inject(&frame.encode());
        if number % 500 == 0 {
            world.settle();
        }
    }
    world.settle();
    assert_eq!(world.at("server").half_open(), 5000);
    world.crash("server");
    world.advance(DAY);
    world.restart("server");
    let start = world.now_ms();
    let mut seen = BTreeSet::new();
    for _ in 0..200_000 {
        if !world.step() {
            world.advance(Duration::from_secs(1));
        }
        seen.insert(world.at("server").half_open());
        if world.now_ms() > start + 180_000 {
            break;
        }
    }
    assert!(world.now_ms() > start + 180_000, "it goes round and round");
    assert_eq!(world.at("server").half_open(), 0, "{seen:?}");
}

/// Says so many drops a second, whether or not anybody listens.
#[derive(Default, Serialize, Deserialize)]
struct Fountain {
    said: u32,
    until: u32,
}

const DROPS: u32 = 200;

#[dialog(timeout = "1h", events = u32)]
impl Fountain {
    #[handler]
    fn spout(&mut self, cx: &mut Cx<'_, Self>, until: u32) {
        self.until = until;
        cx.after(Duration::from_secs(1), Self::SPLASH);
    }
    #[resume]
    fn splash(&mut self, cx: &mut Cx<'_, Self>) {
        for _ in 0..DROPS {
            cx.tell(self.said);
            self.said += 1;
        }
        if self.said < self.until {
            cx.after(Duration::from_secs(1), Self::SPLASH);
        }
    }
}

#[derive(Clone, Default)]
struct Broken(Arc<AtomicBool>);

/// Looks at a fountain, and may lose itself in thought.
#[derive(Default, Serialize, Deserialize)]
struct Poet {
    seen: Vec<u32>,
}

#[dialog(timeout = "2 days", on_poison = "hold", uses(Broken))]
impl Poet {
    #[handler]
    fn look(&mut self, cx: &mut Cx<'_, Self>, drops: u32) {
        let fountain = cx.open::<Fountain>();
        fountain.events().then(Self::SEE);
        fountain.spout(drops).then(Self::SPOUTS);
    }
    #[resume]
    fn spouts(&mut self, _cx: &mut Cx<'_, Self>, _answer: Answer<()>) {}
    #[resume]
    fn see(&mut self, _cx: &mut Cx<'_, Self>, drop: Answer<u32>) {
        self.seen.extend(drop);
    }
    #[handler]
    fn think(&mut self, cx: &mut Cx<'_, Self>) {
        assert!(!cx.get::<Broken>().0.load(Ordering::SeqCst), "lost");
    }
    #[handler]
    fn seen(&self) -> Vec<u32> {
        self.seen.clone()
    }
}

#[test]
fn events_from_elsewhere_wait_where_they_are_said_while_their_listener_holds_work() {
    let broken = Broken::default();
    broken.0.store(true, Ordering::SeqCst);
    let provided = broken.clone();
    let mut world = World::calm();
    world.node("far", NodeBuilder::serve::<Fountain>);
    world.node("near", move |builder| {
        builder.serve::<Poet>().provide(provided.clone())
    });
    let poet = world.open_as::<Poet>("near", "p");
    world.run(poet.look(15 * DROPS)).unwrap();
    let thought = world.start(poet.think());
    world.advance(Duration::from_secs(600));
    let held = world.at("near").held().unwrap();
    assert_eq!(held.len(), 1, "{:?}", world.at("near").dead_letters());
    assert!(held[0].waiting <= 1024, "{}", held[0].waiting);
    broken.0.store(false, Ordering::SeqCst);
    let (node, dialog) = (world.at("near"), poet.dialog().id());
    world.run(async move { node.retry(dialog).await }).unwrap();
    assert_eq!(world.finish(&thought), Ok(()));
    world.advance(Duration::from_secs(600));
    let seen = world.run(poet.seen()).unwrap();
    assert_eq!(seen.len(), 15 * DROPS as usize);
    assert!(seen.is_sorted());
}

#[test]
fn one_whose_events_nobody_takes_any_more_counts_the_silence() {
    let mut world = World::calm();
    world.node("far", NodeBuilder::serve::<Fountain>);
    world.node("near", |builder| builder);
    let fountain = world.open_as::<Fountain>("near", "f");
    world.run(fountain.spout(u32::MAX)).unwrap();
    world.crash("near");
    let before = world.at("far").stats().frames_sent;
    world.advance(Duration::from_secs(3500));
    let said = world.at("far").stats().frames_sent - before;
    assert!(said < 300, "no step that fails makes it impatient: {said}");
    world.advance(Duration::from_secs(3600));
    assert_eq!(world.at("far").stats().abandoned, 1);
}
