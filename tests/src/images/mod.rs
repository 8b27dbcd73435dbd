//! Every workload of up to three operations, crashed at every event of its disks, in every way; and crashed again while
//! it recovers.
//!
//! The images are real: nodes of a `World` write them through the production store, and the production store opens
//! them. What may be found in them is known from the batches as they were in memory.

mod app;
mod fates;
mod inspect;
mod known;
mod report;
mod scene;
mod states;
mod trial;
mod workload;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

pub use report::Report;
pub use states::next_commit;
pub use trial::crash_recording;
pub use workload::{Op, Start, Workload};

use actor_store::Recording;
use known::Known;
use trial::Effort;

/// Random parts of each moment in a round.
const PARTS_A_ROUND: u64 = 8;
/// Rounds after which something must be wrong with the workloads.
const MAX_ROUNDS: u64 = 64;
/// How often progress is told.
const TELL_EVERY: u64 = 100;

/// Opens every image of every workload, and more random ones until there are `target_images`.
pub fn prove(threads: usize, target_images: u64, progress: &dyn Fn(String)) -> Report {
    let workloads = Workload::all();
    let (mut report, known) = (Report::default(), Known::default());
    for round in 0..MAX_ROUNDS {
        let first = round * PARTS_A_ROUND;
        let effort = Effort {
            parts: first..first + PARTS_A_ROUND,
            systematic: round == 0,
            finish_one_in: 128,
            ..Effort::COMPLETE
        };
        // Only the first round is done to its end whatever the number is.
        let enough = if round == 0 { u64::MAX } else { target_images };
        carry_out(
            &workloads,
            &effort,
            &known,
            threads,
            enough,
            &mut report,
            progress,
        );
        if report.images() >= target_images {
            break;
        }
    }
    report
}

/// About `target_images` images, spread over all workloads; the same ones each time.
pub fn sample(target_images: u64) -> Report {
    let effort = Effort {
        one_in: 4,
        finish_one_in: 100,
        ..Effort::COMPLETE
    };
    let all = Workload::all();
    // Coprime to the number of workloads: neighbours are taken far from each other.
    let spread: Vec<Workload> = (0..all.len())
        .map(|at| all[at * 101 % all.len()].clone())
        .collect();
    let mut report = Report::default();
    carry_out(
        &spread,
        &effort,
        &Known::default(),
        1,
        target_images,
        &mut report,
        &|_| (),
    );
    report
}

/// What happens to the disks of all nodes in a workload, from their birth.
pub fn record(workload: &Workload) -> Vec<Recording> {
    let mut scene = scene::Scene::before_last(workload);
    if let Some(op) = workload.ops.last() {
        scene.apply(*op);
    }
    scene
        .nodes()
        .iter()
        .map(|node| scene.recording(node))
        .collect()
}

/// Every frame that was sent in a workload, in its bytes.
pub fn frames(workload: &Workload) -> Vec<Vec<u8>> {
    let mut scene = scene::Scene::before_last(workload);
    if let Some(op) = workload.ops.last() {
        scene.apply(*op);
    }
    scene.frames()
}

fn carry_out(
    workloads: &[Workload],
    effort: &Effort,
    known: &Known,
    threads: usize,
    enough: u64,
    report: &mut Report,
    progress: &dyn Fn(String),
) {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::sync_channel(0);
    thread::scope(|scope| {
        let worker = |sender: mpsc::SyncSender<Report>| {
            while !stop.load(Ordering::Relaxed)
                && let Some(workload) = workloads.get(next.fetch_add(1, Ordering::Relaxed))
            {
                if sender.send(trial::run(workload, effort, known)).is_err() {
                    return;
                }
            }
        };
        let workers: Vec<_> = (0..threads.max(1))
            .map(|_| {
                let sender = sender.clone();
                scope.spawn(move || worker(sender))
            })
            .collect();
        drop(sender);
        for part in receiver {
            report.add(part);
            if report.workloads.is_multiple_of(TELL_EVERY) {
                progress(format!(
                    "{} workloads, {} images",
                    report.workloads,
                    report.images()
                ));
            }
            if report.images() >= enough {
                stop.store(true, Ordering::Relaxed);
            }
        }
        for worker in workers {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}
