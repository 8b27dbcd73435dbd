//! The loop: which step comes next, and when time passes.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use actor_store::Crash;

use super::{
    Event, Fault, Order, World,
    clock::next,
    death::unless_dead,
    home::{Begun, Exposed, Gate, Home, Life, Moment},
    ledger::Violation,
    tasks::Flag,
    weather::Weather,
};
use crate::node::{AHEAD_MS, Note, SCAN_EVERY_MS, persist, release, scan};

/// How long a node that crashed by plan stays down, in milliseconds.
const DOWN_MS: u64 = 1000;
/// Steps without which no future should have to do.
const MAX_STEPS: u64 = 3_000_000;

/// Something that can happen now, to a node by its index.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Turn(usize, usize),
    Cut(usize),
    /// A sync that goes on.
    Write(usize),
    Release(usize),
    Fold(usize),
    Deliver,
}

impl World {
    /// One step of those that can happen now. False if there is none.
    pub fn step(&mut self) -> bool {
        self.tasks.poll();
        let mut steps = std::mem::take(&mut self.possible);
        steps.clear();
        self.possible(&mut steps);
        let chosen = self.choose(steps.len()).map(|at| steps[at]);
        self.possible = steps;
        let Some(step) = chosen else {
            return false;
        };
        self.steps += 1;
        self.take(step);
        true
    }

    fn choose(&mut self, among: usize) -> Option<usize> {
        if among == 0 {
            return None;
        }
        let number = match self.order {
            Order::Seeded => next(&mut self.turn),
            Order::RoundRobin => {
                self.turn += 1;
                self.turn
            }
        };
        Some((number % among as u64) as usize)
    }

    fn possible(&self, steps: &mut Vec<Step>) {
        let now = self.clock.now();
        for (index, home) in self.homes.iter().enumerate() {
            let Some(life) = home.running() else {
                continue;
            };
            for (shard, machine) in life.shards.iter().enumerate() {
                if machine.is_ready() {
                    steps.push(Step::Turn(index, shard));
                }
            }
            match &life.gate {
                Gate::Idle if !life.shared.gate.is_idle() => steps.push(Step::Cut(index)),
                Gate::Writing(_, _, until) if *until <= now => steps.push(Step::Write(index)),
                Gate::Idle | Gate::Writing(..) => {}
                Gate::Durable(_) => steps.push(Step::Release(index)),
            }
            if life.shared.store.wants_fold() {
                steps.push(Step::Fold(index));
            }
        }
        if self.wire.is_ready() {
            steps.push(Step::Deliver);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Turn(index, shard) => {
                let settles = match self.order {
                    Order::Seeded => next(&mut self.turn).is_multiple_of(2),
                    Order::RoundRobin => true,
                };
                let life = self.life(index);
                let machine = &mut life.shards[shard];
                match unless_dead(|| machine.step(settles)) {
                    Some(Ok(())) => {}
                    Some(Err(fault)) => self.life(index).shared.fail(&fault),
                    None => return self.crash_for_a_while_as(index, Crash::KeepAll),
                }
                let node = self.homes[index].name.clone();
                self.note(Event::Turn { node, shard });
                self.observe(index);
                self.after(index);
            }
            Step::Cut(index) => self.cut(index),
            Step::Write(index) => self.write(index),
            Step::Release(index) => {
                let life = self.life(index);
                if let Gate::Durable(committed) = std::mem::take(&mut life.gate) {
                    let ticket = committed.ticket();
                    release(&life.shared, committed);
                    let node = self.homes[index].name.clone();
                    self.note(Event::Release { node, ticket });
                    self.observe(index);
                }
            }
            Step::Fold(index) => {
                let life = self.life(index);
                if let Err(fault) = life.shared.store.fold_step(false) {
                    life.shared.fail(&fault);
                }
                let node = self.homes[index].name.clone();
                self.note(Event::Fold { node });
                self.after(index);
            }
            Step::Deliver => {
                if let Some((frame, to)) = self.wire.deliver() {
                    self.note(Event::Deliver { frame, to });
                }
            }
        }
    }

    fn cut(&mut self, index: usize) {
        let (steps, now) = (self.sync_steps, self.clock.now());
        let slow = self.drawn(index, Fault::SlowDisk, "slow sync");
        let home = &mut self.homes[index];
        let takes = home.sync_ms + slow.map_or(0, |(mut dice, most)| 1 + dice.below(most));
        let Some(life) = &mut home.life else { return };
        if let Some(cut) = life.shared.gate.cut() {
            let ticket = cut.ticket();
            life.gate = Gate::Writing(cut, steps, now + takes);
            let node = home.name.clone();
            self.note(Event::Cut { node, ticket });
        }
    }

