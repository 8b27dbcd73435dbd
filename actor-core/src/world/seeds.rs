//! Many worlds, one for each seed; and what there is to say of the first that fails.
//!
//! Owns the search for the smallest trouble that still fails. Never changes the test.

use std::{
    cell::{Cell, RefCell},
    fmt,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

use super::{Fault, Faults, World, asked::Asked, command::Test, weather::Plan};

/// Runs a failing test again at most so often in search of a smaller reason.
const SHRINKS: u32 = 150;

/// A failing test must fail again so often, with the same faults, before a reason is looked for.
const REPEATS: u32 = 3;

/// Kinds of faults that a report names.
const NEEDS: usize = 5;

/// What there is to say instead of a reason.
const NOT_REPEATED: &str = "\
this seed does not repeat: with the same faults the test did not fail again at the same place. It depends on something
the seed does not decide (wall clock, randomness, `HashMap` order, threads): see `What makes a run repeat` in the
documentation of `actor_core::world`. The run that failed:

";

/// Many seeds for one test. The variables `WORLD_SEED` and `WORLD_SEEDS` say otherwise.
#[derive(Debug, Clone)]
#[must_use = "seeds are tried with `.run(..)` or `.find(..)`"]
pub struct Seeds {
    range: Range<u64>,
    faults: Faults,
    test: Option<Test>,
}

/// A run that failed, made as small as could be found.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The panic's message and place.
    pub message: String,
    /// The same seed and faults failed again, at the same place. If not, the test depends on something that the seed does
    /// not decide; then nothing was left out, and what stands here is the first run.
    pub repeats: bool,
    /// The faults without which it does not fail, in words, and how often each struck. Empty if it fails without any.
    pub needs: Vec<(String, u64)>,
    /// The kinds of these faults.
    pub faults: Faults,
    /// How many faults the seed draws in all.
    pub drawn: u64,
    /// The sequence diagram of the smallest run that fails.
    pub diagram: String,
    only: Range<u64>,
    test: Option<Test>,
}

/// Runs `test` in the first `count` seeded worlds. Where it fails, this panics with the seed, the faults that matter, a
/// command that repeats it, and a sequence diagram.
///
/// ```
/// # use actor_core::{prelude::*, world};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter(u64);
/// # #[dialog(timeout = "1h")]
/// # impl Counter {
/// #     #[handler]
/// #     fn increment(&mut self) -> u64 { self.0 += 1; self.0 }
/// # }
/// world::seeds(20, |world| {
///     world.serve::<Counter>();
///     let counter = world.front().open::<Counter>();
///     assert_eq!(world.run(counter.increment()), Ok(1));
///     assert_eq!(world.run(counter.increment()), Ok(2));
/// });
/// ```
pub fn seeds(count: u64, test: impl Fn(&mut World)) {
    Seeds::first(count).run(test);
}

impl Seeds {
    /// The seeds 0 to `count`.
    pub fn first(count: u64) -> Self {
        Self::range(0..count)
    }

    /// These seeds.
    pub fn range(seeds: Range<u64>) -> Self {
        Self {
            range: seeds,
            faults: Faults::ALL,
            test: None,
        }
    }

    /// With these kinds of faults at most.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// What the test is called, for the command that repeats it: its package and its path in there.
    pub fn named(mut self, package: &str, path: &str) -> Self {
        self.test = Some(Test::named(package, path));
        self
    }

    /// Tries them.
    ///
    /// # Panics
    ///
    /// With the report of the first failure, or if there is no seed to try.
    pub fn run(mut self, test: impl Fn(&mut World)) {
        let asked = Asked::from_environment();
        if let Some(seeds) = asked.seeds {
            self.range = seeds;
        }
        assert!(
            !self.range.is_empty(),
            "{:?} has no seed, and nothing would be tested: say how many",
            self.range
        );
        let (faults, only) = asked.faults.unwrap_or((self.faults, 0..u64::MAX));
        if let Some(failure) = self.search(faults, &only, &test) {
            panic!("{failure}");
        }
    }

