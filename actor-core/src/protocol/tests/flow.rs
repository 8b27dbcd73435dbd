//! Windows, and what need not be said again: kept, probed, and never a reason to lose a message.

use super::kit::{Rng, Side, asked, established, outgoing, settle};
use crate::protocol::{
    Backlog, Frame, FrameKind, Input, MAX_WHOLE_BYTES, MessageKind, Mode, Notice, SendRefusal,
    Stage, TimerKind, TimerOp, Window,
};

fn numbers(frames: &[Frame]) -> Vec<u64> {
    let messages = frames.iter().flat_map(|frame| &frame.messages);
    messages.map(|message| message.seq).collect()
}

/// The application has put off so many messages.
fn put_off(side: &mut Side, messages: u64) -> Vec<Frame> {
    let backlog = Backlog {
        messages,
        from_partner: messages,
        bytes: 0,
    };
    _ = side.step(Input::Backlog(backlog));
    side.flush()
}

/// Each of the messages in a frame of its own.
fn tell_apart(side: &mut Side, count: usize) -> Vec<Frame> {
    (0..count)
        .map(|at| {
            side.tell(&format!("part {at}"));
            side.flush_one()
        })
        .collect()
}

#[test]
fn what_is_held_is_not_said_again_and_still_not_forgotten() {
    let (mut initiator, mut target) = established();
    let frames = tell_apart(&mut initiator, 4);
    target.take(&frames[1]);
    target.take(&frames[3]);
    let ack = target.flush_one();
    assert_eq!(
        (ack.kind.clone(), ack.ack, ack.sack),
        (FrameKind::Ack, 1, 0b1010)
    );
    initiator.take(&ack);
    assert_eq!(
        initiator.endpoint.outbox().count(),
        4,
        "nothing is forgotten"
    );
    assert_eq!(numbers(&initiator.fire(TimerKind::Retransmit)), [2, 4]);
}

#[test]
fn one_who_lost_what_it_held_hears_it_again() {
    let (mut initiator, mut target) = established();
    let frames = tell_apart(&mut initiator, 4);
    target.take(&frames[1]);
    target.take(&frames[3]);
    initiator.take(&target.flush_one());
    target.restart();
    let missing = initiator.fire(TimerKind::Retransmit);
    assert_eq!(
        numbers(&missing),
        [2, 4],
        "nothing is known of the crash yet"
    );
    for frame in &missing {
        target.take(frame);
    }
    for ack in target.flush() {
        initiator.take(&ack);
    }
    // Its first word after the crash tells: 3 and 5 are gone.
    settle(&mut initiator, &mut target);
    assert_eq!(target.delivered.len(), 5);
    assert_eq!(initiator.endpoint.outbox().count(), 0);
}

#[test]
fn one_who_says_it_holds_everything_and_then_falls_silent_is_not_believed_for_ever() {
    let (mut initiator, mut target) = established();
    tell_apart(&mut initiator, 3);
    initiator.tell("four");
    let last = initiator.flush_one();
    target.take(&last);
    let mut claim = target.flush_one();
    claim.sack = u64::MAX;
    initiator.take(&claim);
    let first = initiator.fire(TimerKind::Retransmit);
    assert_eq!(first[0].kind, FrameKind::Ping, "it is asked");
    _ = initiator.fire(TimerKind::Retransmit);
    let frames = initiator.fire(TimerKind::Retransmit);
    assert_eq!(
        numbers(&frames),
        [2, 3, 4, 5],
        "nothing helps but saying it"
    );
}

#[test]
fn an_older_frame_does_not_bring_back_an_older_window() {
    let (mut initiator, mut target) = established();
    let shut = put_off(&mut target, 1024);
    assert!(shut.is_empty(), "shutting the window is no news");
    tell_apart(&mut initiator, 1)
        .iter()
        .for_each(|frame| _ = target.take(frame));
    let before = target.flush_one();
    assert_eq!(before.window, Some(Window::default()));
    let after = put_off(&mut target, 0).remove(0);
    assert!(after.window.unwrap().is_open());
    initiator.take(&after);
    initiator.take(&before);
    initiator.tell("more");
    assert_eq!(numbers(&initiator.flush()), [3]);
    let again = initiator.fire(TimerKind::Retransmit);
    assert_eq!(numbers(&again), [2, 3], "what was refused, too");
}

