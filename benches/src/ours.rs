//! The dialog that is measured: about 200 bytes of state, 40 bytes of message, about 50 bytes of answer.

use std::{path::Path, sync::Arc};

use actor_core::{JournalKind, NodeBuilder, Verification, prelude::*};
use actor_store::{FoldProgress, Store};

use crate::no_disk::NoDisk;

/// Bytes of a memo: what comes with each message.
pub(crate) const MEMO_BYTES: usize = 32;
/// Bytes of state, about.
pub(crate) const STATE_BYTES: usize = 200;
/// Bytes of an answer, about.
pub(crate) const ANSWER_BYTES: usize = 50;

/// What every contender keeps for each dialog.
#[derive(Serialize, Deserialize)]
pub(crate) struct Account {
    cents: u64,
    postings: u64,
    memos: Vec<u8>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            cents: 0,
            postings: 0,
            memos: vec![0; STATE_BYTES - 16],
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) posting: u64,
    cents: u64,
    memo: [u8; MEMO_BYTES],
}

#[dialog(timeout = "30 years")]
impl Account {
    #[handler]
    pub(crate) fn post(&mut self, cents: u64, memo: [u8; MEMO_BYTES]) -> Receipt {
        self.enter(cents, memo)
    }
}

impl Account {
    /// The work of a message, the same for every contender that runs Rust.
    pub(crate) fn enter(&mut self, cents: u64, memo: [u8; MEMO_BYTES]) -> Receipt {
        self.cents = self.cents.wrapping_add(cents);
        self.postings += 1;
        let at = (self.postings as usize * MEMO_BYTES) % (self.memos.len() - MEMO_BYTES);
        self.memos[at..at + MEMO_BYTES].copy_from_slice(&memo);
        Receipt {
            posting: self.postings,
            cents: self.cents,
            memo,
        }
    }
}

/// A node that serves it.
pub(crate) fn node(directory: &Path) -> Result<Arc<Node>, String> {
    start(Node::builder(directory.join("ours")))
}

/// The same, with its journal in a plain file.
pub(crate) fn node_with_plain_journal(directory: &Path) -> Result<Arc<Node>, String> {
    start(Node::builder(directory.join("ours-plain")).journal(JournalKind::Log))
}

/// The same, with nothing below it.
pub(crate) fn node_without_disk() -> Result<Arc<Node>, String> {
    let builder = Node::builder("no-disk").serve::<Account>();
    let node = builder.start_on(Arc::new(NoDisk::default()));
    node.map(Arc::new).map_err(|why| why.to_string())
}

/// Starts a node that serves it.
pub(crate) fn start(builder: NodeBuilder) -> Result<Arc<Node>, String> {
    let node = builder.serve::<Account>().start();
    node.map(Arc::new).map_err(|why| why.to_string())
}

/// When a child searches its store for damage: before it starts, or in use, which is the default.
pub(crate) fn verification(at_open: &str) -> Verification {
    if at_open == "true" {
        Verification::AtOpen
    } else {
        Verification::InUse
    }
}

/// Folds everything that is committed, so that what follows does not pay for it.
pub(crate) fn fold_all(node: &Node) -> Result<(), String> {
    fold(node.store(), true)
}

/// Folds what the node's own thread would fold now.
pub(crate) fn fold_what_waits(node: &Node) -> Result<(), String> {
    fold(node.store(), false)
}

/// Folds what a store's owner would fold now, or everything that is committed.
pub(crate) fn fold(store: &Store, all: bool) -> Result<(), String> {
    let step = || store.fold_step(all).map_err(|why| why.to_string());
    while step()? != FoldProgress::Idle {}
    Ok(())
}

/// The runtime in which callers wait. The node brings threads of its own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| format!("no runtime: {cause}"))
}
