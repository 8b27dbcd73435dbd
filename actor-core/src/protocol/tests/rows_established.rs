//! Rows 15 to 23 and 27 to 32: two parties that know each other, and what can become of that.

use super::kit::{Side, TIMEOUTS, asked, established, settle, shaken, store};
use crate::protocol::{
    Abandoned, Destination, Durability, Ending, FaultCode, Frame, FrameKind, Input, Location, Mode,
    Notice, ResetReason, SendRefusal, Stage, TimerKind, Token, reject,
};

#[test]
fn row_15_messages_in_the_window_are_consumed_in_order_and_acknowledged_after() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    let two = initiator.flush_one();
    initiator.tell("three");
    let three = initiator.flush_one();
    target.take(&three);
    assert_eq!(target.heard(), ["hello"]);
    let held = target.flush_one();
    assert_eq!(
        (held.ack, held.sack),
        (1, 0b10),
        "held, and not acknowledged"
    );
    let arrived = target.step(Input::Frame(two));
    assert_eq!(arrived.durability, Durability::None);
    let first = target.step(Input::Consume);
    assert_eq!(first.durability, Durability::Durable);
    assert_eq!(
        target.heard(),
        ["hello", "two"],
        "one message per transaction"
    );
    _ = target.step(Input::Consume);
    let ack = target.flush_one();
    assert_eq!((ack.kind.clone(), ack.ack), (FrameKind::Ack, 3));
    let released = initiator.step(Input::Frame(ack));
    assert_eq!(released.durability, Durability::Lazy);
    assert_eq!(initiator.endpoint.outbox().count(), 0);
}

#[test]
fn row_15_an_answer_carries_the_acknowledgement() {
    let (mut initiator, mut target) = established();
    initiator.ask("two");
    target.take(&initiator.flush_one());
    target.answer(2, "done");
    let frame = target.flush_one();
    assert_eq!((frame.kind.clone(), frame.ack), (FrameKind::Data, 2));
}

#[test]
fn row_16_a_duplicate_is_acknowledged_again_and_nothing_else() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    let two = initiator.flush_one();
    target.take(&two);
    target.flush();
    let again = target.step(Input::Frame(two));
    assert_eq!(again.durability, Durability::None);
    assert_eq!(target.heard(), ["hello", "two"]);
    assert!(target.was_told(&Notice::Duplicate { seq: 2 }));
    assert_eq!(target.flush_one().ack, 2);
}

#[test]
fn row_17_beyond_the_window_nothing_is_stored() {
    let (mut initiator, mut target) = established();
    target.limits.window = 2;
    initiator.limits.window = 4;
    for text in ["two", "three", "four", "five"] {
        initiator.tell(text);
    }
    let mut frame = initiator.flush_one();
    let said = std::mem::take(&mut frame.messages);
    let mut take = |picks: &[usize]| {
        frame.messages = picks.iter().map(|pick| said[*pick].clone()).collect();
        target.take(&frame);
        (target.heard(), target.flush().pop().map(|frame| frame.ack))
    };
    assert_eq!(take(&[1, 2]), (vec!["hello".to_owned()], Some(1)), "held");
    assert_eq!(take(&[3]).1, Some(1), "the window is full");
    assert_eq!(take(&[0]).1, Some(4), "but what is next always fits");
    assert_eq!(take(&[3]).0.len(), 5);
}

#[test]
fn row_17_the_sender_keeps_to_the_window() {
    let (mut initiator, mut target) = established();
    for _ in 0..100 {
        initiator.tell("more");
    }
    assert_eq!(
        initiator
            .flush()
            .iter()
            .map(|frame| frame.messages.len())
            .sum::<usize>(),
        64
    );
    assert!(initiator.flush().is_empty());
    let frames = initiator.fire(TimerKind::Retransmit);
    for frame in frames {
        target.take(&frame);
    }
    settle(&mut initiator, &mut target);
    assert_eq!(target.delivered.len(), 101);
}

#[test]
fn row_17_large_messages_are_spread_over_frames_that_fit() {
    let (mut initiator, mut target) = established();
    let large = "x".repeat(200 * 1024);
    for _ in 0..5 {
        initiator.tell(&large);
    }
    settle(&mut initiator, &mut target);
    assert_eq!(target.delivered.len(), 6);
    initiator.tell(&"x".repeat(crate::protocol::MAX_MESSAGE_BYTES + 1));
    assert!(initiator.was_told(&Notice::Refused(SendRefusal::TooLarge)));
}

