//! The journal's tail on its way back into memory.
//!
//! Owns the generation that a start begins with. Takes rows as they lie in the journal, in any order: of each record the
//! newest batch's state wins. A long tail is worked on by some threads, each of which keeps the records of its own tables.
//! Never reads a file, and believes that rows match their checksums.

use std::panic;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use redb::AccessGuard;

use crate::batch;
use crate::key::Key;
use crate::overlay::{Entry, Generation, size};
use crate::records::Records;
use crate::table::{TABLES, Table};

/// Bytes of rows from which other threads are worth their start.
const ALONE_BYTES: usize = 1024 * 1024;
/// Rows that may wait for one: a few, so that few pages are held.
const WAITING: usize = 16;
/// The tables that other threads keep. Each message changes two endpoints; one that was consumed in another lot than it was
/// sent leaves as many rows in the inbox.
const HELPED: [&[Table]; 2] = [&[Table::Endpoints], &[Table::Inbox, Table::Outbox]];

/// A row of the journal, wherever its bytes are.
pub(crate) enum Row {
    Page(AccessGuard<'static, &'static [u8]>),
    Own(Box<[u8]>),
}

impl Row {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Page(page) => page.value(),
            Self::Own(bytes) => bytes,
        }
    }
}

/// How much of the journal has been looked at: so much of so much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    pub(crate) of: u64,
}

impl Progress {
    /// How many there will be if it goes on like this, and a few more.
    fn estimate(self, so_far: usize) -> usize {
        let whole = so_far as u128 * u128::from(self.of.max(1)) / u128::from(self.done.max(1));
        usize::try_from(whole + whole / 8).unwrap_or(usize::MAX)
    }
}

type Job = (u64, Row, Progress);

/// The records of all tables but those that somebody else keeps.
#[derive(Default)]
struct Side {
    tables: [Option<Records>; TABLES],
    /// Bytes of records that came, and of those whose place they took, which may have come to the other side.
    came: u64,
    went: u64,
}

/// See the module.
pub(crate) struct Recovery {
    side: Side,
    seen: usize,
    /// To the first helper, if there are any.
    rows: Option<SyncSender<Job>>,
    helpers: Vec<JoinHandle<Side>>,
    may_help: bool,
}

impl Recovery {
    pub(crate) fn new() -> Self {
        Self {
            side: Side {
                tables: Table::ALL.map(|table| Some(Records::of(table))),
                came: 0,
                went: 0,
            },
            seen: 0,
            rows: None,
            helpers: Vec::new(),
            may_help: true,
        }
    }

    /// Takes a row that matches its checksum. `None` if it makes no sense all the same.
    pub(crate) fn take(&mut self, number: u64, row: Row, progress: Progress) -> Option<()> {
        self.seen += row.bytes().len();
        if self.may_help && self.seen > ALONE_BYTES {
            self.call_for_help();
        }
        self.side.take(number, row.bytes(), progress)?;
        if let Some(rows) = &self.rows {
            let _ = rows.send((number, row, progress));
        }
        Some(())
    }

    fn call_for_help(&mut self) {
        self.may_help = false;
        let mut helpers = Vec::new();
        let mut rows = None;
        // Each hands on what it has read, so the last is there first.
        for tables in HELPED.iter().rev() {
            let (sender, jobs) = mpsc::sync_channel(WAITING);
            let (give, given) = mpsc::channel();
            let next = rows.replace(sender);
            let thread = thread::Builder::new().name("recovery".to_owned());
            let Ok(helper) = thread.spawn(move || help(given, jobs, next)) else {
                // Those that are there are given nothing, and end.
                return;
            };
            helpers.push((*tables, give, helper));
        }
        self.rows = rows;
        for (tables, give, helper) in helpers {
            // What was found so far goes with its table.
            let mut side = Side::default();
            for table in tables {
                let place = usize::from(table.tag());
                side.tables[place] = self.side.tables[place].take();
            }
            // If it panicked, `finish` does as well.
            let _ = give.send(side);
            self.helpers.push(helper);
        }
    }

    /// All that was taken.
    pub(crate) fn finish(mut self) -> Generation {
        drop(self.rows.take());
        for helper in std::mem::take(&mut self.helpers) {
            match helper.join() {
                Ok(helped) => self.side.add(helped),
                Err(panic) => panic::resume_unwind(panic),
            }
        }
        let side = &mut self.side;
        let tables = Table::ALL.map(|table| {
            let records = side.tables[usize::from(table.tag())].take();
            Arc::new(records.unwrap_or_else(|| Records::of(table)))
        });
        Generation::of(tables, side.came - side.went)
    }
}

/// What a helper does: keeps the records of its tables, which it is given.
fn help(given: Receiver<Side>, jobs: Receiver<Job>, next: Option<SyncSender<Job>>) -> Side {
    let mut side = given.recv().unwrap_or_default();
    drop(given);
    for (number, row, progress) in jobs {
        // Whoever handed it over has read all of it.
        let _ = side.take(number, row.bytes(), progress);
        if let Some(next) = &next {
            let _ = next.send((number, row, progress));
        }
    }
    // A start goes through the inbox.
    if let Some(inbox) = &side.tables[usize::from(Table::Inbox.tag())] {
        inbox.sort_at_once();
    }
    side
}

