//! One seed, with its failure as a value.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::plan::Plan;
use super::tally::Tally;
use super::world::World;

/// A property that did not hold, and how to see it again.
#[derive(Debug)]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// The property and what contradicts it.
    pub what: String,
    /// The plan.
    pub plan: Plan,
    /// The last of what happened to the dialog concerned.
    pub story: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            what,
            plan,
            story,
        } = self;
        writeln!(f, "{story}")?;
        writeln!(f, "{plan:?}")?;
        writeln!(f, "seed {seed} fails: {what}")?;
        write!(
            f,
            "again: GNOMES_SEED={seed} cargo test -p tests --test gnomes, or \
             cargo run --release -p tests --bin prove -- --section simulation --seed {seed}"
        )
    }
}

/// The world of a seed from its beginning to its end.
///
/// # Errors
///
/// The first property that did not hold, after a second run that kept its story.
pub fn run(seed: u64, plan: &Plan) -> Result<(Tally, u64), Box<Violation>> {
    let mut world = World::new(seed, plan.clone());
    let outcome = catch_unwind(AssertUnwindSafe(|| world.live()));
    if outcome.is_ok() {
        return Ok((world.tally().clone(), world.digest()));
    }
    let mut world = World::new(seed, plan.clone()).told();
    let what = match catch_unwind(AssertUnwindSafe(|| world.live())) {
        Ok(()) => "nothing, the second time: the simulation is not deterministic".to_owned(),
        Err(cause) => words(cause.as_ref()),
    };
    Err(Box::new(Violation {
        seed,
        what,
        plan: plan.clone(),
        story: world.story(),
    }))
}

/// What a panic said.
pub fn words(cause: &(dyn std::any::Any + Send)) -> String {
    let as_str = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    as_str
        .or_else(|| cause.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
