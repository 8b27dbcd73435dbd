//! Timers of the application: durable, replaced by name, cancelled.

use actor_core::{
    prelude::*,
    world::{Moment, World},
};

use crate::apps::insist;

#[derive(Default, Serialize, Deserialize)]
struct Alarm {
    rang: Vec<(u64, String)>,
}

#[dialog(timeout = "1 year")]
impl Alarm {
    #[handler]
    fn set(&mut self, cx: &mut Cx<'_, Self>, minutes: u64, text: String) {
        cx.after_with(Duration::from_secs(60 * minutes), Self::RING, text);
    }
    #[handler]
    fn set_other(&mut self, cx: &mut Cx<'_, Self>, minutes: u64) {
        cx.after(Duration::from_secs(60 * minutes), Self::OTHER);
    }
    #[handler]
    fn stop(&mut self, cx: &mut Cx<'_, Self>) {
        cx.cancel(Self::RING);
    }
    #[handler]
    fn rang(&self) -> Vec<(u64, String)> {
        self.rang.clone()
    }
    #[resume]
    fn ring(&mut self, cx: &mut Cx<'_, Self>, text: String) {
        self.note(cx, text);
    }
    #[resume]
    fn other(&mut self, cx: &mut Cx<'_, Self>) {
        self.note(cx, "other".to_owned());
    }
}

impl Alarm {
    fn note(&mut self, cx: &mut Cx<'_, Self>, text: String) {
        let since = cx.now().duration_since(std::time::UNIX_EPOCH).unwrap();
        self.rang.push((since.as_secs(), text));
    }
}

fn world() -> (World, u64) {
    let mut world = World::calm();
    world.node("target", |builder| builder.serve::<Alarm>());
    world.node("caller", |builder| builder);
    let begin = world.now_ms() / 1000;
    (world, begin)
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

/// What rang, in minutes since the beginning.
fn rang(world: &mut World, begin: u64) -> Vec<(u64, String)> {
    let rang = insist(world, |world| world.open_as::<Alarm>("caller", "a").rang()).unwrap();
    rang.into_iter()
        .map(|(at, text)| ((at - begin) / 60, text))
        .collect()
}

#[test]
fn a_timer_rings_once_and_in_time() {
    let (mut world, begin) = world();
    let alarm = world.open_as::<Alarm>("caller", "a");
    world.run(alarm.set(10, "tea".into())).unwrap();
    world.run(alarm.set_other(5)).unwrap();
    world.advance(minutes(60));
    assert_eq!(
        rang(&mut world, begin),
        [(5, "other".to_owned()), (10, "tea".to_owned())]
    );
}

#[test]
fn setting_a_timer_again_replaces_it() {
    let (mut world, begin) = world();
    let alarm = world.open_as::<Alarm>("caller", "a");
    world.run(alarm.set(10, "tea".into())).unwrap();
    world.advance(minutes(5));
    world.run(alarm.set(20, "coffee".into())).unwrap();
    world.advance(minutes(120));
    assert_eq!(rang(&mut world, begin), [(25, "coffee".to_owned())]);
    world.run(alarm.set(300, "late".into())).unwrap();
    world.run(alarm.set(1, "early".into())).unwrap();
    world.advance(minutes(1000));
    assert_eq!(rang(&mut world, begin)[1..], [(126, "early".to_owned())]);
}

#[test]
fn a_cancelled_timer_does_not_ring() {
    let (mut world, begin) = world();
    let alarm = world.open_as::<Alarm>("caller", "a");
    world.run(alarm.stop()).unwrap();
    world.run(alarm.set(10, "tea".into())).unwrap();
    world.run(alarm.stop()).unwrap();
    world.advance(minutes(60));
    assert_eq!(rang(&mut world, begin), []);
}

#[test]
fn a_timer_rings_once_whichever_commit_is_the_last_of_its_process() {
    for k in 1..8 {
        for moment in [Moment::BeforeCommit, Moment::AfterCommit] {
            let (mut world, begin) = world();
            world.crash_at("target", moment, k);
            insist(&mut world, |world| {
                world
                    .open_as::<Alarm>("caller", "a")
                    .set(10, "tea".into())
                    .once("s")
            })
            .unwrap();
            world.advance(minutes(60));
            let rang = rang(&mut world, begin);
            assert_eq!(rang.len(), 1, "{moment:?} {k}: {rang:?}");
            assert!((10..=12).contains(&rang[0].0), "{moment:?} {k}: {rang:?}");
        }
    }
}

#[test]
fn a_timer_that_was_due_while_its_node_was_down_rings_when_it_is_up_again() {
    let (mut world, begin) = world();
    let alarm = world.open_as::<Alarm>("caller", "a");
    world.run(alarm.set(10, "tea".into())).unwrap();
    world.settle();
    world.crash("target");
    world.advance(minutes(600));
    world.restart("target");
    world.advance(minutes(2));
    let rang = rang(&mut world, begin);
    assert_eq!(rang.len(), 1);
    assert!((600..=602).contains(&rang[0].0), "{rang:?}");
}

#[test]
fn timers_of_dialogs_that_were_folded_and_forgotten_ring_all_the_same() {
    let (mut world, _) = world();
    for n in 0..300 {
        let alarm = world.open_as::<Alarm>("caller", &format!("n{n}"));
        world
            .run(alarm.set(60 * 24 * 30 + n, "month".into()))
            .unwrap();
    }
    world.settle();
    // A restart forgets all cells; the index of the folded records remembers.
    world.restart("target");
    world.advance(minutes(60 * 24 * 31));
    for n in [0, 150, 299] {
        let alarm = world.open_as::<Alarm>("caller", &format!("n{n}"));
        assert_eq!(world.run(alarm.rang()).unwrap().len(), 1, "{n}");
    }
}
