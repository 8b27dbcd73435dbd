//! Kills the checkout again and again, from inside and from outside, and compares every report with an undisturbed one.
//!
//! Per seed: one run that kills itself after every 50th commit, and ten that are killed from outside between 20 and
//! 1000 ms after their start, each followed by a run to the end on the same store. `kills SEEDS KILLS` runs fewer.

use std::{env, fs, path::Path, process::ExitCode, process::Stdio, sync::Arc, time::Duration};

use examples::{
    program::{Scene, example},
    sample::Dice,
};
use tokio::{process::Command, sync::Semaphore, task::JoinSet, time::timeout};

const SEEDS: u64 = 20;
const KILLS_PER_SEED: u64 = 10;
const COMMITS_PER_LIFE: &str = "50";
const EARLIEST_KILL_MS: u64 = 20;
const LATEST_KILL_MS: u64 = 1_000;
const ORDERS: u64 = 50;
const ORDERS_SEED: u64 = 11;
/// Runs at a time. Most of their time is waiting for frames that the gnomes have eaten.
const ABREAST: usize = 6;
/// No run of so few orders takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// What happened so far.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    runs: u64,
    kills: u64,
    /// Runs that were over before they were to be killed.
    too_late: u64,
}

/// One disturbed run, brought to its end and compared.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    /// The process kills itself again and again.
    Inside,
    /// It is killed once, after so many milliseconds.
    Outside(u64),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match kills().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kills: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn kills() -> Result<(), String> {
    let mut numbers = env::args().skip(1).map(|word| {
        word.parse::<u64>()
            .map_err(|_| format!("`{word}` is not a number"))
    });
    let seeds = numbers.next().transpose()?.unwrap_or(SEEDS);
    let kills_per_seed = numbers.next().transpose()?.unwrap_or(KILLS_PER_SEED);
    let folder = tempfile::Builder::new()
        .prefix("kills-")
        .tempdir()
        .map_err(|error| error.to_string())?;
    let judged = check(folder.path(), seeds, kills_per_seed).await;
    match judged {
        Ok(Tally {
            runs,
            kills,
            too_late,
        }) => {
            let late = if too_late == 0 {
                String::new()
            } else {
                format!(" ({too_late} runs were over before their kill)")
            };
            println!("kills: {runs} runs, {kills} kills, all reports equal{late}");
            Ok(())
        }
        Err(error) => Err(format!(
            "{error}; everything is kept in {}",
            folder.keep().display()
        )),
    }
}

async fn check(folder: &Path, seeds: u64, kills_per_seed: u64) -> Result<Tally, String> {
    let scene =
        Scene::with_orders(folder, ORDERS, ORDERS_SEED).map_err(|error| error.to_string())?;
    to_the_end(&scene, "undisturbed", &["--gnomes", "0"]).await?;

    let abreast = Arc::new(Semaphore::new(ABREAST));
    let mut running = JoinSet::new();
    for seed in 1..=seeds {
        let mut dice = Dice::seeded(seed);
        let mut moment = || EARLIEST_KILL_MS + dice.below(LATEST_KILL_MS - EARLIEST_KILL_MS + 1);
        let outside = (0..kills_per_seed).map(|_| Disturbance::Outside(moment()));
        for (number, disturbance) in [Disturbance::Inside].into_iter().chain(outside).enumerate() {
            let (scene, abreast) = (scene.clone(), Arc::clone(&abreast));
            running.spawn(async move {
                let _turn = abreast
                    .acquire_owned()
                    .await
                    .map_err(|closed| closed.to_string())?;
                let name = format!("seed-{seed}-{number}");
                disturbed(&scene, &name, seed, disturbance)
                    .await
                    .map(|tally| (seed, tally))
            });
        }
    }
    let mut total = Tally::default();
    let of = seeds * (1 + kills_per_seed);
    let mut over = 0;
    while let Some(run) = running.join_next().await {
        let (seed, tally) = run.map_err(|lost| lost.to_string())??;
        total.runs += tally.runs;
        total.kills += tally.kills;
        total.too_late += tally.too_late;
        over += 1;
        if over % (1 + kills_per_seed) == 0 {
            println!(
                "kills: {over} of {of} checks, {} kills, at seed {seed}",
                total.kills
            );
        }
    }
    Ok(total)
}

async fn disturbed(
    scene: &Scene,
    name: &str,
    seed: u64,
    disturbance: Disturbance,
) -> Result<Tally, String> {
    let seed = seed.to_string();
    let mut tally = Tally::default();
    match disturbance {
        Disturbance::Inside => {
            let out = to_the_end(
                scene,
                name,
                &["--seed", &seed, "--kill-every", COMMITS_PER_LIFE],
            )
            .await?;
            tally.kills = restarts(&out).ok_or_else(|| format!("{name}: no totals in `{out}`"))?;
            tally.runs = 1;
        }
        Disturbance::Outside(moment_ms) => {
            let mut child = command(scene, name, &["--seed", &seed])?
                .spawn()
                .map_err(|error| format!("{name}: {error}"))?;
            match timeout(Duration::from_millis(moment_ms), child.wait()).await {
                Err(_) => {
                    child
                        .kill()
                        .await
                        .map_err(|error| format!("{name}: {error}"))?;
                    tally.kills = 1;
                }
                Ok(_) => tally.too_late = 1,
            }
            to_the_end(scene, name, &["--seed", &seed]).await?;
            tally.runs = 2;
        }
    }
    scene.compare(name, "undisturbed")?;
    // Hundreds of stores fill a disk; one that is equal has nothing more to tell.
    fs::remove_dir_all(scene.path(&format!("{name}.store")))
        .map_err(|error| format!("{name}: {error}"))?;
    Ok(tally)
}

fn command(scene: &Scene, name: &str, more: &[&str]) -> Result<Command, String> {
    let mut command = Command::new(example("checkout")?);
    command
        .args(scene.args(name))
        .args(more)
        .arg("--json")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Runs until every order has an outcome; gives back the last line, which has the totals.
async fn to_the_end(scene: &Scene, name: &str, more: &[&str]) -> Result<String, String> {
    let running = command(scene, name, more)?.output();
    let output = timeout(PATIENCE, running)
        .await
        .map_err(|_| format!("{name}: not over after {} s", PATIENCE.as_secs()))?;
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{name}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        ));
    }
    let out = String::from_utf8_lossy(&output.stdout);
    Ok(out.lines().next_back().unwrap_or_default().to_owned())
}

fn restarts(totals: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(totals)
        .ok()?
        .get("restarts")?
        .as_u64()
}
