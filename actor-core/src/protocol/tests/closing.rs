//! Rows 24 to 26 and 29, and what a goodbye can promise: "the penultimate message can be guaranteed".

use super::kit::{Side, asked, established, settle, shaken};
use crate::protocol::{
    Abandoned, Ending, FaultCode, FrameKind, Input, MessageKind, Mode, Notice, SendRefusal, Stage,
    TimerKind, reject,
};

#[test]
fn row_24_the_goodbye_rides_on_the_last_message_of_its_transaction() {
    let (mut initiator, _) = established();
    initiator.tell("two");
    initiator.flush();
    initiator.ask("finish");
    _ = initiator.step(Input::Close);
    let frame = initiator.flush_one();
    assert_eq!(
        frame
            .messages
            .iter()
            .map(|message| message.fin)
            .collect::<Vec<_>>(),
        [true]
    );
    assert_eq!(initiator.endpoint.stage(), Stage::Closing);
    assert_eq!(
        initiator.endpoint.can_send(1, &initiator.limits),
        Err(SendRefusal::Closed)
    );
}

#[test]
fn row_24_a_goodbye_never_changes_a_message_that_may_have_left() {
    let (mut initiator, _) = established();
    initiator.tell("two");
    let two = initiator.flush_one();
    initiator.restart();
    _ = initiator.step(Input::Close);
    let frames = initiator.fire(TimerKind::Retransmit);
    assert_eq!(frames[0].messages[0], two.messages[0]);
    assert_eq!(
        (frames[0].messages[1].kind, frames[0].messages[1].fin),
        (MessageKind::Empty, true)
    );
}

#[test]
fn row_24_the_target_says_goodbye_by_itself_with_its_last_answer() {
    let (mut initiator, mut target) = established();
    initiator.ask("finish");
    _ = initiator.step(Input::Close);
    target.take(&initiator.flush_one());
    assert_eq!(
        target.flush_one().kind,
        FrameKind::Ack,
        "it still owes an answer"
    );
    target.answer(2, "finished");
    let last = target.flush_one();
    assert!(last.messages[0].fin);
    initiator.take(&last);
    assert_eq!(initiator.heard(), ["hello yourself", "finished"]);
    settle(&mut initiator, &mut target);
    assert_eq!(
        (initiator.ending(), target.ending()),
        (Some(&Ending::Completed), Some(&Ending::Completed))
    );
}

#[test]
fn row_24_closing_alone_is_answered_by_a_goodbye_alone() {
    for (mut initiator, mut target) in [established(), shaken()] {
        _ = initiator.step(Input::Close);
        settle(&mut initiator, &mut target);
        assert_eq!(
            (initiator.ending(), target.ending()),
            (Some(&Ending::Completed), Some(&Ending::Completed))
        );
    }
}

#[test]
fn row_24_a_target_that_closes_answers_first_and_drops_what_comes_later() {
    let (mut initiator, mut target) = established();
    initiator.ask("two");
    target.take(&initiator.flush_one());
    _ = target.step(Input::Close);
    target.answer(2, "done, and that is all");
    let last = target.flush_one();
    assert!(last.messages[0].fin);
    initiator.ask("crossing");
    let crossing = initiator.flush_one();
    target.take(&crossing);
    assert_eq!(target.heard(), ["hello", "two"]);
    assert!(target.endpoint.owed().is_empty());
    initiator.take(&last);
    assert!(initiator.was_told(&Notice::PartnerClosed));
    assert!(
        initiator.endpoint.unanswered().contains(&3),
        "the node tells whoever waits"
    );
    settle(&mut initiator, &mut target);
    assert_eq!(
        (initiator.ending(), target.ending()),
        (Some(&Ending::Completed), Some(&Ending::Completed))
    );
}

#[test]
fn row_24_an_initiator_may_close_with_its_very_first_request() {
    let mut initiator = Side::initiator(Mode::Pending);
    initiator.ask("one and only");
    _ = initiator.step(Input::Close);
    let batch = initiator.flush_one();
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    settle(&mut initiator, &mut target);
    assert!(target.was_told(&Notice::Confirmed));
    assert_eq!(
        (initiator.ending(), target.ending()),
        (Some(&Ending::Completed), Some(&Ending::Completed))
    );
}

#[test]
fn row_25_goodbyes_that_cross_complete_both() {
    let (mut initiator, mut target) = established();
    _ = initiator.step(Input::Close);
    _ = target.step(Input::Close);
    let (from_initiator, from_target) = (initiator.flush_one(), target.flush_one());
    initiator.take(&from_target);
    target.take(&from_initiator);
    assert_eq!(
        initiator.ending(),
        None,
        "its own goodbye is not acknowledged yet"
    );
    settle(&mut initiator, &mut target);
    assert_eq!(
        (initiator.ending(), target.ending()),
        (Some(&Ending::Completed), Some(&Ending::Completed))
    );
    assert_eq!(initiator.armed(TimerKind::Lifetime), None);
    assert_eq!(
        initiator.armed(TimerKind::Linger),
        Some(initiator.limits.linger)
    );
}

