//! Properties between two hosts: what one remembers against what the other does.
//!
//! What can be judged within one host, as it acts, is judged in `host.rs` and `turn.rs`.

use actor_core::protocol::{Abandoned, DialogId, Ending, Role, Token};

use super::{
    host::{Host, main_dialog},
    memory::{Fate, Grave, Memory, released},
    property::{Broken, Safety},
};

/// Everything that two hosts (or one, twice) say about each other.
pub(super) fn check_pair(one: &Host, other: &Host) -> Broken {
    let mut broken = Broken::default();
    check_against(one, other, &mut broken);
    if one.place != other.place {
        check_against(other, one, &mut broken);
    }
    check_confirmed(one, other, &mut broken);
    broken
}

/// A memory of a host that may be gone.
struct Trace {
    dialog: DialogId,
    role: Role,
    token: Token,
    peer: Option<Token>,
    confirmed: bool,
    applied: u8,
    ending: Option<Ending>,
    /// An initiator that ended without ever having been established.
    never_established: bool,
}

fn traces(host: &Host) -> impl Iterator<Item = Trace> + '_ {
    durable(host)
        .map(|memory| Grave::of(memory, Fate::Lingered))
        .chain(host.graves.iter().cloned())
        .map(|grave| Trace {
            dialog: grave.key.dialog,
            role: grave.key.role,
            token: grave.token,
            peer: grave.peer,
            confirmed: grave.confirmed,
            applied: grave.applied,
            never_established: grave.ending.is_some() && !grave.established,
            ending: grave.ending,
        })
}

fn durable(host: &Host) -> impl Iterator<Item = &Memory> {
    host.records
        .iter()
        .filter_map(|record| record.durable.as_ref())
}

fn check_against(one: &Host, other: &Host, broken: &mut Broken) {
    for record in &one.records {
        check_kept(&record.live, other, broken);
        if let Some(memory) = &record.durable {
            check_heard(memory, other, broken);
        }
    }
    for trace in traces(one) {
        check_accusation(one, &trace, other, broken);
    }
    check_never_established(one, other, broken);
}

fn partner<'a>(memory: &Memory, host: &'a Host) -> Option<&'a Memory> {
    let token = memory.peer_token()?;
    durable(host).find(|other| other.endpoint.token() == token)
}

fn partner_grave<'a>(memory: &Memory, host: &'a Host) -> Option<&'a Grave> {
    let token = memory.peer_token()?;
    host.graves.iter().find(|grave| grave.token == token)
}

fn partner_recv_next(memory: &Memory, host: &Host) -> Option<u64> {
    partner(memory, host)
        .map(|partner| partner.endpoint.recv_next())
        .or_else(|| partner_grave(memory, host).map(|grave| grave.recv_next))
}

/// S6.
fn check_kept(memory: &Memory, other: &Host, broken: &mut Broken) {
    if memory.has_ended() || other.travelled {
        return;
    }
    let Some(recv_next) = partner_recv_next(memory, other) else {
        return;
    };
    let released = released(&memory.endpoint);
    broken.mark_if(Safety::KeptUntilAcked, released >= recv_next);
}

/// S9 and S12.
fn check_heard(memory: &Memory, other: &Host, broken: &mut Broken) {
    if other.travelled {
        return;
    }
    let said = partner(memory, other)
        .map(|partner| &partner.app.said)
        .or_else(|| partner_grave(memory, other).map(|grave| &grave.said));
    if let Some(said) = said {
        let as_said = |(seq, life): &(u8, u8)| said.get(usize::from(*seq) - 1) == Some(life);
        broken.mark_if(
            Safety::HistoryHasNoGaps,
            !memory.app.heard.iter().all(as_said),
        );
    }
    if memory.endpoint.ending() == Some(&Ending::Completed) {
        let heard_in_full = partner_recv_next(memory, other)
            .is_none_or(|recv_next| recv_next >= memory.endpoint.send_next());
        broken.mark_if(Safety::CompletedMeansReceived, !heard_in_full);
    }
}

/// S23.
fn check_accusation(accuser: &Host, trace: &Trace, accused: &Host, broken: &mut Broken) {
    let (Some(Ending::Abandoned(why)), Some(peer)) = (&trace.ending, trace.peer) else {
        return;
    };
    if accuser.travelled || accused.travelled {
        return;
    }
    let remembers = durable(accused).any(|memory| memory.endpoint.token() == peer);
    let grave = accused.graves.iter().find(|grave| grave.token == peer);
    let dropped = grave.is_some_and(|grave| grave.fate == Fate::Dropped);
    let wrong = match why {
        Abandoned::PartnerAmnesia | Abandoned::PartnerReplaced => remembers || dropped,
        Abandoned::PartnerRolledBack => remembers || grave.is_some(),
        _ => false,
    };
    broken.mark_if(Safety::NobodyIsAccusedWrongly, wrong);
}

/// S8, also for the children of the dialog.
fn check_never_established(one: &Host, other: &Host, broken: &mut Broken) {
    let is_void = |trace: &Trace| trace.role == Role::Initiator && trace.never_established;
    for void in traces(one).filter(is_void) {
        let its_effects = |trace: &Trace| {
            let partner = trace.peer == Some(void.token) && trace.dialog == void.dialog;
            let child = void.dialog == main_dialog() && trace.dialog != void.dialog;
            trace.role == Role::Target && trace.applied > 0 && (partner || child)
        };
        broken.mark_if(
            Safety::NeverEstablishedNoEffect,
            traces(other).any(|trace| its_effects(&trace)),
        );
    }
}

/// S4: by the initiator's token; and the effects of all children of the one dialog together.
fn check_confirmed(one: &Host, other: &Host, broken: &mut Broken) {
    let confirmed = |host| traces(host).filter(|trace| trace.confirmed);
    let mut all: Vec<Trace> = confirmed(one).collect();
    if one.place != other.place {
        all.extend(confirmed(other));
    }
    for (at, trace) in all.iter().enumerate() {
        let twin = |twin: &Trace| twin.peer == trace.peer && twin.dialog == trace.dialog;
        broken.mark_if(Safety::OneIsConfirmed, all[at + 1..].iter().any(twin));
    }
    let children = all.iter().filter(|trace| trace.dialog != main_dialog());
    broken.mark_if(Safety::ChildrenOfTheConfirmed, children.count() > 1);
}
