//! Stores in which many dialogs lie dormant: made once in a run, through the library itself.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use actor_core::{Node, NodeBuilder, Verification};
use actor_store::Options;
use serde_json::{Value, json};

use crate::{
    args::Args,
    child,
    ours::{self, Account, MEMO_BYTES},
    process,
};

/// Dialogs that are opened at a time.
const AT_ONCE: u64 = 1024;
/// Says that a directory is complete.
const READY: &str = "ready";

/// The stores of this run, by their dialogs.
#[derive(Debug)]
pub(crate) struct Prepared {
    directory: PathBuf,
    /// Gone with the run, unless they are to be kept.
    _scratch: Option<tempfile::TempDir>,
    sizes: RefCell<Vec<u64>>,
}

impl Prepared {
    pub(crate) fn new(args: &Args) -> Result<Self, String> {
        let (directory, scratch) = if args.keep {
            (args.dir.join("prepared"), None)
        } else {
            let scratch = args.scratch()?;
            (scratch.path().to_owned(), Some(scratch))
        };
        fs::create_dir_all(&directory).map_err(|cause| cause.to_string())?;
        let sizes = fs::read_dir(&directory).map_err(|cause| cause.to_string())?;
        let sizes = sizes
            .flatten()
            .filter(|entry| entry.path().join(READY).exists())
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        Ok(Self {
            directory,
            _scratch: scratch,
            sizes: RefCell::new(sizes),
        })
    }

    /// The directory of a store with so many dialogs, `d-0` and on, each of which has answered one message. Grown from a
    /// copy of a smaller one if there is any.
    pub(crate) fn store(&self, dialogs: u64) -> Result<PathBuf, String> {
        let directory = self.directory.join(dialogs.to_string());
        if self.sizes.borrow().contains(&dialogs) {
            // It may have been left by a run that was killed, and a life after such an end is a careful and slower one.
            drop(ours::start(builder(&directory))?);
            return Ok(directory);
        }
        let failed = |cause: std::io::Error| format!("{}: {cause}", directory.display());
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(failed)?;
        }
        fs::create_dir_all(&directory).map_err(failed)?;
        let sizes = self.sizes.borrow().clone();
        let smaller = sizes.into_iter().filter(|size| *size < dialogs).max();
        let smaller = smaller.unwrap_or(0);
        if smaller > 0 {
            let from = self.directory.join(smaller.to_string());
            for entry in fs::read_dir(from).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if entry.file_name() != READY {
                    fs::copy(entry.path(), directory.join(entry.file_name())).map_err(failed)?;
                }
            }
        }
        eprintln!("  preparing {dialogs} dialogs, {smaller} of them from a copy");
        let begun = Instant::now();
        let path = directory.display().to_string();
        child::call(
            "prepare",
            &[&path, &smaller.to_string(), &dialogs.to_string()],
        )?;
        fs::write(directory.join(READY), "").map_err(failed)?;
        eprintln!(
            "  prepared in {:.0} s, {} bytes each on disk",
            begun.elapsed().as_secs_f64(),
            process::disk_bytes(&directory)? / dialogs
        );
        self.sizes.borrow_mut().push(dialogs);
        Ok(directory)
    }
}

/// A node on a prepared store, without the search for damage that follows a start by default: what it takes is in W5 and
/// W6, and here it would only be over at another time in each round.
pub(crate) fn builder(directory: &Path) -> NodeBuilder {
    Node::builder(directory).verify(Verification::Never)
}

/// The child that prepares: a directory, dialogs that are there, dialogs that shall be there.
pub(crate) fn prepare_child(args: &[String]) -> Result<Value, String> {
    let [directory, from, to] = args else {
        return Err("`prepare` wants a directory and two counts".to_owned());
    };
    let count = |text: &String| text.parse::<u64>().map_err(|cause| cause.to_string());
    let (from, to) = (count(from)?, count(to)?);
    // Folding in larger pieces is what somebody does who fills a store.
    let builder = Node::builder(directory).store_options(Options {
        fold_records: 300_000,
        fold_chunk: 50_000,
        fold_journal_bytes: 32 << 20,
        ..Options::default()
    });
    let node = ours::start(builder)?;
    let next = Arc::new(AtomicU64::new(from));
    let runtime = ours::runtime()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (node, next) = (Arc::clone(&node), Arc::clone(&next));
            tasks.spawn(async move {
                loop {
                    let dialog = next.fetch_add(1, Ordering::Relaxed);
                    if dialog >= to {
                        return Ok::<_, String>(());
                    }
                    post(&node, dialog).await?;
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|cause| cause.to_string())??;
        }
        Ok::<_, String>(())
    })?;
    ours::fold_all(&node)?;
    let node = Arc::into_inner(node).ok_or("a task still holds the node")?;
    let stopped = runtime.block_on(node.shutdown());
    stopped.map_err(|why| why.to_string())?;
    Ok(json!({}))
}

/// One message to one of a store's dialogs.
pub(crate) async fn post(node: &Node, dialog: u64) -> Result<(), String> {
    let account = node.open_as::<Account>(format!("d-{dialog}"));
    let answer = account.post(dialog, [7; MEMO_BYTES]).await;
    answer.map(drop).map_err(|why| why.to_string())
}

/// Dialogs in an order that has no order, the same in each run.
#[derive(Debug, Clone)]
pub(crate) struct Uniform {
    state: u64,
    dialogs: u64,
}

impl Uniform {
    pub(crate) fn over(dialogs: u64, seed: u64) -> Self {
        Self {
            state: seed,
            dialogs,
        }
    }
}

impl Iterator for Uniform {
    type Item = u64;

    /// `SplitMix64`.
    fn next(&mut self) -> Option<u64> {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Some((z ^ (z >> 31)) % self.dialogs)
    }
}
