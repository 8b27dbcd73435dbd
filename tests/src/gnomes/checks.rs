//! What must hold after each step, at each commit, for each frame, and when all is over.
//!
//! Each failure begins with the property's short name in the design documents: S1 to S23 are safety, L1 to L7 liveness
//! after the faults have stopped.

use std::collections::BTreeSet;

use actor_core::protocol::{
    Abandoned, Effects, Ending, Frame, FrameKind, Input, Limits, Notice, Role, Stage, TimerKind,
};

use super::dialog::Record;
use super::plan::{Family, Plan};
use super::world::World;

/// A dialog may outlive its lifetime by this much: a host that is down, a clock that is wrong, the grace of a restart.
const LIFETIME_SLACK_MS: u64 = 60_000;

/// What a step is compared with.
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each with one reader"
)]
pub(super) struct Before {
    ended: bool,
    has_next: bool,
    recv_next: u64,
    /// It is an acknowledgement and nothing else.
    is_ack: bool,
    is_silence: bool,
}

impl World {
    pub(super) fn before_step(&self, dialog: usize, host: usize, input: &Input) -> Before {
        let record = self.record(dialog, host).expect("a record that is at work");
        Before {
            ended: record.is_over(),
            has_next: record.live.has_next(),
            recv_next: record.live.recv_next(),
            is_ack: matches!(input, Input::Frame(frame)
                if frame.kind == FrameKind::Ack && frame.messages.is_empty()),
            is_silence: matches!(input, Input::Timer(TimerKind::Silence)),
        }
    }

    pub(super) fn check_step(&self, dialog: usize, host: usize, before: &Before, eff: &Effects) {
        let record = self.record(dialog, host).expect("a record that is at work");
        let endings = eff.notices.iter().filter_map(ending);
        let mut endings = endings.fuse();
        let ended_now = endings.next();
        if before.ended {
            assert!(
                eff.deliver.is_none() && ended_now.is_none(),
                "S7, S15: an ended endpoint delivers nothing and ends once"
            );
        }
        assert!(endings.next().is_none(), "S7: a dialog ends once");
        if let Some(message) = &eff.deliver {
            assert!(
                message.seq >= before.recv_next && message.seq < record.live.recv_next(),
                "S11: message {} is delivered by a memory that has heard {}",
                message.seq,
                before.recv_next - 1
            );
        }
        if before.is_ack && record.live.role() == Role::Initiator {
            let visible = |notice: &Notice| {
                matches!(
                    notice,
                    Notice::Bound | Notice::Established | Notice::PartnerClosed
                )
            };
            assert!(
                eff.deliver.is_none() && !eff.notices.iter().any(visible),
                "S19: an acknowledgement is not for the application"
            );
        }
        if before.is_silence && before.has_next {
            assert!(
                ended_now.is_none(),
                "S13: no silence over a message that is here"
            );
        }
    }

    /// At a commit, before its frames leave.
    pub(super) fn check_commit(&mut self, dialog: usize, host: usize, eff: &Effects) {
        let about = &mut self.dialogs[dialog];
        let record = about.here[host].as_deref().expect("a record at work");
        let durable = &record.durable;
        let initiators_travelled = about.travelled[0];
        if let (0, Some(peer)) = (host, durable.peer())
            && !initiators_travelled
        {
            let bound = *about.bound.get_or_insert(peer.token);
            assert_eq!(bound, peer.token, "S3: the binding is set once");
        }
        if record.kept.confirmed && !initiators_travelled {
            let one = *about.confirmed.get_or_insert(durable.token());
            assert_eq!(one, durable.token(), "S4: one memory is confirmed");
        }
        self.check_against_partner(dialog, host, eff);
        let record = self.record_mut(dialog, host);
        record.compared = record.kept.heard;
        let record = self.record(dialog, host).expect("a record at work");
        check_bounds(record, &self.plan.limits);
        for ended in eff.notices.iter().filter_map(ending) {
            self.check_ending(dialog, host, record, ended);
        }
    }

    fn check_against_partner(&self, dialog: usize, host: usize, eff: &Effects) {
        let about = &self.dialogs[dialog];
        let record = self.record(dialog, host).expect("a record at work");
        let (live, durable) = (&record.live, &record.durable);
        let Some(peer) = live.peer() else { return };
        let Some(partner) = about.by_token(peer.token) else {
            return;
        };
        if record.kept.confirmed && !about.travelled[0] {
            assert!(
                partner.durable.was_established(),
                "S8: confirmed by one who durably heard its answer"
            );
        }
        // A memory that went back in time is evidence for nothing; that it is found out is another check.
        let partner_travelled = match host {
            0 => about.travelled[1..].contains(&true),
            _ => about.travelled[0],
        };
        if partner_travelled {
            return;
        }
        if durable.ending().is_none() && !about.travelled[host] {
            assert!(
                live.acked() < partner.durable.recv_next(),
                "S6: forgotten only what the partner keeps"
            );
            check_outbox(record);
        }
        check_heard(record, partner);
        if eff.notices.contains(&Notice::Ended(Ending::Completed)) && !about.has_travelled() {
            assert!(
                partner.durable.recv_next() >= live.send_next(),
                "S12: all that was said was received"
            );
        }
    }