#[test]
fn row_18_a_late_initiating_frame_gets_an_ack_and_what_is_unacknowledged() {
    let (_, batch) = asked("hello");
    let (_, mut target) = established();
    target.take(&batch);
    let ack = target.flush_one();
    assert_eq!(
        (ack.kind, ack.src_token),
        (FrameKind::Ack, target.endpoint.token())
    );
    target.tell("news");
    let news = target.flush_one();
    target.take(&batch);
    assert_eq!(target.flush_one().messages, news.messages);
    assert_eq!(target.heard(), ["hello"]);
}

#[test]
fn row_19_a_frame_that_names_nobody_is_reset_and_a_reset_never_is() {
    let (mut initiator, _) = established();
    initiator.tell("two");
    let frame = initiator.flush_one();
    let reset = reject(&frame).unwrap();
    assert_eq!(
        reset.kind,
        FrameKind::Reset {
            reason: ResetReason::UnknownEndpoint,
            echo_token: frame.src_token,
            echo_incarnation: frame.incarnation,
            echo_send_ctr: frame.send_ctr,
        }
    );
    assert_eq!(
        (reset.dst_token, Some(reset.src_token)),
        (Some(frame.src_token), frame.dst_token)
    );
    assert_eq!(reject(&reset), None);
    let (_, batch) = asked("one");
    assert_eq!(
        reject(&batch),
        None,
        "an initiating frame names nobody by design"
    );
}

#[test]
fn row_19_a_memory_that_was_made_anew_does_not_answer_for_the_old_one() {
    let (_, batch) = asked("hello");
    let (mut initiator, _) = established();
    let mut zombie = Side::target("z", Mode::Pending, &batch);
    initiator.tell("two");
    let resets = zombie.take(&initiator.flush_one());
    assert!(matches!(
        resets[0].kind,
        FrameKind::Reset {
            reason: ResetReason::UnknownEndpoint,
            ..
        }
    ));
    assert!(!zombie.was_told(&Notice::Confirmed));
}

#[test]
fn row_20_when_its_own_store_forgot_the_dialog_the_partner_has_amnesia() {
    let (mut initiator, target) = established();
    initiator.tell("two");
    let mut reset = reject(&initiator.flush_one()).unwrap();
    reset.src_store = target.store;
    let mut late = reset.clone();
    let FrameKind::Reset {
        echo_incarnation, ..
    } = &mut late.kind
    else {
        panic!()
    };
    *echo_incarnation = 0;
    initiator.take(&late);
    assert_eq!(
        initiator.ending(),
        None,
        "an echo of another life is not believed"
    );
    initiator.take(&reset);
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::PartnerAmnesia))
    );
    assert!(initiator.flush().is_empty(), "nobody is there to be told");
}

#[test]
fn row_20_a_volatile_initiator_that_is_unknown_is_gone() {
    let mut initiator =
        Side::initiator_with(Mode::Handshake, crate::protocol::Carrier::Remote, true);
    let mut target = Side::target("a", Mode::Handshake, &initiator.flush_one());
    assert_eq!(target.endpoint.volatile_partner(), Some(1));
    initiator.take(&target.flush_one());
    target.take(&initiator.flush_one());
    target.flush();
    target.tell("news");
    let mut reset = reject(&target.flush_one()).unwrap();
    reset.src_store = initiator.store;
    target.take(&reset);
    assert_eq!(
        target.ending(),
        Some(&Ending::Abandoned(Abandoned::PartnerGone))
    );
}

#[test]
fn row_21_a_wrong_house_is_not_amnesia() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    let mut reset = reject(&initiator.flush_one()).unwrap();
    reset.src_store = store("x");
    let effects = initiator.step(Input::Frame(reset));
    assert!(effects.locate);
    assert_eq!(initiator.ending(), None);
    _ = initiator.step(Input::Located(Location::Unknown));
    assert!(initiator.flush().is_empty());
    _ = initiator.step(Input::Located(Location::Bound {
        node: "moved".into(),
    }));
    let again = initiator.flush_one();
    assert_eq!(
        initiator.endpoint.peer().map(|peer| peer.node.as_str()),
        Some("moved")
    );
    target.take(&again);
    assert_eq!(target.heard(), ["hello", "two"]);
}

