//! What a step that is taken back leaves behind: everything that came in before it, and nothing else.

use actor_core::{
    NodeBuilder,
    prelude::*,
    world::{Event, World, die},
};

/// Works once, and says goodbye with its answer.
#[derive(Default, Serialize, Deserialize)]
struct Worker;

#[dialog(timeout = "2 days", events = u32)]
impl Worker {
    #[handler]
    fn leave(&mut self, cx: &mut Cx<'_, Self>) -> u32 {
        cx.close();
        7
    }
}

/// Hears a worker's last answer, and then that its dialog is over; stumbles over the one or the other.
#[derive(Default, Serialize, Deserialize)]
struct Boss {
    told: Vec<String>,
    over_panics: u32,
    told_panics: u32,
}

#[dialog(timeout = "2 days")]
impl Boss {
    #[handler]
    fn hire(&mut self, cx: &mut Cx<'_, Self>, told_panics: u32, over_panics: u32) {
        (self.told_panics, self.over_panics) = (told_panics, over_panics);
        let worker = cx.open::<Worker>();
        worker.events().then(Self::OVER);
        worker.leave().then(Self::TOLD);
    }
    #[resume]
    fn told(&mut self, cx: &mut Cx<'_, Self>, answer: Answer<u32>) {
        assert!(cx.attempt() > self.told_panics, "attempt {}", cx.attempt());
        self.told.push(format!("{answer:?}"));
    }
    #[resume]
    fn over(&mut self, cx: &mut Cx<'_, Self>, end: Answer<u32>) {
        assert!(cx.attempt() > self.over_panics, "attempt {}", cx.attempt());
        self.told.push(format!("{end:?}"));
    }
    #[handler]
    fn heard(&self) -> Vec<String> {
        self.told.clone()
    }
}

fn worlds<A: Dialog, B: Dialog>() -> [World; 2] {
    let mut one = World::calm();
    one.node("boss", |builder: NodeBuilder| {
        builder.serve::<A>().serve::<B>()
    });
    let mut two = World::calm();
    two.node("boss", NodeBuilder::serve::<A>);
    two.node("worker", NodeBuilder::serve::<B>);
    [one, two]
}

/// The end of a worker's dialog comes of saying what its last answer made us say. Where the step is taken back, that is
/// said all the same, and the end is heard behind the answer.
#[test]
fn the_end_that_follows_from_what_is_kept_is_told_although_the_step_is_taken_back() {
    for panics in [(0, 0), (0, 1), (1, 0), (2, 2)] {
        for mut world in worlds::<Boss, Worker>() {
            let boss = world.open_as::<Boss>("boss", "b");
            world.run(boss.hire(panics.0, panics.1)).unwrap();
            world.advance(Duration::from_secs(60));
            let heard = world.run(boss.heard()).unwrap();
            assert_eq!(heard, ["Ok(7)", "Err(Closed)"], "{panics:?}");
            world.advance(Duration::from_secs(3600));
            for node in world.nodes() {
                let dialogs = world.at(&node).dialogs().unwrap();
                let open = dialogs
                    .iter()
                    .filter(|dialog| dialog.service == "Worker" && dialog.ending.is_none());
                assert_eq!(open.count(), 0, "{panics:?}:\n{}", world.state());
            }
        }
    }
}

/// Kills the process on its first attempts, and then fails in what follows from its own step.
#[derive(Default, Serialize, Deserialize)]
struct Deadly {
    done: u32,
}

const DEATHS: u32 = 2;

#[dialog(timeout = "2 days")]
impl Deadly {
    #[handler]
    fn begin(&mut self) {}
    #[handler]
    fn work(&mut self, cx: &mut Cx<'_, Self>, fails: u32) -> u32 {
        if cx.attempt() <= DEATHS {
            die();
        }
        self.done += 1;
        if cx.attempt() <= DEATHS + fails {
            // Nobody serves it: the continuation is part of this step, and takes it back.
            cx.open::<Nobody>().finish().then(Self::TOLD);
        }
        self.done
    }
    #[resume]
    fn told(&mut self, answer: Answer<u32>) {
        panic!("{answer:?}");
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Nobody;

#[dialog(timeout = "2 days")]
impl Nobody {
    #[handler]
    fn finish(self) -> u32 {
        7
    }
}

#[test]
fn deaths_are_counted_on_where_the_step_that_survived_is_taken_back() {
    for fails in 0..3 {
        let mut world = World::calm();
        world.node("target", NodeBuilder::serve::<Deadly>);
        world.node("caller", |builder| builder);
        let deadly = world.open_as::<Deadly>("caller", "d");
        world.run(deadly.begin()).unwrap();
        assert_eq!(world.run(deadly.work(fails)).unwrap(), 1);
        let died = |event: &&Event| matches!(event, Event::Crash { .. });
        let deaths = world.trace().iter().filter(died).count() as u32;
        // The first is not counted: only after it does a node say what it runs.
        assert_eq!(deaths, DEATHS + 1, "{fails}");
        assert_eq!(world.at("target").stats().panicked, u64::from(fails));
    }
}

const UNDECLARED: Table<u32, u32> = Table::new("undeclared");

/// Fails for good, and waits for an operator.
#[derive(Default, Serialize, Deserialize)]
struct Stubborn;

#[dialog(timeout = "1 day", on_poison = "hold")]
impl Stubborn {
    #[handler]
    fn begin(&mut self) {}
    #[handler]
    fn work(&mut self, cx: &mut Cx<'_, Self>) {
        cx.table(UNDECLARED).insert(&1, &1);
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Farewell {
    stubborn: Option<DialogRef<Stubborn>>,
}

#[dialog(timeout = "1 day")]
impl Farewell {
    #[handler]
    fn begin(&mut self, cx: &mut Cx<'_, Self>) {
        let stubborn = cx.open::<Stubborn>();
        stubborn.begin().tell();
        self.stubborn = Some(stubborn.dialog().reference());
    }
    #[handler]
    fn leave(&mut self, cx: &mut Cx<'_, Self>) {
        if let Some(stubborn) = &self.stubborn {
            let stubborn = cx.to(stubborn);
            stubborn.work().tell();
            stubborn.dialog().close();
        }
    }
}

/// The message is held, and its dialog ends by what the same step makes it say.
#[test]
fn what_is_held_by_the_step_that_ends_its_dialog_is_dead() {
    for mut world in worlds::<Farewell, Stubborn>() {
        let boss = world.open_as::<Farewell>("boss", "b");
        world.run(boss.begin()).unwrap();
        world.settle();
        world.run(boss.leave()).unwrap();
        world.advance(Duration::from_secs(3600));
        for node in world.nodes() {
            assert_eq!(world.at(&node).held().unwrap(), [], "{}", world.state());
        }
        let letters: usize = world
            .nodes()
            .iter()
            .map(|node| world.at(node).dead_letters().unwrap().len())
            .sum();
        assert_eq!(letters, 1, "{}", world.state());
    }
}
