//! Rows 1 to 14: the stage in which the partner may still be anybody.

use super::kit::{CONTRACT, Side, TIMEOUTS, asked, dialog, established, shaken};
use crate::protocol::{
    Abandoned, Destination, DialogId, Ending, FaultCode, Frame, FrameKind, Input, MessageKind,
    Mode, Notice, ResetReason, Role, SendRefusal, Stage, TimerKind, Token, refuse,
};

fn ack_of(side: &mut Side) -> Frame {
    let frame = side.flush_one();
    assert_eq!(frame.kind, FrameKind::Ack);
    frame
}

#[test]
fn row_01_opening_with_pending_work_sends_the_batch_to_the_service() {
    let mut initiator = Side::initiator(Mode::Pending);
    assert_eq!(
        initiator.armed(TimerKind::Initiation),
        Some(TIMEOUTS.initiation)
    );
    assert_eq!(
        initiator.armed(TimerKind::Lifetime),
        Some(TIMEOUTS.lifetime)
    );
    assert!(initiator.flush().is_empty(), "nothing was said");
    initiator.ask("one");
    initiator.tell("two");
    let effects = initiator.step(Input::Flush);
    let (to, frame) = &effects.frames[0];
    assert_eq!(to, &Destination::Service("foo".into()));
    assert!(frame.is_initiating());
    assert_eq!(
        (frame.service.as_str(), frame.contract, frame.ack),
        ("foo", CONTRACT, 0)
    );
    assert_eq!(
        frame
            .messages
            .iter()
            .map(|message| message.seq)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(
        initiator.armed(TimerKind::Retransmit),
        Some(initiator.limits.first_retry)
    );
}

#[test]
fn row_01_opening_with_a_handshake_sends_syn_and_lets_messages_wait() {
    let mut initiator = Side::initiator(Mode::Handshake);
    initiator.ask("one");
    let syn = initiator.flush_one();
    assert_eq!(syn.kind, FrameKind::Syn);
    assert!(syn.is_initiating() && syn.messages.is_empty());
    assert_eq!(initiator.endpoint.outbox().count(), 1);
}

#[test]
fn row_02_what_is_said_before_the_first_answer_resends_the_whole_batch() {
    let (mut initiator, _) = asked("one");
    initiator.tell("two");
    assert_eq!(initiator.flush_one().messages.len(), 2);
}

#[test]
fn row_02_only_so_much_may_be_said_before_the_first_answer() {
    let (mut initiator, _) = asked("one");
    for _ in 1..initiator.limits.max_initiation_messages {
        initiator.tell("more");
    }
    let refusal = SendRefusal::InitWindowFull;
    assert_eq!(
        initiator.endpoint.can_send(1, &initiator.limits),
        Err(refusal)
    );
    initiator.tell("too much");
    assert!(initiator.was_told(&Notice::Refused(refusal)));
    assert_eq!(initiator.flush_one().messages.len(), 64);
}

#[test]
fn row_03_every_round_says_everything_as_one_frame_to_the_service() {
    let mut initiator = Side::initiator(Mode::Pending);
    for text in ["one", "two", "three"] {
        initiator.ask(text);
        initiator.flush();
    }
    for attempt in 1..4 {
        let mut effects = initiator.step(Input::Timer(TimerKind::Retransmit));
        effects.merge(initiator.step(Input::Flush));
        assert_eq!(effects.frames.len(), 1);
        assert_eq!(effects.frames[0].0, Destination::Service("foo".into()));
        assert_eq!(effects.frames[0].1.messages.len(), 3);
        assert!(initiator.was_told(&Notice::Retransmit {
            messages: 3,
            attempt
        }));
        let delay = initiator.limits.first_retry * 2_u32.pow(attempt);
        assert_eq!(initiator.armed(TimerKind::Retransmit), Some(delay));
    }
    for _ in 0..40 {
        initiator.fire(TimerKind::Retransmit);
    }
    assert_eq!(
        initiator.armed(TimerKind::Retransmit),
        Some(initiator.limits.max_retry_initiating)
    );
}

#[test]
fn row_04_an_ack_before_binding_releases_nothing_and_slows_the_timer() {
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    let ack = ack_of(&mut target);
    initiator.take(&ack);
    assert_eq!(initiator.endpoint.stage(), Stage::Initiating);
    assert!(!initiator.endpoint.is_bound());
    assert!(initiator.flush().is_empty());
    assert!(initiator.armed(TimerKind::Retransmit) > Some(initiator.limits.first_retry * 10));
    assert_eq!(
        initiator.fire(TimerKind::Retransmit)[0].messages.len(),
        1,
        "retained"
    );
}

#[test]
fn row_05_the_first_syn_ack_binds_and_the_waiting_messages_follow_with_its_token() {
    let mut initiator = Side::initiator(Mode::Handshake);
    initiator.ask("one");
    let syn = initiator.flush_one();
    let mut target = Side::target("a", Mode::Handshake, &syn);
    let syn_ack = target.flush_one();
    assert_eq!(syn_ack.kind, FrameKind::SynAck);
    initiator.take(&syn_ack);
    assert!(initiator.was_told(&Notice::Bound));
    assert_eq!(
        initiator.endpoint.peer().map(|peer| peer.token),
        Some(target.endpoint.token())
    );
    assert_eq!(initiator.armed(TimerKind::Initiation), None);
    let data = initiator.flush_one();
    assert_eq!(data.dst_token, Some(target.endpoint.token()));
    assert_eq!(data.messages.len(), 1);
}

#[test]
fn row_05_without_a_message_bound_is_said_until_the_target_says_it_is_established() {
    let mut initiator = Side::initiator(Mode::Handshake);
    let syn = initiator.flush_one();
    let mut target = Side::target("a", Mode::Handshake, &syn);
    let syn_ack = target.flush_one();
    initiator.take(&syn_ack);
    assert_eq!(initiator.flush_one().kind, FrameKind::Bound);
    let again = initiator.fire(TimerKind::Retransmit);
    assert_eq!(again[0].kind, FrameKind::Bound);
    target.take(&again[0]);
    let ack = ack_of(&mut target);
    assert!(ack.flags.established);
    initiator.take(&ack);
    assert!(initiator.flush().is_empty());
    assert_eq!(initiator.armed(TimerKind::Retransmit), None);
}

#[test]
fn row_05_the_first_answer_binds_and_is_confirmed_only_after_it_was_consumed() {
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    let answer = target.flush_one();
    let binding = initiator.step(Input::Frame(answer));
    assert_eq!(binding.durability, crate::protocol::Durability::Durable);
    assert!(
        initiator.flush().is_empty(),
        "no frame names the target before the answer is consumed"
    );
    _ = initiator.step(Input::Consume);
    let bound = initiator.flush_one();
    assert_eq!(
        (bound.kind, bound.dst_token),
        (FrameKind::Bound, Some(target.endpoint.token()))
    );
}

#[test]
fn row_05_an_answer_out_of_order_binds_and_rounds_go_to_the_bound_store_without_its_token() {
    let mut initiator = Side::initiator(Mode::Pending);
    initiator.ask("one");
    initiator.ask("two");
    let batch = initiator.flush_one();
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "first");
    let lost = target.flush_one();
    _ = target.step(Input::Consume);
    target.answer(2, "second");
    initiator.take(&target.flush_one());
    assert_eq!(initiator.endpoint.stage(), Stage::Bound);
    assert!(initiator.delivered.is_empty());
    initiator.tell("three");
    let effects = initiator.step(Input::Flush);
    assert!(matches!(&effects.frames[0].0, Destination::Store { node, .. } if node == "a"));
    assert!(effects.frames[0].1.is_initiating());
    initiator.take(&lost);
    assert_eq!(initiator.heard(), ["first", "second"]);
    assert_eq!(initiator.endpoint.stage(), Stage::Established);
}

