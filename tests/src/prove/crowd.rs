//! Many seeds on several threads: hands them out, adds up, tells how far it is, stops at the first violation.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use actor_core::coverage;

use super::options::Options;
use super::watch::Watch;

/// How often it says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// What many seeds do.
pub(super) struct Crowd<T> {
    pub(super) name: &'static str,
    /// Adds the counts of a seed.
    pub(super) add: fn(&mut T, &T),
    /// Enough of it?
    pub(super) enough: fn(&T, u64) -> bool,
    /// How far, in words.
    pub(super) says: fn(&T) -> String,
}

impl<T: Default + Send> Crowd<T> {
    /// Runs seeds until there is enough, or until time is up if the options say minutes.
    pub(super) fn run(
        &self,
        options: &Options,
        watch: &Watch,
        goal: u64,
        one: impl Fn(u64) -> Result<T, String> + Sync,
    ) -> (T, Vec<String>) {
        let total = Mutex::new((T::default(), Vec::new()));
        let next = AtomicU64::new(options.seed);
        let stop = AtomicBool::new(false);
        let until = options
            .minutes
            .map(|minutes| watch.elapsed() + Duration::from_secs(minutes * 60));
        let (done, all_done) = channel::<()>();
        std::thread::scope(|scope| {
            for _ in 0..options.threads {
                let done = done.clone();
                let (total, next, stop, one) = (&total, &next, &stop, &one);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let outcome = one(next.fetch_add(1, Ordering::Relaxed));
                        let mut total = total.lock().expect("nobody panics with it");
                        match outcome {
                            Ok(tally) => (self.add)(&mut total.0, &tally),
                            Err(why) => total.1.push(why),
                        }
                        let enough = until.is_none() && (self.enough)(&total.0, goal);
                        if enough || !total.1.is_empty() {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    coverage::hand_over();
                    drop(done);
                });
            }
            drop(done);
            while all_done.recv_timeout(PROGRESS) == Err(RecvTimeoutError::Timeout) {
                if until.is_some_and(|until| watch.elapsed() >= until) {
                    stop.store(true, Ordering::Relaxed);
                }
                let total = total.lock().expect("nobody panics with it");
                println!(
                    "   {} s, {}: {}",
                    watch.seconds(),
                    self.name,
                    (self.says)(&total.0)
                );
            }
        });
        total.into_inner().expect("nobody panics with it")
    }
}
