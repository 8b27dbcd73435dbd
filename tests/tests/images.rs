//! Crash images of real stores, and a checker of them that can fail.

use std::sync::Arc;

use actor_store::{Deed, Event, Recording, fuzz};
use tests::images::{Op, Start, Workload, crash_recording, next_commit, record, sample};

#[test]
fn every_crash_leaves_a_whole_store_that_has_lost_nothing_it_reported() {
    let report = sample(5_000);
    println!("{report}");
    assert_eq!(report.failures(), Vec::<String>::new(), "{report}");
    assert!(report.images() >= 5_000, "{report}");
    assert!(report.second >= 1_000, "{report}");
    assert!(report.finished >= 10, "{report}");
}

#[test]
fn every_workload_is_there_once() {
    let all = Workload::all();
    assert_eq!(all.len(), 3 * (1 + 7 + 7 * 7 + 7 * 7 * 7));
    for (at, workload) in all.iter().enumerate() {
        assert!(!all[..at].contains(workload), "{workload}");
    }
}

/// The target's disk while two dialogs begin and time goes by, and the event behind which the last minute begins.
fn recorded() -> (Recording, usize) {
    let workload = |ops: &[Op]| Workload {
        start: Start::Established,
        ops: ops.to_vec(),
    };
    let before = record(&workload(&[Op::Open, Op::Receive]));
    let mut whole = record(&workload(&[Op::Open, Op::Receive, Op::Timeout]));
    let begin = before[0].events.len();
    let recording = whole.swap_remove(0);
    assert_eq!(recording.events[..begin], before[0].events);
    (recording, begin)
}

fn is_sync(event: &Event, file: &str) -> bool {
    event.deed == Deed::Sync && &*event.file == file
}

fn is_write(event: &Event, file: &str) -> bool {
    matches!(event.deed, Deed::Write(..)) && &*event.file == file
}

/// What is said of a recording in which somebody spoiled the first commit behind an event.
fn failures(spoil: impl FnOnce(&mut Vec<Event>, usize)) -> String {
    let (mut recording, begin) = recorded();
    let whole = recording.clone();
    let commit = next_commit(&recording.events, begin).expect("there are commits");
    spoil(&mut recording.events, commit);
    assert_ne!(recording.events, whole.events, "nothing was spoiled");
    crash_recording(&recording, begin).failures().join("\n")
}

/// The last such event before another one.
fn last(events: &[Event], before: usize, test: impl Fn(&Event) -> bool) -> usize {
    let at = events[..before].iter().rposition(test);
    at.expect("there is one")
}

const JOURNAL: &str = "journal.redb";
const TABLES: &str = "dialogs.redb";
const LOST: &str = "batches that were reported, up to";

#[test]
fn an_unspoiled_recording_holds() {
    let (recording, begin) = recorded();
    let report = crash_recording(&recording, begin);
    assert_eq!(report.failures(), Vec::<String>::new());
    assert!(report.images() > 200, "{report}");
}

#[test]
fn a_sync_that_the_journal_left_out_is_found() {
    let found = failures(|events, commit| {
        let sync = last(events, commit, |event| is_sync(event, JOURNAL));
        events.remove(sync);
    });
    assert!(found.contains(LOST), "{found}");
}

#[test]
fn a_batch_that_is_reported_before_its_sync_is_found() {
    let found = failures(|events, commit| {
        let sync = last(events, commit, |event| is_sync(event, JOURNAL));
        events[sync..=commit].rotate_right(1);
    });
    assert!(found.contains(LOST), "{found}");
}

#[test]
fn a_batch_that_was_reported_and_never_written_is_found() {
    let found = failures(|events, commit| {
        let sync = last(events, commit, |event| is_sync(event, JOURNAL));
        let before = last(events, sync, |event| is_sync(event, JOURNAL));
        let mut at = 0..;
        events.retain(|event| {
            let at = at.next().unwrap_or_default();
            &*event.file != JOURNAL || at <= before || at > sync
        });
    });
    // It was the last one: the witness knows.
    assert!(found.contains("ends at batch"), "{found}");
}

#[test]
fn a_commit_whose_slot_is_written_after_its_sync_is_found() {
    let found = failures(|events, commit| {
        let sync = last(events, commit, |event| is_sync(event, JOURNAL));
        // The slot of a commit lies at the beginning of the file.
        let slot = last(events, sync, |event| {
            is_write(event, JOURNAL) && matches!(event.deed, Deed::Write(0, _))
        });
        events[slot..=sync].rotate_left(1);
    });
    assert!(found.contains(LOST), "{found}");
}

#[test]
fn folds_that_are_never_synced_are_found() {
    let found = failures(|events, commit| {
        let fold = last(events, commit, |event| is_sync(event, TABLES));
        let mut at = 0..;
        events.retain(|event| {
            let at = at.next().unwrap_or_default();
            at + 2 < fold || !is_sync(event, TABLES)
        });
    });
    assert!(!found.is_empty());
}

#[test]
fn a_changed_bit_in_a_synced_row_is_found() {
    let found = failures(|events, commit| {
        let Deed::Committed(_, row) = events[commit].deed.clone() else {
            unreachable!("it is a commit");
        };
        let mut spoiled = false;
        for event in &mut events[..commit] {
            if let Deed::Write(_, data) = &mut event.deed
                && let Some(at) = data.windows(row.len()).position(|part| part == &*row)
            {
                let mut bytes = data.to_vec();
                bytes[at + row.len() / 2] ^= 1;
                *data = bytes.into();
                spoiled = true;
            }
        }
        assert!(spoiled, "the row was written");
    });
    assert!(!found.is_empty());
}

#[test]
fn a_record_that_is_not_the_one_that_was_committed_is_found() {
    let found = failures(|events, commit| {
        let Deed::Committed(_, row) = &mut events[commit].deed else {
            unreachable!("it is a commit");
        };
        let (number, mut changes) = fuzz::journal_row(row).expect("it is whole");
        let value = changes.iter_mut().find_map(|(.., value)| value.as_mut());
        let value = value.expect("something is written");
        value.index.deadline = value.index.deadline.map_or(Some(1), |time| Some(time + 1));
        *row = Arc::from(fuzz::encode_journal_row(number, &changes));
    });
    assert!(found.contains("are strange"), "{found}");
}
