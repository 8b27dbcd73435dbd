//! Currency beside history, and events (P11, M11).

use super::kit::{Side, asked, established, outgoing, settle, shaken};
use crate::protocol::{
    Carrier, FaultCode, Frame, FrameError, Input, LocalItem, MAX_WHOLE_BYTES, Message, MessageKind,
    Mode, Notice, Outgoing, SendRefusal, TimerKind, handler_id,
};

fn currency(kind: MessageKind, topic: &str, text: &str) -> Outgoing {
    Outgoing {
        currency: true,
        handler: handler_id(topic),
        ..outgoing(kind, 0, text)
    }
}

/// A value of a topic, told by the initiator.
fn value(side: &mut Side, topic: &str, text: &str) {
    let told = side.step(Input::Send(currency(MessageKind::Tell, topic, text)));
    assert_eq!(told.notices, []);
}

fn event(side: &mut Side, text: &str) {
    _ = side.say(MessageKind::Event, 0, text);
}

fn seqs(side: &Side) -> Vec<u64> {
    side.endpoint.outbox().map(|message| message.seq).collect()
}

/// A frame of that side with these messages of it.
fn with(frame: &Frame, messages: &[&Message]) -> Frame {
    Frame {
        messages: messages.iter().copied().cloned().collect(),
        ..frame.clone()
    }
}

#[test]
fn currency_of_one_topic_leaves_only_its_newest_value_in_the_outbox() {
    let (mut initiator, mut target) = established();
    for text in ["1", "2", "3"] {
        value(&mut initiator, "price", text);
    }
    value(&mut initiator, "stock", "7");
    value(&mut initiator, "price", "4");
    assert_eq!(seqs(&initiator), [5, 6], "of each topic the newest");
    settle(&mut initiator, &mut target);
    assert_eq!(target.heard(), ["hello", "7", "4"]);
    assert_eq!(target.endpoint.recv_next(), 7);
    assert_eq!(seqs(&initiator), [0; 0], "acknowledged over the holes");
}

#[test]
fn currency_history_is_a_barrier_in_both_directions() {
    let (mut initiator, mut target) = established();
    value(&mut initiator, "price", "before");
    initiator.tell("buy");
    value(&mut initiator, "price", "between");
    value(&mut initiator, "price", "after");
    settle(&mut initiator, &mut target);
    assert_eq!(target.heard(), ["hello", "before", "buy", "after"]);
}

#[test]
fn currency_whose_older_value_was_lost_goes_on_without_it() {
    let (mut initiator, mut target) = established();
    value(&mut initiator, "price", "lost");
    _ = initiator.flush();
    value(&mut initiator, "price", "newer");
    let newer = initiator.flush_one();
    assert_eq!((newer.messages[0].seq, newer.messages[0].after), (3, 1));
    target.take(&newer);
    assert_eq!(target.heard(), ["hello", "newer"], "nothing is waited for");
    assert_eq!(target.flush_one().ack, 3);
}

#[test]
fn currency_never_goes_back() {
    let (mut initiator, mut target) = established();
    value(&mut initiator, "price", "old");
    let old = initiator.flush_one();
    value(&mut initiator, "price", "new");
    target.take(&initiator.flush_one());
    target.take(&old);
    assert_eq!(target.heard(), ["hello", "new"]);
    target.flush();
    target.restart();
    target.take(&old);
    assert_eq!(target.heard(), ["hello", "new"], "nor after a restart");
    assert!(target.was_told(&Notice::Duplicate { seq: 2 }));
}

#[test]
fn currency_that_was_consumed_before_it_was_superseded_is_no_trouble() {
    let (mut initiator, mut target) = established();
    value(&mut initiator, "price", "old");
    target.take(&initiator.flush_one());
    let ack = target.flush_one();
    value(&mut initiator, "price", "new");
    let new = initiator.flush_one();
    initiator.take(&ack);
    assert_eq!(seqs(&initiator), [3]);
    target.take(&new);
    assert_eq!(target.heard(), ["hello", "old", "new"]);
    settle(&mut initiator, &mut target);
    assert_eq!(seqs(&initiator), [0; 0]);
}

