//! A node in small: transactions, restarts from durable bytes, timers, rolled back handlers, lost and restored stores.

use actor_core::coverage::{self, Circumstance, Rare};
use actor_core::protocol::{
    Durability, Effects, Env, FaultCode, Input, Location, Mutant, Notice, Stage, StoreId,
    TimerKind, TimerOp,
};

use super::dialog::{NEVER, Record, timer_index};
use super::world::{Copied, Event, World};

/// Lazy writes that are written by chance, in a hundred; the others wait for the next change.
const LAZY_WRITES_PERCENT: u64 = 30;
/// Kinds of deadlines.
const KINDS: [TimerKind; 6] = [
    TimerKind::Retransmit,
    TimerKind::Initiation,
    TimerKind::Accumulate,
    TimerKind::Silence,
    TimerKind::Lifetime,
    TimerKind::Linger,
];

impl World {
    pub(super) fn env(&self, host: usize) -> Env<'_> {
        let host = &self.hosts[host];
        Env::new(&self.plan.limits, host.store, host.incarnation).with_mutant(self.plan.mutant)
    }

    pub(super) fn record(&self, dialog: usize, host: usize) -> Option<&Record> {
        self.dialogs[dialog].here[host].as_deref()
    }

    pub(super) fn record_mut(&mut self, dialog: usize, host: usize) -> &mut Record {
        self.dialogs[dialog].here[host]
            .as_deref_mut()
            .expect("a record that is at work")
    }

    /// One input to an endpoint in memory.
    pub(super) fn step(&mut self, dialog: usize, host: usize, input: Input) -> Effects {
        self.tally.steps += 1;
        let before = self.before_step(dialog, host, &input);
        let at = &self.hosts[host];
        let env =
            Env::new(&self.plan.limits, at.store, at.incarnation).with_mutant(self.plan.mutant);
        let record = self.dialogs[dialog].here[host]
            .as_deref_mut()
            .expect("a record that is at work");
        let effects = record.live.step(input, &env);
        // `establish` runs before anything is delivered.
        if effects.notices.contains(&Notice::Confirmed) {
            assert!(!record.app.confirmed, "S4: confirmed twice");
            record.app.confirmed = true;
        }
        self.check_step(dialog, host, &before, &effects);
        effects
    }

    /// One input and what follows from it, as transactions of one message each.
    pub(super) fn transact(&mut self, dialog: usize, host: usize, input: Input) {
        if self.record(dialog, host).is_none() {
            return;
        }
        let eff = self.step(dialog, host, input);
        if self.is_trouble() && self.rng.permille(self.plan.faults.slow_app) {
            self.finish(dialog, host, eff);
            let pause = self.rng.below(3_000);
            return self.at(pause, Event::Consume(dialog, host));
        }
        self.consume_and_finish(dialog, host, eff);
        self.consume_the_rest(dialog, host);
    }

    /// The application has taken its time.
    pub(super) fn consume_late(&mut self, dialog: usize, host: usize) {
        if !self.hosts[host].up || self.record(dialog, host).is_none() {
            return;
        }
        self.concern = dialog;
        self.tally.slow_apps += 1;
        self.circumstance_of(dialog, host, Circumstance::Normal);
        self.consume_the_rest(dialog, host);
    }

    pub(super) fn consume_the_rest(&mut self, dialog: usize, host: usize) {
        while self.hosts[host].up
            && self
                .record(dialog, host)
                .is_some_and(|record| record.live.has_next())
        {
            self.consume_and_finish(dialog, host, Effects::default());
        }
    }

    pub(super) fn consume_and_finish(&mut self, dialog: usize, host: usize, mut eff: Effects) {
        while self.record_mut(dialog, host).live.has_next() {
            let mut consumed = self.step(dialog, host, Input::Consume);
            let message = consumed.deliver.take();
            eff.merge(consumed);
            let Some(message) = message else { break };
            if self.is_trouble() && self.rng.permille(self.plan.faults.poison) {
                self.tally.poisoned += 1;
                let why = format!("message {} failed for good", message.seq);
                eff.merge(self.step(dialog, host, Input::Abandon(FaultCode::Poisoned, why)));
                break;
            }
            self.hear(dialog, host, &message, &mut eff);
            if self.is_trouble() && self.rng.permille(self.plan.faults.panic) {
                return self.roll_back(dialog, host);
            }
            // A batch of first messages is one step.
            if self.record_mut(dialog, host).live.stage() != Stage::Accumulating {
                break;
            }
        }
        self.finish(dialog, host, eff);
    }

    /// A handler failed: the endpoint is thrown away and read again.
    fn roll_back(&mut self, dialog: usize, host: usize) {
        self.tally.panics += 1;
        self.note(Some(dialog), 1, |world| {
            format!("{} rolls back", world.name(host))
        });
        let record = self.record_mut(dialog, host);
        if !record.committed {
            self.dialogs[dialog].here[host] = None;
            return;
        }
        // The timers that run for it go on.
        let timers = record.timers;
        record.read_back();
        record.timers = timers;
        if self.rng.percent(50) {
            self.transact(dialog, host, Input::Restarted);
        } else {
            self.plan_to_act(dialog, host);
        }
    }

    pub(super) fn finish(&mut self, dialog: usize, host: usize, mut eff: Effects) {
        eff.merge(self.step(dialog, host, Input::Flush));
        self.commit(dialog, host, eff);
    }

    fn commit(&mut self, dialog: usize, host: usize, eff: Effects) {
        self.arm(dialog, host, &eff);
        let what = 2 + eff.frames.len() as u64 * 16 + eff.notices.len() as u64;
        self.note(Some(dialog), what, |world| {
            world.describe(dialog, host, &eff)
        });
        let trouble = self.is_trouble();
        let durable = eff.durability == Durability::Durable;
        let ambush = self.ambush.take_if(|flight| flight.to == host && durable);
        if ambush.is_some()
            || (trouble && durable && self.rng.permille(self.plan.faults.crash_before))
        {
            self.hosts[host]
                .interrupted
                .extend(ambush.map(|flight| *flight));
            self.tally.crashes_before += 1;
            coverage::sometimes(Rare::CommitFailedWithFrames);
            if self.plan.mutant == Some(Mutant::SendBeforeCommit) {
                self.release_all(dialog, host, eff);
            }
            return self.crash(host);
        }
        let lazily = eff.durability == Durability::Lazy && self.rng.percent(LAZY_WRITES_PERCENT);
        let record = self.record_mut(dialog, host);
        assert!(
            record.app == record.kept || durable,
            "S1: the application's changes are always durable"
        );
        if durable || lazily || !record.committed {
            record.write();
            self.tally.commits += 1;
        }
        self.check_commit(dialog, host, &eff);
        if trouble && durable && self.rng.permille(self.plan.faults.crash_after) {
            self.tally.crashes_after += 1;
            if !eff.frames.is_empty() {
                coverage::sometimes(Rare::CrashBeforeRelease);
            }
            return self.crash(host);
        }
        let locate = eff.locate;
        self.release_all(dialog, host, eff);
        self.plan_to_act(dialog, host);
        if locate {
            self.locate(dialog, host);
        }
        self.bury_if_over(dialog, host);
    }

    fn release_all(&mut self, dialog: usize, host: usize, eff: Effects) {
        for (to, frame) in eff.frames {
            self.release(dialog, host, true, &to, frame);
        }
    }

    fn arm(&mut self, dialog: usize, host: usize, eff: &Effects) {
        for op in &eff.timers {
            let (kind, due) = match op {
                TimerOp::Arm(kind, after) => {
                    let after = after.as_millis() as u64;
                    (*kind, self.now + self.by_the_clock(*kind, after))
                }
                TimerOp::Cancel(kind) => (*kind, NEVER),
            };
            self.record_mut(dialog, host).timers[timer_index(kind)] = due;
            if due != NEVER {
                self.at(due - self.now, Event::Timer(dialog, host, kind));
            }
        }
    }

    /// Retries are spread by a fifth; a deadline is now and then far off.
    fn by_the_clock(&mut self, kind: TimerKind, after: u64) -> u64 {
        if kind == TimerKind::Retransmit {
            return after * (80 + self.rng.below(41)) / 100;
        }
        if self.is_trouble() && self.rng.permille(self.plan.faults.odd_clock) {
            self.tally.odd_clocks += 1;
            return after * (30 + self.rng.below(140)) / 100;
        }
        after
    }

    fn bury_if_over(&mut self, dialog: usize, host: usize) {
        let here = &mut self.dialogs[dialog].here[host];
        if let Some(record) = here.take_if(|record| record.live.fully_over()) {
            self.dialogs[dialog].graves.push(*record);
        }
    }

    fn locate(&mut self, dialog: usize, host: usize) {
        let Some(peer) = self
            .record(dialog, host)
            .and_then(|record| record.live.peer())
        else {
            return;
        };
        let location = match self.hosts.iter().find(|host| host.store == peer.store) {
            Some(found) => Location::Bound {
                node: found.name.clone(),
            },
            None => match self.hosts.iter().find(|host| host.name == peer.node) {
                Some(twin) => Location::ReplacedBy(twin.store),
                None => Location::Unknown,
            },
        };
        self.transact(dialog, host, Input::Located(location));
    }

    /// The process dies.
    pub(super) fn crash(&mut self, host: usize) {
        self.note(None, 3, |world| format!("{} crashes", world.name(host)));
        self.hosts[host].up = false;
        let pause = 50 + self.rng.below(6000);
        self.at(pause, Event::Restart(host));
        let volatile = host == 0 && self.plan.family == super::plan::Family::Volatile;
        for dialog in &mut self.dialogs {
            let Some(record) = dialog.here[host].as_deref_mut() else {
                continue;
            };
            dialog.was_crashed |= !record.is_over() && record.committed;
            if !record.committed {
                dialog.here[host] = None;
            } else if volatile {
                // In memory is as durable as it gets.
                if let Some(mut lost) = dialog.here[host].take() {
                    lost.write();
                    dialog.graves.push(*lost);
                }
            }
        }
    }

    pub(super) fn restart(&mut self, host: usize) {
        let faults = &self.plan.faults;
        let (wipe, rollback, swap) = (faults.wipe, faults.rollback, faults.swap);
        if self.is_trouble() {
            if host > 0 && self.rng.permille(wipe) {
                self.wipe(host);
            } else if self.hosts[host].copy.is_some() && self.rng.permille(rollback) {
                self.travel_back(host);
            }
            if host > 0 && self.hosts.len() > 2 && self.rng.permille(swap) {
                self.swap_names(host);
            }
        }
        let at = &mut self.hosts[host];
        (at.up, at.incarnation, at.send_ctr, at.fresh) = (true, at.incarnation + 1, 0, true);
        for flight in std::mem::take(&mut self.hosts[host].interrupted) {
            self.tally.repeated += 1;
            let pause = 1 + self.rng.below(100);
            self.at(pause, Event::Arrive(Box::new(flight)));
        }
        self.note(None, 4, |world| format!("{} starts", world.name(host)));
        for dialog in 0..self.dialogs.len() {
            if !self.hosts[host].up {
                return;
            }
            let Some(record) = self.dialogs[dialog].here[host].as_deref_mut() else {
                continue;
            };
            record.read_back();
            self.concern = dialog;
            self.rearm(dialog, host);
            coverage::set_circumstance(Circumstance::AfterCrash);
            self.transact(dialog, host, Input::Restarted);
            if let Some(record) = self.dialogs[dialog].here[host].as_deref_mut() {
                record.fresh = true;
            }
        }
    }

    /// Deadlines survive. One that lapsed meanwhile waits until the partner had time to be heard.
    fn rearm(&mut self, dialog: usize, host: usize) {
        let earliest = self.now + self.plan.grace_ms;
        for kind in KINDS {
            let record = self.record_mut(dialog, host);
            let due = &mut record.timers[timer_index(kind)];
            if *due == NEVER {
                continue;
            }
            if *due < earliest && !record.live.fully_over() {
                coverage::sometimes(Rare::LapsedWhileDown);
                *due = earliest;
            }
            let after = *due - self.now;
            self.at(after, Event::Timer(dialog, host, kind));
        }
    }

    /// The disk is empty.
    fn wipe(&mut self, host: usize) {
        self.tally.wipes += 1;
        self.note(None, 5, |world| format!("{} is wiped", world.name(host)));
        let store = StoreId(self.mint_id());
        for dialog in &mut self.dialogs {
            dialog
                .graves
                .extend(dialog.here[host].take().map(|record| *record));
        }
        let at = &mut self.hosts[host];
        (at.store, at.incarnation, at.copy) = (store, 0, None);
    }

    /// An older copy of the disk is restored.
    fn travel_back(&mut self, host: usize) {
        let Some(copy) = self.hosts[host].copy.take() else {
            return;
        };
        self.tally.rollbacks += 1;
        self.note(None, 6, |world| {
            format!("{} goes back in time", world.name(host))
        });
        let mut records = copy.records;
        records.resize_with(self.dialogs.len(), || None);
        for (dialog, old) in self.dialogs.iter_mut().zip(records) {
            let lost = dialog.here[host].take();
            dialog.travelled[host] |= lost.is_some() || old.is_some();
            if old.is_none() {
                dialog.graves.extend(lost.map(|record| *record));
            }
            dialog.here[host] = old;
        }
        let at = &mut self.hosts[host];
        (at.store, at.incarnation) = (copy.store, copy.incarnation);
    }

    /// Somebody copies the disk of a host.
    pub(super) fn copy(&mut self, host: usize) {
        let records = self
            .dialogs
            .iter()
            .map(|dialog| {
                let record = dialog.here[host].as_ref()?;
                record.committed.then(|| {
                    let mut copy = record.clone();
                    copy.read_back();
                    copy
                })
            })
            .collect();
        let at = &mut self.hosts[host];
        at.copy = Some(Copied {
            store: at.store,
            incarnation: at.incarnation,
            records,
        });
    }

    /// Two instances of the pool move into each other's houses.
    fn swap_names(&mut self, host: usize) {
        let others = self.hosts.len() as u64 - 2;
        let mut other = 1 + self.rng.below(others) as usize;
        if other >= host {
            other += 1;
        }
        // Nobody changes its name within a life: that would be a copy of its store.
        if self.hosts[other].up {
            self.crash(other);
        }
        self.tally.swaps += 1;
        self.note(None, 7, |world| {
            format!("{} and {} swap names", world.name(host), world.name(other))
        });
        let name = std::mem::take(&mut self.hosts[host].name);
        self.hosts[host].name = std::mem::replace(&mut self.hosts[other].name, name);
    }

    fn describe(&self, dialog: usize, host: usize, eff: &Effects) -> String {
        let Some(record) = self.record(dialog, host) else {
            return String::new();
        };
        let frames: Vec<String> = eff
            .frames
            .iter()
            .map(|(_, frame)| frame.summary())
            .collect();
        format!(
            "{} {:?} {:?} {:?} says {}",
            self.name(host),
            record.live.stage(),
            eff.durability,
            eff.notices,
            if frames.is_empty() {
                "nothing".into()
            } else {
                frames.join("; ")
            }
        )
    }
}
