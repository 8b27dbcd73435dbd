//! The trouble that a seed draws: how much of each kind, and each time whether it strikes.
//!
//! Owns rates and dice. Each kind has dice of its own, so a run without one kind has the same of the others where it can.
//! Never does anything: the network, the disks and the loop ask.

use std::{collections::BTreeMap, ops::Range};

use super::{
    clock::Dice,
    fault::{Fault, Faults},
};
use crate::protocol::{DialogId, Role};

/// Frames of one side of one dialog that are lost in a row at most, so that no dialog runs out of patience by chance.
const LOST_IN_A_ROW: u32 = 4;
/// Rates are counted in this many parts.
const WHOLE: u64 = 10_000;

/// What a seed decides before a run begins.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) faults: Faults,
    /// Of all that would strike, only these do, counted from 0.
    pub(super) only: Range<u64>,
}

impl Plan {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self {
            seed,
            faults,
            only: 0..u64::MAX,
        }
    }
}

/// The largest rate of a kind and the largest size of one strike.
fn limits(fault: Fault) -> (u64, u64) {
    match fault {
        Fault::Loss => (3000, 0),
        Fault::Repeat => (5000, 2000),
        Fault::Delay => (5000, 3000),
        Fault::Reorder => (5000, 6),
        Fault::Reroute | Fault::PowerLoss => (10_000, 0),
        Fault::Clog => (200, 3000),
        Fault::Partition => (100, 4000),
        Fault::Crash => (800, 0),
        Fault::CrashInRecovery => (5000, 40),
        Fault::FailedSync => (200, 0),
        Fault::FullDisk => (200, 8192),
        Fault::SlowDisk => (3000, 500),
        Fault::ClockStep => (5000, 10_000),
    }
}

#[derive(Debug)]
struct Kind {
    rate: u64,
    size: u64,
    dice: Dice,
}

/// The weather of one run.
#[derive(Debug)]
pub(super) struct Weather {
    kinds: Vec<Kind>,
    only: Range<u64>,
    drawn: u64,
    is_over: bool,
    in_a_row: BTreeMap<(DialogId, Role), u32>,
    struck: BTreeMap<String, u64>,
}

impl Weather {
    /// A different climate for each seed: about half of the kinds, each at a rate of its own.
    pub(super) fn new(plan: &Plan) -> Self {
        let kinds = Fault::ALL.iter().map(|fault| {
            let mut dice = Dice::new(plan.seed, 100 + *fault as u64);
            let (rate, size) = limits(*fault);
            let is_on = dice.below(5) < 3;
            let (rate, size) = (1 + dice.below(rate), 1 + dice.below(size));
            Kind {
                rate: if is_on && plan.faults.has(*fault) {
                    rate
                } else {
                    0
                },
                size,
                dice,
            }
        });
        Self {
            kinds: kinds.collect(),
            only: plan.only.clone(),
            drawn: 0,
            is_over: false,
            in_a_row: BTreeMap::new(),
            struck: BTreeMap::new(),
        }
    }

    /// Nothing strikes any more.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    pub(super) fn may(&self, fault: Fault) -> bool {
        !self.is_over && self.kinds[fault as usize].rate > 0
    }

    /// Does it strike now? If so, dice for the details, and the size that it may have.
    pub(super) fn strikes(&mut self, fault: Fault, what: &str) -> Option<(Dice, u64)> {
        if !self.may(fault) {
            return None;
        }
        let kind = &mut self.kinds[fault as usize];
        let strikes = kind.dice.below(WHOLE) < kind.rate;
        let details = (Dice::new(kind.dice.any(), 0), kind.size);
        if !strikes {
            return None;
        }
        let number = self.drawn;
        self.drawn += 1;
        self.only.contains(&number).then(|| {
            *self.struck.entry(what.to_owned()).or_default() += 1;
            details
        })
    }

    /// Is this frame lost? Not too many in a row.
    pub(super) fn loses(&mut self, dialog: DialogId, to: Role, what: &str) -> bool {
        let key = (dialog, to);
        if self.in_a_row.get(&key).is_some_and(|n| *n >= LOST_IN_A_ROW) {
            self.in_a_row.remove(&key);
            return false;
        }
        let lost = self.strikes(Fault::Loss, what).is_some();
        if lost {
            *self.in_a_row.entry(key).or_default() += 1;
        } else {
            self.in_a_row.remove(&key);
        }
        lost
    }

    /// What would have struck so far, if nothing was left out.
    pub(super) fn drawn(&self) -> u64 {
        self.drawn
    }

    /// What struck, in words, and how often.
    pub(super) fn struck(&self) -> impl Iterator<Item = (&str, u64)> {
        self.struck.iter().map(|(what, n)| (what.as_str(), *n))
    }
}