    /// Tries them until one fails, for a test that is meant to fail. Pays no heed to the environment.
    pub fn find(&self, test: impl Fn(&mut World)) -> Option<Failure> {
        self.search(self.faults, &(0..u64::MAX), &test)
    }

    fn search(
        &self,
        faults: Faults,
        only: &Range<u64>,
        test: &dyn Fn(&mut World),
    ) -> Option<Failure> {
        self.range.clone().find_map(|seed| {
            let plan = Plan {
                only: only.clone(),
                ..Plan::new(seed, faults)
            };
            let failed = attempt(&plan, test)?;
            let drawn = failed.drawn;
            let (plan, failed, repeats) = if repeats(&plan, &failed, REPEATS, test) {
                let (small, found) = shrink(plan.clone(), failed.clone(), test);
                if repeats(&small, &found, REPEATS, test) {
                    (small, found, true)
                } else {
                    (plan, failed, false)
                }
            } else {
                (plan, failed, false)
            };
            Some(Failure {
                seed,
                repeats,
                message: failed.message,
                needs: failed.struck,
                faults: plan.faults,
                drawn,
                diagram: failed.diagram,
                only: plan.only,
                test: self.test.clone().or_else(Test::running),
            })
        })
    }
}

/// One run that failed.
#[derive(Clone)]
struct Failed {
    message: String,
    struck: Vec<(String, u64)>,
    climate: Faults,
    drawn: u64,
    diagram: String,
}

impl Failed {
    /// Where it failed: another place is another failure.
    fn place(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

fn attempt(plan: &Plan, test: &dyn Fn(&mut World)) -> Option<Failed> {
    let mut world = World::planned(plan);
    let climate = world.climate();
    let message = quietly(|| test(&mut world))?;
    Some(Failed {
        message,
        struck: world.faults(),
        climate,
        drawn: world.drawn_so_far(),
        diagram: world.diagram(),
    })
}

/// Does it fail at the same place each time?
fn repeats(plan: &Plan, failed: &Failed, times: u32, test: &dyn Fn(&mut World)) -> bool {
    (0..times).all(|_| attempt(plan, test).is_some_and(|again| again.place() == failed.place()))
}

/// Leaves out kinds of faults, then single ones, as long as the test fails at the same place.
fn shrink(mut plan: Plan, mut failed: Failed, test: &dyn Fn(&mut World)) -> (Plan, Failed) {
    let mut left = SHRINKS;
    let mut smaller = |plan: &mut Plan, failed: &mut Failed, candidate: Plan| {
        if left == 0 {
            return false;
        }
        left -= 1;
        match attempt(&candidate, test) {
            Some(again) if again.place() == failed.place() => {
                (*plan, *failed) = (candidate, again);
                true
            }
            _ => false,
        }
    };
    plan.faults = failed.climate;
    // One that fails in good weather needs no search.
    let calm = Plan {
        faults: Faults::NONE,
        ..plan.clone()
    };
    if smaller(&mut plan, &mut failed, calm) {
        return (plan, failed);
    }
    loop {
        let mut changed = false;
        // The troubles of disks and processes first: what the network alone can do is the better story.
        let kinds = plan.faults;
        for fault in Fault::ALL
            .iter()
            .rev()
            .copied()
            .filter(|one| kinds.has(*one))
        {
            let candidate = Plan {
                faults: plan.faults.without(fault),
                ..plan.clone()
            };
            changed |= smaller(&mut plan, &mut failed, candidate);
        }
        // The first faults that suffice, then the last of those.
        let (mut low, mut high) = (plan.only.start, plan.only.end.min(failed.drawn));
        while low < high {
            let middle = low.midpoint(high);
            let candidate = Plan {
                only: plan.only.start..middle,
                ..plan.clone()
            };
            if smaller(&mut plan, &mut failed, candidate) {
                (high, changed) = (middle, true);
            } else {
                low = middle + 1;
            }
        }
        let (mut low, mut high) = (plan.only.start, plan.only.end.min(failed.drawn));
        while low < high {
            let middle = high - (high - low) / 2;
            let candidate = Plan {
                only: middle..plan.only.end,
                ..plan.clone()
            };
            if smaller(&mut plan, &mut failed, candidate) {
                (low, changed) = (middle, true);
            } else {
                high = middle - 1;
            }
        }
        if !changed {
            return (plan, failed);
        }
    }
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The message of the panic with which `test` ends, if it does. Nothing is printed.
fn quietly(test: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if IS_QUIET.get() {
                LAST_PANIC.set(Some(panic.to_string()));
            } else {
                before(panic);
            }
        }));
    });
    IS_QUIET.set(true);
    let ended = catch_unwind(AssertUnwindSafe(test));
    IS_QUIET.set(false);
    let message = LAST_PANIC.take();
    ended.err().map(|_| message.unwrap_or_default())
}

