//! The gate as a program: its exit code, and the line that shows a violation again.

use std::process::{Command, Output};

fn prove(arguments: &str) -> Output {
    let mut gate = Command::new(env!("CARGO_BIN_EXE_prove"));
    let output = gate.args(arguments.split_whitespace()).output();
    output.expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What follows this word in the line that has it.
fn after<'t>(text: &'t str, word: &str) -> &'t str {
    let line = text.lines().find_map(|line| Some(line.split_once(word)?.1));
    line.unwrap_or_else(|| panic!("no `{word}` in:\n{text}"))
}

#[test]
fn a_gate_that_finds_something_fails_and_says_how_to_see_it_again() {
    let found = prove("--quick --section simulation --seed 5 --mutant Rebind");
    let text = said(&found);
    assert_eq!(found.status.code(), Some(1), "{text}");
    assert!(text.contains("prove: FAILED"), "{text}");
    let (seed, property) = (after(&text, "seed "), after(&text, "fails: "));
    assert!(property.contains("S3"), "{property}");
    let seed = seed.split_whitespace().next().unwrap_or_default();
    let again = prove(after(&text, "--bin prove -- "));
    let text = said(&again);
    assert_eq!(again.status.code(), Some(1), "{text}");
    let same = format!("seed {seed} fails: {property}");
    assert!(text.contains(&same), "not `{same}`:\n{text}");
}

#[test]
fn a_soak_stops_at_its_first_violation() {
    let found = prove("--minutes 5 --section simulation --section nodes --mutant Rebind");
    let text = said(&found);
    assert_eq!(found.status.code(), Some(1), "{text}");
    assert!(text.contains("simulation FAILED"), "{text}");
    assert!(text.contains("nodes ok"), "it had no turn: {text}");
}

#[test]
fn a_gate_that_is_not_understood_proves_nothing() {
    assert_eq!(prove("--hurry").status.code(), Some(2));
    assert_eq!(prove("--help").status.code(), Some(0));
    let held = prove("--quick --section coverage");
    assert_eq!(held.status.code(), Some(0), "{}", said(&held));
}
