//! Situations that chance finds too seldom on whole nodes, played once each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actor_core::prelude::*;
use actor_core::world::World;

use super::shop::Account;

/// Events that fill more than half of an outbox.
const MANY_EVENTS: u64 = 700;
/// A handler that goes on killing is put aside long before.
const MAX_ROUNDS: usize = 60;

fn pair() -> World {
    let mut world = World::calm().supervised();
    world.node("bank", actor_core::NodeBuilder::serve::<Account>);
    world.node("front", |builder| builder);
    world
}

/// Plays all of them; panics with what does not hold.
pub(super) fn play() {
    a_handler_that_kills_is_put_aside();
    a_deadline_that_lapsed_meanwhile_waits();
    what_is_too_much_for_now_is_said_later();
    an_opening_for_a_service_that_is_gone_is_refused();
}

fn a_handler_that_kills_is_put_aside() {
    let mut world = pair();
    let account = world.open_as::<Account>("front", "deadly");
    assert_eq!(world.run(account.total().once("first")), Ok(0));
    for _ in 0..MAX_ROUNDS {
        let account = world.open_as::<Account>("front", "deadly");
        world.start(account.fall(99).once("fall"));
        world.advance(Duration::from_secs(10));
        if world.is_up("bank")
            && !world
                .at("bank")
                .dead_letters()
                .expect("it reads")
                .is_empty()
        {
            return;
        }
    }
    panic!("never put aside:\n{}", world.state());
}

fn a_deadline_that_lapsed_meanwhile_waits() {
    let mut world = pair();
    let account = world.open_as::<Account>("front", "sleeper");
    assert_eq!(world.run(account.total()), Ok(0));
    world.advance(Duration::from_secs(47 * 3600));
    world.crash("bank");
    world.advance(Duration::from_secs(2 * 3600));
    world.restart("bank");
    let open = |world: &World| {
        let dialogs = world.at("bank").dialogs().expect("it reads");
        dialogs.iter().any(|dialog| dialog.ending.is_none())
    };
    world.advance(Duration::from_secs(30));
    assert!(open(&world), "it waits for what its partner may have said");
    world.advance(Duration::from_secs(120));
    assert!(!open(&world), "and not for ever");
}

fn what_is_too_much_for_now_is_said_later() {
    let mut world = pair();
    let account = world.open_as::<Account>("front", "chatter");
    assert_eq!(world.run(account.total()), Ok(0));
    world.lose(u32::MAX, |record| record.to == "front");
    for _ in 0..2 {
        world.start(account.chatter(MANY_EVENTS));
    }
    world.advance(Duration::from_secs(30));
    world.heal();
    world.advance(Duration::from_secs(120));
    assert_eq!(world.run(account.total()), Ok(0));
}

fn an_opening_for_a_service_that_is_gone_is_refused() {
    let mut world = World::calm().supervised();
    let serves = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&serves);
    world.node("bank", move |builder| {
        if now.load(Ordering::SeqCst) {
            builder.serve::<Account>()
        } else {
            builder
        }
    });
    world.node("front", |builder| builder);
    world.hold(1, |_| true);
    let account = world.open_as::<Account>("front", "late");
    world.start(account.total());
    world.settle();
    serves.store(false, Ordering::SeqCst);
    world.restart("bank");
    world.let_go();
    world.advance(Duration::from_secs(600));
    let account = world.open_as::<Account>("front", "late");
    assert!(world.run(account.total()).is_err(), "nobody serves it");
}
