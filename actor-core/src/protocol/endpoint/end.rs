//! The end of a dialog, whatever its cause (rows 8, 14, 20, 22, 23, 25 to 28, 30).
//!
//! The ended record *is* the tombstone: it keeps what is needed to answer late frames politely, and nothing else.

use super::facts::Fact;
use super::now::{Fault, Now};
use super::{Carrier, Endpoint, Stage};
use crate::coverage::{self, Rare};
use crate::protocol::effects::{Effects, Notice, TimerKind};
use crate::protocol::ending::{Abandoned, Ending, FaultCode};
use crate::protocol::ids::Role;
use crate::protocol::input::LocalItem;
use crate::protocol::limits::Env;
use crate::protocol::mutant::Mutant;

impl Endpoint {
    /// Rows 27 and 30: the application, or the plumbing on its behalf, gives up. The partner is told until it
    /// acknowledges or the linger is over; what was not acknowledged is dropped.
    pub(super) fn give_up(
        &mut self,
        code: FaultCode,
        detail: String,
        env: &Env<'_>,
        eff: &mut Effects,
    ) {
        if !self.is_ended() {
            coverage::row(if code == FaultCode::Poisoned { 30 } else { 27 });
        }
        self.end(code.ours(&detail), Some((code, detail)), env, eff);
    }

    /// Row 25: both said goodbye, and ours is known to have arrived.
    pub(super) fn complete_if_done(&mut self, env: &Env<'_>, eff: &mut Effects) {
        let Some(fin) = self.parting.fin_sent else {
            return;
        };
        let arrived = self.carrier == Carrier::Local || self.acked >= fin;
        if arrived && self.parting.fin_received.is_some() {
            if !self.is_ended() {
                coverage::row(25);
            }
            self.end(Ending::Completed, None, env, eff);
        }
    }

    /// Row 23: what the partner says contradicts what it said before, or what we ever said.
    pub(super) fn contradiction(&mut self, env: &Env<'_>, eff: &mut Effects) {
        coverage::row(23);
        let fault = Some((FaultCode::RolledBack, String::new()));
        self.end(
            Ending::Abandoned(Abandoned::PartnerRolledBack),
            fault,
            env,
            eff,
        );
    }

    /// Row 20, or row 22 with `why`: the partner's memory of this dialog is gone.
    pub(super) fn partner_lost(&mut self, why: Abandoned, env: &Env<'_>, eff: &mut Effects) {
        eff.notices.push(Notice::Reset);
        // One who heard our goodbye, or said its own, may forget us: that is not amnesia (S23).
        let parted = self
            .parting
            .fin_sent
            .is_some_and(|fin| self.parting.fin_received.is_some() || self.acked >= fin);
        let ending = if self.stage == Stage::Accumulating {
            coverage::row(14);
            Ending::Discarded
        } else if parted {
            coverage::sometimes(Rare::PartedAndForgotten);
            Ending::CompletedUnconfirmed
        } else if self.volatile_partner().is_some() {
            coverage::sometimes(Rare::VolatilePartnerGone);
            Ending::Abandoned(Abandoned::PartnerGone)
        } else {
            Ending::Abandoned(why)
        };
        self.end(ending, None, env, eff);
    }

    /// Ends the dialog once. `fault` is what the partner is told, if there is a partner.
    pub(super) fn end(
        &mut self,
        ending: Ending,
        fault: Option<(FaultCode, String)>,
        env: &Env<'_>,
        eff: &mut Effects,
    ) {
        if self.is_ended() {
            return;
        }
        self.cancel_clocks(eff);
        match self.carrier {
            Carrier::Local => {
                if let Some((code, detail)) = fault.filter(|_| ending != Ending::Declined) {
                    // What was said in this transaction is dropped with the rest, as it is on the wire.
                    let seq = self.acked + 1;
                    self.send_next = seq + 1;
                    eff.local.push(LocalItem::Fault { seq, code, detail });
                } else {
                    self.hand_over(eff);
                }
            }
            Carrier::Remote => {
                eff.arm(TimerKind::Linger, env.limits.linger);
                if self.peer.is_some() {
                    self.parting.fault = fault.map(|(code, detail)| Fault {
                        code,
                        detail,
                        acked: false,
                    });
                }
            }
        }
        self.stage = Stage::Ended;
        self.flight.outbox.clear();
        self.flight.stowed.clear();
        self.flight.outbox_bytes = 0;
        self.flight.initiation_bytes = 0;
        self.parting.closing_wait = None;
        self.flight.now = Now {
            need_ack: self.flight.now.need_ack,
            due: self.parting.fault.is_some(),
            ..Now::default()
        };
        self.parting.ending = Some(ending.clone());
        self.parting.forgotten = self.is_remote() && env.is_mutant(Mutant::TombstonelessCleanup);
        eff.notices.push(Notice::Ended(ending));
        Self::wrote(eff);
    }

    fn cancel_clocks(&mut self, eff: &mut Effects) {
        match (self.role, self.stage) {
            (Role::Initiator, _) if !self.is_settled() => eff.cancel(TimerKind::Initiation),
            (Role::Target, Stage::Accumulating) => eff.cancel(TimerKind::Accumulate),
            _ => {}
        }
        if self.is(Fact::SilenceArmed) {
            self.note(Fact::SilenceArmed, false);
            eff.cancel(TimerKind::Silence);
        }
        self.cancel_retry(eff);
        eff.cancel(TimerKind::Lifetime);
    }
}
