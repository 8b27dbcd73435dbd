//! How long it takes, and a word every few seconds. The only file here that reads the machine's clock.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often it is said how far it is.
pub(super) const PROGRESS: Duration = Duration::from_secs(5);

/// Running since the start of the gate.
#[derive(Debug)]
pub(super) struct Watch {
    begun: Instant,
}

impl Watch {
    #[expect(
        clippy::disallowed_methods,
        reason = "says how long the gate takes; decides nothing that is tested"
    )]
    pub(super) fn start() -> Self {
        Self {
            begun: Instant::now(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn seconds(&self) -> u64 {
        self.elapsed().as_secs()
    }

    /// How far it is.
    pub(super) fn tell(&self, name: &str, says: &str) {
        println!("   {} s, {name}: {says}", self.seconds());
    }

    /// Does something long that tells now and then how far it is, and repeats every few seconds what it told last.
    pub(super) fn accompany<T>(&self, name: &str, work: impl FnOnce(&dyn Fn(String)) -> T) -> T {
        let last = Mutex::new("begins".to_owned());
        let (at_work, done) = channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let done = done;
                while done.recv_timeout(PROGRESS) == Err(RecvTimeoutError::Timeout) {
                    self.tell(name, &last.lock().unwrap_or_else(PoisonError::into_inner));
                }
            });
            let came_to = work(&|line| {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = line;
            });
            drop(at_work);
            came_to
        })
    }
}
