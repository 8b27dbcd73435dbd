//! Was everything reached that can go wrong? Each row of the transition table in each circumstance, and each rare
//! situation; what cannot be is listed with its reason.

use Circumstance::{AfterCrash, Duplicated, Reordered};
use actor_core::coverage::{Circumstance, Rare, rare_hits, row_hits};

use super::options::Options;
use super::watch::Watch;
use super::{Outcome, spaced};

/// Rows of the transition table.
const ROWS: usize = 32;
/// Of those that were reached, so many of the rarest are shown.
const SHOWN: usize = 10;

const COMMAND: &str = "it is the application's own command, which comes once and in its order";
const TIMER: &str = "it is a timer of this endpoint, which fires once";
const NO_ROW: &str = "there is no such row";
const COMMIT: &str = "it is a commit of many steps, and not one input";

/// What cannot be, and why.
const IMPOSSIBLE: &[(usize, &[Circumstance], &str)] = &[
    (1, &[Duplicated, Reordered], COMMAND),
    (2, &[Duplicated, Reordered], COMMAND),
    (3, &[Duplicated, Reordered], TIMER),
    (11, &Circumstance::ALL, NO_ROW),
    (26, &[Duplicated, Reordered], TIMER),
    (31, &[Duplicated, Reordered, AfterCrash], COMMIT),
];

pub(super) fn run(options: &Options, _watch: &Watch) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut missed, mut rarest) = (Vec::new(), Vec::new());
    let (mut cells, mut hit) = (0_u64, 0_u64);
    for row in 1..=ROWS {
        for circumstance in Circumstance::ALL {
            let hits = row_hits(row, circumstance);
            match reason(row, circumstance) {
                Some(reason) if hits > 0 => missed.push(format!(
                    "row {row}, {circumstance:?}: {hits} hits, although {reason}"
                )),
                Some(_) => {}
                None => {
                    cells += 1;
                    hit += u64::from(hits > 0);
                    if hits == 0 {
                        missed.push(format!("row {row}, {circumstance:?}: never"));
                    } else {
                        rarest.push((hits, row, circumstance));
                    }
                }
            }
        }
    }
    outcome.count(
        "rows by circumstance",
        format!("{hit} of {cells} that can be"),
    );
    rarest.sort_unstable();
    for (hits, row, circumstance) in rarest.into_iter().take(SHOWN) {
        outcome.count(format!("  row {row}, {circumstance:?}"), spaced(hits));
    }
    let met = Rare::ALL
        .iter()
        .filter(|rare| rare_hits(**rare) > 0)
        .count();
    outcome.count("rare situations", format!("{met} of {}", Rare::ALL.len()));
    for rare in Rare::ALL {
        let hits = rare_hits(*rare);
        outcome.count(format!("  {rare:?}"), spaced(hits));
        if hits == 0 {
            missed.push(format!("{rare:?}: never"));
        }
    }
    if options.is_whole() {
        outcome.failures = missed;
    } else {
        for miss in missed {
            outcome.count("not reached by what was run", miss);
        }
    }
    outcome
}

fn reason(row: usize, circumstance: Circumstance) -> Option<&'static str> {
    IMPOSSIBLE
        .iter()
        .find(|(of, when, _)| *of == row && when.contains(&circumstance))
        .map(|(.., reason)| *reason)
}
