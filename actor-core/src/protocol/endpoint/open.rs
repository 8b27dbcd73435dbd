//! Births: how an endpoint comes to be (rows 1 and 9, H5).

use std::sync::Arc;

use super::facts::{Fact, Facts};
use super::terms::Terms;
use super::{Carrier, Endpoint, Mode, Peer, Stage};
use crate::coverage;
use crate::protocol::effects::{Durability, Effects, Notice, TimerKind};
use crate::protocol::few::Few;
use crate::protocol::frame::{Frame, FrameKind};
use crate::protocol::ids::{DialogId, Role, StoreId, Token};
use crate::protocol::input::{LocalItem, LocalOpen};
use crate::protocol::limits::{Env, Timeouts};
use crate::protocol::seldom::Seldom;

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
        let terms = Terms {
            contract,
            service: service.into(),
            timeouts,
        };
        let mut new = Self::blank(dialog, Role::Initiator, token, mode, terms);
        new.carrier = carrier;
        new.note(Fact::Volatile, volatile);
        new.stage = Stage::Initiating;
        new.flight.now.due = true;
        let mut eff = Effects {
            durability: Durability::Durable,
            ..Effects::default()
        };
        eff.arm(TimerKind::Lifetime, timeouts.lifetime);
        if carrier == Carrier::Local {
            new.stage = Stage::Bound;
            new.note(Fact::WasEstablished, mode == Mode::Handshake);
            eff.notices.push(Notice::Bound);
            eff.local.push(LocalItem::Open(LocalOpen {
                ttl_ms: 0,
                trace: [0; 16],
                dialog,
                service: new.terms.service.clone(),
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
        let terms = Terms {
            contract: frame.contract,
            service: frame.service.clone(),
            timeouts,
        };
        let mut new = Self::blank(frame.dialog, Role::Target, token, mode, terms);
        new.note(Fact::Volatile, frame.flags.volatile_initiator);
        new.peer = Some(Box::new(Peer {
            token: frame.src_token,
            store: frame.src_store,
            node: frame.src_node.clone(),
            incarnation: frame.incarnation,
        }));
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
        let terms = Terms {
            contract: open.contract,
            service: open.service,
            timeouts,
        };
        let mut new = Self::blank(open.dialog, Role::Target, token, open.mode, terms);
        new.carrier = Carrier::Local;
        new.note(Fact::Volatile, open.volatile);
        new.partner_slot = open.token.slot();
        new.peer = open.volatile.then(|| {
            Box::new(Peer {
                token: open.token,
                store: env.store,
                node: String::new(),
                incarnation: open.incarnation,
            })
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

    fn blank(dialog: DialogId, role: Role, token: Token, mode: Mode, terms: Terms) -> Self {
        Self {
            dialog,
            role,
            mode,
            carrier: Carrier::Remote,
            stage: Stage::Accumulating,
            token,
            terms: Arc::new(terms),
            facts: Facts::default(),
            partner_slot: 0,
            peer: None,
            recv_next: 1,
            send_next: 1,
            acked: 0,
            requests: Few::new(),
            parting: Seldom::default(),
            flight: Seldom::default(),
        }
    }

    /// Row 13: the target learns that it was chosen.
    pub(super) fn confirmed(&mut self, eff: &mut Effects) {
        self.stage = Stage::Established;
        self.note(Fact::WasEstablished, true);
        eff.cancel(TimerKind::Accumulate);
        eff.notices.push(Notice::Confirmed);
        Self::wrote(eff);
    }

    /// The store of the partner's memory, for the target or the bound initiator.
    pub(super) fn peer_store(&self) -> Option<StoreId> {
        self.peer.as_ref().map(|peer| peer.store)
    }
}
