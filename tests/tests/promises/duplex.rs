//! Both sides speak: events that a target says unasked.

use std::future::poll_fn;

use actor_core::{
    DialogRef, Events, HasEvents, NodeBuilder, Remote, TestCx,
    prelude::*,
    world::{FrameRecord, Moment, World},
};

use crate::{
    apps::{insist, open_dialogs},
    currency::{Dial, Parcel, Turner},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// What a house was served, under fresh ids: an event that is heard twice would be a second row.
const SERVED: Table<u128, (String, u32)> = Table::new("served");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Course(pub(crate) u32);

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

fn serve(builder: NodeBuilder) -> NodeBuilder {
    builder
        .serve::<Kitchen>()
        .serve::<House>()
        .serve::<Dial>()
        .serve::<Turner>()
        .serve::<Parcel>()
}

/// The caller's node, and the partner's: one store, or two.
pub(crate) fn worlds() -> [(World, &'static str, &'static str); 2] {
    let mut one = World::calm();
    one.node("only", serve);
    let mut two = World::calm();
    two.node("far", serve);
    two.node("near", |builder| builder);
    [(one, "only", "only"), (two, "near", "far")]
}

/// Everything that is here, without waiting; `None` at the end if the events have ended.
pub(crate) fn here<S: HasEvents>(
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

pub(crate) fn courses(numbers: impl IntoIterator<Item = u32>) -> Vec<Option<Answer<Course>>> {
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
fn one_who_listens_holds_the_dialog() {
    for (mut world, near, _) in worlds() {
        let kitchen = world.open::<Kitchen>(near);
        let mut events = kitchen.events();
        world.run(kitchen.order(2)).unwrap();
        drop(kitchen);
        for number in 1..=2 {
            assert_eq!(world.run(events.next()), Some(Ok(Course(number))));
        }
        drop(events);
        world.settle();
        let open = open_dialogs(&world, &[near]);
        assert_eq!(open, Vec::<String>::new(), "the last to hold it is gone");
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

#[test]
fn a_reader_hears_although_its_dialog_lay_idle_among_many() {
    for (mut world, near, _) in worlds() {
        let kitchen = world.open_as::<Kitchen>(near, "tonight");
        let mut events = kitchen.events();
        world.run(kitchen.order(2)).unwrap();
        for dial in 0..60 {
            let dial = world.open_as::<Dial>(near, &dial.to_string());
            world.run(dial.mark()).unwrap();
        }
        world.advance(SECOND * 10);
        assert_eq!(here(&mut world, &mut events), courses([1, 2]));
    }
}

pub(crate) fn apart() -> World {
    let mut world = World::calm();
    world.node("house", |builder| {
        builder.serve::<House>().serve::<Turner>()
    });
    world.node("far", |builder| builder.serve::<Kitchen>().serve::<Dial>());
    world
}

pub(crate) fn together() -> World {
    let mut world = World::calm();
    world.node("house", serve);
    world
}

/// Runs `check` undisturbed, and with a crash before and after each commit of each node.
pub(crate) fn crash_at_every_commit(
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
