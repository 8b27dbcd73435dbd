//! What happened, in words: kept only while one seed is looked at again, because most seeds have nothing to tell.

use std::collections::VecDeque;

/// Lines about one dialog that a failure shows.
const SHOWN: usize = 60;
/// Lines that are kept.
const KEPT: usize = 200_000;

/// The history of a world.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// About which dialog, or about all.
    lines: VecDeque<(Option<usize>, String)>,
}

impl Story {
    pub(super) fn tell(&mut self, dialog: Option<usize>, line: String) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back((dialog, line));
    }

    /// The last lines that concern a dialog.
    pub(super) fn of(&self, dialog: usize) -> String {
        let concerns = self
            .lines
            .iter()
            .filter(|(about, _)| about.is_none_or(|about| about == dialog));
        let mut last: Vec<&str> = concerns
            .rev()
            .take(SHOWN)
            .map(|(_, line)| line.as_str())
            .collect();
        last.reverse();
        last.join("\n")
    }
}