#[test]
fn a_shut_window_is_kept_and_probed_and_its_opening_is_heard() {
    let (mut initiator, mut target) = established();
    put_off(&mut target, 1024);
    tell_apart(&mut initiator, 1)
        .iter()
        .for_each(|frame| _ = target.take(frame));
    assert_eq!(target.delivered.len(), 1, "not even the next one is taken");
    let shut = target.flush_one();
    assert_eq!((shut.ack, shut.window), (1, Some(Window::default())));
    initiator.take(&shut);
    initiator.tell("more");
    assert!(initiator.flush().is_empty());
    let mut delays = Vec::new();
    for _ in 0..4 {
        let probe = initiator.fire(TimerKind::Retransmit).remove(0);
        assert_eq!((&probe.kind, probe.messages.len()), (&FrameKind::Ping, 0));
        target.take(&probe);
        initiator.take(&target.flush_one());
        delays.push(initiator.armed(TimerKind::Retransmit).unwrap());
    }
    assert!(delays.is_sorted() && delays[0] < delays[3], "with patience");
    // The news of the opening is lost; the next question finds out.
    assert_eq!(put_off(&mut target, 0).len(), 1);
    let probe = initiator.fire(TimerKind::Retransmit).remove(0);
    target.take(&probe);
    settle(&mut initiator, &mut target);
    assert_eq!(target.delivered.len(), 3);
}

#[test]
fn a_partner_whose_window_is_shut_is_not_silent() {
    let (mut initiator, mut target) = established();
    put_off(&mut target, 1024);
    initiator.tell("waits outside");
    target.fire(TimerKind::Silence);
    assert_eq!(target.endpoint.stage(), Stage::Established);
    assert!(matches!(
        target.timers.last(),
        Some(TimerOp::Arm(TimerKind::Silence, _))
    ));
    put_off(&mut target, 0);
    target.fire(TimerKind::Silence);
    assert_eq!(target.endpoint.stage(), Stage::Ended);
}

#[test]
fn answers_find_room_where_requests_do_not() {
    let (mut initiator, mut target) = established();
    put_off(&mut initiator, 5000);
    put_off(&mut target, 5000);
    initiator.ask("two");
    for frame in initiator.flush() {
        target.take(&frame);
    }
    target.tell("said by the target");
    settle_some(&mut initiator, &mut target);
    assert!(initiator.heard().contains(&"said by the target".to_owned()));
    assert_eq!(target.delivered.len(), 1, "the request waits");
}

/// What is there now, without retries.
fn settle_some(one: &mut Side, other: &mut Side) {
    for _ in 0..3 {
        for frame in one.flush() {
            other.take(&frame);
        }
        for frame in other.flush() {
            one.take(&frame);
        }
    }
}

#[test]
fn bytes_are_counted_too_and_the_next_message_always_fits() {
    let (mut initiator, mut target) = established();
    target.limits.max_backlog_bytes = 250;
    initiator.tell(&"x".repeat(400));
    let large = initiator.flush_one();
    target.take(&large);
    assert_eq!(target.delivered.len(), 2, "the next one, however long");
    initiator.take(&target.flush_one());
    for _ in 0..4 {
        initiator.tell(&"x".repeat(100));
    }
    let frames = initiator.flush();
    assert_eq!(numbers(&frames), [3, 4]);
    frames.iter().for_each(|frame| _ = target.take(frame));
    settle(&mut initiator, &mut target);
    assert_eq!(target.delivered.len(), 6);
}

