//! Futures that a world runs beside each other, and only when something woke them.

use std::{
    cell::RefCell,
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Whether a future wants to be polled.
pub(super) struct Flag(pub(super) AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Those who want to be polled.
#[derive(Default)]
struct Woken(Mutex<Vec<usize>>);

struct Bell {
    index: usize,
    rings: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if !self.rings.swap(true, Ordering::SeqCst) {
            let mut woken = self.woken.0.lock().unwrap_or_else(PoisonError::into_inner);
            woken.push(self.index);
        }
    }
}

struct Running {
    bell: Arc<Bell>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// Futures that run beside others.
#[derive(Default)]
pub(super) struct Tasks {
    running: Vec<Option<Running>>,
    left: usize,
    woken: Arc<Woken>,
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

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_done() { "done" } else { "running" };
        write!(f, "Task({}, {state})", self.index)
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
        let index = self.running.len();
        let bell = Arc::new(Bell {
            index,
            rings: AtomicBool::new(false),
            woken: Arc::clone(&self.woken),
        });
        Arc::clone(&bell).wake();
        self.left += 1;
        self.running.push(Some(Running {
            bell,
            future: Box::pin(running),
        }));
        Task { index, output }
    }

    pub(super) fn cancel(&mut self, index: usize) {
        if self.running[index].take().is_some() {
            self.left -= 1;
        }
    }

    /// Futures that are not ready.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Polls those that were woken.
    pub(super) fn poll(&mut self) {
        let woken = {
            let mut woken = self.woken.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *woken)
        };
        for index in woken {
            self.poll_one(index);
        }
    }

    /// Polls all of them.
    pub(super) fn poll_all(&mut self) {
        if self.left > 0 {
            (0..self.running.len()).for_each(|index| self.poll_one(index));
        }
    }

    fn poll_one(&mut self, index: usize) {
        let Some(running) = &mut self.running[index] else {
            return;
        };
        running.bell.rings.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&running.bell));
        let mut context = Context::from_waker(&waker);
        if running.future.as_mut().poll(&mut context).is_ready() {
            self.cancel(index);
        }
    }
}
