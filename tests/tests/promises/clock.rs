//! Time: it never goes back, a clock that was set wrong ends nothing, and what was said is heard before it is too late.

use actor_core::{NodeBuilder, prelude::*, protocol::Mutant, world::World};

const DAY: Duration = Duration::from_secs(86_400);
const DAY_MS: i64 = 86_400_000;
const TEN_YEARS_MS: i64 = 3653 * DAY_MS;

#[derive(Default, Serialize, Deserialize)]
struct Watch {
    rang: u32,
}

#[dialog(timeout = "2 days")]
impl Watch {
    #[handler]
    fn now(&mut self, cx: &mut Cx<'_, Self>) -> u64 {
        let since = cx.now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap_or_default().as_millis() as u64
    }
    #[handler]
    fn ring_in(&mut self, cx: &mut Cx<'_, Self>, seconds: u64) {
        cx.after(Duration::from_secs(seconds), Self::RING);
    }
    #[resume]
    fn ring(&mut self) {
        self.rang += 1;
    }
    #[handler]
    fn rang(&self) -> u32 {
        self.rang
    }
}

fn world_with(target: impl Fn(NodeBuilder) -> NodeBuilder + 'static) -> World {
    let mut world = World::calm();
    world.node("target", move |builder| target(builder.serve::<Watch>()));
    world.node("caller", |builder| builder);
    world
}

fn watch(world: &World) -> WatchClient {
    world.open_as::<Watch>("caller", "w")
}

/// Abandoned by the target, since it started.
fn given_up(world: &World) -> u64 {
    world.at("target").stats().abandoned
}

#[test]
fn time_never_goes_back_over_a_restart() {
    for step in [-DAY_MS, -TEN_YEARS_MS, 0, 1] {
        let mut world = world_with(|builder| builder);
        let before = world.run(watch(&world).now()).unwrap();
        world.step_clock("target", step);
        world.restart("target");
        let after = world.run(watch(&world).now()).unwrap();
        assert!(after >= before, "{step}: {before} {after}");
        assert!(after < before + 60_000, "{step}: {before} {after}");
    }
}

#[test]
fn a_timer_rings_in_time_although_the_clock_was_set_back_or_stood_still() {
    for step in [-DAY_MS, -TEN_YEARS_MS, -30_000] {
        let mut world = world_with(|builder| builder);
        world.run(watch(&world).ring_in(60)).unwrap();
        world.crash("target");
        world.advance(Duration::from_secs(30));
        world.step_clock("target", step);
        world.restart("target");
        world.advance(Duration::from_secs(90));
        assert_eq!(world.run(watch(&world).rang()).unwrap(), 1, "{step}");
    }
}

#[test]
fn a_clock_that_is_set_while_a_node_runs_changes_nothing() {
    for step in [-DAY_MS, TEN_YEARS_MS] {
        let mut world = world_with(|builder| builder);
        let before = world.run(watch(&world).now()).unwrap();
        world.run(watch(&world).ring_in(3600)).unwrap();
        world.step_clock("target", step);
        world.advance(Duration::from_secs(600));
        assert_eq!(given_up(&world), 0);
        assert_eq!(world.run(watch(&world).rang()).unwrap(), 0);
        let after = world.run(watch(&world).now()).unwrap();
        assert!((before..before + 3_600_000).contains(&after));
        assert!(!world.at("target").is_clock_held());
    }
}

#[test]
fn a_clock_far_ahead_is_not_believed_before_somebody_says_so() {
    let mut world = world_with(|builder| builder);
    let before = world.run(watch(&world).now()).unwrap();
    world.run(watch(&world).ring_in(30)).unwrap();
    world.step_clock("target", TEN_YEARS_MS);
    world.restart("target");
    assert!(world.at("target").is_clock_held());
    let after = world.run(watch(&world).now()).unwrap();
    assert!(after < before + 60_000, "time goes on from where it was");
    world.advance(Duration::from_secs(60));
    assert_eq!(world.run(watch(&world).rang()).unwrap(), 1, "it serves");
    world.advance(4 * DAY);
    assert_eq!(
        given_up(&world),
        0,
        "its partner was silent for twice as long"
    );
    world.at("target").trust_clock();
    assert!(!world.at("target").is_clock_held());
    world.advance(Duration::from_secs(50));
    assert_eq!(
        given_up(&world),
        0,
        "a grace, in which partners may be heard"
    );
    world.advance(Duration::from_secs(60));
    assert_eq!(given_up(&world), 1);
    let now = world.open_as::<Watch>("caller", "new").now();
    assert!(world.run(now).unwrap() > before + TEN_YEARS_MS as u64);
}

#[test]
fn a_clock_that_was_wrong_and_is_put_right_ends_nothing() {
    let mut world = world_with(|builder| builder);
    world.run(watch(&world).now()).unwrap();
    world.step_clock("target", TEN_YEARS_MS);
    world.restart("target");
    assert_eq!(world.run(watch(&world).rang()).unwrap(), 0);
    world.step_clock("target", -TEN_YEARS_MS);
    world.at("target").trust_clock();
    world.advance(Duration::from_secs(3600));
    assert_eq!(given_up(&world), 0);
    world.restart("target");
    assert!(!world.at("target").is_clock_held());
    assert_eq!(world.run(watch(&world).rang()).unwrap(), 0);
}

#[test]
fn who_declares_every_clock_sane_waits_for_nobody() {
    let mut world = world_with(|builder| builder.clock_hold(Duration::MAX));
    world.run(watch(&world).now()).unwrap();
    world.step_clock("target", TEN_YEARS_MS);
    world.restart("target");
    assert!(!world.at("target").is_clock_held());
    world.advance(Duration::from_secs(90));
    assert_eq!(given_up(&world), 1);
}

/// The target was down for longer than it waits, and its partner spoke in time.
fn spoken_to_while_down(mut world: World) -> Answer<u32> {
    world.run(watch(&world).now()).unwrap();
    world.crash("target");
    world.advance(2 * DAY);
    let late = world.start(watch(&world).rang());
    world.advance(DAY);
    world.restart("target");
    world.finish(&late)
}

#[test]
fn what_was_said_while_a_node_was_down_is_heard_before_its_deadlines() {
    let world = world_with(|builder| builder);
    assert_eq!(spoken_to_while_down(world).unwrap(), 0);
}

#[test]
fn a_node_whose_deadlines_expire_at_boot_ends_what_lives() {
    let world = world_with(|builder| builder.mutant(Mutant::ExpireAtBoot));
    let why = spoken_to_while_down(world).unwrap_err();
    assert!(matches!(why, CallError::Abandoned { .. }), "{why:?}");
}
