//! What a dialog takes while it is active, in bytes that can be counted: both sides in one node, its state and everything
//! that is kept beside it.
//!
//! Bytes that are allocated and not given back, so that neither the operating system's pages nor the allocator's own say
//! anything here. A program of its own, because it counts every allocation of the process.

use std::alloc::System;

use actor_core::prelude::*;
use actor_store::{FoldProgress, Options};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::task::JoinSet;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes of an account's state, about; the figure below does not count them.
const STATE_BYTES: usize = 200;
/// The most that a dialog may take beside its state.
const MOST_BYTES: usize = 670;
/// Dialogs before those that are counted, so that what is there once is there. With as many again the shelves of the one
/// shard, each of which doubles when it is full, are as full again: far enough from full that it is so each time.
const DIALOGS: usize = 5_120;

#[derive(Serialize, Deserialize)]
struct Account {
    cents: u64,
    memos: Vec<u8>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            cents: 0,
            memos: vec![0; STATE_BYTES - 16],
        }
    }
}

#[dialog(timeout = "30 years")]
impl Account {
    #[handler]
    fn post(&mut self, cents: u64, memo: [u8; 32]) -> (u64, [u8; 32]) {
        self.cents += cents;
        self.memos[..32].copy_from_slice(&memo);
        (self.cents, memo)
    }
}

/// Two messages to each of these dialogs, and everything is folded; then one more, because the records in memory have room
/// for as many as were folded last.
async fn talk(node: &Node, dialogs: std::ops::Range<usize>) {
    let dialogs: Vec<usize> = dialogs.collect();
    for dialogs in dialogs.chunks(50).chain(dialogs.chunks(50)) {
        let mut talks = JoinSet::new();
        for dialog in dialogs {
            let account = node.open_as::<Account>(format!("active {dialog}"));
            talks.spawn(async move { account.post(1, [7; 32]).await.is_ok() });
        }
        assert!(talks.join_all().await.into_iter().all(|answered| answered));
    }
    for _ in 0..2 {
        while node.store().fold_step(true) != Ok(FoldProgress::Idle) {}
        let account = node.open_as::<Account>("one more");
        account.post(1, [7; 32]).await.expect("an answer");
    }
}

fn live_bytes() -> usize {
    let stats = COUNTING.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[test]
fn an_active_dialog_takes_little_beside_its_state() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = Options {
        cache_bytes: 128 << 10,
        fold_records: 1_000,
        ..Options::default()
    };
    let node = Node::builder(directory.path().join("node"))
        .shards(1)
        .store_options(options)
        .serve::<Account>()
        .start()
        .expect("a node");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(talk(&node, 0..DIALOGS));
    let before = live_bytes();
    runtime.block_on(talk(&node, DIALOGS..2 * DIALOGS));
    let grown = live_bytes().saturating_sub(before) / DIALOGS;
    let beside = grown.saturating_sub(STATE_BYTES);
    println!("{beside} bytes beside the state");
    assert!(
        beside <= MOST_BYTES,
        "{beside} bytes for each active dialog beside its state, {MOST_BYTES} at most"
    );
    runtime.block_on(node.shutdown()).expect("a shutdown");
}
