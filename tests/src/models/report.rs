//! What a run found, for a person and for a gate.

use std::fmt;

use super::{configs::Size, mutants::Refutation, property::Safety};

/// What was found in one model.
#[derive(Clone, Debug)]
pub struct ModelReport {
    /// Its name.
    pub name: &'static str,
    /// How much of it was explored.
    pub size: Size,
    /// Different states.
    pub states: usize,
    /// Transitions between them.
    pub generated: usize,
    /// Was that all of it, at this size? Otherwise the states nearest to the beginning.
    pub is_whole: bool,
    /// Actions to the state farthest away.
    pub depth: usize,
    /// Different states of one host in them.
    pub hosts: usize,
    /// Properties that do not hold, each with the actions that break it.
    pub broken: Vec<(Safety, Vec<String>)>,
    /// The goals that must stay reachable.
    pub liveness: Vec<Liveness>,
}

/// What was found about one goal.
#[derive(Clone, Debug)]
pub struct Liveness {
    /// Which goal.
    pub goal: &'static str,
    /// States in which there is hope.
    pub hopeful: usize,
    /// States in which it is reached.
    pub goals: usize,
    /// States with hope from which no fault-free path leads to it.
    pub stuck: usize,
    /// The actions to the first of these.
    pub story: Vec<String>,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The engine as it is.
    pub models: Vec<ModelReport>,
    /// The mutants; empty if they were not asked for.
    pub refutations: Vec<Refutation>,
}

impl Report {
    /// Different states in all models together.
    pub fn states(&self) -> usize {
        self.models.iter().map(|model| model.states).sum()
    }

    /// The largest model.
    pub fn largest(&self) -> Option<&ModelReport> {
        self.models.iter().max_by_key(|model| model.states)
    }

    /// Mutants that were refuted.
    pub fn killed(&self) -> usize {
        let dead = self.refutations.iter();
        dead.filter(|refutation| refutation.story.is_some()).count()
    }

    /// Everything that is wrong, with the story that shows it; empty if all holds and every mutant is dead.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for model in &self.models {
            for (property, story) in &model.broken {
                failures.push(format!(
                    "{}: {property} is broken: {}{}",
                    model.name,
                    property.text(),
                    told(story)
                ));
            }
            if !model.is_whole {
                failures.push(format!(
                    "{} ({:?}): only the nearest {} states were looked at; make its bounds smaller",
                    model.name, model.size, model.states
                ));
            }
            for live in &model.liveness {
                if live.stuck > 0 {
                    failures.push(format!(
                        "{}: {} states from which no fault-free path leads to `{}`{}",
                        model.name,
                        live.stuck,
                        live.goal,
                        told(&live.story)
                    ));
                }
                if live.hopeful == 0 || live.goals == 0 {
                    failures.push(format!("{}: nobody can reach `{}`", model.name, live.goal));
                }
            }
        }
        for refutation in self.refutations.iter().filter(|it| it.story.is_none()) {
            failures.push(format!("the checker is broken: {refutation}"));
        }
        failures
    }
}

fn told(story: &[String]) -> String {
    story
        .iter()
        .flat_map(|line| ["\n    ", line.as_str()])
        .collect()
}

impl fmt::Display for ModelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = format!("{:?}", self.size).to_lowercase();
        write!(
            f,
            "{:<34} {size:<5} {:>10} states {:>11} transitions, depth {:>3}, {:>5} hosts",
            self.name, self.states, self.generated, self.depth, self.hosts
        )?;
        if !self.is_whole {
            write!(f, "; NOT ALL, the nearest")?;
        }
        for (property, _) in &self.broken {
            write!(f, "; BROKEN {property}")?;
        }
        for live in &self.liveness {
            if live.stuck == 0 {
                write!(f, "; {} from all {}", live.goal, live.hopeful)?;
            } else {
                write!(
                    f,
                    "; STUCK {} of {}: {}",
                    live.stuck, live.hopeful, live.goal
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Refutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mutant = format!("{:?}", self.mutant);
        match &self.story {
            Some(story) => write!(
                f,
                "{mutant:<22} refuted by {:<4} in {} steps, {} states of {}",
                self.property.code(),
                story.len(),
                self.states,
                self.model
            ),
            None => write!(
                f,
                "{mutant:<22} SURVIVES {:<4} in all {} states of {}",
                self.property.code(),
                self.states,
                self.model
            ),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for model in &self.models {
            writeln!(f, "{model}")?;
        }
        for refutation in &self.refutations {
            writeln!(f, "{refutation}")?;
        }
        write!(
            f,
            "{} states in {} models, the largest {}; {} safety properties; {} of {} mutants refuted",
            self.states(),
            self.models.len(),
            self.largest()
                .map_or_else(String::new, |it| format!("{} ({})", it.states, it.name)),
            Safety::ALL.len(),
            self.killed(),
            self.refutations.len()
        )
    }
}
