//! Two copies of one store, alive at the same time: found out, and not heard any more (P12).

use super::kit::{Side, established, settle};
use crate::protocol::{Abandoned, Ending, FaultCode, Frame, FrameKind, TimerKind};

/// Both go on from the same bytes, in lives of the same number, under names of their own.
fn copied(side: &Side) -> (Side, Side) {
    let (mut one, mut other) = (side.clone(), side.clone());
    one.restart();
    other.restart();
    other.name = "copy";
    (one, other)
}

fn cloned(side: &Side) -> bool {
    side.ending() == Some(&Ending::Abandoned(Abandoned::StoreCloned))
}

#[test]
fn a_copy_of_the_partner_is_found_out_whichever_is_heard_first() {
    for copy_first in [false, true] {
        for late in [false, true] {
            let (initiator, mut target) = established();
            let (mut one, mut copy) = copied(&initiator);
            one.tell("said by one");
            copy.tell("said by the copy");
            let (mine, theirs) = (one.flush_one(), copy.flush_one());
            let mut frames = [mine, theirs];
            if copy_first {
                frames.reverse();
            }
            if late {
                // Its counter is anything; only the name tells.
                frames[1].send_ctr = 0;
            }
            target.take(&frames[0]);
            assert!(!cloned(&target));
            target.take(&frames[1]);
            assert!(cloned(&target));
            assert_eq!(target.delivered.len(), 2, "only one of them was heard");
            let fault = target.flush_one();
            assert!(matches!(
                fault.kind,
                FrameKind::Fault {
                    code: FaultCode::Cloned,
                    ..
                }
            ));
            for side in [&mut one, &mut copy] {
                side.take(&fault);
                assert!(cloned(side), "both are told");
            }
        }
    }
}

#[test]
fn a_copy_of_the_target_is_found_out_by_its_initiator() {
    let (mut initiator, target) = established();
    let (mut one, mut copy) = copied(&target);
    initiator.ask("two");
    let ask = initiator.flush_one();
    for side in [&mut one, &mut copy] {
        side.take(&ask);
        side.answer(2, side.name);
    }
    initiator.take(&one.flush_one());
    assert_eq!(initiator.heard().len(), 2);
    initiator.take(&copy.flush_one());
    assert!(cloned(&initiator));
}

#[test]
fn a_partner_that_starts_again_under_another_name_is_no_copy_and_its_late_frames_are_not() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    let before: Frame = initiator.flush_one();
    initiator.restart();
    initiator.name = "moved";
    for frame in initiator.fire(TimerKind::Retransmit) {
        target.take(&frame);
    }
    target.take(&before);
    assert_eq!(target.ending(), None);
    initiator.tell("three");
    settle(&mut initiator, &mut target);
    assert_eq!(target.heard(), ["hello", "two", "three"]);
}
