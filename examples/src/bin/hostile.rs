//! 2,000 orders over a network that loses 30 % of its frames, repeats 30 % and reorders the rest, against a calm run.
//!
//! Prints the times; fails where an order has no outcome, where the reports differ, or after 60 s.

use std::{
    process::{Command, ExitCode},
    time::Duration,
};

use examples::program::{Scene, example};
use tokio::time::Instant;

const ORDERS: u64 = 2_000;
const SEED: u64 = 3;
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match hostile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn hostile() -> Result<(), String> {
    let folder = tempfile::Builder::new()
        .prefix("hostile-")
        .tempdir()
        .map_err(|error| error.to_string())?;
    let scene =
        Scene::with_orders(folder.path(), ORDERS, SEED).map_err(|error| error.to_string())?;
    let judged = timed(&scene, "calm", "0").and_then(|calm| {
        println!(
            "hostile: {ORDERS} orders, calm network: {:.1} s",
            calm.as_secs_f64()
        );
        let hostile = timed(&scene, "hostile", "0.3")?;
        println!(
            "hostile: {ORDERS} orders, 30 % lost, 30 % repeated, reordered over 5: {:.1} s",
            hostile.as_secs_f64()
        );
        scene.compare("hostile", "calm")?;
        if hostile > LIMIT {
            Err(format!("more than {} s", LIMIT.as_secs()))
        } else {
            Ok(())
        }
    });
    if judged.is_err() {
        println!("hostile: kept {}", folder.keep().display());
    }
    judged?;
    println!("hostile: both reports equal");
    Ok(())
}

fn timed(scene: &Scene, name: &str, rate: &str) -> Result<Duration, String> {
    let start = Instant::now();
    let mut command = Command::new(example("checkout")?);
    let status = command
        .args(scene.args(name))
        .args(["--gnomes", rate])
        .status()
        .map_err(|error| error.to_string())?;
    if status.success() {
        Ok(start.elapsed())
    } else {
        Err(format!("{name}: {status}"))
    }
}
