//! What a world is made of: how its dialogs go, and which faults strike how often. All of it follows from the seed.
//!
//! A *swarm*: each kind of fault is off in some worlds, because faults that always come together hide each other.

use std::time::Duration;

use actor_core::protocol::{Limits, Mode, Mutant, Timeouts};

use super::rng::Rng;

/// What a world is for, and so what its dialogs must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Nobody gives up, nothing is forgotten: every dialog completes, and nothing is lost.
    Patience,
    /// Deadlines pass, people give up, messages fail for good: every dialog ends.
    Hurry,
    /// Stores are lost: whoever forgot is found out.
    Wipes,
    /// The initiators live in memory only.
    Volatile,
    /// Stores are restored from old copies: time goes back for one of two.
    TimeTravel,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Patience,
        Self::Hurry,
        Self::Wipes,
        Self::Volatile,
        Self::TimeTravel,
    ];

    /// The family of a seed.
    pub fn of(seed: u64) -> Self {
        match seed % 16 {
            0..=6 => Self::Patience,
            7..=10 => Self::Hurry,
            11 | 12 => Self::Wipes,
            13 | 14 => Self::Volatile,
            _ => Self::TimeTravel,
        }
    }
}

/// Faults by rate, each in a thousand of its occasions.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A frame is lost.
    pub lose: u64,
    /// A frame arrives once more.
    pub repeat: u64,
    /// A frame is held back, for at most `slow_ms`.
    pub slow: u64,
    /// Milliseconds.
    pub slow_ms: u64,
    /// A frame arrives at the wrong host.
    pub misroute: u64,
    /// A host dies after a commit, before anything of it is released.
    pub crash_after: u64,
    /// A host's commit fails: the host stops, and nothing of it is released.
    pub crash_before: u64,
    /// A restart finds an empty disk.
    pub wipe: u64,
    /// A restart finds an older copy of the disk.
    pub rollback: u64,
    /// Two instances swap their names at a restart.
    pub swap: u64,
    /// A handler fails and is rolled back.
    pub panic: u64,
    /// A message fails for good.
    pub poison: u64,
    /// An opening is refused as too much for now.
    pub busy: u64,
    /// An opening is refused as not served.
    pub not_served: u64,
    /// The application gives up.
    pub abandon: u64,
    /// The application takes its time before it hears the next message.
    pub slow_app: u64,
    /// A deadline fires much too early or too late.
    pub odd_clock: u64,
}

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is for.
    pub family: Family,
    /// How its dialogs begin.
    pub mode: Mode,
    /// Dialogs.
    pub dialogs: usize,
    /// Instances that serve the name.
    pub pool: usize,
    /// Messages each initiator says before it closes.
    pub messages: u64,
    /// The contract's deadlines.
    pub timeouts: Timeouts,
    /// The hosts' limits.
    pub limits: Limits,
    /// What goes wrong, and how often.
    pub faults: Faults,
    /// What wants no answer is currency, so many times in a thousand.
    pub currency: u64,
    /// First answers may be refusals.
    pub refusals: bool,
    /// The target may say goodbye first.
    pub target_closes: bool,
    /// How long the faults last, in virtual milliseconds.
    pub trouble_ms: u64,
    /// How long lapsed deadlines wait after a restart, in virtual milliseconds.
    pub grace_ms: u64,
    /// Whether all frames come back once more after the end.
    pub replay: bool,
    /// Rules that are wrong in one way, for a test of this checker.
    pub mutant: Option<Mutant>,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        Self::new(seed, Family::of(seed))
    }

    /// The plan of a seed in this family.
    pub fn new(seed: u64, family: Family) -> Self {
        let rng = &mut Rng::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let hurried = family == Family::Hurry;
        let window = [1, 2, 4, 64][rng.below(4) as usize];
        Self {
            family,
            mode: if rng.percent(50) {
                Mode::Pending
            } else {
                Mode::Handshake
            },
            dialogs: 4 + rng.below(9) as usize,
            pool: 1 + rng.below(3) as usize,
            messages: 6 + rng.below(6),
            timeouts: if hurried { hurry(rng) } else { patience() },
            limits: Limits {
                window,
                max_outbox_messages: if rng.percent(20) { 4 } else { 1024 },
                max_initiation_messages: if rng.percent(20) { 3 } else { 64 },
                linger: if hurried && rng.percent(50) {
                    Duration::from_millis(500 + rng.below(5000))
                } else {
                    Limits::default().linger
                },
                ..Limits::default()
            },
            faults: faults(family, rng),
            currency: [0, 600, 900][rng.below(3) as usize],
            refusals: rng.percent(15),
            target_closes: rng.percent(25),
            trouble_ms: 5_000 + rng.below(15_000),
            grace_ms: rng.below(2) * 2_000,
            replay: rng.percent(6),
            mutant: None,
        }
    }
}

/// Deadlines so long that only the faults decide.
fn patience() -> Timeouts {
    Timeouts {
        initiation: Duration::from_secs(3600),
        silence: Duration::from_secs(3600),
        lifetime: Duration::from_secs(100_000),
    }
}

/// Deadlines that pass while frames are on their way.
fn hurry(rng: &mut Rng) -> Timeouts {
    Timeouts {
        initiation: Duration::from_millis(800 + rng.below(6_000)),
        silence: Duration::from_millis(1_500 + rng.below(8_000)),
        lifetime: Duration::from_millis(4_000 + rng.below(30_000)),
    }
}

fn faults(family: Family, rng: &mut Rng) -> Faults {
    // Off in about a quarter of the worlds; else somewhere up to `most`.
    let mut rate = |most: u64| {
        let off = rng.percent(25);
        let rate = 1 + rng.below(most);
        if off { 0 } else { rate }
    };
    let (hurry, wipes, travel) = (
        family == Family::Hurry,
        family == Family::Wipes,
        family == Family::TimeTravel,
    );
    // Without crashes nothing is lost, and nothing restored.
    let more = if wipes || travel { 8 } else { 0 };
    Faults {
        lose: rate(300),
        repeat: rate(400),
        slow: rate(200),
        slow_ms: 50 + rate(15_000),
        misroute: rate(40),
        crash_after: more + rate(12),
        crash_before: more + rate(12),
        wipe: if wipes { 200 + rate(600) } else { 0 },
        rollback: if travel { 400 + rate(600) } else { 0 },
        swap: rate(100),
        panic: rate(40),
        poison: if hurry { rate(6) } else { 0 },
        busy: rate(150),
        not_served: if hurry { rate(500) } else { 0 },
        abandon: if hurry || wipes { rate(12) } else { 0 },
        slow_app: rate(60),
        odd_clock: if hurry { rate(200) } else { 0 },
    }
}