    fn write(&mut self, index: usize) {
        let life = self.life(index);
        let cut = match std::mem::take(&mut life.gate) {
            Gate::Writing(cut, 0, _) => cut,
            Gate::Writing(cut, left, until) => {
                life.gate = Gate::Writing(cut, left - 1, until);
                return;
            }
            other => {
                life.gate = other;
                return;
            }
        };
        let (ticket, empty) = (cut.ticket(), cut.batch.is_empty());
        let strikes = if empty {
            None
        } else {
            self.commit_faults(index)
        };
        if strikes == Some(Moment::BeforeCommit) {
            return self.crash_for_a_while(index);
        }
        let life = self.life(index);
        if let Some(committed) = persist(&life.shared, cut) {
            life.gate = Gate::Durable(committed);
            self.homes[index].commits += u64::from(!empty);
            let node = self.homes[index].name.clone();
            self.note(Event::Commit { node, ticket });
        }
        self.observe(index);
        if strikes == Some(Moment::AfterCommit) {
            return self.crash_for_a_while(index);
        }
        self.after(index);
    }

    /// What happens to this commit, by plan or drawn.
    fn commit_faults(&mut self, index: usize) -> Option<Moment> {
        if let Some(moment) = self.homes[index].strikes() {
            return Some(moment);
        }
        if self
            .drawn(index, Fault::FailedSync, "failed sync")
            .is_some()
        {
            self.homes[index].disk.fail_sync_at(1);
        } else if let Some((mut dice, bytes)) = self.drawn(index, Fault::FullDisk, "full disk") {
            self.homes[index].disk.fail_write_after(dice.below(bytes));
        }
        let (mut dice, _) = self.drawn(index, Fault::Crash, "crash at a commit")?;
        Some(if dice.coin() {
            Moment::BeforeCommit
        } else {
            Moment::AfterCommit
        })
    }

    /// Does it strike this node now?
    fn drawn(
        &mut self,
        index: usize,
        fault: Fault,
        what: &str,
    ) -> Option<(super::clock::Dice, u64)> {
        if self.homes[index].exposed == Exposed::NetworkOnly {
            return None;
        }
        self.weather(|weather| weather.strikes(fault, what))?
    }

    pub(super) fn weather<T>(&self, ask: impl FnOnce(&mut Weather) -> T) -> Option<T> {
        let weather = self.weather.as_ref()?;
        Some(ask(&mut weather
            .lock()
            .unwrap_or_else(PoisonError::into_inner)))
    }

    /// What is left of a disk whose process dies now.
    fn how_it_dies(&mut self, index: usize) -> Crash {
        if self.weather.is_none() {
            return Crash::KeepSome(self.turn);
        }
        match self.drawn(index, Fault::PowerLoss, "power loss") {
            None => Crash::KeepAll,
            Some((mut dice, _)) => match dice.below(4) {
                0 => Crash::LoseUnsynced,
                1 => Crash::TearLast(dice.any()),
                _ => Crash::KeepSome(dice.any()),
            },
        }
    }

    fn crash_for_a_while(&mut self, index: usize) {
        let how = self.how_it_dies(index);
        self.crash_for_a_while_as(index, how);
    }

    fn crash_for_a_while_as(&mut self, index: usize, how: Crash) {
        self.die(index, how);
        let at = self.clock.now() + DOWN_MS;
        self.homes[index].start_at = Some(at);
    }

    pub(super) fn die(&mut self, index: usize, how: Crash) {
        let node = self.homes[index].name.clone();
        self.note(Event::Crash { node: node.clone() });
        self.homes[index].crash(how);
        self.wire.forget_node(&node);
    }

    /// A node whose store failed loses its shards, as their threads would end.
    fn after(&mut self, index: usize) {
        let life = self.life(index);
        if !life.shards.is_empty() && life.shared.has_failed() {
            life.shards.clear();
            life.gate = Gate::Idle;
            life.shared.die();
            let why = life.shared.failure().borrow().clone().unwrap_or_default();
            let node = self.homes[index].name.clone();
            self.note(Event::Stopped { node, why });
            if self.supervised {
                self.crash_for_a_while(index);
            }
        }
    }

    /// Reads the notes of a node that has just done something, and what it has sent.
    fn observe(&mut self, index: usize) {
        let Some(life) = &self.homes[index].life else {
            return;
        };
        let notes = life.shared.notebook.take();
        let mut wrong = None;
        for note in &notes {
            if let Note::Tried(ran) = note {
                let node = self.homes[index].name.clone();
                let run = ran.into();
                self.note(Event::Handler { node, run });
            }
            self.side_ended(index, note);
            wrong = wrong.or(self.ledger.enter(index, note).err());
        }
        let (mut sent, first) = (Vec::new(), self.frames_seen);
        self.wire.each_from(first, |frame, record| {
            sent.push(frame);
            let said = &record.frame;
            let checked = self.ledger.said(said.dialog, said.src_token, said.ack);
            // A copy from the past says what was true then, and a RESET speaks for nobody.
            wrong = wrong.take().or(checked.err());
        });
        self.frames_seen += sent.len();
        for frame in sent {
            self.note(Event::Send { frame });
        }
        if let Some(violation) = wrong {
            self.fail(&violation);
        }
    }

    /// Ends the run: this must never be.
    pub(super) fn fail(&mut self, violation: &Violation) -> ! {
        self.focus.push(violation.dialog);
        panic!("dialog {}: {}", violation.dialog, violation.what);
    }

