//! Both sides speak: events that a target says unasked, and values of which the newest counts.

use std::future::poll_fn;

use actor_core::{
    Events, HasEvents, NodeBuilder, Remote, TestCx,
    prelude::*,
    world::{FrameRecord, Moment, World},
};

use crate::apps::{insist, open_dialogs};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// What a house was served, under fresh ids: an event that is heard twice would be a second row.
const SERVED: Table<u128, (String, u32)> = Table::new("served");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Course(u32);

/// Serves courses, one a second.
#[derive(Default, Serialize, Deserialize)]
struct Kitchen {
    served: u32,
    ordered: u32,
}

#[dialog(timeout = "2 days", events = Course)]
impl Kitchen {
    #[handler]
    fn order(&mut self, cx: &mut Cx<'_, Self>, courses: u32) -> u32 {
        self.ordered += courses;
        cx.after(SECOND, Self::SERVE);
        self.ordered
    }
    /// All at once.
    #[handler]
    fn buffet(&mut self, cx: &mut Cx<'_, Self>, courses: u32) -> u32 {
        for course in 1..=courses {
            cx.tell(Course(course));
        }
        courses
    }
    #[resume]
    fn serve(&mut self, cx: &mut Cx<'_, Self>) {
        self.served += 1;
        cx.tell(Course(self.served));
        if self.served < self.ordered {
            cx.after(SECOND, Self::SERVE);
        }
    }
    #[handler]
    fn close_the_kitchen(self, cx: &mut Cx<'_, Self>) -> u32 {
        cx.tell(Course(0));
        self.served
    }
    #[handler]
    fn burn_down(&mut self, cx: &mut Cx<'_, Self>) {
        cx.tell(Course(1));
        cx.abandon("fire");
    }
}

/// Has a kitchen, and notes what it serves.
#[derive(Default, Serialize, Deserialize)]
struct House {
    courses: Vec<u32>,
    over: Option<String>,
    kitchen: Option<DialogRef<Kitchen>>,
}

