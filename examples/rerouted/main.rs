//! A bug that shows only when a first message runs on two instances, and how a world finds it.
//!
//! `cargo run --example rerouted` tries 500 worlds on both shops and prints what it finds.

mod careful;
mod hasty;

use actor_core::world::Seeds;

/// What the commands of a report name: the test below.
const PACKAGE: &str = "examples";
const TEST: &str = "rerouted::tests::a_hasty_shop_takes_one_item";

fn main() {
    let seeds = Seeds::first(500).named(PACKAGE, TEST);
    match seeds.find(hasty::one_order_takes_one_item) {
        Some(failure) => println!("the hasty shop: {failure}"),
        None => println!("the hasty shop: nothing found in 500 worlds"),
    }
    match Seeds::first(500).find(careful::one_order_takes_one_item) {
        Some(failure) => println!("the careful shop: {failure}"),
        None => println!("the careful shop: nothing found in 500 worlds"),
    }
}

#[cfg(test)]
mod tests {
    use actor_core::{dialog_test, world::Seeds, world::World};

    use crate::{careful, hasty};

    /// The test as its author has it. It fails, as it must; without `should_panic` you would read the report.
    #[dialog_test(seeds = 500)]
    #[should_panic(expected = "items taken")]
    fn a_hasty_shop_takes_one_item(world: &mut World) {
        hasty::one_order_takes_one_item(world);
    }

    #[dialog_test(seeds = 500)]
    fn a_careful_shop_takes_one_item(world: &mut World) {
        careful::one_order_takes_one_item(world);
    }

    #[test]
    fn the_report_of_the_bug_names_the_seed_the_faults_and_what_happened() {
        let seeds = Seeds::first(500).named(crate::PACKAGE, crate::TEST);
        let failure = seeds.find(hasty::one_order_takes_one_item);
        let report = failure.expect("it is found").to_string();
        for part in [
            "items taken",
            "needs:     ",
            "reproduce: WORLD_SEED=",
            " cargo test -p examples --example rerouted tests::a_hasty_shop_takes_one_item -- --exact\n",
            "hasty-1",
            "hasty-2",
            "reserve #1, pending",
            "establish",
        ] {
            assert!(report.contains(part), "no `{part}` in:\n{report}");
        }
        // A command is one line, however long.
        let mut text = report.lines().filter(|line| !line.contains("cargo test"));
        assert!(text.all(|line| line.len() <= 120), "{report}");
        assert!(report.lines().count() < 60, "{report}");
        let again = seeds.find(hasty::one_order_takes_one_item);
        assert_eq!(report, again.expect("again").to_string());
    }
}
