//! Situations that chance finds too seldom on whole nodes, played once each.

mod flow;
mod years;

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
    flow::a_slow_house_shuts_its_window();
    flow::a_house_that_is_full_refuses();
    flow::what_is_too_large_for_a_frame_comes_in_parts();
    years::another_program_reads_what_an_earlier_one_wrote();
    years::a_clock_far_ahead_ends_nothing();
    years::a_damaged_record_ends_its_dialog_and_no_other();
}

fn a_handler_that_kills_is_put_aside() {
    let mut world = pair();
    let account = world.open_as::<Account>("front", "deadly");
    assert_eq!(world.run(account.total().once("first")), Ok(0));
    assert!(
        kills_until_it_is_put_aside(&mut world, "deadly"),
        "never put aside:\n{}",
        world.state()
    );
}

/// A message to this account that kills whoever handles it. Is it put aside?
pub(super) fn kills_until_it_is_put_aside(world: &mut World, account: &str) -> bool {
    (0..MAX_ROUNDS).any(|_| {
        let deadly = world.open_as::<Account>("front", account);
        world.start(deadly.fall(99).once("fall"));
        world.advance(Duration::from_secs(10));
        let is_there = |letters: Vec<_>| !letters.is_empty();
        world.is_up("bank") && is_there(world.at("bank").dead_letters().expect("it reads"))
    })
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

#[cfg(test)]
mod tests {
    use actor_core::coverage::{Rare, rare_hits};

    #[test]
    fn every_scene_is_played_and_reaches_what_it_is_for() {
        super::play();
        for rare in [
            Rare::ZeroWindow,
            Rare::FloodRefused,
            Rare::FragmentReassembled,
            Rare::EarlierVersionRead,
            Rare::HeldForAnotherVersion,
            Rare::DamagedRecord,
            Rare::ClockHeld,
        ] {
            assert!(rare_hits(rare) > 0, "{rare:?}");
        }
    }
}