    fn life(&mut self, index: usize) -> &mut Life {
        self.homes[index]
            .life
            .as_mut()
            .expect("only a node that runs has steps")
    }

    pub(super) fn begin(&mut self, index: usize) {
        if let Some((mut dice, most)) = self.drawn(index, Fault::ClockStep, "clock step") {
            let by = 1 + dice.below(most).cast_signed();
            let name = self.homes[index].name.clone();
            self.step_clock(&name, if dice.coin() { by } else { -by });
        }
        if self.homes[index].commits > 0
            && let Some((mut dice, most)) =
                self.drawn(index, Fault::CrashInRecovery, "crash in recovery")
        {
            self.homes[index].dies_in_recovery = Some(dice.below(most));
        }
        let (clock, ids, wire) = (&self.clock, &self.ids, &self.wire);
        let begun = self.homes[index].begin(clock, ids, wire);
        let node = self.homes[index].name.clone();
        match begun {
            Begun::Runs(incarnation) => self.note(Event::Start { node, incarnation }),
            Begun::Died => {
                self.wire.forget_node(&node);
                self.note(Event::CrashInRecovery { node });
                let how = self.how_it_dies(index);
                let at = self.clock.now() + DOWN_MS;
                let home = &mut self.homes[index];
                home.disk = home.disk.crash(how);
                home.start_at = Some(at);
            }
        }
    }

    /// The next time at which something happens by itself.
    fn next_due(&self) -> Option<u64> {
        let now = self.clock.now();
        let homes = self.homes.iter().filter_map(|home| home.next_due(now));
        homes.chain(self.wire.next_due()).min()
    }

    /// Time goes on to `now`.
    fn set_time(&mut self, now: u64) {
        self.clock.set(now);
        let now = self.clock.now();
        self.note(Event::Time { now_ms: now });
        self.wire.pass();
        for index in 0..self.homes.len() {
            if self.homes[index].start_at.is_some_and(|at| at <= now) {
                self.begin(index);
            }
        }
        for index in 0..self.homes.len() {
            if self.homes[index].scan() {
                self.after(index);
            }
        }
    }

    /// The next thing that is due until then, and everything that follows. False if there is nothing.
    pub(super) fn pass_one(&mut self, until: u64) -> bool {
        self.tasks.poll_all();
        self.settle();
        let due = self.next_due().filter(|due| *due <= until);
        if let Some(due) = due {
            self.set_time(due);
            self.settle();
        }
        due.is_some()
    }

    /// Everything up to `until`.
    pub(super) fn pass(&mut self, until: u64) {
        self.settle();
        while let Some(due) = self.next_due().filter(|due| *due <= until) {
            self.set_time(due);
            self.settle();
        }
        self.set_time(until);
        self.settle();
    }

    pub(super) fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&flag));
        let until = self.clock.now() + self.patience.as_millis() as u64;
        let last = self.steps + MAX_STEPS;
        loop {
            if flag.0.swap(false, Ordering::SeqCst)
                && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return output;
            }
            assert!(
                self.steps < last,
                "the world goes round in circles:\n{}",
                self.state()
            );
            if self.step() {
                continue;
            }
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            self.tasks.poll_all();
            if self.step() {
                continue;
            }
            match self.next_due().filter(|due| *due <= until) {
                Some(due) => self.set_time(due),
                None => panic!(
                    "nothing can happen any more, and the future is not ready: {}",
                    self.standing()
                ),
            }
        }
    }
}

impl Home {
    /// The next time, on the world's clock, at which something happens here by itself.
    fn next_due(&self, now: u64) -> Option<u64> {
        let life = self.running().into_iter().filter_map(|life| {
            let store = &life.shared.store;
            let shards = life.shards.iter().filter_map(crate::node::Shard::next_due);
            // As the folder's thread does it: once a minute, and well before the time.
            let row = store.next_due().ok().flatten();
            let row = row.map(|row| row.saturating_sub(AHEAD_MS).max(life.next_scan));
            let fold = (store.overlay_bytes() > 0).then_some(life.next_scan);
            let sync = match life.gate {
                Gate::Writing(_, _, until) => Some(until),
                _ => None,
            };
            let own = shards.chain(row).chain(fold);
            own.map(|due| life.in_the_world(due, now)).chain(sync).min()
        });
        life.chain(self.start_at).min()
    }

    /// Looks at the index of deadlines if it is time. True if the store failed.
    fn scan(&mut self) -> bool {
        let Some(life) = self.life.as_mut().filter(|life| !life.shared.has_failed()) else {
            return false;
        };
        let now = life.shared.clock.now_ms();
        if now < life.next_scan {
            return false;
        }
        let row = life.shared.store.next_due().ok().flatten();
        let soon = row.is_some_and(|row| row <= now + AHEAD_MS);
        if soon || life.shared.store.overlay_bytes() > 0 {
            life.next_scan = now + SCAN_EVERY_MS;
            if let Err(fault) = scan(&life.shared, now) {
                life.shared.fail(&fault);
                return true;
            }
        }
        false
    }
}
