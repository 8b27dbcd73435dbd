//! Interleaved rounds: every contender once, then every contender again, so that a slow minute of the machine is
//! everybody's. Where ratios decide, a round is cut into slices in which all take turns, there and back, so that a slow
//! second is everybody's as well.

use std::{fmt::Write, process::Command};

/// One who does the work of a workload. Each round gives one value for each column.
pub(crate) struct Contender<'a> {
    name: String,
    round: Box<dyn FnMut() -> Result<Vec<f64>, String> + 'a>,
    is_in_each_slice: bool,
}

impl<'a> Contender<'a> {
    /// One whose rounds give one value.
    pub(crate) fn new(
        name: impl Into<String>,
        mut round: impl FnMut() -> Result<f64, String> + 'a,
    ) -> Self {
        Self::columns(name, move || Ok(vec![round()?]))
    }

    /// One whose rounds give several, such as percentiles.
    pub(crate) fn columns(
        name: impl Into<String>,
        round: impl FnMut() -> Result<Vec<f64>, String> + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            round: Box::new(round),
            is_in_each_slice: true,
        }
    }

    /// One who only has the first slice of each round: it is slow, and no ratio that decides is its own.
    pub(crate) fn once_a_round(mut self) -> Self {
        self.is_in_each_slice = false;
        self
    }
}

/// What the slices of a round come to. All slices of a contender are as much work.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sum {
    /// Of rates: all of the work by all of the time.
    Rates,
    /// Of times: their mean.
    Times,
}

impl Sum {
    fn of(self, slices: &[Vec<f64>]) -> Vec<f64> {
        let columns = slices.first().map_or(0, Vec::len);
        let mean = |column: usize| {
            let values = slices.iter().map(|slice| slice[column]);
            let count = slices.len() as f64;
            match self {
                Self::Rates => count / values.map(f64::recip).sum::<f64>(),
                Self::Times => values.sum::<f64>() / count,
            }
        };
        (0..columns).map(mean).collect()
    }
}

/// One column of a contender's rounds, or why there is none.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) rounds: Vec<f64>,
    pub(crate) failed: Option<String>,
}

impl Figures {
    /// The same of somebody by another name.
    pub(crate) fn called(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }
}

/// What a contender's rounds came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    name: String,
    rounds: Vec<Vec<f64>>,
    failed: Option<String>,
}

impl Outcome {
    /// One column of every round.
    pub(crate) fn column(&self, column: usize) -> Figures {
        let value = |round: &Vec<f64>| round.get(column).copied();
        Figures {
            name: self.name.clone(),
            rounds: self.rounds.iter().filter_map(value).collect(),
            failed: self.failed.clone(),
        }
    }

    /// The only column.
    pub(crate) fn figures(&self) -> Figures {
        self.column(0)
    }
}

/// One column of everybody.
pub(crate) fn column(outcomes: &[Outcome], column: usize) -> Vec<Figures> {
    outcomes
        .iter()
        .map(|outcome| outcome.column(column))
        .collect()
}

