//! An endpoint as it is written: one field after the other, as they have always been.
//!
//! Owns the order and the meaning of what is on disk, so that what is in memory can be laid out as memory wants it. A
//! local partner is written as a peer of which only the slot means anything.

use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::facts::{Fact, Facts};
use super::now::{Flight, Parting};
use super::terms::Terms;
use super::{Carrier, Endpoint, Mode, Peer, Stage};
use crate::protocol::few::Few;
use crate::protocol::ids::{DialogId, Role, StoreId, Token};
use crate::protocol::seldom::Seldom;

/// What is read.
#[derive(Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "a byte each on disk, in places of their own"
)]
pub(super) struct Stored {
    dialog: DialogId,
    role: Role,
    mode: Mode,
    carrier: Carrier,
    stage: Stage,
    token: Token,
    terms: Terms,
    volatile: bool,
    peer: Option<Peer>,
    partner_established: bool,
    recv_next: u64,
    send_next: u64,
    acked: u64,
    requests: Few<u64>,
    silence_armed: bool,
    was_established: bool,
    parting: Seldom<Parting>,
    flight: Seldom<Flight>,
}

impl From<Stored> for Endpoint {
    fn from(stored: Stored) -> Self {
        let mut facts = Facts::default();
        facts.set(Fact::Volatile, stored.volatile);
        facts.set(Fact::PartnerEstablished, stored.partner_established);
        facts.set(Fact::SilenceArmed, stored.silence_armed);
        facts.set(Fact::WasEstablished, stored.was_established);
        let is_here = has_its_partner_here(stored.carrier, stored.role);
        let partner_slot = stored.peer.as_ref().filter(|_| is_here);
        let partner_slot = partner_slot.map_or(0, |peer| peer.token.slot());
        let peer = stored.peer.filter(|_| !is_here || stored.volatile);
        Self {
            dialog: stored.dialog,
            role: stored.role,
            mode: stored.mode,
            carrier: stored.carrier,
            stage: stored.stage,
            token: stored.token,
            terms: Arc::new(stored.terms),
            facts,
            partner_slot,
            peer: peer.map(Box::new),
            recv_next: stored.recv_next,
            send_next: stored.send_next,
            acked: stored.acked,
            requests: stored.requests,
            parting: stored.parting,
            flight: stored.flight,
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self {
            dialog,
            role,
            mode,
            carrier,
            stage,
            token,
            terms,
            facts,
            partner_slot,
            peer,
            recv_next,
            send_next,
            acked,
            requests,
            parting,
            flight,
        } = self;
        let is_here = has_its_partner_here(*carrier, *role);
        let here = (is_here && peer.is_none()).then(|| neighbour(*partner_slot));
        let mut to = to.serialize_struct("Endpoint", 18)?;
        to.serialize_field("dialog", dialog)?;
        to.serialize_field("role", role)?;
        to.serialize_field("mode", mode)?;
        to.serialize_field("carrier", carrier)?;
        to.serialize_field("stage", stage)?;
        to.serialize_field("token", token)?;
        to.serialize_field("terms", &**terms)?;
        to.serialize_field("volatile", &facts.has(Fact::Volatile))?;
        to.serialize_field("peer", &peer.as_deref().or(here.as_ref()))?;
        to.serialize_field("partner_established", &facts.has(Fact::PartnerEstablished))?;
        to.serialize_field("recv_next", recv_next)?;
        to.serialize_field("send_next", send_next)?;
        to.serialize_field("acked", acked)?;
        to.serialize_field("requests", requests)?;
        to.serialize_field("silence_armed", &facts.has(Fact::SilenceArmed))?;
        to.serialize_field("was_established", &facts.has(Fact::WasEstablished))?;
        to.serialize_field("parting", parting)?;
        to.serialize_field("flight", flight)?;
        to.end()
    }
}

/// A target whose initiator is in the same store: its slot says where.
fn has_its_partner_here(carrier: Carrier, role: Role) -> bool {
    carrier == Carrier::Local && role == Role::Target
}

/// A durable partner in this store, at home in this slot.
fn neighbour(slot: u16) -> Peer {
    let mut token = Token::default();
    token.0[..2].copy_from_slice(&slot.to_be_bytes());
    Peer {
        token,
        store: StoreId::default(),
        node: String::new(),
        incarnation: 0,
    }
}