/// Losses, repetitions, reordering, crashes and windows that come and go: whatever a sender was told last, by the newest
/// frame it has, it keeps to; and in the end everything arrives once and in order.
#[test]
fn no_window_is_overrun_and_nothing_is_lost_whatever_the_network_does() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let (mut initiator, mut target) = established();
        target.limits.max_backlog_messages = 6;
        let mut way: Vec<(bool, Frame)> = Vec::new();
        let mut told: ((u64, u64), Option<u64>) = ((0, 0), None);
        let (mut said, mut acked) = (0_u64, 1);
        for _ in 0..400 {
            match rng.below(12) {
                0..3 if said < 30 => {
                    said += 1;
                    initiator.tell(&said.to_string());
                }
                3 => {
                    let put_off = rng.below(8);
                    let backlog = Backlog {
                        from_partner: 0,
                        messages: put_off,
                        bytes: 0,
                    };
                    _ = target.step(Input::Backlog(backlog));
                }
                4 if rng.chance(10) => {
                    target.restart();
                }
                5 if rng.chance(10) => {
                    initiator.restart();
                    told = ((0, 0), None);
                }
                6 => _ = initiator.step(Input::Timer(TimerKind::Retransmit)),
                7 => _ = target.step(Input::Timer(TimerKind::Retransmit)),
                _ if !way.is_empty() => {
                    let pick = rng.below(way.len() as u64) as usize;
                    let (to_target, frame) = if rng.chance(15) {
                        way[pick].clone()
                    } else {
                        way.swap_remove(pick)
                    };
                    if rng.chance(15) {
                        continue;
                    }
                    if to_target {
                        target.take(&frame);
                    } else {
                        let age = (frame.incarnation, frame.send_ctr);
                        acked = acked.max(frame.ack);
                        if age > told.0 && frame.ack == acked {
                            let limit = frame
                                .window
                                .map(|window| frame.ack + u64::from(window.messages));
                            told = (age, limit.or(told.1));
                        }
                        initiator.take(&frame);
                    }
                }
                _ => {}
            }
            for frame in initiator.flush() {
                for seq in numbers(std::slice::from_ref(&frame)) {
                    assert!(
                        told.1.is_none_or(|limit| seq <= limit),
                        "seed {seed}: {seq} over {told:?}"
                    );
                }
                way.push((true, frame));
            }
            way.extend(target.flush().into_iter().map(|frame| (false, frame)));
        }
        _ = put_off(&mut target, 0);
        for _ in 0..40 {
            if initiator.endpoint.outbox().count() == 0 {
                break;
            }
            for frame in initiator.fire(TimerKind::Retransmit) {
                target.take(&frame);
            }
            settle(&mut initiator, &mut target);
        }
        let heard: Vec<String> = target.heard().split_off(1);
        let expected: Vec<String> = (1..=said).map(|n| n.to_string()).collect();
        assert_eq!(heard, expected, "seed {seed}");
        _ = initiator.say(MessageKind::Ask, 0, "still there");
        assert_eq!(initiator.endpoint.stage(), Stage::Established);
    }
}

/// A text of so many bytes, no part of which is like another.
fn long(bytes: usize) -> String {
    (0..bytes)
        .map(|at| char::from(b'a' + (at / 3 % 26) as u8))
        .collect()
}

#[test]
fn a_large_message_comes_in_parts_and_is_one_message() {
    let (mut initiator, mut target) = established();
    let text = long(3 * MAX_WHOLE_BYTES + 5);
    initiator.tell("before");
    initiator.tell(&text);
    initiator.tell("after");
    let frames = initiator.flush();
    assert_eq!(numbers(&frames), [2, 3, 3, 3, 3, 4]);
    let parts = frames
        .iter()
        .filter(|frame| matches!(frame.kind, FrameKind::Part { .. }));
    assert_eq!(parts.count(), 4);
    // In the worst order, and each twice.
    for frame in frames.iter().rev().chain(&frames) {
        assert!(target.heard().len() < 3 || target.heard().len() == 4);
        target.take(frame);
    }
    assert_eq!(target.heard()[1..], ["before", &text, "after"]);
    settle(&mut initiator, &mut target);
    assert_eq!(initiator.endpoint.outbox().count(), 0);
}

