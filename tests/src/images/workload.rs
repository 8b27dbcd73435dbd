//! All workloads of up to three operations, from three situations.
//!
//! Owns the alphabet. Never carries an operation out.

use std::fmt;

/// Something that happens to a pair of nodes. One that does not fit does nothing, or is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Plain code opens a dialog under a new key and asks its first question.
    Open,
    /// Another question in the newest dialog.
    Send,
    /// The target gets every frame that was sent to it.
    Receive,
    /// The initiator gets every frame that was sent to it.
    Ack,
    /// A minute and a half goes by: retries, timers, a fold.
    Timeout,
    /// The initiator closes the newest dialog.
    Close,
    /// The initiator gives the newest dialog up.
    Abandon,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Send,
        Self::Receive,
        Self::Ack,
        Self::Timeout,
        Self::Close,
        Self::Abandon,
    ];
}

/// What was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Two nodes with empty stores.
    Fresh,
    /// A dialog between two stores that has been answered once.
    Established,
    /// The same within one store.
    OneStore,
}

/// Operations after a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What was there before.
    pub start: Start,
    /// What happens.
    pub ops: Vec<Op>,
}

/// Operations of a workload, at most.
const MAX_OPS: usize = 3;

impl Workload {
    /// Every workload, the shorter ones first.
    pub fn all() -> Vec<Self> {
        let mut lists = vec![Vec::new()];
        let mut longest = lists.clone();
        for _ in 0..MAX_OPS {
            longest = longest
                .iter()
                .flat_map(|list| Op::ALL.map(|op| [list.as_slice(), &[op]].concat()))
                .collect();
            lists.extend_from_slice(&longest);
        }
        let starts = [Start::Fresh, Start::Established, Start::OneStore];
        starts
            .into_iter()
            .flat_map(|start| {
                let workload = move |ops| Self { start, ops };
                lists.clone().into_iter().map(workload)
            })
            .collect()
    }

    /// Does the initiator end a dialog in it?
    pub fn ends(&self) -> bool {
        self.ops.contains(&Op::Close) || self.ops.contains(&Op::Abandon)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{:?}", self.start, self.ops)
    }
}
