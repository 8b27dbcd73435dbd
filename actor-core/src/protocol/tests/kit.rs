//! Small tools: a side of a dialog with its node's stamp, and words for what tests do with it.

use std::time::Duration;

use crate::protocol::{
    Carrier, DialogId, Effects, Ending, Endpoint, Env, Frame, Input, Limits, LocalItem, Message,
    MessageKind, Mode, Notice, Outgoing, StoreId, Timeouts, TimerKind, TimerOp, Token, handler_id,
};

pub(super) const TIMEOUTS: Timeouts = Timeouts {
    initiation: Duration::from_secs(60),
    silence: Duration::from_secs(600),
    lifetime: Duration::from_secs(6000),
};

pub(super) const CONTRACT: u64 = 77;

pub(super) fn dialog() -> DialogId {
    DialogId([0xd1; 16])
}

/// One endpoint and the node that stamps its frames.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) endpoint: Endpoint,
    pub(super) name: &'static str,
    pub(super) store: StoreId,
    pub(super) incarnation: u64,
    pub(super) limits: Limits,
    sent: u64,
    /// Everything the application and the logs heard.
    pub(super) notices: Vec<Notice>,
    pub(super) delivered: Vec<Message>,
    pub(super) timers: Vec<TimerOp>,
}

pub(super) fn store(name: &str) -> StoreId {
    StoreId([name.as_bytes()[0]; 16])
}

impl Side {
    fn new(endpoint: Endpoint, first: &Effects, name: &'static str) -> Self {
        let mut side = Self {
            endpoint,
            name,
            store: store(name),
            incarnation: 1,
            limits: Limits::default(),
            sent: 0,
            notices: Vec::new(),
            delivered: Vec::new(),
            timers: Vec::new(),
        };
        side.note(first);
        side
    }

    /// The initiator, bound to nobody.
    pub(super) fn initiator(mode: Mode) -> Self {
        Self::initiator_with(mode, Carrier::Remote, false)
    }

    pub(super) fn initiator_with(mode: Mode, carrier: Carrier, volatile: bool) -> Self {
        let limits = Limits::default();
        let env = Env::new(&limits, store("i"), 1);
        let (endpoint, first) = Endpoint::initiate(
            dialog(),
            Token([b'i'; 16]),
            "foo",
            mode,
            carrier,
            TIMEOUTS,
            CONTRACT,
            volatile,
            &env,
        );
        Self::new(endpoint, &first, "i")
    }

    /// A target of that name, born from a frame; nothing consumed yet.
    pub(super) fn target(name: &'static str, mode: Mode, frame: &Frame) -> Self {
        let limits = Limits::default();
        let env = Env::new(&limits, store(name), 1);
        let token = Token([name.as_bytes()[0]; 16]);
        let (endpoint, first) = Endpoint::accept(frame.clone(), token, mode, TIMEOUTS, &env);
        Self::new(endpoint, &first, name)
    }

    /// A target in the initiator's own store.
    pub(super) fn local_target(item: &LocalItem) -> Self {
        let LocalItem::Open(open) = item else {
            panic!("not an opening: {item:?}")
        };
        let limits = Limits::default();
        let env = Env::new(&limits, store("i"), 1);
        let (endpoint, first) =
            Endpoint::accept_local(open.clone(), Token([b't'; 16]), TIMEOUTS, &env);
        Self::new(endpoint, &first, "i")
    }

    pub(super) fn step(&mut self, input: Input) -> Effects {
        let limits = self.limits.clone();
        let env = Env::new(&limits, self.store, self.incarnation);
        let mut effects = self.endpoint.step(input, &env);
        for (_, frame) in &mut effects.frames {
            self.sent += 1;
            frame.stamp(self.store, self.name, self.incarnation, self.sent, [0; 16]);
            let bytes = frame.encode();
            assert_eq!(
                Frame::decode(&bytes).as_ref(),
                Ok(&*frame),
                "every frame survives its bytes"
            );
        }
        self.note(&effects);
        effects
    }

    fn note(&mut self, effects: &Effects) {
        self.notices.extend(effects.notices.iter().cloned());
        self.delivered.extend(effects.deliver.clone());
        self.timers.extend(effects.timers.iter().copied());
    }

    pub(super) fn flush(&mut self) -> Vec<Frame> {
        self.step(Input::Flush)
            .frames
            .into_iter()
            .map(|(_, frame)| frame)
            .collect()
    }

    /// The only frame this transaction sends.
    pub(super) fn flush_one(&mut self) -> Frame {
        let mut frames = self.flush();
        assert_eq!(frames.len(), 1, "expected one frame: {frames:?}");
        frames.remove(0)
    }

    /// A frame arrives and everything in order is consumed; frames that leave at once are returned.
    pub(super) fn take(&mut self, frame: &Frame) -> Vec<Frame> {
        let mut effects = self.step(Input::Frame(frame.clone()));
        while self.endpoint.has_next() {
            effects.merge(self.step(Input::Consume));
        }
        effects.frames.into_iter().map(|(_, frame)| frame).collect()
    }