#[test]
fn row_05_who_speaks_another_contract_is_not_bound() {
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    let mut answer = target.flush_one();
    answer.contract += 1;
    initiator.take(&answer);
    assert!(!initiator.endpoint.is_bound());
    initiator.fire(TimerKind::Initiation);
    assert!(matches!(
        initiator.ending(),
        Some(Ending::Abandoned(Abandoned::Incompatible(_)))
    ));
}

#[test]
fn row_06_a_twin_that_answers_second_is_told_to_drop_its_work() {
    let (mut initiator, batch) = asked("one");
    let mut foo_a = Side::target("a", Mode::Pending, &batch);
    let mut foo_n = Side::target("n", Mode::Pending, &batch);
    for target in [&mut foo_a, &mut foo_n] {
        _ = target.step(Input::Consume);
        target.answer(1, target.name);
    }
    initiator.take(&foo_n.flush_one());
    let resets = initiator.take(&foo_a.flush_one());
    assert!(matches!(
        resets[0].kind,
        FrameKind::Reset {
            reason: ResetReason::Superseded,
            ..
        }
    ));
    assert!(initiator.was_told(&Notice::Superseded));
    assert_eq!(initiator.heard(), ["n"]);
    foo_a.take(&resets[0]);
    assert_eq!(foo_a.ending(), Some(&Ending::Discarded));
}

