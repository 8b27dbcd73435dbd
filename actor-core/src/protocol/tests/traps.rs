//! Plausible wrong implementations, each with the case that shows it wrong.

use super::kit::{Side, asked, established, settle};
use crate::protocol::{
    Destination, Durability, Ending, FaultCode, FrameKind, Input, MessageKind, Mode, Notice, Stage,
    TimerKind,
};

#[test]
fn a_handler_that_panics_costs_nothing_but_a_resend() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    let two = initiator.flush_one();
    let durable = serde_json::to_vec(&target.endpoint).unwrap();
    target.take(&two);
    target.tell("never said");
    target.endpoint = serde_json::from_slice(&durable).unwrap();
    assert!(
        target.flush().iter().all(|frame| frame.ack == 1),
        "not consumed, so not acknowledged"
    );
    target.take(&initiator.fire(TimerKind::Retransmit)[0]);
    settle(&mut initiator, &mut target);
    assert_eq!(initiator.heard(), ["hello yourself"]);
    assert_eq!(target.heard().last().map(String::as_str), Some("two"));
}

#[test]
fn a_binding_survives_the_crash_that_follows_it() {
    let (mut initiator, batch) = asked("one");
    let mut foo_a = Side::target("a", Mode::Pending, &batch);
    let mut foo_n = Side::target("n", Mode::Pending, &batch);
    for foo in [&mut foo_a, &mut foo_n] {
        _ = foo.step(Input::Consume);
        foo.answer(1, foo.name);
    }
    initiator.take(&foo_a.flush_one());
    initiator.restart();
    initiator.take(&foo_n.flush_one());
    assert_eq!(initiator.heard(), ["a"]);
    let frames = initiator.fire(TimerKind::Retransmit);
    assert!(
        frames
            .iter()
            .all(|frame| frame.dst_token == Some(foo_a.endpoint.token()))
    );
}

#[test]
fn a_tombstone_less_initiator_s_late_batch_makes_a_zombie_that_never_is_confirmed() {
    let (_, batch) = asked("one");
    let mut zombie = Side::target("z", Mode::Pending, &batch);
    _ = zombie.step(Input::Consume);
    zombie.answer(1, "sure");
    let mut reset = crate::protocol::reject(&zombie.flush_one()).unwrap();
    reset.src_store = batch.src_store;
    zombie.take(&reset);
    assert_eq!(zombie.ending(), Some(&Ending::Discarded));
    assert!(!zombie.was_told(&Notice::Confirmed));
}

#[test]
fn an_acknowledgement_never_reaches_the_application() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    target.take(&initiator.flush_one());
    let told = initiator.notices.len();
    initiator.take(&target.flush_one());
    assert_eq!(initiator.notices.len(), told);
    assert_eq!(initiator.delivered.len(), 1);
}

#[test]
fn a_volatile_initiator_that_lets_go_before_the_first_answer_drops_the_pending_work() {
    let mut initiator = Side::initiator_with(Mode::Pending, crate::protocol::Carrier::Remote, true);
    initiator.ask("one");
    let batch = initiator.flush_one();
    assert!(batch.flags.volatile_initiator);
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    let answer = target.flush_one();
    _ = initiator.step(Input::Abandon(FaultCode::PartnerGone, "dropped".into()));
    assert!(
        initiator.flush().is_empty(),
        "nobody is bound, so nobody is told before it speaks"
    );
    target.take(&initiator.take(&answer)[0]);
    assert_eq!(target.ending(), Some(&Ending::Discarded));
}

#[test]
fn a_bound_initiator_that_gives_up_before_consuming_the_answer_tells_the_target() {
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "sure");
    _ = initiator.step(Input::Frame(target.flush_one()));
    assert_eq!(initiator.endpoint.stage(), Stage::Bound);
    _ = initiator.step(Input::Abandon(FaultCode::PartnerGone, String::new()));
    let fault = initiator.flush_one();
    assert!(matches!(fault.kind, FrameKind::Fault { .. }));
    target.take(&fault);
    assert!(!target.was_told(&Notice::Confirmed));
    assert!(target.ending().is_some());
    assert!(!initiator.endpoint.was_established());
}

#[test]
fn what_only_forgets_is_lazy_and_what_only_repeats_is_not_written() {
    let (mut initiator, mut target) = established();
    initiator.tell("two");
    let two = initiator.flush_one();
    target.take(&two);
    let ack = target.flush_one();
    assert_eq!(
        initiator.step(Input::Frame(ack)).durability,
        Durability::Lazy
    );
    let mut again = target.step(Input::Frame(two));
    again.merge(target.step(Input::Flush));
    assert_eq!(
        (again.durability, again.frames.len()),
        (Durability::None, 1)
    );
    initiator.tell("three");
    initiator.flush();
    let mut retry = initiator.step(Input::Timer(TimerKind::Retransmit));
    retry.merge(initiator.step(Input::Flush));
    assert_eq!(retry.durability, Durability::None);
}

#[test]
fn a_request_that_will_not_be_answered_is_a_refusal_of_pending_work() {
    let (mut initiator, batch) = asked("one");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    _ = target.say(MessageKind::NoAnswer, 1, "");
    initiator.take(&target.flush_one());
    assert_eq!(initiator.ending(), Some(&Ending::Declined));
}

#[test]
fn mid_dialog_frames_go_to_the_store_that_remembers_never_to_the_service() {
    let (mut initiator, _) = established();
    initiator.tell("two");
    let effects = initiator.step(Input::Flush);
    let to = Destination::Store {
        store: super::kit::store("a"),
        node: "a".into(),
    };
    assert_eq!(effects.frames[0].0, to);
}

#[test]
fn a_quiet_dialog_sends_nothing() {
    let (mut initiator, mut target) = established();
    for side in [&mut initiator, &mut target] {
        assert_eq!(side.armed(TimerKind::Retransmit), None);
        assert!(side.fire(TimerKind::Retransmit).is_empty());
    }
}
