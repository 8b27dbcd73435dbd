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
//! | property | says | asserted in every interleaving | asserted elsewhere |
//! |---|---|---|---|
//! | S1 | nothing leaves before it is durable | `host.rs`, as a frame leaves | `gnomes/checks.rs`; `promises/gate.rs` |
//! | S2 | two memories never share a token | `host.rs`, as one is minted | `gnomes/checks.rs` |
//! | S3 | bound once, durably before use | `host.rs`, at each commit and as a frame leaves | `gnomes/checks.rs` |
//! | S4 | one memory per initiator is confirmed | `checks.rs` | `gnomes/checks.rs`; `world/ledger.rs` |
//! | S5 | acknowledged is durable | `host.rs`, as a frame leaves | `gnomes/checks.rs`; `world/ledger.rs` |
//! | S6 | kept until the bound partner has it; all kept while unbound | `checks.rs`, `turn.rs` | `gnomes/checks.rs` |
//! | S7 | an ended memory is inert | `host.rs`, at each commit | `gnomes/checks.rs` |
//! | S8 | never established, no permanent effect | `checks.rs` | `gnomes/checks.rs`; `promises/deadlines.rs` |
//! | S9 | what is heard is what that partner said, without gaps, once | `turn.rs` as it is heard, `checks.rs` | `gnomes/checks.rs`; `world/ledger.rs` |
//! | S10 | a currency never goes back | `turn.rs`, as it is heard | `gnomes/checks.rs`; `promises/currency.rs` |
//! | S11 | no predecessor is missing | `turn.rs`, as it is heard | `gnomes/checks.rs` |
//! | S12 | who completed was heard in full | `checks.rs` | `gnomes/checks.rs` |
//! | S13 | silence spares a message that waits, also over a restart | `turn.rs`, `model.rs` | `gnomes/checks.rs`; `promises/clock.rs` |
//! | S14 | attempts at a message are bounded | `turn.rs` | `promises/poison.rs`, `promises/deaths.rs` |
//! | S15 | nothing is handled after what cannot be | `turn.rs` | `gnomes/checks.rs`; `promises/poison.rs` |
//! | S16 | a name given to a request is one request, also for events that come from outside | not covered | names: `promises/keyed.rs`; the ingest of events: not covered |
//! | S17 | two servers of one shared store, never both in charge | not covered | not covered |
//! | S18 | what is in a shared store is seen by all its servers | not covered | not covered |
//! | S19 | an acknowledgement is invisible | `turn.rs` | `gnomes/checks.rs`; `promises/article.rs` |
//! | S20 | the same number, the same bytes | `host.rs`, at each commit | `gnomes/checks.rs` |
//! | S21 | window, outbox and memories are bounded | `turn.rs` | `gnomes/checks.rs`; `promises/flow.rs` |
//! | S22 | in the end nothing is left | `liveness.rs`, `Goal::Forgotten` | `gnomes/checks.rs` |
//! | S23, P12 | nobody is accused wrongly, by a late RESET neither | `checks.rs`, `turn.rs` | S23: `gnomes/checks.rs` |
//! | P14 | only the confirmed have children, with one effect | `turn.rs`, `checks.rs` | `promises/subcontract.rs` |
//! | L1, L2, L3 | a fault-free path to every answer, and to the last value | `liveness.rs`, `Goal::Answered` | `gnomes/checks.rs` |
//! | L4 | a path to the end of every memory | `liveness.rs`, `Goal::Ended`, `Goal::Settled` | `gnomes/checks.rs` |
//! | L5, L6 | as time passes, nothing is left anywhere | `liveness.rs`, `Goal::Forgotten` | `gnomes/checks.rs` |
//! | L7 | a quiet dialog sends nothing for ever | not covered: a path to an end does not count frames | `gnomes/checks.rs`; `traps.rs` |
//!
//! The first list of files is in this folder; of the second, `gnomes` is `tests/src/gnomes` (simulated endpoints), `world`
//! is `actor-core/src/world` (whole nodes) and `promises` is `tests/tests/promises` (whole nodes). S14 is seen here as a
//! bound on attempts; that a message which cannot be handled blocks no other actor is a matter of shards, and so of whole
//! nodes. S16 is about names given to requests, S17 and S18 about a store shared by several servers: none is in the engine.
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
mod explore;
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

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use actor_core::protocol::Mutant;

pub use configs::Size;
pub use mutants::Refutation;
pub use property::Safety;
pub use report::{Liveness, ModelReport, Report};

use explore::{Edges, explore};
use liveness::check_goals;
use model::World;
use plan::Plan;

/// States after which a model is left: the report says so, and a gate fails. Bounds memory; no model comes near it.
const MAX_STATES: usize = 40_000_000;

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
    let mut plans = configs::all(size);
    plans.retain(|plan| plan.name.contains(name));
    let next = AtomicUsize::new(0);
    let models = Mutex::new(Vec::new());
    let (lines, heard) = mpsc::channel();
    let work = |lines: mpsc::Sender<String>| {
        while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
            // The listener outlives the last line.
            let _ = lines.send(format!("{} ({size:?}) ..", plan.name));
            let model = check_plan(plan.clone(), size);
            let _ = lines.send(model.to_string());
            let mut models = models.lock().unwrap_or_else(PoisonError::into_inner);
            models.push(model);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let lines = lines.clone();
            scope.spawn(|| work(lines));
        }
        drop(lines);
        heard.into_iter().for_each(progress);
    });
    let mut models = models.into_inner().unwrap_or_else(PoisonError::into_inner);
    models.sort_by_key(|model| plans.iter().position(|plan| plan.name == model.name));
    Report {
        models,
        ..Report::default()
    }
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

fn check_plan(plan: Plan, size: Size) -> ModelReport {
    let goals = plan.goals;
    let world = World::new(plan, None, None);
    let edges = match goals {
        [] => Edges::Dropped,
        _ => Edges::Kept,
    };
    let found = explore(&world, MAX_STATES, edges);
    let stories = found.broken.iter();
    let broken: Vec<_> = stories
        .map(|(property, state)| (*property, found.story(&world, *state)))
        .collect();
    let is_sound = found.is_whole && broken.is_empty();
    ModelReport {
        name: world.plan().name,
        size,
        states: found.states.len(),
        generated: found.generated,
        is_whole: found.is_whole,
        depth: found.depth,
        hosts: world.distinct_hosts(),
        broken,
        liveness: if is_sound {
            check_goals(&world, &found, goals)
        } else {
            Vec::new()
        },
    }
}