#[test]
fn row_21_a_directory_that_keeps_naming_the_wrong_house_is_asked_once_a_round() {
    let (mut initiator, _) = established();
    initiator.tell("two");
    let wrong = |frame: &Frame| {
        let mut reset = reject(frame).unwrap();
        reset.src_store = store("x");
        reset
    };
    let mut frames = initiator.flush();
    for round in 0..4 {
        let mut said = 0;
        while let Some(frame) = frames.pop() {
            said += 1;
            assert!(
                said <= 2,
                "round {round}: said again as fast as it is refused"
            );
            if initiator.step(Input::Frame(wrong(&frame))).locate {
                _ = initiator.step(Input::Located(Location::Bound {
                    node: "elsewhere".into(),
                }));
            }
            frames.extend(initiator.flush());
        }
        assert_eq!(
            said, 2,
            "round {round}: once unasked, and once to where it is"
        );
        frames = initiator.fire(TimerKind::Retransmit);
    }
    assert_eq!(initiator.ending(), None);
}

#[test]
fn row_22_a_name_that_belongs_to_another_store_is_an_evil_twin() {
    let (mut initiator, _) = established();
    _ = initiator.step(Input::Located(Location::ReplacedBy(store("x"))));
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::PartnerReplaced))
    );
}

#[test]
fn row_23_a_newer_frame_that_knows_less_comes_from_a_memory_that_went_back() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    target.take(&initiator.flush_one());
    let ack = target.flush_one();
    initiator.take(&ack);
    let mut older = ack.clone();
    (older.ack, older.send_ctr) = (1, 1);
    initiator.take(&older);
    assert_eq!(initiator.ending(), None, "an older frame may know less");
    let mut newer = ack;
    (newer.ack, newer.incarnation, newer.send_ctr) = (1, 2, 0);
    initiator.take(&newer);
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::PartnerRolledBack))
    );
    let fault = initiator.flush_one();
    target.take(&fault);
    assert_eq!(
        target.ending(),
        Some(&Ending::Abandoned(Abandoned::PartnerRolledBack))
    );
}

#[test]
fn row_23_an_acknowledgement_of_what_was_never_said_is_a_contradiction_too() {
    let (mut initiator, mut target) = established();
    target.tell("news");
    let mut news = target.flush_one();
    news.ack = 9;
    initiator.take(&news);
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::PartnerRolledBack))
    );
}

#[test]
fn row_27_giving_up_is_told_until_it_is_heard() {
    let (mut initiator, mut target) = established();
    initiator.tell("lost with the rest");
    initiator.flush();
    _ = initiator.step(Input::Abandon(
        FaultCode::Abandoned,
        "changed my mind".into(),
    ));
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::ByUs(
            "changed my mind".into()
        )))
    );
    assert_eq!(initiator.endpoint.outbox().count(), 0);
    let lost = initiator.flush_one();
    initiator.restart();
    let again = initiator.fire(TimerKind::Retransmit);
    assert_eq!(again[0].kind, lost.kind);
    target.take(&again[0]);
    assert_eq!(
        target.ending(),
        Some(&Ending::Abandoned(Abandoned::ByPartner(
            "changed my mind".into()
        )))
    );
    initiator.take(&target.flush_one());
    assert!(initiator.fire(TimerKind::Retransmit).is_empty());
    initiator.fire(TimerKind::Linger);
    assert!(initiator.endpoint.fully_over());
}

#[test]
fn row_27_an_old_acknowledgement_does_not_silence_a_fault() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    target.take(&initiator.flush_one());
    let old = target.flush_one();
    _ = initiator.step(Input::Abandon(FaultCode::Abandoned, String::new()));
    initiator.flush();
    initiator.take(&old);
    assert!(!initiator.fire(TimerKind::Retransmit).is_empty());
}

#[test]
fn row_27_the_target_s_silence_clock_runs_only_while_it_owes_nothing() {
    let (mut initiator, mut target) = established();
    assert_eq!(target.armed(TimerKind::Silence), Some(TIMEOUTS.silence));
    initiator.ask("take your time");
    target.take(&initiator.flush_one());
    target.flush();
    assert_eq!(target.armed(TimerKind::Silence), None);
    target.fire(TimerKind::Silence);
    assert_eq!(
        target.ending(),
        None,
        "a timer that is not wanted has no effect"
    );
    target.answer(2, "done");
    target.flush();
    assert_eq!(target.armed(TimerKind::Silence), Some(TIMEOUTS.silence));
    let fault = target.fire(TimerKind::Silence).remove(0);
    assert_eq!(
        target.ending(),
        Some(&Ending::Abandoned(Abandoned::Silence))
    );
    initiator.take(&fault);
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::PartnerTimedOut))
    );
}

