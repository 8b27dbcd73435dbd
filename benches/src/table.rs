//! The one table: figures, ratios of the same round, and what they say about the goals.

use std::fmt;

use serde_json::{Value, json};

use crate::{
    args::Args,
    rounds::{Figures, median, spread},
};

/// Rounds that lie further apart than this part of their median decide nothing.
const NOISY: f64 = 0.30;

/// What a ratio must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// At most `reach`; `stretch` would be fine.
    AtMost { reach: f64, stretch: f64 },
    /// At least `reach`; `stretch` would be fine.
    AtLeast { reach: f64, stretch: f64 },
}

impl Goal {
    fn verdict(self, value: f64, spread: f64) -> &'static str {
        let (reached, stretched) = match self {
            Self::AtMost { reach, stretch } => (value <= reach, value <= stretch),
            Self::AtLeast { reach, stretch } => (value >= reach, value >= stretch),
        };
        match (reached, stretched) {
            _ if spread > NOISY => "noisy",
            (_, true) => "reached, and the stretch",
            (true, _) => "reached",
            _ => "short",
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost { reach, stretch } => write!(f, "<= {reach} ({stretch})"),
            Self::AtLeast { reach, stretch } => write!(f, ">= {reach} ({stretch})"),
        }
    }
}

#[derive(Debug)]
enum Row {
    Figure {
        what: String,
        unit: &'static str,
        figures: Figures,
    },
    Verdict {
        what: String,
        goal: Goal,
        values: Vec<f64>,
    },
    NotRun {
        what: String,
        why: String,
    },
}

/// Everything a run has found out.
#[derive(Debug)]
pub(crate) struct Table {
    settings: String,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(args: &Args) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            settings: format!(
                "{cores} cores, {} rounds{}; every contender at the priority and time slice of this process",
                args.rounds,
                if args.quick {
                    ", a tenth of the work"
                } else {
                    ""
                }
            ),
            rows: Vec::new(),
        }
    }

    /// The figures of all contenders of a workload.
    pub(crate) fn figures(&mut self, what: &str, unit: &'static str, all: &[Figures]) {
        for figures in all {
            self.rows.push(Row::Figure {
                what: what.to_owned(),
                unit,
                figures: figures.clone(),
            });
        }
    }

    /// Ours by theirs, round by round.
    pub(crate) fn ratio(&mut self, what: &str, ours: &Figures, theirs: &Figures, goal: Goal) {
        let values = ours
            .rounds
            .iter()
            .zip(&theirs.rounds)
            .map(|(ours, theirs)| ours / theirs)
            .collect();
        self.rows.push(Row::Verdict {
            what: what.to_owned(),
            goal,
            values,
        });
    }

    /// A figure that has a goal of its own.
    pub(crate) fn goal(&mut self, what: &str, figures: &Figures, goal: Goal) {
        self.rows.push(Row::Verdict {
            what: what.to_owned(),
            goal,
            values: figures.rounds.clone(),
        });
    }

    pub(crate) fn not_run(&mut self, what: &str, why: &str) {
        self.rows.push(Row::NotRun {
            what: what.to_owned(),
            why: why.to_owned(),
        });
    }

    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| match row {
                Row::Figure {
                    what,
                    unit,
                    figures,
                } => json!({
                    "what": what, "who": figures.name, "unit": unit,
                    "median": median(&figures.rounds), "rounds": figures.rounds,
                }),
                Row::Verdict { what, goal, values } => json!({
                    "what": what, "goal": goal.to_string(), "median": median(values),
                    "spread": spread(values), "rounds": values,
                    "verdict": goal.verdict(median(values), spread(values)),
                }),
                Row::NotRun { what, why } => json!({ "what": what, "not_run": why }),
            })
            .collect();
        json!({ "settings": self.settings, "rows": rows })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n", self.settings)?;
        writeln!(f, "| workload | who | median | spread |\n|---|---|---|---|")?;
        for row in &self.rows {
            if let Row::Figure {
                what,
                unit,
                figures,
            } = row
            {
                let middle = median(&figures.rounds);
                let apart = 100.0 * spread(&figures.rounds);
                writeln!(
                    f,
                    "| {what} | {} | {middle:.1} {unit} | {apart:.0} % |",
                    figures.name
                )?;
            }
        }
        writeln!(
            f,
            "\n| goal | wanted (stretch) | median | spread | verdict |\n|---|---|---|---|---|"
        )?;
        for row in &self.rows {
            match row {
                Row::Verdict { what, goal, values } => {
                    let (middle, apart) = (median(values), spread(values));
                    let verdict = goal.verdict(middle, apart);
                    writeln!(
                        f,
                        "| {what} | {goal} | {middle:.2} | {:.0} % | {verdict} |",
                        100.0 * apart
                    )?;
                }
                Row::NotRun { what, why } => writeln!(f, "| {what} | | | | not run: {why} |")?,
                Row::Figure { .. } => {}
            }
        }
        Ok(())
    }
}
