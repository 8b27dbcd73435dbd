//! One workload: recorded once, then crashed at each event of its last operation, in every way.
//!
//! Owns the loops over moments, fates and second crashes. The operations before the last one are another workload's
//! business, so no moment is tried twice.

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};
use std::panic::{self, AssertUnwindSafe};

use actor_store::{Deed, Image, Recording, Replay, StoreId};

use super::{
    fates::{Fate, mix},
    inspect::{Found, Look, inspect, is_new},
    known::{Content, Known},
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
pub(super) fn run(workload: &Workload, effort: &Effort, known: &Known) -> Report {
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
        match Trial::new(&recording, known) {
            Ok(trial) => trial.run(workload, node, begin, effort, &mut report),
            Err(why) => report.fail(format!("{workload}, {node}: {why}")),
        }
    }
    report
}

/// Crashes a recording at every event from `begin` on, without a world behind it.
pub fn crash_recording(recording: &Recording, begin: usize) -> Report {
    let mut report = Report::default();
    let (effort, known) = (&Effort::COMPLETE, Known::default());
    match Trial::new(recording, &known) {
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
    known: &'r Known,
}

/// Goes on with the world on an image: the number of events before the crash, and the image. False if it does not.
type GoOn<'g> = &'g mut dyn FnMut(usize, u64, &Image) -> Result<bool, String>;

impl<'r> Trial<'r> {
    fn new(recording: &'r Recording, known: &'r Known) -> Result<Self, String> {
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
            known,
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
        let mut seen = HashSet::new();
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
        seen: &mut HashSet<u64>,
        go_on: GoOn<'_>,
    ) {
        report.moments += 1;
        let allowed = self.states.allowed(moment.at());
        for fate in Fate::all(moment, effort.systematic, effort.parts.clone()) {
            report.considered += 1;
            let image = fate.image(moment);
            let fingerprint = image.fingerprint();
            if !mix(fingerprint ^ 1).is_multiple_of(effort.one_in) {
                continue;
            }
            let done = match self.known.get(fingerprint) {
                Some(found) => self.states.admit(found.digest, allowed.clone()),
                None => self.open(&image, fingerprint, fate, allowed.clone(), effort, report),
            };
            // Another workload that left the same image went on from it in another way.
            let done = match done {
                Ok(()) if seen.insert(fingerprint) => go_on(moment.at(), fingerprint, &image),
                Ok(()) => Ok(false),
                Err(why) => Err(why),
            };
            match done {
                Ok(went_on) => report.finished += u64::from(went_on),
                Err(why) => report.fail(format!("event {}, {fate:?}: {why}", moment.at())),
            }
        }
    }

    fn open(
        &self,
        image: &Image,
        fingerprint: u64,
        fate: Fate,
        allowed: RangeInclusive<usize>,
        effort: &Effort,
        report: &mut Report,
    ) -> Result<(), String> {
        let look = match fingerprint % 4 {
            0 => Look::Folded,
            _ => Look::Records,
        };
        let found = inspect(image, &self.states, allowed, look)?;
        if self.known.add(fingerprint, self.content(&found)) {
            report.count(fate);
        }
        self.check_name(&found)?;
        self.crash_again(&found, fingerprint, effort, report)
    }

    // A store keeps its name, and its first life is over.
    fn check_name(&self, found: &Found) -> Result<(), String> {
        let may_be_new = found.state == 0 && is_new(found);
        if found.id != self.id && !may_be_new {
            return Err("the store has another name".to_owned());
        }
        if found.state > 0 && found.incarnation < 2 {
            return Err("its first life is lived again".to_owned());
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
                // Once the store was open, others may have heard of this life.
                let lived = if moment.at() < first.opened {
                    first.incarnation - 1
                } else {
                    first.incarnation
                };
                self.open_again(&image, first.state, lived, report)
                    .map_err(|why| format!("crashed again, event {at}, {fate:?}: {why}"))?;
            }
            if moment.advance().is_none() {
                return Ok(());
            }
        }
    }

    fn open_again(
        &self,
        image: &Image,
        state: usize,
        lived: u64,
        report: &mut Report,
    ) -> Result<(), String> {
        let fingerprint = image.fingerprint();
        let content = if let Some(content) = self.known.get(fingerprint) {
            content
        } else {
            let found = inspect(image, &self.states, state..=state, Look::Records)?;
            self.check_name(&found)?;
            let content = self.content(&found);
            if self.known.add(fingerprint, content) {
                report.second += 1;
            }
            content
        };
        if content.digest != self.states.digest(state) {
            return Err("not what was there before".to_owned());
        }
        if content.incarnation <= lived {
            return Err(format!("life {} is lived again", content.incarnation));
        }
        Ok(())
    }

    fn content(&self, found: &Found) -> Content {
        Content {
            digest: self.states.digest(found.state),
            incarnation: found.incarnation,
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
            scene.disk(node).lose_power_after(deeds);
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