#[dialog(timeout = "2 days", tables(SERVED))]
impl House {
    #[handler]
    fn dine(&mut self, cx: &mut Cx<'_, Self>, courses: u32) {
        let kitchen = cx.open::<Kitchen>();
        kitchen
            .events()
            .then_with(Self::SERVED, "dinner".to_owned());
        self.kitchen = Some(kitchen.dialog().reference());
        kitchen.order(courses).then(Self::ORDERED);
    }
    #[resume]
    fn served(&mut self, cx: &mut Cx<'_, Self>, course: Answer<Course>, meal: String) {
        match course {
            Ok(Course(number)) => {
                let id = cx.id();
                cx.table(SERVED).insert(&id, &(meal, number));
                self.courses.push(number);
            }
            Err(end) => self.over = Some(format!("{end:?}")),
        }
    }
    #[resume]
    fn ordered(&mut self, _cx: &mut Cx<'_, Self>, _answer: Answer<u32>) {}
    #[handler]
    fn set_on_fire(&mut self, cx: &mut Cx<'_, Self>) {
        if let Some(kitchen) = &self.kitchen {
            cx.to(kitchen).burn_down().tell();
        }
    }
    #[handler]
    fn listen_again(&mut self, cx: &mut Cx<'_, Self>) {
        self.over = None;
        if let Some(kitchen) = &self.kitchen {
            cx.to(kitchen)
                .events()
                .then_with(Self::SERVED, "breakfast".to_owned());
        }
    }
    #[handler]
    fn end(&self) -> Option<String> {
        self.over.clone()
    }
    #[handler]
    fn courses(&self) -> Vec<u32> {
        self.courses.clone()
    }
}

/// What a dial shows: the values it saw, and how many it was told to show.
#[derive(Default, Serialize, Deserialize)]
struct Dial {
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
    fn mark(&mut self) -> Vec<u32> {
        self.marks += 1;
        self.shown.clone()
    }
}

/// Turns a dial once a second, from another store or the same.
#[derive(Default, Serialize, Deserialize)]
struct Turner {
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

fn serve(builder: NodeBuilder) -> NodeBuilder {
    builder
        .serve::<Kitchen>()
        .serve::<House>()
        .serve::<Dial>()
        .serve::<Turner>()
        .serve::<Parcel>()
}

/// The caller's node, and the partner's: one store, or two.
fn worlds() -> [(World, &'static str, &'static str); 2] {
    let mut one = World::calm();
    one.node("only", serve);
    let mut two = World::calm();
    two.node("far", serve);
    two.node("near", |builder| builder);
    [(one, "only", "only"), (two, "near", "far")]
}

/// Everything that is here, without waiting; `None` at the end if the events have ended.
fn here<S: HasEvents>(
    world: &mut World,
    events: &mut Events<Remote, S>,
) -> Vec<Option<Answer<S::Event>>> {
    world.settle();
    let mut all = Vec::new();
    while all.last().is_none_or(Option::is_some) {
        let next = world.run(poll_fn(|context| {
            std::task::Poll::Ready(events.poll_next(context))
        }));
        match next {
            std::task::Poll::Ready(next) => all.push(next),
            std::task::Poll::Pending => break,
        }
    }
    all
}

fn courses(numbers: impl IntoIterator<Item = u32>) -> Vec<Option<Answer<Course>>> {
    numbers
        .into_iter()
        .map(|number| Some(Ok(Course(number))))
        .collect()
}

#[test]
fn events_are_heard_unasked_in_order_and_none_is_skipped() {
    for (mut world, near, _) in worlds() {
        let kitchen = world.open::<Kitchen>(near);
        let mut events = kitchen.events();
        assert_eq!(world.run(kitchen.order(3)).unwrap(), 3);
        assert_eq!(here(&mut world, &mut events), []);
        for number in 1..=3 {
            assert_eq!(world.run(events.next()), Some(Ok(Course(number))));
        }
        // A reader that is slow, and events beyond any window.
        world.run(kitchen.buffet(500)).unwrap();
        world.advance(Duration::from_secs(60));
        assert_eq!(here(&mut world, &mut events), courses(1..=500));
    }
}

#[test]
fn events_over_a_bad_network_are_each_heard_once() {
    let mut world = World::new(3);
    world.node("far", serve);
    world.node("near", |builder| builder);
    world.gnomes(Gnomes::seeded(7).lose(0.2).repeat(0.2).reorder(10));
    let kitchen = world.open::<Kitchen>("near");
    let mut events = kitchen.events();
    world.run(kitchen.order(100)).unwrap();
    world.advance(Duration::from_secs(3600));
    assert_eq!(here(&mut world, &mut events), courses(1..=100));
}

#[test]
fn events_end_as_their_dialog_does() {
    for (mut world, near, _) in worlds() {
        let kitchen = world.open::<Kitchen>(near);
        let mut events = kitchen.events();
        world.run(kitchen.order(1)).unwrap();
        world.advance(SECOND * 2);
        world.run(kitchen.close_the_kitchen()).unwrap();
        let mut good = courses([1, 0]);
        good.push(None);
        assert_eq!(here(&mut world, &mut events), good, "the last word as well");

        let kitchen = world.open::<Kitchen>(near);
        let mut events = kitchen.events();
        let burning = world.start(kitchen.burn_down());
        world.settle();
        drop(burning);
        let all = here(&mut world, &mut events);
        let [.., Some(Err(CallError::Abandoned { why, .. })), None] = &all[..] else {
            panic!("{all:?}")
        };
        assert_eq!(why, &Abandoned::ByPartner("fire".to_owned()));
        assert_eq!(world.run(events.next()), None);
    }
}

#[test]
fn events_end_with_their_node() {
    for (mut world, near, _) in worlds() {
        let kitchen = world.open::<Kitchen>(near);
        let mut events = kitchen.events();
        world.run(kitchen.order(1)).unwrap();
        world.crash(near);
        let stopped = Some(Err(CallError::Stopped { in_doubt: false }));
        assert_eq!(here(&mut world, &mut events), [stopped.clone(), None]);
        assert_eq!(here(&mut world, &mut kitchen.events()), [stopped, None]);
    }
}

#[test]
fn events_that_nobody_reads_hold_nothing_up() {
    for (mut world, near, far) in worlds() {
        let kitchen = world.open::<Kitchen>(near);
        for _ in 0..5 {
            world.run(kitchen.buffet(800)).unwrap();
        }
        drop(kitchen.events());
        assert_eq!(world.run(kitchen.order(1)).unwrap(), 1, "{far}");
        assert_eq!(world.at(far).dead_letters().unwrap().len(), 0);
    }
}

#[test]
fn events_for_one_who_is_away_make_the_target_wait_and_never_poison_it() {
    let mut world = World::calm();
    world.node("far", serve);
    world.node("near", |builder| builder);
    let kitchen = world.open_as::<Kitchen>("near", "tonight");
    let mut events = kitchen.events();
    world.run(kitchen.order(1)).unwrap();
    world.advance(SECOND * 2);
    // Orders arrive, acknowledgements do not.
    world.lose(u32::MAX, |frame: &FrameRecord| {
        frame.from == "near" && frame.frame.messages.is_empty()
    });
    for _ in 0..3 {
        _ = world.start(kitchen.buffet(600));
        world.settle();
    }
    world.advance(Duration::from_secs(120));
    assert_eq!(world.at("far").dead_letters().unwrap().len(), 0);
    world.heal();
    world.advance(Duration::from_secs(600));
    let expected = courses((1..=1).chain((0..3).flat_map(|_| 1..=600)));
    let heard = here(&mut world, &mut events);
    assert!(heard == expected, "{} of {}", heard.len(), expected.len());
}

#[test]
fn more_events_in_one_step_than_may_ever_wait_are_a_fault_and_not_a_wait() {
    for (mut world, near, far) in worlds() {
        let kitchen = world.open::<Kitchen>(near);
        let failed = world.run(kitchen.buffet(5000));
        assert!(
            matches!(failed, Err(CallError::Abandoned { .. })),
            "{failed:?}"
        );
        let letters = world.at(far).dead_letters().unwrap();
        assert!(letters[0].why.contains("tell the rest from a timer"));
    }
}

#[test]
fn a_reader_of_a_key_hears_on_after_a_restart_of_the_other_side() {
    let mut world = World::calm();
    world.node("far", serve);
    world.node("near", |builder| builder);
    let kitchen = world.open_as::<Kitchen>("near", "tonight");
    let mut events = kitchen.events();
    world.run(kitchen.order(50)).unwrap();
    for _ in 0..5 {
        world.advance(SECOND * 5);
        world.restart("far");
    }
    world.advance(Duration::from_secs(300));
    assert_eq!(here(&mut world, &mut events), courses(1..=50));
    // Another handle of the key, in a new life: what comes from now on.
    world.restart("near");
    let kitchen = world.open_as::<Kitchen>("near", "tonight");
    let mut events = kitchen.events();
    world.run(kitchen.buffet(2)).unwrap();
    assert_eq!(here(&mut world, &mut events), courses([1, 2]));
}

fn apart() -> World {
    let mut world = World::calm();
    world.node("house", |builder| {
        builder.serve::<House>().serve::<Turner>()
    });
    world.node("far", |builder| builder.serve::<Kitchen>().serve::<Dial>());
    world
}

fn together() -> World {
    let mut world = World::calm();
    world.node("house", serve);
    world
}

/// Runs `check` undisturbed, and with a crash before and after each commit of each node.
fn crash_at_every_commit(
    build: fn() -> World,
    nodes: &[&str],
    check: fn(&mut World, &[&str], &str),
) {
    let mut calm = build();
    let before: Vec<u64> = nodes.iter().map(|node| calm.commits(node)).collect();
    check(&mut calm, nodes, "undisturbed");
    let ends: Vec<u64> = nodes.iter().map(|node| calm.commits(node)).collect();
    for (at, node) in nodes.iter().enumerate() {
        assert!(ends[at] > before[at] + 2, "{node} took part");
        for k in 1..=ends[at] - before[at] {
            for moment in [Moment::BeforeCommit, Moment::AfterCommit] {
                let mut world = build();
                world.crash_at(node, moment, k);
                check(&mut world, nodes, &format!("{node}, {moment:?} {k}"));
                assert!(!world.is_crash_due(node), "it has struck");
            }
        }
    }
}

fn dine(world: &mut World, nodes: &[&str], what: &str) {
    insist(world, |world| {
        world
            .open_as::<House>("house", "dinner")
            .dine(4)
            .once("dine")
    })
    .unwrap();
    world.advance(Duration::from_secs(600));
    let served = insist(world, |world| {
        world.open_as::<House>("house", "dinner").courses()
    });
    assert_eq!(served.unwrap(), [1, 2, 3, 4], "{what}");
    let view = world.read("house");
    let rows = view.range(SERVED, ..).unwrap();
    assert_eq!(rows.len(), 4, "{what}");
    assert!(rows.iter().all(|(_, (meal, _))| meal == "dinner"));
    drop(view);
    world.advance(DAY * 5);
    assert_eq!(open_dialogs(world, nodes), Vec::<String>::new(), "{what}");
}

#[test]
fn a_dialog_hears_each_event_of_its_partner_once_over_a_crash_at_any_commit() {
    crash_at_every_commit(apart, &["house", "far"], dine);
}

#[test]
fn a_dialog_hears_each_event_of_its_partner_once_within_one_store() {
    crash_at_every_commit(together, &["house"], dine);
}

#[test]
fn a_dialog_that_listens_hears_the_end_as_well() {
    for mut world in [apart(), together()] {
        let house = world.open_as::<House>("house", "dinner");
        world.run(house.dine(2)).unwrap();
        world.advance(SECOND * 10);
        assert_eq!(world.run(house.end()).unwrap(), None);
        world.run(house.set_on_fire()).unwrap();
        world.settle();
        assert_eq!(
            world.run(house.courses()).unwrap(),
            [1, 2],
            "what a step says goes with its giving up"
        );
        let end = world.run(house.end()).unwrap().unwrap();
        assert!(end.contains("Abandoned") && end.contains("fire"), "{end}");
        // Whoever listens to what is over hears that it is.
        world.run(house.listen_again()).unwrap();
        let end = world.run(house.end()).unwrap().unwrap();
        assert!(end.contains("fire") || end.contains("Closed"), "{end}");
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
struct Basket {
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
struct Parcel {}

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
fn what_was_told_is_read_back_in_a_plain_test() {
    let mut t = TestCx::<Kitchen>::new();
    let mut kitchen = Kitchen::default();
    kitchen.buffet(&mut t.cx(), 2);
    assert_eq!(t.told(), [Course(1), Course(2)]);
    let mut t = TestCx::<House>::new();
    let mut house = House::default();
    house.dine(&mut t.cx(), 3);
    assert_eq!(t.sent()[0].handler, "order");
    assert_eq!(t.listens(), ["served"]);
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
    assert!(!House::CONTRACT.to_string().contains("currency"));
}
