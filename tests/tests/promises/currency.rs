//! Currency: values of which the newest counts, in both directions, beside history.

use actor_core::{DialogRef, NodeBuilder, prelude::*, world::World};

use crate::{
    apps::{Counter, insist},
    duplex::{Course, SECOND, apart, courses, crash_at_every_commit, here, together, worlds},
};

/// What a dial shows: the values it saw, and how many it was told to show.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Dial {
    shown: Vec<u32>,
    marks: u32,
}

#[dialog(timeout = "2 days", events(currency) = u32)]
impl Dial {
    #[handler(currency)]
    fn show(&mut self, cx: &mut Cx<'_, Self>, value: u32) {
        self.shown.push(value);
        cx.tell(value);
    }
    /// History, between the values.
    #[handler]
    pub(crate) fn mark(&mut self) -> Vec<u32> {
        self.marks += 1;
        self.shown.clone()
    }
}

/// Turns a dial once a second, from another store or the same.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Turner {
    dial: Option<DialogRef<Dial>>,
    turn: u32,
    until: u32,
    seen: Vec<u32>,
    confirmed: Vec<u32>,
}

#[dialog(timeout = "2 days")]
impl Turner {
    #[handler]
    fn turn(&mut self, cx: &mut Cx<'_, Self>, until: u32) {
        self.until = until;
        let dial = cx.open::<Dial>();
        self.dial = Some(dial.dialog().reference());
        dial.events().then(Self::SEEN);
        cx.after(SECOND, Self::ON);
    }
    #[resume]
    fn on(&mut self, cx: &mut Cx<'_, Self>) {
        let Some(dial) = &self.dial else { return };
        self.turn += 1;
        cx.to(dial).show(self.turn).tell();
        if self.turn < self.until {
            cx.after(SECOND, Self::ON);
        } else {
            cx.to(dial).mark().then(Self::MARKED);
        }
    }
    #[resume]
    fn seen(&mut self, _cx: &mut Cx<'_, Self>, value: Answer<u32>) {
        self.seen.extend(value);
    }
    #[resume]
    fn marked(&mut self, _cx: &mut Cx<'_, Self>, shown: Answer<Vec<u32>>) {
        self.confirmed = shown.unwrap_or_default();
    }
    /// What the dial showed, and what was heard of it.
    #[handler]
    fn report(&self) -> (Vec<u32>, Vec<u32>) {
        (self.confirmed.clone(), self.seen.clone())
    }
}

/// Shows a value only at the third attempt, as somebody would whose display is stuck.
#[derive(Default, Serialize, Deserialize)]
struct Moody {
    shown: Vec<u32>,
}

#[dialog(timeout = "2 days")]
impl Moody {
    #[handler(currency)]
    fn show(&mut self, cx: &mut Cx<'_, Self>, value: u32) {
        assert!(value > 1 || cx.attempt() > 2, "stuck");
        self.shown.push(value);
    }
    #[handler]
    fn shown(&self) -> Vec<u32> {
        self.shown.clone()
    }
}

#[test]
fn values_that_wait_for_a_failing_one_are_superseded_and_the_failing_one_is_not() {
    for names in [["only", "only"], ["near", "far"]] {
        let mut world = World::calm();
        world.node(names[1], NodeBuilder::serve::<Moody>);
        if names[0] != names[1] {
            world.node(names[0], |builder| builder);
        }
        let moody = world.open::<Moody>(names[0]);
        for value in 1..=10 {
            world.run(moody.show(value)).unwrap();
            world.settle();
        }
        assert_eq!(world.run(moody.shown()).unwrap(), [1, 10]);
    }
}

fn turn(world: &mut World, _: &[&str], what: &str) {
    insist(world, |world| {
        world
            .open_as::<Turner>("house", "dial")
            .turn(5)
            .once("turn")
    })
    .unwrap();
    world.advance(Duration::from_secs(600));
    let (shown, seen) = insist(world, |world| {
        world.open_as::<Turner>("house", "dial").report()
    })
    .unwrap();
    for values in [&shown, &seen] {
        assert!(values.is_sorted_by(|a, b| a < b), "{what}: {values:?}");
        assert_eq!(values.last(), Some(&5), "{what}: the last arrives");
    }
}

