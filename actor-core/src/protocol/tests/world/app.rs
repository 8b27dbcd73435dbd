//! The application on both sides: says, answers, closes and gives up at random, and remembers what it did.

use super::*;

impl World {
    pub(super) fn open(&mut self) {
        let dialog = DialogId(self.mint_id());
        let token = Token(self.mint_id());
        let plan = self.plan.clone();
        let env = Env::new(&plan.limits, self.hosts[0].store, self.hosts[0].incarnation);
        let (endpoint, first) = Endpoint::initiate(
            dialog,
            token,
            "foo",
            plan.mode,
            Carrier::Remote,
            plan.timeouts,
            CONTRACT,
            plan.volatile,
            &env,
        );
        let mut work = Slot {
            endpoint,
            app: App {
                left_to_say: plan.messages,
                ..App::default()
            },
            timers: BTreeMap::new(),
        };
        let mut eff = first;
        self.say(&mut work, &mut eff, MessageKind::Ask, 0, 0);
        self.finish(0, work, eff);
    }

    /// The application does something of its own accord.
    pub(super) fn act(&mut self, host: usize, key: EndpointKey) {
        let Some(record) = self.hosts[host].records.get(&key) else {
            return;
        };
        let mut work = record.live.clone();
        if work.endpoint.ending().is_some() {
            return;
        }
        let mut eff = Effects::default();
        if self.plan.abandons && self.rng.chance(1) {
            eff.merge(self.step(
                host,
                &mut work,
                Input::Abandon(FaultCode::Abandoned, "bored".into()),
            ));
        } else {
            match key.role {
                Role::Initiator => self.act_as_initiator(host, &mut work, &mut eff),
                Role::Target => self.act_as_target(host, &mut work, &mut eff),
            }
        }
        if eff != Effects::default() {
            self.finish(host, work, eff);
        }
    }

    pub(super) fn act_as_initiator(&mut self, host: usize, work: &mut Slot, eff: &mut Effects) {
        if work.app.left_to_say > 0 {
            for _ in 0..=self.rng.below(3) {
                if work.app.left_to_say > 0 && work.endpoint.can_send(8, &self.plan.limits).is_ok()
                {
                    work.app.left_to_say -= 1;
                    let kind = if self.rng.chance(50) {
                        MessageKind::Ask
                    } else {
                        MessageKind::Tell
                    };
                    self.say(work, eff, kind, 0, host);
                }
            }
        } else if !work.app.closed
            && self
                .rng
                .chance(if work.endpoint.is_bound() { 30 } else { 5 })
        {
            if self.rng.chance(50) && work.endpoint.can_send(8, &self.plan.limits).is_ok() {
                self.say(work, eff, MessageKind::Ask, 0, host);
            }
            work.app.closed = true;
            eff.merge(self.step(host, work, Input::Close));
            eff.durability = Durability::Durable;
        }
    }

    pub(super) fn act_as_target(&mut self, host: usize, work: &mut Slot, eff: &mut Effects) {
        let owed: Vec<u64> = work.endpoint.owed().iter().copied().collect();
        if !owed.is_empty() {
            let pick = owed[self.rng.below(owed.len() as u64) as usize];
            self.answer(work, eff, pick, host);
        }
        let established = work.endpoint.stage() == Stage::Established;
        if established && work.app.told < 6 && self.rng.chance(20) {
            work.app.told += 1;
            self.say(work, eff, MessageKind::Event, 0, host);
        }
        if established && self.plan.target_closes && self.rng.chance(3) {
            eff.merge(self.step(host, work, Input::Close));
        }
    }

    pub(super) fn answer(&mut self, work: &mut Slot, eff: &mut Effects, re: u64, host: usize) {
        let kind = match self.rng.below(10) {
            0 if self.plan.refusals => MessageKind::AnswerErr,
            1 if self.plan.refusals && work.app.confirmed => MessageKind::NoAnswer,
            _ => MessageKind::AnswerOk,
        };
        self.say(work, eff, kind, re, host);
    }

    pub(super) fn say(
        &mut self,
        work: &mut Slot,
        eff: &mut Effects,
        kind: MessageKind,
        re: u64,
        host: usize,
    ) {
        let id = self.mint();
        let seq = work.endpoint.send_next();
        let body = id.to_be_bytes()[..].into();
        let currency =
            matches!(kind, MessageKind::Tell | MessageKind::Event) && self.rng.chance(60);
        let handler = if currency {
            2 + self.rng.below(2) as u32
        } else {
            1
        };
        let said = self.step(
            host,
            work,
            Input::Send(Outgoing {
                kind,
                currency,
                re,
                handler,
                version: 1,
                body,
            }),
        );
        if !said
            .notices
            .iter()
            .any(|notice| matches!(notice, Notice::Refused(_)))
        {
            work.app.said.push((seq, id));
            if currency {
                work.app.topics.insert(seq, handler);
            }
        }
        eff.merge(said);
    }

    pub(super) fn hear(
        &mut self,
        host: usize,
        work: &mut Slot,
        message: &Message,
        eff: &mut Effects,
    ) {
        let Some(id) = message
            .body
            .first_chunk::<8>()
            .map(|id| u64::from_be_bytes(*id))
        else {
            panic!("a message nobody said: {message:?}");
        };
        work.app.heard.push((message.seq, id));
        if work.endpoint.role() == Role::Initiator {
            return;
        }
        if work.app.confirmed {
            work.app.applied.push(id);
        } else {
            work.app.pending.push(id);
        }
        if message.kind == MessageKind::Ask && self.rng.chance(50) {
            self.answer(work, eff, message.seq, host);
        }
    }
}
