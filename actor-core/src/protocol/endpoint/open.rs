//! Births: how an endpoint comes to be (rows 1 and 9, H5).

use std::collections::{BTreeSet, VecDeque};

use super::now::Now;
use super::{Carrier, Endpoint, Mode, Peer, Stage};
use crate::coverage;
use crate::protocol::effects::{Durability, Effects, Notice, TimerKind};
use crate::protocol::frame::{Frame, FrameKind};
use crate::protocol::ids::{DialogId, Role, StoreId, Token};
use crate::protocol::input::{LocalItem, LocalOpen};
use crate::protocol::limits::{Env, Timeouts};

impl Endpoint {
    /// Row 1: a new dialog, with nothing said yet. Nothing leaves before the first [`super::super::Input::Flush`].
    ///
    /// With [`Carrier::Local`] it is born bound, and the partner is born from [`LocalItem::Open`].
    #[allow(clippy::too_many_arguments)]
    pub fn initiate(
        dialog: DialogId,
        token: Token,
        service: impl Into<String>,
        mode: Mode,
        carrier: Carrier,
        timeouts: Timeouts,
        contract: u64,
        volatile: bool,
        env: &Env<'_>,
    ) -> (Self, Effects) {
        coverage::row(1);
        let mut new = Self::blank(dialog, Role::Initiator, token, mode, timeouts);
        new.service = service.into();
        new.carrier = carrier;
        new.contract = contract;
        new.volatile = volatile;
        new.stage = Stage::Initiating;
        new.now.due = true;
        let mut eff = Effects {
            durability: Durability::Durable,
            ..Effects::default()
        };
        eff.arm(TimerKind::Lifetime, timeouts.lifetime);
        if carrier == Carrier::Local {
            new.stage = Stage::Bound;
            new.was_established = mode == Mode::Handshake;
            eff.notices.push(Notice::Bound);
            eff.local.push(LocalItem::Open(LocalOpen {
                ttl_ms: 0,
                trace: [0; 16],
                dialog,
                service: new.service.clone(),
                mode,
                contract,
                token,
                volatile,
                incarnation: env.incarnation,
            }));
        }
        if !new.is_settled() {
            eff.arm(TimerKind::Initiation, timeouts.initiation);
        }
        (new, eff)
    }

    /// Row 9: a target is born from an initiating frame for which there is no record and no refusal. The frame's
    /// messages are in the backlog; the node goes on with [`super::super::Input::Consume`].
    pub fn accept(
        frame: Frame,
        token: Token,
        mode: Mode,
        timeouts: Timeouts,
        env: &Env<'_>,
    ) -> (Self, Effects) {
        coverage::row(9);
        let mut new = Self::blank(frame.dialog, Role::Target, token, mode, timeouts);
        new.service.clone_from(&frame.service);
        new.contract = frame.contract;
        new.volatile = frame.flags.volatile_initiator;
        new.peer = Some(Peer {
            token: frame.src_token,
            store: frame.src_store,
            node: frame.src_node.clone(),
            incarnation: frame.incarnation,
        });
        let mut eff = Effects {
            durability: Durability::Durable,
            ..Effects::default()
        };
        eff.arm(TimerKind::Lifetime, timeouts.lifetime);
        eff.arm(TimerKind::Accumulate, timeouts.initiation);
        // Only an initiating frame creates (P2); any other is left to find that it names nobody.
        if frame.is_initiating() && matches!(frame.kind, FrameKind::Syn | FrameKind::Data) {
            new.receive(frame, env, &mut eff);
        }
        (new, eff)
    }

    /// H5: a target is born in the initiator's own store, bound: no twin can exist. After a handshake it is confirmed
    /// at once; pending work is confirmed by its own first answer.
    pub fn accept_local(
        open: LocalOpen,
        token: Token,
        timeouts: Timeouts,
        env: &Env<'_>,
    ) -> (Self, Effects) {
        let mut new = Self::blank(open.dialog, Role::Target, token, open.mode, timeouts);
        new.service = open.service;
        new.carrier = Carrier::Local;
        new.contract = open.contract;
        new.volatile = open.volatile;
        new.peer = Some(Peer {
            token: open.token,
            store: env.store,
            node: String::new(),
            incarnation: open.incarnation,
        });
        let mut eff = Effects {
            durability: Durability::Durable,
            ..Effects::default()
        };
        eff.arm(TimerKind::Lifetime, timeouts.lifetime);
        eff.arm(TimerKind::Accumulate, timeouts.initiation);
        if open.mode == Mode::Handshake {
            new.confirmed(&mut eff);
        }
        (new, eff)
    }

    fn blank(dialog: DialogId, role: Role, token: Token, mode: Mode, timeouts: Timeouts) -> Self {
        Self {
            dialog,
            role,
            mode,
            carrier: Carrier::Remote,
            stage: Stage::Accumulating,
            service: String::new(),
            token,
            contract: 0,
            timeouts,
            volatile: false,
            peer: None,
            partner_established: false,
            recv_next: 1,
            send_next: 1,
            acked: 0,
            acked_at: (0, 0),
            outbox: VecDeque::new(),
            stowed: BTreeSet::new(),
            outbox_bytes: 0,
            initiation_bytes: 0,
            owed: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            fin_sent: None,
            fin_received: None,
            silence_armed: false,
            closing_wait: None,
            ending: None,
            fault: None,
            was_established: false,
            forgotten: false,
            now: Now::default(),
        }
    }

    /// Row 13: the target learns that it was chosen.
    pub(super) fn confirmed(&mut self, eff: &mut Effects) {
        self.stage = Stage::Established;
        self.was_established = true;
        eff.cancel(TimerKind::Accumulate);
        eff.notices.push(Notice::Confirmed);
        Self::wrote(eff);
    }

    /// The store of the partner's memory, for the target or the bound initiator.
    pub(super) fn peer_store(&self) -> Option<StoreId> {
        self.peer.as_ref().map(|peer| peer.store)
    }
}
