//! The customers: every order is placed from the storefront, many at a time, and asked for until it has an outcome.
//!
//! Owns what a customer does and how its end is read; charging once is the plumbing's business. Running again on the
//! same store places the same orders under the same keys, and gets the recorded answers.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actor_core::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    nodes::Nodes,
    orders::{Order, Orders},
    payment::Card,
    report::{Counters, Finished, Outcome, Row},
    shop::Checkout,
};

/// Orders under way at a time. Most of an order's time is waiting for frames that the gnomes have eaten.
const IN_FLIGHT: usize = 256;
/// How often progress is told.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// How long a node that stopped may take to say why.
const REASON_WAIT: Duration = Duration::from_secs(5);

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Orders that have an outcome.
    pub settled: u64,
    /// All orders.
    pub orders: u64,
    /// What the nodes have counted.
    pub counters: Counters,
}

/// What a customer went home with.
enum End {
    Settled(Outcome),
    /// The order's id was used before with other contents.
    Conflict,
    Abandoned(String),
    /// The storefront has stopped.
    Stopped(String),
}

/// Places all `orders` and waits for their outcomes. `settled` goes up with them, for whoever looks from another thread.
pub async fn all(
    nodes: &Nodes,
    orders: &Orders,
    settled: &AtomicU64,
    mut tell: impl FnMut(Progress),
) -> Result<Finished, String> {
    let mut outcomes = BTreeMap::new();
    let (mut complaints, mut remarks) = (BTreeMap::new(), BTreeMap::new());
    let mut waiting = orders.placed.iter();
    let mut customers = JoinSet::new();
    let mut stopped = pin!(nodes.stopped());
    let mut clock = interval(PROGRESS_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        while customers.len() < IN_FLIGHT
            && let Some((line, order)) = waiting.next()
        {
            let end = buy(nodes.storefront(), order);
            let (line, id) = (*line, order.id.clone());
            customers.spawn(async move { (line, id, end.await) });
        }
        let customer = tokio::select! {
            customer = customers.join_next() => customer,
            reason = &mut stopped => return Err(reason),
            _ = clock.tick() => {
                let (settled, orders) = (outcomes.len() as u64, orders.placed.len() as u64);
                tell(Progress { settled, orders, counters: nodes.counters() });
                continue;
            }
        };
        let Some(customer) = customer else { break };
        let (line, id, end) = customer.map_err(|lost| lost.to_string())?;
        let outcome = match end {
            End::Settled(outcome) => outcome,
            End::Conflict => {
                let what = "was placed in an earlier run with other contents; the first stands";
                complaints.insert(line, format!("{}:{line}: order `{id}` {what}", orders.file));
                Outcome::Refused
            }
            End::Abandoned(why) => {
                remarks.insert(
                    line,
                    format!("{}:{line}: order `{id}` was abandoned: {why}", orders.file),
                );
                Outcome::Abandoned
            }
            End::Stopped(what) => return Err(timeout(REASON_WAIT, stopped).await.unwrap_or(what)),
        };
        outcomes.insert(id, outcome);
        settled.store(outcomes.len() as u64, Ordering::Relaxed);
    }
    let captured = nodes.captured().await?;
    let charged = |order: &String| captured.get(order).copied().unwrap_or_default();
    Ok(Finished {
        rows: outcomes
            .into_iter()
            .map(|(order, outcome)| Row {
                charged: charged(&order),
                order,
                outcome,
            })
            .collect(),
        ledger: captured.values().copied().sum(),
        counters: nodes.counters(),
        complaints: complaints.into_values().collect(),
        remarks: remarks.into_values().collect(),
    })
}

/// One customer: fills a cart, hears the price, pays, and leaves.
fn buy(storefront: &Node, order: &Order) -> impl Future<Output = End> + Send + use<> {
    let mut opening = storefront
        .open_as::<Checkout>(&order.id)
        .place(order.id.clone(), order.fingerprint());
    for line in &order.lines {
        opening = opening.add_item(line.sku.clone(), line.quantity);
    }
    let quote = opening.quote();
    let card = Card(order.card.clone());
    async move {
        let checkout = match quote.await {
            Ok((_price, checkout)) => checkout,
            Err(CallError::Declined(_refused)) => return End::Settled(Outcome::Refused),
            Err(error) => return End::without_answer(error),
        };
        // Named, so that a customer who comes back after a crash is not a second payment.
        let paid = checkout.pay(card).once("pay").await;
        checkout.dialog().close();
        match paid {
            Ok(_receipt) => End::Settled(Outcome::Paid),
            Err(CallError::Declined(_declined)) => End::Settled(Outcome::Declined),
            Err(error) => End::without_answer(error),
        }
    }
}

impl End {
    fn without_answer<E: fmt::Debug>(error: CallError<E>) -> Self {
        match error {
            CallError::KeyConflict { .. } => Self::Conflict,
            CallError::Stopped { .. } => Self::Stopped(error.to_string()),
            error => Self::Abandoned(error.to_string()),
        }
    }
}
