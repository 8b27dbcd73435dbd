//! Helland's walk-through of an initiation that goes awry, step by step, and his other sentences.

use super::kit::{Side, settle};
use crate::protocol::{Ending, FrameKind, Input, Mode, Notice, ResetReason, TimerKind};

/// Work for all three messages: the one request among them is answered.
fn perform(foo: &mut Side) {
    while foo.endpoint.has_next() {
        _ = foo.step(Input::Consume);
    }
    assert_eq!(foo.heard(), ["1", "2", "3"]);
    foo.answer(3, foo.name);
}

#[test]
fn article_foo_a_foo_n() {
    // "A sequence of messages (1, 2, and 3) is sent to service Foo, and the load-balancer selects Foo A."
    let mut initiator = Side::initiator(Mode::Pending);
    initiator.tell("1");
    initiator.tell("2");
    initiator.ask("3");
    let to_a = initiator.flush_one();
    let mut foo_a = Side::target("a", Mode::Pending, &to_a);

    // "The work for the messages is performed at Foo A."
    perform(&mut foo_a);

    // "The answer is sent back indicating future messages should target Foo A as a resolved name. Unfortunately, the
    // reply is lost by the flaky network transport."
    let lost_for_now = foo_a.flush_one();

    // "A retry to service Foo happens, and the messages are sent to server Foo N."
    let to_n = initiator.fire(TimerKind::Retransmit).remove(0);
    assert_eq!(to_n.messages, to_a.messages);
    let mut foo_n = Side::target("n", Mode::Pending, &to_n);

    // "The work for messages 1, 2, and 3 is performed at server Foo N."
    perform(&mut foo_n);

    // "The response is sent back to the initiator who now knows to keep chatting with Foo N."
    initiator.take(&foo_n.flush_one());
    assert_eq!(initiator.heard(), ["n"]);
    settle(&mut initiator, &mut foo_n);
    assert!(foo_n.was_told(&Notice::Confirmed));

    // "Somehow, we must ensure the redundant work performed at Foo A is not a problem."
    let resets = initiator.take(&lost_for_now);
    assert!(matches!(
        resets[0].kind,
        FrameKind::Reset {
            reason: ResetReason::Superseded,
            ..
        }
    ));
    foo_a.take(&resets[0]);
    assert_eq!(foo_a.ending(), Some(&Ending::Discarded));
    assert!(!foo_a.was_told(&Notice::Confirmed));

    initiator.tell("4");
    settle(&mut initiator, &mut foo_n);
    assert_eq!(foo_n.heard(), ["1", "2", "3", "4"]);
}

#[test]
fn if_no_word_reaches_the_redundant_instance_its_work_times_out_without_introducing_bugs() {
    let mut initiator = Side::initiator(Mode::Pending);
    initiator.tell("1");
    initiator.tell("2");
    initiator.ask("3");
    let mut foo_a = Side::target("a", Mode::Pending, &initiator.flush_one());
    perform(&mut foo_a);
    foo_a.flush();
    foo_a.fire(TimerKind::Accumulate);
    assert_eq!(foo_a.ending(), Some(&Ending::Discarded));
    assert!(!foo_a.was_told(&Notice::Confirmed));
}

#[test]
fn messages_that_land_on_two_instances_are_never_merged_into_one_set() {
    let mut initiator = Side::initiator(Mode::Pending);
    initiator.ask("1");
    let first = initiator.flush_one();
    initiator.ask("2");
    let both = initiator.flush_one();
    let mut foo_a = Side::target("a", Mode::Pending, &first);
    let mut foo_n = Side::target("n", Mode::Pending, &both);
    for foo in [&mut foo_a, &mut foo_n] {
        while foo.endpoint.has_next() {
            _ = foo.step(Input::Consume);
        }
    }
    foo_a.answer(1, "a answers 1");
    foo_n.answer(1, "n answers 1");
    let from_a = foo_a.flush_one();
    foo_n.flush();
    foo_n.answer(2, "n answers 2");
    let from_n = foo_n.flush_one();
    assert_eq!(
        (from_a.messages[0].seq, from_n.messages[0].seq),
        (1, 2),
        "they look contiguous"
    );
    initiator.take(&from_a);
    initiator.take(&from_n);
    assert_eq!(initiator.heard(), ["a answers 1"]);
}

#[test]
fn with_the_trick_of_tcp_the_application_is_not_bothered_by_initiation() {
    let mut initiator = Side::initiator(Mode::Handshake);
    initiator.ask("withdraw $1,000,000,000");
    let (syn, again) = (
        initiator.flush_one(),
        initiator.fire(TimerKind::Retransmit).remove(0),
    );
    let mut foo_a = Side::target("a", Mode::Handshake, &syn);
    let mut foo_n = Side::target("n", Mode::Handshake, &again);
    let (from_a, from_n) = (foo_a.flush_one(), foo_n.flush_one());
    initiator.take(&from_n);
    foo_a.take(&initiator.take(&from_a)[0]);
    settle(&mut initiator, &mut foo_n);
    assert!(foo_a.delivered.is_empty());
    assert_eq!(foo_a.ending(), Some(&Ending::Discarded));
    assert_eq!(foo_n.heard(), ["withdraw $1,000,000,000"]);
    assert_eq!(foo_n.notices, [Notice::Confirmed]);
}

#[test]
fn a_gnome_that_repeats_every_frame_at_the_worst_time_changes_nothing() {
    let mut initiator = Side::initiator(Mode::Pending);
    initiator.ask("1");
    let mut seen = vec![initiator.flush_one()];
    let mut foo = Side::target("a", Mode::Pending, &seen[0]);
    _ = foo.step(Input::Consume);
    foo.answer(1, "sure");
    for _ in 0..4 {
        for frame in foo.flush() {
            initiator.take(&frame);
            seen.push(frame);
        }
        initiator.tell("more");
        for frame in initiator.flush() {
            foo.take(&frame);
            seen.push(frame);
        }
    }
    _ = initiator.step(Input::Close);
    settle(&mut initiator, &mut foo);
    let (before, after) = (
        (initiator.heard(), foo.heard()),
        foo.notices
            .iter()
            .filter(|n| **n == Notice::Confirmed)
            .count(),
    );
    for frame in seen.iter().rev().chain(&seen) {
        initiator.take(frame);
        foo.take(frame);
        initiator.flush();
        foo.flush();
    }
    assert_eq!((initiator.heard(), foo.heard()), before);
    assert_eq!(after, 1);
    assert_eq!(
        (initiator.ending(), foo.ending()),
        (Some(&Ending::Completed), Some(&Ending::Completed))
    );
}
