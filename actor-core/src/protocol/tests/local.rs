//! The other carrier: both endpoints in one store.

use super::kit::{Side, dialog};
use crate::protocol::{
    Abandoned, Carrier, Ending, Endpoint, EndpointKey, FaultCode, Frame, FrameFlags, FrameKind,
    Input, LocalItem, Message, MessageKind, Mode, Notice, Role, SendRefusal, Stage, StoreId,
    TimerKind, Token,
};

/// Both sides, born; what was said at once is in the target's inbox.
fn open(mode: Mode, texts: &[&str]) -> (Side, Side) {
    let mut initiator = Side::initiator_with(mode, Carrier::Local, false);
    let opening = {
        let limits = initiator.limits.clone();
        let env = crate::protocol::Env::new(&limits, initiator.store, 1);
        let (_, effects) = Endpoint::initiate(
            dialog(),
            initiator.endpoint.token(),
            "foo",
            mode,
            Carrier::Local,
            super::kit::TIMEOUTS,
            super::kit::CONTRACT,
            false,
            &env,
        );
        effects.local
    };
    for text in texts {
        initiator.ask(text);
    }
    let rows = initiator.flush_local();
    let mut target = Side::local_target(&opening[0]);
    target.take_local(&rows);
    (initiator, target)
}

fn settle(initiator: &mut Side, target: &mut Side) {
    loop {
        let (from_initiator, from_target) = (initiator.flush_local(), target.flush_local());
        if from_initiator.is_empty() && from_target.is_empty() {
            return;
        }
        target.take_local(&from_initiator);
        initiator.take_local(&from_target);
    }
}

#[test]
fn a_local_dialog_is_born_bound_and_after_a_handshake_confirmed_at_once() {
    let (initiator, target) = open(Mode::Handshake, &["one"]);
    assert_eq!(initiator.notices, [Notice::Bound]);
    assert_eq!(target.notices, [Notice::Confirmed]);
    assert_eq!(target.heard(), ["one"]);
    assert_eq!(
        initiator.endpoint.outbox().count(),
        0,
        "the partner's inbox is the only copy"
    );
    assert_eq!(initiator.armed(TimerKind::Retransmit), None);
}

#[test]
fn local_pending_work_is_confirmed_by_its_own_first_answer_in_the_same_step() {
    let (mut initiator, mut target) = open(Mode::Pending, &["one"]);
    assert_eq!(target.endpoint.stage(), Stage::Accumulating);
    let effects = target.say(MessageKind::AnswerOk, 1, "sure");
    assert_eq!(effects.notices, [Notice::Confirmed]);
    settle(&mut initiator, &mut target);
    assert_eq!(initiator.notices, [Notice::Bound, Notice::Established]);
    assert_eq!(initiator.heard(), ["sure"]);
}

#[test]
fn a_local_refusal_declines_both_sides() {
    let (mut initiator, mut target) = open(Mode::Pending, &["one"]);
    let refusal = target.say(MessageKind::AnswerErr, 1, "unknown sku");
    initiator.take_local(&refusal.local);
    settle(&mut initiator, &mut target);
    assert_eq!(
        (initiator.ending(), target.ending()),
        (Some(&Ending::Declined), Some(&Ending::Declined))
    );
    assert_eq!(initiator.heard(), ["unknown sku"]);
    assert!(!target.was_told(&Notice::Confirmed));
    assert!(
        initiator.endpoint.fully_over() && target.endpoint.fully_over(),
        "no tombstone"
    );
}

#[test]
fn a_local_dialog_closes_by_goodbyes_alone() {
    let (mut initiator, mut target) = open(Mode::Handshake, &["one"]);
    target.answer(1, "sure");
    settle(&mut initiator, &mut target);
    initiator.ask("finish");
    _ = initiator.step(Input::Close);
    target.take_local(&initiator.flush_local());
    target.answer(2, "finished");
    settle(&mut initiator, &mut target);
    assert_eq!(
        (initiator.ending(), target.ending()),
        (Some(&Ending::Completed), Some(&Ending::Completed))
    );
    assert!(initiator.endpoint.fully_over() && target.endpoint.fully_over());
    assert_eq!(initiator.armed(TimerKind::Linger), None);
}

