//! RESETs and the directory's verdicts: is the partner's memory gone (rows 14, 20 to 22)?
//!
//! A RESET is believed only if it answers a frame of this life of this endpoint: a late one must not kill a healthy
//! dialog (P12).

use super::{Endpoint, Stage};
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
            return;
        }
        match (self.stage, reason) {
            (Stage::Ended, _) => self.fault_heard(eff),
            // Row 14: the initiator lives and chose another.
            (Stage::Accumulating, ResetReason::Superseded) => {
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
                self.partner_lost(Abandoned::PartnerAmnesia, env, eff);
            }
            // Row 21: we may have asked the wrong house.
            (_, ResetReason::UnknownEndpoint) => eff.locate = true,
        }
    }

    /// Rows 21 and 22: what the directory knows about the store we are bound to.
    pub(super) fn located(&mut self, location: Location, env: &Env<'_>, eff: &mut Effects) {
        if self.is_ended() || !self.is_remote() {
            return;
        }
        let Some(peer) = &mut self.peer else { return };
        match location {
            Location::Bound { node } => {
                if peer.node != node {
                    peer.node = node;
                    eff.at_least(Durability::Lazy);
                }
                self.now.due = true;
            }
            Location::ReplacedBy(store) if store != peer.store => {
                self.partner_lost(Abandoned::PartnerReplaced, env, eff);
            }
            Location::ReplacedBy(_) => self.now.due = true,
            Location::Unknown => {}
        }
    }
}
