//! What comes with the years: another program on an old store, a clock that was set, a record that decays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actor_core::prelude::*;
use actor_core::world::{Record, World};
use actor_core::{Abandoned, NodeBuilder};

use super::super::shop::{Account, later, sooner};
use super::pair;

const TEN_YEARS_MS: i64 = 3653 * 86_400_000;

pub(super) fn another_program_reads_what_an_earlier_one_wrote() {
    let version = Arc::new(AtomicU32::new(1));
    let now = Arc::clone(&version);
    let mut world = World::calm().supervised();
    world.node("bank", move |builder: NodeBuilder| {
        match now.load(Ordering::SeqCst) {
            1 => builder.serve::<sooner::Ledger>(),
            _ => builder.serve::<later::Ledger>(),
        }
    });
    world.node("front", |builder| builder);
    let old = world.open_as::<sooner::Ledger>("front", "old");
    assert_eq!(world.run(old.add(150)), Ok(150));
    // The caller is new and the bank is old: what it does not know waits, and so does what comes behind.
    let new = world.open_as::<later::Ledger>("front", "old");
    let told = world.start(new.told());
    let behind = world.start(old.add(1));
    world.advance(Duration::from_secs(3600));
    assert!(!told.is_done() && !behind.is_done(), "they wait");
    version.store(2, Ordering::SeqCst);
    world.restart("bank");
    assert_eq!(world.finish(&told), Ok("1.50".to_owned()));
    assert_eq!(world.finish(&behind), Ok(151));
}

pub(super) fn a_clock_far_ahead_ends_nothing() {
    let mut world = pair();
    let account = world.open_as::<Account>("front", "clock");
    assert_eq!(world.run(account.total()), Ok(0));
    world.step_clock("bank", TEN_YEARS_MS);
    world.restart("bank");
    assert!(world.at("bank").is_clock_held());
    let account = world.open_as::<Account>("front", "clock");
    assert_eq!(world.run(account.total()), Ok(0));
}

pub(super) fn a_damaged_record_ends_its_dialog_and_no_other() {
    let mut world = pair();
    for key in ["damaged", "whole"] {
        let account = world.open_as::<Account>("front", key);
        assert_eq!(world.run(account.total()), Ok(0));
    }
    world.advance(Duration::from_secs(120));
    let damaged = world.open_as::<Account>("front", "damaged");
    let dialog = damaged.dialog().id();
    assert_eq!(world.garble("bank", dialog, Record::State), 1);
    let answer = world.run(world.open_as::<Account>("front", "damaged").total());
    assert!(
        matches!(
            &answer,
            Err(CallError::Abandoned {
                why: Abandoned::PartnerDamaged(_),
                ..
            })
        ),
        "{answer:?}"
    );
    let whole = world.open_as::<Account>("front", "whole");
    assert_eq!(world.run(whole.total()), Ok(0));
}