#[test]
fn row_07_the_first_answer_consumed_establishes() {
    let (initiator, target) = established();
    assert_eq!(initiator.endpoint.stage(), Stage::Established);
    assert_eq!(target.endpoint.stage(), Stage::Established);
    assert_eq!(initiator.notices, [Notice::Bound, Notice::Established]);
    assert_eq!(initiator.armed(TimerKind::Initiation), None);

    let (mut initiator, mut target) = shaken();
    assert_eq!(initiator.endpoint.stage(), Stage::Bound);
    initiator.ask("one");
    target.take(&initiator.flush_one());
    target.answer(1, "sure");
    initiator.take(&target.flush_one());
    assert_eq!(initiator.notices, [Notice::Bound, Notice::Established]);
}

#[test]
fn row_07_a_refusal_as_first_answer_declines_and_the_target_drops_its_work() {
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.refuse(1, "unknown sku");
    initiator.take(&target.flush_one());
    assert_eq!(initiator.heard(), ["unknown sku"]);
    assert_eq!(initiator.ending(), Some(&Ending::Declined));
    let fault = initiator.flush_one();
    assert_eq!(
        fault.kind,
        FrameKind::Fault {
            code: FaultCode::Declined,
            detail: String::new()
        }
    );
    assert!(
        initiator.armed(TimerKind::Retransmit).is_some(),
        "said again until heard"
    );
    target.take(&fault);
    assert_eq!(target.ending(), Some(&Ending::Declined));
    assert!(!target.was_told(&Notice::Confirmed));
    initiator.take(&ack_of(&mut target));
    assert!(initiator.flush().is_empty());
    assert_eq!(initiator.armed(TimerKind::Retransmit), None);
}

#[test]
fn row_08_when_nobody_answers_in_time_it_is_certain_that_nothing_happened() {
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    assert!(initiator.fire(TimerKind::Initiation).is_empty());
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::NeverReached))
    );
    assert!(!initiator.endpoint.was_established());
    assert_eq!(initiator.endpoint.outbox().count(), 0);
    assert!(initiator.endpoint.unanswered().contains(&1));
    let resets = initiator.take(&target.flush_one());
    target.take(&resets[0]);
    assert_eq!(target.ending(), Some(&Ending::Discarded));
}

#[test]
fn row_08_a_refusal_heard_in_three_rounds_ends_the_search_and_a_busy_one_only_slows_it() {
    let (mut initiator, mut batch) = asked("one");
    for round in 1..=3 {
        let not_served = refuse(&batch, FaultCode::NotServed, "no foo here");
        initiator.take(&not_served);
        initiator.take(&not_served);
        assert_eq!(initiator.ending().is_some(), round == 3);
        batch = initiator.fire(TimerKind::Retransmit).pop().unwrap_or(batch);
    }
    let expected = Ending::Abandoned(Abandoned::NotServed("no foo here".into()));
    assert_eq!(initiator.ending(), Some(&expected));

    let (mut initiator, batch) = asked("one");
    for _ in 0..10 {
        initiator.take(&refuse(&batch, FaultCode::Busy, ""));
        initiator.fire(TimerKind::Retransmit);
    }
    assert_eq!(initiator.ending(), None);
    initiator.fire(TimerKind::Initiation);
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::Busy))
    );
}

#[test]
fn row_08_a_refusal_by_one_does_not_outweigh_an_answer_by_another() {
    let (mut initiator, batch) = asked("one");
    initiator.take(&refuse(&batch, FaultCode::NotServed, ""));
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    initiator.take(&target.flush_one());
    initiator.take(&refuse(&batch, FaultCode::NotServed, ""));
    assert_eq!(initiator.heard(), ["sure"]);
    assert_eq!(initiator.ending(), None);
}

