//! The models by name, each at two sizes: small for every test run, full for the gate.

use actor_core::protocol::{Mode, Role, TimerKind};

use super::plan::{Answering, Closing, Goal, Plan, Trouble};

/// How much of each model is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Seconds, for every test run.
    Small,
    /// Minutes, for the gate.
    Full,
}

impl Size {
    fn pick<T>(self, small: T, full: T) -> T {
        match self {
            Self::Small => small,
            Self::Full => full,
        }
    }
}

/// M1: one initiator, a pool of two, pending work.
pub(super) fn pool_pending(size: Size) -> Plan {
    Plan {
        pool: &[1, 2],
        asks: size.pick(1, 2),
        deadlines: &[TimerKind::Accumulate, TimerKind::Initiation],
        trouble: Trouble {
            crashes: 1,
            repeats: size.pick(0, 1),
            deadlines: 1,
            ..Trouble::default()
        },
        fragile: size.pick(&[0], &[0, 1]),
        letters: size.pick(2, 3),
        goals: size.pick(&[Goal::Answered], &[]),
        ..Plan::new("M1 pool, pending", Mode::Pending)
    }
}

/// All models of a size.
pub(super) fn all(size: Size) -> Vec<Plan> {
    vec![pool_pending(size)]
}
#[allow(dead_code)]
fn _unused() { let _ = (Answering::Later, Closing::Either, Role::Target, Goal::Ended, Goal::Forgotten); }
