//! Deadlines and retries: what each timer decides, and when the waiting clocks run (P9, H10).

use std::time::Duration;

use super::facts::Fact;
use super::now::{ClosingWait, Now, RetryTimer};
use super::{Carrier, Endpoint, Mode, Stage};
use crate::coverage::{self, Rare};
use crate::protocol::effects::{Durability, Effects, Notice, TimerKind};
use crate::protocol::ending::{Abandoned, Ending, FaultCode};
use crate::protocol::ids::Role;
use crate::protocol::limits::Env;
use crate::protocol::message::MessageKind;

impl Endpoint {
    /// A timer fired. One that is no longer wanted has no effect.
    pub(super) fn timer(&mut self, kind: TimerKind, env: &Env<'_>, eff: &mut Effects) {
        match kind {
            TimerKind::Retransmit => self.retry(eff),
            TimerKind::Initiation => self.initiation_over(env, eff),
            TimerKind::Accumulate => self.accumulation_over(env, eff),
            TimerKind::Silence => self.silence_over(env, eff),
            TimerKind::Lifetime => self.lifetime_over(env, eff),
            TimerKind::Linger => self.linger_over(env, eff),
        }
    }

    /// Row 32: what was read back is not known to have been said. It is due soon, not now: thousands of endpoints
    /// wake up with this one, and the node spreads them. (The incarnation was raised before; deadlines come last.)
    pub(super) fn restarted(&mut self, env: &Env<'_>, eff: &mut Effects) {
        coverage::row(32);
        self.flight.now = Now::default();
        if self.is_remote() {
            self.flight.now.transmitted = self.send_next - 1;
        }
        if self.has_outstanding() {
            coverage::sometimes(Rare::OutstandingAtRestart);
            self.flight.now.retry = RetryTimer::Armed;
            eff.arm(TimerKind::Retransmit, env.limits.first_retry);
        }
    }

    /// P9: everything outstanding is said again with the next flush; there is no last retry, only deadlines.
    fn retry(&mut self, eff: &mut Effects) {
        self.flight.now.retry = RetryTimer::Off;
        self.flight.now.asked_where = false;
        if !self.has_outstanding() {
            return;
        }
        self.flight.now.due = true;
        self.flight.now.attempt = self.flight.now.attempt.saturating_add(1);
        self.flight.now.round = self.flight.now.round.wrapping_add(1);
        eff.notices.push(Notice::Retransmit {
            messages: self.flight.outbox.len(),
            attempt: self.flight.now.attempt,
        });
    }

    /// Row 8: nobody answered in time. Certain: no frame that could confirm anything ever left (S8).
    fn initiation_over(&mut self, env: &Env<'_>, eff: &mut Effects) {
        if self.role != Role::Initiator || self.is_ended() || self.is_settled() {
            return;
        }
        coverage::row(8);
        let ending = match self.flight.now.turned_away.take() {
            Some(refusal) if self.flight.now.candidates.is_empty() => {
                refusal.code.heard(&refusal.detail)
            }
            _ => Ending::Abandoned(Abandoned::NeverReached),
        };
        self.end(ending, Some((FaultCode::TimedOut, String::new())), env, eff);
    }

    /// Row 14: "if the server accumulates state and times out, then the accumulated state can be discarded without
    /// introducing bugs". A partner elsewhere is told when it asks (row 29); one in this store has no one to ask.
    fn accumulation_over(&mut self, env: &Env<'_>, eff: &mut Effects) {
        if self.stage != Stage::Accumulating {
            return;
        }
        coverage::row(14);
        let fault = (self.carrier == Carrier::Local).then(|| (FaultCode::Discarded, String::new()));
        self.end(Ending::Discarded, fault, env, eff);
    }

    /// Row 27. Not over a message that is already here (S13).
    fn silence_over(&mut self, env: &Env<'_>, eff: &mut Effects) {
        if !self.is(Fact::SilenceArmed) {
            return;
        }
        if self.has_next() || self.flight.now.backlog.from_partner > 0 {
            coverage::sometimes(Rare::SilenceOverMessage);
            eff.arm(TimerKind::Silence, self.terms.timeouts.silence);
            return;
        }
        coverage::row(27);
        self.note(Fact::SilenceArmed, false);
        let fault = Some((FaultCode::TimedOut, String::new()));
        self.end(Ending::Abandoned(Abandoned::Silence), fault, env, eff);
    }

    /// Row 27: L5, every dialog ends.
    fn lifetime_over(&mut self, env: &Env<'_>, eff: &mut Effects) {
        match self.stage {
            Stage::Ended => {}
            Stage::Accumulating => self.accumulation_over(env, eff),
            _ if !self.is_settled() => self.initiation_over(env, eff),
            _ => {
                coverage::row(27);
                let fault = Some((FaultCode::Lifetime, String::new()));
                self.end(Ending::Abandoned(Abandoned::Lifetime), fault, env, eff);
            }
        }
    }

