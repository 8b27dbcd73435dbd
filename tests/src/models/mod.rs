//! Models of the production engine.
#![allow(missing_docs)]
mod checks;
mod configs;
mod host;
mod intern;
mod liveness;
mod memory;
mod model;
mod plan;
mod property;
mod turn;
pub use configs::Size;
pub use property::Safety;

use stateright::{Checker, Model};

pub fn trial(size: Size, threads: usize) {
    for plan in configs::all(size) {
        if std::env::var("ONLY").is_ok_and(|o| !plan.name.contains(&o)) {
            continue;
        }
        let goals = plan.goals;
        let name = plan.name;
        #[allow(clippy::disallowed_methods)]
        let start = std::time::Instant::now();
        let world = model::World::new(plan.clone(), None, None);
        let checker = world
            .checker()
            .threads(threads)
            .target_state_count(std::env::var("MOST").map_or(40_000_000, |m| m.parse().unwrap()))
            .spawn_bfs()
            .join();
        println!(
            "{name}: {} unique, {} generated, depth {}, hosts {}, {:?}",
            checker.unique_state_count(),
            checker.state_count(),
            checker.max_depth(),
            checker.model().distinct_hosts(),
            start.elapsed()
        );
        if std::env::var("DUMP").is_ok() {
            checker.model().dump();
        }
        for (code, path) in checker.discoveries() {
            println!("{code} broken:");
            for action in path.into_actions() {
                println!("    {}", checker.model().format_action(&action));
            }
        }
        if !goals.is_empty() && std::env::var("MOST").is_err() {
            let world = model::World::new(plan, None, None);
            let graph = liveness::Graph::explore(&world, 3_000_000).unwrap();
            for goal in goals {
                let v = graph.check(&world, *goal);
                println!(
                    "{goal:?} of {}: hopeful {} goals {} stuck {}",
                    graph.len(),
                    v.hopeful,
                    v.goals,
                    v.stuck
                );
                for line in v.story {
                    println!("    {line}");
                }
            }
        }
    }
}
