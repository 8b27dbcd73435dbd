//! The application on both sides: says, answers, closes and gives up at random, and remembers what it did.

use actor_core::coverage::Circumstance;
use actor_core::protocol::{
    Carrier, Effects, Endpoint, FaultCode, Input, Message, MessageKind, Notice, Outgoing, Role,
    Stage, Token,
};

use super::dialog::{Heard, Record, Said};
use super::plan::Family;
use super::world::{Event, World};

/// The fingerprint both sides speak.
const CONTRACT: u64 = 77;
/// Bytes of a message.
const BODY_BYTES: usize = 8;
/// Longest patience of an application that has nothing to do, in virtual milliseconds.
const MAX_PATIENCE_MS: u64 = 4_000;
/// Unasked messages of a target.
const MAX_TOLD: u64 = 5;
/// Topics of currency; the handler of everything else is below them.
const FIRST_TOPIC: u32 = 2;
const TOPICS: u64 = 2;

impl World {
    pub(super) fn open(&mut self, dialog: usize) {
        if !self.hosts[0].up {
            return self.at(500, Event::Open(dialog));
        }
        self.concern = dialog;
        let token = Token(self.mint_id());
        self.circumstance_of(dialog, 0, Circumstance::Normal);
        let (endpoint, mut eff) = Endpoint::initiate(
            self.dialogs[dialog].id,
            token,
            "foo",
            self.plan.mode,
            Carrier::Remote,
            self.plan.timeouts,
            CONTRACT,
            self.plan.family == Family::Volatile,
            &self.env(0),
        );
        let mut record = Record::new(endpoint, self.now);
        record.app.left_to_say = self.plan.messages;
        self.dialogs[dialog].here[0] = Some(Box::new(record));
        self.say(dialog, 0, MessageKind::Ask, 0, &mut eff);
        self.finish(dialog, 0, eff);
        if self.record(dialog, 0).is_none() && self.dialogs[dialog].graves.is_empty() {
            // The commit failed: the application opens again.
            self.at(1_000, Event::Open(dialog));
        }
    }

    /// Looks at it again soon, if its application may have something to do.
    pub(super) fn plan_to_act(&mut self, dialog: usize, host: usize) {
        let Some(record) = self.dialogs[dialog].here[host].as_deref_mut() else {
            return;
        };
        if record.acting || record.is_over() || !wants_to_act(record) {
            return;
        }
        record.acting = true;
        let pause = 20 + record.patience + self.rng.below(250);
        self.at(pause, Event::Act(dialog, host));
    }

    /// The application does something of its own accord.
    pub(super) fn act(&mut self, dialog: usize, host: usize) {
        if !self.hosts[host].up {
            return;
        }
        let Some(record) = self.dialogs[dialog].here[host].as_deref_mut() else {
            return;
        };
        // A stale one, from before a restart.
        if !std::mem::take(&mut record.acting) || record.is_over() {
            return;
        }
        let role = record.live.role();
        self.concern = dialog;
        self.circumstance_of(dialog, host, Circumstance::Normal);
        let mut eff = Effects::default();
        if self.is_trouble() && self.rng.permille(self.plan.faults.abandon) {
            self.tally.abandoned += 1;
            let bored = Input::Abandon(FaultCode::Abandoned, "bored".into());
            eff.merge(self.step(dialog, host, bored));
        } else {
            match role {
                Role::Initiator => self.act_as_initiator(dialog, &mut eff),
                Role::Target => self.act_as_target(dialog, host, &mut eff),
            }
        }
        let idle = eff == Effects::default();
        let record = self.record_mut(dialog, host);
        record.patience = if idle {
            (record.patience * 2 + 50).min(MAX_PATIENCE_MS)
        } else {
            0
        };
        if idle {
            self.plan_to_act(dialog, host);
        } else {
            self.finish(dialog, host, eff);
        }
    }

    fn act_as_initiator(&mut self, dialog: usize, eff: &mut Effects) {
        if self.record_mut(dialog, 0).app.left_to_say > 0 {
            for _ in 0..=self.rng.below(4) {
                let left = self.record_mut(dialog, 0).app.left_to_say;
                if left > 0 && self.may_say(dialog, 0) {
                    self.record_mut(dialog, 0).app.left_to_say -= 1;
                    let kind = if self.rng.percent(65) {
                        MessageKind::Ask
                    } else {
                        MessageKind::Tell
                    };
                    self.say(dialog, 0, kind, 0, eff);
                }
            }
            return;
        }
        let bound = self.record_mut(dialog, 0).live.is_bound();
        if self.rng.percent(if bound { 60 } else { 5 }) {
            if self.rng.percent(50) && self.may_say(dialog, 0) {
                self.say(dialog, 0, MessageKind::Ask, 0, eff);
            }
            self.close(dialog, 0, eff);
        }
    }

