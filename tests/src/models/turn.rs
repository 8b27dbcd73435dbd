//! One transaction of a host: an input, the messages it makes available to their handlers, what these say, and a flush.
//!
//! This is what a node does with an endpoint, in small; nothing here commits or lets a frame leave.

use actor_core::protocol::{
    Carrier, Destination, DialogId, Durability, Effects, Endpoint, EndpointKey, FaultCode, Frame,
    FrameKind, Input, Location, Message, MessageKind, Mode, Mutant, Notice, ResetReason, Role,
    Stage, TimerKind, refuse, reject,
};

use super::{
    host::{Host, Letter, Open, Rules, Where, main_dialog, store_id},
    memory::{Memory, released, speaker},
    plan::{Answering, Closing, POOL, Plan, SECOND, node_name},
    property::{Broken, Safety},
};

/// Attempts after which a message counts as one that cannot be handled.
const MAX_ATTEMPTS: u8 = 3;

/// A transaction at work.
pub(super) struct Turn<'a> {
    pub(super) host: Host,
    pub(super) letters: Vec<Letter>,
    pub(super) broken: Broken,
    rules: &'a Rules,
    durability: Durability,
    mail: Vec<(Option<EndpointKey>, Destination, Frame)>,
    touched: Vec<EndpointKey>,
    panicked: Option<EndpointKey>,
}

impl<'a> Turn<'a> {
    pub(super) fn of(host: Host, rules: &'a Rules) -> Self {
        Self {
            host,
            letters: Vec::new(),
            broken: Broken::default(),
            rules,
            durability: Durability::None,
            mail: Vec::new(),
            touched: Vec::new(),
            panicked: None,
        }
    }