#[test]
fn currency_behind_a_hole_that_grew_arrives_with_the_next_retry() {
    let (mut initiator, mut target) = established();
    value(&mut initiator, "price", "lost");
    _ = initiator.flush();
    value(&mut initiator, "stock", "7");
    let stock = initiator.flush_one();
    target.take(&stock);
    assert_eq!(target.heard(), ["hello"], "what is missing may be history");
    // Whatever the target says of what it holds: it holds it with the shorter bridge.
    for frame in target.flush() {
        initiator.take(&frame);
    }
    value(&mut initiator, "price", "new");
    target.take(&initiator.flush_one());
    for frame in initiator.fire(TimerKind::Retransmit) {
        target.take(&frame);
    }
    assert_eq!(target.heard(), ["hello", "7", "new"]);
    target.take(&stock);
    assert_eq!(target.heard(), ["hello", "7", "new"]);
}

#[test]
fn currency_in_the_backlog_that_was_superseded_at_its_sender_blocks_nobody() {
    let (mut initiator, mut target) = established();
    value(&mut initiator, "stock", "lost");
    _ = initiator.flush();
    value(
        &mut initiator,
        "price",
        "held, and waits for what will never come",
    );
    target.take(&initiator.flush_one());
    value(&mut initiator, "stock", "7");
    value(&mut initiator, "price", "8");
    let both = initiator.flush_one();
    target.take(&with(&both, &[&both.messages[0]]));
    assert_eq!(target.heard(), ["hello", "7"]);
    target.take(&both);
    assert_eq!(target.heard(), ["hello", "7", "8"]);
}

#[test]
fn currency_in_the_backlog_gives_way_to_a_newer_value() {
    let (mut initiator, mut target) = established();
    let mut said = Vec::new();
    initiator.tell("first");
    said.extend(initiator.flush_one().messages);
    for (topic, text) in [("price", "old"), ("stock", "7"), ("price", "new")] {
        value(&mut initiator, topic, text);
        said.extend(initiator.flush_one().messages);
    }
    // As they were said before any was superseded.
    for message in &mut said {
        message.after = message.seq - 1;
    }
    initiator.tell("and");
    let frame = initiator.flush_one();
    let [first, old, stock, new] = said.as_slice() else {
        panic!("{said:?}")
    };
    target.take(&with(&frame, &[old]));
    target.take(&with(&frame, &[new]));
    target.take(&with(&frame, &[stock]));
    assert_eq!(target.heard(), ["hello"], "all wait for the first");
    target.take(&with(&frame, &[first]));
    assert_eq!(target.heard(), ["hello", "first", "7", "new"]);
}

#[test]
fn currency_in_the_backlog_does_not_give_way_over_what_may_be_history() {
    let (mut initiator, mut target) = established();
    value(&mut initiator, "price", "old");
    let old = initiator.flush_one();
    initiator.tell("buy");
    let buy = initiator.flush_one();
    value(&mut initiator, "price", "new");
    let new = initiator.flush_one();
    target.step(Input::Frame(new.clone())).frames.clear();
    _ = target.step(Input::Frame(old));
    target.take(&buy);
    assert_eq!(target.heard(), ["hello", "old", "buy", "new"]);
}

#[test]
fn currency_far_behind_a_slow_partner_fits_into_its_window() {
    let (mut initiator, mut target) = established();
    for round in 0..5000 {
        value(&mut initiator, "price", &round.to_string());
        if round % 500 == 0 {
            _ = initiator.flush();
        }
    }
    assert_eq!(seqs(&initiator), [5001]);
    settle(&mut initiator, &mut target);
    assert_eq!(target.heard(), ["hello", "4999"]);
    initiator.tell("and on");
    settle(&mut initiator, &mut target);
    assert_eq!(target.heard().len(), 3);
}

