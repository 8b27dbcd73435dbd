//! What hostile readers and newcomers broke, each as a test: nothing of it may come back.

use actor_core::{Knowledge, NodeBuilder, prelude::*, world::World};

use crate::apps::Counter;

const DONE: Table<u32, u32> = Table::new("done");
const FORGOTTEN: Table<u32, u32> = Table::new("forgotten");

/// Does what it is told, at the second attempt.
#[derive(Default, Serialize, Deserialize)]
struct Worker;

#[dialog(timeout = "1 day", tables(DONE))]
impl Worker {
    #[handler]
    fn work(&mut self, cx: &mut Cx<'_, Self>, what: u32) {
        assert!(cx.attempt() > 1, "not yet");
        cx.table(DONE).insert(&what, &1);
    }
    #[handler]
    fn finish(self, cx: &mut Cx<'_, Self>, what: u32) -> u32 {
        assert!(cx.attempt() > 1, "not yet");
        cx.table(DONE).insert(&what, &2);
        what
    }
}

/// Tells a worker what to do and says goodbye in the same breath.
#[derive(Default, Serialize, Deserialize)]
struct Boss;

#[dialog(timeout = "1 day")]
impl Boss {
    #[handler]
    fn delegate(&mut self, cx: &mut Cx<'_, Self>, closing: bool) {
        let worker = cx.open::<Worker>();
        worker.work(1).tell();
        if closing {
            worker.finish(2).tell();
        } else {
            worker.dialog().close();
        }
    }
}

fn placements<A: Dialog, B: Dialog>() -> [(World, &'static str); 2] {
    let mut one = World::calm();
    one.node("boss", |builder: NodeBuilder| {
        builder.serve::<A>().serve::<B>()
    });
    let mut two = World::calm();
    two.node("boss", NodeBuilder::serve::<A>);
    two.node("worker", NodeBuilder::serve::<B>);
    [(one, "boss"), (two, "worker")]
}

#[test]
fn a_goodbye_does_not_take_the_work_that_waits_for_another_attempt() {
    for closing in [false, true] {
        for (mut world, worker) in placements::<Boss, Worker>() {
            let boss = world.open_as::<Boss>("boss", "b");
            world.run(boss.delegate(closing)).unwrap();
            world.advance(Duration::from_secs(60));
            let done = world.read(worker).range(DONE, ..).unwrap();
            let expected: &[(u32, u32)] = if closing {
                &[(1, 1), (2, 2)]
            } else {
                &[(1, 1)]
            };
            assert_eq!(done, expected);
        }
    }
}

/// Concludes something from a table that it forgot to declare.
#[derive(Default, Serialize, Deserialize)]
struct Careless;

#[dialog(timeout = "1 day")]
impl Careless {
    #[handler]
    fn look(&mut self, cx: &mut Cx<'_, Self>) -> Result<u32, String> {
        cx.table(FORGOTTEN).get(&1).ok_or("no such row".to_owned())
    }
}

#[test]
fn a_read_that_failed_is_not_a_refusal_of_the_application() {
    let mut world = World::calm();
    world.node("only", NodeBuilder::serve::<Careless>);
    let careless = world.open_as::<Careless>("only", "c");
    let why = world.run(careless.look()).unwrap_err();
    let CallError::Abandoned { why, .. } = why else {
        panic!("{why:?}")
    };
    assert!(why.to_string().contains("tables(..)"), "{why}");
}

/// Remembers how large it became.
#[derive(Default, Serialize, Deserialize)]
struct Large {
    bytes: Vec<u8>,
}

#[dialog(timeout = "1 day")]
impl Large {
    #[handler]
    fn grow(&mut self, bytes: usize) {
        self.bytes.resize(bytes, 0);
    }
    #[handler]
    fn show(&mut self, bytes: usize) -> Vec<u8> {
        self.bytes.push(1);
        vec![0; bytes]
    }
    #[handler]
    fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[test]
fn an_answer_or_a_state_that_is_too_large_says_so_and_leaves_nothing_behind() {
    let mut two = World::calm();
    two.node("far", NodeBuilder::serve::<Large>);
    two.node("only", |builder| builder);
    let mut one = World::calm();
    one.node("only", NodeBuilder::serve::<Large>);
    for mut world in [one, two] {
        let large = world.open_as::<Large>("only", "l");
        let too_large = |why: &CallError| {
            matches!(why, CallError::TooLarge { bytes, limit } if bytes > limit)
                && why.knowledge() == Knowledge::NotSent
        };
        let why = world.run(large.show(5 * 1024 * 1024)).unwrap_err();
        assert!(too_large(&why), "{why:?}");
        let why = world.run(large.grow(2 * 1024 * 1024)).unwrap_err();
        assert!(too_large(&why), "{why:?}");
        assert_eq!(world.run(large.size()).unwrap(), 0, "rolled back");
        assert_eq!(world.run(large.show(3)).unwrap(), [0; 3]);
    }
}

#[test]
fn a_key_that_reached_nobody_is_opened_anew() {
    let mut world = World::calm();
    world.node("front", |builder| builder);
    world.node("bank", NodeBuilder::serve::<Counter>);
    world.crash("bank");
    let counter = world.open_as::<Counter>("front", "c");
    let asked = world.start(counter.increment());
    world.advance(Duration::from_secs(600));
    assert!(matches!(world.finish(&asked), Err(CallError::NeverReached)));
    world.restart("bank");
    assert_eq!(
        world.run(counter.increment()).unwrap(),
        1,
        "the same handle"
    );
    let again = world.open_as::<Counter>("front", "c");
    assert_eq!(world.run(again.increment()).unwrap(), 2, "the same dialog");
}

#[test]
fn what_a_handle_knows_is_about_its_newest_request() {
    let mut world = World::calm();
    world.node("front", |builder| builder);
    world.node("bank", NodeBuilder::serve::<Counter>);
    let counter = world.open_as::<Counter>("front", "c");
    assert_eq!(counter.dialog().knowledge(), Knowledge::NotSent);
    assert_eq!(world.run(counter.increment()).unwrap(), 1);
    assert_eq!(counter.dialog().knowledge(), Knowledge::Answered);
    world.partition("front", "bank");
    let asked = world.start(counter.increment());
    world.advance(Duration::from_secs(5));
    let knowledge = counter.dialog().knowledge();
    assert!(
        matches!(knowledge, Knowledge::InDoubt { attempts, .. } if attempts > 1),
        "{knowledge:?}"
    );
    world.heal();
    assert_eq!(world.finish(&asked).unwrap(), 2);
    assert_eq!(counter.dialog().knowledge(), Knowledge::Answered);
}
