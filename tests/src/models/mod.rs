//! Models of the production engine: every interleaving, of a dialog so small that all of them can be looked at.
//!
//! `World` (in `model.rs`) is a [`stateright::Model`] over `actor_core::protocol`: the states hold production endpoints,
//! and the actions are what a node and the world around it may do next: handle a frame, commit, release, crash, lose a
//! store, set one back, deliver to the wrong place. A transaction is three actions, so that a process may end between
//! any two. Time is abstract: a timer that is armed may fire. The network loses, delays and reorders at will; what is
//! bounded is how many frames are under way at once and how often each trouble strikes (`configs.rs`).
//!
//! # What is checked, and where
//!
//! | property | says | asserted in |
//! |---|---|---|
//! | S1 | nothing leaves before it is durable | `host.rs`, as a frame leaves |
//! | S2 | two memories never share a token | `host.rs`, as one is minted |
//! | S3 | bound once, durably before use | `host.rs`, at each commit and as a frame leaves |
//! | S4 | one memory per initiator is confirmed | `checks.rs` |
//! | S5 | acknowledged is durable | `host.rs`, as a frame leaves |
//! | S6 | kept until the bound partner has it; all kept while unbound | `checks.rs`, `turn.rs` |
//! | S7 | an ended memory is inert | `host.rs`, at each commit |
//! | S8 | never established, no permanent effect | `checks.rs` |
//! | S9 | what is heard is what that partner said, without gaps, once | `turn.rs` as it is heard, `checks.rs` |
//! | S10 | a currency never goes back | `turn.rs`, as it is heard |
//! | S11 | no predecessor is missing | `turn.rs`, as it is heard |
//! | S12 | who completed was heard in full | `checks.rs` |
//! | S13 | silence spares a message that waits, also over a restart | `turn.rs`, `model.rs` |
//! | S14 | attempts at a message are bounded | `turn.rs` |
//! | S15 | nothing is handled after what cannot be | `turn.rs` |
//! | S19 | an acknowledgement is invisible | `turn.rs` |
//! | S20 | the same number, the same bytes | `host.rs`, at each commit |
//! | S21 | window, outbox and memories are bounded | `turn.rs` |
//! | S23, P12 | nobody is accused wrongly, by a late RESET neither | `checks.rs`, `turn.rs` |
//! | P14 | only the confirmed have children, with one effect | `turn.rs`, `checks.rs` |
//! | L1, L2, L3 | a fault-free path to every answer, and to the last value | `liveness.rs`, `Goal::Answered` |
//! | L4 | a path to the end of every memory | `liveness.rs`, `Goal::Ended` |
//! | L5, L6, S22 | as time passes, nothing is left anywhere | `liveness.rs`, `Goal::Forgotten` |
//!
//! S14 is seen here as a bound on attempts; that a message which cannot be handled blocks no other actor is a matter of
//! shards, and so of whole nodes. S16 is about names given to requests, S17 and S18 about a store shared by several
//! servers: neither is in the engine.
//!
//! # Whose rules are modelled
//!
//! The rules of the protocol are production code. What a node adds to them is repeated in `turn.rs` in small: the order
//! of a transaction, the reading back after a crash, that attempts are counted durably, that deadlines wait after a
//! restart. Mutants of those rules are therefore mutants of that small node, and tests of whole nodes are needed beside.
//!
//! # Mutants
//!
//! Each of the wrong implementations of [`Mutant`] is put into one of these models and must be refuted by the property
//! that `mutants.rs` names for it, while the engine as it is passes the same model in the same run. A checker that
//! cannot kill them is broken.

mod checks;
mod configs;
mod host;
mod intern;
mod liveness;
mod memory;
mod model;
mod mutants;
mod plan;
mod property;
mod report;
mod turn;

use actor_core::protocol::Mutant;
use stateright::{Checker, Model};

pub use configs::Size;
pub use mutants::Refutation;
pub use property::Safety;
pub use report::{Liveness, ModelReport, Report};

use liveness::Graph;
use model::World;
use plan::Plan;

/// Largest graph that is built for liveness; a larger model is walked backwards at its small size only.
const MAX_GRAPH_STATES: usize = 1_200_000;
/// Transitions after which a model is left, breadth first: the report says so. Bounds the time of a gate.
const MAX_TRANSITIONS: usize = 30_000_000;

/// All models at their full size and at their small one, liveness, and the mutants: for the gate.
///
/// `progress` hears a line before and after each model.
pub fn prove(threads: usize, progress: &dyn Fn(String)) -> Report {
    let mut report = check(Size::Small, threads, progress);
    let full = check(Size::Full, threads, progress);
    report.models.extend(full.models);
    report.refutations = refute_all(progress);
    report
}

/// All models at one size, without the mutants.
pub fn check(size: Size, threads: usize, progress: &dyn Fn(String)) -> Report {
    check_named("", size, threads, progress)
}

/// The models whose names contain this, at one size, without the mutants.
pub fn check_named(name: &str, size: Size, threads: usize, progress: &dyn Fn(String)) -> Report {
    let mut report = Report::default();
    for plan in configs::all(size) {
        if !plan.name.contains(name) {
            continue;
        }
        progress(format!("{} ({size:?}) ..", plan.name));
        let model = check_plan(plan, size, threads);
        progress(model.to_string());
        report.models.push(model);
    }
    report
}

/// Every mutant in its model.
pub fn refute_all(progress: &dyn Fn(String)) -> Vec<Refutation> {
    let refute = |mutant| {
        let refutation = mutants::refute(mutant);
        progress(refutation.to_string());
        refutation
    };
    Mutant::ALL.into_iter().map(refute).collect()
}

fn check_plan(plan: Plan, size: Size, threads: usize) -> ModelReport {
    let (name, goals) = (plan.name, plan.goals);
    let world = World::new(plan.clone(), None, None);
    let checker = world
        .checker()
        .threads(threads)
        .target_state_count(MAX_TRANSITIONS)
        .spawn_bfs()
        .join();
    let world = checker.model();
    let mut broken: Vec<(Safety, Vec<String>)> = Vec::new();
    for (code, path) in checker.discoveries() {
        let story = path.into_actions();
        let story = story.iter().map(|action| world.format_action(action));
        let property = Safety::ALL.iter().find(|property| property.code() == code);
        broken.extend(property.map(|property| (*property, story.collect())));
    }
    broken.sort();
    let states = checker.unique_state_count();
    let mut liveness = Vec::new();
    if !goals.is_empty() && states <= MAX_GRAPH_STATES && broken.is_empty() {
        let world = World::new(plan, None, None);
        if let Some(graph) = Graph::explore(&world, MAX_GRAPH_STATES) {
            liveness.extend(goals.iter().map(|goal| graph.check(&world, *goal)));
        }
    }
    ModelReport {
        name,
        size,
        states,
        generated: checker.state_count(),
        is_whole: checker.state_count() < MAX_TRANSITIONS,
        depth: checker.max_depth(),
        hosts: world_size(&checker),
        broken,
        liveness,
    }
}

fn world_size(checker: &impl Checker<World>) -> usize {
    checker.model().distinct_hosts()
}
