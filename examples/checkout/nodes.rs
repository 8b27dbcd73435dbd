//! The nodes of this process: a pool of checkout instances, two payment instances, and the storefront that owns the
//! orders' keys.
//!
//! Owns their names, their stores and the order in which they start and stop; never looks into a dialog.

use std::{
    collections::BTreeMap,
    fs,
    future::{Future, poll_fn},
    path::Path,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use actor_core::{NodeBuilder, OpenError, StartError, prelude::*};
use tokio::time::{Instant, sleep};

use crate::{
    args::Args,
    catalog::Catalog,
    commits::Commits,
    payment::{Account, CAPTURES},
    report::{Charged, Counters},
    shop::Checkout,
};

/// Checkout instances where nobody says how many.
const CHECKOUT_NODES: usize = 3;
/// A partner that missed a frame is asked again at least this often: a shop's customers do not wait half a minute.
const LONGEST_RETRY: Duration = Duration::from_secs(2);
/// Payment instances.
const PAYMENT_NODES: usize = 2;
/// How long a start waits for a process that is on its way out.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often it looks.
const LOCK_POLL: Duration = Duration::from_millis(50);
/// By how many frames the gnomes put one off.
const REORDER_FRAMES: u32 = 5;

/// All nodes, started.
pub struct Nodes {
    payment: Vec<Arc<Node>>,
    checkout: Vec<Arc<Node>>,
    storefront: Arc<Node>,
}

impl Nodes {
    /// Starts every node on its store below `store`. The payment service comes first and the storefront last, so that
    /// whoever goes on with work from an earlier run finds its partners on the network.
    pub async fn start(
        store: &Path,
        args: &Args,
        catalog: &Catalog,
        commits: &Commits,
    ) -> Result<Self, String> {
        let checkout_nodes = checkout_nodes(store, args.nodes)?;
        let network = Network::new();
        network.set_gnomes(
            Gnomes::seeded(args.seed)
                .lose(args.gnomes)
                .repeat(args.gnomes)
                .reorder(REORDER_FRAMES),
        );
        let builder = |name: &str| {
            Node::builder(store.join(name))
                .name(name)
                .network(&network)
                .longest_retry(LONGEST_RETRY)
        };

        let mut payment = Vec::new();
        for number in 1..=PAYMENT_NODES {
            let name = format!("payment-{number}");
            payment.push(start(|| builder(&name).serve::<Account>(), commits).await?);
        }
        let mut checkout = Vec::new();
        for number in 1..=checkout_nodes {
            let name = format!("checkout-{number}");
            let serving = || builder(&name).serve::<Checkout>().provide(catalog.clone());
            checkout.push(start(serving, commits).await?);
        }
        let storefront = start(|| builder("storefront"), commits).await?;
        Ok(Self {
            payment,
            checkout,
            storefront,
        })
    }

    /// The node that customers talk to. It serves nothing: it owns the orders' keys.
    pub fn storefront(&self) -> &Node {
        &self.storefront
    }

    /// Resolves with the reason when a node stops by itself.
    pub fn stopped(&self) -> impl Future<Output = String> + use<> {
        type Stopped = Pin<Box<dyn Future<Output = String> + Send>>;
        let mut nodes: Vec<Stopped> = self
            .all()
            .map(|node| {
                let node = Arc::clone(node);
                Box::pin(async move { node.stopped().await }) as Stopped
            })
            .collect();
        poll_fn(move |context| {
            let mut reasons = nodes.iter_mut().map(|node| node.as_mut().poll(context));
            reasons.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
    }

    /// What the payment nodes captured, by order, read back from their stores.
    pub async fn captured(&self) -> Result<BTreeMap<String, Charged>, String> {
        let mut charged = BTreeMap::<String, Charged>::new();
        for node in &self.payment {
            let view = node.read().await.map_err(|error| error.to_string())?;
            for (_, capture) in view
                .range(CAPTURES, ..)
                .map_err(|error| error.to_string())?
            {
                let order = charged.entry(capture.order).or_default();
                *order = *order
                    + Charged {
                        cents: capture.cents,
                        captures: 1,
                    };
            }
        }
        Ok(charged)
    }

    /// What the nodes have counted since they started.
    pub fn counters(&self) -> Counters {
        self.all().map(|node| Counters::from(node.stats())).sum()
    }

    /// Stops every node, those first that ask.
    pub async fn shutdown(self) -> Result<(), String> {
        for node in [self.storefront]
            .into_iter()
            .chain(self.checkout)
            .chain(self.payment)
        {
            if let Some(node) = Arc::into_inner(node) {
                node.shutdown().await.map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.payment
            .iter()
            .chain(&self.checkout)
            .chain([&self.storefront])
    }
}

/// As many as asked for, and as many as there were before: an instance that is gone takes its dialogs with it.
fn checkout_nodes(store: &Path, asked: Option<usize>) -> Result<usize, String> {
    let unusable = |error| {
        format!(
            "{}: the store cannot be used: {error}; choose a directory that this user may write",
            store.display()
        )
    };
    fs::create_dir_all(store).map_err(unusable)?;
    let mut had = 0;
    for entry in fs::read_dir(store).map_err(unusable)? {
        let name = entry.map_err(unusable)?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix("checkout-")?.parse().ok());
        had = had.max(number.unwrap_or(0));
    }
    match asked {
        Some(asked) if asked < had => Err(format!(
            "{}: the store has {had} checkout nodes and --nodes says {asked}; say --nodes {had} or more",
            store.display()
        )),
        asked => Ok(asked.unwrap_or(CHECKOUT_NODES).max(had)),
    }
}

/// Starts a node, waiting a little for the process that still has its store.
async fn start(builder: impl Fn() -> NodeBuilder, commits: &Commits) -> Result<Arc<Node>, String> {
    let patience = Instant::now() + LOCK_WAIT;
    loop {
        match builder().start() {
            Ok(node) => {
                let node = Arc::new(node);
                commits.watch(&node);
                return Ok(node);
            }
            Err(StartError::Open(OpenError::Lock(_))) if Instant::now() < patience => {
                sleep(LOCK_POLL).await
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