#[test]
fn row_27_the_initiator_s_silence_clock_runs_only_while_it_waits_for_an_answer() {
    let (mut initiator, mut target) = established();
    assert_eq!(initiator.armed(TimerKind::Silence), None);
    initiator.ask("two");
    target.take(&initiator.flush_one());
    assert_eq!(initiator.armed(TimerKind::Silence), Some(TIMEOUTS.silence));
    target.answer(2, "done");
    initiator.take(&target.flush_one());
    initiator.flush();
    assert_eq!(initiator.armed(TimerKind::Silence), None);
}

#[test]
fn row_27_nobody_is_abandoned_over_a_message_that_is_here() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    _ = target.step(Input::Frame(initiator.flush_one()));
    target.fire(TimerKind::Silence);
    assert_eq!(target.ending(), None);
    assert_eq!(target.armed(TimerKind::Silence), Some(TIMEOUTS.silence));
}

#[test]
fn row_27_a_lifetime_ends_every_stage() {
    let (mut initiator, mut target) = established();
    let fault = initiator.fire(TimerKind::Lifetime).remove(0);
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::Lifetime))
    );
    target.take(&fault);
    assert_eq!(
        target.ending(),
        Some(&Ending::Abandoned(Abandoned::Lifetime))
    );
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    target.fire(TimerKind::Lifetime);
    assert_eq!(target.ending(), Some(&Ending::Discarded));
    initiator.fire(TimerKind::Lifetime);
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::NeverReached))
    );
}

#[test]
fn row_28_what_was_said_before_a_fault_is_delivered_before_it() {
    let (mut initiator, mut target) = established();
    initiator.tell("last words");
    let words = initiator.flush_one();
    _ = initiator.step(Input::Abandon(FaultCode::Abandoned, "bye".into()));
    let fault = initiator.flush_one();
    _ = target.step(Input::Frame(words));
    _ = target.step(Input::Frame(fault));
    assert_eq!(target.ending(), None);
    _ = target.step(Input::Consume);
    assert_eq!(target.heard(), ["hello", "last words"]);
    assert_eq!(target.ending(), None);
    assert!(target.endpoint.has_next());
    _ = target.step(Input::Consume);
    assert!(target.ending().is_some());
    assert!(target.flush_one().flags.ended);
}

#[test]
fn row_29_a_tombstone_answers_late_frames_and_two_tombstones_fall_silent() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    let late = initiator.flush_one();
    _ = target.step(Input::Abandon(FaultCode::Poisoned, "cannot".into()));
    let fault = target.flush_one();
    target.take(&late);
    assert_eq!(target.flush_one().kind, fault.kind, "told again");
    initiator.take(&fault);
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::PartnerPoisoned(
            "cannot".into()
        )))
    );
    settle(&mut initiator, &mut target);
    target.take(&late);
    settle(&mut initiator, &mut target);
    assert_eq!(target.heard(), ["hello"]);
}

#[test]
fn row_29_a_tombstone_answers_where_its_partner_lives_now() {
    let (mut initiator, mut target) = established();
    _ = initiator.step(Input::Close);
    target.take(&initiator.flush_one());
    let goodbye = target.flush_one();
    initiator.take(&goodbye);
    assert_eq!(initiator.ending(), Some(&Ending::Completed));
    initiator.flush();
    // The acknowledgement is lost, and the target moves.
    target.name = "moved";
    initiator.take(&target.fire(TimerKind::Retransmit)[0]);
    let (to, _) = initiator.step(Input::Flush).frames.remove(0);
    assert!(
        matches!(&to, Destination::Store { node, .. } if node == "moved"),
        "{to:?}"
    );
}