#[test]
fn row_09_an_initiating_frame_creates_a_target_that_accumulates() {
    let (_, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    assert_eq!(target.endpoint.stage(), Stage::Accumulating);
    assert_eq!(
        target.armed(TimerKind::Accumulate),
        Some(TIMEOUTS.initiation)
    );
    _ = target.step(Input::Consume);
    assert_eq!(target.heard(), ["one"]);
    let ack = ack_of(&mut target);
    assert_eq!(
        (ack.src_token, ack.ack, ack.flags.established),
        (Token([b'a'; 16]), 1, false)
    );
    assert_eq!(
        target.armed(TimerKind::Silence),
        None,
        "the accumulate deadline runs, not the silence clock"
    );
}

#[test]
fn row_10_more_from_the_same_initiator_is_accumulated_once() {
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.flush();
    initiator.tell("two");
    target.take(&initiator.flush_one());
    assert_eq!(target.heard(), ["one", "two"]);
    assert!(target.was_told(&Notice::Duplicate { seq: 1 }));
    assert_eq!(ack_of(&mut target).ack, 2);
    assert_eq!(target.endpoint.stage(), Stage::Accumulating);
}

#[test]
fn row_10_another_initiator_under_the_same_id_is_not_heard() {
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.flush();
    initiator.tell("two");
    let mut stranger = initiator.flush_one();
    stranger.src_token = Token([0xee; 16]);
    assert!(target.take(&stranger).is_empty());
    assert!(target.flush().is_empty());
    assert_eq!(target.heard(), ["one"]);
}

#[test]
fn row_12_an_answer_while_accumulating_carries_the_target_s_token() {
    let (_, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    assert!(target.endpoint.owed().contains(&1));
    target.answer(1, "sure");
    assert!(target.endpoint.owed().is_empty());
    let answer = target.flush_one();
    assert_eq!(
        (answer.kind, answer.src_token),
        (FrameKind::Data, Token([b'a'; 16]))
    );
    assert_eq!(
        (answer.to, answer.dst_token),
        (Role::Initiator, Some(Token([b'i'; 16])))
    );
    assert_eq!(answer.messages[0].kind, MessageKind::AnswerOk);
    assert_eq!(target.endpoint.stage(), Stage::Accumulating);
    assert_eq!(
        target.fire(TimerKind::Retransmit)[0].messages,
        answer.messages
    );
}

#[test]
fn row_13_any_frame_that_names_the_target_confirms_it_before_anything_is_delivered() {
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    initiator.take(&target.flush_one());
    initiator.ask("for ever");
    let mut data = initiator.flush_one();
    for kind in [
        FrameKind::Data,
        FrameKind::Bound,
        FrameKind::Ack,
        FrameKind::Ping,
    ] {
        data.kind = kind;
        let mut target = target.clone();
        let effects = target.step(Input::Frame(data.clone()));
        assert_eq!(effects.notices, [Notice::Confirmed]);
        assert_eq!(effects.deliver, None);
        assert!(
            effects.frames.is_empty(),
            "confirming emits nothing by itself"
        );
        assert_eq!(target.armed(TimerKind::Accumulate), None);
        let fault = FrameKind::Fault {
            code: FaultCode::Declined,
            detail: String::new(),
        };
        let mut declined = data.clone();
        declined.kind = fault;
        let mut target = target.clone();
        target.take(&declined);
    }
}

#[test]
fn row_13_neither_fault_nor_reset_confirms() {
    let (_, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    let answer = target.flush_one();
    let mut frame = batch.clone();
    frame.dst_token = Some(target.endpoint.token());
    frame.messages.clear();
    for kind in [
        FrameKind::Fault {
            code: FaultCode::PartnerGone,
            detail: String::new(),
        },
        FrameKind::Reset {
            reason: ResetReason::Superseded,
            echo_token: answer.src_token,
            echo_incarnation: answer.incarnation,
            echo_send_ctr: answer.send_ctr,
        },
    ] {
        let mut target = target.clone();
        frame.kind = kind;
        target.take(&frame);
        assert!(target.ending().is_some());
        assert!(!target.was_told(&Notice::Confirmed));
    }
}

#[test]
fn row_14_pending_work_is_discarded_when_superseded_unknown_or_too_old() {
    let (_, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    let answer = target.flush_one();
    let unknown = crate::protocol::reject(&answer).unwrap();

    let mut late = target.clone();
    late.fire(TimerKind::Accumulate);
    assert_eq!(late.ending(), Some(&Ending::Discarded));

    let mut forgotten = target.clone();
    let mut reset = unknown.clone();
    reset.src_store = batch.src_store;
    forgotten.take(&reset);
    assert_eq!(forgotten.ending(), Some(&Ending::Discarded));

    let mut stale = target.clone();
    let FrameKind::Reset {
        echo_incarnation, ..
    } = &mut reset.kind
    else {
        panic!()
    };
    *echo_incarnation = 7;
    stale.take(&reset);
    assert_eq!(stale.ending(), None, "the echo is of another life");

    let mut misrouted = target;
    let mut reset = unknown;
    reset.src_store = super::kit::store("x");
    assert!(misrouted.step(Input::Frame(reset)).locate);
    assert_eq!(misrouted.ending(), None);
}

#[test]
fn a_frame_of_another_dialog_has_no_effect() {
    let (mut initiator, mut target) = established();
    initiator.tell("mine");
    let mut frame = initiator.flush_one();
    frame.dialog = DialogId([9; 16]);
    assert_ne!(frame.dialog, dialog());
    assert_eq!(
        target.step(Input::Frame(frame)),
        crate::protocol::Effects::default()
    );
}
