//! Images that were opened before, by any workload, and what was in them.
//!
//! Owns the promise that no image is opened twice: what an image contains follows from its bytes. Whether a workload may
//! leave it there does not, and is asked each time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was found in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// The digest of its state.
    pub(super) digest: u64,
    /// The life that began when it was opened.
    pub(super) incarnation: u64,
}

/// Contents by the fingerprint of the image.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<u64, Content>>);

impl Known {
    pub(super) fn get(&self, fingerprint: u64) -> Option<Content> {
        self.lock().get(&fingerprint).copied()
    }

    /// True if nobody was faster.
    pub(super) fn add(&self, fingerprint: u64, found: Content) -> bool {
        self.lock().insert(fingerprint, found).is_none()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Content>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
