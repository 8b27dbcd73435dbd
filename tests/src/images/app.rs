//! The application of the crash images: one dialog that leaves a trace of everything it did.
//!
//! Owns the rule by which a repeated or lost message shows: each note is a row under a fresh id.

use actor_core::prelude::*;

/// What was noted, each note under an id of its own: a message that ran twice is there twice.
pub(super) const NOTES: Table<u128, u64> = Table::new("notes");

/// Takes notes, and is reminded of each a minute later.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Talk {
    notes: Vec<u64>,
    reminded: u32,
}

#[dialog(timeout = "2 days", tables(NOTES))]
impl Talk {
    #[handler]
    pub(super) fn note(&mut self, cx: &mut Cx<'_, Self>, note: u64) -> u64 {
        let id = cx.id();
        cx.table(NOTES).insert(&id, &note);
        cx.after(Duration::from_secs(60), Self::REMIND);
        self.notes.push(note);
        self.notes.len() as u64
    }
    #[handler]
    pub(super) fn finish(self) -> u64 {
        self.notes.len() as u64
    }
    #[resume]
    fn remind(&mut self) {
        self.reminded += 1;
    }
}