#[test]
fn row_26_a_goodbye_nobody_confirms_ends_unconfirmed_after_the_linger() {
    let (mut initiator, _) = established();
    _ = initiator.step(Input::Close);
    initiator.flush();
    assert_eq!(
        initiator.armed(TimerKind::Linger),
        Some(initiator.limits.linger)
    );
    initiator.fire(TimerKind::Linger);
    assert_eq!(initiator.ending(), Some(&Ending::CompletedUnconfirmed));
    assert!(!initiator.endpoint.fully_over());
    initiator.fire(TimerKind::Linger);
    assert!(initiator.endpoint.fully_over());
}

#[test]
fn row_26_the_application_s_last_messages_are_waited_for_as_long_as_the_partner_may_be_silent() {
    let (mut initiator, mut target) = established();
    initiator.limits.linger = std::time::Duration::from_secs(1);
    initiator.tell("two");
    _ = initiator.step(Input::Close);
    let lost = initiator.flush_one();
    assert_eq!(
        initiator.armed(TimerKind::Linger),
        Some(initiator.endpoint.timeouts().silence)
    );
    target.take(&lost);
    settle(&mut initiator, &mut target);
    assert_eq!(initiator.ending(), Some(&Ending::Completed));
}

#[test]
fn row_26_while_an_answer_is_awaited_the_silence_clock_decides_not_the_linger() {
    let (mut initiator, mut target) = established();
    initiator.ask("finish");
    _ = initiator.step(Input::Close);
    target.take(&initiator.flush_one());
    initiator.take(&target.flush_one());
    initiator.flush();
    assert_eq!(initiator.armed(TimerKind::Linger), None);
    assert!(initiator.armed(TimerKind::Silence).is_some());
}

#[test]
fn row_26_whoever_hears_that_the_partner_has_ended_stops_waiting_too() {
    let (mut initiator, mut target) = established();
    _ = target.step(Input::Close);
    let lost = target.flush_one();
    _ = initiator.step(Input::Close);
    initiator.flush();
    initiator.fire(TimerKind::Linger);
    initiator.take(&lost);
    let ended = initiator.flush_one();
    assert!(ended.flags.ended);
    target.take(&ended);
    assert_eq!(target.ending(), Some(&Ending::CompletedUnconfirmed));
}

#[test]
fn row_29_a_completed_endpoint_acknowledges_the_goodbye_again() {
    let (mut initiator, mut target) = established();
    _ = initiator.step(Input::Close);
    target.take(&initiator.flush_one());
    let goodbye = target.flush_one();
    initiator.take(&goodbye);
    assert_eq!(initiator.ending(), Some(&Ending::Completed));
    let lost = initiator.flush_one();
    assert_eq!(target.ending(), None);
    initiator.take(&target.fire(TimerKind::Retransmit)[0]);
    let again = initiator.flush_one();
    assert_eq!((again.kind.clone(), again.ack), (FrameKind::Ack, lost.ack));
    target.take(&again);
    assert_eq!(target.ending(), Some(&Ending::Completed));
}

#[test]
fn s23_a_partner_that_ended_in_good_order_and_forgot_has_no_amnesia() {
    let (mut initiator, mut target) = established();
    _ = initiator.step(Input::Close);
    target.take(&initiator.flush_one());
    let goodbye = target.flush_one();
    let mut reset = reject(&goodbye).unwrap();
    reset.src_store = initiator.store;
    target.take(&reset);
    assert_eq!(target.ending(), Some(&Ending::CompletedUnconfirmed));
}

#[test]
fn a_fault_that_crosses_a_goodbye_wins_unless_the_dialog_is_completed() {
    let (mut initiator, mut target) = established();
    _ = initiator.step(Input::Close);
    let goodbye = initiator.flush_one();
    _ = target.step(Input::Abandon(FaultCode::Abandoned, "enough".into()));
    let fault = target.flush_one();
    target.take(&goodbye);
    initiator.take(&fault);
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::ByPartner("enough".into())))
    );
    settle(&mut initiator, &mut target);

    let (mut initiator, mut target) = established();
    _ = initiator.step(Input::Close);
    settle(&mut initiator, &mut target);
    let mut late = fault;
    late.send_ctr += 100;
    initiator.take(&late);
    assert_eq!(initiator.ending(), Some(&Ending::Completed));
}

#[test]
fn nobody_says_anything_after_its_goodbye() {
    let (mut initiator, _) = asked("one");
    _ = initiator.step(Input::Close);
    initiator.flush();
    initiator.tell("one more thing");
    assert!(initiator.was_told(&Notice::Refused(SendRefusal::Closed)));
}