    /// Row 26 while closing; once ended, the record may go.
    fn linger_over(&mut self, env: &Env<'_>, eff: &mut Effects) {
        if self.is_ended() {
            self.cancel_retry(eff);
            self.flight.now = Now::default();
            self.parting.forgotten = true;
            Self::wrote(eff);
        } else if self.parting.closing_wait.is_some() {
            coverage::row(26);
            self.end(Ending::CompletedUnconfirmed, None, env, eff);
        }
    }

    /// Is anything to be said again until the partner confirms it?
    pub(super) fn has_outstanding(&self) -> bool {
        match (self.carrier, self.stage) {
            (Carrier::Local, _) => false,
            (_, Stage::Ended) => {
                !self.parting.forgotten
                    && self
                        .parting
                        .fault
                        .as_ref()
                        .is_some_and(|fault| !fault.acked)
            }
            (_, Stage::Initiating) => {
                self.mode == Mode::Handshake || !self.flight.outbox.is_empty()
            }
            _ => !self.flight.outbox.is_empty() || self.must_say_bound(),
        }
    }

    /// BOUND, or any frame in its place, is due until the target says it is established.
    pub(super) fn must_say_bound(&self) -> bool {
        self.role == Role::Initiator && self.is_settled() && !self.is(Fact::PartnerEstablished)
    }

    /// Arms the retry timer if something is outstanding, without moving one that runs.
    pub(super) fn arm_retry(&mut self, env: &Env<'_>, eff: &mut Effects) {
        if !self.has_outstanding() {
            self.cancel_retry(eff);
            if let Some(flight) = self.flight.stored() {
                flight.now.attempt = 0;
            }
        } else if self.flight.now.retry != RetryTimer::Armed {
            self.flight.now.retry = RetryTimer::Armed;
            eff.arm(TimerKind::Retransmit, self.retry_delay(env));
        }
    }

    pub(super) fn cancel_retry(&mut self, eff: &mut Effects) {
        if self.flight.now.retry != RetryTimer::Off {
            self.flight.now.retry = RetryTimer::Off;
            eff.cancel(TimerKind::Retransmit);
        }
    }

    fn retry_delay(&self, env: &Env<'_>) -> Duration {
        let looking = self.role == Role::Initiator && !self.is_settled() && !self.is_ended();
        let longest = if looking {
            env.limits.max_retry_initiating
        } else {
            env.limits.max_retry_established
        };
        let doubled = 1_u32
            .checked_shl(self.flight.now.attempt)
            .unwrap_or(u32::MAX);
        env.limits.first_retry.saturating_mul(doubled).min(longest)
    }

    /// H10: a clock runs only while this side waits for the other. The target waits while it owes no answer, the
    /// initiator while a request is unanswered; whoever said goodbye waits for the other's.
    pub(super) fn run_clocks(&mut self, env: &Env<'_>, eff: &mut Effects) {
        let flight = self.flight.stored();
        let heard = flight.is_some_and(|flight| std::mem::take(&mut flight.now.heard));
        if self.waits_for_partner() {
            if heard || !self.is(Fact::SilenceArmed) {
                self.note(Fact::SilenceArmed, true);
                eff.arm(TimerKind::Silence, self.terms.timeouts.silence);
                eff.at_least(Durability::Lazy);
            }
        } else if self.is(Fact::SilenceArmed) {
            self.note(Fact::SilenceArmed, false);
            eff.cancel(TimerKind::Silence);
            eff.at_least(Durability::Lazy);
        }
        let wait = self.wanted_closing_wait();
        if wait.is_some() && wait != self.parting.closing_wait {
            let linger = env.limits.linger;
            let after = match wait {
                Some(ClosingWait::LastMessages) => linger.max(self.terms.timeouts.silence),
                _ => linger,
            };
            self.parting.closing_wait = wait;
            eff.arm(TimerKind::Linger, after);
            eff.at_least(Durability::Lazy);
        }
    }

    fn waits_for_partner(&self) -> bool {
        self.is_settled()
            && match self.role {
                Role::Target => self.requests.is_empty() && self.parting.fin_sent.is_none(),
                Role::Initiator => !self.requests.is_empty() && self.parting.fin_received.is_none(),
            }
    }

    fn wanted_closing_wait(&self) -> Option<ClosingWait> {
        self.parting.fin_sent?;
        if self.carrier == Carrier::Local || !self.is_settled() {
            return None;
        }
        if self.role == Role::Initiator
            && !self.requests.is_empty()
            && self.parting.fin_received.is_none()
        {
            return None;
        }
        let only_goodbye = self
            .flight
            .outbox
            .iter()
            .all(|message| message.kind == MessageKind::Empty);
        Some(if only_goodbye {
            ClosingWait::Goodbye
        } else {
            ClosingWait::LastMessages
        })
    }
}
