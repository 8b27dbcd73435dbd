//! A life that is measured in commits: after so many of them, in all nodes together, this process kills itself.
//!
//! Owns the counting, from the plumbing's own trace events, and the end; what the process leaves behind is the
//! plumbing's business. Without a limit it only knows the nodes.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use actor_core::prelude::Node;
use rustix::process::{Signal, getpid, kill_process};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{report::Counters, worker::Said};

/// Where the plumbing reports its commits.
const GATE: &str = "actor_core::gate";

/// The nodes of this process and the commits they have left. Cheap to clone.
#[derive(Clone, Default)]
pub struct Commits {
    nodes: Arc<Mutex<Vec<Weak<Node>>>>,
    settled: Arc<AtomicU64>,
}

impl Commits {
    /// Kills this process after `limit` commits.
    pub fn limited(limit: u64) -> Result<Self, String> {
        let commits = Self::default();
        let countdown = Countdown {
            left: AtomicU64::new(limit),
            commits: commits.clone(),
        };
        tracing::subscriber::set_global_default(countdown).map_err(|error| error.to_string())?;
        Ok(commits)
    }

    /// Counts this node's frames in when the end comes.
    pub fn watch(&self, node: &Arc<Node>) {
        self.nodes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(node));
    }

    /// How many orders have an outcome, to be kept up to date by whoever knows.
    pub fn settled(&self) -> &AtomicU64 {
        &self.settled
    }

    fn die(&self) {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let counters: Counters = nodes
            .iter()
            .filter_map(Weak::upgrade)
            .map(|node| Counters::from(node.stats()))
            .sum();
        let settled = self.settled.load(Ordering::Relaxed);
        Said::LastWords { settled, counters }.aloud();
        // Nobody is left to hear of an error.
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

/// Hears the plumbing's trace and counts the commits in it.
struct Countdown {
    left: AtomicU64,
    commits: Commits,
}

impl Subscriber for Countdown {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == GATE
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = IsCommitted(false);
        event.record(&mut message);
        if message.0 && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.commits.die();
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct IsCommitted(bool);

impl Visit for IsCommitted {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 |= field.name() == "message" && format!("{value:?}") == "committed";
    }
}
