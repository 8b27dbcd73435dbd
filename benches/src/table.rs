//! The one table: figures, ratios of the same round, and what they say about the goals.

use std::fmt;

use serde_json::{Value, json};

use crate::{
    args::Args,
    rounds::{Figures, median, spread},
    scheduling,
};

/// Rounds that lie further apart than this part of their median decide nothing.
const NOISY: f64 = 0.30;
/// With fewer rounds nothing is decided.
const ENOUGH_ROUNDS: usize = 5;

/// A row of the goals: what is looked at, and what it must be.
pub(crate) type Wanted = (&'static str, Goal);

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// At most `reach`; `stretch` would be fine.
    AtMost { reach: f64, stretch: f64 },
    /// At least `reach`; `stretch` would be fine.
    AtLeast { reach: f64, stretch: f64 },
    /// At least this; there is another row for the stretch.
    OrMore(f64),
    /// It is only reported.
    Reported,
}

impl Goal {
    fn verdict(self, value: f64, spread: f64) -> &'static str {
        let (reached, stretched) = match self {
            Self::AtMost { reach, stretch } => (value <= reach, value <= stretch),
            Self::AtLeast { reach, stretch } => (value >= reach, value >= stretch),
            Self::OrMore(reach) => (value >= reach, false),
            Self::Reported => return "reported",
        };
        match (reached, stretched) {
            _ if spread.is_nan() || spread > NOISY => "noisy",
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
            Self::OrMore(reach) => write!(f, ">= {reach}"),
            Self::Reported => f.write_str("-"),
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
        what: &'static str,
        goal: Goal,
        unit: &'static str,
        values: Vec<f64>,
    },
    NotRun {
        what: &'static str,
        goal: Goal,
        why: String,
    },
    Note(String),
}

/// Everything a run has found out.
#[derive(Debug)]
pub(crate) struct Table {
    settings: String,
    scheduled: Vec<(String, String)>,
    rows: Vec<Row>,
}

const ALLOCATOR: &str = if cfg!(feature = "mimalloc") {
    "mimalloc"
} else {
    "the C library's allocator"
};

