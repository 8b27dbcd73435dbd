//! What came of the orders: one line each for a file, totals for people and for programs.
//!
//! Owns the figures and their form; where money is counted, it is counted in the payment nodes' ledger.

use std::{fmt, io, iter::Sum, ops::Add};

use serde::{Deserialize, Serialize};

use crate::payment::Cents;

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The customer has a receipt.
    Paid,
    /// The bank said no.
    Declined,
    /// The catalogue said no.
    Refused,
    /// A partner was lost or gave up.
    Abandoned,
}

/// What the nodes counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Gate commits.
    pub commits: u64,
    /// Frames that had been seen before.
    pub duplicates_dropped: u64,
    /// Frames sent again.
    pub retransmitted: u64,
    /// Instances that dropped pending work.
    pub discarded_pending: u64,
}

impl From<actor_core::Stats> for Counters {
    fn from(stats: actor_core::Stats) -> Self {
        Self {
            commits: stats.commits,
            duplicates_dropped: stats.duplicates_dropped,
            retransmitted: stats.retransmitted,
            discarded_pending: stats.discarded_pending,
        }
    }
}

impl Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            commits: self.commits + other.commits,
            duplicates_dropped: self.duplicates_dropped + other.duplicates_dropped,
            retransmitted: self.retransmitted + other.retransmitted,
            discarded_pending: self.discarded_pending + other.discarded_pending,
        }
    }
}

impl Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(counters: I) -> Self {
        counters.fold(Self::default(), Add::add)
    }
}

/// What was captured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged {
    /// How much.
    pub cents: Cents,
    /// How often.
    pub captures: u64,
}

impl Add for Charged {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cents: self.cents + other.cents,
            captures: self.captures + other.captures,
        }
    }
}

impl Sum for Charged {
    fn sum<I: Iterator<Item = Self>>(charged: I) -> Self {
        charged.fold(Self::default(), Add::add)
    }
}

/// What became of one order: a line of the report.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// The order's id.
    pub order: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What the ledger has for it.
    #[serde(flatten)]
    pub charged: Charged,
}

/// A run in which every order has an outcome.
#[derive(Debug, Serialize, Deserialize)]
pub struct Finished {
    /// Every order, sorted by id.
    pub rows: Vec<Row>,
    /// The sum over the whole ledger, earlier runs on the same store included.
    pub ledger: Charged,
    /// What the nodes counted.
    pub counters: Counters,
    /// Orders whose id an earlier run used for something else.
    pub complaints: Vec<String>,
    /// Orders that were abandoned, and why.
    pub remarks: Vec<String>,
}

impl Finished {
    /// Paid orders without exactly one capture: the stores do not belong together.
    pub fn unaccounted(&self) -> usize {
        let paid = self.rows.iter().filter(|row| row.outcome == Outcome::Paid);
        paid.filter(|row| row.charged.captures != 1).count()
    }

    /// The report: one JSON object per order.
    pub fn report(&self) -> io::Result<String> {
        let lines = self
            .rows
            .iter()
            .map(|row| Ok(serde_json::to_string(row)? + "\n"));
        lines.collect()
    }
}

/// The totals of a run.
#[derive(Debug, Serialize)]
pub struct Totals {
    orders: u64,
    paid: u64,
    declined: u64,
    refused: u64,
    abandoned: u64,
    charged_cents: Cents,
    captures: u64,
    duplicates_dropped: u64,
    retransmitted: u64,
    discarded_pending: u64,
    restarts: u64,
}

impl Totals {
    /// Counts the outcomes of a run that took `restarts` restarts.
    pub fn of(finished: &Finished, restarts: u64) -> Self {
        let count = |outcome| {
            finished
                .rows
                .iter()
                .filter(|row| row.outcome == outcome)
                .count() as u64
        };
        Self {
            orders: finished.rows.len() as u64,
            paid: count(Outcome::Paid),
            declined: count(Outcome::Declined),
            refused: count(Outcome::Refused),
            abandoned: count(Outcome::Abandoned),
            charged_cents: finished.ledger.cents,
            captures: finished.ledger.captures,
            duplicates_dropped: finished.counters.duplicates_dropped,
            retransmitted: finished.counters.retransmitted,
            discarded_pending: finished.counters.discarded_pending,
            restarts,
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("orders", self.orders),
            ("paid", self.paid),
            ("declined", self.declined),
            ("refused", self.refused),
            ("abandoned", self.abandoned),
            ("captures", self.captures),
            ("cents charged", self.charged_cents),
            ("frames retransmitted", self.retransmitted),
            ("duplicates dropped", self.duplicates_dropped),
            (
                "instances that discarded pending work",
                self.discarded_pending,
            ),
            ("restarts", self.restarts),
        ];
        rows.iter()
            .try_for_each(|(name, figure)| writeln!(f, "{name:<38}{figure:>14}"))
    }
}
