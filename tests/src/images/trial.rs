//! One workload: recorded once, then crashed at each event of its last operation, in every way.
//!
//! Owns the loops over moments, fates and second crashes. The operations before the last one are another workload's
//! business, so no moment is tried twice.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};

use actor_store::{Deed, Image, Recording, Replay, StoreId};

use super::{
    fates::{Fate, mix},
    inspect::{Found, Look, inspect, is_new},
    report::Report,
    scene::Scene,
    states::States,
    workload::Workload,
};

/// How much to do.
#[derive(Clone, Debug)]
pub(super) struct Effort {
    /// Random parts for each moment, and the number of the first.
    pub(super) parts: Range<u64>,
    /// All other fates as well.
    pub(super) systematic: bool,
    /// One in so many of them is opened.
    pub(super) one_in: u64,
    /// One in so many opened images is crashed again at every event of its recovery; all others at one event.
    pub(super) every_second_one_in: u64,
    /// On one in so many opened images the world goes on.
    pub(super) finish_one_in: u64,
}

/// Carries a workload out and crashes it.
pub(super) fn run(workload: &Workload, effort: &Effort) -> Report {
    let mut report = Report::default();
    report.workloads = 1;
    let mut scene = Scene::before_last(workload);
    let begins: Vec<usize> = scene
        .nodes()
        .iter()
        .map(|node| scene.disk(node).recorded())
        .collect();
    if let Some(op) = workload.ops.last() {
        scene.apply(*op);
    }
    for (node, begin) in scene.nodes().to_vec().into_iter().zip(begins) {
        let recording = scene.recording(node);
        let begin = if workload.ops.is_empty() { 0 } else { begin };
        match Trial::new(&recording) {
            Ok(trial) => trial.run(workload, node, begin, effort, &mut report),
            Err(why) => report.fail(format!("{workload}, {node}: {why}")),
        }
    }
    report
}

/// Crashes a recording at every event from `begin` on, without a world behind it.
pub fn crash_recording(recording: &Recording, begin: usize) -> Report {
    let mut report = Report::default();
    let effort = &Effort::COMPLETE;
    match Trial::new(recording) {
        Ok(trial) => trial.crash(begin, effort, &mut report, &mut |_, _, _| Ok(false)),
        Err(why) => report.fail(why),
    }
    report
}

impl Effort {
    pub(super) const COMPLETE: Self = Self {
        parts: 0..2,
        systematic: true,
        one_in: 1,
        every_second_one_in: 64,
        finish_one_in: u64::MAX,
    };
}

/// A recording and what may be found in its images.
struct Trial<'r> {
    recording: &'r Recording,
    states: States,
    id: StoreId,
}

/// Goes on with the world on an image: the number of events before the crash, and the image. False if it does not.
type GoOn<'g> = &'g mut dyn FnMut(usize, u64, &Image) -> Result<bool, String>;

impl<'r> Trial<'r> {
    fn new(recording: &'r Recording) -> Result<Self, String> {
        let states = States::of(recording)?;
        let mut end = recording.replay();
        while end.advance().is_some() {}
        let last = states.allowed(recording.events.len());
        let found = inspect(&Fate::Kept.image(&end), &states, last, Look::Folded)
            .map_err(|why| format!("without any crash: {why}"))?;
        Ok(Self {
            recording,
            states,
            id: found.id,
        })
    }

    fn run(
        &self,
        workload: &Workload,
        node: &str,
        begin: usize,
        effort: &Effort,
        report: &mut Report,
    ) {
        let first = *self.states.allowed(begin).start();
        if let Err(why) = self.states.check_records(first) {
            report.fail(format!("{workload}, {node}: {why}"));
        }
        let mut ran = Report::default();
        self.crash(begin, effort, &mut ran, &mut |at, fingerprint, image| {
            // The beginning is no moment of a running world.
            let is_chosen = mix(fingerprint ^ 3).is_multiple_of(effort.finish_one_in);
            if !is_chosen || workload.ops.is_empty() {
                return Ok(false);
            }
            self.finish(workload, node, begin..at, image).map(|()| true)
        });
        ran.name(&format!("{workload}, {node}"));
        report.add(ran);
    }

    fn crash(&self, begin: usize, effort: &Effort, report: &mut Report, go_on: GoOn<'_>) {
        let mut seen = HashMap::new();
        let mut moment = self.recording.replay();
        while moment.at() < begin {
            moment.advance();
        }
        // The first moment is the last one of another workload, unless it is the very first.
        let mut is_new = begin == 0;
        loop {
            if is_new {
                self.crash_at(&moment, effort, report, &mut seen, go_on);
            }
            is_new = true;
            if moment.advance().is_none() {
                return;
            }
        }
    }

