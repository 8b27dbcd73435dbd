//! The loop: which step comes next, and when time passes.

use std::{
    cell::RefCell,
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use actor_store::Crash;

use super::{Event, Order, World, clock::next, death::unless_dead, home::Gate, home::Moment};
use crate::node::{AHEAD_MS, SCAN_EVERY_MS, persist, release, scan};

/// How long a node that crashed by plan stays down, in milliseconds.
const DOWN_MS: u64 = 1000;
/// Steps without which no future should have to do.
const MAX_STEPS: u64 = 3_000_000;

/// Something that can happen now.
#[derive(Debug, Clone)]
enum Step {
    Turn(String, usize),
    Cut(String),
    /// A sync that goes on.
    Write(String),
    Release(String),
    Fold(String),
    Deliver,
}

impl World {
    /// One step of those that can happen now. False if there is none.
    pub fn step(&mut self) -> bool {
        self.poll_tasks(false);
        let mut steps = self.possible();
        // A sync in progress is no reason to call the world busy if it is the only thing there is.
        let Some(at) = self.choose(steps.len()) else {
            return false;
        };
        let step = steps.swap_remove(at);
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

    fn possible(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (name, home) in &self.homes {
            let Some(life) = home.life.as_ref().filter(|life| !life.shared.has_failed()) else {
                continue;
            };
            for (index, shard) in life.shards.iter().enumerate() {
                if shard.is_ready() {
                    steps.push(Step::Turn(name.clone(), index));
                }
            }
            match &life.gate {
                Gate::Idle if !life.shared.gate.is_idle() => steps.push(Step::Cut(name.clone())),
                Gate::Idle => {}
                Gate::Writing(..) => steps.push(Step::Write(name.clone())),
                Gate::Durable(_) => steps.push(Step::Release(name.clone())),
            }
            if life.shared.store.wants_fold() {
                steps.push(Step::Fold(name.clone()));
            }
        }
        if self.wire.is_ready() {
            steps.push(Step::Deliver);
        }
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Turn(node, shard) => {
                let life = self.life(&node);
                match unless_dead(|| life.shards[shard].turn()) {
                    Some(Ok(_)) => {}
                    Some(Err(fault)) => life.shared.fail(&fault),
                    None => return self.crash_for_a_while(&node, Crash::KeepAll),
                }
                self.note(Event::Turn {
                    node: node.clone(),
                    shard,
                });
                self.after(&node);
            }
            Step::Cut(node) => {
                let wait = self.sync_steps;
                let life = self.life(&node);
                if let Some(cut) = life.shared.gate.cut() {
                    let ticket = cut.ticket();
                    life.gate = Gate::Writing(cut, wait);
                    self.note(Event::Cut { node, ticket });
                }
            }
            Step::Write(node) => self.write(&node),
            Step::Release(node) => {
                let life = self.life(&node);
                if let Gate::Durable(committed) = std::mem::take(&mut life.gate) {
                    let ticket = committed.ticket();
                    release(&life.shared, committed);
                    self.note(Event::Release { node, ticket });
                }
            }
            Step::Fold(node) => {
                let life = self.life(&node);
                if let Err(fault) = life.shared.store.fold_step(false) {
                    life.shared.fail(&fault);
                }
                self.note(Event::Fold { node: node.clone() });
                self.after(&node);
            }
            Step::Deliver => {
                if let Some((frame, to)) = self.wire.deliver() {
                    self.note(Event::Deliver { frame, to });
                }
            }
        }
    }

    fn write(&mut self, node: &str) {
        let life = self.life(node);
        let cut = match std::mem::take(&mut life.gate) {
            Gate::Writing(cut, 0) => cut,
            Gate::Writing(cut, left) => {
                life.gate = Gate::Writing(cut, left - 1);
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
            self.home_mut(node).strikes()
        };
        if strikes == Some(Moment::BeforeCommit) {
            return self.crash_for_a_while(node, Crash::KeepSome(self.turn));
        }
        let life = self.life(node);
        if let Some(committed) = persist(&life.shared, cut) {
            life.gate = Gate::Durable(committed);
            if !empty {
                self.home_mut(node).commits += 1;
            }
            self.note(Event::Commit {
                node: node.to_owned(),
                ticket,
            });
        }
        if strikes == Some(Moment::AfterCommit) {
            return self.crash_for_a_while(node, Crash::KeepSome(self.turn));
        }
        self.after(node);
    }

    fn crash_for_a_while(&mut self, node: &str, how: Crash) {
        self.crash_with(node, how);
        let at = self.clock.now() + DOWN_MS;
        self.home_mut(node).start_at = Some(at);
    }

    /// A node whose store failed loses its shards, as their threads would end.
    fn after(&mut self, node: &str) {
        let life = self.life(node);
        if !life.shards.is_empty() && life.shared.has_failed() {
            life.shards.clear();
            life.gate = Gate::Idle;
            life.shared.die();
            let why = self.failure(node).unwrap_or_default();
            self.note(Event::Stopped {
                node: node.to_owned(),
                why,
            });
            if self.supervised {
                self.crash_for_a_while(node, Crash::KeepSome(self.turn));
            }
        }
    }

    fn life(&mut self, node: &str) -> &mut super::home::Life {
        self.home_mut(node)
            .life
            .as_mut()
            .expect("only a node that runs has steps")
    }

    pub(super) fn begin(&mut self, name: &str) {
        let (clock, ids, wire) = (
            Arc::clone(&self.clock),
            Arc::clone(&self.ids),
            Arc::clone(&self.wire),
        );
        let incarnation = self.home_mut(name).begin(name, &clock, &ids, &wire);
        self.note(Event::Start {
            node: name.to_owned(),
            incarnation,
        });
    }

    /// The next time at which something happens by itself.
    fn next_due(&self) -> Option<u64> {
        let mut due: Vec<u64> = self.wire.next_due().into_iter().collect();
        for home in self.homes.values() {
            due.extend(home.start_at);
            let Some(life) = home.life.as_ref().filter(|life| !life.shared.has_failed()) else {
                continue;
            };
            due.extend(life.shards.iter().filter_map(crate::node::Shard::next_due));
            // As the folder's thread does it: once a minute, and well before the time.
            let row = life.shared.store.next_due().ok().flatten();
            due.extend(row.map(|row| row.saturating_sub(AHEAD_MS).max(life.next_scan)));
            due.extend((life.shared.store.overlay_bytes() > 0).then_some(life.next_scan));
        }
        due.into_iter().min()
    }

    /// Time goes on to `now`.
    fn set_time(&mut self, now: u64) {
        self.clock.set(now);
        let now = self.clock.now();
        self.note(Event::Time { now_ms: now });
        self.wire.pass();
        let starting: Vec<String> = self
            .homes
            .iter()
            .filter(|(_, home)| home.start_at.is_some_and(|at| at <= now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in starting {
            self.begin(&name);
        }
        let mut failed = Vec::new();
        for (name, home) in &mut self.homes {
            let Some(life) = home.life.as_mut().filter(|life| !life.shared.has_failed()) else {
                continue;
            };
            let row = life.shared.store.next_due().ok().flatten();
            let soon = row.is_some_and(|row| row <= now + AHEAD_MS);
            if now >= life.next_scan && (soon || life.shared.store.overlay_bytes() > 0) {
                life.next_scan = now + SCAN_EVERY_MS;
                if let Err(fault) = scan(&life.shared, now) {
                    life.shared.fail(&fault);
                    failed.push(name.clone());
                }
            }
        }
        for name in failed {
            self.after(&name);
        }
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
            self.poll_tasks(true);
            if self.step() {
                continue;
            }
            match self.next_due().filter(|due| *due <= until) {
                Some(due) => self.set_time(due),
                None => panic!(
                    "nothing can happen any more, and the future is not ready:\n{}",
                    self.state()
                ),
            }
        }
    }

    fn poll_tasks(&mut self, all: bool) {
        self.tasks.poll(all);
    }

    /// Where everything stands, for a failed test.
    pub fn state(&self) -> String {
        let mut lines = vec![format!(
            "at {} ms after {} steps",
            self.clock.now(),
            self.steps
        )];
        for (name, home) in &self.homes {
            match &home.life {
                None => lines.push(format!("{name}: down")),
                Some(life) => {
                    lines.push(format!(
                        "{name}: {:?} {:?}",
                        life.shared.counters.read(),
                        self.failure(name)
                    ));
                    for dialog in life.node.dialogs().into_iter().flatten() {
                        lines.push(format!("    {dialog:?}"));
                    }
                }
            }
        }
        let frames = self.frames();
        lines.extend(
            frames
                .iter()
                .rev()
                .take(12)
                .rev()
                .map(|frame| format!("{frame:?}")),
        );
        lines.join("\n")
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

type Running = (Arc<Flag>, Pin<Box<dyn Future<Output = ()>>>);

/// Futures that run beside others.
#[derive(Default)]
pub(super) struct Tasks {
    running: Vec<Option<Running>>,
}

/// A future that was started.
pub struct Task<T> {
    index: usize,
    output: Rc<RefCell<Slot<T>>>,
}

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> Clone for Task<T> {
    fn clone(&self) -> Self {
        Self {
            index: self.index,
            output: Rc::clone(&self.output),
        }
    }
}

impl<T> Task<T> {
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Is it ready?
    pub fn is_done(&self) -> bool {
        self.output.borrow().value.is_some()
    }

    /// What it came to, if it is ready; once.
    pub fn take(&self) -> Option<T> {
        self.output.borrow_mut().value.take()
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = self.output.borrow_mut();
        if let Some(value) = slot.value.take() {
            return Poll::Ready(value);
        }
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> std::fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Task({}, {})",
            self.index,
            if self.is_done() { "done" } else { "running" }
        )
    }
}

impl Tasks {
    pub(super) fn add<F: Future<Output: 'static> + 'static>(
        &mut self,
        future: F,
    ) -> Task<F::Output> {
        let output = Rc::new(RefCell::new(Slot {
            value: None,
            waker: None,
        }));
        let slot = Rc::clone(&output);
        let running = async move {
            let value = future.await;
            let mut slot = slot.borrow_mut();
            slot.value = Some(value);
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        };
        self.running.push(Some((
            Arc::new(Flag(AtomicBool::new(true))),
            Box::pin(running),
        )));
        Task {
            index: self.running.len() - 1,
            output,
        }
    }

    pub(super) fn cancel(&mut self, index: usize) {
        self.running[index] = None;
    }

    fn poll(&mut self, all: bool) {
        for place in &mut self.running {
            let Some((flag, future)) = place else {
                continue;
            };
            if !flag.0.swap(false, Ordering::SeqCst) && !all {
                continue;
            }
            let waker = Waker::from(Arc::clone(flag));
            if future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                *place = None;
            }
        }
    }
}
