//! The models by name, each at two sizes: small for every test run, full for the gate.
//!
//! Every model is exhaustive within its bounds, or says that it is not: what may happen is every interleaving of the
//! actions that its plan allows. A plan owns bounds, nothing else.

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

/// As often as one likes.
const ALWAYS: u8 = u8::MAX;

const NO_TROUBLE: Trouble = Trouble {
    crashes: 0,
    repeats: 0,
    wipes: 0,
    rollbacks: 0,
    misroutes: 0,
    stale: 0,
    deadlines: 0,
    abandons: 0,
};

/// M1: who of a pool of two becomes the partner, for pending work. The initiator crashes, deadlines pass.
pub(super) fn pool_pending(size: Size) -> Plan {
    Plan {
        pool: &[1, 2],
        deadlines: size.pick(
            &[TimerKind::Initiation],
            &[TimerKind::Accumulate, TimerKind::Initiation],
        ),
        trouble: Trouble {
            crashes: 0,
            deadlines: 1,
            ..NO_TROUBLE
        },
        letters: size.pick(1, 3),
        births: size.pick(1, 2),
        goals: &[Goal::Answered],
        ..Plan::new("M1 pool, pending work", Mode::Pending)
    }
}

/// M1: two first messages and a second one afterwards, targets that answer later, and may refuse.
pub(super) fn pool_batch(size: Size) -> Plan {
    Plan {
        pool: &[1, 2],
        asks: 2,
        opening: 2,
        answering: Answering::Later,
        refuses: size == Size::Full,
        letters: size.pick(1, 2),
        births: 1,
        // Whom everybody refused is not answered.
        goals: size.pick(&[Goal::Answered], &[Goal::Settled]),
        ..Plan::new("M1 pool, several first messages", Mode::Pending)
    }
}

/// M1: who of a pool of two becomes the partner, by a handshake.
pub(super) fn pool_handshake(size: Size) -> Plan {
    Plan {
        pool: &[1, 2],
        trouble: Trouble {
            crashes: size.pick(0, 1),
            misroutes: 1,
            ..NO_TROUBLE
        },
        fragile: &[0],
        letters: size.pick(1, 2),
        births: 1,
        goals: &[Goal::Answered],
        ..Plan::new("M1 pool, handshake", Mode::Handshake)
    }
}

/// M1: one instance is a pool as well; it is forgotten, wiped and asked again.
pub(super) fn pool_of_one(size: Size) -> Plan {
    Plan {
        deadlines: &[
            TimerKind::Accumulate,
            TimerKind::Initiation,
            TimerKind::Lifetime,
            TimerKind::Linger,
        ],
        trouble: Trouble {
            crashes: size.pick(0, 1),
            repeats: size.pick(0, 1),
            deadlines: ALWAYS,
            ..NO_TROUBLE
        },
        fragile: &[0, 1],
        letters: 2,
        births: size.pick(1, 2),
        goals: &[Goal::Forgotten],
        ..Plan::new("M1 pool of one", Mode::Pending)
    }
}

/// M2: messages both ways through a window of two, with crashes at any point.
pub(super) fn window(size: Size) -> Plan {
    Plan {
        asks: size.pick(2, 3),
        opening: 1,
        tells: 0,
        answering: Answering::AtOnce,
        trouble: Trouble {
            crashes: 1,
            repeats: 0,
            ..NO_TROUBLE
        },
        fragile: &[1],
        letters: size.pick(1, 2),
        births: 1,
        goals: &[Goal::Answered],
        ..Plan::new("M2 established window", Mode::Handshake)
    }
}

/// M2: a side that waits in vain gives up, but not over what has arrived while it was down.
pub(super) fn silence(size: Size) -> Plan {
    Plan {
        asks: size.pick(1, 2),
        answering: Answering::Later,
        // Who lingered until it was forgotten leaves its partner to the lifetime: M3 late duplicates.
        deadlines: size.pick(
            &[TimerKind::Silence, TimerKind::Linger],
            &[TimerKind::Silence, TimerKind::Lifetime],
        ),
        trouble: Trouble {
            crashes: 1,
            deadlines: size.pick(1, 2),
            ..NO_TROUBLE
        },
        fragile: &[0],
        letters: 2,
        births: 1,
        goals: &[Goal::Settled],
        ..Plan::new("M2 silence", Mode::Handshake)
    }
}

/// M2: a message that no handler survives.
pub(super) fn poison(size: Size) -> Plan {
    Plan {
        asks: 3,
        opening: 3,
        poison: Some(2),
        trouble: Trouble {
            crashes: 1,
            ..NO_TROUBLE
        },
        fragile: &[1],
        letters: size.pick(1, 3),
        // One is begun and lost in the crash.
        births: 2,
        goals: &[Goal::Settled],
        ..Plan::new("M2 poison", Mode::Handshake)
    }
}