    fn crash_at(
        &self,
        moment: &Replay<'_>,
        effort: &Effort,
        report: &mut Report,
        seen: &mut HashMap<u64, usize>,
        go_on: GoOn<'_>,
    ) {
        report.moments += 1;
        let allowed = self.states.allowed(moment.at());
        for fate in Fate::all(moment, effort.systematic, effort.parts.clone()) {
            report.considered += 1;
            let image = fate.image(moment);
            let fingerprint = image.fingerprint();
            let fail = |report: &mut Report, why: &str| {
                report.fail(format!("event {}, {fate:?}: {why}", moment.at()));
            };
            if let Some(state) = seen.get(&fingerprint) {
                // Seen at an earlier moment, when less was reported.
                if !allowed.contains(state) {
                    fail(report, "a batch that was reported is lost");
                }
                continue;
            }
            if !mix(fingerprint ^ 1).is_multiple_of(effort.one_in) {
                continue;
            }
            let look = match fingerprint % 4 {
                0 => Look::Folded,
                _ => Look::Records,
            };
            report.fingerprints.insert(fingerprint);
            report.count(fate);
            let found = match inspect(&image, &self.states, allowed.clone(), look) {
                Ok(found) => found,
                Err(why) => {
                    fail(report, &why);
                    continue;
                }
            };
            seen.insert(fingerprint, found.state);
            let done = self
                .check_name(&found, 0)
                .and_then(|()| self.crash_again(&found, fingerprint, effort, report))
                .and_then(|()| go_on(moment.at(), fingerprint, &image));
            match done {
                Ok(went_on) => report.finished += u64::from(went_on),
                Err(why) => fail(report, &why),
            }
        }
    }

    // A store keeps its name, and no life is lived twice.
    fn check_name(&self, found: &Found, lived: u64) -> Result<(), String> {
        let may_be_new = found.state == 0 && is_new(found);
        if found.id != self.id && !may_be_new {
            return Err("the store has another name".to_owned());
        }
        if found.incarnation <= lived {
            return Err(format!("incarnation {} is lived again", found.incarnation));
        }
        Ok(())
    }

    /// Crashes while the image is recovered; opened again, it must hold the same.
    fn crash_again(
        &self,
        first: &Found,
        fingerprint: u64,
        effort: &Effort,
        report: &mut Report,
    ) -> Result<(), String> {
        let events = first.recovery.events.len() as u64;
        let chosen = mix(fingerprint) % (events + 1);
        let is_thorough = mix(fingerprint ^ 2).is_multiple_of(effort.every_second_one_in);
        let mut moment = first.recovery.replay();
        loop {
            let at = moment.at() as u64;
            if is_thorough || at == chosen {
                let fates = Fate::all(&moment, true, at..at + 1);
                let fate = fates[(mix(fingerprint ^ at) % fates.len() as u64) as usize];
                let image = fate.image(&moment);
                report.fingerprints.insert(image.fingerprint());
                report.second += 1;
                inspect(
                    &image,
                    &self.states,
                    first.state..=first.state,
                    Look::Records,
                )
                .and_then(|found| self.check_name(&found, 0))
                .map_err(|why| format!("crashed again, event {at}, {fate:?}: {why}"))?;
            }
            if moment.advance().is_none() {
                return Ok(());
            }
        }
    }

    /// Does it all again up to the crash, starts the node on the image, and goes on to the end.
    fn finish(
        &self,
        workload: &Workload,
        node: &str,
        events: Range<usize>,
        image: &Image,
    ) -> Result<(), String> {
        let deeds = self.recording.events[events.clone()].iter();
        let deeds = deeds.filter(|event| !matches!(event.deed, Deed::Committed(..)));
        let deeds = deeds.count() as u64;
        let going_on = || {
            let mut scene = Scene::before_last(workload);
            if scene.disk(node).recorded() != events.start {
                return Err("the same workload did something else".to_owned());
            }
            scene.disk(node).cut_power_after(deeds);
            if let Some(op) = workload.ops.last() {
                scene.apply(*op);
            }
            scene.wake_up(node, image);
            scene.finish(workload)
        };
        let result = panic::catch_unwind(AssertUnwindSafe(going_on));
        let result = result.unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().cloned();
            Err(text.unwrap_or_else(|| "it panicked".to_owned()))
        });
        result.map_err(|why| format!("the world goes on: {why}"))
    }
}