#[test]
fn a_local_fault_is_heard_in_its_place() {
    let (mut initiator, mut target) = open(Mode::Handshake, &[]);
    initiator.tell("last words");
    let mut rows = initiator.flush_local();
    initiator.tell("dropped with the step");
    rows.extend(
        initiator
            .step(Input::Abandon(FaultCode::Abandoned, "bye".into()))
            .local,
    );
    assert!(initiator.endpoint.fully_over());
    rows.reverse();
    target.take_local(&rows);
    assert_eq!(target.heard(), ["last words"]);
    assert_eq!(
        target.ending(),
        Some(&Ending::Abandoned(Abandoned::ByPartner("bye".into())))
    );
}

#[test]
fn a_local_opening_that_is_not_served_comes_back_as_a_fault() {
    let (mut initiator, _) = open(Mode::Pending, &["one"]);
    let refusal = LocalItem::Fault {
        seq: 1,
        code: FaultCode::NotServed,
        detail: "no foo".into(),
    };
    initiator.take_local(&[refusal]);
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::NotServed("no foo".into())))
    );
    assert!(!initiator.endpoint.was_established());
}

#[test]
fn rows_that_are_fed_again_after_a_restart_are_consumed_once() {
    let (mut initiator, mut target) = open(Mode::Handshake, &[]);
    initiator.tell("one");
    let rows = initiator.flush_local();
    target.take_local(&rows);
    target.restart();
    target.take_local(&rows);
    assert_eq!(target.heard(), ["one"]);
}

#[test]
fn local_pending_work_that_nobody_confirms_ends_both_sides() {
    let (mut initiator, mut target) = open(Mode::Pending, &["one"]);
    let rows = target.step(Input::Timer(TimerKind::Accumulate)).local;
    initiator.take_local(&rows);
    assert_eq!(target.ending(), Some(&Ending::Discarded));
    assert_eq!(
        initiator.ending(),
        Some(&Ending::Abandoned(Abandoned::PartnerTimedOut))
    );
}

#[test]
fn the_first_words_are_as_limited_as_on_the_wire() {
    let (mut initiator, _) = open(Mode::Pending, &["more"; 64]);
    initiator.tell("too much");
    assert!(initiator.was_told(&Notice::Refused(SendRefusal::InitWindowFull)));
}

#[test]
fn frames_for_a_local_endpoint_are_for_nobody() {
    let (mut initiator, _) = open(Mode::Handshake, &[]);
    let frame = Frame {
        kind: FrameKind::Data,
        dialog: dialog(),
        to: Role::Initiator,
        service: String::new(),
        src_store: StoreId([9; 16]),
        src_node: "x".into(),
        src_token: Token([8; 16]),
        dst_token: Some(initiator.endpoint.token()),
        incarnation: 1,
        send_ctr: 1,
        ack: 0,
        sack: 0,
        window: None,
        flags: FrameFlags::default(),
        contract: 0,
        ttl_ms: 0,
        trace: [0; 16],
        messages: vec![Message {
            seq: 1,
            after: 0,
            currency: false,
            fin: false,
            kind: MessageKind::Tell,
            re: 0,
            handler: 1,
            version: 1,
            body: [].into(),
        }],
    };
    assert_eq!(
        frame.key(),
        EndpointKey {
            dialog: dialog(),
            role: Role::Initiator
        }
    );
    let frames = initiator.take(&frame);
    assert!(matches!(frames[0].kind, FrameKind::Reset { .. }));
    assert!(initiator.delivered.is_empty());
}

#[test]
fn a_local_target_is_written_with_a_whole_peer_and_needs_only_its_slot() {
    let (initiator, target) = open(Mode::Handshake, &["one"]);
    let token = initiator.endpoint.token();
    let read = |bytes: &[u8]| actor_store::codec::decode::<Endpoint>(bytes).expect("an endpoint");
    let bytes = actor_store::codec::encode(&target.endpoint).expect("plain data");
    let back = read(&bytes);
    assert_eq!(back.partner_slot(), Some(token.slot()));
    assert_eq!(back.peer(), None);
    assert_eq!(actor_store::codec::encode(&back), Ok(bytes.clone()));
    // As it was written while all of the partner was known.
    let [high, low] = token.slot().to_be_bytes();
    let mut named = [0; 32];
    named[..2].copy_from_slice(&[high, low]);
    let mut places = bytes.windows(32).enumerate();
    let (at, _) = places.find(|(_, some)| *some == named).expect("a peer");
    let mut before = bytes;
    before[at..at + 16].copy_from_slice(&token.0);
    before[at + 16..at + 32].copy_from_slice(&target.store.0);
    assert_eq!(read(&before), back);
}
