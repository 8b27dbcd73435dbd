//! A handler that takes its process along, as an abort or a stack overflow does: nothing catches it but the world.
//!
//! Owns the payload that passes through the node's own boundary. The node it runs on crashes there and then; the disk
//! keeps what was written, synced or not, because the machine lives on.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

struct Death;

/// Called in a handler: the process of its node dies here, and a supervisor starts it again a second later.
///
/// # Panics
///
/// Always, with a payload that only [`World`](super::World) catches.
pub fn die() -> ! {
    resume_unwind(Box::new(Death))
}

/// A caught panic, unless it is a death: that goes on.
pub(crate) fn pass_death_on(panic: Box<dyn Any + Send>) -> Box<dyn Any + Send> {
    if panic.is::<Death>() {
        resume_unwind(panic)
    }
    panic
}

/// What a step of a node came to, or nothing if its process died in it.
pub(super) fn unless_dead<T>(step: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(done) => Some(done),
        Err(panic) if panic.is::<Death>() => None,
        Err(panic) => resume_unwind(panic),
    }
}