    /// A frame in the name of an endpoint, as it leaves.
    pub(super) fn check_frame(&self, dialog: usize, host: usize, frame: &Frame) {
        let record = self.record(dialog, host).expect("a record at work");
        let durable = &record.durable;
        for message in &frame.messages {
            let said = record.durably_said();
            let found = said
                .binary_search_by_key(&message.seq, |said| said.seq)
                .map(|at| said[at]);
            match found {
                Ok(said) => assert!(
                    said.kind == message.kind && said.id.to_be_bytes() == message.body[..],
                    "S20: the same number carries the same bytes"
                ),
                Err(_) => assert!(
                    message.body.is_empty() && message.seq < durable.send_next(),
                    "S1: message {} leaves before its commit",
                    message.seq
                ),
            }
        }
        if matches!(frame.kind, FrameKind::Reset { .. }) || frame.is_initiating() {
            return;
        }
        assert!(
            frame.ack < durable.recv_next(),
            "S5: what is acknowledged is durable"
        );
        if host == 0 {
            assert_eq!(
                frame.dst_token,
                durable.peer().map(|peer| peer.token),
                "S3: durable before use"
            );
        }
    }

    fn check_ending(&self, dialog: usize, host: usize, record: &Record, ending: &Ending) {
        let age = self.now - record.opened_at;
        let lifetime = self.plan.timeouts.lifetime.as_millis() as u64;
        assert!(
            age <= lifetime * 2 + LIFETIME_SLACK_MS,
            "L5: ended after {age} ms"
        );
        if host == 0 && !self.dialogs[dialog].travelled[0] {
            let never = ending == &Ending::Abandoned(Abandoned::NeverReached);
            assert!(
                !never || !record.durable.was_established(),
                "S8: never reached, after a frame that may have confirmed"
            );
        }
        let travelled = self.dialogs[dialog].has_travelled();
        let Ending::Abandoned(why) = ending else {
            return;
        };
        // Nobody is accused wrongly.
        assert!(
            travelled || why != &Abandoned::PartnerRolledBack,
            "S23: no memory of this dialog went back in time"
        );
        if self.plan.family != Family::Wipes && !travelled {
            assert!(
                why != &Abandoned::PartnerReplaced,
                "S23: no store was replaced"
            );
            let remembers = self.plan.limits.linger >= Limits::default().linger;
            assert!(
                !remembers || why != &Abandoned::PartnerAmnesia,
                "S23: nobody forgot anything"
            );
        }
    }

    /// Permanent effects of a dialog, wherever they happened.
    pub(super) fn effects_of(&self, dialog: usize) -> Vec<u64> {
        let confirmed = self.dialogs[dialog]
            .memories()
            .filter(|record| record.durable.role() == Role::Target && record.kept.confirmed);
        let mut applied: Vec<u64> = confirmed
            .flat_map(|record| record.durably_heard().iter().map(|heard| heard.id))
            .collect();
        applied.sort_unstable();
        applied
    }

    pub(super) fn check_that_nothing_is_left(&self) {
        for dialog in &self.dialogs {
            assert!(
                dialog.here.iter().all(Option::is_none),
                "S22, L4, L6: every record is gone in the end"
            );
        }
    }

    /// What must hold when all is over.
    pub(super) fn check_at_the_end(&mut self) {
        self.check_that_nothing_is_left();
        for dialog in 0..self.dialogs.len() {
            self.concern = dialog;
            let about = &self.dialogs[dialog];
            let mut tokens: Vec<_> = about
                .memories()
                .map(|record| record.durable.token())
                .collect();
            tokens.sort_unstable();
            let minted = tokens.len();
            tokens.dedup();
            assert!(
                tokens.len() == minted || about.has_travelled(),
                "S2: a token names one memory"
            );
            if about.travelled[0] {
                // It may bind twice, and nobody can know before the two memories meet.
                continue;
            }
            let effects = self.effects_of(dialog);
            let distinct: BTreeSet<_> = effects.iter().collect();
            assert!(
                distinct.len() == effects.len() || about.has_travelled(),
                "S9: applied at most once"
            );
            let initiators = about
                .memories()
                .filter(|record| record.durable.role() == Role::Initiator);
            for record in initiators {
                let certain =
                    record.durable.ending().is_some() && !record.durable.was_established();
                assert!(
                    !certain || effects.is_empty(),
                    "S8: never established, no permanent effect"
                );
            }
            if promises_success(&self.plan) {
                self.check_that_it_completed(dialog);
            }
        }
    }