/// Runs everybody `rounds` times, after one round that does not count. One who fails drops out and holds up nobody.
pub(crate) fn interleave(rounds: usize, contenders: &mut [Contender<'_>]) -> Vec<Outcome> {
    interleave_after(1, rounds, contenders)
}

/// The same, where the work itself has been warmed up already.
pub(crate) fn interleave_after(
    warm_up: usize,
    rounds: usize,
    contenders: &mut [Contender<'_>],
) -> Vec<Outcome> {
    // Of one slice both sums are the slice.
    run(warm_up, rounds, 1, Sum::Times, contenders)
}

/// Runs everybody `rounds` times, after one round that does not count. A round is so many slices, in which contenders run
/// in their order and in its reverse by turns.
pub(crate) fn alternate(
    rounds: usize,
    slices: usize,
    sum: Sum,
    contenders: &mut [Contender<'_>],
) -> Vec<Outcome> {
    run(1, rounds, slices, sum, contenders)
}

/// Runs one contender `rounds` times, each round in so many parts that lie apart: the first part of every round, then the
/// second of every round. Where nobody else takes part, a slow minute is every round's in this way. `join` makes the
/// columns of a round from its parts; each part begins when everything written before it is on the disk.
pub(crate) fn dispersed<T>(
    name: &str,
    rounds: usize,
    parts: usize,
    mut part: impl FnMut() -> Result<T, String>,
    join: impl Fn(Vec<T>) -> Vec<f64>,
) -> Outcome {
    let mut outcome = Outcome {
        name: name.to_owned(),
        rounds: Vec::new(),
        failed: None,
    };
    let mut done: Vec<Vec<T>> = (0..rounds).map(|_| Vec::new()).collect();
    for _ in 0..parts {
        for round in &mut done {
            match settle().and_then(|()| part()) {
                Ok(found) => round.push(found),
                Err(why) => {
                    eprintln!("  {name:<56} failed: {why}");
                    outcome.failed = Some(why);
                    return outcome;
                }
            }
        }
    }
    for (number, parts) in (1..).zip(done) {
        let values = join(parts);
        show(&format!("round {number}"), &outcome, &values);
        outcome.rounds.push(values);
    }
    outcome
}

/// Each turn begins when everything written before it is on the disk.
fn run(
    warm_up: usize,
    rounds: usize,
    slices: usize,
    sum: Sum,
    contenders: &mut [Contender<'_>],
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = contenders
        .iter()
        .map(|contender| Outcome {
            name: contender.name.clone(),
            rounds: Vec::new(),
            failed: None,
        })
        .collect();
    for round in 0..warm_up + rounds {
        let number = if round < warm_up {
            "warm-up".to_owned()
        } else {
            format!("round {}", round - warm_up + 1)
        };
        let mut values: Vec<Vec<Vec<f64>>> = vec![Vec::new(); contenders.len()];
        for slice in 0..slices {
            for turn in 0..contenders.len() {
                let who = if slice % 2 == 0 {
                    turn
                } else {
                    contenders.len() - 1 - turn
                };
                let (contender, outcome) = (&mut contenders[who], &mut outcomes[who]);
                if outcome.failed.is_some() || (slice > 0 && !contender.is_in_each_slice) {
                    continue;
                }
                match settle().and_then(|()| (contender.round)()) {
                    Ok(found) => values[who].push(found),
                    Err(why) => {
                        eprintln!("  {number}: {:<56} failed: {why}", contender.name);
                        outcome.failed = Some(why);
                    }
                }
                if slice + 1 == slices || !contender.is_in_each_slice {
                    show(&number, outcome, &sum.of(&values[who]));
                }
            }
        }
        for (outcome, slices) in outcomes.iter_mut().zip(&values) {
            if round >= warm_up && outcome.failed.is_none() {
                outcome.rounds.push(sum.of(slices));
            }
        }
    }
    outcomes
}

/// One line for each contender and round.
fn show(number: &str, outcome: &Outcome, values: &[f64]) {
    if outcome.failed.is_none() {
        let mut shown = String::new();
        for value in values {
            // A string takes everything.
            let _ = write!(shown, "{value:>14.1}");
        }
        eprintln!("  {number}: {:<56}{shown}", outcome.name);
    }
}

/// Waits until all that was written is on the disk, so that nobody's sync waits for what somebody else left.
fn settle() -> Result<(), String> {
    let status = Command::new("sync").status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`sync` ended with {status}")),
        Err(cause) => Err(format!("`sync` of coreutils is wanted: {cause}")),
    }
}

/// The contender with the best median.
pub(crate) fn best(figures: &[Figures], is_better: fn(&f64, &f64) -> bool) -> Option<&Figures> {
    figures
        .iter()
        .filter(|figures| figures.failed.is_none() && !figures.rounds.is_empty())
        .reduce(|best, next| {
            if is_better(&median(&next.rounds), &median(&best.rounds)) {
                next
            } else {
                best
            }
        })
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// How far the rounds lie apart: the largest less the smallest, by the median.
pub(crate) fn spread(values: &[f64]) -> f64 {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (high - low) / median(values)
}

/// The value below which this part of `values` lies; sorts them.
pub(crate) fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * part) as usize;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
