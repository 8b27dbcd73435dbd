//! Many seeds on several threads: hands them out, adds up, tells how far it is, stops at the first violation.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actor_core::coverage;

use super::Outcome;
use super::options::Options;
use super::watch::{PROGRESS, Watch};

/// What many seeds do, and what they have come to.
pub(super) struct Crowd<T> {
    pub(super) name: &'static str,
    /// Adds the counts of a seed.
    pub(super) add: fn(&mut T, &T),
    /// Of what there must be enough.
    pub(super) done: fn(&T) -> u64,
    /// How far, in words.
    pub(super) says: fn(&T) -> String,
    /// The life of a seed: its counts, or what was violated and how to see it again.
    pub(super) one: Box<dyn Fn(u64) -> Result<T, String> + Sync>,
    pub(super) so_far: SoFar<T>,
}

/// What seeds have come to.
pub(super) struct SoFar<T> {
    next: AtomicU64,
    total: Mutex<(T, Vec<String>)>,
}

impl<T: Default> SoFar<T> {
    pub(super) fn from(seed: u64) -> Self {
        Self {
            next: AtomicU64::new(seed),
            total: Mutex::default(),
        }
    }
}

/// How long seeds are run.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// There is so much of it.
    Enough(u64),
    /// The watch says so.
    Time(Duration),
}

impl<T: Default + Send> Crowd<T> {
    /// Goes on with the next seeds. False if there was a violation.
    pub(super) fn go_on(&self, options: &Options, watch: &Watch, until: Until) -> bool {
        let stop = AtomicBool::new(false);
        let (done, all_done) = channel::<()>();
        std::thread::scope(|scope| {
            for _ in 0..options.threads {
                let (done, stop) = (done.clone(), &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        if self.is_over_after_one(watch, until) {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    coverage::hand_over();
                    drop(done);
                });
            }
            drop(done);
            while all_done.recv_timeout(PROGRESS) == Err(RecvTimeoutError::Timeout) {
                let says = self.with(|total, _| (self.says)(total));
                watch.tell(self.name, &says);
            }
        });
        self.with(|_, violations| violations.is_empty())
    }

    /// The next seed. True if that is enough.
    fn is_over_after_one(&self, watch: &Watch, until: Until) -> bool {
        let came = (self.one)(self.so_far.next.fetch_add(1, Ordering::Relaxed));
        self.with(|total, violations| {
            match came {
                Ok(tally) => (self.add)(total, &tally),
                Err(why) => violations.push(why),
            }
            let enough = match until {
                Until::Enough(goal) => (self.done)(total) >= goal,
                Until::Time(end) => watch.elapsed() >= end,
            };
            enough || !violations.is_empty()
        })
    }

    fn with<R>(&self, see: impl FnOnce(&mut T, &mut Vec<String>) -> R) -> R {
        let total = &self.so_far.total;
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        let (counts, violations) = &mut *total;
        see(counts, violations)
    }

    /// What it came to.
    pub(super) fn outcome(&self, tell: impl FnOnce(&T, &mut Outcome)) -> Outcome {
        self.with(|total, violations| {
            let mut outcome = Outcome {
                failures: std::mem::take(violations),
                ..Outcome::default()
            };
            tell(total, &mut outcome);
            outcome
        })
    }
}

/// A section of seeds, whatever they count.
pub(super) trait Random {
    /// Goes on with the next seeds. False if there was a violation.
    fn go_on(&self, options: &Options, watch: &Watch, until: Until) -> bool;

    /// What it came to; `goal` is what was asked for.
    fn came_to(&self, goal: Option<u64>) -> Outcome;

    /// Runs seeds until there is enough.
    fn run(&self, options: &Options, watch: &Watch, goal: u64) -> Outcome {
        self.go_on(options, watch, Until::Enough(goal));
        self.came_to(Some(goal))
    }
}