    /// Rows of the other endpoint of this store arrive and are consumed.
    pub(super) fn take_local(&mut self, items: &[LocalItem]) {
        for item in items {
            _ = self.step(Input::Local(item.clone()));
        }
        while self.endpoint.has_next() {
            _ = self.step(Input::Consume);
        }
    }

    pub(super) fn flush_local(&mut self) -> Vec<LocalItem> {
        let effects = self.step(Input::Flush);
        assert!(effects.frames.is_empty(), "no frame inside a store");
        effects.local.into_vec()
    }

    pub(super) fn say(&mut self, kind: MessageKind, re: u64, text: &str) -> Effects {
        self.step(Input::Send(outgoing(kind, re, text)))
    }

    pub(super) fn ask(&mut self, text: &str) {
        _ = self.say(MessageKind::Ask, 0, text);
    }

    pub(super) fn tell(&mut self, text: &str) {
        _ = self.say(MessageKind::Tell, 0, text);
    }

    pub(super) fn answer(&mut self, re: u64, text: &str) {
        _ = self.say(MessageKind::AnswerOk, re, text);
    }

    pub(super) fn refuse(&mut self, re: u64, text: &str) {
        _ = self.say(MessageKind::AnswerErr, re, text);
    }

    /// A timer fires, in a transaction of its own.
    pub(super) fn fire(&mut self, kind: TimerKind) -> Vec<Frame> {
        let mut effects = self.step(Input::Timer(kind));
        effects.merge(self.step(Input::Flush));
        effects.frames.into_iter().map(|(_, frame)| frame).collect()
    }

    /// The process dies and starts again from the durable bytes.
    pub(super) fn restart(&mut self) {
        let bytes = serde_json::to_vec(&self.endpoint).unwrap();
        let before = std::mem::replace(&mut self.endpoint, serde_json::from_slice(&bytes).unwrap());
        // Large bodies lie beside the record.
        for message in before.stowed() {
            self.endpoint.unstow(message.seq, message.body.clone());
        }
        self.incarnation += 1;
        self.sent = 0;
        self.timers.retain(|op| {
            !matches!(
                op,
                TimerOp::Arm(TimerKind::Retransmit, _) | TimerOp::Cancel(TimerKind::Retransmit)
            )
        });
        _ = self.step(Input::Restarted);
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.delivered
            .iter()
            .map(|message| String::from_utf8_lossy(&message.body).into_owned())
            .collect()
    }

    pub(super) fn ending(&self) -> Option<&Ending> {
        self.endpoint.ending()
    }

    pub(super) fn was_told(&self, notice: &Notice) -> bool {
        self.notices.contains(notice)
    }

    /// The delay of the timer as armed last; `None` if cancelled last or never armed.
    pub(super) fn armed(&self, kind: TimerKind) -> Option<Duration> {
        let mut ops = self.timers.iter().rev();
        ops.find_map(|op| match op {
            TimerOp::Arm(of, after) if *of == kind => Some(Some(*after)),
            TimerOp::Cancel(of) if *of == kind => Some(None),
            _ => None,
        })
        .flatten()
    }
}

pub(super) fn outgoing(kind: MessageKind, re: u64, text: &str) -> Outgoing {
    Outgoing {
        kind,
        currency: false,
        re,
        handler: handler_id("talk"),
        version: 1,
        body: text.as_bytes().into(),
    }
}

/// Pending mode: an initiator that asked once, and the frame of its first round.
pub(super) fn asked(text: &str) -> (Side, Frame) {
    let mut initiator = Side::initiator(Mode::Pending);
    initiator.ask(text);
    let batch = initiator.flush_one();
    (initiator, batch)
}

/// Pending mode: both established, everything said so far acknowledged.
pub(super) fn established() -> (Side, Side) {
    let (mut initiator, batch) = asked("hello");
    let mut target = Side::target("a", Mode::Pending, &batch);
    _ = target.step(Input::Consume);
    target.answer(1, "hello yourself");
    let answer = target.flush_one();
    assert!(initiator.take(&answer).is_empty());
    settle(&mut initiator, &mut target);
    assert!(target.was_told(&Notice::Confirmed));
    (initiator, target)
}

/// Handshake mode: both bound, nothing said.
pub(super) fn shaken() -> (Side, Side) {
    let mut initiator = Side::initiator(Mode::Handshake);
    let syn = initiator.flush_one();
    let mut target = Side::target("a", Mode::Handshake, &syn);
    let syn_ack = target.flush_one();
    initiator.take(&syn_ack);
    settle(&mut initiator, &mut target);
    (initiator, target)
}

/// A perfect network, until both are silent.
pub(super) fn settle(one: &mut Side, other: &mut Side) {
    for _ in 0..20 {
        let (from_one, from_other) = (one.flush(), other.flush());
        if from_one.is_empty() && from_other.is_empty() {
            return;
        }
        for frame in from_one {
            let now = other.take(&frame);
            for frame in now {
                one.take(&frame);
            }
        }
        for frame in from_other {
            let now = one.take(&frame);
            for frame in now {
                other.take(&frame);
            }
        }
    }
    panic!("they never fall silent");
}

/// Chance from a seed (splitmix64).
#[derive(Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
