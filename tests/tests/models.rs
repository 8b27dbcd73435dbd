//! The protocol's engine holds in every interleaving of small dialogs, and no mutant of it does.

use tests::models::{self, Size};

#[test]
fn every_model_holds_in_every_state_and_hope_is_never_lost() {
    let report = models::check(Size::Small, 2, &|line| println!("{line}"));
    let failures = report.failures();
    assert!(failures.is_empty(), "{}\n{report}", failures.join("\n"));
    let with_a_goal = report
        .models
        .iter()
        .filter(|model| !model.liveness.is_empty());
    assert!(
        with_a_goal.count() >= 10,
        "liveness was looked at:\n{report}"
    );
}

#[test]
fn every_mutant_is_refuted_by_the_property_that_is_named_for_it() {
    for refutation in models::refute_all(&|line| println!("{line}")) {
        assert!(refutation.story.is_some(), "{refutation}");
    }
}