#[test]
fn row_29_a_wrong_house_does_not_silence_a_fault() {
    let (mut initiator, _) = established();
    _ = initiator.step(Input::Abandon(FaultCode::Abandoned, String::new()));
    let mut reset = reject(&initiator.flush_one()).unwrap();
    reset.src_store = store("x");
    assert!(initiator.step(Input::Frame(reset)).locate);
    assert!(initiator.flush().is_empty());
    _ = initiator.step(Input::Located(Location::Bound {
        node: "moved".into(),
    }));
    let mut frames = initiator.step(Input::Flush).frames;
    let (to, fault) = frames.remove(0);
    assert!(
        matches!(&to, Destination::Store { node, .. } if node == "moved"),
        "{to:?}"
    );
    assert!(matches!(fault.kind, FrameKind::Fault { .. }));
    // Its own store says that nobody is left to hear it.
    let mut reset = reject(&fault).unwrap();
    reset.src_store = store("a");
    _ = initiator.step(Input::Frame(reset));
    assert!(initiator.fire(TimerKind::Retransmit).is_empty());
}

#[test]
fn row_29_a_twin_that_answers_an_ended_initiator_is_superseded() {
    let (_, batch) = asked("hello");
    let (mut initiator, _) = established();
    _ = initiator.step(Input::Abandon(FaultCode::Abandoned, String::new()));
    initiator.flush();
    let mut twin = Side::target("n", Mode::Pending, &batch);
    _ = twin.step(Input::Consume);
    twin.answer(1, "here I am");
    let resets = initiator.take(&twin.flush_one());
    twin.take(&resets[0]);
    assert_eq!(twin.ending(), Some(&Ending::Discarded));
}

#[test]
fn row_30_a_poisoned_message_ends_both_sides_and_says_so() {
    let (mut initiator, mut target) = established();
    initiator.ask("poison");
    target.take(&initiator.flush_one());
    _ = target.step(Input::Abandon(
        FaultCode::Poisoned,
        "panicked five times".into(),
    ));
    assert_eq!(
        target.ending(),
        Some(&Ending::Abandoned(Abandoned::Poisoned))
    );
    initiator.take(&target.flush_one());
    let why = Abandoned::PartnerPoisoned("panicked five times".into());
    assert_eq!(initiator.ending(), Some(&Ending::Abandoned(why)));
    assert!(initiator.endpoint.unanswered().contains(&2));
}

#[test]
fn row_32_after_a_restart_everything_unacknowledged_is_due_soon_but_not_at_once() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    let lost = initiator.flush_one();
    initiator.restart();
    assert_eq!(
        initiator.armed(TimerKind::Retransmit),
        Some(initiator.limits.first_retry)
    );
    assert!(initiator.flush().is_empty());
    let again = initiator.fire(TimerKind::Retransmit);
    assert_eq!(again[0].messages, lost.messages);
    assert_eq!(again[0].incarnation, 2);
    target.take(&again[0]);
    settle(&mut initiator, &mut target);

    target.restart();
    assert_eq!(target.endpoint.stage(), Stage::Established);
    target.take(&lost);
    assert_eq!(target.heard(), ["hello", "two"]);
}

#[test]
fn row_32_every_stage_survives_a_restart() {
    let (mut initiator, batch) = asked("one");
    initiator.restart();
    assert_eq!(
        initiator.fire(TimerKind::Retransmit)[0].messages,
        batch.messages
    );
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    target.flush();
    target.restart();
    let answer = target.fire(TimerKind::Retransmit).remove(0);
    initiator.take(&answer);
    initiator.restart();
    let bound = initiator.fire(TimerKind::Retransmit).remove(0);
    assert_eq!(bound.kind, FrameKind::Bound);
    target.take(&bound);
    target.restart();
    assert_eq!(target.endpoint.stage(), Stage::Established);

    let mut initiator = Side::initiator(Mode::Handshake);
    let syn = initiator.flush_one();
    initiator.restart();
    assert_eq!(initiator.fire(TimerKind::Retransmit)[0].kind, syn.kind);
    let (initiator, _) = shaken();
    assert!(initiator.endpoint.is_bound());
}

#[test]
fn a_full_outbox_refuses_the_application_but_never_an_answer() {
    let (mut initiator, mut target) = established();
    target.limits.max_outbox_messages = 2;
    initiator.ask("two");
    target.take(&initiator.flush_one());
    target.tell("news");
    target.tell("news");
    target.tell("news");
    assert!(target.was_told(&Notice::Refused(SendRefusal::Busy)));
    target.answer(2, "done");
    assert_eq!(target.endpoint.outbox().count(), 3);
}

#[test]
fn tokens_of_the_refused_name_nobody() {
    let (_, batch) = asked("one");
    let refusal = crate::protocol::refuse(&batch, FaultCode::NotServed, "no foo here");
    assert_eq!(refusal.src_token, Token::default());
}