    fn act_as_target(&mut self, dialog: usize, host: usize, eff: &mut Effects) {
        let owed = self.record_mut(dialog, host).live.owed().len();
        if owed > 0 {
            let pick = self.rng.below(owed as u64) as usize;
            let re = self.record_mut(dialog, host).live.owed().keys().nth(pick);
            let re = *re.expect("one of those that are owed");
            self.answer(dialog, host, re, eff);
        }
        let record = self.record_mut(dialog, host);
        if record.live.stage() != Stage::Established {
            return;
        }
        if record.app.told < MAX_TOLD && self.rng.percent(20) && self.may_say(dialog, host) {
            self.record_mut(dialog, host).app.told += 1;
            self.say(dialog, host, MessageKind::Event, 0, eff);
        }
        if self.plan.target_closes && self.rng.percent(4) {
            self.close(dialog, host, eff);
        }
    }

    fn close(&mut self, dialog: usize, host: usize, eff: &mut Effects) {
        self.record_mut(dialog, host).app.closed = true;
        eff.merge(self.step(dialog, host, Input::Close));
        // The application's change is durable, whether the engine has one or not.
        eff.durability = actor_core::protocol::Durability::Durable;
    }

    fn may_say(&self, dialog: usize, host: usize) -> bool {
        self.record(dialog, host)
            .is_some_and(|record| record.live.can_send(BODY_BYTES, &self.plan.limits).is_ok())
    }

    fn answer(&mut self, dialog: usize, host: usize, re: u64, eff: &mut Effects) {
        let confirmed = self.record_mut(dialog, host).app.confirmed;
        let kind = match self.rng.below(10) {
            0 if self.plan.refusals => MessageKind::AnswerErr,
            1 if self.plan.refusals && confirmed => MessageKind::NoAnswer,
            _ => MessageKind::AnswerOk,
        };
        self.say(dialog, host, kind, re, eff);
    }

    fn say(&mut self, dialog: usize, host: usize, kind: MessageKind, re: u64, eff: &mut Effects) {
        let id = self.mint();
        let seq = self.record_mut(dialog, host).live.send_next();
        let asks_nothing = matches!(kind, MessageKind::Tell | MessageKind::Event);
        let topic = (asks_nothing && self.rng.permille(self.plan.currency))
            .then(|| FIRST_TOPIC + self.rng.below(TOPICS) as u32);
        let said = self.step(
            dialog,
            host,
            Input::Send(Outgoing {
                kind,
                currency: topic.is_some(),
                re,
                handler: topic.unwrap_or(1),
                version: 1,
                body: id.to_be_bytes()[..].into(),
            }),
        );
        let refused = |notice: &Notice| matches!(notice, Notice::Refused(_));
        if !said.notices.iter().any(refused) {
            self.tally.said += 1;
            let record = self.record_mut(dialog, host);
            record.said.push(Said {
                seq,
                id,
                kind,
                topic,
            });
            record.app.said += 1;
        }
        eff.merge(said);
    }

    pub(super) fn hear(
        &mut self,
        dialog: usize,
        host: usize,
        message: &Message,
        eff: &mut Effects,
    ) {
        let id = message
            .body
            .first_chunk::<BODY_BYTES>()
            .map(|id| u64::from_be_bytes(*id));
        let Some(id) = id else {
            panic!("S9: a message nobody said: {message:?}");
        };
        if self.is_trouble() && self.rng.permille(self.plan.faults.abandon) {
            self.tally.abandoned += 1;
            let enough = Input::Abandon(FaultCode::Abandoned, "heard enough".into());
            eff.merge(self.step(dialog, host, enough));
        }
        let record = self.record_mut(dialog, host);
        record.heard.push(Heard {
            seq: message.seq,
            id,
        });
        record.app.heard += 1;
        if record.live.role() == Role::Target
            && message.kind == MessageKind::Ask
            && !record.is_over()
            && self.rng.percent(50)
        {
            self.answer(dialog, host, message.seq, eff);
        }
    }
}

fn wants_to_act(record: &Record) -> bool {
    match record.live.role() {
        Role::Initiator => !record.app.closed,
        // After its goodbye nothing is answered any more.
        Role::Target => match record.live.stage() {
            Stage::Closing => false,
            Stage::Established if record.app.told < MAX_TOLD => true,
            _ => !record.live.owed().is_empty(),
        },
    }
}