#[test]
fn a_lost_part_is_said_again_and_the_others_are_kept() {
    let (mut initiator, mut target) = established();
    let text = long(3 * MAX_WHOLE_BYTES);
    initiator.tell(&text);
    let frames = initiator.flush();
    target.take(&frames[0]);
    target.take(&frames[2]);
    assert!(target.flush().is_empty(), "a part is not a message");
    let again = initiator.fire(TimerKind::Retransmit);
    target.take(&again[1]);
    assert_eq!(target.heard()[1..], [text]);
}

#[test]
fn parts_die_with_their_process_and_the_message_does_not() {
    for who in 0..2 {
        let (mut initiator, mut target) = established();
        let text = long(2 * MAX_WHOLE_BYTES);
        initiator.tell(&text);
        let frames = initiator.flush();
        target.take(&frames[0]);
        if who == 0 {
            target.restart();
        } else {
            initiator.restart();
        }
        target.take(&frames[1]);
        assert_eq!(target.heard().len(), 1 + who);
        for frame in initiator.fire(TimerKind::Retransmit) {
            target.take(&frame);
        }
        assert_eq!(target.heard()[1..], [text]);
    }
}

#[test]
fn a_first_answer_in_parts_binds_and_establishes() {
    let (mut initiator, batch) = asked("how much is it?");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    let text = long(2 * MAX_WHOLE_BYTES + 1);
    target.answer(1, &text);
    let frames = target.flush();
    assert_eq!(frames.len(), 3);
    initiator.take(&frames[2]);
    assert_eq!(initiator.endpoint.stage(), Stage::Bound);
    initiator.take(&frames[0]);
    assert!(!initiator.was_told(&Notice::Established));
    initiator.take(&frames[1]);
    assert!(initiator.was_told(&Notice::Established));
    assert_eq!(initiator.heard(), [text]);
    settle(&mut initiator, &mut target);
    assert!(target.was_told(&Notice::Confirmed));
}

#[test]
fn an_opening_stays_within_one_frame_and_a_message_within_its_limit() {
    let (mut initiator, _) = asked("one");
    initiator.tell(&long(initiator.limits.max_initiation_bytes + 1));
    assert!(initiator.was_told(&Notice::Refused(SendRefusal::TooLarge)));
    let (mut initiator, _) = established();
    let limit = initiator.limits.max_message_bytes;
    assert_eq!(initiator.endpoint.message_limit(&initiator.limits), limit);
    let can = |side: &Side, bytes| side.endpoint.can_send(bytes, &side.limits);
    assert_eq!(can(&initiator, limit + 1), Err(SendRefusal::TooLarge));
    assert_eq!(can(&initiator, limit), Ok(()));
    initiator.limits.max_message_bytes = usize::MAX;
    let most = crate::protocol::MAX_MESSAGE_BYTES;
    assert_eq!(can(&initiator, most), Ok(()), "an empty outbox takes it");
    assert_eq!(can(&initiator, most + 1), Err(SendRefusal::TooLarge));
    initiator.tell("something");
    assert_eq!(can(&initiator, most), Err(SendRefusal::Busy));
}

#[test]
fn large_answers_that_nobody_takes_shut_the_window() {
    let (mut initiator, mut target) = established();
    for _ in 0..3 {
        initiator.ask("a lot");
    }
    for frame in initiator.flush() {
        target.take(&frame);
    }
    target.limits.max_backlog_bytes = MAX_WHOLE_BYTES;
    target.answer(2, &long(MAX_WHOLE_BYTES));
    let answer = target.flush_one();
    assert_eq!(answer.window, Some(Window::default()));
    initiator.take(&answer);
    initiator.ask("more");
    let ack = initiator.flush_one();
    assert_eq!((&ack.kind, ack.ack), (&FrameKind::Ack, 2), "it waits");
    target.take(&ack);
    let opened = target.flush_one();
    assert!(opened.window.unwrap().is_open());
    initiator.take(&opened);
    assert_eq!(numbers(&initiator.flush()), [5]);
}