#[test]
fn a_value_never_goes_back_and_the_last_arrives_over_a_crash_at_any_commit() {
    crash_at_every_commit(apart, &["house", "far"], turn);
    crash_at_every_commit(together, &["house"], turn);
}

#[test]
fn after_a_silence_only_the_newest_value_of_each_direction_is_heard() {
    let mut world = apart();
    world
        .run(world.open_as::<Turner>("house", "dial").turn(60))
        .unwrap();
    world.advance(SECOND * 10);
    world.partition("house", "far");
    world.advance(SECOND * 40);
    world.heal();
    world.advance(Duration::from_secs(300));
    let (shown, seen) = world
        .run(world.open_as::<Turner>("house", "dial").report())
        .unwrap();
    assert!(shown.len() < 35, "{shown:?}");
    for values in [&shown, &seen] {
        assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
        assert_eq!(values.last(), Some(&60));
    }
}

#[test]
fn values_over_a_bad_network_never_go_back() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.node("house", NodeBuilder::serve::<Turner>);
        world.node("far", NodeBuilder::serve::<Dial>);
        world.gnomes(Gnomes::seeded(seed).lose(0.3).repeat(0.3).reorder(10));
        turn(&mut world, &[], &format!("seed {seed}"));
    }
}

#[test]
fn a_slow_reader_sees_the_newest_value() {
    for (mut world, near, _) in worlds() {
        let dial = world.open::<Dial>(near);
        let mut events = dial.events();
        for value in 1..=20 {
            assert_eq!(world.run(dial.show(value)), Ok(()));
        }
        let shown = world.run(dial.mark()).unwrap();
        assert_eq!(shown.last(), Some(&20), "it was taken over in order");
        assert_eq!(here(&mut world, &mut events), [Some(Ok(20))]);
        world.run(dial.show(21)).unwrap();
        assert_eq!(world.run(events.next()), Some(Ok(21)));
    }
}

#[test]
fn a_value_that_cannot_be_said_is_refused_and_not_lost_in_silence() {
    for (mut world, near, far) in worlds() {
        let dial = world.open::<Dial>(near);
        world.run(dial.show(1)).unwrap();
        dial.dialog().close();
        world.settle();
        assert_eq!(world.run(dial.show(2)), Err(CallError::Closed), "{far}");
    }
}

/// Pending work takes values as well; of those said before the first answer the newest counts.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Basket {
    weights: Vec<u32>,
}

#[dialog(pending, timeout = "30m")]
impl Basket {
    #[handler(currency)]
    fn weigh(&mut self, grams: u32) {
        self.weights.push(grams);
    }
    #[handler]
    fn post(&mut self) -> Vec<u32> {
        self.weights.clone()
    }
    #[establish]
    fn establish(self, cx: &mut Cx<'_, Parcel>) -> Parcel {
        cx.tell(Course(self.weights.len() as u32));
        Parcel {}
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Parcel {}

#[dialog(pending = Basket, timeout = "2 days", events = Course)]
impl Parcel {
    #[handler]
    fn track(&mut self, cx: &mut Cx<'_, Self>) {
        cx.tell(Course(100));
    }
}

#[test]
fn an_opening_listens_before_its_first_answer() {
    for (mut world, near, _) in worlds() {
        let opening = world.open::<Parcel>(near);
        let mut events = opening.events();
        let (weights, parcel) = world
            .run(opening.weigh(1).weigh(2).weigh(3).post())
            .unwrap();
        assert_eq!(weights, [3], "superseded before it was ever said");
        world.run(parcel.track()).unwrap();
        assert_eq!(here(&mut world, &mut events), courses([1, 100]));
    }
}

#[test]
fn a_contract_says_who_may_speak_unasked_and_what_counts() {
    let text = Dial::CONTRACT.to_string();
    for line in [
        "  established  show(value: u32) (changes, currency)\n",
        "  established  mark() -> Vec<u32> (changes)\n",
        "  unasked      u32 (currency)\n",
        "  currency: the newest value counts",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!Counter::CONTRACT.to_string().contains("currency"));
}
