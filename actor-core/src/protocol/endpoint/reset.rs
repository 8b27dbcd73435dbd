//! RESETs and the directory's verdicts: is the partner's memory gone (rows 14, 20 to 22)?
//!
//! A RESET is believed only if it answers a frame of this life of this endpoint: a late one must not kill a healthy
//! dialog (P12).

use super::{Endpoint, Stage};
use crate::coverage::{self, Rare};
use crate::protocol::effects::{Durability, Effects, Notice};
use crate::protocol::ending::{Abandoned, Ending};
use crate::protocol::frame::{Frame, FrameKind, ResetReason};
use crate::protocol::ids::Role;
use crate::protocol::input::Location;
use crate::protocol::limits::Env;
use crate::protocol::mutant::Mutant;

impl Endpoint {
    pub(super) fn receive_reset(&mut self, frame: &Frame, env: &Env<'_>, eff: &mut Effects) {
        let FrameKind::Reset {
            reason,
            echo_token,
            echo_incarnation,
            ..
        } = frame.kind
        else {
            return;
        };
        let Some(peer) = &self.peer else { return };
        let is_echo = env.is_mutant(Mutant::ResetWithoutEcho)
            || (echo_token == self.token && echo_incarnation == env.incarnation);
        if !is_echo || frame.src_token != peer.token {
            if !is_echo {
                coverage::sometimes(Rare::ResetOfAnotherLife);
            }
            return;
        }
        match (self.stage, reason) {
            // Only the partner's own house can say that nobody is left to hear our FAULT.
            (Stage::Ended, ResetReason::UnknownEndpoint) if frame.src_store != peer.store => {
                coverage::sometimes(Rare::WrongHouseHeardFault);
                eff.locate = self.has_outstanding() && self.may_ask_where();
            }
            (Stage::Ended, _) => self.fault_heard(eff),
            // Row 14: the initiator lives and chose another.
            (Stage::Accumulating, ResetReason::Superseded) => {
                coverage::row(14);
                if self.recv_next > 1 {
                    coverage::sometimes(Rare::SupersededWithWork);
                }
                eff.notices.push(Notice::Reset);
                self.end(Ending::Discarded, None, env, eff);
            }
            // It confirmed us and denies it: its binding was undone.
            (_, ResetReason::Superseded) if self.role == Role::Target => {
                self.contradiction(env, eff);
            }
            (_, ResetReason::Superseded) => {}
            // Row 20: its own store says so.
            (_, ResetReason::UnknownEndpoint) if frame.src_store == peer.store => {
                coverage::row(20);
                self.partner_lost(Abandoned::PartnerAmnesia, env, eff);
            }
            // Row 21: we may have asked the wrong house.
            (_, ResetReason::UnknownEndpoint) => eff.locate = self.may_ask_where(),
        }
    }

    /// Once a round: what is said to the wrong house again is as late as any other retry.
    fn may_ask_where(&mut self) -> bool {
        !std::mem::replace(&mut self.flight.now.asked_where, true)
    }

    /// Rows 21 and 22: what the directory knows about the store we are bound to.
    pub(super) fn located(&mut self, location: Location, env: &Env<'_>, eff: &mut Effects) {
        let ended = self.is_ended();
        if !self.is_remote() || (ended && !self.has_outstanding()) {
            return;
        }
        let Some(peer) = &mut self.peer else { return };
        match location {
            Location::Bound { node } => {
                coverage::row(21);
                if peer.node != node {
                    peer.node = node;
                    eff.at_least(Durability::Lazy);
                }
                self.flight.now.due = true;
            }
            Location::ReplacedBy(store) if store != peer.store && ended => {
                self.fault_heard(eff);
            }
            Location::ReplacedBy(store) if store != peer.store => {
                coverage::row(22);
                self.partner_lost(Abandoned::PartnerReplaced, env, eff);
            }
            Location::ReplacedBy(_) => self.flight.now.due = true,
            Location::Unknown => {}
        }
    }
}