impl Failure {
    /// The command that repeats the run with all its faults.
    pub fn command(&self) -> String {
        let test = match &self.test {
            Some(test) => test.to_string(),
            None => "cargo test".to_owned(),
        };
        format!("WORLD_SEED={} {test}", self.seed)
    }

    /// The command that repeats the run of the diagram: no faults but those that it needs.
    pub fn smallest_command(&self) -> String {
        let faults = if self.faults == Faults::NONE || self.only == (0..u64::MAX) {
            self.faults.to_string()
        } else {
            format!("{}@{}..{}", self.faults, self.only.start, self.only.end)
        };
        format!("WORLD_FAULTS={faults} {}", self.command())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} fails: {}\n", self.seed, self.message)?;
        if !self.repeats {
            f.write_str(NOT_REPEATED)?;
            return f.write_str(&self.diagram);
        }
        let mut most: Vec<_> = self.needs.iter().collect();
        most.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let rest = most.split_off(most.len().min(NEEDS));
        let mut needs: Vec<String> = most
            .into_iter()
            .map(|(what, n)| match n {
                1 => what.clone(),
                n => format!("{n} x {what}"),
            })
            .collect();
        if !rest.is_empty() {
            needs.push(format!("{} more", rest.iter().map(|(_, n)| n).sum::<u64>()));
        }
        let needs = if needs.is_empty() {
            "no fault at all".to_owned()
        } else {
            needs.join(" + ")
        };
        writeln!(
            f,
            "needs:     {needs}, of {} faults under this seed",
            self.drawn
        )?;
        writeln!(f, "reproduce: {}", self.command())?;
        writeln!(f, "smallest:  {}\n", self.smallest_command())?;
        f.write_str(&self.diagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_needs_no_fault_says_so_and_how_to_repeat_it() {
        let failure = Seeds::range(5..9)
            .named("shop", "shop::tests::it_sells")
            .find(|world| assert_eq!(world.below(1), 1))
            .unwrap();
        assert_eq!(failure.seed, 5);
        let text = failure.to_string();
        assert!(text.contains("needs:     no fault at all"), "{text}");
        assert!(
            text.contains("WORLD_SEED=5 cargo test -p shop tests::it_sells -- --exact"),
            "{text}"
        );
        assert!(
            text.contains("smallest:  WORLD_FAULTS=none WORLD_SEED=5 "),
            "{text}"
        );
        assert!(text.contains("assertion"), "{text}");
    }

    #[test]
    fn a_test_that_holds_is_not_a_failure() {
        assert!(Seeds::first(3).find(|_| ()).is_none());
    }

    #[test]
    fn a_test_that_does_not_repeat_is_told_so_and_gets_no_reason() {
        // Fails, fails again, and then not: as a wall clock or the order of a `HashMap` would have it.
        for fails in [1, 2, REPEATS + 2] {
            let runs = Cell::new(0);
            let failure = Seeds::first(1)
                .find(|_| {
                    runs.set(runs.get() + 1);
                    assert!(runs.get() > fails, "too early");
                })
                .unwrap();
            let text = failure.to_string();
            assert!(
                !failure.repeats && text.contains("this seed does not repeat"),
                "{text}"
            );
            assert!(text.contains("too early"), "the first panic: {text}");
            for word in ["needs:", "reproduce:", "smallest:"] {
                assert!(!text.contains(word), "{text}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "nothing would be tested")]
    fn no_seed_at_all_is_refused() {
        Seeds::first(0).run(|_| ());
    }
}