/// M3: goodbyes from either side, and what crosses them.
pub(super) fn closing(size: Size) -> Plan {
    Plan {
        asks: 1,
        closing: Closing::Either,
        deadlines: &[
            TimerKind::Accumulate,
            TimerKind::Initiation,
            TimerKind::Linger,
            TimerKind::Silence,
        ],
        trouble: Trouble {
            crashes: 0,
            repeats: 0,
            deadlines: ALWAYS,
            ..NO_TROUBLE
        },
        fragile: &[0, 1],
        letters: size.pick(1, 2),
        births: 1,
        goals: &[Goal::Ended],
        ..Plan::new("M3 closing", Mode::Handshake)
    }
}

/// M3: giving up crosses a goodbye, and giving up of the other side.
pub(super) fn abandoning(size: Size) -> Plan {
    Plan {
        asks: 1,
        closing: Closing::Initiator,
        abandons: &[Role::Initiator, Role::Target],
        deadlines: size.pick(
            &[],
            &[
                TimerKind::Accumulate,
                TimerKind::Initiation,
                TimerKind::Linger,
                TimerKind::Silence,
            ],
        ),
        trouble: Trouble {
            abandons: size.pick(1, 2),
            crashes: 0,
            deadlines: size.pick(0, ALWAYS),
            ..NO_TROUBLE
        },
        fragile: &[0, 1],
        letters: 2,
        births: 1,
        goals: size.pick(&[], &[Goal::Ended]),
        ..Plan::new("M3 abandoning", Mode::Handshake)
    }
}

/// M3: a dialog is over and forgotten, and frames of it come back.
pub(super) fn gnomes(size: Size) -> Plan {
    Plan {
        asks: 1,
        closing: Closing::Initiator,
        deadlines: size.pick(
            &[TimerKind::Linger, TimerKind::Accumulate],
            &[
                TimerKind::Linger,
                TimerKind::Accumulate,
                TimerKind::Lifetime,
            ],
        ),
        trouble: Trouble {
            repeats: 2,
            deadlines: size.pick(2, ALWAYS),
            ..NO_TROUBLE
        },
        letters: 2,
        births: 2,
        goals: size.pick(&[], &[Goal::Ended]),
        ..Plan::new("M3 late duplicates", Mode::Pending)
    }
}

/// M4: stores are lost, frames go astray, RESETs come late.
pub(super) fn amnesia(size: Size) -> Plan {
    Plan {
        pool: &[1, 2],
        asks: 2,
        opening: 1,
        trouble: Trouble {
            wipes: 1,
            misroutes: 0,
            stale: 1,
            crashes: 0,
            ..NO_TROUBLE
        },
        fragile: &[1],
        letters: size.pick(1, 2),
        births: 2,
        goals: &[Goal::Answered],
        ..Plan::new("M4 amnesia", Mode::Handshake)
    }
}

/// M4: a store goes back in time.
pub(super) fn rollback(size: Size) -> Plan {
    Plan {
        asks: 2,
        opening: 1,
        deadlines: size.pick(&[], &[TimerKind::Lifetime]),
        trouble: Trouble {
            deadlines: ALWAYS,
            rollbacks: 1,
            crashes: 0,
            ..NO_TROUBLE
        },
        fragile: &[1],
        letters: size.pick(1, 2),
        births: 2,
        goals: size.pick(&[], &[Goal::Settled]),
        ..Plan::new("M4 rollback", Mode::Handshake)
    }
}

/// M6: the target is one of two twins, and asks somebody in turn as soon as it is confirmed.
pub(super) fn subcontract(size: Size) -> Plan {
    Plan {
        pool: &[1, 2],
        second: Some(3),
        asks: 1,
        opening: 1,
        deadlines: &[TimerKind::Accumulate],
        trouble: Trouble {
            crashes: size.pick(0, 1),
            deadlines: 0,
            ..NO_TROUBLE
        },
        fragile: &[1],
        letters: size.pick(1, 2),
        births: 1,
        goals: &[Goal::Answered],
        ..Plan::new("M6 subcontract", Mode::Pending)
    }
}

/// M7: two initiators under one dialog id.
pub(super) fn two_initiators(size: Size) -> Plan {
    Plan {
        initiators: &[0, 1],
        pool: &[2, 3],
        trouble: Trouble {
            repeats: 0,
            ..NO_TROUBLE
        },
        letters: size.pick(1, 2),
        births: 1,
        goals: &[Goal::Answered],
        ..Plan::new("M7 two initiators, one id", Mode::Pending)
    }
}

/// M8: values of which the newest counts, between messages that all count.
pub(super) fn currency(size: Size) -> Plan {
    Plan {
        asks: size.pick(3, 4),
        currency: &[2, 3],
        opening: 1,
        trouble: Trouble {
            crashes: size.pick(0, 1),
            repeats: size.pick(1, 0),
            ..NO_TROUBLE
        },
        fragile: &[1],
        letters: size.pick(1, 2),
        births: 1,
        goals: &[Goal::Answered],
        ..Plan::new("M8 currency and barriers", Mode::Handshake)
    }
}

/// All models of a size.
pub(super) fn all(size: Size) -> Vec<Plan> {
    [
        pool_pending,
        pool_batch,
        pool_handshake,
        pool_of_one,
        window,
        silence,
        poison,
        closing,
        abandoning,
        gnomes,
        amnesia,
        rollback,
        subcontract,
        two_initiators,
        currency,
    ]
    .map(|plan| plan(size))
    .into()
}