    fn plan(&self) -> &'a Plan {
        &self.rules.plan
    }

    /// The initiator's application begins.
    pub(super) fn open(mut self) -> Self {
        let key = self.initiate(main_dialog(), POOL, self.plan().mode, None);
        for _ in 0..self.plan().opening {
            self.say(key, MessageKind::Ask, 0);
        }
        self.finish()
    }

    pub(super) fn deliver(mut self, letter: &Letter) -> Self {
        let frame = &letter.frame;
        let key = frame.key();
        if self.host.live(key).is_some() {
            self.hear_frame(key, frame.clone());
        } else if frame.dst_token.is_some() {
            self.meet_amnesia(key, frame);
        } else if frame.to == Role::Target && self.host.serves(self.rules, &frame.service) {
            self.begin(key, frame);
        }
        self.finish()
    }

    pub(super) fn consume(mut self, key: EndpointKey) -> Self {
        self.consume_once(key);
        self.finish()
    }

    pub(super) fn speak(mut self, key: EndpointKey, kind: MessageKind) -> Self {
        if kind == MessageKind::Event {
            self.app(key, |app| app.told += 1);
        }
        self.say(key, kind, 0);
        self.finish()
    }

    pub(super) fn answer(mut self, key: EndpointKey, kind: MessageKind) -> Self {
        let owed = self
            .host
            .live(key)
            .and_then(|memory| memory.endpoint.owed().first().copied());
        if let Some(re) = owed {
            self.say(key, kind, re);
        }
        self.finish()
    }

    pub(super) fn close(mut self, key: EndpointKey) -> Self {
        self.app(key, |app| app.closed = true);
        self.durability = Durability::Durable;
        self.input(key, Input::Close);
        self.finish()
    }

    pub(super) fn abandon(mut self, key: EndpointKey) -> Self {
        self.input(key, Input::Abandon(FaultCode::Abandoned, String::new()));
        self.finish()
    }

    pub(super) fn timer(mut self, key: EndpointKey, kind: TimerKind) -> Self {
        let waiting = self
            .host
            .live(key)
            .is_some_and(|memory| memory.endpoint.has_next());
        if let Some(memory) = self.live_mut(key) {
            memory.disarm(kind);
        }
        if kind != TimerKind::Retransmit {
            self.host.draining = false;
        }
        self.input(key, Input::Timer(kind));
        let ended = self.host.live(key).is_some_and(Memory::has_ended);
        self.broken.mark_if(
            Safety::SilenceSparesTheWaiting,
            kind == TimerKind::Silence && waiting && ended,
        );
        self.finish()
    }

    pub(super) fn locate(mut self, place: Where) -> Self {
        let Some(key) = self.host.wants_location.take() else {
            return self;
        };
        let location = match place {
            Where::At(place) => Location::Bound {
                node: node_name(place),
            },
            Where::ReplacedBy(place, store) => Location::ReplacedBy(store_id(place, store)),
            Where::Unknown => Location::Unknown,
        };
        self.input(key, Input::Located(location));
        self.finish()
    }

    /// P12: a RESET that was on its way for a long time. Whoever sent it knew nothing then, and knows us now.
    pub(super) fn stale_reset(mut self, key: EndpointKey) -> Self {
        let Some(memory) = self.host.live(key) else {
            return self;
        };
        let (own, peer) = (memory.endpoint.token(), memory.endpoint.peer().cloned());
        let Some(peer) = peer else { return self };
        let before = self.host.incarnation - 1;
        let frame = Frame {
            kind: FrameKind::Reset {
                reason: ResetReason::UnknownEndpoint,
                echo_token: own,
                echo_incarnation: before.into(),
                echo_send_ctr: 1,
            },
            dialog: key.dialog,
            to: key.role,
            service: String::new(),
            src_store: peer.store,
            src_node: peer.node,
            src_token: peer.token,
            dst_token: Some(own),
            incarnation: 1,
            send_ctr: 1,
            ack: 0,
            sack: 0,
            window: None,
            flags: actor_core::protocol::FrameFlags::default(),
            contract: 0,
            ttl_ms: 0,
            trace: [0; 16],
            messages: Vec::new(),
        };
        let was_over = memory.has_ended();
        self.input(key, Input::Frame(frame));
        let is_over = self.host.live(key).is_none_or(Memory::has_ended);
        self.broken
            .mark_if(Safety::ResetsAnswerThisLife, is_over && !was_over);
        self.finish()
    }

    /// After a restart: what is read back has its say, and nothing else happens.
    pub(super) fn flush_all(mut self, keys: Vec<EndpointKey>) -> Self {
        for key in keys {
            self.touch(key);
        }
        self.finish()
    }

    fn hear_frame(&mut self, key: EndpointKey, frame: Frame) {
        let is_ack = frame.kind == FrameKind::Ack && frame.messages.is_empty();
        let heard = self.step(key, Input::Frame(frame));
        let shows = heard.deliver.is_some() || heard.notices.contains(&Notice::Established);
        self.broken
            .mark_if(Safety::AcksAreInvisible, is_ack && shows);
        self.consume_all_pending(key);
    }

    /// Row 19, or what a mutant makes of it: whoever is not known starts over.
    fn meet_amnesia(&mut self, key: EndpointKey, frame: &Frame) {
        let starts_over = self.rules.is(Mutant::AmnesiaAccept)
            && frame.to == Role::Target
            && frame.kind == FrameKind::Data
            && self.has_room();
        let (true, Some(token)) = (starts_over, frame.dst_token) else {
            let answer = reject(frame).map(|reset| (None, frame.reply_to(), reset));
            self.mail.extend(answer);
            return;
        };
        let opening = Frame {
            dst_token: None,
            ..frame.clone()
        };
        self.host.births += 1;
        let env = self.host.env(self.rules);
        let (endpoint, effects) =
            Endpoint::accept(opening, token, self.plan().mode, Plan::timeouts(), &env);
        self.host.put(Memory::new(endpoint, None));
        self.absorb(key, effects);
        self.hear_frame(key, frame.clone());
    }

    fn has_room(&self) -> bool {
        self.host.births < self.plan().births
    }

    /// Row 9.
    fn begin(&mut self, key: EndpointKey, frame: &Frame) {
        if !self.has_room() {
            let busy = refuse(frame, FaultCode::Busy, "");
            self.mail.push((None, frame.reply_to(), busy));
            return;
        }
        let token = self.host.mint(self.rules, &mut self.broken);
        let env = self.host.env(self.rules);
        let (endpoint, effects) = Endpoint::accept(
            frame.clone(),
            token,
            self.plan().mode,
            Plan::timeouts(),
            &env,
        );
        self.host.put(Memory::new(endpoint, None));
        self.absorb(key, effects);
        self.consume_all_pending(key);
    }

    fn initiate(
        &mut self,
        dialog: DialogId,
        service: &str,
        mode: Mode,
        parent: Option<EndpointKey>,
    ) -> EndpointKey {
        let token = self.host.mint(self.rules, &mut self.broken);
        let env = self.host.env(self.rules);
        let (endpoint, effects) = Endpoint::initiate(
            dialog,
            token,
            service,
            mode,
            Carrier::Remote,
            Plan::timeouts(),
            0,
            false,
            &env,
        );
        let key = endpoint.key();
        self.host.put(Memory::new(endpoint, parent));
        self.absorb(key, effects);
        key
    }

    /// P14: the target asks somebody in turn, now that its work is permanent.
    fn subcontract(&mut self, parent: EndpointKey) {
        let confirmed_by_choice = self.host.live(parent).is_some_and(|memory| {
            memory.endpoint.was_established() && memory.endpoint.stage() != Stage::Accumulating
        });
        self.broken
            .mark_if(Safety::ChildrenOfTheConfirmed, !confirmed_by_choice);
        let mut dialog = [2; 16];
        (dialog[0], dialog[1]) = (self.host.place, self.host.births);
        let child = self.initiate(DialogId(dialog), SECOND, Mode::Pending, Some(parent));
        self.say(child, MessageKind::Ask, 0);
    }

    fn child_of(&self, parent: EndpointKey) -> Option<&Memory> {
        let mut live = self.host.records.iter().map(|record| &record.live);
        live.find(|memory| memory.parent == Some(parent))
    }

    /// Pending work is consumed as a batch, established messages one by one.
    fn consume_all_pending(&mut self, key: EndpointKey) {
        loop {
            let Some(memory) = self.host.live(key) else {
                return;
            };
            let batch = memory.endpoint.stage() == Stage::Accumulating;
            let before = memory.endpoint.recv_next();
            self.consume_once(key);
            let moved = self
                .host
                .live(key)
                .is_some_and(|memory| memory.endpoint.recv_next() != before);
            if !batch || !moved || self.panicked.is_some() {
                return;
            }
        }
    }

    fn consume_once(&mut self, key: EndpointKey) {
        let effects = self.step(key, Input::Consume);
        if let Some(message) = effects.deliver {
            self.hear(key, &message);
        }
    }

    /// A handler runs.
    fn hear(&mut self, key: EndpointKey, message: &Message) {
        let is_poison = key.role == Role::Target && self.plan().poison == Some(message.seq);
        if is_poison && self.rules.is(Mutant::SkipPoison) {
            return;
        }
        if is_poison {
            self.host.tries += 1;
            let allowed = MAX_ATTEMPTS + (self.host.incarnation - 1);
            self.broken
                .mark_if(Safety::AttemptsAreBounded, self.host.tries > allowed);
            self.panicked = Some(key);
            return;
        }
        self.check_hearing(key, message);
        let (is_answer, life) = (
            message.kind.is_answer(),
            speaker(message).map_or(0, |(_, life)| life),
        );
        self.app(key, |app| {
            app.heard.push((message.seq as u8, life));
            app.answers += u8::from(is_answer);
            if key.role == Role::Target {
                if app.assured {
                    app.applied += 1;
                } else {
                    app.pending += 1;
                }
            }
        });
        if key.role == Role::Target && message.kind == MessageKind::Ask {
            self.answer_at_once(key, message.seq);
        }
        self.continue_parent(key);
    }

    fn check_hearing(&mut self, key: EndpointKey, message: &Message) {
        let Some(memory) = self.host.live(key) else {
            return;
        };
        let last = memory.app.last_heard();
        let from_initiator = key.role == Role::Target;
        let may_be_left_out = |seq| from_initiator && self.rules.plan.is_currency(seq);
        let missing = (last + 1..message.seq).any(|seq| !may_be_left_out(seq));
        let said_by = speaker(message).map(|(token, _)| token);
        let partner = memory.peer_token().map(|token| [token.0[0], token.0[1]]);
        let broken = &mut self.broken;
        broken.mark_if(Safety::NoPredecessorIsMissing, missing);
        broken.mark_if(
            Safety::HistoryHasNoGaps,
            missing || message.seq <= last || said_by != partner,
        );
        broken.mark_if(
            Safety::CurrencyRises,
            message.currency && message.seq <= last,
        );
        let poison = self.rules.plan.poison.filter(|_| key.role == Role::Target);
        broken.mark_if(
            Safety::PoisonEndsTheDialog,
            poison.is_some_and(|seq| message.seq > seq),
        );
    }

    /// A target that has a subcontractor answers all but the first question only when the subcontractor has.
    fn may_answer(&self, key: EndpointKey, seq: u64) -> bool {
        let waits = self.plan().second.is_some() && key.dialog == main_dialog() && seq > 1;
        !waits
            || self
                .child_of(key)
                .is_some_and(|child| child.app.answers > 0)
    }

    fn answer_at_once(&mut self, key: EndpointKey, seq: u64) {
        if self.plan().answering == Answering::AtOnce && self.may_answer(key, seq) {
            self.say(key, MessageKind::AnswerOk, seq);
        }
    }

    /// The subcontractor has answered: so can its parent.
    fn continue_parent(&mut self, child: EndpointKey) {
        let Some(parent) = self.host.live(child).and_then(|memory| memory.parent) else {
            return;
        };
        if self.plan().closing != Closing::Nobody {
            self.app(child, |app| app.closed = true);
            self.input(child, Input::Close);
        }
        let owed = self
            .host
            .live(parent)
            .and_then(|memory| memory.endpoint.owed().first().copied());
        if let Some(re) = owed.filter(|re| self.may_answer(parent, *re)) {
            self.say(parent, MessageKind::AnswerOk, re);
        }
    }

    fn say(&mut self, key: EndpointKey, kind: MessageKind, re: u64) {
        let life = self.host.incarnation;
        let Some(memory) = self.host.live(key) else {
            return;
        };
        let words = memory.next_words(self.plan(), kind, re, life);
        let effects = self.step(key, Input::Send(words));
        let refused = |notice: &Notice| matches!(notice, Notice::Refused(_));
        if !effects.notices.iter().any(refused) {
            self.app(key, |app| app.said.push(life));
        }
    }

    fn app(&mut self, key: EndpointKey, change: impl FnOnce(&mut super::memory::App)) {
        if let Some(memory) = self.live_mut(key) {
            change(&mut memory.app);
        }
    }

    fn live_mut(&mut self, key: EndpointKey) -> Option<&mut Memory> {
        Some(&mut self.host.record_mut(key)?.live)
    }

    fn touch(&mut self, key: EndpointKey) {
        if !self.touched.contains(&key) {
            self.touched.push(key);
        }
    }

    fn input(&mut self, key: EndpointKey, input: Input) {
        drop(self.step(key, input));
    }

    fn step(&mut self, key: EndpointKey, input: Input) -> Effects {
        let env = self.host.env(self.rules);
        let Some(memory) = self.live_mut(key) else {
            return Effects::default();
        };
        let effects = memory.endpoint.step(input, &env);
        self.absorb(key, effects.clone());
        effects
    }

    fn absorb(&mut self, key: EndpointKey, effects: Effects) {
        self.touch(key);
        if let Some(memory) = self.live_mut(key) {
            memory.set_timers(&effects.timers);
        }
        self.durability = self.durability.max(effects.durability);
        let mail = effects.frames.into_iter();
        self.mail
            .extend(mail.map(|(to, frame)| (Some(key), to, frame)));
        if effects.locate {
            self.host.wants_location = Some(key);
        }
        for notice in effects.notices {
            self.notice(key, &notice);
        }
    }

    fn notice(&mut self, key: EndpointKey, notice: &Notice) {
        match notice {
            // `establish` runs before anything else is delivered.
            Notice::Confirmed => {
                self.app(key, |app| {
                    app.assured = true;
                    app.applied += std::mem::take(&mut app.pending);
                });
                if self.plan().second.is_some() && key.dialog == main_dialog() {
                    self.subcontract(key);
                }
            }
            Notice::Established => self.app(key, |app| app.assured = true),
            Notice::Ended(_) => {
                self.app(key, |app| app.pending = 0);
                let child = self
                    .child_of(key)
                    .filter(|child| !child.has_ended() && !child.app.closed)
                    .map(Memory::key);
                if let Some(child) = child {
                    self.input(child, Input::Abandon(FaultCode::Abandoned, String::new()));
                }
            }
            _ => {}
        }
    }

    /// The handler failed: everything it did is dropped, and the attempt is counted.
    fn roll_back(&mut self, key: EndpointKey) {
        let counted_durably = !self.rules.is(Mutant::VolatileAttemptCount);
        self.mail.clear();
        self.touched.clear();
        self.durability = Durability::Durable;
        let Some(record) = self.host.record_mut(key) else {
            return;
        };
        let Some(durable) = &record.durable else {
            self.host.records.retain(|record| record.key != key);
            return;
        };
        record.live.clone_from(durable);
        let attempts = if counted_durably {
            record.live.app.attempts += 1;
            record.live.app.attempts
        } else {
            record.volatile_attempts += 1;
            record.volatile_attempts
        };
        if attempts >= MAX_ATTEMPTS {
            self.input(key, Input::Abandon(FaultCode::Poisoned, String::new()));
        } else {
            self.touch(key);
        }
    }

    /// The transaction's last input, and what it means for the host.
    fn finish(mut self) -> Self {
        if let Some(key) = self.panicked.take() {
            self.roll_back(key);
        }
        let mut flushed = 0;
        while let Some(key) = self.touched.get(flushed).copied() {
            flushed += 1;
            self.input(key, Input::Flush);
            self.check_bounds(key);
            if let Some(memory) = self.live_mut(key) {
                memory.endpoint.forget_delays();
            }
        }
        self.host.open = Some(Open {
            committed: self.durability != Durability::Durable,
            mail: std::mem::take(&mut self.mail),
        });
        if self.rules.is(Mutant::SendBeforeCommit) {
            self.leave_early(|_| true);
        }
        if self.rules.is(Mutant::AckBeforeCommit) {
            self.leave_early(|frame| frame.messages.is_empty());
        }
        self.host.close_if_empty();
        self
    }

    fn leave_early(&mut self, which: impl Fn(&Frame) -> bool) {
        let letters = self.host.release(which, &mut self.broken);
        self.letters.extend(letters);
    }

    /// S6 where nobody is bound, and S21.
    fn check_bounds(&mut self, key: EndpointKey) {
        let limits = self.rules.limits();
        let Some(memory) = self.host.live(key) else {
            return;
        };
        let endpoint = &memory.endpoint;
        let kept = endpoint.outbox().count();
        let unbound = endpoint.stage() == Stage::Initiating;
        let acked = released(endpoint);
        let ahead = self.mail.iter().any(|(of, _, frame)| {
            let last = frame.messages.last().map_or(0, |message| message.seq);
            let in_flight = endpoint.outbox().filter(|message| message.seq <= last);
            *of == Some(key) && !frame.is_initiating() && in_flight.count() as u64 > limits.window
        });
        let too_many = kept > limits.max_outbox_messages + usize::from(self.plan().asks) + 1;
        let children = u8::from(self.plan().second.is_some()) * self.plan().births;
        // One that was begun in a transaction that a crash took is no memory, but its token is used up.
        let lost = self.host.incarnation - 1;
        let crowded = self.host.births > self.plan().births.max(1) + children + lost;
        let broken = &mut self.broken;
        broken.mark_if(Safety::KeptUntilAcked, unbound && acked > 0);
        broken.mark_if(Safety::BacklogIsBounded, ahead || too_many || crowded);
    }
}