impl Drop for Recovery {
    // Where reading failed: the database must not be closed while somebody holds its pages.
    fn drop(&mut self) {
        drop(self.rows.take());
        for helper in std::mem::take(&mut self.helpers) {
            drop(helper.join());
        }
    }
}

impl Side {
    fn add(&mut self, other: Self) {
        self.came += other.came;
        self.went += other.went;
        for (mine, theirs) in self.tables.iter_mut().zip(other.tables) {
            if theirs.is_some() {
                *mine = theirs;
            }
        }
    }

    fn take(&mut self, number: u64, row: &[u8], progress: Progress) -> Option<()> {
        for entry in batch::entries(row)? {
            let entry = entry?;
            let Some(records) = &mut self.tables[usize::from(entry.table.tag())] else {
                continue;
            };
            records.make_room(|so_far| progress.estimate(so_far));
            let (came, went) = (&mut self.came, &mut self.went);
            records.put(Key::from(entry.key), |known| {
                match known {
                    Some(known) if known.batch() > number => return None,
                    Some(known) => *went += size(entry.key, known.value.as_ref()),
                    None => {}
                }
                let value = entry.value();
                *came += size(entry.key, value.as_ref());
                Some(Entry::recovered(number, value))
            });
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, Change};
    use crate::table::Value;

    fn value(text: &str) -> Value {
        Value::new(text.as_bytes())
    }

    fn row(number: u64, changes: &[Change]) -> Row {
        let batch = Batch::new(Vec::new(), number, changes, changes.len(), 0);
        Row::Own(batch.row().into())
    }

    fn whole(rows: Vec<(u64, Row)>) -> Generation {
        let of = rows.len() as u64;
        let mut recovery = Recovery::new();
        for (done, (number, row)) in (1..).zip(rows) {
            let taken = recovery.take(number, row, Progress { done, of });
            assert_eq!(taken, Some(()));
        }
        recovery.finish()
    }

    #[test]
    fn in_whatever_order_rows_are_read_the_newest_state_of_a_record_wins() {
        let key = |name: &str| Key::from(name.as_bytes());
        for table in [Table::Endpoints, Table::Actors, Table::App] {
            let first = [
                (table, key("a"), Some(value("old"))),
                (table, key("b"), Some(value("b"))),
            ];
            let second = [(table, key("a"), Some(value("newest")))];
            let third = [(table, key("b"), None)];
            let batches: [&[Change]; 3] = [&first, &second, &third];
            for order in [
                [0, 1, 2],
                [0, 2, 1],
                [1, 0, 2],
                [1, 2, 0],
                [2, 0, 1],
                [2, 1, 0],
            ] {
                let rows = order.map(|at| (at as u64 + 1, row(at as u64 + 1, batches[at])));
                let found = whole(rows.into());
                let state = |name: &str| {
                    let entry = found.rows(table).get(name.as_bytes());
                    entry.map(|entry| entry.value.clone())
                };
                assert_eq!(state("a"), Some(Some(value("newest"))), "{order:?}");
                assert_eq!(
                    state("b"),
                    Some(None),
                    "a deletion hides the table's: {order:?}"
                );
                assert_eq!((found.records, found.bytes), (2, 1 + 6 + 1));
            }
        }
    }

    #[test]
    fn some_threads_find_what_one_finds() {
        let tables = [Table::Endpoints, Table::Actors, Table::Inbox, Table::App];
        let batches: Vec<Vec<Change>> = (0..200_usize)
            .map(|batch| {
                let changes = (0..40).map(|at| {
                    let key = Key::from(&(batch * 7 + at).to_be_bytes()[..]);
                    let bytes = vec![batch as u8; 400];
                    let value = (at % 9 > 0).then(|| Value::new(bytes));
                    (tables[at % 4], key, value)
                });
                changes.collect()
            })
            .collect();
        let rows = || {
            let numbered = (1..).zip(&batches);
            numbered.map(|(number, changes)| (number, row(number, changes)))
        };
        let bytes: usize = rows().map(|(_, row)| row.bytes().len()).sum();
        assert!(bytes > 2 * ALONE_BYTES);
        let together = whole(rows().collect());
        let mut alone = Recovery::new();
        alone.may_help = false;
        for (number, row) in rows() {
            alone
                .take(number, row, Progress { done: 1, of: 1 })
                .unwrap();
        }
        let alone = alone.finish();
        assert_eq!(
            (together.records, together.bytes),
            (alone.records, alone.bytes)
        );
        for table in Table::ALL {
            alone.rows(table).each(|key, entry| {
                let other = together.rows(table).get(key.as_slice());
                assert_eq!(other.map(|it| &it.value), Some(&entry.value));
            });
        }
    }

    #[test]
    fn a_row_that_makes_no_sense_is_refused() {
        let Row::Own(good) = row(
            1,
            &[(Table::App, Key::from(&b"key"[..]), Some(value("value")))],
        ) else {
            return;
        };
        let cut = Row::Own(good[..good.len() - 1].into());
        let progress = Progress { done: 1, of: 1 };
        assert_eq!(Recovery::new().take(1, cut, progress), None);
    }
}
