//! A shard's one queue. Pushing never blocks: messages between shards must not wait for each other.

use std::{
    collections::VecDeque,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// How often a consumer that has just had something to do looks again before it sleeps. Others have the processor
/// meanwhile, if they want it; waking a thread costs more than these looks do.
const LOOKS: u32 = 32;

/// An unbounded queue that one consumer waits on.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    queue: Mutex<Queue<T>>,
    /// Set with the first item, under the lock.
    has_some: AtomicBool,
    arrived: Condvar,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self {
            queue: Mutex::new(Queue {
                items: VecDeque::new(),
                closed: false,
            }),
            has_some: AtomicBool::new(false),
            arrived: Condvar::new(),
        }
    }
}

impl<T> Mailbox<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the item back if the mailbox is closed.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(item);
        }
        queue.items.push_back(item);
        if queue.items.len() == 1 {
            self.has_some.store(true, Ordering::Release);
            self.arrived.notify_one();
        }
        Ok(())
    }

    pub(crate) fn pop(&self) -> Option<T> {
        self.lock().items.pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Moves everything that is there into `into`, waiting up to `patience` (`None`: for ever) for the first item.
    /// False once the mailbox is closed and empty.
    pub(crate) fn take(&self, into: &mut VecDeque<T>, patience: Option<Duration>) -> bool {
        for _ in 0..LOOKS {
            if self.has_some.load(Ordering::Acquire) {
                break;
            }
            thread::yield_now();
        }
        let queue = self.lock();
        let waits = |queue: &mut Queue<T>| queue.items.is_empty() && !queue.closed;
        let mut queue = match patience {
            Some(patience) => {
                self.arrived
                    .wait_timeout_while(queue, patience, waits)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
            None => self
                .arrived
                .wait_while(queue, waits)
                .unwrap_or_else(PoisonError::into_inner),
        };
        into.append(&mut queue.items);
        self.has_some.store(false, Ordering::Release);
        !(queue.closed && into.is_empty())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Nothing more is taken in; what is there is still handed out.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }
}
