//! A poison message in one dialog of a thousand leaves the other 999 untouched, in real processes that really die of it.

use std::process::{Command, Output};

/// The first death is not counted, five are, and then it is put aside.
const MOST_DEATHS: usize = 6;

/// Starts the program again until it ends by itself. How often it died, and what it said at last.
fn supervise(how: &str) -> (usize, String) {
    let directory = tempfile::tempdir().unwrap();
    for deaths in 0..=2 * MOST_DEATHS {
        let run = || -> std::io::Result<Output> {
            Command::new(env!("CARGO_BIN_EXE_mortal"))
                .arg(directory.path())
                .arg(how)
                .output()
        };
        let output = run().unwrap();
        if output.status.success() {
            return (deaths, String::from_utf8(output.stdout).unwrap());
        }
        assert_eq!(
            output.status.code(),
            None,
            "a signal: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    panic!("it dies for ever");
}

/// Rows are as many as messages were handled: once each. Of the poisoned dialog only the first was.
const ALL_BUT_ONE: &str = "good 2998 poisoned 2 other 0 rows 2998 letters 1 attempts 5\n";

#[test]
#[cfg(unix)]
fn one_dialog_of_a_thousand_that_aborts_the_process_leaves_the_others_untouched() {
    let (deaths, said) = supervise("abort");
    assert_eq!(said, ALL_BUT_ONE);
    assert_eq!(deaths, MOST_DEATHS);
}

#[test]
fn one_dialog_of_a_thousand_that_panics_leaves_the_others_untouched() {
    let (deaths, said) = supervise("panic");
    assert_eq!(said, ALL_BUT_ONE);
    assert_eq!(deaths, 0);
}
