//! Deliveries within the store that waited for a sync, or were found at a start, and are not heard yet.
//!
//! Owns for whom they are. What is said to the same endpoint meanwhile goes the same way, so that it is not heard before
//! them; what is said to any other endpoint need not.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::address::Address;

/// How many deliveries are held back, by receiver.
#[derive(Debug, Default)]
pub(crate) struct HeldBack {
    by_receiver: Mutex<BTreeMap<Address, u32>>,
    /// Receivers, to be looked at before the lock is taken. An endpoint has one partner, on one shard, who alone adds to
    /// its count: whoever asks has seen what it has added.
    receivers: AtomicUsize,
}

impl HeldBack {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, u32>> {
        let lock = self.by_receiver.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    /// Is something on its way to `to` that must be heard first?
    pub(crate) fn is_for(&self, to: Address) -> bool {
        self.receivers.load(Ordering::SeqCst) > 0 && self.lock().contains_key(&to)
    }

    /// One more.
    pub(crate) fn add(&self, to: Address) {
        let mut receivers = self.lock();
        *receivers.entry(to).or_insert(0) += 1;
        self.receivers.store(receivers.len(), Ordering::SeqCst);
    }

    /// One of them is about to be heard.
    pub(crate) fn remove(&self, to: Address) {
        let mut receivers = self.lock();
        if let Some(count) = receivers.get_mut(&to) {
            *count -= 1;
            if *count == 0 {
                receivers.remove(&to);
            }
        }
        self.receivers.store(receivers.len(), Ordering::SeqCst);
    }

    #[cfg(all(test, feature = "test-util"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}