#[test]
fn currency_takes_the_place_of_its_older_value_in_a_full_outbox() {
    let (mut initiator, _) = established();
    for _ in 1..initiator.limits.max_outbox_messages {
        initiator.tell("more");
    }
    value(&mut initiator, "price", "old");
    let other = initiator.step(Input::Send(currency(MessageKind::Tell, "stock", "7")));
    assert_eq!(other.notices, [Notice::Refused(SendRefusal::Busy)]);
    value(&mut initiator, "price", "new");
    let large = "x".repeat(initiator.limits.max_message_bytes);
    initiator.limits.max_outbox_bytes = 1024;
    let grown = initiator.step(Input::Send(currency(MessageKind::Tell, "price", &large)));
    assert_eq!(grown.notices, [Notice::Refused(SendRefusal::Busy)]);
}

#[test]
fn currency_among_first_messages_is_superseded_and_the_rest_is_said_again() {
    let mut initiator = Side::initiator(Mode::Pending);
    value(&mut initiator, "price", "1");
    let first = initiator.flush_one();
    value(&mut initiator, "price", "2");
    initiator.ask("hello");
    let second = initiator.flush_one();
    assert_eq!(second.messages.len(), 2);
    let mut one = Side::target("a", Mode::Pending, &first);
    one.take(&second);
    while one.endpoint.has_next() {
        _ = one.step(Input::Consume);
    }
    assert_eq!(one.heard(), ["2", "hello"]);
    let mut twin = Side::target("n", Mode::Pending, &second);
    while twin.endpoint.has_next() {
        _ = twin.step(Input::Consume);
    }
    assert_eq!(twin.heard(), ["2", "hello"]);
}

#[test]
fn currency_is_heard_before_a_goodbye_and_before_a_fault() {
    for gives_up in [false, true] {
        let (mut initiator, mut target) = established();
        value(&mut initiator, "price", "old");
        value(&mut initiator, "price", "last");
        if gives_up {
            target.take(&initiator.flush_one());
            _ = initiator.step(Input::Abandon(FaultCode::Abandoned, String::new()));
        } else {
            _ = initiator.step(Input::Close);
        }
        settle(&mut initiator, &mut target);
        assert_eq!(target.heard(), ["hello", "last"]);
        assert!(target.ending().is_some());
    }
}

#[test]
fn currency_in_one_store_is_superseded_within_a_step() {
    let mut initiator = Side::initiator_with(Mode::Handshake, Carrier::Local, false);
    let opening = LocalItem::Open(crate::protocol::LocalOpen {
        ttl_ms: 0,
        trace: [0; 16],
        dialog: super::kit::dialog(),
        service: "foo".into(),
        mode: Mode::Handshake,
        contract: super::kit::CONTRACT,
        token: initiator.endpoint.token(),
        volatile: false,
        incarnation: 1,
    });
    let mut target = Side::local_target(&opening);
    value(&mut initiator, "price", "1");
    value(&mut initiator, "price", "2");
    initiator.tell("buy");
    let rows = initiator.flush_local();
    assert_eq!(rows.len(), 2);
    target.take_local(&rows);
    value(&mut initiator, "price", "3");
    target.take_local(&initiator.flush_local());
    let fault = initiator.step(Input::Abandon(FaultCode::Abandoned, String::new()));
    target.take_local(&fault.local);
    assert_eq!(target.heard(), ["2", "buy", "3"]);
    assert!(target.ending().is_some(), "the fault found its place");
}

