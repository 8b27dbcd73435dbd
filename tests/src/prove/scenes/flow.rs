//! Too much at once: a window that shuts, a house that is full, a message in parts.

use actor_core::prelude::*;
use actor_core::protocol::{FrameKind, Limits};
use actor_core::world::World;

use super::super::shop::{Account, Depot};

/// Bytes that no one frame carries.
const LARGE: u32 = 1_500_000;
/// Openings by one caller that a house lets wait.
const DOORS: u64 = 2;

fn house(limits: Limits) -> World {
    let mut world = World::calm().supervised();
    world.node("bank", move |builder| {
        builder
            .serve::<Account>()
            .serve::<Depot>()
            .limits(limits.clone())
    });
    world.node("front", |builder| builder);
    world
}

/// One message fails for a while, and more wait behind it than the bank wants.
pub(super) fn a_slow_house_shuts_its_window() {
    let mut world = house(Limits {
        window: 4,
        max_backlog_messages: 6,
        ..Limits::default()
    });
    let account = world.open_as::<Account>("front", "slow");
    assert_eq!(world.run(account.total()), Ok(0));
    let booked: Vec<_> = (1..30)
        .map(|step| {
            let failures = if step == 1 { 4 } else { 0 };
            world.start(account.book("she".to_owned(), 1, failures))
        })
        .collect();
    for (step, request) in (1..).zip(&booked) {
        assert_eq!(world.finish(request), Ok(step));
    }
}

pub(super) fn a_house_that_is_full_refuses() {
    let mut world = house(Limits {
        max_half_open_per_peer: DOORS,
        ..Limits::default()
    });
    world.lose(u32::MAX, |record| {
        record.from == "bank" && !matches!(record.frame.kind, FrameKind::Fault { .. })
    });
    let asked: Vec<_> = (0..2 * DOORS)
        .map(|number| {
            let account = world.open_as::<Account>("front", &number.to_string());
            world.start(account.total())
        })
        .collect();
    world.advance(Duration::from_secs(3));
    assert_eq!(world.at("bank").half_open(), DOORS);
    world.heal();
    for request in &asked {
        assert_eq!(world.finish(request), Ok(0));
    }
}

pub(super) fn what_is_too_large_for_a_frame_comes_in_parts() {
    let mut world = house(Limits::default());
    world.gnomes(
        Gnomes::seeded(4)
            .lose(0.2)
            .repeat(0.2)
            .reorder(6)
            .delay(Duration::from_millis(100)),
    );
    let depot = world.open_as::<Depot>("front", "large");
    for round in 1..3 {
        let sent: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
        let taken = world.run(depot.take(sent.clone()));
        assert_eq!(taken, Ok(u64::from(round * LARGE)));
        assert!(world.run(depot.give(LARGE)) == Ok(sent), "as it was");
    }
}