#[test]
fn the_record_leaves_large_bodies_out() {
    let (mut initiator, _) = established();
    initiator.tell("small");
    initiator.tell(&long(5000));
    let record = |side: &Side| serde_json::to_vec(&side.endpoint).unwrap();
    let bytes = record(&initiator);
    assert!(bytes.len() < 3000, "{}", bytes.len());
    let stowed: Vec<u64> = initiator
        .endpoint
        .stowed()
        .map(|message| message.seq)
        .collect();
    assert_eq!(stowed, [3]);
    let before: Vec<_> = initiator.endpoint.outbox().cloned().collect();
    initiator.restart();
    assert!(initiator.endpoint.outbox().eq(&before), "given back");
    assert_eq!(record(&initiator), bytes);
}

#[test]
fn what_is_held_with_a_bridge_that_is_too_short_is_said_again() {
    let (mut initiator, mut target) = established();
    let value = |side: &mut Side, topic: u32, text: &str| {
        let mut outgoing = outgoing(MessageKind::Tell, 0, text);
        (outgoing.currency, outgoing.handler) = (true, topic);
        _ = side.step(Input::Send(outgoing));
        side.flush_one()
    };
    initiator.tell("two");
    let _lost = initiator.flush_one();
    let _lost = value(&mut initiator, 1, "old price");
    let stock = value(&mut initiator, 2, "stock");
    target.take(&stock);
    let ack = target.flush_one();
    assert_eq!((ack.ack, ack.sack), (1, 0b100));
    initiator.take(&ack);
    // The stock is held, and waits for the old price, which nobody will say again.
    let _lost = value(&mut initiator, 1, "new price");
    let again = initiator.fire(TimerKind::Retransmit);
    assert_eq!(numbers(&again), [2, 4, 5]);
    again.iter().for_each(|frame| _ = target.take(frame));
    assert_eq!(target.heard(), ["hello", "two", "stock", "new price"]);
}

#[test]
fn numbers_that_were_superseded_count_as_here() {
    let (mut initiator, mut target) = established();
    let value = |side: &mut Side, text: &str| {
        let mut outgoing = outgoing(MessageKind::Tell, 0, text);
        outgoing.currency = true;
        _ = side.step(Input::Send(outgoing));
        side.flush_one()
    };
    initiator.tell("two");
    let two = initiator.flush_one();
    let _lost = value(&mut initiator, "old");
    initiator.tell("four");
    let four = initiator.flush_one();
    target.take(&four);
    let ack = target.flush_one();
    assert_eq!((ack.ack, ack.sack), (1, 0b100));
    initiator.take(&ack);
    assert_eq!(numbers(&initiator.fire(TimerKind::Retransmit)), [2, 3]);
    target.take(&two);
    settle(&mut initiator, &mut target);
    for frame in initiator.fire(TimerKind::Retransmit) {
        target.take(&frame);
    }
    assert_eq!(target.heard(), ["hello", "two", "old", "four"]);
    // Of two values only the newer is here: the older one is bridged, and counts as here.
    initiator.tell("five");
    let _lost = initiator.flush_one();
    _ = value(&mut initiator, "first");
    let second = value(&mut initiator, "second");
    target.take(&second);
    let ack = target.flush_one();
    let here = second.messages[0].seq - ack.ack;
    assert_eq!(ack.sack, 0b11 << (here - 2), "{ack:?}");
    initiator.take(&ack);
    settle(&mut initiator, &mut target);
    for frame in initiator.fire(TimerKind::Retransmit) {
        target.take(&frame);
    }
    assert_eq!(target.heard()[4..], ["five", "second"]);
}