    /// L1, L2: with patience, and without anybody giving up, nothing is lost.
    fn check_that_it_completed(&self, dialog: usize) {
        let about = &self.dialogs[dialog];
        for record in about.memories() {
            let ending = record.durable.ending();
            let good = match record.durable.role() {
                Role::Initiator => {
                    matches!(ending, Some(Ending::Completed | Ending::Declined))
                }
                Role::Target => matches!(
                    ending,
                    Some(Ending::Completed | Ending::Declined | Ending::Discarded)
                ),
            };
            assert!(
                good,
                "L1, L2: the {:?} ended as {ending:?}",
                record.durable.role()
            );
        }
        let initiator = about
            .memories()
            .find(|record| record.durable.role() == Role::Initiator);
        let target = about.bound.and_then(|token| about.by_token(token));
        let (Some(initiator), Some(target)) = (initiator, target) else {
            panic!("L2: never bound");
        };
        let in_good_order = initiator.durable.ending() == Some(&Ending::Completed);
        if in_good_order && !self.plan.target_closes {
            check_complete(target, initiator);
            check_complete(initiator, target);
            assert!(target.kept.confirmed, "L1: everything was applied");
        }
    }
}

fn ending(notice: &Notice) -> Option<&Ending> {
    match notice {
        Notice::Ended(ending) => Some(ending),
        _ => None,
    }
}

/// S6: of what was said and not acknowledged, only currency is missing, and only if a newer value was said.
fn check_outbox(record: &Record) {
    let live = &record.live;
    // A lazy write may hold more than is durable, never less.
    let unacked = record.durably_said().iter().enumerate().rev();
    for (at, said) in unacked.take_while(|(_, said)| said.seq > live.acked()) {
        assert!(
            live.outbox().any(|kept| kept.seq == said.seq) || record.superseded(at),
            "S6: #{} was forgotten",
            said.seq
        );
    }
}

/// S9, S10: what was heard since the last look is what was said, in order, each once; what is missing between is
/// currency of which a newer value was said.
fn check_heard(record: &Record, partner: &Record) {
    let (heard, said) = (record.durably_heard(), partner.durably_said());
    let last = record.compared.checked_sub(1).map_or(0, |at| heard[at].seq);
    let mut at = said.partition_point(|said| said.seq <= last);
    for heard in &heard[record.compared..] {
        while said.get(at).is_some_and(|said| said.seq < heard.seq) {
            assert!(partner.superseded(at), "S9: #{} is missing", said[at].seq);
            at += 1;
        }
        assert!(
            said.get(at)
                .is_some_and(|said| (said.seq, said.id) == (heard.seq, heard.id)),
            "S9, S10: #{} is heard again, out of order, or was never said",
            heard.seq
        );
        at += 1;
    }
}

/// L1, L3: everything that was said was heard, except for currency of which a newer value was said.
fn check_complete(heard: &Record, said: &Record) {
    let last = heard.durably_heard().last().map_or(0, |heard| heard.seq);
    let rest = said.durably_said().iter().enumerate().rev();
    for (at, missing) in rest.take_while(|(_, said)| said.seq > last) {
        assert!(
            said.superseded(at),
            "L1, L3: #{} never arrived",
            missing.seq
        );
    }
}

/// S21: what waits is bounded. Answers and the goodbye are admitted beyond it.
fn check_bounds(record: &Record, limits: &Limits) {
    let live = &record.live;
    if live.role() == Role::Initiator {
        let before = matches!(live.stage(), Stage::Initiating | Stage::Bound)
            && live.mode() == actor_core::protocol::Mode::Pending;
        let most = if before {
            limits.max_initiation_messages as usize
        } else {
            limits
                .max_outbox_messages
                .max(limits.max_initiation_messages as usize)
        };
        // The goodbye may be one more.
        assert!(
            live.outbox().count() <= most + 1,
            "S21: {} messages wait",
            live.outbox().count()
        );
    }
}

/// Is there nothing in this plan that ends a dialog early?
fn promises_success(plan: &Plan) -> bool {
    plan.family == Family::Patience && plan.mutant.is_none()
}