impl Table {
    pub(crate) fn new(args: &Args) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let quick = if args.quick {
            ", `--quick`: less work, for a look and not for a verdict"
        } else {
            ""
        };
        let few = if args.rounds < ENOUGH_ROUNDS {
            "; a verdict wants 5 rounds"
        } else {
            ""
        };
        let mut table = Self {
            settings: format!(
                "{cores} cores, {ALLOCATOR}, medians of {} interleaved rounds{quick}{few}; spread is the largest round less the smallest, by the median",
                args.rounds
            ),
            scheduled: Vec::new(),
            rows: Vec::new(),
        };
        table.scheduled(
            "this process: callers, floor, redb, SQLite, kameo, ractor, tokio, duroxide",
            &scheduling::of_this_thread(),
        );
        table
    }

    /// How a contender is scheduled. Said once for each.
    pub(crate) fn scheduled(&mut self, who: &str, how: &str) {
        let row = (who.to_owned(), how.to_owned());
        if !self.scheduled.contains(&row) {
            self.scheduled.push(row);
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

    /// A figure that was taken once.
    pub(crate) fn once(&mut self, what: &str, who: &str, unit: &'static str, value: f64) {
        let figures = Figures {
            name: who.to_owned(),
            rounds: vec![value],
            failed: None,
        };
        self.figures(what, unit, &[figures]);
    }

    /// Ours by theirs, round by round.
    pub(crate) fn ratio(&mut self, wanted: Wanted, ours: &Figures, theirs: Option<&Figures>) {
        let Some(theirs) = theirs else {
            return self.missing(wanted, "nobody to compare with");
        };
        for figures in [ours, theirs] {
            if let Some(why) = &figures.failed {
                return self.missing(wanted, &format!("{}: {why}", figures.name));
            }
        }
        let pairs = ours.rounds.iter().zip(&theirs.rounds);
        let values = pairs.map(|(ours, theirs)| ours / theirs).collect();
        self.verdict(wanted, "x", values);
    }

    /// A figure that has a goal of its own.
    pub(crate) fn goal(&mut self, wanted: Wanted, unit: &'static str, figures: &Figures) {
        match &figures.failed {
            Some(why) => self.missing(wanted, why),
            None => self.verdict(wanted, unit, figures.rounds.clone()),
        }
    }

    fn verdict(&mut self, (what, goal): Wanted, unit: &'static str, values: Vec<f64>) {
        self.rows.push(Row::Verdict {
            what,
            goal,
            unit,
            values,
        });
    }

    /// A goal that could not be looked at, and why.
    pub(crate) fn missing(&mut self, (what, goal): Wanted, why: &str) {
        let why = why.to_owned();
        self.rows.push(Row::NotRun { what, goal, why });
    }

    /// These goals have a row each, whatever happened to their workload.
    pub(crate) fn complete(&mut self, goals: &[Wanted], why: &str) {
        for wanted in goals {
            let has = |row: &Row| match row {
                Row::Verdict { what, .. } | Row::NotRun { what, .. } => *what == wanted.0,
                Row::Figure { .. } | Row::Note(_) => false,
            };
            if !self.rows.iter().any(has) {
                self.missing(*wanted, why);
            }
        }
    }

    /// Was the work done that was counted?
    pub(crate) fn check(&mut self, who: &str, done: Result<(), String>) {
        if let Err(why) = done {
            self.note(format!("NOT THE WORK THAT WAS ASKED FOR: {who}: {why}"));
        }
    }

    /// What a reader of the table has to know.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.rows.push(Row::Note(note.into()));
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
                    "median": median(&figures.rounds), "spread": spread(&figures.rounds),
                    "rounds": figures.rounds, "failed": figures.failed,
                }),
                Row::Verdict {
                    what,
                    goal,
                    unit,
                    values,
                } => json!({
                    "what": what, "goal": goal.to_string(), "unit": unit,
                    "median": median(values), "spread": spread(values), "rounds": values,
                    "verdict": goal.verdict(median(values), spread(values)),
                }),
                Row::NotRun { what, goal, why } => {
                    json!({ "what": what, "goal": goal.to_string(), "not_run": why })
                }
                Row::Note(note) => json!({ "note": note }),
            })
            .collect();
        json!({ "settings": self.settings, "scheduling": self.scheduled, "rows": rows })
    }
}

/// Three digits that count, or all before the point.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Nothing, where there was one round.
fn apart(values: &[f64]) -> String {
    match values {
        [] | [_] => "-".to_owned(),
        values => format!("{:.0} %", 100.0 * spread(values)),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n", self.settings)?;
        writeln!(f, "| who | priority and slice |\n|---|---|")?;
        for (who, how) in &self.scheduled {
            writeln!(f, "| {who} | {how} |")?;
        }
        writeln!(
            f,
            "\n| workload | who | median | spread |\n|---|---|---|---|"
        )?;
        for row in &self.rows {
            if let Row::Figure {
                what,
                unit,
                figures,
            } = row
            {
                let name = &figures.name;
                match &figures.failed {
                    Some(why) => writeln!(f, "| {what} | {name} | failed: {why} | |")?,
                    None => writeln!(
                        f,
                        "| {what} | {name} | {} {unit} | {} |",
                        number(median(&figures.rounds)),
                        apart(&figures.rounds)
                    )?,
                }
            }
        }
        writeln!(f)?;
        for row in &self.rows {
            if let Row::Note(note) = row {
                writeln!(f, "- {note}")?;
            }
        }
        writeln!(
            f,
            "\n| goal | wanted (stretch) | median | spread | verdict |\n|---|---|---|---|---|"
        )?;
        for row in &self.rows {
            match row {
                Row::Verdict {
                    what,
                    goal,
                    unit,
                    values,
                } => {
                    let (middle, apart) = (median(values), spread(values));
                    let verdict = goal.verdict(middle, apart);
                    writeln!(
                        f,
                        "| {what} | {goal} | {} {unit} | {:.0} % | {verdict} |",
                        number(middle),
                        100.0 * apart
                    )?;
                }
                Row::NotRun { what, goal, why } => {
                    writeln!(f, "| {what} | {goal} | | | not run: {why} |")?;
                }
                Row::Figure { .. } | Row::Note(_) => {}
            }
        }
        Ok(())
    }
}
