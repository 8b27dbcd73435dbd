//! The mutants: for each, the model that must refute it, and the property that must be the one that does.

use std::collections::BTreeSet;

use actor_core::protocol::Mutant;
use stateright::{Checker, HasDiscoveries, Model};

use super::{
    configs::{self, Size},
    model::World,
    plan::Plan,
    property::Safety,
};

/// What became of a mutant.
#[derive(Clone, Debug)]
pub struct Refutation {
    /// The wrong implementation.
    pub mutant: Mutant,
    /// The model that it was put into.
    pub model: &'static str,
    /// The property that is to refute it.
    pub property: Safety,
    /// The shortest way to break it; `None`: it was not broken, the checker is.
    pub story: Option<Vec<String>>,
    /// States seen until then.
    pub states: usize,
}

/// The model and the property that refute a mutant.
pub(super) fn refuted_by(mutant: Mutant) -> (fn(Size) -> Plan, Safety) {
    match mutant {
        Mutant::DropInitOnAck => (configs::pool_batch, Safety::KeptUntilAcked),
        Mutant::AckIsEstablish => (configs::pool_batch, Safety::AcksAreInvisible),
        Mutant::Rebind => (configs::pool_pending, Safety::BoundOnce),
        Mutant::VolatileBinding => (configs::pool_handshake, Safety::BoundOnce),
        Mutant::NoToken => (configs::pool_handshake, Safety::OneIsConfirmed),
        Mutant::ApplyInInit => (configs::pool_pending, Safety::NeverEstablishedNoEffect),
        Mutant::AckBeforeCommit => (configs::window, Safety::AckedIsDurable),
        Mutant::AmnesiaAccept => (configs::amnesia, Safety::OneIsConfirmed),
        Mutant::StaticToken => (configs::gnomes, Safety::OneIsConfirmed),
        Mutant::SendBeforeCommit => (configs::window, Safety::NothingLeavesBeforeCommit),
        Mutant::MergedWindow => (configs::pool_batch, Safety::HistoryHasNoGaps),
        Mutant::SkipPoison => (configs::poison, Safety::PoisonEndsTheDialog),
        Mutant::VolatileAttemptCount => (configs::poison, Safety::AttemptsAreBounded),
        Mutant::ExpireAtBoot => (configs::silence, Safety::SilenceSparesTheWaiting),
        Mutant::CurrencyGoesBack => (configs::currency, Safety::CurrencyRises),
        Mutant::ResetWithoutEcho => (configs::amnesia, Safety::ResetsAnswerThisLife),
        Mutant::TombstonelessCleanup => (configs::abandoning, Safety::NobodyIsAccusedWrongly),
        Mutant::AckVisibleToApp => (configs::window, Safety::AcksAreInvisible),
    }
}

/// Puts a mutant into its model, breadth first, until its property is broken.
pub(super) fn refute(mutant: Mutant) -> Refutation {
    let (plan, property) = refuted_by(mutant);
    let plan = plan(Size::Small);
    let model = plan.name;
    let world = World::new(plan, Some(mutant), Some(property));
    let found = HasDiscoveries::AnyOf(BTreeSet::from([property.code()]));
    let checker = world.checker().finish_when(found).spawn_bfs().join();
    let story = checker.discoveries().remove(property.code()).map(|path| {
        let actions = path.into_actions();
        let world = checker.model();
        actions
            .iter()
            .map(|action| world.format_action(action))
            .collect()
    });
    Refutation {
        mutant,
        model,
        property,
        story,
        states: checker.unique_state_count(),
    }
}