#[test]
fn currency_that_wants_an_answer_is_no_frame_and_is_not_superseded() {
    let (mut initiator, _) = established();
    for text in ["one", "two"] {
        _ = initiator.step(Input::Send(currency(MessageKind::Ask, "price", text)));
    }
    assert_eq!(seqs(&initiator), [2, 3]);
    let mut frame = initiator.flush_one();
    frame.messages[0].currency = true;
    assert_eq!(
        Frame::decode(&frame.encode()),
        Err(FrameError::Invalid {
            field: "message flags"
        })
    );
    frame.messages[0].currency = false;
    frame.messages[0].after = 2;
    assert_eq!(
        Frame::decode(&frame.encode()),
        Err(FrameError::Invalid {
            field: "sequence number"
        })
    );
    frame.messages[0].seq = u64::MAX;
    assert!(Frame::decode(&frame.encode()).is_err());
}

#[test]
fn events_come_unasked_in_order_and_each_once() {
    for (mut initiator, mut target) in [established(), shaken()] {
        let before = initiator.delivered.len();
        event(&mut target, "picked");
        let picked = target.flush_one();
        event(&mut target, "packed");
        let packed = target.flush_one();
        initiator.take(&packed);
        initiator.take(&picked);
        initiator.take(&picked);
        assert_eq!(initiator.heard()[before..], ["picked", "packed"]);
        assert!(initiator.endpoint.unanswered().is_empty());
        assert!(target.endpoint.owed().is_empty());
    }
}

#[test]
fn events_are_not_said_by_pending_work_nor_by_an_initiator() {
    let (mut initiator, batch) = asked("hello");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    for side in [&mut target, &mut initiator] {
        event(side, "too early");
        assert!(side.was_told(&Notice::Refused(SendRefusal::NotEstablished)));
    }
}

#[test]
fn events_of_one_topic_that_wait_are_one() {
    let (mut initiator, mut target) = established();
    for text in ["10 %", "50 %", "90 %"] {
        _ = target.step(Input::Send(currency(MessageKind::Event, "progress", text)));
    }
    event(&mut target, "done");
    settle(&mut initiator, &mut target);
    assert_eq!(initiator.heard(), ["hello yourself", "90 %", "done"]);
}

#[test]
fn parts_of_a_value_that_was_superseded_are_dropped() {
    let (mut initiator, mut target) = established();
    for round in 0..100_u8 {
        // Of each value only the first part arrives, before the next value takes its place.
        let mut large = currency(MessageKind::Tell, "price", "");
        large.body = vec![round; 2 * MAX_WHOLE_BYTES].into();
        _ = initiator.step(Input::Send(large));
        let parts = initiator.flush();
        assert_eq!(parts.len(), 2);
        target.take(&parts[usize::from(round % 2)]);
    }
    // Late parts of an older one change nothing.
    value(&mut initiator, "price", "last");
    let last = initiator.flush_one();
    target.take(&last);
    assert_eq!(target.heard().last().map(String::as_str), Some("last"));
    let left = target.endpoint.holds_anything();
    assert!(!left, "nothing is left of them");
}

#[test]
fn the_next_message_is_the_one_behind_a_hole() {
    let (mut initiator, mut target) = established();
    value(&mut initiator, "price", "old");
    _ = initiator.flush();
    value(&mut initiator, "price", "new");
    let new = initiator.flush_one();
    _ = target.step(Input::Frame(new));
    assert!(target.endpoint.has_next());
    let next = target.endpoint.next_message().map(|message| message.seq);
    assert_eq!(next, Some(3));
}

#[cfg(feature = "mutants")]
#[test]
fn currency_that_goes_back_is_what_the_mutant_does() {
    use crate::protocol::{Env, Limits, Mutant};
    let (mut initiator, mut target) = established();
    value(&mut initiator, "price", "old");
    let old = initiator.flush_one();
    value(&mut initiator, "price", "new");
    target.take(&initiator.flush_one());
    let limits = Limits::default();
    let env = Env::new(&limits, target.store, 1).with_mutant(Some(Mutant::CurrencyGoesBack));
    _ = target.endpoint.step(Input::Frame(old), &env);
    let back = target.endpoint.step(Input::Consume, &env).deliver;
    assert_eq!(back.map(|message| message.seq), Some(2));
}
