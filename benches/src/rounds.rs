//! Interleaved rounds: every contender once, then every contender again, so that a slow minute of the machine is
//! everybody's.

/// One who does the work of a workload, and a figure of each round.
pub(crate) struct Contender<'a> {
    pub(crate) name: String,
    pub(crate) round: Box<dyn FnMut() -> Result<f64, String> + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(
        name: impl Into<String>,
        round: impl FnMut() -> Result<f64, String> + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            round: Box::new(round),
        }
    }
}

/// What a contender's rounds came to.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) rounds: Vec<f64>,
}

/// Runs everybody `rounds` times, after one round that does not count.
pub(crate) fn interleave(
    rounds: usize,
    contenders: &mut [Contender<'_>],
) -> Result<Vec<Figures>, String> {
    let mut figures: Vec<Figures> = contenders
        .iter()
        .map(|contender| Figures {
            name: contender.name.clone(),
            rounds: Vec::new(),
        })
        .collect();
    for round in 0..=rounds {
        for (contender, figures) in contenders.iter_mut().zip(&mut figures) {
            let figure = (contender.round)().map_err(|why| format!("{}: {why}", contender.name))?;
            if round > 0 {
                figures.rounds.push(figure);
            }
            eprintln!("  round {round}: {:<44} {figure:>14.1}", contender.name);
        }
    }
    Ok(figures)
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
